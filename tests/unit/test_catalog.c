/* Tests of src/hive/catalog/catalog.c and card.c: rows that last, damage that is survived. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/catalog/catalog.h"
#include "hive/chores/manifest.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[256], *db;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/rbee-catalog-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    db = path_join(dir, "models.db");
    return db ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    free(db);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct catalog *open_ok(bool expect_aside)
{
    struct catalog *c = NULL;
    struct err err = {0};
    char *aside;

    if (catalog_open(db, &c, &aside, &err))
        fail_msg("%s", err.text);
    assert_int_equal(aside != NULL, expect_aside);
    if (aside)
        assert_true(path_is_file(aside));
    free(aside);
    return c;
}

/* A row whose texts are literals: never given to catalog_row_done. */
static struct catalog_row row_of(char *ref, char *path)
{
    static char source[] = "hf:o/r@c", file[] = "x.gguf", quant[] = "Q4_0", sha[] = SHA;

    return (struct catalog_row){.model_ref = ref,
                                .path = path,
                                .source = source,
                                .file = file,
                                .quantization = quant,
                                .sha256 = sha,
                                .size_bytes = UINT64_C(5000000000),
                                .verified = true,
                                .downloaded_ms = 1700000000123};
}

static void test_catalog__rows_last(void **state)
{
    char ref[] = "hf:o/r", path[] = "/m/it's \"x\".gguf";
    struct catalog_row row = row_of(ref, path), got;
    struct catalog *c = open_ok(false);

    (void)state;
    assert_int_equal(catalog_put(c, &row, NULL), 0);
    /* of two workers the one that was used before the other may end behind it; and a clock may have
     * been wrong */
    assert_int_equal(catalog_touch(c, "hf:o/r", INT64_MAX, NULL), 0);
    assert_int_equal(catalog_touch(c, "hf:o/r", 42, NULL), 0);
    assert_int_equal(catalog_touch(c, "hf:o/r", 41, NULL), 0);
    catalog_close(c);
    c = open_ok(false);
    assert_int_equal(catalog_get(c, "hf:o/r", &got, NULL), 0);
    assert_string_equal(got.path, path);
    assert_string_equal(got.source, "hf:o/r@c");
    assert_string_equal(got.file, "x.gguf");
    assert_string_equal(got.quantization, "Q4_0");
    assert_string_equal(got.sha256, SHA);
    assert_true(got.size_bytes == UINT64_C(5000000000));
    assert_true(got.verified);
    assert_int_equal(got.downloaded_ms, 1700000000123);
    assert_int_equal(got.last_used_ms, 42);
    catalog_row_done(&got);
    catalog_close(c);
}

static void expect_private(void)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char file[300];
    struct stat st;

    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s%s", db, tails[i]);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

/*
 * SQLite makes its files readable by everybody. Where the home was so as well, an account that had
 * a read lock on models.db-shm held up each write, and with it the hive's loop, for two seconds.
 */
static void test_catalog__is_its_owners_alone(void **state)
{
    mode_t before = umask(022);
    struct catalog *c = open_ok(false);
    char file[300];

    (void)state;
    expect_private();
    catalog_close(c);
    assert_int_equal(chmod(db, 0644), 0); /* as a hive of before has left them */
    snprintf(file, sizeof file, "%s-wal", db);
    assert_int_equal(path_write_file(file, "", 0, 0644, NULL), 0);
    snprintf(file, sizeof file, "%s-shm", db);
    assert_int_equal(path_write_file(file, "", 0, 0644, NULL), 0);
    c = open_ok(false);
    expect_private();
    catalog_close(c);
    umask(before);
}

