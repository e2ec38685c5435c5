/* models.c - see models.h: opening and fetching. The rest is in models_locate.c, models_list.c. */
#include "hive/models/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/disk/reach.h"
#include "hive/http/reply.h"
#include "hive/models/admit.h"
#include "hive/models/models_internal.h"

/* ---- the catalog's rows, made from cards ---- */

int models_enter(struct models *m, const char *model_ref, const struct card *card, struct err *err)
{
    char *source = card_source(card);
    struct catalog_row row = {.path = card->files[0].path,
                              .source = source,
                              .file = card->files[0].name,
                              .quantization = card->quantization,
                              .sha256 = card->files[0].sha256,
                              .size_bytes = card_total_bytes(card),
                              .verified = card_is_verified(card)};
    struct catalog_row before = {0};
    char *ref = str_dup(model_ref);
    int rc;

    row.downloaded_ms =
        reach_check(m->reach, card->path, NULL) ? clock_unix_ms() : card_arrived_ms(card);
    if (catalog_get(m->catalog, model_ref, &before, NULL) == 0 && str_eq(before.sha256, row.sha256))
        row.last_used_ms = before.last_used_ms;
    catalog_row_done(&before);
    row.model_ref = ref;
    rc = source && ref ? catalog_put(m->catalog, &row, err)
                       : err_no_memory(err, strlen(model_ref), "a row of the catalog");
    if (rc == 0)
        models_is_in(m, card->files[0].path);
    if (rc == 0 && m->entered)
        m->entered(m->entered_arg, model_ref, card->files[0].path);
    free(source);
    free(ref);
    return rc;
}

static bool is_bad(void *arg, const char *path)
{
    return models_is_bad(arg, path);
}

static int on_complete(void *arg, const char *model_ref, const struct card *card,
                       struct api_error *e)
{
    struct err err;

    if (models_enter(arg, model_ref, card, &err) == 0)
        return 0;
    api_error_of_files(e, REPLY_SRC, &err);
    return -1;
}

void models_judge(void *arg, struct card *card,
                  void (*done)(void *done_arg, const struct api_error *e), void *done_arg,
                  struct admit **out)
{
    struct models *m = arg;
    const struct admit_params params = {.looks = m->looks,
                                        .config = m->config,
                                        .models = m,
                                        .path = card->files[0].path,
                                        .sha256 = card->files[0].sha256,
                                        .verdict = &card->verdict,
                                        .arg = done_arg,
                                        .done = done};

    admit_start(&params, out);
}

/* The catalog's word, if it has one, goes to the card, else the card's to the catalog. */
static void settle_verdict(struct models *m, struct card *card)
{
    const char *sha256 = card->files[0].sha256;
    struct catalog_verdict v = {0};
    struct err err = {0};
    int rc = sha256[0] ? catalog_get_verdict(m->catalog, sha256, &v, &err) : ERR_UNSUPPORTED;

    if (rc == ERR_NOT_FOUND && card->verdict.judge[0]) {
        rc = catalog_put_verdict(m->catalog, sha256, &card->verdict, &err);
    } else if (rc == 0 &&
               !(str_eq(card->verdict.judge, v.judge) && str_eq(card->verdict.code, v.code))) {
        card->verdict = v;
        rc = card_save(card, &err);
    } else {
        rc = 0;
    }
    if (rc)
        log_warn("%s", err.text);
}

/* It has its name, and not its bytes: a power cut took them, or somebody did. */
static void look_at_sizes(const struct card *card)
{
    struct err why;

    if (card_is_cut(card, &why))
        log_warn("%s is not used: %s; pull or import it again, or delete it with `rbee-keeper "
                 "models rm %s`",
                 card_name(card), why.text, card_name(card));
}

/* The hive was killed before all files of an import were here, or some were lost later. */
static void look_at_import(const struct card *card)
{
    size_t n = card_n_there(card);

    if (n == 0)
        card_remove(card);
    else if (n < card->n_files)
        log_warn("%s: %zu of its %zu files are here, in %s: import it again, or delete them with "
                 "`rbee-keeper models rm %s`",
                 card->refs[0], n, card->n_files, card->dir, card->refs[0]);
}

bool models_holds(const struct models *m, const char *path)
{
    size_t n = strlen(m->dir);

    return strncmp(path, m->dir, n) == 0 && path[n] == '/';
}

/* Where the folder of the models has moved, a row may lead to where the card's files were. */
static bool leads_elsewhere(struct models *m, const struct catalog_row *row,
                            const struct card *card)
{
    bool inside = models_holds(m, row->path);

    return !str_eq(row->path, card->files[0].path) &&
           !(inside && (reach_check(m->reach, row->path, NULL) || path_is_file(row->path)));
}

static bool is_entered(struct models *m, const char *model_ref, const struct card *card)
{
    struct catalog_row row = {0};
    int rc = catalog_get(m->catalog, model_ref, &row, NULL);
    bool entered = rc == 0 ? !leads_elsewhere(m, &row, card) : rc != ERR_NOT_FOUND;

    catalog_row_done(&row);
    return entered;
}

int models_enter_all(struct models *m, const struct card *card, struct err *err)
{
    struct err why;
    int rc = 0;

    for (size_t i = 0; i < card->n_refs; i++)
        if (!is_entered(m, card->refs[i], card) && models_enter(m, card->refs[i], card, &why)) {
            log_warn("%s", why.text);
            rc = err_set(err, why.code, "%s", why.text);
        }
    return rc;
}

/* What is on disk and not in the catalog enters it again, once it is judged. One that could not be
 * run is asked about again: the program may be a later one, and can (admit.h). */
