/* download_resolve.c - which files a reference means: from a card on disk, else from the hub. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "hive/fetch/hub.h"
#include "hive/fetch/hub_ask.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/download_internal.h"
#include "hive/models/models_internal.h"

/* ---- the card ---- */

/* The one on disk of a reference, or at a path; *out NULL: there is none. */
static int find_card(const struct download *d, const char *model_ref, const char *path,
                     struct card **out, struct err *err)
{
    return card_find(d->owner->p.reach, d->owner->models_dir, d->ref.repo, model_ref, path, out,
                     err);
}

/* An import that is at work brings that model, or files that are its own, too: they may be the only
 * ones that the user has, on their way here. */
static int check_free(const struct download *d, const struct card *c, struct err *err)
{
    if (!at_work_brings(d->owner->p.at_work, c, d->model_ref))
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "%.200s is being imported at this moment: pull it when that is done, if it is "
                   "not here then",
                   d->model_ref);
}

/* What an import that did not end has left here of another commit may be all there is of it. */
static int check_former(const struct download *d, const struct card *c, struct err *err)
{
    const struct card *former = d->card;

    if (!former || str_eq(former->path, c->path) || !former->origin || card_n_there(former) == 0)
        return 0;
    return err_set(
        err, ERR_CONFLICT,
        "%zu of its %zu files are here, imported from %.200s, and the hub has another "
        "commit now: import it again, or delete them with `rbee-keeper models rm %.200s`",
        card_n_there(former), former->n_files, former->origin, d->model_ref);
}

/* The hub has another commit now than an earlier life took files of: these are of no use. */
static void drop_former(struct download *d, const struct card *former)
{
    struct unlinked u = {0}; /* tens of gigabytes may have come */
    struct err err;

    log_info("download of %s: commit %s is gone from the hub, %s is there now", d->model_ref,
             former->commit, d->card->commit);
    if (downloads_write_to(d->owner, former))
        return; /* another reference's, which will hear of it */
    if (at_work_brings(d->owner->p.at_work, former, d->model_ref))
        return;
    if (card_reach(d->owner->p.reach, former, NULL))
        return; /* it stays: `models prune` finds it */
    if (card_is_complete(former))
        return; /* an import has brought it while the hub was asked */
    downloads_sweep(d->owner, former);
    if (card_remove_all(d->owner->p.reach, d->owner->models_dir, former, &u, NULL, &err))
        log_warn("%s", err.text);
    unlinked_reply(&u, d->owner->p.tasks, NULL, 0, NULL);
}

static void take_card(struct download *d, struct card *c)
{
    struct card *former = d->card;

    d->card = c;
    if (former && !str_eq(former->path, c->path))
        drop_former(d, former);
    card_free(former);
}

/* The card of what was chosen: the one on disk when another reference made it, else a new one. */
static int make_card(struct download *d, const struct hub_repo *repo,
                     const struct hub_choice *choice, struct err *err)
{
    struct card *c, *old = NULL;
    int rc = card_create(d->owner->models_dir, d->ref.repo, repo->commit, choice->quant, &c, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < choice->n_files && rc == 0; i++) {
        const struct hub_file *f = &repo->files[choice->files[i]];

        rc = card_add_file(c, f->name, f->size_bytes, f->sha256, err);
    }
    if (rc == 0)
        rc = find_card(d, NULL, c->path, &old, err);
    if (old) {
        card_free(c);
        c = old;
    } else if (rc == 0) {
        rc = card_check_names(d->owner->p.reach, d->owner->models_dir, c, err);
    }
    if (rc == 0)
        rc = check_free(d, c, err);
    if (rc == 0)
        rc = check_former(d, c, err);
    if (rc == 0)
        rc = card_add_ref(c, d->model_ref, err);
    if (rc)
        card_free(c);
    else
        take_card(d, c);
    return rc;
}

/* ---- the hub's answer ---- */

static void take_answer(struct download *d, const struct buf *body)
{
    struct hub_choice *choice = calloc(1, sizeof *choice);
    struct hub_repo repo = {0};
    struct api_error e = {0};
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
    if (rc == 0) {
        download_fetch(d);
    } else if (rc == ERR_NOT_FOUND) {
        api_error_set(&e, API_MODEL_NOT_FOUND, REPLY_SRC, "%s", err.text);
        download_fail(d, &e);
    } else {
        err_prefix(&err, "%.200s%s", d->model_ref,
                   parsed ? "" : ": the hub's answer makes no sense");
        download_fail_of(d, &err);
    }
}

static void on_answer(void *arg, const struct buf *body, struct api_error *e)
{
    struct download *d = arg;

    d->ask = NULL;
    if (body)
        take_answer(d, body);
    else
        download_fail(d, e);
}

static void ask_hub(struct download *d)
{
    const struct hub_ask_params params = {.base = d->owner->p.base,
                                          .client = d->owner->p.client,
                                          .turns = d->owner->p.hub_turns,
                                          .who = "",
                                          .endpoint = d->owner->endpoint,
                                          .token = d->owner->token,
                                          .repo = d->ref.repo,
                                          .revision = d->ref.revision,
                                          .arg = d,
                                          .done = on_answer};
    struct api_error e = {0};

    if (hub_ask_start(&params, &d->ask, &e))
        download_fail(d, &e);
}

void download_resolve(struct download *d)
{
    struct err err;

    d->state = DOWNLOAD_RESOLVING;
    if (find_card(d, d->model_ref, NULL, &d->card, &err) || check_free(d, d->card, &err)) {
        download_fail_of(d, &err);
        return;
    }
    d->from_card = d->card != NULL;
    if (d->from_card) {
        log_info("download of %s goes on at commit %s", d->model_ref, d->card->commit);
        download_fetch(d);
    } else {
        ask_hub(d);
    }
}

void download_resolve_anew(struct download *d)
{
    d->state = DOWNLOAD_RESOLVING;
    d->from_card = false;
    ask_hub(d);
}
