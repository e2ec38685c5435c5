/* routes_downloads.c - /v1/models/download...: begin, watch, list and cancel downloads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/models.h"
#include "hive/routes/routes.h"

#define LIMIT_MAX 1000000000000000 /* bytes a second */

static void post_download(struct hive *h, struct http_exchange *x, const char *id)
{
    char download_id[DOWNLOAD_ID_BYTES], *path = NULL;
    const char *text = NULL, *body;
    int64_t limit = 0, connections = 0;
    struct download_wish wish = {0};
    struct api_error e = {0};
    struct fields f;
    size_t n;
    int rc;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    fields_text(&f, "model_ref", true, MODEL_REF_MAX, &text);
    fields_int(&f, "limit_rate", false, 1, LIMIT_MAX, &limit);
    fields_int(&f, "connections", false, 1, 16, &connections);
    rc = fields_end(&f, &e, REPLY_SRC);
    wish.limit_per_sec = (uint64_t)limit;
    wish.connections = (unsigned)connections;
    if (rc == 0)
        rc = models_download(h->models, text, &wish, &path, download_id, &e);
    fields_done(&f);
    if (rc)
        reply_error(x, 0, &e);
    else
        reply_json(x, 200,
                   json_pack("{s:s, s:s?}", "download_id", path ? "cached" : download_id,
                             "local_path", path));
    free(path);
}

static void get_progress(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "id");
    struct download *d = asked ? models_find_download(h->models, asked) : NULL;

    (void)id;
    if (d && str_eq(http_method(x), "HEAD"))
        http_reply(x, 200, "text/event-stream", NULL, 0);
    else if (d)
        download_watch(d, x);
    else if (!asked)
        reply_fail(x, API_INVALID_REQUEST, "the query needs id=, as POST /v1/models/download gave");
    else
        reply_fail(x, API_NOT_FOUND, "there is no download '%.60s'", asked);
}

static void get_downloads(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    reply_json(x, 200, models_downloads_json(h->models));
}

/* What came is kept; with discard=1 it is deleted. */
static void delete_download(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *text = http_query(x, "discard");
    struct download *d = models_find_download(h->models, id);
    struct api_error e = {0};
    struct unlinked u = {0};
    bool discard = false;

    if (text && str_to_bool(text, &discard))
        reply_fail(x, API_INVALID_REQUEST, "discard takes 1 or 0");
    else if (!d)
        reply_fail(x, API_NOT_FOUND, "there is no download '%.60s'", id);
    else if (download_is_complete(d))
        reply_fail(
            x, API_INVALID_REQUEST,
            "the download of %.200s is complete; `rbee-keeper models rm` (DELETE /v1/models) "
            "removes the model",
            download_ref(d));
    else if (discard && models_discard(h->models, d, &u, &e)) {
        reply_error(x, 0, &e);
        unlinked_reply(&u, h->tasks, NULL, 0, NULL);
    } else if (!discard && !downloads_stop(d))
        reply_fail(x, API_INVALID_REQUEST, "the download of %.200s has ended already",
                   download_ref(d));
    else
        unlinked_reply(&u, h->tasks, x, 204, NULL);
}

const struct route routes_downloads[] = {
    {"POST", "/v1/models/download", post_download},
    {"GET", "/v1/models/download/progress", get_progress},
    {"GET", "/v1/models/downloads", get_downloads},
    {"DELETE", "/v1/models/download/*", delete_download},
    {0},
};