static bool on_card(void *arg, struct card *card)
{
    struct models *m = arg;
    bool known = false;

    card_sweep(card);
    if (card_is_local(card) && card->n_refs > 0)
        look_at_import(card);
    if (!models_is_whole(m, card)) {
        look_at_sizes(card);
        card_free(card);
        return true;
    }
    settle_verdict(m, card);
    if (m->whole)
        m->whole(m, card);
    for (size_t i = 0; i < card->n_refs; i++)
        known = known || is_entered(m, card->refs[i], card);
    if (!known && (!card->verdict.judge[0] || card->verdict.code[0])) {
        models_judge_late(m, card);
        return true;
    }
    if (!card->verdict.code[0])
        models_enter_all(m, card, NULL);
    card_free(card);
    return true;
}

static void on_cardless(void *arg, const struct catalog_row *row)
{
    struct err why;

    models_say_cardless(arg, row->model_ref, &why);
    log_warn("%s", why.text);
}

/* Of a listed model that was told. Else it is on no list for that: somebody should know. */
static void on_unreadable_card(void *arg, const char *path)
{
    char *file = str_ndup(path, strlen(path) - strlen(CARD_TAIL));
    struct models *m = arg;
    uint64_t n_rows = 0;
    struct err why;

    if (file)
        catalog_count_path(m->catalog, file, &n_rows, NULL);
    if (n_rows == 0 && card_is_withheld(path, &why))
        log_warn("%s", why.text);
    else if (n_rows == 0)
        log_warn("%s cannot be read as what was noted of a model: pull or import that model again, "
                 "or delete what is left of it with `rbee-keeper models prune`",
                 path);
    free(file);
}

/* On a full disk the hive comes up all the same: what is there serves, and can be removed. */
static int open_catalog(struct models *m, const char *path, struct err *err)
{
    struct err away = {0};
    char *aside;
    int rc = catalog_open(path, &m->catalog, &aside, err);

    if (rc == ERR_NO_SPACE) {
        log_warn("%s: it is made from what is on disk, and kept in memory until the hive ends; "
                 "make room, e.g. with `rbee-keeper models rm`",
                 err->text);
        rc = catalog_open_in_memory(&m->catalog, err);
    }
    if (rc)
        return rc;
    if (aside)
        log_warn("the catalog %s was damaged: it is now %s, and a new one is made from what is on "
                 "disk",
                 path, aside);
    if (models_check_dir(m, &away))
        log_warn("%s", away.text);
    models_mend_all(m, on_cardless, m);
    if (card_scan_all(m->reach, m->dir, NULL, on_card, on_unreadable_card, m, &away))
        log_warn("%s: models there are known from the catalog only", away.text);
    free(aside);
    return 0;
}

int models_create(const struct models_params *params, struct models **out, struct err *err)
{
    struct models *m = calloc(1, sizeof *m);
    struct downloads_params downloads = {.base = params->base,
                                         .client = params->client,
                                         .hub_turns = params->hub_turns,
                                         .post = params->post,
                                         .tasks = params->tasks,
                                         .reach = params->reach,
                                         .models_dir = params->dir,
                                         .at_work = &m->at_work,
                                         .endpoint = params->endpoint,
                                         .token = params->token,
                                         .stall_ms = params->stall_ms,
                                         .connections = params->connections,
                                         .limit_per_sec = params->limit_per_sec,
                                         .arg = m,
                                         .is_bad = is_bad,
                                         .judge = models_judge,
                                         .on_complete = on_complete};
    int rc;

    if (m) {
        LIST_INIT(&m->at_work);
        TAILQ_INIT(&m->late);
    }
    if (!m || !(m->dir = str_dup(params->dir)) || !(m->endpoint = str_dup(params->endpoint)) ||
        (params->token && !(m->token = str_dup(params->token)))) {
        models_free(m);
        return err_no_memory(err, sizeof *m, "the models");
    }
    m->base = params->base;
    m->looks = params->looks;
    m->reach = params->reach;
    m->tasks = params->tasks;
    m->config = params->config;
    m->entered = params->entered;
    m->entered_arg = params->entered_arg;
    m->whole = params->whole;
    rc = open_catalog(m, params->catalog, err);
    if (rc == 0)
        rc = downloads_create(&downloads, &m->downloads, err);
    if (rc) {
        models_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void models_stop(struct models *m)
{
    downloads_stop_all(m->downloads);
}

void models_free(struct models *m)
{
    if (!m)
        return;
    models_late_stop(m);
    downloads_free(m->downloads);
    at_work_end_all(&m->at_work);
    catalog_close(m->catalog);
    json_decref(m->bad);
    free(m->dir);
    free(m->endpoint);
    free(m->token);
    free(m);
}

/* ---- fetching ---- */

int models_download(struct models *m, const char *text, const struct download_wish *wish,
                    char **path, char id[DOWNLOAD_ID_BYTES], struct api_error *e)
{
    struct api_error missing = {0};
    struct model_ref ref;
    struct err away;
    char *canonical;
    int rc;

    if (models_locate(m, text, &canonical, path, &missing) == 0) {
        free(canonical);
        return 0;
    }
    if (missing.code != API_MODEL_NOT_FOUND || models_parse(text, &ref, &canonical, e)) {
        *e = missing;
        return -1;
    }
    if (ref.kind == MODEL_REF_HF) {
        api_error_done(&missing);
        rc = models_check_dir(m, &away) ? models_away(&away, e) : 0;
        if (rc == 0)
            rc = downloads_begin(m->downloads, canonical, wish, id, e);
    } else {
        *e = missing;
        rc = -1;
    }
    model_ref_done(&ref);
    free(canonical);
    return rc;
}

struct download *models_find_download(struct models *m, const char *id)
{
    return downloads_find(m->downloads, id);
}

json_t *models_downloads_json(struct models *m)
{
    return downloads_json(m->downloads);
}
