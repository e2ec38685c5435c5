/* catalog_open.c - the database's making, and what is done where it is damaged; see catalog.h.
 * Source: sqlite.org/c3ref, /pragma.html, /wal.html. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/catalog_internal.h"

#define SCHEMA_VERSION 2
#define IN_MEMORY      ":memory:" /* sqlite.org/inmemorydb.html */
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

int catalog_fail(const struct catalog *c, struct err *err)
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
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : catalog_fail(c, err);
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
        rc = catalog_fail(c, err);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : rc;
}

/* "ok", or what is wrong. */
static int take_verdict(const struct catalog *c, const char *text, struct err *err)
{
    if (!text)
        return err_no_memory(err, 0, "the catalog's verdict");
    return str_eq(text, "ok")
               ? 0
               : err_set(err, ERR_INVALID, "the catalog %s is damaged: %s", c->path, text);
}

static int check_intact(struct catalog *c, struct err *err)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc != SQLITE_ROW)
        rc = catalog_fail(c, err);
    else
        rc = take_verdict(c, (const char *)sqlite3_column_text(st, 0), err);
    sqlite3_finalize(st);
    return rc;
}

/* Are our tables there, with our columns? What could not be found out speaks against nobody. */
static int check_tables(struct catalog *c, struct err *err)
{
    int64_t n;
    int rc =
        ask_number(c, "SELECT count(*) FROM (SELECT " CATALOG_COLUMNS " FROM models)", &n, err);

    if (rc == 0)
        rc = ask_number(
            c, "SELECT count(*) FROM (SELECT " CATALOG_VERDICT_COLUMNS " FROM verdicts)", &n, err);
    if (rc && sqlite3_errcode(c->db) == SQLITE_ERROR) /* "no such table", or column */
        rc = err_set(err, ERR_INVALID, "%s is a database, but no catalog of models", c->path);
    return rc;
}

static int set_up(struct catalog *c, struct err *err)
{
    int64_t version = 0;
    int rc;

    sqlite3_busy_timeout(c->db, CATALOG_BUSY_MS);
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
    return rc ? rc : check_tables(c, err);
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
        rc = c->db ? catalog_fail(c, err) : err_no_memory(err, 65536, "the catalog");
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
