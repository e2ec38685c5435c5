/* catalog.c - see catalog.h. Source: sqlite.org/c3ref, /pragma.html, /wal.html. */
#include "hive/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"

#define SCHEMA_VERSION  2
#define IN_MEMORY       ":memory:" /* sqlite.org/inmemorydb.html */
#define BUSY_TIMEOUT_MS 2000 /* another program has the file: so long the loop stands for a row */
#define TOUCH_BUSY_MS   50   /* ... and so long for a note that nobody waits for */
#define COLUMNS                                                                                    \
    "model_ref, path, source, file, quantization, sha256, size_bytes, verified, downloaded_ms, "   \
    "last_used_ms"
#define VERDICT_COLUMNS "sha256, judge, code, message, license"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS models ("
    "model_ref TEXT PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL, "
    "file TEXT NOT NULL, quantization TEXT NOT NULL, sha256 TEXT NOT NULL, "
    "size_bytes INTEGER NOT NULL, verified INTEGER NOT NULL, "
    "downloaded_ms INTEGER NOT NULL, last_used_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS verdicts ("
    "sha256 TEXT PRIMARY KEY, judge TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, "
    "license TEXT NOT NULL) STRICT;"
    "PRAGMA user_version = 2;";

struct catalog {
    sqlite3 *db;
    char *path;
};

/* SQLite has its own word for it only where it writes rows: what it needs before it can do so at
 * all (the log, the index of that) it calls an I/O error. */
static bool is_disk_full(const struct catalog *c, int rc)
{
    int why = sqlite3_system_errno(c->db);

    return rc == SQLITE_FULL ||
           ((rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN) && (why == ENOSPC || why == EDQUOT));
}

static int fail_full(const struct catalog *c, struct err *err)
{
    char room[32] = "an unknown number of bytes";
    uint64_t n;

    if (path_free_bytes(c->path, &n, NULL) == 0)
        str_human_bytes(n, room, sizeof room);
    return err_set(err, ERR_NO_SPACE,
                   "the catalog %s cannot be written: its disk is full, it has room for %s",
                   c->path, room);
}

static int fail(const struct catalog *c, struct err *err)
{
    int rc = sqlite3_errcode(c->db);

    if (is_disk_full(c, rc))
        return fail_full(c, err);
    return err_set(err,
                   rc == SQLITE_READONLY || rc == SQLITE_PERM    ? ERR_DENIED
                   : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_INVALID
                                                                 : ERR_IO,
                   "the catalog %s cannot be used: %s", c->path, sqlite3_errmsg(c->db));
}

static int run(struct catalog *c, const char *sql, struct err *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(c, err);
}

/* The first column of the first row as a number. */
static int ask_number(struct catalog *c, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        rc = fail(c, err);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : rc;
}

static int check_intact(struct catalog *c, struct err *err)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc != SQLITE_ROW)
        rc = fail(c, err);
    else if (!str_eq((const char *)sqlite3_column_text(st, 0), "ok"))
        rc = err_set(err, ERR_INVALID, "the catalog %s is damaged: %s", c->path,
                     (const char *)sqlite3_column_text(st, 0));
    else
        rc = 0;
    sqlite3_finalize(st);
    return rc;
}

static int set_up(struct catalog *c, struct err *err)
{
    int64_t version = 0;
    int rc;

    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    rc = check_intact(c, err);
    if (rc == 0)
        rc = run(c,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                 "PRAGMA cache_size = -256;",
                 err);
    if (rc == 0)
        rc = ask_number(c, "PRAGMA user_version", &version, err);
    if (rc == 0 && version > SCHEMA_VERSION)
        return err_set(err, ERR_CONFLICT,
                       "the catalog %s has version %lld, this rbee-hive knows versions up to %d: "
                       "start the one that wrote it, or move the file away, and it is made again "
                       "from what is on disk; what this one cannot read there is left as it is",
                       c->path, (long long)version, SCHEMA_VERSION);
    if (rc == 0 && version < SCHEMA_VERSION)
        rc = run(c, schema, err);
    if (rc == 0 &&
        (ask_number(c, "SELECT count(*) FROM (SELECT " COLUMNS " FROM models)", &version, err) ||
         ask_number(c, "SELECT count(*) FROM (SELECT " VERDICT_COLUMNS " FROM verdicts)", &version,
                    err)))
        rc = err_set(err, ERR_INVALID, "%s is a database, but no catalog of models", c->path);
    return rc;
}

static void close_to_others(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
        chmod(path, st.st_mode & 0700);
}

/*
 * Who may read the database may lock it, and what SQLite keeps beside it, which gets its mode: with
 * that each write waits as long as it may. What goes wrong here SQLite says better.
 */
