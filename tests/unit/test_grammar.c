/*
 * Grammars in GBNF: which texts they have, and what is refused. The texts follow llama.cpp's
 * description of its notation (grammars/README.md).
 */
#include "grammar_rig.h"

struct sample {
    const char *grammar;
    const char *good[6], *begun[4], *bad[6]; /* begun: no text, but the beginning of one */
};

static void check_sample(const struct sample *s)
{
    struct grammar *g = rig_gbnf(s->grammar);

    for (size_t i = 0; i < 6 && s->good[i]; i++) {
        if (rig_match(g, s->good[i]) != 1)
            fail_msg("not accepted: '%s' by %s", s->good[i], s->grammar);
    }
    for (size_t i = 0; i < 4 && s->begun[i]; i++) {
        if (rig_match(g, s->begun[i]) != 0)
            fail_msg("no beginning: '%s' by %s", s->begun[i], s->grammar);
    }
    for (size_t i = 0; i < 6 && s->bad[i]; i++) {
        if (rig_match(g, s->bad[i]) != -1)
            fail_msg("not refused: '%s' by %s", s->bad[i], s->grammar);
    }
    grammar_free(g);
}

static void check_samples(const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_sample(&s[i]);
}
#define CHECK(samples) check_samples(samples, sizeof(samples) / sizeof *(samples))

