/* test_chat_constrain.c - what the grammars of one request may take together, and answers that may
 * be a call or a text by a schema. */
#include <jansson.h>

#include "grammar_rig.h"
#include "chat/constrain.h"
#include "chat/template.h"

/* n functions, each with one property of a pattern; `same`: by the same name, with the same schema.
 */
static json_t *tools(size_t n, const char *pattern, bool same)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *name = json_sprintf("a%zu", same ? 0 : i);

        json_array_append_new(
            list, json_pack("{s:s, s:{s:o, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}}", "type", "function",
                            "function", "name", json_sprintf("f%zu", i), "parameters", "type",
                            "object", "properties", json_string_value(name), "type", "string",
                            "pattern", pattern, "required", json_string_value(name)));
        json_decref(name);
    }
    return list;
}

struct asker {
    unsigned n;
    bool yes;
};

static bool is_asked(void *arg)
{
    struct asker *a = arg;

    a->n++;
    return a->yes;
}

/* What becomes of a request that must call one of these tools (taken), or that may, beside a
 * schema.
 */
static int create_as(enum inference_tool_choice choice, json_t *list, struct asker *asker,
                     size_t *bytes, struct err *err)
{
    static const char text[] = "{% for m in messages %}{{ m.content }}{% endfor %}"
                               "{#<tool_call> arguments </tool_call>#}";
    struct grammar_stop stop = {.is_asked = is_asked, .arg = asker};
    struct inference_request r = {.tool_choice = choice};
    struct chat_constraint *c = NULL;
    struct grammar_store *kept;
    struct chat_template *t;
    struct rig_vocab v;
    int rc;

    r.tools = list;
    r.json_schema = choice == TOOLS_AUTO ? json_true() : NULL;
    rig_vocab_make(&v, 400, 1);
    assert_int_equal(chat_template_create(text, sizeof text - 1, "<s>", "</s>", &t, err), 0);
    assert_int_equal(grammar_store_create(&kept, err), 0);
    rc = chat_constraint_create(&r, chat_template_format(t), NULL, v.index, kept,
                                asker ? &stop : NULL, &c, err);
    if (bytes && rc == 0)
        *bytes = chat_constraint_bytes(c);
    chat_constraint_free(c);
    grammar_store_free(kept);
    chat_template_free(t);
    rig_vocab_done(&v);
    json_decref(list);
    return rc;
}

static int create(json_t *list, struct asker *asker, struct err *err)
{
    return create_as(TOOLS_REQUIRED, list, asker, NULL, err);
}

/* A pattern of so many characters, each of which is three states and more. */
static char *pattern(size_t n)
{
    struct buf b;

    buf_init(&b, 1u << 20);
    buf_puts(&b, "^");
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, ".{48}");
    buf_puts(&b, "$");
    return buf_take(&b);
}

/* Each grammar had a limit, and a request up to 512 of them: 400 tools took 2.9 GB. */
static void test_constraint__limits_the_grammars_of_all_tools(void **state)
{
    char *large = pattern(500);
    struct err err = {0};

    (void)state;
    assert_int_equal(create(tools(3, large, false), NULL, &err), 0);
    assert_int_equal(create(tools(200, large, true), NULL, &err), 0);
    assert_int_equal(create(tools(200, large, false), NULL, &err), ERR_LIMIT);
    assert_true(str_starts(err.text, "the parameters of the first "));
    assert_non_null(strstr(err.text, " of 200 tools make grammars of "));
    assert_non_null(strstr(err.text, " bytes together; the most is 67108864"));
    free(large);
}

/* So does what it takes to read them: a worker has one thread for that. */
static void test_constraint__limits_the_reading_of_all_tools(void **state)
{
    json_t *list = tools(16, "^a$", false), *tool, *values = json_array(), *branches;
    struct err err = {0};
    size_t i;

    (void)state;
    for (size_t k = 0; k < 20000; k++)
        json_array_append_new(values, json_integer((json_int_t)k));
    branches = json_array();
    for (size_t k = 0; k < 25; k++)
        json_array_append_new(branches, json_pack("{s:s}", "type", "string"));
    json_array_foreach(list, i, tool)
    {
        json_t *parameters = json_object_get(json_object_get(tool, "function"), "parameters");
        json_t *more = json_pack("{s:O, s:O}", "enum", values, "anyOf", branches);

        json_object_set_new(json_object_get(parameters, "properties"), "more", more);
    }
    json_decref(values);
    json_decref(branches);
    assert_int_equal(create(list, NULL, &err), ERR_LIMIT);
    assert_string_equal(err.text, "the parameters of the tools take more than 67108864 steps to "
                                  "read together; make them smaller");
}

