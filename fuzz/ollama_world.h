/*
 * ollama_world.h - what stands behind Ollama's ways to manage models, for fuzz_ollama_models.c: a
 * server's streams, a timer, four models, up to four workers, a look into a file, a download. It
 * stands in the place of the hive's own, so a target that includes it does not link them.
 */
#ifndef RBEE_FUZZ_OLLAMA_WORLD_H
#define RBEE_FUZZ_OLLAMA_WORLD_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "exchange.h"
#include "hive/catalog/inspect.h"
#include "hive/doors/revoke.h"
#include "hive/hive.h"
#include "hive/models/models.h"
#include "hive/process/programs.h"
#include "hive/workers/workers.h"
#include "lines.h"

#define DIGEST    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define N_MODELS  4
#define N_WORKERS 4

static struct {
    unsigned workers; /* bits: which there are */
    const uint8_t *at;
    size_t left;
    /* What the handlers left to be called later. */
    void (*inspected)(void *arg, const struct inspect_result *result);
    void *inspect_arg;
    event_callback_fn look;
    void *look_arg;
    bool armed, gone, cut;
    bool stream, ended; /* of the answer */
    unsigned n_inspects, n_pulls, n_looks;
    char *line, *name;      /* what the look tells, its file's name; owned */
    struct api_error error; /* of a look */
} world;

/* ---- in the place of the server ---- */

void http_stream_begin(struct http_exchange *x, int status, const char *content_type)
{
    BUG_ON(x->status != 0 || status != 200 || !content_type);
    x->status = status;
    world.stream = true;
}

int http_stream_put(struct http_exchange *x, const void *bytes, size_t n)
{
    BUG_ON(!world.stream || world.ended || world.gone);
    return buf_put(&x->reply, bytes, n);
}

void http_stream_end(struct http_exchange *x)
{
    (void)x;
    BUG_ON(!world.stream || world.ended || world.gone);
    world.ended = true;
}

size_t http_stream_pending(const struct http_exchange *x)
{
    (void)x;
    return 0;
}

void http_on_drained(struct http_exchange *x, void (*drained)(struct http_exchange *x, void *arg),
                     void *arg)
{
    (void)x, (void)drained, (void)arg;
    BUG("a client that has taken everything is waited for");
}

bool http_is_cut(const struct http_exchange *x)
{
    (void)x;
    return world.cut;
}

void revoke_error(struct api_error *e)
{
    api_error_set(e, API_INVALID_API_KEY, "hive", "the key was revoked");
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what,
                        event_callback_fn call, void *arg)
{
    (void)base;
    BUG_ON(fd != -1 || what);
    world.look = call;
    world.look_arg = arg;
    return (struct event *)(void *)&world;
}

int event_add(struct event *e, const struct timeval *after)
{
    (void)e;
    BUG_ON(world.armed || after->tv_sec || after->tv_usec <= 0);
    world.armed = true;
    return 0;
}

void event_free(struct event *e)
{
    (void)e;
    world.look = NULL;
    world.armed = false;
}

/* ---- models and workers ---- */

struct model {
    const char *ref, *path, *quant, *sha256;
};

static const struct model models[N_MODELS] = {
    {"tiny", "/m/tiny.gguf", "", ""},
    {"hf:o/r:Q4_K_M", "/m/o/r/r-Q4_K_M.gguf", "Q4_K_M", DIGEST},
    {"hf:o/r:Q8_0", "/m/o/r/r-Q8_0.gguf", "Q8_0", DIGEST},
    {"local:llama3:8b", "/m/llama3/r-Q8_0.gguf", "Q4_0", DIGEST}};

struct worker {
    struct worker_look look;
};

static const struct worker workers[N_WORKERS] = {
    {{.model_ref = "tiny", .model_path = "/m/tiny.gguf", .usable = true, .keep_alive_ms = -1}},
    {{.model_ref = "hf:o/r:Q8_0",
      .model_path = "/m/o/r/r-Q8_0.gguf",
      .usable = true,
      .n_ctx = 4096,
      .keep_alive_ms = INT64_MAX}},
    {{.model_ref = "hf:o/r:Q4_K_M", .model_path = "/m/o/r/r-Q4_K_M.gguf", .failed = true}},
    {{.model_ref = "hf:gone/r:Q4_K_M", .model_path = "/m/gone/r.gguf", .usable = true}}};

static json_t *model_row(const struct model *m)
{
    return json_pack("{s:s, s:s, s:i, s:s, s:s}", "model_ref", m->ref, "local_path", m->path,
                     "size_bytes", 1, "quantization", m->quant, "sha256", m->sha256);
}

static const struct model *find_model(const char *ref)
{
    for (size_t i = 0; i < N_MODELS; i++)
        if (str_eq(models[i].ref, ref))
            return &models[i];
    return NULL;
}

json_t *models_list_json(struct models *m)
{
    json_t *rows = json_array();

    (void)m;
    for (size_t i = 0; i < N_MODELS; i++)
        json_array_append_new(rows, model_row(&models[i]));
    return json_pack("{s:o}", "models", rows);
}

json_t *models_json(struct models *m, const char *canonical, const char *path)
{
    const struct model *found = find_model(canonical);

    (void)m;
    BUG_ON(!path);
    return found ? model_row(found) : NULL;
}

