/* upload_here.c - an upload whose model is here already, or cannot come now: see upload_internal.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/chores/upload_internal.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"

/* *out: the card of the same files, all there, that the reference means here; NULL. -1 with *e. */
static int card_here(const struct upload *u, const char *model_ref, struct card **out,
                     struct api_error *e)
{
    if (models_card(u->h->models, model_ref, out, e))
        return -1;
    if (*out && models_is_whole(u->h->models, *out) && card_same_files(*out, u->card))
        return 0;
    card_free(*out);
    *out = NULL;
    return 0;
}

/* A hub's model may have come in under its commit, as import does where the name was taken. */
static int find_here(const struct upload *u, struct card **out, struct api_error *e)
{
    const struct manifest_model *m = upload_model(u);
    int rc = card_here(u, m->model_ref, out, e);
    char *pinned = NULL;

    if (rc == 0 && !*out && str_starts(m->model_ref, "hf:") && !strchr(m->model_ref, '@'))
        pinned = str_printf("%s@%s", m->model_ref, m->commit);
    if (pinned)
        rc = card_here(u, pinned, out, e);
    free(pinned);
    return rc;
}

/* 503: whoever asks again learns what became of it. */
static void say_busy(const struct upload *u, struct http_exchange *x, const char *what,
                     const char *hint)
{
    struct api_error e;

    api_error_set(&e, API_ALL_SLOTS_BUSY, REPLY_SRC,
                  "%.200s has come, and is being %s at this moment", upload_model(u)->model_ref,
                  what);
    e.details = json_pack("{s:s}", "hint", hint);
    reply_error_after(x, 0, &e, UPLOAD_RETRY_S);
}

static void say_being_taken(const struct upload *u, struct http_exchange *x)
{
    say_busy(u, x, "hashed and taken in", "Ask again in a while: it is there then.");
}

bool upload_is_looked_at(const struct upload *u, struct http_exchange *x)
{
    bool is = at_work_looks(&u->h->models->at_work, u->dir);

    if (is)
        say_busy(u, x, "looked at for another push of it", "Ask again in a while.");
    return is;
}

static json_t *here_json(const struct card *card)
{
    return json_pack("{s:s, s:s}", "stage", "here", "local_path", card->files[0].path);
}

/* Takes the card over. */
static void say_here(struct upload *u, struct http_exchange *x, struct card *card)
{
    struct chore *c = chore_begin(u->h, x);

    if (c) {
        chore_say(c, here_json(card));
        chore_end(c);
    }
    card_free(card);
}

/* ---- all of it is on the disk, and on no list ---- */

/* Of a model that nobody has judged yet, or that could not be run when somebody did. */
struct judging {
    struct hive *h;
    struct card *card; /* owned */
};

static void take_verdict(struct models *m, struct card *card)
{
    struct catalog_verdict v = {0};

    if (catalog_get_verdict(m->catalog, card->files[0].sha256, &v, NULL) ||
        str_eq(v.judge, card->verdict.judge))
        return;
    card->verdict = v;
    flush_card_later(m->reach, m->tasks, card);
}

static void say_judged(struct models *m, struct chore *c, struct card *card,
                       const struct api_error *verdict)
{
    const char *name = card_name(card);
    struct api_error e = {0};
    struct err err;
    bool whole;

    if (card_reach(m->reach, card, &err)) {
        chore_say_error(c, name, API_DISK_NOT_ANSWERING, err.text);
        return;
    }
    whole = models_is_whole(m, card);
    if (whole)
        take_verdict(m, card);
    if (!whole)
        api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.200s was here, and was removed while it was judged: push it again", name);
    else if (verdict)
        api_error_set(&e, verdict->code, REPLY_SRC, "%.200s is here (%.300s), but: %.400s", name,
                      card->files[0].path, verdict->message);
    else if (models_enter_all(m, card, &err))
        api_error_set(&e, api_code_of_files(err.code, API_INTERNAL), REPLY_SRC,
                      "all of %.200s is here, but cannot be listed: %s", name, err.text);
    if (e.message[0])
        chore_say_error(c, name, e.code, e.message);
    else
        chore_say(c, here_json(card));
}

static void on_judged(void *arg, struct chore *c, const struct api_error *verdict)
{
    struct judging *j = arg;

    if (!chore_is_gone(c))
        say_judged(j->h->models, c, j->card, verdict);
    chore_end(c);
    card_free(j->card);
    free(j);
}