static void test_gbnf__reads_texts_and_classes(void **state)
{
    static const struct sample samples[] = {
        {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "ye", "n"}, {"x", "nn", "yesx"}},
        {"root ::= \"\"", {""}, {NULL}, {"a"}},
        {"root ::= \"a\" | ", {"a", ""}, {NULL}, {"b", "aa"}},
        {"root ::= [a-c]", {"a", "b", "c"}, {""}, {"d", "A", "aa"}},
        {"root ::= [^a-c]",
         {"d", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80"},
         {"", "\xc3"},
         {"a", "c", "\xff"}},
        {"root ::= [a-]", {"a", "-"}, {""}, {"b"}},
        {"root ::= [-a]", {"a", "-"}, {""}, {"b"}},
        {"root ::= [\\]\\[\\\\^]", {"]", "[", "\\", "^"}, {""}, {"a"}},
        {"root ::= [\\x41-\\x43\\u00e9]", {"A", "B", "C", "\xc3\xa9"}, {"\xc3"}, {"D", "\xe9"}},
        {"root ::= \"\\x41\\u00e9\\U0001F600\\t\\r\\n\\\\\\\"\\[\\]\"",
         {"A\xc3\xa9\xf0\x9f\x98\x80\t\r\n\\\"[]"},
         {"A\xc3", "A"},
         {"B"}},
        {"root ::= .",
         {"a", "\n", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80"},
         {"", "\xe2\x82"},
         {"\xed\xa0", "\xc0", "\xf5", "\xf4\x90", "\xe0\x80", "\x80"}},
        {"root ::= \"\xe2\x82\xac\"", {"\xe2\x82\xac"}, {"\xe2"}, {"e"}},
        {"root ::= [\xce\xb1-\xcf\x89]",
         {"\xce\xb1", "\xce\xbf", "\xcf\x80", "\xcf\x89"},
         {"\xce"},
         {"\xce\xb0", "\xcf\x8a", "a"}},
        {"root ::= [\\u07ff-\\uffff]",
         {"\xdf\xbf", "\xe0\xa0\x80", "\xef\xbf\xbf"},
         {"\xdf", "\xe0"},
         {"\xdf\xbe", "\xf0", "\xed\xa0"}},
        {"root ::= [\\u0800-\\U0010FFFF]",
         {"\xe0\xa0\x80", "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80"},
         {"\xf4"},
         {"\xdf", "\xf4\x90", "\xf0\x8f"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_gbnf__repeats(void **state)
{
    static const struct sample samples[] = {
        {"root ::= \"ab\"*", {"", "ab", "ababab"}, {"a", "aba"}, {"b", "aa"}},
        {"root ::= \"a\"+", {"a", "aaa"}, {""}, {"b", "ab"}},
        {"root ::= \"a\"?", {"a", ""}, {NULL}, {"aa"}},
        {"root ::= [a-z]{3}", {"abc"}, {"ab", ""}, {"abcd", "ab1"}},
        {"root ::= [a-z]{2,}", {"ab", "abcdefgh"}, {"a"}, {"1", "a1"}},
        {"root ::= [a-z]{1,2}", {"a", "ab"}, {""}, {"abc"}},
        {"root ::= [a-z]{0,2} \"!\"", {"!", "a!", "ab!"}, {"ab", ""}, {"abc", "abc!"}},
        {"root ::= [a-z]{0}", {""}, {NULL}, {"a"}},
        {"root ::= (\"a\" | \"b\"){2} \"c\"", {"abc", "bbc"}, {"ab"}, {"ac", "abbc"}},
        {"root ::= (\"a\"*)*", {"", "aaa"}, {NULL}, {"b"}},
        {"root ::= (\"a\"?){3} \"b\"", {"b", "ab", "aaab"}, {"aaa"}, {"aaaa", "bb"}},
        {"root ::= (\"a\"?){100,200} \"b\"", {"b", "aaaab"}, {"aaa"}, {"c", "bb"}},
        {"root ::= \"a\"{60,70} \"b\"",
         {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
         {"aaa"},
         {"aaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}},
        {"root ::= \"a\" {2} \"b\"", {"aab"}, {"aa"}, {"ab"}},
        {"root ::= (\"x\" \"y\"{2,3} \"z\"){1,60}",
         {"xyyz", "xyyyzxyyz"},
         {"xyyzx"},
         {"xyz", "xyyyy"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_gbnf__calls_rules(void **state)
{
    static const struct sample samples[] = {
        {"root ::= item (\",\" item)*\nitem ::= [0-9]+",
         {"1", "12,3,45"},
         {"1,", ""},
         {",", "1,,"}},
        {"root ::= \"(\" root \")\" | \"x\"", {"x", "((x))"}, {"((x)", "("}, {"(x))", ")"}},
        {"root ::= \"a\" root | \"b\"", {"b", "aaaab"}, {"aaa"}, {"ba", "c"}},
        {"root ::= a-1 B_2\na-1 ::= \"x\"\nB_2 ::= \"y\"", {"xy"}, {"x"}, {"y"}},
        {"# first\nroot ::= # behind\n  \"a\" # more\n  # last\n\n\n", {"a"}, {""}, {"b"}},
        {"root ::= (\n \"a\"\n  # inside\n | \"b\"\n)\r\nx ::= root", {"a", "b"}, {""}, {"c"}},
        {"root ::=\n  \"a\" |\n  \"b\"\n  | \"c\"\n", {"a", "b", "c"}, {""}, {"d"}},
        {"root ::= (\"a\" | (\"b\" \"c\")+) \"d\"",
         {"ad", "bcd", "bcbcd"},
         {"b", "bc"},
         {"bd", "d"}},
        {"root ::= x | y\nx ::= \"aa\" x | \"\"\ny ::= \"aaa\" y | \"\"",
         {"", "aa", "aaa", "aaaa", "aaaaaaaaa"},
         {"a", "aaaaa", "aaaaaaa"},
         {"b"}},
        {"root ::= () \"a\"", {"a"}, {""}, {"b"}},
        {"root ::= \"a\" | dead\ndead ::= \"a\" \"b\" dead", {"a"}, {""}, {"ab"}},
    };

    (void)state;
    CHECK(samples);
}

static void check_refused(const char *text, int code, const char *beginning)
{
    struct grammar *g = NULL;
    struct err err = {0};

    if (grammar_from_gbnf(text, strlen(text), NULL, &g, &err) != code)
        fail_msg("'%s' gave %d: %s", text, (int)err.code, err.text);
    if (!str_starts(err.text, beginning))
        fail_msg("'%s' gave: %s", text, err.text);
    assert_null(g);
}

static void test_gbnf__says_in_which_line_a_grammar_is_wrong(void **state)
{
    static const struct {
        const char *text, *beginning;
    } cases[] = {
        {"", "the grammar has no rule 'root'"},
        {"x ::= \"a\"", "the grammar has no rule 'root'"},
        {"root ::= x", "grammar line 1: rule 'x' is defined nowhere"},
        {"root ::= \"a\"\n\nb ::= c\n", "grammar line 3: rule 'c' is defined nowhere"},
        {"root ::= \"a\"\nroot ::= \"b\"", "grammar line 2: rule 'root' is defined in line 1"},
        {"root ::= root \"a\" | \"b\"", "grammar line 1: rule 'root' begins with itself"},
        {"root ::= \"a\" | b\nb ::= \"\" c\nc ::= \"x\"? b \"y\"", "grammar line "},
        {"root ::= (root)*", "grammar line 1: rule 'root' begins with itself"},
        {"root ::= \"a\" root", "grammar line 1: no text of rule 'root' can ever come to an end"},
        {"root = \"a\"", "grammar line 1: expected '::=' behind the rule's name 'root'"},
        {"\n\"a\"", "grammar line 2: expected the name of a rule"},
        {"root ::= \"a", "grammar line 1: a text has no end"},
        {"root ::= [a", "grammar line 1: a class has no end"},
        {"root ::= []", "grammar line 1: a class has no characters"},
        {"root ::= [z-a]", "grammar line 1: a range of characters goes from U+007A down to U+0061"},
        {"root ::= (\"a\"", "grammar line 1: expected ')'"},
        {"root ::= \"a\")", "grammar line 1: expected the end of the rule but found ')'"},
        {"root ::= \"\\q\"", "grammar line 1: there is no escape '\\q'"},
        {"root ::= \"\\x4\"", "grammar line 1: an escape needs 2 hexadecimal digits but has 1"},
        {"root ::= \"\\ud800\"", "grammar line 1: the escape of U+D800 is no character"},
        {"root ::= \"\\U00110000\"", "grammar line 1: the escape of U+110000 is no character"},
        {"root ::= \"a\"{", "grammar line 1: expected a number in a repetition"},
        {"root ::= \"a\"{2", "grammar line 1: a repetition has no '}'"},
        {"root ::= \"a\"{3,2}", "grammar line 1: a repetition goes from 3 down to 2"},
        {"root ::= *", "grammar line 1: expected the end of the rule but found '*'"},
        {"root ::= \"\xff\"", "grammar line 1: the text is not well-formed UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].text, ERR_INVALID, cases[i].beginning);
    check_refused("root ::= \"a\"\nb ::= <think>", ERR_UNSUPPORTED,
                  "grammar line 2: items that stand for one token of a model are not supported");
    check_refused("root ::= \"a\"{16777217}", ERR_LIMIT,
                  "grammar line 1: a repetition is over the most possible, 16777216");
}

/* `n` times a piece between two others; free(). */
static char *nested(const char *before, const char *piece, const char *middle, const char *closing,
                    size_t n)
{
    struct buf b;
    char *text;

    buf_init(&b, (size_t)16 << 20);
    buf_puts(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, piece);
    buf_puts(&b, middle);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, closing);
    text = buf_take(&b);
    assert_non_null(text);
    return text;
}

static void check_nested(const char *before, const char *piece, const char *middle,
                         const char *closing, size_t n, int code, const char *beginning)
{
    char *text = nested(before, piece, middle, closing, n);

    check_refused(text, code, beginning);
    free(text);
}

static void test_gbnf__has_limits(void **state)
{
    struct grammar *g;
    char *text;

    (void)state;
    check_nested("root ::= ", "(", "\"a\"", ")", 257, ERR_LIMIT,
                 "grammar line 1: more than 256 parentheses stand inside each other");
    check_nested("root ::= \"a\"", "+", "", "", 257, ERR_LIMIT,
                 "grammar line 1: more than 256 repetitions of one item");
    check_nested("root ::= \"a\" #", "xxxxxxxxxxxxxxxx", "", "", 65536, ERR_LIMIT,
                 "the grammar has 1048590 bytes; the most is 1048576");
    check_nested(
        "root ::= ", "(", "\"a\"", "+*)+*", 256, ERR_LIMIT,
        "grammar line 1: more than 1024 parentheses and repetitions stand around one item");
    check_nested(
        "root ::= ", "(\"b\" | ", "\"a\"******", " \"c\"*)+*+* | \"d\"", 255, ERR_LIMIT,
        "grammar line 1: more than 1024 parentheses and repetitions stand around one item");
    text = nested("root ::= ", "(", "\"a\"", "+)+", 256);
    g = rig_gbnf(text);
    assert_int_equal(rig_match(g, "aaa"), 1);
    assert_int_equal(rig_match(g, "aab"), -1);
    grammar_free(g);
    free(text);
}

/* Nested as deep as the limit lets it: what would go deeper is not allowed, so closing always is.
 */
static void test_matcher__bounds_its_stacks(void **state)
{
    struct grammar *g = rig_gbnf("root ::= \"(\" root \")\" | \"x\"");
    char *text = nested("", "(", "x", ")", GRAMMAR_MAX_DEPTH - 1);

    (void)state;
    assert_int_equal(rig_match(g, text), 1);
    free(text);
    text = nested("", "(", "", "", GRAMMAR_MAX_DEPTH);
    assert_int_equal(rig_match(g, text), -1);
    free(text);
    grammar_free(g);
}

/* Rules that begin with rules, deeper than the limit: it was said to be out of memory, and the
 * client was told to take a smaller model. */
static void test_matcher__says_that_a_beginning_is_too_deep(void **state)
{
    struct grammar_matcher *m;
    struct grammar *g;
    struct err err = {0};
    struct buf b;

    (void)state;
    buf_init(&b, (size_t)1 << 20);
    buf_puts(&b, "root ::= r0 \"b\"\n");
    for (unsigned i = 0; i < 1100; i++)
        buf_printf(&b, "r%u ::= r%u \"b\"\n", i, i + 1);
    buf_puts(&b, "r1100 ::= \"a\"\n");
    g = rig_gbnf(buf_str(&b));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), ERR_LIMIT);
        assert_true(str_starts(
            err.text, "all that may come next nests deeper than 1024 rules inside each other"));
    }
    grammar_free(g);
    buf_done(&b);
}

/* Every number of turns of both loops is another stack. */
static void test_matcher__limits_alternatives(void **state)
{
    struct grammar *g = rig_gbnf("root ::= (\"a\"{1,200} \"a\"{1,200}){1,200} \"b\"");
    struct grammar_matcher *m;
    struct err err = {0};
    int rc = 0;

    (void)state;
    assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), 0);
    for (int i = 0; i < 1000 && !rc; i++)
        rc = grammar_matcher_put(m, "a", 1, &err);
    assert_int_equal(rc, ERR_LIMIT);
    assert_true(str_starts(err.text, "the grammar has more than 4096 alternatives at once"));
    grammar_matcher_free(m);
    grammar_free(g);
}

static void test_matcher__stays_where_it_was_when_bytes_are_refused(void **state)
{
    struct grammar *g = rig_gbnf("root ::= \"abc\" \"d\"?");
    struct grammar_matcher *m;
    struct err err = {0};

    (void)state;
    assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), 0);
    assert_int_equal(grammar_matcher_put(m, "a", 1, &err), 0);
    assert_int_equal(grammar_matcher_put(m, "bx", 2, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "the grammar does not allow byte 0x78, 1 bytes into the text of 2");
    assert_false(grammar_matcher_may_end(m));
    assert_int_equal(grammar_matcher_put(m, "bc", 2, &err), 0);
    assert_true(grammar_matcher_may_end(m));
    assert_false(grammar_matcher_must_end(m));
    assert_int_equal(grammar_matcher_put(m, "d", 1, &err), 0);
    assert_true(grammar_matcher_must_end(m));
    grammar_free(g); /* the matcher holds on to it */
    assert_int_equal(grammar_matcher_put(m, "", 0, &err), 0);
    grammar_matcher_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gbnf__reads_texts_and_classes),
        cmocka_unit_test(test_gbnf__repeats),
        cmocka_unit_test(test_gbnf__calls_rules),
        cmocka_unit_test(test_gbnf__says_in_which_line_a_grammar_is_wrong),
        cmocka_unit_test(test_gbnf__has_limits),
        cmocka_unit_test(test_matcher__bounds_its_stacks),
        cmocka_unit_test(test_matcher__says_that_a_beginning_is_too_deep),
        cmocka_unit_test(test_matcher__limits_alternatives),
        cmocka_unit_test(test_matcher__stays_where_it_was_when_bytes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