/* As models.c reads a reference: owned, or NULL with *e. */
static char *canonical_of(const char *text, struct model_ref *ref, struct api_error *e)
{
    struct err err = {0};
    char *out = NULL;

    BUG_ON(!text[0] || strlen(text) > MODEL_REF_MAX + 3 || !str_is_utf8(text, strlen(text)));
    if (model_ref_parse(text, ref, &err))
        api_error_set(e, API_INVALID_MODEL_REF, "hive", "%s", err.text);
    else
        BUG_ON((out = model_ref_text(ref)) == NULL);
    return out;
}

int models_locate(struct models *m, const char *text, char **canonical, char **path,
                  struct api_error *e)
{
    struct model_ref ref;
    char *name = canonical_of(text, &ref, e);
    const struct model *found = name ? find_model(name) : NULL;

    (void)m;
    *canonical = *path = NULL;
    if (found) {
        *canonical = str_dup(found->ref);
        *path = str_dup(found->path);
    } else if (name) {
        api_error_set(e, API_MODEL_NOT_FOUND, "hive", "there is no %s", name);
    }
    free(name);
    model_ref_done(&ref);
    return found ? 0 : -1;
}

/* What lies in folders of these names is on a file system that does not answer. */
int models_reach(struct models *m, const char *path, struct api_error *e)
{
    (void)m;
    if (!path || !strstr(path, "/gone/"))
        return 0;
    api_error_set(e, API_DISK_NOT_ANSWERING, "hive", "%s does not answer", path);
    return -1;
}

int64_t models_file_ms(struct models *m, const char *path)
{
    BUG_ON(!path);
    return models_reach(m, path, &(struct api_error){0}) ? 0 : INT64_C(1700000000123);
}

int models_download(struct models *m, const char *text, const struct download_wish *wish,
                    char **path, char id[DOWNLOAD_ID_BYTES], struct api_error *e)
{
    struct model_ref ref;
    char *name = canonical_of(text, &ref, e);
    const struct model *found = name ? find_model(name) : NULL;
    int rc = found ? 0 : -1;

    (void)m;
    BUG_ON(wish);
    *path = found ? str_dup(found->path) : NULL;
    if (name && !found && ref.kind == MODEL_REF_HF) {
        str_copy(id, DOWNLOAD_ID_BYTES, "an id");
        rc = 0;
    } else if (name && !found) {
        api_error_set(e, API_MODEL_NOT_FOUND, "hive", "there is no %s", name);
    }
    world.n_pulls += rc == 0;
    free(name);
    model_ref_done(&ref);
    return rc;
}

void workers_each(const struct workers *ws, bool (*each)(void *arg, const struct worker *w),
                  void *arg)
{
    (void)ws;
    for (size_t i = 0; i < N_WORKERS; i++)
        if ((world.workers >> i & 1) && !each(arg, &workers[i]))
            return;
}

void worker_look(const struct worker *w, struct worker_look *out)
{
    *out = w->look;
}

/* ---- the look into a file ---- */

int programs_find_worker(const char *configured, char **out, struct err *err)
{
    (void)configured;
    (void)err;
    *out = str_dup("/worker");
    return 0;
}

int inspect_start(struct looks *looks, const char *worker_program, const char *sandbox,
                  const char *model_path,
                  void (*done)(void *arg, const struct inspect_result *result), void *arg,
                  struct inspect **out, struct api_error *e)
{
    (void)looks;
    (void)e;
    BUG_ON(!worker_program || !sandbox || model_path[0] != '/' || world.n_inspects);
    world.n_inspects++;
    world.inspected = done;
    world.inspect_arg = arg;
    *out = (struct inspect *)(void *)&world;
    return 0;
}

void inspect_cancel(struct inspect *in)
{
    BUG_ON(!in || !world.inspected);
    world.inspected = NULL;
}

/* ---- the looks at a download ---- */

struct download *models_find_download(struct models *m, const char *id)
{
    (void)m;
    BUG_ON(!str_eq(id, "an id"));
    free(world.line);
    world.line = world.left ? take_line(&world.at, &world.left) : str_dup("c");
    return world.line[0] == 'r' ? NULL : (struct download *)(void *)&world;
}

/* "DONE TOTAL NAME": names are the hub's JSON strings, so they are UTF-8. */
static void look_at_file(const char *text, struct download_look *out)
{
    char *end;

    out->file_done = strtoull(text, &end, 10);
    out->file_total = strtoull(end, &end, 10);
    end += *end == ' ';
    if (end[0] && str_is_utf8(end, strlen(end)))
        out->file = end;
    else
        out->file = "x.gguf";
}

void download_look(struct download *d, struct download_look *out)
{
    const char *line = world.line;

    (void)d;
    *out = (struct download_look){.path = "", .file = "", .sha256 = ""};
    if (line[0] == 'p' || line[0] == 'q')
        look_at_file(line + 1, out);
    if (line[0] == 'q')
        out->sha256 = DIGEST;
    if (line[0] == 'f') {
        api_error_set(&world.error, API_DOWNLOAD_FAILED, "hive", "it failed: %s", line + 1);
        out->error = &world.error;
    }
    out->complete = !strchr("npqf", line[0]) || !line[0];
    world.n_looks += !out->complete && !out->error;
}

#endif
