/*
 * fuzz_ollama_models.c - Ollama's ways to manage models: a letter of the route, a byte of the
 * workers there are (bits), a body, a form feed, and what comes of it. For /api/show a byte of the
 * end ('0' good, '1' a failure, 'g' the client leaves first) and what `inspect` prints; for
 * /api/pull a line for each look: "n" nothing known yet, "pDONE TOTAL NAME" a file, "q" the same
 * with a digest, "fTEXT" it failed, "r" it was removed, "g" the client leaves, "k" its key is gone;
 * behind the last it is complete.
 *
 * Reading, finding the model and answering are the hive's. Each is answered once, in JSON: refused
 * in a sentence without having begun anything, or with what there is, none of it left out. A second
 * time gives the same.
 */
#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "exchange.h"
#include "hive/gateway/ollama.h"
#include "hive/hive.h"
#include "hive/inspect_read.h"
#include "hive/models.h"
#include "hive/programs.h"
#include "hive/revoke.h"
#include "hive/workers.h"
#include "lines.h"

#define FORM_FEED '\f'
#define DIGEST    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define N_MODELS  4
#define N_WORKERS 4

enum { TAGS, PS, SHOW, PULL, VERSION, N_ROUTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

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

int inspect_start(struct event_base *base, const char *worker_program, const char *sandbox,
                  const char *model_path,
                  void (*done)(void *arg, const struct inspect_result *result), void *arg,
                  struct inspect **out, struct api_error *e)
{
    (void)base;
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

    out->bytes_done = strtoull(text, &end, 10);
    out->bytes_total = strtoull(end, &end, 10);
    end += *end == ' ';
    if (end[0] && str_is_utf8(end, strlen(end)))
        out->file = end;
    else
        out->file = "x.gguf";
}

void download_look(const struct download *d, struct download_look *out)
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

/* ---- what comes of it ---- */

static void leave(struct http_exchange *x, bool cut)
{
    world.cut = cut;
    world.gone = !cut;
    world.armed = false;
    if (x->gone)
        x->gone(x, x->gone_arg);
}

static void finish_show(struct http_exchange *x)
{
    struct buf out, errors;
    struct capture_result r = {.out = &out, .errors = &errors};
    struct inspect_result result;
    struct api_error e = {0};
    char kind = world.left ? (char)world.at[0] : '0';
    size_t n = world.left ? world.left - 1 : 0;

    if (kind == 'g') {
        leave(x, false);
        BUG_ON(world.inspected);
        return;
    }
    r.end.code = kind == '1';
    buf_init(&out, INSPECT_JSON_MAX);
    buf_init(&errors, CAPTURE_ERRORS_MAX);
    buf_put(kind == '1' ? &errors : &out, world.at + 1, kind == '1' && n > 4096 ? 4096 : n);
    inspect_read("/m/x.gguf", &r, &result, &e);
    world.inspected(world.inspect_arg, &result);
    api_error_done(&e);
    json_decref(result.json);
    buf_done(&errors);
    buf_done(&out);
}

static void finish_pull(struct http_exchange *x)
{
    while (world.armed) {
        char next = world.left ? (char)world.at[0] : 'c';

        world.armed = false;
        if (next == 'g' || next == 'k')
            leave(x, next == 'k');
        else
            world.look(-1, 0, world.look_arg);
    }
}

/* ---- the checks ---- */

static void check_error(const json_t *reply)
{
    const char *text = json_string_value(json_object_get(reply, "error"));

    BUG_ON(!text || !text[0]); /* a reply without memory has an object there */
}

static void check_rows(const json_t *rows, size_t n)
{
    static const char *const names[] = {"name", "model", "size", "digest", "details"};
    const json_t *row;
    size_t i;

    if (json_array_size(rows) != n)
        BUG("%zu rows of %zu", json_array_size(rows), n);
    json_array_foreach(rows, i, row) for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        BUG_ON(!json_object_get(row, names[k]));
}

static size_t n_loaded(void)
{
    size_t n = 0;

    for (size_t i = 0; i < N_WORKERS; i++)
        n += (world.workers >> i & 1) && workers[i].look.usable &&
             find_model(workers[i].look.model_ref);
    return n;
}

static bool has_value(const json_t *info, const char *tail, const json_t *value)
{
    json_t *all = (json_t *)(uintptr_t)info, *one; /* jansson's loops want it so */
    const char *name;

    json_object_foreach(all, name,
                        one) if (str_ends(name, tail) && json_equal(one, value)) return true;
    return false;
}

/* What the file says of itself is all there. */
static void check_shown(const json_t *reply)
{
    static const char *const names[][2] = {{"n_params", "general.parameter_count"},
                                           {"context_length", ".context_length"},
                                           {"n_layers", ".block_count"},
                                           {"n_embd", ".embedding_length"},
                                           {"n_heads", ".attention.head_count"},
                                           {"rope_freq_base", ".rope.freq_base"},
                                           {"n_vocab", ".vocab_size"}};
    const json_t *info = json_object_get(reply, "model_info"),
                 *details = json_object_get(reply, "details");
    json_t *said = json_loadb((const char *)world.at + 1, world.left - 1, 0, NULL);

    if (!said)
        said =
            json_loadb((const char *)world.at + 1, world.left - 1, JSON_DECODE_INT_AS_REAL, NULL);
    BUG_ON(json_array_size(json_object_get(reply, "capabilities")) == 0);
    BUG_ON(!json_is_string(json_object_get(details, "parameter_size")));
    BUG_ON(!json_is_string(json_object_get(reply, "template")));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *value = json_object_get(said, names[i][0]);

        if (value && !has_value(info, names[i][1], value))
            BUG("%s is left out", names[i][0]);
    }
    json_decref(said);
}

