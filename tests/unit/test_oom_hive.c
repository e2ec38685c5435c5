/*
 * What a hive makes of the files and answers that it reads while memory runs out: nothing that is
 * good may be called bad, or be begun anew.
 */
#include "oom.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/disk/ledger.h"
#include "hive/gateway/embed_answer.h"

#define PIECE  (1u << 20)
#define CLAIMS 3

static char folder[] = "/tmp/rbee-oom-hive-XXXXXX", *file;

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    file = path_join(folder, "x");
    return file ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    free(file);
    return rmdir(folder);
}

/* ---- what has arrived of a download ---- */

static struct stat kept;

static int open_ledger(void)
{
    struct ledger_found found = {0};
    struct ledger *l = NULL;
    struct err err = {0};
    struct stat st;
    int rc = ledger_open(file, 8 * PIECE, PIECE, &found, &l, &err);

    if (rc == 0 && found.n_claims != CLAIMS)
        rc = OOM_WRONG;
    if (stat(file, &st) || st.st_size != kept.st_size || st.st_ino != kept.st_ino)
        rc = OOM_WRONG;
    ledger_found_done(&found);
    ledger_close(l);
    return rc;
}

/* It was begun anew, or cut behind the first line: gigabytes were to be verified, or fetched,
 * again.
 */
static void test_oom__a_ledger_stays(void **state)
{
    struct ledger_claim claim = {.digest = "00112233445566778899aabbccddeeff"};
    struct ledger_found found;
    struct ledger *l = NULL;

    (void)state;
    assert_int_equal(ledger_open(file, 8 * PIECE, PIECE, &found, &l, NULL), 0);
    for (uint64_t i = 0; i < CLAIMS; i++) {
        claim.from = i * PIECE;
        claim.to = claim.from + PIECE;
        assert_int_equal(ledger_add(l, &claim, NULL), 0);
    }
    ledger_close(l);
    ledger_found_done(&found);
    assert_int_equal(stat(file, &kept), 0);
    oom_run(open_ledger, false);
}

/* What cannot be read for another reason than its content, too. */
static void test_ledger__that_cannot_be_read_is_not_begun_anew(void **state)
{
    struct ledger_found found = {0};
    struct ledger *l = NULL;
    struct err err = {0};
    struct stat st;

    (void)state;
    unlink(file);
    assert_int_equal(symlink(file, file), 0); /* ELOOP, for root as well */
    assert_int_equal(ledger_open(file, 8 * PIECE, PIECE, &found, &l, &err), ERR_IO);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(lstat(file, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    unlink(file);
}

/* ---- cards ---- */

static int look_at_age(void)
{
    struct err err = {0};
    int rc = card_check_age(file, &err);

    if (!card_is_withheld(file, &err) || rc == 0)
        return OOM_WRONG;
    return rc == ERR_CONFLICT ? 0 : rc;
}

/* A newer rbee's card of which nothing could be told was there to be written over. */
static void test_oom__a_newer_card_is_withheld(void **state)
{
    char *text = str_printf("{\"version\": %d, \"repo\": \"a/b\"}", CARD_VERSION + 1);

    (void)state;
    assert_non_null(text);
    assert_int_equal(path_write_file(file, text, strlen(text), 0600, NULL), 0);
    oom_run(look_at_age, true);
    free(text);
}

static char *whole_text;

static struct card *make_card(void)
{
    struct card *c;

    if (card_create("/m", "org/repo", "0123456789abcdef0123456789abcdef01234567", "Q4_K_M", &c,
                    NULL))
        return NULL;
    if (card_add_file(c, "a.gguf", 5, "", NULL) || card_add_file(c, "b.gguf", 6, "", NULL) ||
        card_add_ref(c, "hf:org/repo", NULL)) {
        card_free(c);
        return NULL;
    }
    str_copy(c->verdict.judge, sizeof c->verdict.judge, "x");
    str_copy(c->verdict.code, sizeof c->verdict.code, "UNSUPPORTED_MODEL");
    return c;
}

static int write_card(void)
{
    struct card *c = make_card();
    char *text = c ? card_text(c) : NULL;
    int rc = text ? 0 : ERR_NO_MEMORY;

    if (text && whole_text && !str_eq(text, whole_text))
        rc = OOM_WRONG;
    free(text);
    card_free(c);
    return rc;
}

/* It lacked a file, a name or the verdict, and was kept so. */
static void test_oom__a_card_is_whole_or_none(void **state)
{
    struct card *c = make_card();

    (void)state;
    whole_text = card_text(c);
    assert_non_null(whole_text);
    card_free(c);
    oom_run(write_card, false);
    free(whole_text);
}

/* ---- workers' answers ---- */

static int read_vectors(void)
{
    static const char text[] = "{\"embeddings\":[[1,2],[3,4.5]],\"dimensions\":2,"
                               "\"prompt_tokens\":3,\"model\":\"a longer name than others have\"}";
    struct embed_answer a;
    int rc = embed_answer_read(text, sizeof text - 1, false, &a);

    if ((rc == 0 && (a.n_vectors != 2 || a.prompt_tokens != 3)) || (rc && rc != ERR_NO_MEMORY))
        rc = OOM_WRONG;
    embed_answer_done(&a);
    return rc;
}

/* "the worker's answer holds no vectors of the length that it tells" */
static void test_oom__vectors_are_no_less_good(void **state)
{
    (void)state;
    oom_run(read_vectors, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oom__a_ledger_stays),
        cmocka_unit_test(test_ledger__that_cannot_be_read_is_not_begun_anew),
        cmocka_unit_test(test_oom__a_newer_card_is_withheld),
        cmocka_unit_test(test_oom__a_card_is_whole_or_none),
        cmocka_unit_test(test_oom__vectors_are_no_less_good),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
