/* Tests of src/api/modelref.c: the forms of the contract, section 4, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/modelref.h"
#include "base/str.h"

static void assert_ref(const char *text, const char *canonical)
{
    struct model_ref r;
    struct err err = {0};
    char *spelled;

    if (model_ref_parse(text, &r, &err))
        fail_msg("'%s': %s", text, err.text);
    spelled = model_ref_text(&r);
    assert_string_equal(spelled, canonical);
    free(spelled);
    model_ref_done(&r);
}

static void assert_refused(const char *text, const char *word)
{
    struct model_ref r;
    struct err err = {0};

    if (model_ref_parse(text, &r, &err) != ERR_INVALID)
        fail_msg("'%s' was taken", text);
    if (!strstr(err.text, word))
        fail_msg("'%s' does not hold '%s'", err.text, word);
    model_ref_done(&r);
}

/* A path of 1,018 to 1,024 bytes was taken, and what it was called then, "file://" and the path,
 * was refused by whoever read it next: the hive when its worker said that it is ready. */
static void test_modelref__what_a_path_is_called_is_a_reference(void **state)
{
    char path[MODEL_REF_MAX + 1], url[MODEL_REF_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "/%0*d", MODEL_REF_PATH_MAX - 1, 0);
    snprintf(url, sizeof url, "file://%s", path);
    assert_ref(path, url);
    assert_ref(url, url);
    snprintf(path, sizeof path, "/%0*d", MODEL_REF_PATH_MAX, 0);
    assert_refused(path, "the model's path has 1018 bytes, the limit is 1017");
}

static void test_modelref__forms_of_the_hub(void **state)
{
    struct model_ref r;

    (void)state;
    assert_ref("hf:org/repo", "hf:org/repo");
    assert_ref("hf:org/repo:q4_k_m", "hf:org/repo:Q4_K_M");
    assert_ref("hf:org/repo:UD-Q4_K_XL", "hf:org/repo:UD-Q4_K_XL");
    assert_ref("hf:org/repo:file.gguf", "hf:org/repo:file.gguf");
    assert_ref("hf:org/repo:q4/File-00001-of-00002.GGUF@v1.0",
               "hf:org/repo:q4/File-00001-of-00002.GGUF@v1.0");
    assert_ref("hf:org/repo@refs/pr/3", "hf:org/repo@refs/pr/3");
    assert_ref("hf:org/repo:Q8_0@main", "hf:org/repo:Q8_0");
    assert_ref("hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF",
               "hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF");
    assert_int_equal(model_ref_parse("hf:a/b:Q4_0@0123abc", &r, NULL), 0);
    assert_int_equal(r.kind, MODEL_REF_HF);
    assert_string_equal(r.repo, "a/b");
    assert_string_equal(r.quant, "Q4_0");
    assert_null(r.file);
    assert_null(r.path);
    assert_string_equal(r.revision, "0123abc");
    model_ref_done(&r);
}

static void test_modelref__forms_of_files(void **state)
{
    char *cwd = getcwd(NULL, 0), *expected = str_printf("file://%s/x y.gguf", cwd);

    (void)state;
    assert_ref("tiny", "tiny");
    assert_ref("/a/x.gguf", "file:///a/x.gguf");
    assert_ref("file:///a//b/./x.gguf", "file:///a/b/x.gguf");
    assert_ref("/a/../x.gguf", "file:///a/../x.gguf");
    assert_ref("./x y.gguf", expected);
    setenv("HOME", "/home/ann", 1);
    assert_ref("~/m/x.gguf", "file:///home/ann/m/x.gguf");
    free(expected);
    free(cwd);
}

static void test_modelref__canonical_text_is_stable(void **state)
{
    static const char *const texts[] = {"hf:a/b:q5_0@x", "tiny", "/a//b.gguf", "hf:a/b:c/d.gguf"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct model_ref r;
        char *once;

        assert_int_equal(model_ref_parse(texts[i], &r, NULL), 0);
        once = model_ref_text(&r);
        model_ref_done(&r);
        assert_ref(once, once);
        free(once);
    }
}