/* Who asks for grammars may ask for an end, whichever of them is at hand. */
static void test_constraint__hands_on_the_question_for_an_end(void **state)
{
    struct asker asker = {.yes = true};
    struct err err = {0};

    (void)state;
    assert_int_equal(create(tools(3, "^a$", false), &asker, &err), ERR_CANCELLED);
    assert_int_equal(asker.n, 1);
    asker = (struct asker){0};
    assert_int_equal(create(tools(3, "^a$", false), &asker, &err), 0);
    assert_true(asker.n >= 5); /* a head, a tail and three tools */
}

/* ---- a call, or a text by a schema --------------------------------------- */

#define HERMES      "<tool_call> arguments"
#define LLAMA       "<|start_header_id|> {\"name\": \"parameters\": "
#define NEWER       "[TOOL_CALLS] [ARGS]"
#define FUNCTIONARY ">>>all >>>${recipient}"

static struct rig_vocab vocab;
static struct grammar_store *store;

static int set_up(void **state)
{
    (void)state;
    rig_vocab_make(&vocab, 400, 1);
    return grammar_store_create(&store, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    grammar_store_free(store);
    rig_vocab_done(&vocab);
    return 0;
}

#define X                                                                                          \
    "{\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"integer\"}}, \"required\": "      \
    "[\"x\"]}"

/* An answer to who may call f, of these parameters, and may say what the schema allows. */
static struct chat_constraint *begin_with(const char *template, const char *parameters,
                                          const char *schema)
{
    struct inference_request r = {.parallel_tool_calls = true};
    struct chat_constraint *c = NULL;
    struct err err = {0};

    r.tools = json_pack("[{s:s, s:{s:s, s:o}}]", "type", "function", "function", "name", "f",
                        "parameters", json_loads(parameters, 0, NULL));
    r.json_schema = json_loads(schema, JSON_DECODE_ANY, NULL);
    assert_non_null(r.tools);
    assert_non_null(r.json_schema);
    if (chat_constraint_create(&r, chat_format_of(template), NULL, vocab.index, store, NULL, &c,
                               &err))
        fail_msg("%s", err.text);
    json_decref(r.tools);
    json_decref(r.json_schema);
    return c;
}

static struct chat_constraint *begin(const char *template, const char *schema)
{
    return begin_with(template, X, schema);
}

/* Puts a text in tokens that end where `cut` has a '|', or in one where it has none. */
static int put(struct chat_constraint *c, const char *cut)
{
    int rc = 0;

    for (size_t n; *cut && rc == 0; cut += n + (cut[n] == '|')) {
        n = strcspn(cut, "|");
        rc = chat_constraint_put(c, cut, n, NULL);
    }
    return rc;
}

/* What the answer is: "call" or "text", which may end; "" while it may be both; or "no" answer. */
static const char *kind(const char *template, const char *schema, const char *cut)
{
    struct chat_constraint *c = begin(template, schema);
    const char *is = put(c, cut)                        ? "no"
                     : !chat_constraint_may_end(c)      ? ""
                     : chat_constraint_forgoes_calls(c) ? "text"
                                                        : "call";

    chat_constraint_free(c);
    return is;
}

#define FLAG                                                                                       \
    "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"boolean\"}}, \"required\": "      \
    "[\"a\"]}"
#define NAMED                                                                                      \
    "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}}, \"required\": "    \
    "[\"name\"]}"
#define ANY "{\"type\": \"object\"}"

/*
 * A request with tools and a schema, as agents send it at each turn, was told of the tools and
 * could only ever answer by the schema: it invented what it should have asked a tool for.
 */
static void test_constraint__a_schema_leaves_the_choice_of_a_call(void **state)
{
    static const char hermes[] =
        "<tool_call>\n{\"name\": \"f\", \"arguments\": |{\"x\": 1}|}\n</tool_call>";

    (void)state;
    assert_string_equal(kind(HERMES, FLAG, "{\"a\": true}"), "text");
    assert_string_equal(kind(HERMES, FLAG, "{|\"a\": |true|}"), "text");
    assert_string_equal(kind(HERMES, FLAG, hermes), "call");
    assert_string_equal(kind(HERMES, FLAG, "Hello"), "no");
    assert_string_equal(kind(HERMES, FLAG, "{\"b\""), "no");
    assert_string_equal(kind(HERMES, FLAG, "<tool_call>\n{\"name\": \"g\""), "no");
    assert_string_equal(kind(HERMES, FLAG, "<tool_call>\n{\"name\": \"f\", \"arguments\": |{\"y\""),
                        "no");
    assert_string_equal(kind(NEWER, FLAG, "[TOOL_CALLS]f[ARGS]|{\"x\": 1}"), "call");
    assert_string_equal(kind(NEWER, "{\"type\": \"array\"}", "[|TOOL_CALLS]f[ARGS]|{\"x\": 1}"),
                        "call");
    assert_string_equal(kind(NEWER, "{\"type\": \"array\"}", "[|1]"), "text");
    assert_string_equal(kind(FUNCTIONARY, FLAG, "f\n|{\"x\": 1}"), "call");
    assert_string_equal(kind(FUNCTIONARY, FLAG, "{\"a\": true}"), "text");
    assert_string_equal(kind(FUNCTIONARY, "{\"type\": \"boolean\"}", "f|alse"), "text");
}

/* Parameters that also, or only, allow what is no object: the answer was neither a call, for which
 * arguments are an object, nor by the schema. */
static void test_constraint__arguments_are_an_object_whatever_the_parameters_allow(void **state)
{
    static const char *const parameters[] = {
        "{\"type\": [\"object\", \"null\"]}", "{\"type\": \"string\", \"maxLength\": 3}",
        "{\"type\": \"integer\", \"minimum\": 1}", "{\"enum\": [{}, 1]}"};

    (void)state;
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        static const char *const args[] = {"{}", "null", "\"a\"", "1"};

        for (size_t k = 0; k < sizeof args / sizeof *args; k++) {
            struct chat_constraint *c = begin_with(NEWER, parameters[i], FLAG);

            assert_int_equal(put(c, "[TOOL_CALLS]f[ARGS]"), 0);
            assert_int_equal(put(c, args[k]), k ? ERR_INVALID : 0);
            chat_constraint_free(c);
        }
    }
}

