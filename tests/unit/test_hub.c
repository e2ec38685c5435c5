/* Tests of src/hive/fetch/hub.c, hub_choose.c, quant.c, plan.c: the hub's answers, the choice of a
 * file, the memory plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/gguf/gguf.h"
#include "hive/fetch/hub.h"
#include "hive/workers/plan.h"

#define SHA "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"

_Static_assert(CARD_FILES_MAX == GGUF_MAX_PARTS, "what is downloaded can be read");

/* ---- quantisations ---- */

static void test_quant__from_names(void **state)
{
    static const struct {
        const char *file, *quant;
    } cases[] = {
        {"tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf", "Q4_K_M"},
        {"Qwen2.5-7B-Instruct-q4_k_m-00001-of-00002.gguf", "Q4_K_M"},
        {"Llama-3.2-1B-Instruct-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"},
        {"UD-Q2_K.gguf", "UD-Q2_K"},
        {"Q8_0/model-Q8_0-00001-of-00003.gguf", "Q8_0"},
        {"Q8_0/model-00001-of-00003.gguf", "Q8_0"},
        {"x-IQ4_XS.gguf", "IQ4_XS"},
        {"ggml-model-f16.gguf", "F16"},
        {"x.BF16.gguf", "BF16"},
        {"Q4_0.GGUF", "Q4_0"},
        {"model-Q4_K_M-imat-Q5_0.gguf", "Q5_0"},
        {"Phi-3-mini-4k-instruct-q4.gguf", "Q4"},
        {"llava-llama-3-8b-v1_1-int4.gguf", "INT4"},
        {"tale_Q4_K_M.gguf", "Q4_K_M"},
        {"my_tale_q8_0-00001-of-00002.gguf", "Q8_0"},
    };
    static const char *const none[] = {
        "model.gguf", "Qwen-v1.gguf", "Q.gguf",         "q9.gguf",     ".gguf",
        "",           "xQ4_0.gguf",   "tale_v1_1.gguf", "print4.gguf", "-00001-of-00002.gguf"};
    char quant[QUANT_NAME_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!quant_of_name(cases[i].file, quant))
            fail_msg("%s: none found", cases[i].file);
        assert_string_equal(quant, cases[i].quant);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (quant_of_name(none[i], quant))
            fail_msg("%s: %s found", none[i], quant);
}

/* ---- answers ---- */

static void test_hub__urls_are_escaped(void **state)
{
    char *url = hub_api_url("https://h.example/", "o/r", "refs/pr/1");

    (void)state;
    assert_string_equal(url, "https://h.example/api/models/o/r/revision/refs%2Fpr%2F1?blobs=true");
    free(url);
    url = hub_api_url("http://h:1", "o/r", NULL);
    assert_string_equal(url, "http://h:1/api/models/o/r/revision/main?blobs=true");
    free(url);
    url = hub_file_url("https://h", "o/r", "c", "a b/\xc3\xa4#?.gguf");
    assert_string_equal(url, "https://h/o/r/resolve/c/a%20b/%C3%A4%23%3F.gguf");
    free(url);
}