static void test_modelref__refuses_malformed(void **state)
{
    (void)state;
    assert_refused("", "empty");
    assert_refused("hf:", "org/repo");
    assert_refused("hf:repo", "org/repo");
    assert_refused("hf:/repo", "org/repo");
    assert_refused("hf:org/", "org/repo");
    assert_refused("hf:a/b/c", "org/repo");
    assert_refused("hf:../b", "org/repo");
    assert_refused("hf:a/..", "org/repo");
    assert_refused("hf:a/x..y", "org/repo");
    assert_refused("hf:a b/c", "org/repo");
    assert_refused("hf:a/b?x=1", "org/repo");
    assert_refused("hf:a/b:", "quantisation");
    assert_refused("hf:a/b:Q4 K", "quantisation");
    assert_refused("hf:a/b:x/y", "quantisation");
    assert_refused("hf:a/b:../x.gguf", "leaves");
    assert_refused("hf:a/b:/x.gguf", "leaves");
    assert_refused("hf:a/b:x//y.gguf", "leaves");
    assert_refused("hf:a/b:x\\y.gguf", "leaves");
    assert_refused("hf:a/b:c:x.gguf", "leaves");
    assert_refused("hf:a/b@", "revision");
    assert_refused("hf:a/b@../../x", "revision");
    assert_refused("hf:a/b@x?y", "revision");
    assert_refused("hf:a/b\n", "0x0a");
    assert_refused("file://host/x.gguf", "without a host");
    assert_refused("file:x.gguf", "file:///");
    assert_refused("file:///", "names no file");
    assert_refused("/", "names no file");
    assert_refused("//./.", "names no file"); /* found by fuzzing: its spelling was "file://" */
    assert_refused("/a\xff.gguf", "UTF-8");
}

static void test_modelref__refusal_says_what_was_meant(void **state)
{
    (void)state;
    assert_refused("org/repo", "did you mean hf:org/repo?");
    assert_refused("x.gguf", "./x.gguf");
    assert_refused("ollama:llama3", "'ollama'");
    assert_refused("huge", "tiny");
}

static void test_modelref__refuses_past_the_limits(void **state)
{
    char text[MODEL_REF_MAX + 8];

    (void)state;
    memset(text, 'a', sizeof text);
    text[0] = '/';
    text[MODEL_REF_MAX + 1] = '\0';
    assert_refused(text, "1025");
    text[MODEL_REF_PATH_MAX] = '\0';
    {
        struct model_ref r;

        assert_int_equal(model_ref_parse(text, &r, NULL), 0);
        model_ref_done(&r);
    }
    memcpy(text, "hf:", 3);
    text[110] = '/';
    text[112] = '\0';
    assert_refused(text, "org/repo");
}

/* ./x.gguf in a folder that was deleted was /x.gguf, another file. */
static void test_modelref__of_a_folder_that_is_gone_is_none(void **state)
{
    char gone[] = "/tmp/rbee-modelref-XXXXXX", *cwd = getcwd(NULL, 0);
    struct model_ref r;
    struct err err;

    (void)state;
    assert_non_null(cwd);
    assert_non_null(mkdtemp(gone));
    assert_int_equal(chdir(gone), 0);
    assert_int_equal(rmdir(gone), 0);
    assert_int_equal(model_ref_parse("./x.gguf", &r, &err), 0);
    assert_null(model_ref_text(&r));
    model_ref_done(&r);
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modelref__of_a_folder_that_is_gone_is_none),
        cmocka_unit_test(test_modelref__what_a_path_is_called_is_a_reference),
        cmocka_unit_test(test_modelref__forms_of_the_hub),
        cmocka_unit_test(test_modelref__forms_of_files),
        cmocka_unit_test(test_modelref__canonical_text_is_stable),
        cmocka_unit_test(test_modelref__refuses_malformed),
        cmocka_unit_test(test_modelref__refusal_says_what_was_meant),
        cmocka_unit_test(test_modelref__refuses_past_the_limits),
    };

    return cmocka_run_group_tests_name("modelref", tests, NULL, NULL);
}
