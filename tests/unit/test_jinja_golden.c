/*
 * Published chat templates with their conversations, and the texts they must give.
 *
 * The file is public (the tests of huggingface.js, packages/jinja) and not part of the sources: it
 * is looked for under RBEE_TEST_DATA, and the test is skipped, saying so, where it is missing.
 *
 * In one case its text is not what the template's model was trained on. Hammer's template has
 * {{ tools|string }}. The file's text for it is of an engine in JavaScript, whose `string` makes
 * JSON of a list. The engine that templates are published for is Jinja2, as transformers sets it up
 * for apply_chat_template: a sandbox with trim_blocks and lstrip_blocks, in which `tojson` alone is
 * replaced, so that `string` is Python's str(), which prints a list as Python writes it: single
 * quotes, True, None. No setting gives both, and to follow the file here would be to differ from
 * Jinja2 wherever a template prints a list. We expect what Jinja2 gives for the same input, which
 * differs from the file's text in nothing but that list; tests/golden/jinja-compare.py asks it.
 */
#include "base/path.h"
#include "base/str.h"
#include "jinja_rig.h"

#define FILE_MAX_BYTES (4u << 20)
#define N_RENDERINGS   27

#define LIST_AS_JSON "custom/MadeAgents/Hammer2.1"
#define LIST_BEGIN   "[BEGIN OF AVAILABLE_TOOLS]\n"
#define LIST_END     "\n[END OF AVAILABLE_TOOLS]"

/* JSON without null, apostrophes and other escapes than \", as Python prints it. */
static char *python_list(const char *target)
{
    const char *from = strstr(target, LIST_BEGIN) + strlen(LIST_BEGIN);
    const char *to = strstr(from, LIST_END);
    struct buf b;

    buf_init(&b, FILE_MAX_BYTES);
    buf_put(&b, target, (size_t)(from - target));
    for (const char *p = from; p < to;) {
        const char *word = str_starts(p, "true") ? "True" : str_starts(p, "false") ? "False" : NULL;

        if (word) {
            buf_puts(&b, word);
            p += strlen(word);
        } else {
            p += *p == '\\';
            buf_putc(&b, *p == '"' && p[-1] != '\\' ? '\'' : *p);
            p++;
        }
    }
    buf_puts(&b, to);
    return buf_take(&b);
}

static void check_rendering(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *template = json_string_value(json_object_get(item, "chat_template"));
    const char *target = json_string_value(json_object_get(item, "target"));
    char *data = json_dumps(json_object_get(item, "data"), 0), *python = NULL;
    struct err err = {0};
    struct buf out;

    assert_true(name && template && target && data);
    if (str_eq(name, LIST_AS_JSON))
        target = python = python_list(target);
    buf_init(&out, FILE_MAX_BYTES);
    if (rig_render(template, data, NULL, &out, &err))
        fail_msg("%s fails: %s", name, err.text);
    if (!str_eq(buf_str(&out), target))
        fail_msg("%s gives\n%s\nand not\n%s", name, buf_str(&out), target);
    buf_done(&out);
    free(python);
    free(data);
}

static void test_jinja__renders_published_templates(void **state)
{
    const char *dir = getenv("RBEE_TEST_DATA");
    char path[4096];
    json_t *list;
    char *text;
    size_t n;
    struct err err = {0};

    (void)state;
    snprintf(path, sizeof path, "%s/chat-templates/renderings.json",
             dir ? dir : RBEE_SOURCE_DIR "/../shared/data");
    if (path_read_file(path, FILE_MAX_BYTES, &text, &n, &err)) {
        print_message("skipped: %s\n", err.text);
        skip();
    }
    list = json_loadb(text, n, 0, NULL);
    assert_int_equal(json_array_size(list), N_RENDERINGS);
    for (size_t i = 0; i < N_RENDERINGS; i++)
        check_rendering(json_array_get(list, i));
    json_decref(list);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja__renders_published_templates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