static void test_hub__parses_the_real_shape(void **state)
{
    static const char body[] =
        "{\"_id\":\"x\",\"sha\":\"abc\",\"gated\":false,\"usedStorage\":99999999999999999999999,"
        "\"siblings\":[{\"rfilename\":\"README.md\",\"size\":10},"
        "{\"rfilename\":\"m.Q4_0.gguf\",\"size\":135,\"blobId\":\"b\",\"lfs\":{\"sha256\":\"" SHA
        "\",\"size\":5000000000,\"pointerSize\":135}},"
        "{\"rfilename\":\"n.gguf\"}]}";
    struct hub_repo r;

    (void)state;
    assert_int_equal(hub_parse(body, sizeof body - 1, &r, NULL), 0);
    assert_string_equal(r.commit, "abc");
    assert_int_equal(r.n_files, 2);
    assert_string_equal(r.files[0].name, "m.Q4_0.gguf");
    assert_true(r.files[0].size_bytes == UINT64_C(5000000000));
    assert_string_equal(r.files[0].sha256,
                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_string_equal(r.files[0].quant, "Q4_0");
    assert_int_equal(r.files[1].size_bytes, 0);
    assert_string_equal(r.files[1].sha256, "");
    hub_repo_done(&r);
}

static void test_hub__refuses_answers_that_make_no_sense(void **state)
{
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{}",
                                         "{\"sha\":\"x\"}",
                                         "{\"sha\":\"\",\"siblings\":[]}",
                                         "{\"sha\":5,\"siblings\":[]}",
                                         "{\"sha\":\"x\",\"siblings\":{}}",
                                         "{\"sha\":\"x\",\"siblings\":["};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct hub_repo r;

        if (hub_parse(bodies[i], strlen(bodies[i]), &r, NULL) != ERR_INVALID)
            fail_msg("taken: %s", bodies[i]);
        hub_repo_done(&r);
    }
}

static void test_hub__odd_values_count_as_not_told(void **state)
{
    static const char body[] =
        "{\"sha\":\"x\",\"siblings\":[{\"rfilename\":\"a.gguf\",\"size\":-5,\"lfs\":{\"sha256\":"
        "\"short\",\"size\":1e300}},{\"rfilename\":7},{\"rfilename\":\"../b.gguf\"},"
        "{\"rfilename\":\"/c.gguf\"},{\"rfilename\":\"d//e.gguf\"},{\"rfilename\":\"f\\ng.gguf\"},"
        "5,null,{\"rfilename\":\"h\\\\i.gguf\"}]}";
    struct hub_repo r;

    (void)state;
    assert_int_equal(hub_parse(body, sizeof body - 1, &r, NULL), 0);
    assert_int_equal(r.n_files, 1);
    assert_int_equal(r.files[0].size_bytes, 0);
    assert_string_equal(r.files[0].sha256, "");
    hub_repo_done(&r);
}

/* ---- the choice ---- */

/* A repository of the given names, blank between; "=4000" behind one is its size. */
static void make_repo(const char *names, struct hub_repo *r)
{
    struct buf body;

    buf_init(&body, 1 << 16);
    buf_puts(&body, "{\"sha\":\"x\",\"siblings\":[");
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " "), n_name = strcspn(p, " =");
        bool sized = p[n_name] == '=';

        buf_printf(&body, "%s{\"rfilename\":\"%.*s\",\"size\":%.*s}", p == names ? "" : ",",
                   (int)n_name, p, sized ? (int)(n - n_name - 1) : 1, sized ? p + n_name + 1 : "0");
        p += n + (p[n] == ' ');
    }
    buf_puts(&body, "]}");
    assert_int_equal(hub_parse(buf_str(&body), body.len, r, NULL), 0);
    buf_done(&body);
}

/* What `ref` means there: names with a blank between, or the error's text. */
static char *choose(const char *names, const char *ref)
{
    static struct hub_choice choice;
    struct model_ref parsed;
    struct hub_repo r;
    struct err err;
    struct buf out;

    buf_init(&out, 1 << 16);
    make_repo(names, &r);
    assert_int_equal(model_ref_parse(ref, &parsed, NULL), 0);
    if (hub_choose(&r, &parsed, &choice, &err)) {
        buf_printf(&out, "%s: %s", err_code_name(err.code), err.text);
    } else {
        for (size_t i = 0; i < choice.n_files; i++)
            buf_printf(&out, "%s%s", i ? " " : "", r.files[choice.files[i]].name);
    }
    model_ref_done(&parsed);
    hub_repo_done(&r);
    return buf_take(&out);
}

static void assert_choice(const char *names, const char *ref, const char *expected)
{
    char *got = choose(names, ref);

    assert_string_equal(got, expected);
    free(got);
}

static void assert_no_choice(const char *names, const char *ref, const char *word)
{
    char *got = choose(names, ref);

    if (!strstr(got, word))
        fail_msg("'%s' does not hold '%s'", got, word);
    free(got);
}

