/*
 * Chat templates: the language. Expected texts follow from the Jinja documentation and from
 * Python's data model; tests/golden/jinja-compare.py checks many more against Jinja itself.
 */
#include "jinja_rig.h"

static void test_jinja__prints_values_as_python_does(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ true }} {{ False }} {{ none }} {{ None }}", "True False None None"},
        {"{{ 1 }} {{ -1 }} {{ 1_000 }} {{ 0x1f }} {{ 10 }}", "1 -1 1000 31 10"},
        {"{{ 1.0 }} {{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }}", "1.0 1e+16 1e-05 0.30000000000000004"},
        {"{{ [1, 'a', none, true, 1.5] }}", "[1, 'a', None, True, 1.5]"},
        {"{{ (1,) }} {{ () }} {{ {'a': [1]} }}", "(1,) () {'a': [1]}"},
        {"{{ [\"it's\", 'q\"', '\\n\\\\'] }}", "[\"it's\", 'q\"', '\\n\\\\']"},
        {"{{ 'a' 'b' \"c\" }}{{ '\\x41\\u00e9\\t\\q' }}", "abcA\xc3\xa9\t\\q"},
        {"{{ nothing }}|{{ [nothing] }}", "|[Undefined]"},
        {"{{ d }}", "{'a': 1, 'b': 2}"},
        {"{{ {'b': 1, 'a': 2, 'b': 3} }}", "{'b': 3, 'a': 2}"},
        {"{{ {1: 'x', true: 'y', 1.0: 'z'} }}", "{1: 'z'}"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__controls_white_space(void **state)
{
    static const struct jinja_case cases[] = {
        {"a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc"},
        {"a\n  {%+ if true %}\nb\n{% endif +%}\nc", "a\n  b\n\nc"},
        {"a {%- if true -%} b {%- endif -%} c", "abc"},
        {"a\n  {# note #}\nb {#- note -#} c", "a\nbc"},
        {"a\n  {{ 1 }}\nb {{- 2 -}} c", "a\n  1\nb2c"},
        {"x {% if true %} y {% endif %} z", "x  y  z"},
        {"{% raw %}{{ x }} {% if %}{% endraw %}", "{{ x }} {% if %}"},
        {"a\r\nb\rc\r\n", "a\nb\nc"},
        {"{{-1}}|{{ '}}' }}|{{ {'a': {}} }}", "1|}}|{'a': {}}"},
        {"a\n\n", "a\n"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__computes_as_python_does(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }}", "3.5 3 -4 2 -2"},
        /* the products within overflowed, and the counting down of what has no end */
        {"{% set m = 9223372036854775807 %}{{ m % -3 }} {{ -m % 10 }} {{ (-m - 1) % 3 }} "
         "{{ (-m - 1) % m }} {{ m % (-m - 1) }} {{ (-m - 1) % -1 }}",
         "-2 3 1 9223372036854775806 -1 0"},
        {"{% set n = -9223372036854775807 - 1 %}{{ 'a,b'.split(',', n) }} {{ 'a b'.split(none, n) "
         "}} "
         "{{ 'a,b'.rsplit(',', n) }} {{ 'aa'.replace('a', 'b', n) }} {{ 'ab'.replace('', '-', n) "
         "}}",
         "['a', 'b'] ['a', 'b'] ['a', 'b'] bb -a-b-"},
        {"{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}", "1024 0.5 64 4"},
        {"{{ 1 + 2 ~ 'x' if false else 2 * 3 ~ 4 }}", "64"},
        {"{{ 'a' + 'b' * 2 }} {{ [1] + [2] * 2 }} {{ true + 1 }}", "abb [1, 2, 2] 2"},
        {"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }}", "True False True"},
        {"{{ 1 in l }} {{ 'ell' in s }} {{ 'a' in d }} {{ 9 not in l }}", "True True True True"},
        {"{{ [] or 'x' }} {{ 0 and 1 }} {{ not none }} {{ not 1 in l }}", "x 0 True False"},
        {"{{ 1 if 0 else 2 if 0 else 3 }}|{{ 'x' if false }}|", "3||"},
        /* a sign belongs to what is filtered, a test to the operand before it: 1 + true */
        {"{{ -1|abs }} {{ 1 + 1 is odd }}", "1 2"},
        {"{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1.0} }} {{ [1] == (1,) }}", "True False"},
        {"{{ [1, 2] < [1, 3] }} {{ 'B' < 'a' }}", "True True"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__finds_attributes_and_items(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ d.a }} {{ d['b'] }} {{ d.z }}| {{ d.get('z', 5) }}", "1 2 | 5"},
        /* a method wins over an item behind a dot, an item in brackets */
        {"{{ schema.items is callable }} {{ schema['items'].type }}", "True int"},
        {"{{ l[0] }} {{ l[-1] }} {{ l[9] }}| {{ l.1 }} {{ l[true] }}", "1 3 | 2 2"},
        {"{{ l[1:] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[2:0:-1] }} {{ l[9:] }}",
         "[2, 3] [3, 2, 1] [2, 3] [3, 2] []"},
        {"{{ s[1:-1] }} {{ s[::-2] }} {{ s[-9:2] }}", "ell olh he"},
        {"{{ '\xe6\x97\xa5\xe6\x9c\xac'|length }} {{ '\xe6\x97\xa5\xe6\x9c\xac'[1] }}",
         "2 \xe6\x9c\xac"},
        {"{{ n.x }}|{{ n[1:] }}|{{ d.z is defined }} {{ d.a is defined }}", "||False True"},
        {"{{ {(1, 2): 'x'}[1, 2] }} {{ {1: 'x'}[1.0] }}", "x x"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__branches_and_loops(void **state)
{
    static const struct jinja_case cases[] = {
        {"{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", "b"},
        {"{% for x in l %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }} {% "
         "endfor %}",
         "12TrueFalse 21FalseFalse 30FalseTrue "},
        {"{% for x in l if x > 1 %}{{ x }}/{{ loop.length }} {% endfor %}", "2/2 3/2 "},
        {"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
        {"{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
         "a1b2ab"},
        {"{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"},
        {"{% for x in l %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "13"},
        {"{% for x in l %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "1"},
        {"{% for x in l %}{{ loop.previtem }}<{{ loop.nextitem }} {% endfor %}", "<2 1<3 2< "},
        {"{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }}{% endfor %}",
         "TrueaFalsebTruea"},
        /* a loop's variables end with each turn */
        {"{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}", "1230"},
        {"{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ "
         "ns.y }}",
         "6"},
        {"{% for x in range(5, 0, -2) %}{{ x }}{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}",
         "53112"},
        {"{% for c in 'h\xc3\xa9' %}{{ c }}.{% endfor %}", "h.\xc3\xa9."},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__sets_and_calls(void **state)
{
    static const struct jinja_case cases[] = {
        {"{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"},
        {"{% set x %}a{{ 1 }}{% endset %}{{ x|length }}{% set y | upper %}b{% endset %}{{ y }}",
         "2B"},
        {"{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "155"},
        {"{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, c=9) "
         "}}{{ m() }}",
         "121;129;2;"},
        {"{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
         "3210"},
        {"{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}{{ m() }}",
         "(1,){'x': 2}(){}"},
        {"{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}",
         "123"},
        {"{% macro m() %}<{{ caller(1) }}>{% endmacro %}{% call(x) m() %}in{{ x }}{% endcall %}",
         "<in1>"},
        {"{% filter replace('a', 'b')|upper %}aXa{% endfilter %}", "BXB"},
        {"{% generation %}x{% set z = 1 %}{{ z }}{% endgeneration %}{{ z is defined }}", "x1False"},
        {"{% set x = 'a' %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 'b' %}{{ m() }}", "b"},
        {"{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
         "1212"},
        {"{% set j = joiner('; ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "1; 2; 3"},
        {"{{ dict(a=1) }}{{ dict({'x': 1}, y=2) }}", "{'a': 1}{'x': 1, 'y': 2}"},
        {"{{ strftime_now('%d %b %Y, %A %-d %H:%M %p %j') }}",
         "10 Jul 2025, Thursday 10 12:00 PM 191"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__compiles_once_and_renders_often(void **state)
{
    static const char text[] = "{% set l = l + [4] %}{{ l }}{% set _ = m.append(1) %}{{ m }}";
    json_t *vars = json_pack("{s:[i], s:[]}", "l", 1, "m");
    struct jinja_program *p;
    struct buf out;

    (void)state;
    assert_int_equal(jinja_compile(text, sizeof text - 1, &p, NULL), 0);
    assert_true(jinja_mentions(p, "m") && jinja_mentions(p, "l"));
    assert_false(jinja_mentions(p, "tools") || jinja_mentions(p, "append"));
    buf_init(&out, RIG_MAX_BYTES);
    for (int i = 0; i < 3; i++) {
        buf_clear(&out);
        assert_int_equal(jinja_render(p, vars, NULL, &out, NULL), 0);
        assert_string_equal(buf_str(&out), "[1, 4][1]");
    }
    buf_done(&out);
    jinja_free(p);
    json_decref(vars);
}

static void test_jinja__puts_behind_what_is_there(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, RIG_MAX_BYTES);
    buf_puts(&out, "before ");
    assert_int_equal(rig_render("{{ s }}", RIG_VARIABLES, NULL, &out, NULL), 0);
    assert_string_equal(buf_str(&out), "before hello");
    assert_int_equal(rig_render("x{{ nothing.x }}", RIG_VARIABLES, NULL, &out, NULL), ERR_INVALID);
    assert_string_equal(buf_str(&out), "before hello");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja__prints_values_as_python_does),
        cmocka_unit_test(test_jinja__controls_white_space),
        cmocka_unit_test(test_jinja__computes_as_python_does),
        cmocka_unit_test(test_jinja__finds_attributes_and_items),
        cmocka_unit_test(test_jinja__branches_and_loops),
        cmocka_unit_test(test_jinja__sets_and_calls),
        cmocka_unit_test(test_jinja__compiles_once_and_renders_often),
        cmocka_unit_test(test_jinja__puts_behind_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
