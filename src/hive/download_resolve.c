/* download_resolve.c - which files a reference means: from a card on disk, else from the hub. */
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "hive/download_internal.h"
#include "hive/hub.h"
#include "hive/reply.h"
#include "net/http_client.h"

static void ask_hub(struct download *d);

static void fail(struct download *d, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct download *d, enum api_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    struct api_error e;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_error_set(&e, code, REPLY_SRC, "%s", text);
    download_fail(d, &e);
}

/* ---- the card ---- */

/* The one on disk of a reference, or at a path. */
static struct card *find_card(const struct download *d, const char *model_ref, const char *path)
{
    return card_find(d->owner->models_dir, d->ref.repo, model_ref, path);
}

/* The card of what was chosen: the one on disk when another reference made it, else a new one. */
static int make_card(struct download *d, const struct hub_repo *repo,
                     const struct hub_choice *choice, struct err *err)
{
    struct card *c, *old;
    int rc = card_create(d->owner->models_dir, d->ref.repo, repo->commit, choice->quant, &c, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < choice->n_files && rc == 0; i++) {
        const struct hub_file *f = &repo->files[choice->files[i]];

        rc = card_add_file(c, f->name, f->size_bytes, f->sha256, err);
    }
    if (rc == 0 && (old = find_card(d, NULL, c->path))) {
        card_free(c);
        c = old;
    }
    if (rc == 0)
        rc = card_add_ref(c, d->model_ref, err);
    if (rc)
        card_free(c);
    else
        d->card = c;
    return rc;
}

/* ---- the hub's answer ---- */

static void take_answer(struct download *d, const struct buf *body)
{
    struct hub_choice *choice = calloc(1, sizeof *choice);
    struct hub_repo repo = {0};
    struct err err = {0};
    int rc = choice ? hub_parse(buf_str(body), body->len, &repo, &err)
                    : err_no_memory(&err, sizeof *choice, "a choice of files");
    bool parsed = rc == 0;

    if (rc == 0)
        rc = hub_choose(&repo, &d->ref, choice, &err);
    if (rc == 0)
        rc = make_card(d, &repo, choice, &err);
    hub_repo_done(&repo);
    free(choice);
    if (rc == 0)
        download_fetch(d);
    else if (rc == ERR_NOT_FOUND)
        fail(d, API_MODEL_NOT_FOUND, "%s", err.text);
    else
        fail(d, API_DOWNLOAD_FAILED, "%.200s: %s%s", d->model_ref,
             parsed ? "" : "the hub's answer makes no sense: ", err.text);
}

static void say_denied(struct download *d, int status)
{
    const char *token = d->owner->token ? "with the token it was given" : "without a token";

    if (str_eq(d->error_code, "RepoNotFound"))
        fail(d, API_MODEL_ACCESS_DENIED,
             "the hub shows no repository %.200s %s (status %d): it does not exist, or it is "
             "private",
             d->ref.repo, token, status);
    else
        fail(d, API_MODEL_ACCESS_DENIED, "the hub refuses access to %.200s %s: status %d%s%s",
             d->ref.repo, token, status, d->error_code[0] ? ", " : "", d->error_code);
}

static void say_not_found(struct download *d)
{
    if (str_eq(d->error_code, "RevisionNotFound"))
        fail(d, API_MODEL_NOT_FOUND, "the repository %.200s has no revision %.200s", d->ref.repo,
             d->ref.revision ? d->ref.revision : "main");
    else
        fail(d, API_MODEL_NOT_FOUND, "the hub %.200s has no repository %.200s", d->owner->endpoint,
             d->ref.repo);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ask_hub(arg);
}

static void try_again(struct download *d, const char *why)
{
    int64_t ms = (int64_t)FETCH_BACKOFF_MS << d->tries;
    struct timeval when;

    d->tries++;
    if (d->tries >= DOWNLOAD_API_MAX_TRIES) {
        fail(d, API_DOWNLOAD_FAILED,
             "the hub %.200s does not tell about %.200s: %s; tried %u times", d->owner->endpoint,
             d->ref.repo, why, d->tries);
        return;
    }
    if (ms < d->retry_after_ms)
        ms = d->retry_after_ms;
    log_info("download of %s: %s; asking again in %lld ms", d->model_ref, why, (long long)ms);
    when = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (!d->timer)
        d->timer = evtimer_new(d->owner->p.base, on_timer, d);
    if (!d->timer || evtimer_add(d->timer, &when))
        fail(d, API_INTERNAL, "the hive is out of memory");
}

static void on_answer(void *arg, int rc, const struct http_response *r, const struct err *err)
{
    struct download *d = arg;
    char why[64];

    d->call = NULL;
    if (rc == ERR_DENIED || rc == ERR_INVALID || rc == ERR_LIMIT) {
        fail(d, API_DOWNLOAD_FAILED, "the hub %.200s cannot be asked: %s", d->owner->endpoint,
             err->text);
    } else if (rc) {
        try_again(d, err->text);
    } else if (r->status == 200) {
        take_answer(d, r->body);
    } else if (r->status == 401 || r->status == 403) {
        say_denied(d, r->status);
    } else if (r->status == 404) {
        say_not_found(d);
    } else if (r->status == 408 || r->status == 429 || r->status >= 500) {
        snprintf(why, sizeof why, "the hub answers %d", r->status);
        try_again(d, why);
    } else {
        fail(d, API_DOWNLOAD_FAILED, "the hub %.200s answers %d when asked about %.200s",
             d->owner->endpoint, r->status, d->ref.repo);
    }
}

static void on_header(void *arg, int status, const char *name, const char *value)
{
    struct download *d = arg;
    uint64_t n;

    (void)status;
    if (str_eq(name, "x-error-code"))
        str_copy(d->error_code, sizeof d->error_code, value);
    else if (str_eq(name, "retry-after") && str_to_u64(value, &n) == 0)
        d->retry_after_ms = n < FETCH_RETRY_MAX_MS / 1000 ? (int64_t)n * 1000 : FETCH_RETRY_MAX_MS;
}

static void ask_hub(struct download *d)
{
    char *url = hub_api_url(d->owner->endpoint, d->ref.repo, d->ref.revision);
    struct http_call_params call = {.url = url,
                                    .bearer = d->owner->token,
                                    .body_max = HUB_ANSWER_MAX,
                                    .follow = true,
                                    .timeout_ms = DOWNLOAD_API_LIMIT_MS,
                                    .arg = d,
                                    .on_header = on_header,
                                    .on_done = on_answer};
    struct err err = {0};
    int rc = url ? http_call_start(d->owner->p.client, &call, &d->call, &err)
                 : err_no_memory(&err, 1, "an URL");

    free(url);
    d->error_code[0] = '\0';
    d->retry_after_ms = 0;
    if (rc)
        fail(d, API_DOWNLOAD_FAILED, "the hub cannot be asked: %s", err.text);
}

void download_resolve(struct download *d)
{
    d->state = DOWNLOAD_RESOLVING;
    d->card = find_card(d, d->model_ref, NULL);
    d->from_card = d->card != NULL;
    if (d->from_card) {
        log_info("download of %s goes on at commit %s", d->model_ref, d->card->commit);
        download_fetch(d);
    } else {
        ask_hub(d);
    }
}