static void test_hub__default_is_q4_k_m_else_nearest(void **state)
{
    (void)state;
    assert_choice("a.Q2_K.gguf a.Q4_K_M.gguf a.Q4_0.gguf", "hf:o/r", "a.Q4_K_M.gguf");
    assert_choice("a.Q2_K.gguf a.Q4_0.gguf a.Q8_0.gguf", "hf:o/r", "a.Q4_0.gguf");
    assert_choice("a.Q2_K.gguf a.Q8_0.gguf", "hf:o/r", "a.Q2_K.gguf");
    assert_choice("a.F16.gguf a.Q8_0.gguf", "hf:o/r", "a.Q8_0.gguf");
    assert_choice("a.IQ1_S.gguf a.F16.gguf", "hf:o/r", "a.F16.gguf");
    assert_choice("model.gguf", "hf:o/r", "model.gguf");
    assert_choice("mmproj-a-Q4_K_M.gguf a.imatrix.gguf b.gguf", "hf:o/r", "b.gguf");
    assert_choice("long-a.Q4_K_M.gguf a.Q4_K_M.gguf", "hf:o/r", "a.Q4_K_M.gguf");
}

/* Names as makers give them: fp16 was taken of the first two, the projector of the fourth, BF16 of
 * the fifth; of the last the one whose name told nothing came behind one four times as large. */
static void test_hub__default_among_names_as_makers_give_them(void **state)
{
    (void)state;
    assert_choice("phi-fp16.gguf phi-q4.gguf", "hf:o/r", "phi-q4.gguf");
    assert_choice("llava-f16.gguf llava-int4.gguf llava-mmproj-f16.gguf", "hf:o/r",
                  "llava-int4.gguf");
    assert_choice("tale_Q4_K_M.gguf tale_Q8_0.gguf tale-F16.gguf", "hf:o/r", "tale_Q4_K_M.gguf");
    assert_choice("tale-F16.gguf tale-mmproj-Q8_0.gguf", "hf:o/r", "tale-F16.gguf");
    assert_choice("t-UD-Q5_K_XL.gguf t-UD-Q8_K_XL.gguf t-BF16.gguf", "hf:o/r", "t-UD-Q5_K_XL.gguf");
    assert_choice("BF16/t.gguf Q4/t.gguf", "hf:o/r", "Q4/t.gguf");
    assert_choice("t-F16.gguf=16000 t.gguf=4400", "hf:o/r", "t.gguf");
    assert_choice("t-Q5_0.gguf=5600 t.gguf=16000", "hf:o/r", "t-Q5_0.gguf");
    assert_choice("t-F16.gguf=16000 t-IQ1_S.gguf=4400", "hf:o/r", "t-F16.gguf");
}

/* Each time the same one, in whatever order the hub tells them. */
static void test_hub__of_two_that_are_as_near_the_simpler_name(void **state)
{
    (void)state;
    assert_choice("a-long-Q8_0.gguf b-Q8_0.gguf", "hf:o/r", "b-Q8_0.gguf"); /* the shorter */
    assert_choice("b-Q8_0.gguf a-long-Q8_0.gguf", "hf:o/r", "b-Q8_0.gguf");
    assert_choice("a-Q8_0.gguf b-long-Q8_0.gguf", "hf:o/r", "a-Q8_0.gguf");
    assert_choice("a-Q8_0.gguf b-Q8_0.gguf", "hf:o/r", "a-Q8_0.gguf"); /* the earlier */
    assert_choice("b-Q8_0.gguf a-Q8_0.gguf", "hf:o/r", "a-Q8_0.gguf");
    assert_choice("t-BF16.gguf t-F16.gguf", "hf:o/r", "t-F16.gguf"); /* of another quantisation */
    assert_choice("long.gguf x.gguf", "hf:o/r", "x.gguf");           /* of none */
    assert_choice("a-long-Q8_0-00001-of-00002.gguf a-long-Q8_0-00002-of-00002.gguf b-Q8_0.gguf",
                  "hf:o/r", "b-Q8_0.gguf");
    assert_choice("x-F16.gguf longer-Q6_K.gguf", "hf:o/r", "longer-Q6_K.gguf"); /* the nearer */
}

