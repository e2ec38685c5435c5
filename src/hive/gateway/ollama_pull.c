/*
 * ollama_pull.c - POST /api/pull: a download, told line by line.
 *
 * Watched by looking, four times a second; leaving does not end the download.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "hive/doors/revoke.h"
#include "hive/gateway/model.h"
#include "hive/gateway/ollama.h"
#include "hive/gateway/request.h"
#include "hive/http/reply.h"
#include "hive/models/models.h"
#include "net/http_server.h"

#define LOOK_MS 250

struct pull {
    struct hive *hive;
    struct http_exchange *x;
    struct outlet out;
    struct event *timer;
    bool stream;
    char id[DOWNLOAD_ID_BYTES];
};

static void pull_free(struct pull *p)
{
    if (p->timer)
        event_free(p->timer);
    outlet_done(&p->out);
    free(p);
}

/* Takes the line over. */
static void tell(struct pull *p, json_t *line)
{
    char *text = line ? json_write(line, JSON_COMPACT) : NULL;

    if (text && p->stream) {
        outlet_open(&p->out);
        buf_puts(&p->out.buf, text);
        outlet_end(&p->out);
        outlet_flush(&p->out);
    }
    free(text);
    json_decref(line);
}

static void succeed(struct pull *p)
{
    static const char *const last[] = {"verifying sha256 digest", "writing manifest", "success"};

    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++)
        tell(p, json_pack("{s:s}", "status", last[i]));
    http_on_gone(p->x, NULL, NULL);
    if (p->stream)
        outlet_close(&p->out);
    else
        reply_json(p->x, 200, json_pack("{s:s}", "status", "success"));
    pull_free(p);
}

/* Takes what *e holds. */
static void fail(struct pull *p, struct api_error *e)
{
    http_on_gone(p->x, NULL, NULL);
    if (p->out.open) {
        api_error_log(e, http_request_id(p->x));
        shape_error(SHAPE_OLLAMA, e, http_request_id(p->x), &p->out.buf);
        outlet_end(&p->out);
        outlet_close(&p->out);
        api_error_done(e);
    } else {
        shape_answer(p->x, SHAPE_OLLAMA, e, 0);
    }
    pull_free(p);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct api_error e;

    if (!http_is_cut(x)) {
        pull_free(arg);
        return;
    }
    revoke_error(&e);
    fail(arg, &e);
}

static void look_on(struct pull *p)
{
    const struct timeval soon = {.tv_usec = LOOK_MS * 1000};
    struct download *d = models_find_download(p->hive->models, p->id);
    struct download_look look;
    struct api_error e;

    if (!d) {
        api_error_set(&e, API_DOWNLOAD_FAILED, REPLY_SRC, "the download was removed");
        fail(p, &e);
        return;
    }
    download_look(d, &look);
    if (look.error) {
        e = *look.error;
        json_incref(e.details);
        fail(p, &e);
    } else if (look.complete) {
        succeed(p);
    } else {
        tell(p, ollama_progress(&look));
        evtimer_add(p->timer, &soon);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    look_on(arg);
}

static int begin(struct pull *p, const char *name, struct api_error *e)
{
    char *ref = model_plain_name(name), *path = NULL;
    int rc = -1;

    if (ref)
        rc = models_download(p->hive->models, ref, NULL, &path, p->id, e);
    else
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    if (path)
        p->id[0] = '\0'; /* it is here already */
    free(path);
    free(ref);
    return rc;
}

static struct pull *pull_create(struct hive *h, struct http_exchange *x)
{
    struct pull *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->hive = h;
    p->x = x;
    p->stream = true;
    outlet_init(&p->out, h->base, x, OUTLET_LINES);
    p->timer = evtimer_new(h->base, on_timer, p);
    if (p->timer)
        return p;
    pull_free(p);
    return NULL;
}

/* Checks the request and begins; -1 with *e. */
static int read_pull(struct pull *p, struct api_error *e)
{
    static const char *const unset[] = {"username", "password", NULL};
    struct fields f;
    const char *body, *name;
    bool insecure = false;
    size_t n;
    int rc;

    body = http_body(p->x, &n);
    fields_begin(&f, body, n);
    name = request_ollama_model(&f);
    if (!name)
        fields_fail(&f, "model", "required", "model is missing.");
    fields_bool(&f, "stream", &p->stream);
    request_ollama_unset(&f, unset);
    if (fields_bool(&f, "insecure", &insecure) && insecure)
        fields_fail(&f, "insecure", "false", "insecure: the hub is asked by https only.");
    rc = fields_end(&f, e, REPLY_SRC);
    if (rc == 0)
        rc = begin(p, name, e);
    fields_done(&f);
    return rc;
}

void ollama_pull(struct hive *h, struct http_exchange *x, const char *id)
{
    struct pull *p = pull_create(h, x);
    struct api_error e;

    (void)id;
    if (!p) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        shape_answer(x, SHAPE_OLLAMA, &e, 0);
        return;
    }
    http_on_gone(x, on_gone, p);
    if (read_pull(p, &e))
        fail(p, &e);
    else if (p->id[0])
        look_on(p);
    else
        succeed(p);
}
