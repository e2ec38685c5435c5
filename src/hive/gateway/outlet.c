/* outlet.c - see outlet.h. */
#include "hive/gateway/outlet.h"

#include "net/http_server.h"

void outlet_init(struct outlet *o, struct http_exchange *x, enum outlet_kind kind)
{
    *o = (struct outlet){.x = x, .kind = kind};
    buf_init(&o->buf, OUTLET_PIECE_MAX);
}

void outlet_done(struct outlet *o)
{
    buf_done(&o->buf);
}

void outlet_open(struct outlet *o)
{
    if (o->open)
        return;
    o->open = true;
    http_add_header(o->x, "Cache-Control", "no-cache, no-store");
    http_add_header(o->x, "X-Accel-Buffering", "no");
    http_stream_begin(o->x, 200,
                      o->kind == OUTLET_SSE ? "text/event-stream" : "application/x-ndjson");
}

void outlet_begin(struct outlet *o, const char *name)
{
    if (o->kind == OUTLET_LINES)
        return;
    if (name)
        buf_printf(&o->buf, "event: %s\n", name);
    buf_put(&o->buf, "data: ", 6);
}

void outlet_end(struct outlet *o)
{
    buf_put(&o->buf, "\n\n", o->kind == OUTLET_SSE ? 2 : 1);
}

void outlet_comment(struct outlet *o, const char *text)
{
    if (o->kind == OUTLET_SSE)
        buf_printf(&o->buf, ": %s\n\n", text);
}

void outlet_flush(struct outlet *o)
{
    if (!o->open || o->buf.len == 0)
        return;
    http_stream_put(o->x, o->buf.data, o->buf.len);
    buf_clear(&o->buf);
}

bool outlet_is_full(const struct outlet *o)
{
    return o->open && http_stream_pending(o->x) > OUTLET_FULL;
}

void outlet_close(struct outlet *o, const char *last)
{
    if (last) {
        outlet_begin(o, NULL);
        buf_puts(&o->buf, last);
        outlet_end(o);
    }
    outlet_flush(o);
    http_stream_end(o->x);
}