/* The last of them was taken. */
static void test_hub__a_name_in_two_folders_needs_its_folder(void **state)
{
    static const char names[] = "BF16/tale.gguf Q4/tale.gguf Z/Tale.gguf";

    (void)state;
    assert_no_choice(names, "hf:o/r:tale.gguf",
                     "tale.gguf is more than one file there, BF16/tale.gguf and Q4/tale.gguf");
    assert_choice(names, "hf:o/r:Q4/tale.gguf", "Q4/tale.gguf");
    assert_choice(names, "hf:o/r:Tale.gguf", "Z/Tale.gguf");
}

static void test_hub__named_quantisation_or_file(void **state)
{
    static const char names[] = "a.Q4_0.gguf a.UD-Q4_0.gguf sub/b.Q5_0.gguf";

    (void)state;
    assert_choice(names, "hf:o/r:Q4_0", "a.Q4_0.gguf");
    assert_choice(names, "hf:o/r:ud-q4_0", "a.UD-Q4_0.gguf");
    assert_choice(names, "hf:o/r:sub/b.Q5_0.gguf", "sub/b.Q5_0.gguf");
    assert_choice(names, "hf:o/r:b.Q5_0.gguf", "sub/b.Q5_0.gguf");
    assert_choice("phi-fp16.gguf phi-q4.gguf", "hf:o/r:q4", "phi-q4.gguf");
    assert_no_choice(names, "hf:o/r:Q5_1", "did you mean Q5_0?");
    assert_no_choice(names, "hf:o/r:c.gguf", "sub/b.Q5_0.gguf");
    assert_no_choice("mmproj.gguf", "hf:o/r", "no GGUF file");
}

static void test_hub__split_models(void **state)
{
    (void)state;
    assert_choice("x-Q4_0-00002-of-00002.gguf x-Q4_0-00001-of-00002.gguf y-Q8_0.gguf",
                  "hf:o/r:Q4_0", "x-Q4_0-00001-of-00002.gguf x-Q4_0-00002-of-00002.gguf");
    assert_no_choice("x-Q4_0-00001-of-00003.gguf x-Q4_0-00003-of-00003.gguf", "hf:o/r",
                     "part 2 of 3");
    assert_no_choice("x-Q4_0-00001-of-99999.gguf", "hf:o/r", "99999");
    /* So many were downloaded, and then no worker read them. */
    assert_no_choice("x-Q4_0-00001-of-00513.gguf", "hf:o/r", "one of 513 parts, the limit is 512");
    assert_no_choice("x-Q4_0-00001-of-00000.gguf", "hf:o/r", "limit");
}

/* ---- many files ---- */

#define MANY           10000 /* HUB_FILES_MAX */
#define MANY_PER_SPLIT 500

/* 10,000 files: each of a quantisation of its own, or twenty split models of 500 parts. */
static void make_many(bool split, struct hub_repo *r)
{
    struct buf body;

    buf_init(&body, 4 << 20);
    buf_puts(&body, "{\"sha\":\"x\",\"siblings\":[");
    for (int i = 0; i < MANY; i++)
        if (split)
            buf_printf(&body, "%s{\"rfilename\":\"m%d-Q4_0-%05d-of-%05d.gguf\",\"size\":1}",
                       i ? "," : "", i / MANY_PER_SPLIT, i % MANY_PER_SPLIT + 1, MANY_PER_SPLIT);
        else
            buf_printf(&body, "%s{\"rfilename\":\"m.Q4_%d.gguf\"}", i ? "," : "", MANY - i);
    buf_puts(&body, "]}");
    assert_int_equal(hub_parse(buf_str(&body), body.len, r, NULL), 0);
    buf_done(&body);
}

