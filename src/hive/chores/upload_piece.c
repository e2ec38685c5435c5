/* upload_piece.c - see upload_piece.h. The first of the hive's pieces is being written. */
#include "hive/chores/upload_piece.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/chores/upload.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/process/task.h"

struct upload_piece {
    TAILQ_ENTRY(upload_piece) link;
    struct hive *h;
    struct http_exchange *x; /* NULL: its client has left */
    char *id, *file, *said;  /* owned, as are the bytes */
    char *bytes;
    size_t n;
    uint64_t from;
    int rc;
    struct err err;
};

static void free_piece(struct upload_piece *p)
{
    free(p->id);
    free(p->file);
    free(p->said);
    free(p->bytes);
    free(p);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct upload_piece *p = arg;

    (void)x;
    p->x = NULL;
}

void upload_fail(struct http_exchange *x, int rc, const struct err *err)
{
    reply_fail(x,
               rc == ERR_NO_SPACE                        ? API_DISK_FULL
               : rc == ERR_NOT_FOUND                     ? API_NOT_FOUND
               : rc == ERR_INVALID || rc == ERR_CONFLICT ? API_INVALID_REQUEST
                                                         : API_INTERNAL,
               "%s", err->text);
}

static void answer(struct upload_piece *p)
{
    struct http_exchange *x = p->x;

    if (!x)
        return;
    http_on_gone(x, NULL, NULL);
    if (p->rc)
        upload_fail(x, p->rc, &p->err);
    else
        http_reply(x, 204, NULL, NULL, 0);
}

static void write_piece(void *arg, const struct task *self)
{
    struct upload_piece *p = arg;

    (void)self;
    p->rc = upload_put(p->h->models, p->id, p->file, p->from, p->bytes, p->n, p->said, &p->err);
}

static void written(void *arg);

/* Begins with the first, unless it is refused at once; those whose clients have left are dropped:
 * they come again, or nobody wants them. */
static void write_next(struct hive *h)
{
    struct upload_piece *p;
    struct task *task;
    int rc;

    while ((p = TAILQ_FIRST(&h->pieces))) {
        rc = p->x ? upload_may_put(h->models, p->id, &p->err) : ERR_CANCELLED;
        if (rc == 0)
            rc = tasks_start(h->tasks, write_piece, written, p, &task, &p->err);
        if (rc == 0)
            return; /* the piece is the helper's now */
        p->rc = rc;
        TAILQ_REMOVE(&h->pieces, p, link);
        answer(p);
        free_piece(p);
    }
}

static void written(void *arg)
{
    struct upload_piece *p = arg;
    struct hive *h = p->h;

    TAILQ_REMOVE(&h->pieces, p, link);
    answer(p);
    free_piece(p);
    write_next(h);
}

static size_t n_waiting(const struct hive *h)
{
    const struct upload_piece *p;
    size_t n = 0;

    TAILQ_FOREACH(p, &h->pieces, link)
    n++;
    return n;
}

static struct upload_piece *make(struct http_exchange *x, const char *id, const char *file,
                                 const char *said)
{
    struct upload_piece *p = calloc(1, sizeof *p);
    const char *body;

    if (!p)
        return NULL;
    body = http_body(x, &p->n);
    p->id = str_dup(id);
    p->file = str_dup(file);
    p->said = str_dup(said);
    p->bytes = malloc(p->n + 1);
    if (p->id && p->file && p->said && p->bytes) {
        memcpy(p->bytes, body, p->n);
        return p;
    }
    free_piece(p);
    return NULL;
}

void upload_piece(struct hive *h, struct http_exchange *x, const char *id, const char *file,
                  uint64_t from, const char *said)
{
    struct upload_piece *p;
    bool is_first = TAILQ_EMPTY(&h->pieces);

    if (n_waiting(h) >= UPLOAD_PIECES_MAX) {
        reply_fail(x, API_QUEUE_TIMEOUT,
                   "%d pieces of uploads wait to be written: the disk does not keep up",
                   UPLOAD_PIECES_MAX);
        return;
    }
    p = make(x, id, file, said);
    if (!p) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    p->h = h;
    p->x = x;
    p->from = from;
    http_drop_body(x);
    http_on_gone(x, on_gone, p);
    TAILQ_INSERT_TAIL(&h->pieces, p, link);
    if (is_first)
        write_next(h);
}
