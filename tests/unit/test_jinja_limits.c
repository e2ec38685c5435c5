/*
 * Chat templates: what is refused, and how. Every error names the template's line; a template that
 * wants all time, all memory or all stack ends in an error soon.
 */
#include <stdio.h>

#include "jinja_rig.h"

static void test_jinja__refuses_what_is_no_template(void **state)
{
    static const struct {
        const char *template, *beginning;
    } cases[] = {
        {"a\n{% if x %}\nb", "template line 2: the block that begins here has no 'endif'"},
        {"a\n\n{{ 1 + }}", "template line 3: expected an expression but found '}}'"},
        {"{{ 'a", "template line 1: the string that begins here has no end"},
        {"x\n{{ 1", "template line 2: the tag that begins here has no end"},
        {"\n{# x\n\n", "template line 2: the comment that begins here has no end"},
        {"{% raw %}\nx", "template line 1: the raw block that begins here has no end"},
        {"{{ (1] }}", "template line 1: a closing bracket here has no opening one"},
        {"{{ a b }}", "template line 1: expected the end of the tag but found 'b'"},
        {"{% nonsense %}", "template line 1: expected a tag's name but found 'nonsense'"},
        {"{% endif %}", "template line 1: expected a tag's name but found 'endif'"},
        {"\n{% break %}", "template line 2: break and continue need a loop around them"},
        {"{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
         "template line 1: break"},
        {"{{ f(a=1, 2) }}", "template line 1: a positional argument follows a named one"},
        {"{{ 01 }}", "template line 1: a number is malformed"},
        {"{{ 0x0x10 }}", "template line 1: a number is malformed"},
        {"{{ '\\ud800' }}", "template line 1: an escape is no character"},
        {"{{ @ }}", "template line 1: there is a character here"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        rig_check_error(cases[i].template, ERR_INVALID, cases[i].beginning);
    rig_check_error("{{ 9223372036854775808 }}", ERR_UNSUPPORTED,
                    "template line 1: an integer has");
    rig_check_error("\n{% include 'x' %}", ERR_UNSUPPORTED, "template line 2: the tag 'include'");
    rig_check_error("\xff", ERR_INVALID, "the template is not well-formed UTF-8");
}

static void test_jinja__says_in_which_line_a_template_fails(void **state)
{
    static const struct {
        const char *template, *beginning;
    } cases[] = {
        {"a\n{{ nothing.x }}", "template line 2: 'nothing' is undefined"},
        {"{{ d.nothing.x }}", "template line 1: 'nothing' is undefined"},
        {"\n\n{{ raise_exception('Roles must alternate!') }}",
         "template line 3: Roles must alternate!"},
        {"{{ 1 / 0 }}", "template line 1: division by zero"},
        {"{{ s + 1 }}", "template line 1: '+' cannot be applied to a string and an integer"},
        {"{{ nothing + 1 }}", "template line 1: 'nothing' is undefined"},
        {"{{ 1 < s }}", "template line 1: an integer and a string have no order"},
        {"{{ nothing() }}", "template line 1: 'nothing' is undefined"},
        {"{{ s() }}", "template line 1: a string cannot be called"},
        {"{% for x in 5 %}{% endfor %}", "template line 1: an integer cannot be looped over"},
        {"{% for a, b in [(1, 2, 3)] %}{% endfor %}",
         "template line 1: 3 values cannot be given to 2"},
        {"{% set s.x = 1 %}", "template line 1: an attribute can be set of a namespace only"},
        {"{{ [nothing]|tojson }}", "template line 1: 'nothing' is undefined"},
        {"{{ range|tojson }}", "template line 1: a function cannot be written as JSON"},
        {"{{ {[1]: 2} }}", "template line 1: a list cannot be the key of a mapping"},
        {"{{ d.get() }}", "template line 1: 'get' lacks its argument 'key'"},
        {"{{ s|trim(1, 2) }}", "template line 1: 'trim' takes at most 1 arguments, not 2"},
        {"{{ s|trim(zz=2) }}", "template line 1: 'trim' has no argument of a name that was given"},
        {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
         "template line 1: the macro 'm' takes at most 1"},
        {"{% macro m(a) %}{% endmacro %}{{ m(z=2) }}",
         "template line 1: the macro 'm' has no parameter 'z'"},
        /* found by the fuzzer: the number was taken out of a text before its kind was looked at */
        {"{{ s|round }}", "template line 1: 'round' needs a number, not a string"},
        {"{{ l[::0] }}", "template line 1: the step of a slice is 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        rig_check_error(cases[i].template, ERR_INVALID, cases[i].beginning);
    rig_check_error("{{ 9223372036854775807 + 1 }}", ERR_UNSUPPORTED,
                    "template line 1: an integer");
    rig_check_error("{{ s|nonsense }}", ERR_UNSUPPORTED,
                    "template line 1: there is no filter 'nonsense'");
    rig_check_error("{{ s is nonsense }}", ERR_UNSUPPORTED,
                    "template line 1: there is no test 'nonsense'");
    rig_check_one("{% if false %}{{ s|nonsense }}{% endif %}x", "{}", "x");
}

/* Fails, with the sentence that begins so; with tell_values that sentence holds the value. */
static void check_kept(const char *template, const char *beginning)
{
    const char *vars = "{\"s\": \"my secret\", \"d\": {\"my secret\": 1}}";
    struct jinja_options o;
    struct err err = {0};
    struct buf out;

    jinja_options_init(&o, RIG_NOW);
    buf_init(&out, RIG_MAX_BYTES);
    assert_true(rig_render(template, vars, &o, &out, &err) < 0);
    if (strncmp(err.text, beginning, strlen(beginning)) != 0 || strstr(err.text, "secret"))
        fail_msg("%s\n    fails with \"%s\"\n    expected   \"%s\"", template, err.text, beginning);
    o.tell_values = true;
    assert_true(rig_render(template, vars, &o, &out, &err) < 0);
    if (!strstr(err.text, "my secret"))
        fail_msg("%s\n    fails with \"%s\", which tells no value", template, err.text);
    buf_done(&out);
}

/*
 * A prompt is never echoed in an error or a log. Templates did it: what they raise, and the names
 * of what they look for, may be made of messages.
 */
static void test_jinja__says_what_is_the_templates_own_and_no_value(void **state)
{
    const char *refuses = "template line 2: the template refuses this, with a text made of values";

    (void)state;
    check_kept("\n{{ raise_exception('bad: ' + s) }}", refuses);
    check_kept("\n{{ raise_exception(s) }}", refuses);
    check_kept("\n{{ raise_exception(s[3:]|upper ~ s) }}", refuses);
    check_kept("\n{{ raise_exception('%s'|format(s)) }}", refuses);
    check_kept("{{ d[s ~ '!'].y }}", "template line 1: what is looked for by a value is undefined");
    check_kept("{{ ('{0[' ~ s ~ '!][0]}').format(d) }}",
               "template line 1: what is looked for by a value is undefined");
    check_kept("{{ [1]|map(s)|list }}", "template line 1: there is no filter of a name that is a");
    check_kept("{{ [1]|select(s)|list }}", "template line 1: there is no test of a name that is a");
    check_kept("{% macro m(a) %}{% endmacro %}{{ m(**d) }}",
               "template line 1: the macro 'm' has no parameter of a name that is a value");
    rig_check_error("{% set t = 'Roles ' 'alternate' %}{{ raise_exception(t) }}", ERR_INVALID,
                    "template line 1: Roles alternate");
    rig_check_error("{{ ([]|first).x }}", ERR_INVALID,
                    "template line 1: 'the first item of nothing' is undefined");
}

/* What comes of a template that may take `max_steps` steps; what it writes is thrown away. */
static int render_in_steps(const char *template, const char *json, uint64_t max_steps,
                           struct err *err)
{
    struct jinja_options o;
    struct buf out;
    int rc;

    jinja_options_init(&o, RIG_NOW);
    o.max_steps = max_steps;
    buf_init(&out, RIG_MAX_BYTES);
    rc = rig_render(template, json, &o, &out, err);
    buf_done(&out);
    return rc;
}

/* Templates that would run for ever, or nearly so. */
static void test_jinja__ends_what_does_not_end(void **state)
{
    static const char *const templates[] = {
        "{% set x = [1] %}{% for i in x %}{% set _ = x.append(1) %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
        "{% endfor %}{% endfor %}",
        "{{ range(99999999999) }}",
        "{% set x = 'a' * 9999999 %}{% for i in range(999999) %}{% set y = x.count('b') %}{% "
        "endfor %}",
        "{% set x = 'a' * 9999999 %}{% for i in range(999999) %}{% set y = x == x[:] ~ '' %}{% "
        "endfor %}",
        "{% set x = range(99999)|list %}{% for i in x %}{% set y = -1 in x %}{% endfor %}",
        "{{ range(999999)|map('string')|unique|list|length }}",
    };

    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        assert_int_equal(render_in_steps(templates[i], "{}", 1000000, &err), ERR_LIMIT);
        assert_non_null(
            strstr(err.text, "template line 1: the template took more than 1000000 steps"));
    }
}

/* Counts how often it is asked; says yes at a given time. */
struct asked {
    unsigned n, yes_at;
};

static bool is_asked(void *arg)
{
    struct asked *a = arg;

    return ++a->n == a->yes_at;
}

/* A render of 20,000,000 steps takes seconds: who waits for it may have left long before. */
static void test_jinja__ends_when_somebody_asks_for_that(void **state)
{
    static const char text[] = "{% set x = range(9999) %}{% for a in x %}{% for b in x %}{{ a }}"
                               "{% endfor %}{% endfor %}";
    struct asked asked = {.yes_at = 3};
    struct jinja_stop stop = {is_asked, &asked};
    struct jinja_options o;
    struct err err = {0};
    struct buf out;

    (void)state;
    jinja_options_init(&o, RIG_NOW);
    o.stop = &stop;
    buf_init(&out, RIG_MAX_BYTES);
    assert_int_equal(rig_render(text, "{}", &o, &out, &err), ERR_CANCELLED);
    assert_string_equal(err.text, "template line 1: the rendering was given up");
    assert_int_equal(asked.n, 3);
    assert_int_equal(out.len, 0);
    asked = (struct asked){0};
    o.max_steps = 100000;
    assert_int_equal(rig_render(text, "{}", &o, &out, &err), ERR_LIMIT);
    assert_in_range(asked.n, 20, 30); /* once in some thousand steps */
    buf_done(&out);
}

/* Asked for so often that what it looks at must count, also where nothing comes of it. */
#define OFTEN(what)                                                                                \
    "{% set a = 'a' * 32000 %}{% set x = a ~ 'x' %}{% set y = a ~ 'y' %}{% set b = ' ' * 32000 %}" \
    "{% for i in range(100) %}" what "{% endfor %}"

/*
 * A template in a model's file held up all requests of its worker for good: some of what templates
 * do was as long as they made it, and counted as one step.
 */
static void test_jinja__counts_what_it_looks_at(void **state)
{
    static const char *const templates[] = {
        /* 2^18 tuples that are two each of one before */
        "{% set n = namespace(x=(1,)) %}{% for i in range(18) %}{% set n.x = (n.x, n.x) %}"
        "{% endfor %}{% set d = {n.x: 1} %}",
        OFTEN("{% if x == y %}{% endif %}"),
        OFTEN("{% if x is ne y %}{% endif %}"),
        OFTEN("{% if {'k': x} == {'k': y} %}{% endif %}"),
        OFTEN("{% if y in [x] %}{% endif %}"),
        OFTEN("{% set z = x.removeprefix(y) %}"),
        OFTEN("{% set z = ('x' ~ a).removesuffix('y' ~ a) %}"),
        OFTEN("{% set z = x.startswith((y,)) %}"),
        OFTEN("{% set z = 'b'.strip(a) %}"),
        OFTEN("{% set z = 'b'|trim(a) %}"),
        OFTEN("{% set z = a|truncate(5) %}"),
        OFTEN("{% set z = 'b'|truncate(40000, false, a) %}"),
        OFTEN("{% set z = b|int %}"),
        OFTEN("{% set z = b|float %}"),
        OFTEN("{% set z = a.rpartition('b') %}"),
        /* 4,000 places of which each looks right for 4,000 bytes */
        "{{ ('a' * 8000).rfind('a' * 4000 ~ 'b') }}",
        "{{ ('a' * 8000).rsplit('a' * 4000 ~ 'b') }}",
        "{{ ('<' * 4000)|striptags }}",
    };
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (render_in_steps(templates[i], "{}", 100000, &err) != ERR_LIMIT ||
            !strstr(err.text, "the template took more than 100000 steps"))
            fail_msg("not told as too much: %s", templates[i]);
}

/* Made once, and then asked for a hundred times. */
#define SETS(name, what) "{% set " name " = " what " %}"
#define TIMES(n, what)   "{% for i in range(" n ") %}{% set z = " what " %}{% endfor %}"
#define AGAIN(what)      TIMES("100", what)
#define EMPTY_LOOPS      "{% for i in range(100) %}{% for j in x %}{% endfor %}{% endfor %}"
#define NESTS            "{% for i in range(500) %}{% set n.x = [n.x] %}{% endfor %}"
#define K                "'k' * 32000"

/*
 * A model with such a template loaded for ever, or hung at one certain message and answered nobody
 * any more: 5,000,000 steps of which each took up to a millisecond. What was read here was a
 * format, a path or a name and no text, an item for which nothing was put anywhere, a tag that was
 * left out.
 */
static void test_jinja__counts_what_it_looks_at_on_the_way(void **state)
{
    static const char *const templates[] = {
        SETS("x", "'%' ~ '0' * 32000 ~ 'd'") AGAIN("x % 5"),
        SETS("x", "'%(' ~ 'k' * 32000 ~ ')d'") SETS("d", "{" K ": 1}") AGAIN("x % d"),
        SETS("x", "'{' ~ '0' * 32000 ~ '}'") AGAIN("x.format(5)"),
        SETS("x", "'%Z' * 16000") AGAIN("strftime_now(x)"),
        SETS("l", "[]") SETS("z", "l.append(l)") SETS("x", "'0.' * 16000 ~ '0'")
            AGAIN("[l]|map(attribute=x)"),
        SETS("x", K) AGAIN("[[]]|map(attribute=x)"),
        SETS("x", K) AGAIN("[[]]|groupby(x)"),
        SETS("x", K) AGAIN("[[]]|selectattr(x)"),
        SETS("x", "namespace(**{'k' * 32000 ~ 'a': 1})") SETS("y", "'k' * 32000 ~ 'b'")
            AGAIN("x|attr(y)"),
        /* keywords that are handed on from item to item */
        SETS("d", "{'attribute': 'x'}") TIMES("500", "d.update({'another' ~ i: 1})")
            SETS("x", "[[1]] * 600") TIMES("20", "x|map('map', **d)"),
        /* what does nothing does it for each item */
        SETS("x", "range(2000)") EMPTY_LOOPS,
        SETS("x", "range(2000)") AGAIN("x|select('undefined')"),
        SETS("x", "range(2000)") AGAIN("x|selectattr('', 'defined')"),
        SETS("x", "'<>' * 16000") AGAIN("x|striptags"),
        SETS("x", "' ' * 32000") AGAIN("x|striptags"),
        /* 500 levels of an indentation of no bytes, before each item */
        SETS("n", "namespace(x=[1] * 100)") NESTS AGAIN("n.x|tojson(indent='')"),
        /* a float is tried with up to 17 digits */
        SETS("x", "[0.1 + 0.2] * 100") AGAIN("x|string"),
        SETS("x", "[0.1 + 0.2] * 100") AGAIN("x|tojson"),
        SETS("x", "'{}' * 50") SETS("v", "[0.1 + 0.2] * 50") AGAIN("x.format(*v)"),
    };
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (render_in_steps(templates[i], "{}", 100000, &err) != ERR_LIMIT ||
            !strstr(err.text, "the template took more than 100000 steps"))
            fail_msg("not told as too much: %s (%s)", templates[i], err.text);
}

/* Character by character counts as such: a step was 16 of them, and 1.5 us and more. */
static void test_jinja__counts_characters_that_are_taken_one_by_one(void **state)
{
    static const char *const templates[] = {"a|title", "a|urlencode", "[a]|string", "a|tojson"};
    struct err err = {0};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        snprintf(text, sizeof text,
                 "{%% set a = 'a' * 32000 %%}{%% for i in range(12) %%}{%% set z = %s %%}"
                 "{%% endfor %%}",
                 templates[i]);
        if (render_in_steps(text, "{}", 100000, &err) != ERR_LIMIT)
            fail_msg("not told as too much: %s", text);
    }
}

/* One list given to thousands of names at once. */
static void test_jinja__counts_the_names_that_a_list_is_given_to(void **state)
{
    struct buf template;
    struct err err = {0};

    (void)state;
    buf_init(&template, RIG_MAX_BYTES);
    buf_puts(&template, "{% set x = [1] * 2000 %}{% for i in range(100) %}{% set a");
    for (int i = 1; i < 2000; i++)
        buf_puts(&template, ", a");
    buf_puts(&template, " = x %}{% endfor %}");
    assert_int_equal(render_in_steps(buf_str(&template), "{}", 100000, &err), ERR_LIMIT);
    buf_done(&template);
}

/* A scope of 900 names, then so many times what is to be looked at in it. */
static void assert_names_count(const char *repeated, int times)
{
    struct buf template;
    struct err err = {0};

    buf_init(&template, RIG_MAX_BYTES);
    buf_puts(&template, "{% for i in [1] %}");
    for (int i = 0; i < 900; i++)
        buf_printf(&template, "{%% set v%d = 1 %%}", i);
    for (int i = 0; i < times; i++)
        buf_puts(&template, repeated);
    buf_puts(&template, "{% endfor %}");
    assert_int_equal(render_in_steps(buf_str(&template), "{\"n\": 1}", 100000, &err), ERR_LIMIT);
    buf_done(&template);
}

/* The names of a scope are looked through one by one, also to set one. */
static void test_jinja__counts_the_names_it_sets(void **state)
{
    (void)state;
    assert_names_count("{% set v899 = 1 %}", 3000);
}

static void test_jinja__counts_the_names_it_looks_through(void **state)
{
    (void)state;
    assert_names_count("{% for j in range(3000) %}{{ n }}{% endfor %}", 1);
}

/* What is honest costs no more than it did: searches from the end begin where the last one ended.
 */
static void test_jinja__honest_templates_have_their_steps(void **state)
{
    static const char *const templates[] = {
        "{{ ('a b ' * 10000).rsplit(' ')|length }}",
        "{{ ('a b ' * 10000).split(' ')|length }}",
        "{{ ('a<b>c ' * 4000)|striptags|length }}",
        "{{ ('a b ' * 10000)|replace('a', 'c')|length }}",
        "{{ (' ' * 10000 ~ 'a' ~ ' ' * 10000).strip() }}",
        "{{ ('a b ' * 10000)|tojson|length }}",
        "{% for p in [{'name': 'x'}] * 2000 %}{{ [p]|map(attribute='name')|first }}{% endfor %}",
        "{% for x in [1.5] * 500 %}{{ x }}{% endfor %}",
    };
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (render_in_steps(templates[i], "{}", 100000, &err))
            fail_msg("%s: %s", templates[i], err.text);
}

static void test_jinja__bounds_memory_and_output(void **state)
{
    static const char *const templates[] = {
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% "
        "endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% "
        "endfor %}",
        "{{ 'a' * 99999999999 }}",
        "{{ [1] * 99999999999 }}",
        "{% for i in range(999999) %}{{ 'a' * 999 }}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x|replace('x', "
        "'xxx') %}"
        "{% endfor %}",
        "{{ '%9999999999d' % 1 }}",
        "{{ ('x' * 99999)|indent(99999999999, true) }}",
        "{{ ('x,' * 999999).split(',')|tojson(indent=999999) }}",
    };
    struct jinja_options o;
    struct err err = {0};
    struct buf out;

    (void)state;
    jinja_options_init(&o, RIG_NOW);
    o.max_memory_bytes = 8 << 20;
    o.max_output_bytes = 4 << 20;
    buf_init(&out, RIG_MAX_BYTES);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        int rc = rig_render(templates[i], "{}", &o, &out, &err);

        if (rc != ERR_LIMIT && rc != ERR_INVALID)
            fail_msg("%s\n    gives %d", templates[i], rc);
    }
    buf_done(&out);
}

static void test_jinja__bounds_depth(void **state)
{
    static const char *const templates[] = {
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a(x) %}{% call a(x) %}{% endcall %}{% endmacro %}{{ a(1) }}",
        "{% set x = [] %}{% set _ = x.append(x) %}{{ x }}",
        "{% set x = [] %}{% set _ = x.append(x) %}{{ x|tojson }}",
        "{% set x = [] %}{% set _ = x.append(x) %}{% set y = [] %}{% set _ = y.append(y) %}{{ x == "
        "y }}",
        "{% set x = {} %}{% set _ = x.update(x=x) %}{{ x == {'x': x} }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace(x=()) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor "
        "%}"
        "{{ {ns.x: 1} }}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        rig_check_error(templates[i], ERR_LIMIT, "template line 1: the template went more than");
}

/* `n` times `one`, then `middle`, then n times `end`. */
static char *repeat(const char *one, size_t n, const char *middle, const char *end)
{
    size_t a = strlen(one), b = strlen(end), m = strlen(middle);
    char *text = malloc(n * (a + b) + m + 1);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * a, one, a);
    memcpy(text + n * a, middle, m);
    for (size_t i = 0; i < n; i++)
        memcpy(text + n * a + m + i * b, end, b);
    text[n * (a + b) + m] = '\0';
    return text;
}