static void test_catalog__put_replaces_and_remove_forgets(void **state)
{
    char ref[] = "hf:o/r", a[] = "/a", b[] = "/b";
    struct catalog_row one = row_of(ref, a), two = row_of(ref, b), got;
    struct catalog *c = open_ok(false);
    struct err err;
    uint64_t n;

    (void)state;
    assert_int_equal(catalog_put(c, &one, NULL), 0);
    assert_int_equal(catalog_put(c, &two, NULL), 0);
    assert_int_equal(catalog_get(c, ref, &got, NULL), 0);
    assert_string_equal(got.path, "/b");
    catalog_row_done(&got);
    assert_int_equal(catalog_count_path(c, "/a", &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(catalog_count_path(c, "/b", &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(catalog_remove(c, ref, NULL), 0);
    assert_int_equal(catalog_get(c, ref, &got, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "hf:o/r"));
    catalog_close(c);
}

static bool collect(void *arg, const struct catalog_row *row)
{
    char *all = arg;

    strncpy(all + strlen(all), row->model_ref, 16);
    return strlen(all) < 6;
}

static void test_catalog__each_is_sorted_and_stops_when_told(void **state)
{
    char a[] = "aa", b[] = "bb", c1[] = "cc", d[] = "dd", path[] = "/p", all[128] = "";
    char *refs[] = {c1, a, d, b};
    struct catalog *c = open_ok(false);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct catalog_row row = row_of(refs[i], path);

        assert_int_equal(catalog_put(c, &row, NULL), 0);
    }
    assert_int_equal(catalog_each(c, collect, all, NULL), 0);
    assert_string_equal(all, "aabbcc");
    catalog_close(c);
}

static void test_catalog__no_database_is_set_aside(void **state)
{
    (void)state;
    assert_int_equal(path_write_file(db, "what is this?", 13, 0600, NULL), 0);
    catalog_close(open_ok(true));
    catalog_close(open_ok(false));
}

static void test_catalog__broken_page_is_set_aside(void **state)
{
    char ref[32], path[] = "/p", *text;
    struct catalog *c = open_ok(false);
    size_t n;

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct catalog_row row;

        snprintf(ref, sizeof ref, "hf:o/r%d", i);
        row = row_of(ref, path);
        assert_int_equal(catalog_put(c, &row, NULL), 0);
    }
    catalog_close(c);
    assert_int_equal(path_read_file(db, 1 << 20, &text, &n, NULL), 0);
    assert_true(n > 16384);
    memset(text + 4096, 0xa5, 8192);
    assert_int_equal(path_write_file(db, text, n, 0600, NULL), 0);
    free(text);
    catalog_close(open_ok(true));
}

static void test_catalog__another_programs_database_is_set_aside(void **state)
{
    sqlite3 *other;

    (void)state;
    assert_int_equal(sqlite3_open(db, &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "CREATE TABLE models (x); PRAGMA user_version = 1", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(other);
    catalog_close(open_ok(true));
}

/* Runs `sql` in the database as another program would. */
static void change(const char *sql)
{
    sqlite3 *other;

    assert_int_equal(sqlite3_open(db, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void test_catalog__a_missing_table_or_column_is_set_aside(void **state)
{
    static const char *const damages[] = {"DROP TABLE models", "DROP TABLE verdicts",
                                          "ALTER TABLE models RENAME COLUMN sha256 TO x",
                                          "ALTER TABLE verdicts RENAME COLUMN message TO x"};

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        catalog_close(open_ok(false));
        change(damages[i]);
        catalog_close(open_ok(true));
    }
}

static void test_catalog__an_older_version_is_brought_up(void **state)
{
    char ref[] = "hf:o/r", path[] = "/a";
    struct catalog_row row = row_of(ref, path), got;
    struct catalog *c = open_ok(false);

    (void)state;
    assert_int_equal(catalog_put(c, &row, NULL), 0);
    catalog_close(c);
    change("DROP TABLE verdicts; PRAGMA user_version = 1");
    c = open_ok(false);
    assert_int_equal(catalog_get(c, ref, &got, NULL), 0);
    catalog_row_done(&got);
    catalog_close(c);
}

static void test_catalog__one_that_another_program_holds_is_no_damage(void **state)
{
    struct catalog *c = NULL;
    sqlite3 *other;
    struct err err;
    char *aside;

    (void)state;
    catalog_close(open_ok(false));
    assert_int_equal(sqlite3_open(db, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; "
                                  "DELETE FROM models; COMMIT",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(catalog_open(db, &c, &aside, &err), ERR_IO);
    assert_null(aside);
    assert_non_null(strstr(err.text, "locked"));
    sqlite3_close(other);
    catalog_close(open_ok(false));
}

static void test_catalog__verdicts_are_kept_with_the_digest(void **state)
{
    struct catalog_verdict v = {.judge = "1", .code = "UNSUPPORTED_MODEL", .message = "no"}, got;
    struct catalog *c = open_ok(false);

    (void)state;
    assert_int_equal(catalog_get_verdict(c, SHA, &got, NULL), ERR_NOT_FOUND);
    assert_int_equal(catalog_put_verdict(c, SHA, &v, NULL), 0);
    v = (struct catalog_verdict){.judge = "2", .license = "apache-2.0"};
    assert_int_equal(catalog_put_verdict(c, SHA, &v, NULL), 0);
    catalog_close(c);
    c = open_ok(false);
    assert_int_equal(catalog_get_verdict(c, SHA, &got, NULL), 0);
    assert_string_equal(got.judge, "2");
    assert_string_equal(got.code, "");
    assert_string_equal(got.license, "apache-2.0");
    catalog_close(c);
}

static void test_catalog__newer_version_is_refused_and_kept(void **state)
{
    struct catalog *c = NULL;
    sqlite3 *newer;
    struct err err;
    char *aside;

    (void)state;
    assert_int_equal(sqlite3_open(db, &newer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(newer, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(newer);
    assert_int_equal(catalog_open(db, &c, &aside, &err), ERR_CONFLICT);
    assert_null(aside);
    assert_non_null(strstr(err.text, "99"));
    assert_non_null(strstr(err.text, "move the file away")); /* what to do was not said */
    assert_true(path_is_file(db));
}

/*
 * A backup or a browser that had the file for writing stopped the hive's loop for two seconds at
 * each start and end of a worker, for a note that nobody waits for.
 */
static void test_catalog__a_note_of_use_waits_for_no_other_program(void **state)
{
    char ref[] = "hf:o/r", path[] = "/m/x.gguf";
    struct catalog_row row = row_of(ref, path), got;
    struct catalog *c = open_ok(false);
    int64_t begun_ms;
    sqlite3 *other;

    (void)state;
    assert_int_equal(catalog_put(c, &row, NULL), 0);
    assert_int_equal(sqlite3_open(db, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    begun_ms = clock_ms();
    for (int i = 0; i < 4; i++)
        assert_int_equal(catalog_touch(c, "hf:o/r", 42, NULL), ERR_IO);
    assert_in_range(clock_ms() - begun_ms, 0, 4000); /* of 8000 */
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(catalog_touch(c, "hf:o/r", 42, NULL), 0);
    assert_int_equal(catalog_get(c, "hf:o/r", &got, NULL), 0);
    assert_int_equal(got.last_used_ms, 42);
    catalog_row_done(&got);
    catalog_close(c);
}

static void test_catalog__folder_in_its_place_is_an_error(void **state)
{
    struct catalog *c = NULL;
    struct err err;
    char *aside;

    (void)state;
    assert_int_equal(mkdir(db, 0700), 0);
    assert_true(catalog_open(db, &c, &aside, &err) < 0);
    assert_non_null(strstr(err.text, db));
}

/* ---- cards ---- */

static struct card *make_card(const char *commit)
{
    struct card *c = NULL;

    assert_int_equal(card_create(dir, "org/repo", commit, "Q4_0", &c, NULL), 0);
    assert_int_equal(card_add_file(c, "q/x-00001-of-00002.gguf", 5, SHA, NULL), 0);
    assert_int_equal(card_add_file(c, "q/x-00002-of-00002.gguf", 6, "", NULL), 0);
    assert_int_equal(card_add_ref(c, "hf:org/repo", NULL), 0);
    assert_int_equal(card_add_ref(c, "hf:org/repo", NULL), 0);
    return c;
}

static bool count(void *arg, struct card *c)
{
    struct card **last = arg;

    card_free(*last);
    *last = c;
    return true;
}

/*
 * One that could not be read at a moment without descriptors, or from a disk that failed, was taken
 * for damaged, and a poorer one was written over it.
 */
static void test_card__that_cannot_be_read_now_may_be_whole(void **state)
{
    char *path = path_join(dir, "x.gguf.rbee.json");
    struct err err;

    (void)state;
    assert_false(card_is_withheld(path, &err)); /* there is none */
    assert_int_equal(symlink(path, path), 0);
    assert_true(card_is_withheld(path, &err)); /* ELOOP, as any other errno */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(path_write_file(path, "{", 1, 0600, NULL), 0);
    assert_false(card_is_withheld(path, &err)); /* damaged, for good */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(card_is_withheld(path, &err));
    free(path);
}

static void test_card__is_found_again_as_it_was(void **state)
{
    struct card *c = make_card("abc"), *got = NULL;

    (void)state;
    assert_int_equal(card_save(c, NULL), 0);
    card_scan(NULL, dir, NULL, count, &got, NULL);
    assert_non_null(got);
    assert_string_equal(got->repo, "org/repo");
    assert_string_equal(got->commit, "abc");
    assert_string_equal(got->path, c->path);
    assert_int_equal(got->n_refs, 1);
    assert_true(card_has_ref(got, "hf:org/repo"));
    assert_int_equal(got->n_files, 2);
    assert_string_equal(got->files[1].path, c->files[1].path);
    assert_int_equal(card_total_bytes(got), 11);
    assert_false(card_is_complete(got));
    assert_false(card_is_verified(got));
    assert_int_equal(path_write_file(got->files[0].path, "12345", 5, 0600, NULL), 0);
    assert_int_equal(path_write_file(got->files[1].path, "123456", 6, 0600, NULL), 0);
    assert_true(card_is_complete(got));
    assert_int_equal(card_remove_all(NULL, dir, got, NULL, NULL, NULL), 0);
    assert_false(path_is_dir(c->dir));
    assert_true(path_is_dir(dir));
    card_free(got);
    card_free(c);
}

/* A card of the same commit with these two files; "" = no second one. */
static struct card *make_beside(const char *first, const char *second)
{
    struct card *c = NULL;

    assert_int_equal(card_create(dir, "org/repo", "abc", "", &c, NULL), 0);
    assert_int_equal(card_add_noted_file(c, first, 3, SHA, NULL), 0);
    if (second[0])
        assert_int_equal(card_add_noted_file(c, second, 3, SHA, NULL), 0);
    return c;
}

/* Models of one commit share a folder: a second file that was called as another model's replaced
 * it. */
static void test_card__names_of_one_are_not_anothers(void **state)
{
    static const char *const taken[] = {"q/x-00002-of-00002.gguf",
                                        "q/x-00001-of-00002.gguf.json",
                                        "q/x-00001-of-00002.gguf.part",
                                        "q/x-00002-of-00002.gguf.part.ledger",
                                        "q/x-00002-of-00002.gguf.bad",
                                        "y.gguf",
                                        "y.gguf.json",
                                        "y.gguf.part"};
    static const char *const fine[] = {"", "q/x.gguf", "x-00001-of-00002.gguf", "y.gguf2", "y"};
    struct card *there = make_card("abc"), *c;
    struct err err;

    (void)state;
    assert_int_equal(card_save(there, NULL), 0);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        c = make_beside("y.gguf", taken[i]);
        assert_int_equal(card_check_names(NULL, dir, c, &err), ERR_CONFLICT);
        card_free(c);
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        c = make_beside("y.gguf", fine[i]);
        assert_null(card_clash(c, there));
        assert_int_equal(card_check_names(NULL, dir, c, &err), 0);
        card_free(c);
    }
    assert_int_equal(card_check_names(NULL, dir, there, &err), 0); /* its own card is no other */
    c = make_beside("q/x-00002-of-00002.gguf.part", "");
    assert_non_null(card_clash(c, there));
    assert_non_null(card_clash(there, c));
    card_free(c);
    card_remove(there);
    card_free(there);
}

/* One that nobody reads again is not written. */
static void test_card__is_not_written_longer_than_it_is_read(void **state)
{
    struct card *c = make_card("abc");
    char *origin = malloc(CARD_BYTES_MAX + 1);

    (void)state;
    memset(origin, 'x', CARD_BYTES_MAX);
    origin[CARD_BYTES_MAX] = '\0';
    assert_int_equal(card_set_origin(c, origin, NULL), 0);
    assert_int_equal(card_save(c, NULL), ERR_LIMIT);
    assert_false(path_is_file(c->path));
    origin[CARD_BYTES_MAX / 2] = '\0';
    assert_int_equal(card_set_origin(c, origin, NULL), 0);
    assert_int_equal(card_save(c, NULL), 0);
    card_remove(c);
    card_free(c);
    free(origin);
}

/* A verdict stands on the card; one that makes no sense is none, and no text makes it unwritable.
 */
static void test_card__keeps_the_verdict_on_its_file(void **state)
{
    static const char *const nonsense[] = {"7", "{}", "{\"judge\":1}",
                                           "{\"judge\":\"1\",\"code\":\"\",\"message\":\"\"}"};
    struct card *c = make_card("abc"), *got;
    char *text = card_text(c), *more;

    (void)state;
    assert_null(strstr(text, "verdict"));
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        more = str_printf("{\"verdict\": %s,%s", nonsense[i], text + 1);
        got = card_parse(dir, more, strlen(more));
        assert_non_null(got);
        assert_string_equal(got->verdict.judge, "");
        card_free(got);
        free(more);
    }
    free(text);
    c->verdict = (struct catalog_verdict){
        .judge = "1-2-3", .code = "UNSUPPORTED_MODEL", .message = "no", .license = "caf\xc3"};
    text = card_text(c);
    got = card_parse(dir, text, strlen(text));
    assert_non_null(got);
    assert_string_equal(got->verdict.judge, "1-2-3");
    assert_string_equal(got->verdict.code, "UNSUPPORTED_MODEL");
    assert_string_equal(got->verdict.message, "no");
    assert_string_equal(got->verdict.license, "caf"); /* it was cut within a character */
    card_free(got);
    card_free(c);
    free(text);
}

/* With a later rbee's version, and a member of its own. */
static char *text_of_later(const struct card *c, int version)
{
    char *text = card_text(c), *member = strstr(text, "\"version\": 1"), *out;

    assert_non_null(member);
    out = str_printf("{\"version\": %d, \"tags\": [\"mine\"]%s", version,
                     member + strlen("\"version\": 1"));
    free(text);
    return out;
}

/*
 * After a downgrade the cards of a newer rbee were taken for damaged ones: what the old catalog
 * knew, which is less, was written over them, and their models' files were nobody's.
 */
static void test_card__of_a_newer_rbee_is_left_alone(void **state)
{
    struct card *newer = make_card("abc"), *beside = make_beside("z.gguf", ""), *c;
    char *text = text_of_later(newer, CARD_VERSION + 1), *now;
    struct err err = {0};
    size_t n;

    (void)state;
    assert_int_equal(card_save(newer, NULL), 0);
    assert_int_equal(card_check_names(NULL, dir, beside, &err), 0);
    assert_int_equal(card_save(beside, NULL), 0);
    assert_int_equal(path_write_file(newer->path, text, strlen(text), 0600, NULL), 0);
    assert_null(card_load(dir, newer->path));
    assert_true(card_is_withheld(newer->path, &err));
    assert_non_null(strstr(err.text, "written by a newer rbee"));
    assert_int_equal(card_save(newer, &err), ERR_CONFLICT);

    c = make_beside("y.gguf", ""); /* is y.gguf.json the newer one's, too? Nobody knows */
    assert_int_equal(card_check_names(NULL, dir, c, &err), ERR_CONFLICT);
    card_free(c);
    assert_int_equal(card_remove_all(NULL, dir, beside, NULL, NULL, &err), ERR_CONFLICT);
    assert_int_equal(access(beside->path, F_OK), 0);

    assert_int_equal(path_read_file(newer->path, 1 << 20, &now, &n, NULL), 0);
    assert_string_equal(now, text);
    free(now);
    free(text);
    card_remove(newer);
    card_remove(beside);
    card_free(newer);
    card_free(beside);
}

/* A member of another version's that has no reason to be called another one was lost at the next
 * write. */
static void test_card__writes_back_what_it_does_not_know(void **state)
{
    struct card *c = make_card("abc"), *got;
    char *text = text_of_later(c, CARD_VERSION), *again, *third;

    (void)state;
    got = card_parse(dir, text, strlen(text));
    assert_non_null(got);
    again = card_text(got);
    assert_non_null(strstr(again, "\"tags\""));
    assert_non_null(strstr(again, "\"mine\""));
    card_free(got);
    got = card_parse(dir, again, strlen(again));
    third = card_text(got);
    assert_string_equal(third, again);
    card_free(got);
    card_free(c);
    free(text);
    free(again);
    free(third);
}

/* What was imported under a name of this machine has its own folder, and tells where it was. */
static void test_card__local_ones_lie_apart(void **state)
{
    struct card *c = NULL, *got = NULL;
    char *source;

    (void)state;
    assert_int_equal(card_create(dir, "local:ann/x:8b", SHA, "", &c, NULL), 0);
    assert_int_equal(card_add_file(c, "x.gguf", 1, SHA, NULL), 0);
    assert_int_equal(card_add_ref(c, "local:ann/x:8b", NULL), 0);
    assert_int_equal(card_set_origin(c, "ollama:ann/x:8b", NULL), 0);
    assert_int_equal(card_save(c, NULL), 0);
    assert_non_null(strstr(c->path, "/local/ann%2Fx%3A8b/" SHA "/x.gguf.json"));
    assert_int_equal(card_find(NULL, dir, NULL, "local:ann/x:8b", NULL, &got, NULL), 0);
    assert_non_null(got);
    source = card_source(got);
    assert_string_equal(source, "ollama:ann/x:8b");
    free(source);
    card_free(got);
    assert_int_equal(card_find(NULL, dir, "local:ann/x:8b", NULL, c->path, &got, NULL), 0);
    assert_non_null(got);
    assert_int_equal(card_remove_all(NULL, dir, got, NULL, NULL, NULL), 0);
    assert_false(path_is_dir(c->dir));
    card_free(got);
    card_free(c);
}

static void put_bytes(const char *path, const char *text)
{
    assert_int_equal(path_write_file(path, text, strlen(text), 0600, NULL), 0);
}

static void assert_same_card(const struct card *a, const struct card *b)
{
    char *one = card_text(a), *other = card_text(b);

    assert_string_equal(one, other);
    assert_string_equal(a->path, b->path);
    free(one);
    free(other);
}

/* As models.c makes it of the card. */
static struct catalog_row row_of_card(const struct card *c)
{
    return (struct catalog_row){.model_ref = c->refs[0],
                                .path = c->files[0].path,
                                .source = card_source(c),
                                .file = c->files[0].name,
                                .quantization = c->quantization,
                                .sha256 = c->files[0].sha256,
                                .size_bytes = card_total_bytes(c)};
}

static void check_made_anew(struct card *c)
{
    struct catalog_row row = row_of_card(c);
    struct card *got = card_of_row(dir, &row);

    assert_non_null(got);
    assert_true(card_measure(got, row.size_bytes));
    assert_same_card(got, c);
    assert_false(card_measure(got, row.size_bytes + 1));
    card_free(got);
    row.path = db; /* where the row's file is no card of its leads to */
    assert_null(card_of_row(dir, &row));
    free(row.source);
}

/*
 * A power cut had left a card empty. The model was listed and ran, `models verify` passed it over,
 * and `models prune` showed its file as one that nothing refers to.
 */
static void test_card__is_made_anew_of_the_catalogs_row(void **state)
{
    struct card *split = make_card("abc"), *local = NULL;

    (void)state;
    assert_int_equal(card_save(split, NULL), 0);
    put_bytes(split->files[0].path, "12345");
    put_bytes(split->files[1].path, "123456");
    check_made_anew(split);
    assert_int_equal(card_create(dir, "local:ann/x:8b", SHA, "", &local, NULL), 0);
    assert_int_equal(card_add_file(local, "x.gguf", 1, SHA, NULL), 0);
    assert_int_equal(card_add_ref(local, "local:ann/x:8b", NULL), 0);
    assert_int_equal(card_set_origin(local, "/home/ann/a@b.gguf", NULL), 0);
    assert_int_equal(card_save(local, NULL), 0);
    put_bytes(local->files[0].path, "1");
    check_made_anew(local);
    card_free(split);
    card_free(local);
}

/* As test_path__a_name_that_leads_elsewhere_is_noticed: the owner is there, and no list shows it.
 */
static void *save_unlisted(void *arg)
{
    char repo[64];
    struct err *err = arg;
    struct card *c = NULL;

    snprintf(repo, sizeof repo, "%ld/repo", (long)syscall(SYS_gettid));
    if (card_create(dir, repo, "abc", "", &c, NULL) == 0 &&
        card_add_file(c, "x.gguf", 1, "", NULL) == 0)
        card_save(c, err);
    card_free(c);
    return NULL;
}

/* On a file system that folds case one model's card was written over another's. */
static void test_card__is_not_written_where_a_name_leads_elsewhere(void **state)
{
    char *hf = path_join(dir, "hf");
    struct err err = {0};
    pthread_t thread;

    (void)state;
    assert_int_equal(symlink("/proc", hf), 0);
    assert_int_equal(pthread_create(&thread, NULL, save_unlisted, &err), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "does not tell the two apart: name the model as it is"));
    unlink(hf);
    free(hf);
}

static void test_card__names_stay_inside(void **state)
{
    struct card *c = NULL;

    (void)state;
    assert_int_equal(card_create(dir, "..a/..", "../../x", "", &c, NULL), 0);
    assert_true(str_starts(c->dir, dir));
    assert_null(strstr(c->dir + strlen(dir), "/.."));
    assert_int_equal(card_add_file(c, "../../etc/passwd.gguf", 1, "", NULL), 0);
    assert_true(str_starts(c->files[0].path, c->dir));
    assert_null(strchr(c->files[0].path + strlen(c->dir) + 1, '/'));
    assert_int_equal(card_add_file(c, "x.gguf", 1, "no digest", NULL), ERR_INVALID);
    card_free(c);
}

/*
 * A model that was imported from "tale.gguf.tmp-4711" was gone after the hive's next start: swept
 * away, as what a process had left behind.
 */
static void test_card__takes_no_file_that_its_sweep_would_delete(void **state)
{
    static const char *const bad[] = {"tale.gguf.tmp-4711", "q4/tale.tmp-1", "tale.tmp-0"};
    static const char *const good[] = {"tale.tmp-4711.gguf", "tale.tmp-", "tale.tmp-x1"};
    struct card *c = NULL;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(card_create(dir, "local:tale", SHA, "", &c, NULL), 0);
        assert_int_equal(card_add_noted_file(c, bad[i], 1, SHA, NULL), ERR_INVALID);
        card_free(c);
        assert_int_equal(card_create(dir, "local:tale", SHA, "", &c, NULL), 0);
        assert_int_equal(card_add_noted_file(c, good[i], 1, SHA, NULL), 0);
        assert_int_equal(card_save(c, NULL), 0);
        assert_int_equal(path_write_file(c->files[0].path, "x", 1, 0600, NULL), 0);
        card_sweep(c);
        assert_true(card_is_complete(c));
        assert_int_equal(card_remove_all(NULL, dir, c, NULL, NULL, NULL), 0);
        card_free(c);
    }
}

/* Every account could read of what was imported where its owner keeps it, whoever may look there;
 * and with a folder of models outside of the home the very files, which a folder of 0700 had kept
 * from others where they lay. */
static void test_card__with_a_path_is_its_accounts_alone(void **state)
{
    static const char *const origins[] = {"/home/ann/x.gguf", "ollama:x:8b"};
    mode_t mask = umask(0);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct card *c = make_card("abc");
        struct stat st;
        char *above;

        assert_int_equal(card_set_origin(c, origins[i], NULL), 0);
        if (i == 1) /* as a download of another of its files leaves it */
            assert_int_equal(path_make_dirs(c->dir, 0755, NULL), 0);
        assert_int_equal(card_save(c, NULL), 0);
        assert_int_equal(stat(c->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, i == 0 ? 0600 : 0644);
        assert_int_equal(stat(c->dir, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_non_null(above = str_printf("%s/..", c->dir));
        assert_int_equal(stat(above, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0755); /* other models lie there, too */
        free(above);
        card_remove(c);
        card_free(c);
    }
    umask(mask);
}

/* A file of any name could be a model's, and was put under that name wherever a client said. What
 * an older version took so stays listed, and goes out with an ending. */
static void test_card__takes_no_file_of_another_name_but_keeps_those_it_has(void **state)
{
    static const char *const bad[] = {"authorized_keys", "hf-token", "x.gguf.json", "q/.gguf", ""};
    struct card *c, *again;
    struct err err;
    json_t *model, *file;
    char *text;

    (void)state;
    assert_int_equal(card_create(dir, "local:tale", SHA, "", &c, NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(card_add_file(c, bad[i], 1, SHA, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "has to end in .gguf"));
    }
    assert_int_equal(c->n_files, 0);
    assert_int_equal(card_add_noted_file(c, "0123abcd", 1, SHA, NULL), 0);
    text = card_text(c);
    again = card_parse(dir, text, strlen(text));
    assert_non_null(again);
    assert_string_equal(again->files[0].path, c->files[0].path);
    model = manifest_model_json("local:tale", again, "", true);
    file = json_array_get(json_object_get(model, "files"), 0);
    assert_string_equal(json_string_value(json_object_get(file, "file")), "0123abcd.gguf");
    assert_string_equal(json_string_value(json_object_get(file, "name")), "0123abcd.gguf");
    assert_string_equal(json_string_value(json_object_get(file, "path")), c->files[0].path);
    json_decref(model);
    card_free(again);
    card_free(c);
    free(text);
}

static void test_card__moved_or_broken_ones_are_passed_over(void **state)
{
    struct card *c = make_card("abc"), *got = NULL;
    char *elsewhere = str_printf("%s/other.json", c->dir), *text;
    size_t n;

    (void)state;
    assert_int_equal(card_save(c, NULL), 0);
    assert_int_equal(path_read_file(c->path, CARD_BYTES_MAX, &text, &n, NULL), 0);
    assert_int_equal(path_write_file(elsewhere, text, n, 0600, NULL), 0);
    assert_int_equal(path_write_file(c->path, text, n / 2, 0600, NULL), 0);
    card_scan(NULL, dir, "org/repo", count, &got, NULL);
    assert_null(got);
    free(text);
    free(elsewhere);
    card_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_catalog__rows_last),
        TEST(test_catalog__is_its_owners_alone),
        TEST(test_catalog__put_replaces_and_remove_forgets),
        TEST(test_catalog__each_is_sorted_and_stops_when_told),
        TEST(test_catalog__no_database_is_set_aside),
        TEST(test_catalog__broken_page_is_set_aside),
        TEST(test_catalog__another_programs_database_is_set_aside),
        TEST(test_catalog__a_missing_table_or_column_is_set_aside),
        TEST(test_catalog__an_older_version_is_brought_up),
        TEST(test_catalog__one_that_another_program_holds_is_no_damage),
        TEST(test_catalog__verdicts_are_kept_with_the_digest),
        TEST(test_catalog__newer_version_is_refused_and_kept),
        TEST(test_catalog__a_note_of_use_waits_for_no_other_program),
        TEST(test_catalog__folder_in_its_place_is_an_error),
        TEST(test_card__that_cannot_be_read_now_may_be_whole),
        TEST(test_card__is_found_again_as_it_was),
        TEST(test_card__names_of_one_are_not_anothers),
        TEST(test_card__is_not_written_longer_than_it_is_read),
        TEST(test_card__keeps_the_verdict_on_its_file),
        TEST(test_card__of_a_newer_rbee_is_left_alone),
        TEST(test_card__writes_back_what_it_does_not_know),
        TEST(test_card__local_ones_lie_apart),
        TEST(test_card__is_made_anew_of_the_catalogs_row),
        TEST(test_card__is_not_written_where_a_name_leads_elsewhere),
        TEST(test_card__names_stay_inside),
        TEST(test_card__takes_no_file_that_its_sweep_would_delete),
        TEST(test_card__with_a_path_is_its_accounts_alone),
        TEST(test_card__takes_no_file_of_another_name_but_keeps_those_it_has),
        TEST(test_card__moved_or_broken_ones_are_passed_over),
    };

    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