/* Anybody may put that many files into a repository. Each line of `models files` looked at all the
 * other names, and at each part's twice: the hive's loop stood still for 7 to 20 seconds, a minute
 * with long names. The answers are all there; what makes them slow again is seen by how long this
 * program takes. */
static void test_hub__many_files_are_told_apart(void **state)
{
    static struct hub_choice choice;
    size_t n_models = 0, n_files = 0, n_meant = 0;

    (void)state;
    for (int split = 0; split < 2; split++) {
        struct hub_repo r;

        make_many(split, &r);
        for (size_t i = 0; i < r.n_files; i++) {
            if (!r.files[i].is_candidate)
                continue;
            assert_int_equal(hub_choose_from(&r, &r.files[i], &choice, NULL), 0);
            assert_ptr_equal(&r.files[choice.files[0]], &r.files[i]);
            n_models++;
            n_files += choice.n_files;
            n_meant += r.files[i].is_meant;
        }
        hub_repo_done(&r);
    }
    assert_int_equal(n_models, MANY + MANY / MANY_PER_SPLIT);
    assert_int_equal(n_files, 2 * MANY);
    assert_int_equal(n_meant, MANY + 1); /* the ten split ones are of one quantisation */
}

static void test_hub__names_once_and_no_longer_than_a_file_may_have(void **state)
{
    char longest[PATH_COMPONENT_MAX + 1], names[2 * sizeof longest + 64];
    struct hub_repo r;

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest + sizeof longest - 6, ".gguf", 5);
    snprintf(names, sizeof names, "b.gguf x%s %s b.gguf a.gguf", longest, longest);
    make_repo(names, &r);
    assert_int_equal(r.n_files, 3);
    assert_string_equal(r.files[0].name, "a.gguf");
    assert_string_equal(r.files[1].name, "b.gguf");
    assert_string_equal(r.files[2].name, longest);
    assert_int_equal(r.n_too_long, 1);
    hub_repo_done(&r);
}

/* "o/r has no GGUF file" was said of one whose only model had a name that is too long here: by its
 * spelling, of which a byte that is no letter or digit takes three, and the folders' '/', too. */
