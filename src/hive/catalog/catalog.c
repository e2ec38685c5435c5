/* catalog.c - rows and verdicts; see catalog.h. Source: sqlite.org/c3ref. */
#include "hive/catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/catalog/catalog_internal.h"

#define TOUCH_BUSY_MS                                                                              \
    50 /* another program has the file: so long for a note that nobody waits for */

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
    bool is_null = sqlite3_column_type(st, i) == SQLITE_NULL;
    const char *text = is_null ? "" : (const char *)sqlite3_column_text(st, i);

    return text ? str_dup(text) : NULL;
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
        return catalog_fail(c, err);
    if (text)
        bind_text(*st, 1, text);
    return 0;
}

/* Runs a statement that gives no row. */
static int finish(struct catalog *c, sqlite3_stmt *st, struct err *err)
{
    int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : catalog_fail(c, err);

    sqlite3_finalize(st);
    return rc;
}

int catalog_put(struct catalog *c, const struct catalog_row *row, struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c,
                     "INSERT OR REPLACE INTO models (" CATALOG_COLUMNS
                     ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    int step, rc = prepare(c, "SELECT " CATALOG_COLUMNS " FROM models WHERE model_ref = ?",
                           model_ref, &st, err);

    if (rc)
        return rc;
    step = sqlite3_step(st);
    if (step == SQLITE_DONE) {
        rc = err_set(err, ERR_NOT_FOUND, "%s is not in the catalog", model_ref);
    } else if (step != SQLITE_ROW) {
        rc = catalog_fail(c, err);
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
    sqlite3_busy_timeout(c->db, CATALOG_BUSY_MS);
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
        rc = catalog_fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

int catalog_each(struct catalog *c, bool (*each)(void *arg, const struct catalog_row *row),
                 void *arg, struct err *err)
{
    sqlite3_stmt *st;
    bool more = true;
    int step = SQLITE_DONE,
        rc =
            prepare(c, "SELECT " CATALOG_COLUMNS " FROM models ORDER BY model_ref", NULL, &st, err);

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
        rc = catalog_fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

/* ---- verdicts ---- */

int catalog_put_verdict(struct catalog *c, const char *sha256, const struct catalog_verdict *v,
                        struct err *err)
{
    sqlite3_stmt *st;
    int rc = prepare(c,
                     "INSERT OR REPLACE INTO verdicts (" CATALOG_VERDICT_COLUMNS ") "
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

/* False: no memory. */
static bool copy_text(sqlite3_stmt *st, int i, char *dst, size_t dst_size)
{
    bool is_null = sqlite3_column_type(st, i) == SQLITE_NULL;
    const char *text = is_null ? "" : (const char *)sqlite3_column_text(st, i);

    str_copy(dst, dst_size, text ? text : "");
    return text != NULL;
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
        if (!copy_text(st, 0, out->judge, sizeof out->judge) ||
            !copy_text(st, 1, out->code, sizeof out->code) ||
            !copy_text(st, 2, out->message, sizeof out->message) ||
            !copy_text(st, 3, out->license, sizeof out->license))
            rc = err_no_memory(err, sizeof *out, "a verdict");
        if (rc) /* no half of one */
            *out = (struct catalog_verdict){0};
    } else {
        rc = step == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "no verdict on %s is kept", sha256)
                                 : catalog_fail(c, err);
    }
    sqlite3_finalize(st);
    return rc;
}