/* Llama 3's calls are objects as the schema's are: what has led to the arguments is a call. */
static void test_constraint__a_call_without_marks_is_known_by_its_head(void **state)
{
    (void)state;
    assert_string_equal(kind(LLAMA, FLAG, "{\"name\": \"f\", \"parameters\": |{\"x\": 1}|}"),
                        "call");
    assert_string_equal(kind(LLAMA, FLAG, "{\n  \"name\": \"f\",\n  \"parameters\": |{\"x\": 1}|}"),
                        "call");
    assert_string_equal(kind(LLAMA, FLAG, "{|\"a\": true}"), "text");
    assert_string_equal(kind(LLAMA, FLAG, "{\n|  \"|a\": true\n}"), "text");
    assert_string_equal(kind(LLAMA, FLAG, "{\"name\": \"f\", \"parameters\": |{\"y\""), "no");
    assert_string_equal(kind(LLAMA, NAMED, "{\"name\": \""), "");
    assert_string_equal(kind(LLAMA, NAMED, "{\"name\": \"f|red\"}"), "text");
    assert_string_equal(kind(LLAMA, NAMED, "{\"name\": \"f|\"}"), "text");
    assert_string_equal(kind(LLAMA, NAMED, "{\"name\": \"f\", \"parameters\": |{\"x\": 1}|}"),
                        "call");
}

/* Where any object will do, a token may be both the end of a head and the beginning of arguments.
 */
static void test_constraint__a_token_may_go_from_head_to_arguments(void **state)
{
    (void)state;
    assert_string_equal(kind(LLAMA, ANY, "{\"name\": \"f\", \"parameters|\": {\"|x\": 1}|}"),
                        "call");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\": \"f\", \"parameters\": {\"x\": 1}}"), "call");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\": \"f\", \"parameters|\": {\"y|\": 1}}"),
                        "text");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\": \"f\", \"parameters|\": [|1]}"), "text");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\":\"f\",\"parameters\":{|\"x\": 1}|}"), "call");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\":\"f\",\"parameters\":[|1]}"), "text");
    assert_string_equal(kind(LLAMA, ANY, "{\"name\": \"g\", \"parameters\": {\"x\": 1}}"), "text");
}