static void test_jinja__bounds_what_a_text_nests(void **state)
{
    static const struct {
        const char *one, *middle, *end;
    } cases[] = {
        {"{{ (", "1", ""},
        {"{{ [[[[[[[[", "1", ""},
        {"{% if 1 %}", "x", "{% endif %}"},
        {"{{ not ", "1", ""},
        {"{% for x in l %}", "x", "{% endfor %}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i].one, 20000, cases[i].middle, cases[i].end);
        struct jinja_program *p = NULL;
        struct err err = {0};
        int rc = jinja_compile(text, strlen(text), &p, &err);

        assert_true(rc == ERR_LIMIT || rc == ERR_INVALID);
        assert_non_null(strstr(err.text, "template line 1: "));
        free(text);
    }
}

/* Chains nest without brackets: each operator, attribute or filter is one level more. */
static void test_jinja__bounds_what_a_chain_nests(void **state)
{
    static const char *const links[] = {" + 1",   "|abs",         ".real", "[0]",         "()",
                                        " and 1", " if 1 else 1", " - -1", " is defined", " ** 1"};

    (void)state;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        char *chain = repeat(links[i], 20000, " }}", "");
        char *text = malloc(strlen(chain) + 8);
        struct err err = {0};
        struct buf out;

        assert_non_null(text);
        memcpy(text, "{{ 1", 4);
        memcpy(text + 4, chain, strlen(chain) + 1);
        buf_init(&out, RIG_MAX_BYTES);
        assert_int_not_equal(rig_render(text, "{}", NULL, &out, &err), 0);
        assert_non_null(strstr(err.text, "template line 1: "));
        buf_done(&out);
        free(text);
        free(chain);
    }
}