/* The lines of a pull: as many as there was to tell, the last a success or an error. */
static void check_lines(const struct buf *reply)
{
    const uint8_t *at = (const uint8_t *)buf_str(reply);
    size_t left = reply->len;
    unsigned n_told = 0;
    bool last = false;

    BUG_ON(left == 0 || at[left - 1] != '\n');
    while (left) {
        char *line = take_line(&at, &left);
        json_t *said = json_loads(line, 0, NULL);
        const char *status = json_string_value(json_object_get(said, "status"));

        BUG_ON(last);
        if (!status)
            check_error(said);
        n_told += str_starts(status ? status : "", "pulling ");
        last = !status || str_eq(status, "success");
        json_decref(said);
        free(line);
    }
    BUG_ON(!last);
    if (n_told != world.n_looks)
        BUG("%u looks told of %u", n_told, world.n_looks);
}

static void check_good(unsigned route, const json_t *reply)
{
    if (route == TAGS)
        check_rows(json_object_get(reply, "models"), N_MODELS);
    else if (route == PS)
        check_rows(json_object_get(reply, "models"), n_loaded());
    else if (route == SHOW)
        check_shown(reply);
    else if (route == PULL)
        BUG_ON(!str_eq(json_string_value(json_object_get(reply, "status")), "success"));
    else
        BUG_ON(!json_is_string(json_object_get(reply, "version")));
}

/* Nothing begins for a body that is no object with the name of a model. */
static void check_begun(const struct http_exchange *x)
{
    json_t *body = json_loadb(x->body, x->body_bytes, JSON_ALLOW_NUL, NULL);

    BUG_ON(!json_string_length(json_object_get(body, "model")) &&
           !json_string_length(json_object_get(body, "name")));
    BUG_ON(json_is_true(json_object_get(body, "insecure")));
    json_decref(body);
}

static void check_answer(const struct http_exchange *x, unsigned route)
{
    json_t *reply;

    BUG_ON(world.stream != world.ended && !world.gone);
    if (world.n_inspects || world.n_pulls)
        check_begun(x);
    if (world.gone)
        return;
    BUG_ON(x->status == 0 || world.armed || x->gone);
    if (world.stream) {
        check_lines(&x->reply);
        return;
    }
    reply = json_loadb(buf_str(&x->reply), x->reply.len, 0, NULL);
    BUG_ON(!json_is_object(reply));
    if (x->status == 200)
        check_good(route, reply);
    else
        check_error(reply);
    json_decref(reply);
}

/* ---- twice ---- */

static struct hive hive;

static void ask(struct http_exchange *x, unsigned route, const uint8_t *more, size_t n)
{
    static void (*const routes[N_ROUTES])(struct hive * h, struct http_exchange * x,
                                          const char *id) = {ollama_tags, ollama_ps, ollama_show,
                                                             ollama_pull, ollama_version};
    unsigned there = world.workers;

    memset(&world, 0, sizeof world);
    world.workers = there;
    world.at = more;
    world.left = n;
    routes[route](&hive, x, NULL);
    if (world.inspected)
        finish_show(x);
    finish_pull(x);
    check_answer(x, route);
    free(world.line);
}

static void ask_twice(const char *body, size_t n, unsigned route, const uint8_t *more,
                      size_t n_more)
{
    struct http_exchange x, again;

    exchange_begin(&x, body, n);
    exchange_begin(&again, body, n);
    ask(&x, route, more, n_more);
    ask(&again, route, more, n_more);
    BUG_ON(x.status != again.status || x.reply.len != again.reply.len);
    if (route != PS) /* whose times go on */
        BUG_ON(x.reply.len && memcmp(x.reply.data, again.reply.data, x.reply.len) != 0);
    exchange_done(&again);
    exchange_done(&x);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return config_open("/nonexistent/rbee", &hive.config, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 2 ? memchr(data + 2, FORM_FEED, size - 2) : NULL;
    size_t n;
    char *body;

    if (size < 2)
        return 0;
    n = end ? (size_t)(end - data) - 2 : size - 2;
    body = str_ndup((const char *)data + 2, n);
    BUG_ON(!body);
    world.workers = data[1];
    ask_twice(body, n, (unsigned)(data[0] - 'a') % N_ROUTES, end ? end + 1 : data + size,
              end ? size - n - 3 : 0);
    free(body);
    return 0;
}