/* Behind each beginning the mask has the tokens that can be put, of both. */
static void assert_mask(const char *template, const char *schema, const char *begun)
{
    struct chat_constraint *c = begin(template, schema);
    size_t n_words = grammar_vocab_words(vocab.index);
    uint64_t mask[16];

    assert_true(n_words <= 16);
    assert_int_equal(put(c, begun), 0);
    memcpy(mask, chat_constraint_mask(c), n_words * sizeof *mask);
    chat_constraint_free(c);
    for (uint32_t i = 0; i < vocab.n; i++) {
        const struct grammar_token *t = &vocab.tokens[i];
        bool allowed = mask[i / 64] >> (i % 64) & 1, taken;

        c = begin(template, schema);
        put(c, begun);
        taken = t->bytes && t->n && chat_constraint_put(c, t->bytes, t->n, NULL) == 0;
        chat_constraint_free(c);
        if (taken != allowed)
            fail_msg("'%.*s' behind '%s' is %s", (int)t->n, t->bytes, begun,
                     allowed ? "in the mask and refused" : "not in the mask and taken");
    }
}

static void test_constraint__its_mask_has_both(void **state)
{
    static const char *const begun[] = {"",
                                        "{",
                                        "{\"",
                                        "{\n ",
                                        "{\"n",
                                        "{\"name",
                                        "{\"name\": \"",
                                        "{\"name\": \"f\", \"parameters\"",
                                        "{\"name\":\"f\",\"parameters\":"};

    (void)state;
    assert_mask(HERMES, FLAG, "");
    assert_mask(HERMES, FLAG, "<");
    assert_mask(HERMES, FLAG, "{");
    assert_mask(NEWER, "{\"type\": \"array\"}", "[");
    for (size_t i = 0; i < sizeof begun / sizeof begun[0]; i++)
        assert_mask(LLAMA, ANY, begun[i]);
}

/* Control tokens that are marks may come where a call's mark may, and nowhere within a text. */
static void test_constraint__takes_marks_where_a_call_may_begin(void **state)
{
    const struct {
        const char *template, *begun;
        bool marks;
    } cases[] = {
        {HERMES, "", true}, {HERMES, "{\"a", false}, {LLAMA, "", false}, {LLAMA, "{\"", false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_constraint *c = begin(cases[i].template, FLAG);

        assert_int_equal(put(c, cases[i].begun), 0);
        assert_int_equal(chat_constraint_takes_marks(c), cases[i].marks);
        assert_false(chat_constraint_may_end(c));
        chat_constraint_free(c);
    }
}

/* Tools were taken beside a schema whatever their parameters are; so they are still. */
static void test_constraint__beside_a_schema_no_tool_is_refused(void **state)
{
    char *large = pattern(500);
    struct err err = {0};
    size_t bytes = 0;
    json_t *list;

    (void)state;
    list = json_pack("[{s:s, s:{s:s, s:b, s:{s:s, s:{}}}}]", "type", "function", "function", "name",
                     "f", "strict", 1, "parameters", "type", "object", "not");
    assert_int_equal(create(json_incref(list), NULL, &err), ERR_UNSUPPORTED);
    assert_int_equal(create_as(TOOLS_AUTO, list, NULL, NULL, &err), 0);
    assert_int_equal(create_as(TOOLS_AUTO, tools(200, large, false), NULL, &bytes, &err), 0);
    assert_in_range(bytes, 1u << 20, CHAT_CONSTRAINT_MAX_BYTES + (1u << 20));
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constraint__limits_the_grammars_of_all_tools),
        cmocka_unit_test(test_constraint__limits_the_reading_of_all_tools),
        cmocka_unit_test(test_constraint__hands_on_the_question_for_an_end),
        cmocka_unit_test(test_constraint__a_schema_leaves_the_choice_of_a_call),
        cmocka_unit_test(test_constraint__arguments_are_an_object_whatever_the_parameters_allow),
        cmocka_unit_test(test_constraint__a_call_without_marks_is_known_by_its_head),
        cmocka_unit_test(test_constraint__a_token_may_go_from_head_to_arguments),
        cmocka_unit_test(test_constraint__its_mask_has_both),
        cmocka_unit_test(test_constraint__takes_marks_where_a_call_may_begin),
        cmocka_unit_test(test_constraint__beside_a_schema_no_tool_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
