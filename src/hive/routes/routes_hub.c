/*
 * routes_hub.c - GET /v1/models/files: what a repository of the hub offers, and what fits here.
 *
 * Anybody may ask, any number at once: those for whom it is not their turn (hub_ask.h) wait, as
 * many as there may be.
 */
#include <stdlib.h>
#include <string.h>

#include "api/failed_keys.h"
#include "api/modelref.h"
#include "base/path.h"
#include "hive/disk/reach.h"
#include "hive/fetch/hub.h"
#include "hive/fetch/hub_ask.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "hive/routes/routes.h"
#include "hive/workers/plan.h"
#include "hive/workers/workers.h"
#include "net/http_server.h"

#define FILES_PATIENCE_MS 40000 /* for a turn and the hub; the keeper waits 45 s */
#define FILES_ASKS_MAX    64    /* at work, or waiting for their turn */
#define FILES_RETRY_S     5     /* the answer's Retry-After past that */

struct asking {
    struct hive *h;
    struct http_exchange *x;
    struct hub_ask *ask;
    struct model_ref ref;
};

static void asking_free(struct asking *a)
{
    model_ref_done(&a->ref);
    free(a);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct asking *a = arg;

    (void)x;
    a->h->n_hub_asks--;
    hub_ask_cancel(a->ask);
    asking_free(a);
}

/* ---- the list ---- */

struct memory {
    uint64_t total, usable; /* of workers */
};

/* "yes", "not now" when other things hold the memory, "no". */
static const char *fits_text(uint64_t need, const struct memory *m)
{
    return m->total == 0 || need <= m->usable ? "yes" : need <= m->total ? "not now" : "no";
}

/* A link that leads to where nothing answers is one that is here. */
static bool is_there(const struct asking *a, const char *path)
{
    return reach_check(a->h->reach, path, NULL) || path_is_file(path);
}

static bool is_here(const struct asking *a, const char *commit, const char *name)
{
    struct card *card = NULL;
    bool here;

    if (card_create(a->h->models->dir, a->ref.repo, commit, "", &card, NULL))
        return false;
    here = card_add_file(card, name, 0, "", NULL) == 0 && is_there(a, card->files[0].path);
    card_free(card);
    return here;
}

/* How the file would be asked for: by its quantisation when that means it, else by its name. */
static char *ref_of(const struct asking *a, struct hub_file *f)
{
    const struct model_ref ref = {.kind = MODEL_REF_HF,
                                  .repo = a->ref.repo,
                                  .quant = f->is_meant ? f->quant : NULL,
                                  .file = f->is_meant ? NULL : f->name,
                                  .revision = a->ref.revision};

    return model_ref_text(&ref);
}

static uint64_t bytes_of(const struct hub_repo *repo, const struct hub_choice *choice)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < choice->n_files; i++)
        sum += repo->files[choice->files[i]].size_bytes;
    return sum;
}

/* NULL when not all files of the model are there. */
static json_t *row_of(const struct asking *a, const struct hub_repo *repo, struct hub_file *f,
                      struct hub_choice *choice, const struct memory *m)
{
    uint64_t size, need;
    char *ref = hub_choose_from(repo, f, choice, NULL) ? NULL : ref_of(a, f);
    json_t *row;

    if (!ref)
        return NULL;
    size = bytes_of(repo, choice);
    need = plan_rough(size);
    row = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:b, s:b}", "model_ref", ref, "file", f->name,
        "quantization", f->quant, "files", (json_int_t)choice->n_files, "size_bytes",
        (json_int_t)size, "need_bytes", size ? json_integer((json_int_t)need) : json_null(), "fits",
        size ? fits_text(need, m) : "unknown", "known_type",
        !f->quant[0] || quant_bits(f->quant) > 0, "here", is_here(a, repo->commit, f->name));
    free(ref);
    return row;
}

static json_t *list_of(const struct asking *a, const struct hub_repo *repo)
{
    struct hub_choice *choice = calloc(1, sizeof *choice);
    json_t *rows = json_array(), *row;
    struct memory m;

    workers_memory(a->h->workers, &m.total, &m.usable);
    for (size_t i = 0; choice && i < repo->n_files; i++)
        if (repo->files[i].is_candidate && (row = row_of(a, repo, &repo->files[i], choice, &m)))
            json_array_append_new(rows, row);
    free(choice);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:I}", "repo", a->ref.repo, "commit", repo->commit,
                     "memory_bytes", (json_int_t)m.total, "memory_free_bytes", (json_int_t)m.usable,
                     "files", rows, "left_out", (json_int_t)repo->n_too_long);
}

/* ---- the hub's answer ---- */

static void take_answer(const struct asking *a, const struct buf *body)
{
    struct hub_repo repo = {0};
    struct api_error e;
    struct err err;

    if (models_reach(a->h->models, NULL,
                     &e)) /* it may have begun to hang while the hub was asked */
        reply_error(a->x, 0, &e);
    else if (hub_parse(buf_str(body), body->len, &repo, &err))
        reply_fail(a->x, API_DOWNLOAD_FAILED, "the hub's answer about %.200s makes no sense: %s",
                   a->ref.repo, err.text);
    else
        reply_json(a->x, 200, list_of(a, &repo));
    hub_repo_done(&repo);
}

static void on_answer(void *arg, const struct buf *body, struct api_error *e)
{
    struct asking *a = arg;

    a->h->n_hub_asks--;
    http_on_gone(a->x, NULL, NULL);
    if (body)
        take_answer(a, body);
    else
        reply_error(a->x, 0, e);
    asking_free(a);
}

static int ask(struct asking *a, struct api_error *e)
{
    char who[FAILED_KEYS_WHO_BYTES];
    const struct hub_ask_params params = {.base = a->h->base,
                                          .client = a->h->outside,
                                          .turns = a->h->hub_turns,
                                          .who = failed_keys_who(http_peer(a->x), who),
                                          .endpoint = a->h->models->endpoint,
                                          .token = a->h->models->token,
                                          .repo = a->ref.repo,
                                          .revision = a->ref.revision,
                                          .patience_ms = FILES_PATIENCE_MS,
                                          .arg = a,
                                          .done = on_answer};

    if (hub_ask_start(&params, &a->ask, e))
        return -1;
    a->h->n_hub_asks++;
    http_on_gone(a->x, on_gone, a);
    return 0;
}

static bool is_full(const struct asking *a)
{
    struct api_error e;

    if (a->h->n_hub_asks < FILES_ASKS_MAX)
        return false;
    api_error_set(&e, API_QUEUE_TIMEOUT, REPLY_SRC,
                  "%d others ask what the hub has, or wait for their turn, which is the limit",
                  FILES_ASKS_MAX);
    reply_error_after(a->x, 0, &e, FILES_RETRY_S);
    return true;
}

void routes_get_files(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    struct asking *a = calloc(1, sizeof *a);
    struct api_error e = {0};
    struct err err = {0};

    (void)id;
    if (!a) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    a->h = h;
    a->x = x;
    if (!asked)
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
    else if (model_ref_parse(asked, &a->ref, &err))
        reply_fail(x, API_INVALID_MODEL_REF, "%s", err.text);
    else if (a->ref.kind != MODEL_REF_HF)
        reply_fail(x, API_INVALID_MODEL_REF, "'%.200s' is no repository of the hub: hf:org/repo",
                   asked);
    else if (!is_full(a)) {
        if (ask(a, &e) == 0)
            return;
        reply_error(x, 0, &e);
    }
    asking_free(a);
}