/* The program's word is kept as long as that stays the same: who asks again hears it at once. */
static void judge_and_say(struct upload *u, struct http_exchange *x, struct card *card)
{
    struct judging *j = calloc(1, sizeof *j);
    struct chore *c = j ? chore_begin(u->h, x) : NULL;

    if (c) {
        *j = (struct judging){u->h, card};
        chore_judge(c, card->files[0].path, card->files[0].sha256, on_judged, j);
        return;
    }
    if (!j)
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
    free(j);
    card_free(card);
}

/* Nobody can use what no list shows: the catalog could not be written when it came. Takes the card
 * over. */
static void list_and_say_here(struct upload *u, struct http_exchange *x, struct card *card)
{
    struct err err;
    int rc;

    if (!card->verdict.judge[0] || card->verdict.code[0]) {
        judge_and_say(u, x, card);
        return;
    }
    rc = models_enter_all(u->h->models, card, &err);
    if (rc == 0) {
        say_here(u, x, card);
        return;
    }
    reply_fail(x, api_code_of_files(rc, API_INTERNAL),
               "all of %.200s is here, but cannot be listed: %s", card_name(card), err.text);
    card_free(card);
}

/* ---- what else there may be ---- */

static bool is_listed(const struct upload *u, const struct card *card)
{
    uint64_t n_rows = 0;

    return catalog_count_path(u->h->models->catalog, card->files[0].path, &n_rows, NULL) ||
           n_rows > 0;
}

/* The name means another file here. A hub's model of another commit is none: import tells them
 * apart. */
static bool is_other(const struct upload *u, struct http_exchange *x)
{
    const struct manifest_model *m = upload_model(u);
    struct api_error e = {0};
    struct card *card;
    bool other, away = models_card(u->h->models, m->model_ref, &card, &e) != 0;

    if (away)
        reply_error(x, 0, &e);
    other = card && card_is_complete(card) && !card_same_files(card, u->card) &&
            (str_starts(m->model_ref, "local:") || str_eq(card->commit, m->commit));

    if (other)
        reply_fail(x, API_INVALID_REQUEST,
                   "%.200s is another file here: its SHA-256 is %s, that of the one to come %s; "
                   "remove it here, or import yours under another name",
                   m->model_ref, card->files[0].sha256, m->files[0].sha256);
    card_free(card);
    return other || away;
}

/* 409 with what to do about it. */
static bool is_downloading(const struct upload *u, struct http_exchange *x)
{
    const char *ref =
        downloads_under_way(u->h->models->downloads, upload_model(u)->model_ref, u->card->path);
    struct api_error e;

    if (!ref)
        return false;
    api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                  "%.200s is being downloaded here at this moment: wait until that is done, or end "
                  "it with `rbee-keeper models cancel %.200s`, then push again",
                  ref, ref);
    e.details = json_pack("{s:s}", "hint", "`rbee-keeper models downloads` shows how far it is.");
    reply_error(x, 409, &e);
    return true;
}

static bool is_being_taken(const struct upload *u, struct http_exchange *x)
{
    bool taken = at_work_takes(&u->h->models->at_work, u->dir);

    if (taken)
        say_being_taken(u, x);
    return taken;
}

/* Said before a byte comes: no file of it is called as one of another model's is. */
static bool is_apart(const struct upload *u, struct http_exchange *x)
{
    struct api_error e = {0};
    struct err err;
    int rc = models_check_names(u->h->models, u->card, &err);

    if (rc == ERR_UNREACHABLE || rc == ERR_NO_MEMORY || rc == ERR_IO) {
        models_away(&err, &e);
        reply_error(x, 0, &e);
    } else if (rc) {
        reply_fail(x, API_INVALID_REQUEST, "%s", err.text);
    }
    return rc == 0;
}

/* It is on the disk, and on no list: on its way in, or left there when the catalog could not be
 * written. Takes the card over. */
static void answer_unlisted(struct upload *u, struct http_exchange *x, struct card *card)
{
    if (is_downloading(u, x) || is_being_taken(u, x)) {
        card_free(card);
    } else if (at_work_brings(&u->h->models->at_work, card, upload_model(u)->model_ref)) {
        say_being_taken(u, x);
        card_free(card);
    } else {
        list_and_say_here(u, x, card);
    }
}

bool upload_is_answered(struct upload *u, struct http_exchange *x)
{
    struct api_error e = {0};
    struct card *card = NULL;
    struct err away;

    if (models_check_dir(u->h->models, &away)) {
        models_away(&away, &e);
        reply_error(x, 0, &e);
        return true;
    }
    if (find_here(u, &card, &e))
        reply_error(x, 0, &e);
    else if (card && is_listed(u, card))
        say_here(u, x, card);
    else if (card)
        answer_unlisted(u, x, card);
    else if (!is_other(u, x) && !is_downloading(u, x) && !is_being_taken(u, x) && is_apart(u, x))
        return false;
    return true;
}