static void keep_private(const char *path)
{
    int fd = path_open_made(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char *real = NULL, *wal, *shm;

    if (fd >= 0)
        close(fd);
    if (path_real(path, &real, NULL))
        return;
    wal = str_printf("%s-wal", real);
    shm = str_printf("%s-shm", real);
    close_to_others(real);
    if (wal)
        close_to_others(wal);
    if (shm)
        close_to_others(shm);
    free(wal);
    free(shm);
    free(real);
}

static int try_open(struct catalog *c, struct err *err)
{
    int rc;

    if (!str_eq(c->path, IN_MEMORY))
        keep_private(c->path);
    if (sqlite3_open_v2(c->path, &c->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        rc = c->db ? fail(c, err) : err_no_memory(err, 65536, "the catalog");
    else
        rc = set_up(c, err);
    if (rc) {
        sqlite3_close(c->db);
        c->db = NULL;
    }
    return rc;
}

/* Renames the database and what SQLite keeps beside it. */
static int set_file_aside(const char *path, char **aside, struct err *err)
{
    static const char *const tails[] = {"-wal", "-shm"};

    *aside = str_printf("%s.corrupt-%lld", path, (long long)clock_unix_ms());
    if (!*aside)
        return err_no_memory(err, strlen(path), "a path");
    if (rename(path, *aside) != 0)
        return err_errno(err, ERR_IO, errno, "cannot set the damaged catalog %s aside", path);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char *from = str_printf("%s%s", path, tails[i]), *to = str_printf("%s%s", *aside, tails[i]);

        if (from && to && rename(from, to) != 0 && errno != ENOENT)
            unlink(from); /* a log of another database must not be replayed into the new one */
        free(from);
        free(to);
    }
    return 0;
}

int catalog_open_in_memory(struct catalog **out, struct err *err)
{
    char *aside;

    return catalog_open(IN_MEMORY, out, &aside, err);
}

int catalog_open(const char *path, struct catalog **out, char **set_aside, struct err *err)
{
    struct catalog *c = calloc(1, sizeof *c);
    struct err why = {0};
    int rc;

    *set_aside = NULL;
    if (!c || !(c->path = str_dup(path))) {
        free(c);
        return err_no_memory(err, sizeof *c, "the catalog");
    }
    rc = try_open(c, &why);
    if (rc && path_is_file(path) && why.code == ERR_INVALID) {
        rc = set_file_aside(path, set_aside, &why);
        if (rc == 0)
            rc = try_open(c, &why);
    }
    if (rc) {
        catalog_close(c);
        free(*set_aside);
        *set_aside = NULL;
        return err_set(err, rc, "%s", why.text);
    }
    *out = c;
    return 0;
}

void catalog_close(struct catalog *c)
{
    if (!c)
        return;
    sqlite3_close(c->db);
    free(c->path);
    free(c);
}

/* ---- rows ---- */

void catalog_row_done(struct catalog_row *row)
{
    free(row->model_ref);
    free(row->path);
    free(row->source);
    free(row->file);
    free(row->quantization);
    free(row->sha256);
    *row = (struct catalog_row){0};
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
    sqlite3_bind_text(st, i, text ? text : "", -1, SQLITE_STATIC);
}

static char *take_text(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);

    return str_dup(text ? text : "");
}

static bool read_row(sqlite3_stmt *st, struct catalog_row *row)
{
    *row = (struct catalog_row){
        .model_ref = take_text(st, 0),
        .path = take_text(st, 1),
        .source = take_text(st, 2),
        .file = take_text(st, 3),
        .quantization = take_text(st, 4),
        .sha256 = take_text(st, 5),
        .size_bytes = (uint64_t)sqlite3_column_int64(st, 6),
        .verified = sqlite3_column_int(st, 7) != 0,
        .downloaded_ms = sqlite3_column_int64(st, 8),
        .last_used_ms = sqlite3_column_int64(st, 9),
    };
    return row->model_ref && row->path && row->source && row->file && row->quantization &&
           row->sha256;
}

/* Prepares a statement and binds the one text it asks for (NULL = none). */
static int prepare(struct catalog *c, const char *sql, const char *text, sqlite3_stmt **st,
                   struct err *err)
{
    if (sqlite3_prepare_v2(c->db, sql, -1, st, NULL) != SQLITE_OK)
        return fail(c, err);
    if (text)
        bind_text(*st, 1, text);
    return 0;
}

/* Runs a statement that gives no row. */
static int finish(struct catalog *c, sqlite3_stmt *st, struct err *err)
{
    int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : fail(c, err);

    sqlite3_finalize(st);
    return rc;
}

int catalog_put(struct catalog *c, const struct catalog_row *row, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(
        c, "INSERT OR REPLACE INTO models (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row->model_ref, &st, err);

    if (rc)
        return rc;
    bind_text(st, 2, row->path);
    bind_text(st, 3, row->source);
    bind_text(st, 4, row->file);
    bind_text(st, 5, row->quantization);
    bind_text(st, 6, row->sha256);
    sqlite3_bind_int64(st, 7, (sqlite3_int64)row->size_bytes);
    sqlite3_bind_int(st, 8, row->verified);
    sqlite3_bind_int64(st, 9, row->downloaded_ms);
    sqlite3_bind_int64(st, 10, row->last_used_ms);
    return finish(c, st, err);
}

int catalog_get(struct catalog *c, const char *model_ref, struct catalog_row *out, struct err *err)
{
    sqlite3_stmt *st;
    int step,
        rc = prepare(c, "SELECT " COLUMNS " FROM models WHERE model_ref = ?", model_ref, &st, err);

    if (rc)
        return rc;
    step = sqlite3_step(st);
    if (step == SQLITE_DONE) {
        rc = err_set(err, ERR_NOT_FOUND, "%s is not in the catalog", model_ref);
    } else if (step != SQLITE_ROW) {
        rc = fail(c, err);
    } else if (!read_row(st, out)) {
        catalog_row_done(out);
        rc = err_no_memory(err, sizeof *out, "a row of the catalog");
    }
    sqlite3_finalize(st);
    return rc;
}

int catalog_remove(struct catalog *c, const char *model_ref, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c, "DELETE FROM models WHERE model_ref = ?", model_ref, &st, err);

    return rc ? rc : finish(c, st, err);
}

int catalog_remove_path(struct catalog *c, const char *path, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c, "DELETE FROM models WHERE path = ?", path, &st, err);

    return rc ? rc : finish(c, st, err);
}

