/* model.c - which model a name means; see model.h. The waiting is in model_wait.c. */
#include "hive/gateway/model.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/http/reply.h"
#include "hive/models/models.h"

#define BUNDLED "tiny" /* as references have it, see modelref.h */

void model_place_done(struct model_place *p)
{
    free(p->ref);
    free(p->path);
    *p = (struct model_place){0};
}

static int set_place(struct model_place *out, const char *ref, const char *path,
                     struct api_error *e)
{
    out->ref = ref ? str_dup(ref) : NULL; /* NULL: it was found, and there was no memory for it */
    out->path = path ? str_dup(path) : NULL;
    if (out->ref && out->path)
        return 0;
    model_place_done(out);
    api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    return -1;
}

/* ---- does a name fit? ---- */

/* True when `name` is `whole`, or that without `tail` at its end. */
static bool is_with_or_without(const char *name, const char *whole, const char *tail)
{
    size_t n = strlen(name), n_whole = strlen(whole), n_tail = strlen(tail);

    if (n == n_whole)
        return strcasecmp(name, whole) == 0;
    return n + n_tail == n_whole && strncasecmp(name, whole, n) == 0 &&
           strcasecmp(whole + n, tail) == 0;
}

static const char latest[] = ":latest";

/* Names are case-blind, but a path is not: another file may lie there. */
static bool fits_ref(const char *name, const char *ref, const char *tail)
{
    if (str_starts(ref, "file:"))
        return str_eq(name, ref);
    if (is_with_or_without(name, ref, tail))
        return true;
    if (str_starts(ref, "hf:"))
        return is_with_or_without(name, ref + 3, tail);
    return str_starts(ref, MODEL_REF_LOCAL_WORD) &&
           is_with_or_without(name, ref + strlen(MODEL_REF_LOCAL_WORD), tail);
}

static bool fits(const char *name, const char *ref, const char *path, bool loosely)
{
    return fits_ref(name, ref, loosely ? latest : "") ||
           (path[0] && is_with_or_without(name, path_base(path), ".gguf"));
}

/* ---- the models that there are ---- */

struct search {
    const char *name;
    bool loosely;     /* also a reference that has ":latest" more than the name */
    char *ref, *path; /* the one that fits; owned */
    bool exact;       /* the name is its reference, to the letter: no other fits */
    unsigned n_fit;   /* different ones */
    struct near near;
};

static void found(struct search *s, const char *ref, const char *path)
{
    bool exact = s->name && str_eq(s->name, ref);

    if (s->ref && str_eq(s->ref, ref)) { /* of several workers the newest has the newest file */
        free(s->path);
        s->path = str_dup(path);
        return;
    }
    if (s->exact)
        return;
    s->n_fit = exact ? 1 : s->n_fit + 1;
    if (s->ref && !exact)
        return;
    free(s->ref);
    free(s->path);
    s->exact = exact;
    s->ref = str_dup(ref);
    s->path = str_dup(path);
}

static void forget_fit(struct search *s)
{
    free(s->ref);
    free(s->path);
    s->ref = s->path = NULL;
    s->n_fit = 0;
}

static void search_done(struct search *s)
{
    forget_fit(s);
    near_done(&s->near);
}

static bool look_at_worker(void *arg, const struct worker *w)
{
    struct search *s = arg;
    struct worker_look look;

    worker_look(w, &look);
    if (!look.usable)
        return true;
    near_add(&s->near, look.model_ref);
    if (!s->name || fits(s->name, look.model_ref, look.model_path, s->loosely))
        found(s, look.model_ref, look.model_path);
    return true;
}

static void look_at_models(struct search *s, struct hive *h)
{
    json_t *all = models_list_json(h->models), *row;
    size_t i;

    json_array_foreach(json_object_get(all, "models"), i, row)
    {
        const char *ref = json_string_value(json_object_get(row, "model_ref")),
                   *path = json_string_value(json_object_get(row, "local_path"));

        if (!ref || !path)
            continue;
        near_add(&s->near, ref);
        if (s->name && fits(s->name, ref, path, s->loosely))
            found(s, ref, path);
    }
    json_decref(all);
}

/* ---- what it comes to ---- */

static void say_ambiguous(const struct search *s, struct api_error *e)
{
    char names[ERR_TEXT_MAX / 2];

    near_text(&s->near, s->name ? s->name : "", names, sizeof names);
    if (s->name)
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "'%.100s' means %u models here; name one in full: %s", s->name, s->n_fit,
                      names);
    else if (s->n_fit)
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "the request names no model, and %u are loaded; name one: %s", s->n_fit,
                      names);
    else
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "the request names no model, and none is loaded%s%s",
                      names[0] ? "; name one: " : "", names);
    e->details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "model", "constraint",
                           "names one model", "message", e->message);
}

/* Of the bundled model: where it was looked for, and how it is installed. False for another. */
static bool say_not_bundled(struct hive *h, const struct search *s, struct api_error *e)
{
    char *ref = NULL, *path = NULL;
    int rc = str_eq(s->name, BUNDLED) ? models_locate(h->models, BUNDLED, &ref, &path, e) : 0;

    free(ref);
    free(path);
    return rc != 0;
}

