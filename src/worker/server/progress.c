/* progress.c - see progress.h. */
#include "worker/server/progress.h"

#include <stdlib.h>
#include <string.h>

#include "api/errors.h"
#include "api/inference.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "worker/server/server.h"

struct watcher {
    struct sse_stream *sse;
    struct watcher *next, **link;
};

struct progress {
    struct server *server;
    struct watcher *first;
    bool shut; /* the worker ends: nobody will see it loaded */
};

int progress_create(struct server *s, struct progress **out, struct err *err)
{
    struct progress *p = calloc(1, sizeof *p);

    if (!p)
        return err_no_memory(err, sizeof *p, "the list of watchers");
    p->server = s;
    *out = p;
    return 0;
}

static void watcher_free(struct watcher *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    free(w);
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    while (p->first)
        watcher_free(p->first);
    free(p);
}

static void watcher_gone(void *arg)
{
    watcher_free(arg);
}

static void put_error(struct buf *out, const char *code, const char *text)
{
    buf_puts(out, "{\"stage\":\"error\",\"code\":");
    json_put_string(out, code, strlen(code));
    buf_puts(out, ",\"message\":");
    json_put_string(out, text, strlen(text));
    buf_putc(out, '}');
}

/* The present state as one event; true when it is the last. */
static bool put_state(const struct progress *p, struct buf *out)
{
    const struct server *s = p->server;
    const struct engine_load *l = &s->load;

    switch (s->stage) {
    case LOAD_DONE:
        buf_puts(out, "{\"stage\":\"ready\"}");
        return true;
    case LOAD_FAILED:
        put_error(out, s->board->error_code, s->board->error_text);
        return true;
    case LOAD_NO_NEWS:
    case LOAD_GOING_ON:
        break;
    }
    if (p->shut) {
        put_error(out, api_error_info(API_WORKER_START_FAILED)->code,
                  "The worker was told to end before the model was loaded.");
        return true;
    }
    buf_printf(out,
               "{\"stage\":\"loading_to_ram\",\"layers_loaded\":%u,\"layers_total\":%u,"
               "\"bytes_loaded\":%llu,\"bytes_total\":%llu}",
               l->layers_loaded, l->layers_total, (unsigned long long)l->bytes_loaded,
               (unsigned long long)l->bytes_total);
    return false;
}

static void tell(struct watcher *w, const struct buf *json, bool last)
{
    sse_send(w->sse, buf_str(json), json->len);
    if (!last)
        return;
    sse_end(w->sse);
    watcher_free(w);
}

void progress_watch(struct progress *p, struct http_exchange *x)
{
    struct buf *json = &p->server->json;
    struct watcher *w = calloc(1, sizeof *w);

    if (!w) {
        http_reply(x, 500, NULL, NULL, 0);
        return;
    }
    w->sse = sse_begin(p->server->base, x, watcher_gone, w);
    if (!w->sse) {
        free(w);
        return;
    }
    w->next = p->first;
    w->link = &p->first;
    if (w->next)
        w->next->link = &w->next;
    p->first = w;
    tell(w, json, put_state(p, json));
    buf_clear(json);
}

static void tell_all(struct progress *p, bool last)
{
    struct watcher *next;

    for (struct watcher *w = p->first; w; w = next) {
        next = w->next;
        tell(w, &p->server->json, last);
    }
    buf_clear(&p->server->json);
}

void progress_news(struct progress *p)
{
    tell_all(p, put_state(p, &p->server->json));
}

void progress_shut_down(struct progress *p)
{
    p->shut = true;
    progress_news(p);
}
