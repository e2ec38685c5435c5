/*
 * Real vocabularies: 47 texts each (the last, behind the last separator, is the empty one), and the
 * ids that the reference implementation gives for them.
 *
 * The files are public (llama.cpp's models/ggml-vocab-*.gguf with their .inp and .out; no BOS
 * added, special tokens not parsed) and not part of the sources: they are looked for under
 * RBEE_TEST_DATA, and the tests are skipped, saying so, where they are missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "engine/tok/tok.h"

#define SEPARATOR      "\n__ggml_vocab_test__\n"
#define N_TEXTS        47
#define FILE_MAX_BYTES (1 << 20)

static const char *data_dir(void)
{
    const char *dir = getenv("RBEE_TEST_DATA");

    return dir ? dir : RBEE_SOURCE_DIR "/../shared/data";
}

static char *data_path(const char *name, const char *suffix)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s%s", data_dir(), name, suffix);
    return path;
}

static char *read_text(const char *name, const char *suffix)
{
    struct err err = {0};
    char *text;
    size_t n;

    if (path_read_file(data_path(name, suffix), FILE_MAX_BYTES, &text, &n, &err) != 0)
        fail_msg("%s", err.text);
    return text;
}

/* Encodes one text and compares with a line of ids; then decodes and compares with the text. */
static void check_text(const struct tok *t, const char *text, size_t n, const char *ids_line)
{
    struct tok_stream s;
    struct buf shown, back;
    size_t n_ids = 0;
    int32_t *ids;

    buf_init(&shown, FILE_MAX_BYTES);
    buf_init(&back, FILE_MAX_BYTES);
    assert_int_equal(tok_encode(t, text, n, 0, &ids, &n_ids, NULL), 0);
    tok_stream_init(&s, t, false, true);
    for (size_t i = 0; i < n_ids; i++) {
        assert_int_equal(buf_printf(&shown, " %d", ids[i]), 0);
        assert_int_equal(tok_stream_put(&s, ids[i], &back), 0);
    }
    assert_int_equal(tok_stream_end(&s, &back), 0);
    if (strcmp(buf_str(&shown), ids_line) != 0)
        fail_msg("'%.*s':\n%s instead of\n%s", (int)n, text, buf_str(&shown), ids_line);
    assert_int_equal(back.len, n);
    assert_memory_equal(buf_str(&back), text, n);
    free(ids);
    buf_done(&shown);
    buf_done(&back);
}

static void check_vocabulary(const char *name)
{
    char *texts, *ids, *text, *line;
    struct err err = {0};
    struct tok *t = NULL;
    struct gguf *g;
    int n_texts = 0;

    if (!path_is_file(data_path(name, ""))) {
        print_message("skipped: %s is not there (set RBEE_TEST_DATA)\n", data_path(name, ""));
        skip();
    }
    if (gguf_open(data_path(name, ""), &g, &err) != 0 || tok_create(g, &t, &err) != 0)
        fail_msg("%s", err.text);
    texts = read_text(name, ".inp");
    ids = read_text(name, ".out");
    text = texts;
    line = ids;
    while (text) {
        char *end = strstr(text, SEPARATOR), *line_end = strchr(line, '\n');

        if (line_end)
            *line_end = '\0';
        check_text(t, text, end ? (size_t)(end - text) : strlen(text), line);
        n_texts++;
        line = line_end ? line_end + 1 : line + strlen(line);
        text = end ? end + strlen(SEPARATOR) : NULL;
    }
    assert_int_equal(n_texts, N_TEXTS);
    assert_int_equal(*line, '\0');
    free(texts);
    free(ids);
    tok_free(t);
    gguf_close(g);
}

static void test_tok_golden__gpt2(void **state)
{
    (void)state;
    check_vocabulary("vocab/ggml-vocab-gpt-2.gguf");
}

static void test_tok_golden__llama_spm(void **state)
{
    (void)state;
    check_vocabulary("vocab/ggml-vocab-llama-spm.gguf");
}

static void test_tok_golden__phi_3(void **state)
{
    (void)state;
    check_vocabulary("vocab/ggml-vocab-phi-3.gguf");
}

static void test_tok_golden__qwen2(void **state)
{
    (void)state;
    check_vocabulary("vocab/ggml-vocab-qwen2.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_golden__gpt2),
        cmocka_unit_test(test_tok_golden__llama_spm),
        cmocka_unit_test(test_tok_golden__phi_3),
        cmocka_unit_test(test_tok_golden__qwen2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