static void say_missing(struct hive *h, const struct search *s, struct api_error *e)
{
    char names[ERR_TEXT_MAX / 2];

    near_text(&s->near, s->name, names, sizeof names);
    if (!say_not_bundled(h, s, e))
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "there is no model '%.200s' here%s%s",
                      s->name, names[0] ? "; what comes nearest: " : "", names);
    if (!e->details)
        e->details = json_object();
    json_object_set_new(e->details, "errors",
                        json_pack("[{s:s, s:s, s:s}]", "field", "model", "constraint",
                                  "a model that is here", "message", e->message));
}

/* Is it a reference that the hub may know, and may it be fetched? */
static bool may_pull(struct hive *h, const char *name)
{
    return str_starts(name, "hf:") && str_eq(config_text(h->config, "hive", "auto_pull"), "on");
}

/* By its reference, in whatever spelling; *out stays empty when it is none, or not here. -1 with *e
 * when that cannot be told. */
static int locate(struct hive *h, const char *name, struct model_place *out, struct api_error *e)
{
    if (models_locate(h->models, name, &out->ref, &out->path, e) == 0)
        return 0;
    *out = (struct model_place){0};
    if (e->code == API_DISK_NOT_ANSWERING)
        return -1;
    api_error_done(e);
    return 0;
}

/*
 * A loaded one fits: where its reference leads now, which may be to another file than the one that
 * its worker was started with (a link was switched, an import came under the same name). What is
 * nowhere any more, or cannot be looked at, is served on by the worker that has it. *out stays
 * empty when it was the old file that had the name: then nothing has been found.
 */
static int take_loaded(struct hive *h, struct search *s, struct model_place *out,
                       struct api_error *e)
{
    if (s->ref && locate(h, s->ref, out, e))
        api_error_done(e);
    if (!out->ref)
        return set_place(out, s->ref, s->path, e);
    if (s->name && !fits(s->name, out->ref, out->path, s->loosely)) {
        model_place_done(out);
        forget_fit(s);
    }
    return 0;
}

/* What the name means: its very reference, else a loaded model that it fits, else any that is here.
 * *out stays empty when there is none. */
static int search(struct hive *h, struct search *s, struct model_place *out, struct api_error *e)
{
    workers_each(h->workers, look_at_worker, s);
    if (s->exact)
        return take_loaded(h, s, out, e);
    if (locate(h, s->name, out, e))
        return -1;
    if (out->ref)
        return 0;
    if (s->n_fit == 1 && (take_loaded(h, s, out, e) || out->ref))
        return out->ref ? 0 : -1;
    look_at_models(s, h);
    if (s->n_fit == 1)
        return models_reach(h->models, s->path, e) ? -1 : set_place(out, s->ref, s->path, e);
    if (s->n_fit == 0)
        return 0;
    say_ambiguous(s, e);
    return -1;
}

/* It is not here: may it be fetched? */
static int find_at_hub(struct hive *h, const struct search *s, struct model_place *out,
                       struct api_error *e)
{
    struct model_ref ref;
    char *canonical = NULL;
    int rc = -1;

    if (!may_pull(h, s->name)) {
        say_missing(h, s, e);
        return -1;
    }
    if (model_ref_parse(s->name, &ref, NULL) == 0 && (canonical = model_ref_text(&ref)))
        rc = set_place(out, canonical, "", e);
    else
        say_missing(h, s, e);
    free(canonical);
    model_ref_done(&ref);
    return rc;
}

/* The first `n` bytes of a name, "hf.co/" in rbee's words. */
static char *rbee_name(const char *name, size_t n)
{
    static const char hub[] = "hf.co/";

    if (n >= sizeof hub - 1 && str_starts(name, hub))
        return str_printf("hf:%.*s", (int)(n - (sizeof hub - 1)), name + sizeof hub - 1);
    return str_ndup(name, n);
}

char *model_plain_name(const char *name)
{
    size_t n = strlen(name);

    return rbee_name(name,
                     n >= sizeof latest && str_ends(name, latest) ? n - (sizeof latest - 1) : n);
}

/* As it was given first: an import from Ollama has ":latest" in its reference. */
static int find_named(struct hive *h, const char *name, struct model_place *out,
                      struct api_error *e)
{
    char *given = rbee_name(name, strlen(name)), *plain = model_plain_name(name);
    struct search strict = {.name = given}, loose = {.name = plain, .loosely = true};
    int rc = -1;

    if (!given || !plain)
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    else
        rc = search(h, &strict, out, e);
    if (rc == 0 && !out->ref)
        rc = search(h, &loose, out, e);
    if (rc == 0 && !out->ref)
        rc = find_at_hub(h, &loose, out, e);
    search_done(&strict);
    search_done(&loose);
    free(given);
    free(plain);
    return rc;
}

/* No name: the one that is loaded. */
static int find_loaded(struct hive *h, struct model_place *out, struct api_error *e)
{
    struct search s = {0};
    int rc = -1;

    workers_each(h->workers, look_at_worker, &s);
    if (s.n_fit == 1) {
        rc = take_loaded(h, &s, out, e);
    } else {
        look_at_models(&s, h);
        say_ambiguous(&s, e);
    }
    search_done(&s);
    return rc;
}

int model_find(struct hive *h, const char *name, struct model_place *out, struct api_error *e)
{
    *out = (struct model_place){0};
    return name ? find_named(h, name, out, e) : find_loaded(h, out, e);
}
