/* test_chat_constrain.c - what the grammars of one request may take together. */
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

/* What becomes of a request that must call one of these tools (taken). */
static int create(json_t *list, struct asker *asker, struct err *err)
{
    static const char text[] = "{% for m in messages %}{{ m.content }}{% endfor %}"
                               "{#<tool_call> arguments </tool_call>#}";
    struct grammar_stop stop = {.is_asked = is_asked, .arg = asker};
    struct inference_request r = {.tool_choice = TOOLS_REQUIRED};
    struct chat_constraint *c = NULL;
    struct grammar_store *store;
    struct chat_template *t;
    struct rig_vocab v;
    int rc;

    r.tools = list;
    rig_vocab_make(&v, 400, 1);
    assert_int_equal(chat_template_create(text, sizeof text - 1, "<s>", "</s>", &t, err), 0);
    assert_int_equal(grammar_store_create(&store, err), 0);
    rc = chat_constraint_create(&r, chat_template_format(t), NULL, v.index, store,
                                asker ? &stop : NULL, &c, err);
    chat_constraint_free(c);
    grammar_store_free(store);
    chat_template_free(t);
    rig_vocab_done(&v);
    json_decref(list);
    return rc;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constraint__limits_the_grammars_of_all_tools),
        cmocka_unit_test(test_constraint__limits_the_reading_of_all_tools),
        cmocka_unit_test(test_constraint__hands_on_the_question_for_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