static void test_hub__names_that_no_file_can_have_are_told(void **state)
{
    char names[256], ref_text[512];
    struct hub_choice *choice = calloc(1, sizeof *choice);
    struct model_ref ref;
    struct hub_repo r;
    struct err err;

    (void)state;
    assert_non_null(choice);
    snprintf(names, sizeof names, "%0120d/%090d.Q8_0.gguf", 0, 0);
    make_repo(names, &r);
    assert_int_equal(r.n_too_long, 1);
    assert_int_equal(model_ref_parse("hf:o/r", &ref, NULL), 0);
    assert_int_equal(hub_choose(&r, &ref, choice, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text,
                        "o/r has no GGUF file that can be kept; left out: 1 GGUF file whose names "
                        "are longer than a file's can be here (200 bytes, with %XX for all but "
                        "letters, digits, '.', '_' and '-')");
    model_ref_done(&ref);
    snprintf(ref_text, sizeof ref_text, "hf:o/r:%s", names);
    assert_int_equal(model_ref_parse(ref_text, &ref, NULL), 0);
    assert_int_equal(hub_choose(&r, &ref, choice, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "a name of 221 bytes is too long for a file: it has 223"));
    model_ref_done(&ref);
    hub_repo_done(&r);
    make_repo("a.Q4_0.gguf "
              "\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1"
              "\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1"
              "\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1\xe6\xa8\xa1"
              "\xe6\xa8\xa1\xe6\xa8\xa1.Q8_0.gguf",
              &r); /* 79 bytes, 217 spelled */
    assert_int_equal(model_ref_parse("hf:o/r:Q8_0", &ref, NULL), 0);
    assert_int_equal(hub_choose(&r, &ref, choice, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "there are: Q4_0; left out: 1 GGUF file "));
    model_ref_done(&ref);
    hub_repo_done(&r);
    free(choice);
}

/* ---- memory ---- */

static void test_plan__sums_and_says_both_numbers(void **state)
{
    const struct model_facts facts = {.weight_bytes = 1000000,
                                      .kv_bytes_per_token = 100,
                                      .kv_bytes_per_token_q8_0 = 60,
                                      .context_length = 2000,
                                      .scratch_bytes = 50,
                                      .scratch_bytes_per_slot = 7};
    struct plan_need need;
    struct err err;

    (void)state;
    assert_int_equal(plan_memory(&facts, 3, 500, false, &need, NULL), 0);
    assert_int_equal(need.kv_bytes, 150000);
    assert_int_equal(need.scratch_bytes, 64);
    assert_int_equal(need.total_bytes, 1150064);
    assert_int_equal(plan_memory(&facts, 3, 500, true, &need, NULL), 0);
    assert_int_equal(need.kv_bytes, 90000);
    assert_int_equal(plan_memory(&facts, 0, 0, false, &need, NULL), 0);
    assert_int_equal(need.ctx, 2000);
    assert_int_equal(need.slots, 4);
    assert_int_equal(plan_fits(&need, need.total_bytes, NULL), 0);
    assert_int_equal(plan_fits(&need, need.total_bytes - 1, &err), ERR_NO_MEMORY);
    assert_non_null(strstr(err.text, "1.8 MB of memory"));
    assert_non_null(strstr(err.text, "4 slots of 2000"));
}

/* As the engine would start no worker for it, a plan with no bytes for keys and values said that it
 * fits, for ever. An encoder keeps none. */
static void test_plan__heads_that_do_not_fit_q8_0_are_refused(void **state)
{
    struct model_facts facts = {.weight_bytes = 1000, .kv_bytes_per_token = 100};
    struct plan_need need;
    struct err err;

    (void)state;
    assert_int_equal(plan_memory(&facts, 1, 1, false, &need, NULL), 0);
    assert_int_equal(plan_memory(&facts, 1, 1, true, &need, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "[hive] kv_type"));
    facts.kv_bytes_per_token = 0;
    assert_int_equal(plan_memory(&facts, 1, 1, true, &need, NULL), 0);
}

/* What packing, the tables of the header and those of KV pages take was in no plan. */
static void test_plan__counts_what_is_not_in_the_tensors(void **state)
{
    const struct model_facts facts = {.weight_bytes = 1000,
                                      .packing_bytes = 300,
                                      .tables_bytes = 40,
                                      .kv_bytes_per_token = 100,
                                      .kv_bytes_per_token_q8_0 = 60,
                                      .kv_table_bytes_per_token = 6};
    struct plan_need need;

    (void)state;
    assert_int_equal(plan_memory(&facts, 2, 50, false, &need, NULL), 0);
    assert_int_equal(need.weight_bytes, 1340);
    assert_int_equal(need.kv_bytes, 10600);
    assert_int_equal(need.total_bytes, 11940);
    assert_int_equal(plan_memory(&facts, 2, 50, true, &need, NULL), 0);
    assert_int_equal(need.kv_bytes, 6600);
}

/* A text goes through an encoder in one piece: a context of 65536 took 605 MB where the plan said
 * 223 MB, as for one of 4096. */
static void test_plan__an_encoder_works_in_its_context(void **state)
{
    const struct model_facts facts = {.weight_bytes = 1000,
                                      .context_length = 65536,
                                      .scratch_bytes = 50,
                                      .scratch_bytes_per_slot = 7,
                                      .scratch_bytes_per_position = 3};
    struct plan_need need;

    (void)state;
    assert_int_equal(plan_memory(&facts, 2, 0, false, &need, NULL), 0);
    assert_int_equal(need.scratch_bytes, 57);
    assert_int_equal(plan_memory(&facts, 2, 512, false, &need, NULL), 0);
    assert_int_equal(need.scratch_bytes, 57);
    assert_int_equal(plan_memory(&facts, 2, 65536, false, &need, NULL), 0);
    assert_int_equal(need.scratch_bytes, 57 + 3 * (65536 - 4096));
    assert_int_equal(need.total_bytes, 1000 + need.scratch_bytes);
}

/* For 64 slots and a vocabulary of 150,286 tokens 40 MB were planned, and 172 MB taken: the logits
 * of half of them and all samplers were in no plan. */
static void test_plan__counts_logits_of_many_slots(void **state)
{
    const struct model_facts facts = {
        .scratch_bytes = 50, .scratch_bytes_per_slot = 7, .logits_bytes_per_slot = 1000};
    const uint64_t slots[] = {1, 2, 32, 33, 64};
    struct plan_need need;

    (void)state;
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        uint64_t rows = slots[i] > 32 ? slots[i] - 32 : 0;

        assert_int_equal(plan_memory(&facts, slots[i], 64, false, &need, NULL), 0);
        assert_int_equal(need.scratch_bytes, 50 + 7 * (slots[i] - 1) + 1000 * rows);
        assert_int_equal(need.total_bytes, need.scratch_bytes);
    }
}

