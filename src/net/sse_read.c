/*
 * sse_read.c - bytes to server-sent events: see sse.h. One thread.
 *
 * Field names other than "data" are taken and dropped: nothing here sends them. A line is gathered
 * whole before it is looked at, so that pieces may end anywhere.
 */
#include "net/sse.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* A line: an event's worth of data with its field name. */
#define SSE_LINE_MAX (SSE_EVENT_MAX + 16)

#define KEPT_MAX (16u << 10) /* of a buffer, from one event to the next */

struct sse_reader {
    bool (*on_data)(void *arg, const char *data, size_t n);
    void (*on_comment)(void *arg, const char *text);
    void *arg;
    struct buf line, data;
    bool has_data; /* a data field came, even an empty one */
    bool was_cr;   /* the last byte ended a line as a CR: a LF now belongs to it */
    bool begun;    /* the first line, where a byte order mark may stand, is behind */
    bool stopped;
    bool busy, dead; /* freed from within a callback: put does it at its end */
};

struct sse_reader *sse_reader_create(bool (*on_data)(void *arg, const char *data, size_t n),
                                     void (*on_comment)(void *arg, const char *text), void *arg)
{
    struct sse_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->on_data = on_data;
    r->on_comment = on_comment;
    r->arg = arg;
    buf_init(&r->line, SSE_LINE_MAX);
    buf_init(&r->data, SSE_EVENT_MAX);
    return r;
}

void sse_reader_free(struct sse_reader *r)
{
    if (!r)
        return;
    if (r->busy) {
        r->dead = r->stopped = true;
        return;
    }
    buf_done(&r->line);
    buf_done(&r->data);
    free(r);
}

/* A blank line: the event is whole. */
static void reader_dispatch(struct sse_reader *r)
{
    if (r->has_data && !r->on_data(r->arg, buf_str(&r->data), r->data.len))
        r->stopped = true;
    buf_clear_to(&r->data, KEPT_MAX);
    r->has_data = false;
}

/* 0 or the negative err_code. */
static int reader_store(struct buf *b, const char *bytes, size_t n)
{
    if (n > b->max - b->len)
        return ERR_LIMIT;
    return buf_put(b, bytes, n) ? ERR_NO_MEMORY : 0;
}

static int reader_add_data(struct sse_reader *r, const char *value, size_t n)
{
    int rc = r->has_data ? reader_store(&r->data, "\n", 1) : 0;

    r->has_data = true;
    return rc ? rc : reader_store(&r->data, value, n);
}

static int reader_take_line(struct sse_reader *r)
{
    const char *line = buf_str(&r->line), *value;
    size_t n = r->line.len, n_name;

    if (!r->begun && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        n -= 3;
    }
    r->begun = true;
    if (n == 0) {
        reader_dispatch(r);
        return 0;
    }
    value = memchr(line, ':', n);
    n_name = value ? (size_t)(value - line) : n;
    value = line + n_name + (value ? 1 : 0);
    if (value < line + n && *value == ' ')
        value++;
    if (n_name == 0 && r->on_comment)
        r->on_comment(r->arg, value);
    if (n_name == 4 && memcmp(line, "data", 4) == 0)
        return reader_add_data(r, value, (size_t)(line + n - value));
    return 0;
}

/* One step: a line's end, or bytes up to the next one. Returns how many were taken. */
static size_t reader_step(struct sse_reader *r, const char *bytes, size_t n, int *failed)
{
    size_t k = 0;

    if (bytes[0] == '\r' || bytes[0] == '\n') {
        bool is_rest = bytes[0] == '\n' && r->was_cr;

        r->was_cr = bytes[0] == '\r';
        if (!is_rest) {
            *failed = reader_take_line(r);
            buf_clear_to(&r->line, KEPT_MAX);
        }
        return 1;
    }
    r->was_cr = false;
    while (k < n && bytes[k] != '\r' && bytes[k] != '\n')
        k++;
    *failed = reader_store(&r->line, bytes, k);
    return k;
}

static int reader_fail(struct sse_reader *r, int code, struct err *err)
{
    r->stopped = true;
    if (code == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "an event of the stream is over the %u bytes allowed",
                       SSE_EVENT_MAX);
    return err_no_memory(err, r->line.len, "an event of the stream");
}

int sse_reader_put(struct sse_reader *r, const char *bytes, size_t n, struct err *err)
{
    int failed = 0, rc = 0;

    r->busy = true;
    while (n && !r->stopped && !failed) {
        size_t taken = reader_step(r, bytes, n, &failed);

        bytes += taken;
        n -= taken;
    }
    r->busy = false;
    if (failed)
        rc = reader_fail(r, failed, err);
    if (r->dead)
        sse_reader_free(r);
    return rc;
}

size_t sse_reader_held(const struct sse_reader *r)
{
    return r->line.len + r->data.len;
}
