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
#include "api/json_load.h"
#include "hive/catalog/inspect_read.h"
#include "hive/gateway/ollama.h"
#include "ollama_world.h"

#define FORM_FEED '\f'

enum { TAGS, PS, SHOW, PULL, VERSION, N_ROUTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

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
    json_array_foreach(rows, i, row)
    {
        const char *digest = json_string_value(json_object_get(row, "digest"));

        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            BUG_ON(!json_object_get(row, names[k]));
        BUG_ON(!digest || strspn(digest, "0123456789abcdef") != 64 || digest[64]);
    }
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
    json_t *said = json_load_bounded((const char *)world.at + 1, world.left - 1, 0, NULL);

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
    json_t *body = json_load_bounded(x->body, x->body_bytes, JSON_ALLOW_NUL, NULL);

    BUG_ON(!json_string_length(json_object_get(body, "model")) &&
           !json_string_length(json_object_get(body, "name")));
    BUG_ON(json_is_true(json_object_get(body, "insecure")));
    json_decref(body);
}

/* What these routes know is read, and does what it says. Sentences of the input's own count not. */
static void check_read(const struct http_exchange *x, unsigned route)
{
    static const struct {
        const char *name;
        bool in_show, in_pull;
    } known[] = {{"model", true, true},     {"name", true, true},      {"stream", false, true},
                 {"insecure", false, true}, {"username", false, true}, {"password", false, true},
                 {"verbose", true, false},  {"system", true, false},   {"template", true, false},
                 {"options", true, false}};
    json_t *body = json_load_bounded(x->body, x->body_bytes, 0, NULL);
    bool begun = world.n_inspects || world.n_pulls;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[64];

        if ((route == SHOW && !known[i].in_show) || (route == PULL && !known[i].in_pull))
            continue;
        snprintf(text, sizeof text, "There is no field named '%s' here", known[i].name);
        BUG_ON(!begun && json_object_get(body, known[i].name) && strstr(buf_str(&x->reply), text) &&
               !strstr(x->body, "There is no"));
    }
    if (route == PULL && json_is_object(body))
        BUG_ON(world.stream && json_is_false(json_object_get(body, "stream")));
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
    check_read(x, route);
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