static void test_plan__refuses_sums_past_64_bits(void **state)
{
    struct model_facts facts = {.weight_bytes = UINT64_MAX, .kv_bytes_per_token = 1};
    struct plan_need need;

    (void)state;
    assert_int_equal(plan_memory(&facts, 1, 1, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.kv_bytes_per_token = UINT64_MAX / 4};
    assert_int_equal(plan_memory(&facts, 2, 4, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.weight_bytes = UINT64_MAX, .packing_bytes = 1};
    assert_int_equal(plan_memory(&facts, 1, 1, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.packing_bytes = UINT64_MAX, .tables_bytes = 1};
    assert_int_equal(plan_memory(&facts, 1, 1, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.kv_bytes_per_token = UINT64_MAX, .kv_table_bytes_per_token = 1};
    assert_int_equal(plan_memory(&facts, 1, 1, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.scratch_bytes_per_position = UINT64_MAX / 4};
    assert_int_equal(plan_memory(&facts, 2, 5000, false, &need, NULL), ERR_LIMIT);
    facts = (struct model_facts){.logits_bytes_per_slot = UINT64_MAX / 4};
    assert_int_equal(plan_memory(&facts, 32, 1, false, &need, NULL), 0);
    assert_int_equal(plan_memory(&facts, 64, 1, false, &need, NULL), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quant__from_names),
        cmocka_unit_test(test_hub__urls_are_escaped),
        cmocka_unit_test(test_hub__parses_the_real_shape),
        cmocka_unit_test(test_hub__refuses_answers_that_make_no_sense),
        cmocka_unit_test(test_hub__odd_values_count_as_not_told),
        cmocka_unit_test(test_hub__default_is_q4_k_m_else_nearest),
        cmocka_unit_test(test_hub__default_among_names_as_makers_give_them),
        cmocka_unit_test(test_hub__of_two_that_are_as_near_the_simpler_name),
        cmocka_unit_test(test_hub__a_name_in_two_folders_needs_its_folder),
        cmocka_unit_test(test_hub__named_quantisation_or_file),
        cmocka_unit_test(test_hub__split_models),
        cmocka_unit_test(test_hub__many_files_are_told_apart),
        cmocka_unit_test(test_hub__names_once_and_no_longer_than_a_file_may_have),
        cmocka_unit_test(test_hub__names_that_no_file_can_have_are_told),
        cmocka_unit_test(test_plan__sums_and_says_both_numbers),
        cmocka_unit_test(test_plan__heads_that_do_not_fit_q8_0_are_refused),
        cmocka_unit_test(test_plan__counts_what_is_not_in_the_tensors),
        cmocka_unit_test(test_plan__an_encoder_works_in_its_context),
        cmocka_unit_test(test_plan__counts_logits_of_many_slots),
        cmocka_unit_test(test_plan__refuses_sums_past_64_bits),
    };

    return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