static void test_jinja__bounds_a_templates_size(void **state)
{
    struct jinja_program *p;
    struct err err = {0};
    char *text = calloc(1, JINJA_MAX_TEMPLATE_BYTES + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', JINJA_MAX_TEMPLATE_BYTES + 1);
    assert_int_equal(jinja_compile(text, JINJA_MAX_TEMPLATE_BYTES + 1, &p, &err), ERR_LIMIT);
    assert_int_equal(jinja_compile(text, JINJA_MAX_TEMPLATE_BYTES, &p, &err), 0);
    jinja_free(p);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja__refuses_what_is_no_template),
        cmocka_unit_test(test_jinja__says_in_which_line_a_template_fails),
        cmocka_unit_test(test_jinja__says_what_is_the_templates_own_and_no_value),
        cmocka_unit_test(test_jinja__ends_what_does_not_end),
        cmocka_unit_test(test_jinja__ends_when_somebody_asks_for_that),
        cmocka_unit_test(test_jinja__counts_what_it_looks_at),
        cmocka_unit_test(test_jinja__counts_what_it_looks_at_on_the_way),
        cmocka_unit_test(test_jinja__counts_characters_that_are_taken_one_by_one),
        cmocka_unit_test(test_jinja__counts_the_names_that_a_list_is_given_to),
        cmocka_unit_test(test_jinja__counts_the_names_it_sets),
        cmocka_unit_test(test_jinja__counts_the_names_it_looks_through),
        cmocka_unit_test(test_jinja__honest_templates_have_their_steps),
        cmocka_unit_test(test_jinja__bounds_memory_and_output),
        cmocka_unit_test(test_jinja__bounds_depth),
        cmocka_unit_test(test_jinja__bounds_what_a_text_nests),
        cmocka_unit_test(test_jinja__bounds_what_a_chain_nests),
        cmocka_unit_test(test_jinja__bounds_a_templates_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
