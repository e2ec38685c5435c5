/*
 * test_jinja_python.c - what templates get for what few of them ask. The expected texts are those
 * of Jinja 3.1.6 under Python 3.11, with the options that jinja.h names.
 */
#include "jinja_rig.h"

/*
 * memcmp told how far apart two bytes are, and 2 meant "not a number": 'c' > 'a' was false, and so
 * was "2025" >= "2023" in a template that asks for a date.
 */
static void test_jinja__as_python_orders_texts(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ 'c' > 'a' }} {{ 'c' >= 'a' }} {{ 'a' < 'c' }} {{ 'a' <= 'c' }} {{ 'a' > 'c' }}",
         "True True True True False"},
        {"{{ '2025' >= '2023' }} {{ 'v1.3' > 'v1.1' }} {{ 'b' > 'a' }} {{ 'ab' > 'a' }}",
         "True True True True"},
        {"{{ ['a', 'c', 'b']|max }} {{ ['c', 'a', 'b']|min }} {{ ['a', 'c', 'b']|sort(true)|join "
         "}}",
         "c a cba"},
        {"{{ [(30, 'a'), (30, 'c'), (20, 'b')]|sort(true)|join(' ') }}",
         "(30, 'c') (30, 'a') (20, 'b')"},
        {"{{ 'nan'|float > 1 }} {{ 'nan'|float <= 1 }} {{ 1 < 'nan'|float }}", "False False False"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_lays_values_out(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ '%05.3d %.3d %8.3d| %+.2d %-6.3d|' % (5, -2, 5, 1, 7) }}",
         "00005 -002      005| +01 007   |"},
        {"{{ '%x %X %o %#x %#X %#o' % (255, 255, 8, 255, 255, 8) }}", "ff FF 10 0xff 0XFF 0o10"},
        {"{{ '%e %.2E %g %G' % (12345.678, 0.00012, 1e10, 1e-7) }}",
         "1.234568e+04 1.20E-04 1e+10 1E-07"},
        {"{{ '%c%c %r %i %u %%' % ('a', '\303\251', 'b', 3, 4) }}", "a\303\251 'b' 3 4 %"},
        {"{{ '%(a)s-%(b)03d' % d }} {{ '% d|%+d|%-4d|%04d' % (1, 2, 3, 4) }}",
         "1-002  1|+2|3   |0004"},
        {"{{ '{:,} {:,.2f} {:b} {:#b} {:o} {:#o} {:x} {:X}'.format(1234567, 1234.5, 5, 5, 8, 8, "
         "255, 255) }}",
         "1,234,567 1,234.50 101 0b101 10 0o10 ff FF"},
        {"{{ '{:#06x} {:+#08b} {:06d} {:+05d} {:=+5d}'.format(10, 5, -42, 7, 3) }}",
         "0x000a +0b00101 -00042 +0007 +   3"},
        {"{{ '{:e} {:.1%} {:g} {:G} {:.3} {:10.2f}|'.format(12345.678, 0.256, 1e16, 1e-9, 2.0, "
         "3.14159) }}",
         "1.234568e+04 25.6% 1e+16 1E-09 2.0       3.14|"},
        {"{{ '{:>5}|{:<5}|{:^5}|{:*^7}|{:05}|'.format('a', 'b', 'c', 'd', 'x') }}",
         "    a|b    |  c  |***d***|x0000|"},
        {"{{ '{}|{:5}|{:<3}|{:d}|{!r}'.format(true, true, false, true, 'q') }}",
         "True|    1|0  |1|'q'"},
        {"{{ '{0[0]} {0[1]} {1[a]} {k}'.format(['x', 'y'], d, k=3) }}", "x y 1 3"},
        {"{{ '{{}} {}'.format('a') }}", "{} a"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_computes(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ 1 // 0.1 }} {{ -1 // 0.1 }} {{ 7.5 // 2 }} {{ 7.5 // -2 }} {{ -0.0 // 1 }}",
         "9.0 -10.0 3.0 -4.0 -0.0"},
        {"{{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ -2 % 0.5 }} {{ 1e16 % -1 }}",
         "1.5 0.5 -0.5 0.0 -0.0"},
        {"{{ 1.5 + 1 }} {{ 1 - 0.5 }} {{ 2 * 1.5 }} {{ 1 / 2 }} {{ 2.0 ** 3 }} {{ 2 ** -1 }}",
         "2.5 0.5 3.0 0.5 8.0 0.5"},
        {"{{ 0.0 or 'zero' }} {{ 0.5 and 'half' }} {{ none == none }} {{ none != 1 }} {{ 1 == 1.0 "
         "}} {{ true == 1 }}",
         "zero half True True True True"},
        {"{{ -true }} {{ +true }} {{ - 2.5 }} {{ not 0.0 }}", "-1 1 -2.5 True"},
        {"{{ '\\101\\x42\\u0043\\t|' }}", "ABC\t|"},
        {"{{ [1, 2, 3, 4, 5][::-2] }} {{ 'abcde'[-3:-1] }} {{ (1, 2, 3)[1:] }} {{ 'abc'[5:] }}|",
         "[5, 3, 1] cd (2, 3) |"},
        {"{{ dict([('a', 1)], b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict() }}",
         "{'a': 1, 'b': 2} {'x': 1, 'y': 2} {}"},
        {"{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() "
         "}}{{ c.reset() }}{{ c.next() }}",
         "abaaNonea"},
        {"{{ range(3)|list }} {{ range(2, 8, 3)|list }} {{ range(3, 0, -1)|list }} {{ "
         "range(0)|list }}",
         "[0, 1, 2] [2, 5] [3, 2, 1] []"},
        {"{% for i in [1, 2, 3] %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ "
         "loop.depth0 }}{{ loop.cycle('x', 'y') }} {% endfor %}",
         "3210x 2110y 1010x "},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_sorts_and_groups(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ people|sort(attribute='age,name')|map(attribute='name')|join }} {{ "
         "people|sort(reverse=true, attribute='age,name')|map(attribute='name')|join }}",
         "BobAnnCy CyAnnBob"},
        {"{{ {'B': 2, 'a': 3, 'C': 1}|dictsort }} {{ {'B': 2, 'a': 3, 'C': 1}|dictsort(true) }} {{ "
         "{'B': 2, 'a': 3}|dictsort(by='value', reverse=true) }}",
         "[('a', 3), ('B', 2), ('C', 1)] [('B', 2), ('C', 1), ('a', 3)] [('a', 3), ('B', 2)]"},
        {"{{ ['b', 'A', 'c']|sort }} {{ ['b', 'A', 'c']|sort(case_sensitive=true) }} {{ [3, 1, "
         "2]|sort(reverse=true) }}",
         "['A', 'b', 'c'] ['A', 'b', 'c'] [3, 2, 1]"},
        {"{{ ['a', 'A', 'b']|unique|list }} {{ ['a', 'A', 'b']|unique(true)|list }} {{ "
         "people|unique(attribute='age')|map(attribute='name')|list }}",
         "['a', 'b'] ['a', 'A', 'b'] ['Ann', 'Bob']"},
        {"{% for g in people|groupby('age') %}{{ g.grouper }}:{{ "
         "g.list|map(attribute='name')|join(',') }} {% endfor %}",
         "20:Bob 30:Ann,Cy "},
        {"{{ ['b', 'A']|max }} {{ ['b', 'A']|min(true) }} {{ "
         "people|max(attribute='age')|attr('name') }}|",
         "b A |"},
        {"{{ [1, 2, 3, 4, 5]|batch(2, '-')|list }} {{ [1, 2, 3, 4]|slice(3, '-')|list }} {{ "
         "'abcde'|slice(2)|list }}",
         "[[1, 2], [3, 4], [5, '-']] [[1, 2], [3, '-'], [4, '-']] [['a', 'b', 'c'], ['d', 'e']]"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_has_methods_of_strings(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ 'aXb'.lower() }} {{ 'ab'.islower() }} {{ 'aB'.islower() }} {{ 'ab'.isascii() }} {{ "
         "''.isascii() }} {{ '\303\251'.isascii() }}",
         "axb True False True True False"},
        {"{{ 'hello'.index('l') }} {{ 'hello'.rindex('l') }} {{ 'hello'.find('z') }} {{ "
         "'hello'.rfind('l', 0, 3) }}",
         "2 3 -1 2"},
        {"{{ 'ab'.rjust(5) }}|{{ 'ab'.rjust(5, '*') }}|{{ 'ab'.ljust(4) }}|{{ '-7'.zfill(4) }}",
         "   ab|***ab|ab  |-007"},
        {"{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ "
         "'abc'.rpartition('-') }}",
         "('a', '-', 'b-c') ('a-b', '-', 'c') ('abc', '', '') ('', '', 'abc')"},
        {"{{ 'hello'.startswith(('x', 'he')) }} {{ 'hello'.endswith('l', 0, 4) }} {{ "
         "'hello'.startswith('l', 2) }}",
         "True True True"},
        {"{{ 'hello'.removeprefix('he') }} {{ 'hello'.removesuffix('lo') }} {{ "
         "'hello'.removesuffix('x') }} {{ 'hello'.count('l') }} {{ 'aaa'.count('') }}",
         "llo hel hello 2 4"},
        {"{{ 'a b  c'.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ "
         "'a\\nb\\r\\nc'.splitlines() }} {{ 'a\\nb'.splitlines(true) }}",
         "['a', 'b', 'c'] ['a', 'b,c'] ['a,b', 'c'] ['a', 'b', 'c'] ['a\\n', 'b']"},
        {"{{ [('a', 'b c'), ('d', '\303\251')]|urlencode }} {{ 'x'|center(4) }}|{{ 'abc'|center(4) "
         "}}|",
         "a=b+c&d=%C3%A9  x  |abc |"},
        {"{{ '%(a)s' | format(a=1) }} {{ '%s' | format('b') }}", "1 b"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_has_methods_of_lists_and_mappings(void **state)
{
    static const struct jinja_case cases[] = {
        {"{% set q = [3, 1, 2, 1] %}{{ q.remove(1) }}{{ q }}{{ q.reverse() }}{{ q }}{{ q.copy() "
         "}}{{ q.clear() }}{{ q }}",
         "None[3, 2, 1]None[1, 2, 3][1, 2, 3]None[]"},
        {"{% set q = {'a': 1} %}{% set k = q.copy() %}{{ q.setdefault('b', 2) }}{{ "
         "q.setdefault('a', 9) }}{{ q.setdefault('c') }}{{ q }}{{ k }}{{ q.clear() }}{{ q }}",
         "21None{'a': 1, 'b': 2, 'c': None}{'a': 1}None{}"},
        {"{% set q = [1] %}{{ q.insert(0, 0) }}{{ q.insert(9, 2) }}{{ q.insert(-1, 'x') }}{{ q "
         "}}{{ q.pop(0) }}{{ q.pop() }}{{ q }}",
         "NoneNoneNone[0, 1, 'x', 2]02[1, 'x']"},
        {"{% set q = {'a': 1, 'b': 2} %}{{ q.pop('a') }}{{ q.pop('z', 5) }}{{ q }}{{ q.update(c=3) "
         "}}{{ q.update({'b': 0}) }}{{ q }}",
         "15{'b': 2}NoneNone{'b': 0, 'c': 3}"},
    };

    (void)state;
    RIG_CHECK(cases);
}

static void test_jinja__as_python_tests_and_converts(void **state)
{
    static const struct jinja_case cases[] = {
        {"{{ '<'|e is escaped }} {{ '<' is escaped }} {{ 1 is lt 2 }} {{ 2 is le 2 }} {{ 1 is ge 2 "
         "}} {{ 2 is gt 1 }} {{ 1 is ne 1 }}",
         "True False True True False True False"},
        {"{{ none is sameas none }} {{ 1 is sameas true }} {{ d is sameas d }} {{ 'upper' is "
         "filter }} {{ 'zz' is filter }} {{ 'odd' is test }}",
         "True False True True False True"},
        {"{{ '\"'|e }} {{ \"'\"|e }} {{ 1e400|string }} {{ '-inf'|float }} {{ '\\u200b\\x07' }}|{{ "
         "['\\u200b\\x07\\U000e0001'] }}",
         "&#34; &#39; inf -inf \342\200\213\007|['\\u200b\\x07\\U000e0001']"},
        {"{{ '7'|int(base=8) }} {{ '-0b11'|int(base=2) }} {{ '0o17'|int(base=8) }} {{ ' 1_000 "
         "'|int }} {{ 'z'|int(0, 36) }} {{ true|int }} {{ true|float }} {{ -2.5|abs }} {{ true|abs "
         "}}",
         "7 -3 15 1000 35 1 1.0 2.5 1"},
        {"{{ 15|round(-1) }} {{ 1234.5|round(-2) }} {{ 2.5|round(0, 'floor') }} {{ "
         "-2.5|round(method='ceil') }}",
         "20 1200.0 2.0 -2.0"},
    };

    (void)state;
    RIG_CHECK(cases);
}

/* Where a turn broke off or was left early, Jinja has not seen one: it goes on with `else`. */
static void test_jinja__as_python_has_an_else_for_loops(void **state)
{
    static const struct jinja_case cases[] = {
        {"{% for i in l %}{% break %}{% else %}none{% endfor %}", "none"},
        {"{% for i in l %}{{ i }}{% continue %}{% else %}none{% endfor %}", "123none"},
        {"{% for i in l %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% else %}none{% endfor %}",
         "1"},
        {"{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% else %}none{% endfor "
         "%}",
         "23"},
        {"{% for i in l %}{% break %}{% else %}{{ i is defined }} {{ loop is defined }}{% endfor "
         "%}",
         "False False"},
    };

    (void)state;
    RIG_CHECK(cases);
}

/* %U, %l and others ended a chat with "strftime_now does not know"; what is no directive stays. */
static void test_jinja__as_python_writes_moments(void **state)
{
    static const struct {
        int64_t at;
        const char *expected;
    } rows[] = {
        {1609664707, "01 00 53 2020 20 003 7 0| 3  9  9 09 AM|20 21"},
        {1735516800, "52 53 01 2025 25 365 1 1|30  0 12 12 AM|20 24"},
        {946731659, "00 00 52 1999 99 001 6 6| 1 13  1 01 PM|20 00"},
        {1709208000, "08 09 09 2024 24 060 4 4|29 12 12 12 PM|20 24"},
        {1672617599, "01 00 52 2022 22 001 7 0| 1 23 11 11 PM|20 23"},
        {1798693567, "52 52 53 2026 26 365 4 4|31  5  5 05 AM|20 26"},
    };
    static const struct jinja_case cases[] = {
        {"{{ strftime_now('%a %A %b %B %h|%c|%x|%X|%D|%F|%R|%T|%r|%P|%-d %-m %-H %-I %-M "
         "%-S %-j %-y %-e %-k %-l|%%|%q %-q|') }}",
         "Thu Thursday Jul July Jul|Thu Jul 10 12:00:00 "
         "2025|07/10/25|12:00:00|07/10/25|2025-07-10|12:00|12:00:00|12:00:00 PM|pm|10 7 12 12 0 0 "
         "191 25 10 12 12|%|%q %-q|"},
    };
    struct jinja_options o;
    struct err err = {0};
    struct buf out;

    (void)state;
    RIG_CHECK(cases);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_init(&out, RIG_MAX_BYTES);
        jinja_options_init(&o, rows[i].at);
        assert_int_equal(rig_render("{{ strftime_now('%U %W %V %G %g %j %u %w|%e %k %l %I %p|"
                                    "%C %y') }}",
                                    RIG_VARIABLES, &o, &out, &err),
                         0);
        assert_string_equal(buf_str(&out), rows[i].expected);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja__as_python_orders_texts),
        cmocka_unit_test(test_jinja__as_python_has_an_else_for_loops),
        cmocka_unit_test(test_jinja__as_python_writes_moments),
        cmocka_unit_test(test_jinja__as_python_lays_values_out),
        cmocka_unit_test(test_jinja__as_python_computes),
        cmocka_unit_test(test_jinja__as_python_sorts_and_groups),
        cmocka_unit_test(test_jinja__as_python_has_methods_of_strings),
        cmocka_unit_test(test_jinja__as_python_has_methods_of_lists_and_mappings),
        cmocka_unit_test(test_jinja__as_python_tests_and_converts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