/* What is in the future was noted by a clock that was wrong. */
static int touch(struct catalog *c, const char *model_ref, int64_t used_ms, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c,
                     "UPDATE models SET last_used_ms = "
                     "max(?2, iif(last_used_ms > ?3, 0, last_used_ms)) WHERE model_ref = ?1",
                     model_ref, &st, err);

    if (rc)
        return rc;
    sqlite3_bind_int64(st, 2, used_ms);
    sqlite3_bind_int64(st, 3, clock_unix_ms());
    return finish(c, st, err);
}

int catalog_touch(struct catalog *c, const char *model_ref, int64_t used_ms, struct err *err)
{
    int rc;

    sqlite3_busy_timeout(c->db, TOUCH_BUSY_MS);
    rc = touch(c, model_ref, used_ms, err);
    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    return rc;
}

int catalog_count_path(struct catalog *c, const char *path, uint64_t *out, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c, "SELECT count(*) FROM models WHERE path = ?", path, &st, err);

    if (rc)
        return rc;
    if (sqlite3_step(st) == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    else
        rc = fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

int catalog_each(struct catalog *c, bool (*each)(void *arg, const struct catalog_row *row),
                 void *arg, struct err *err)
{
    sqlite3_stmt *st;
    bool more = true;
    int step = SQLITE_DONE,
        rc = prepare(c, "SELECT " COLUMNS " FROM models ORDER BY model_ref", NULL, &st, err);

    if (rc)
        return rc;
    while (rc == 0 && more && (step = sqlite3_step(st)) == SQLITE_ROW) {
        struct catalog_row row;

        if (read_row(st, &row))
            more = each(arg, &row);
        else
            rc = err_no_memory(err, sizeof row, "a row of the catalog");
        catalog_row_done(&row);
    }
    if (rc == 0 && more && step != SQLITE_DONE)
        rc = fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

/* ---- verdicts ---- */

int catalog_put_verdict(struct catalog *c, const char *sha256, const struct catalog_verdict *v,
                        struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c,
                     "INSERT OR REPLACE INTO verdicts (" VERDICT_COLUMNS ") "
                     "VALUES (?, ?, ?, ?, ?)",
                     sha256, &st, err);

    if (rc)
        return rc;
    bind_text(st, 2, v->judge);
    bind_text(st, 3, v->code);
    bind_text(st, 4, v->message);
    bind_text(st, 5, v->license);
    return finish(c, st, err);
}

static void copy_text(sqlite3_stmt *st, int i, char *dst, size_t dst_size)
{
    const char *text = (const char *)sqlite3_column_text(st, i);

    str_copy(dst, dst_size, text ? text : "");
}

int catalog_get_verdict(struct catalog *c, const char *sha256, struct catalog_verdict *out,
                        struct err *err)
{
    sqlite3_stmt *st;
    int step, rc = prepare(c, "SELECT judge, code, message, license FROM verdicts WHERE sha256 = ?",
                           sha256, &st, err);

    if (rc)
        return rc;
    step = sqlite3_step(st);
    if (step == SQLITE_ROW) {
        copy_text(st, 0, out->judge, sizeof out->judge);
        copy_text(st, 1, out->code, sizeof out->code);
        copy_text(st, 2, out->message, sizeof out->message);
        copy_text(st, 3, out->license, sizeof out->license);
    } else {
        rc = step == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "no verdict on %s is kept", sha256)
                                 : fail(c, err);
    }
    sqlite3_finalize(st);
    return rc;
}
