/* cmd_downloads.c - `models downloads` and `models cancel`: what a node is fetching. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/commands/listing.h"
#include "keeper/models/download.h"
#include "keeper/node/contact.h"
#include "keeper/node/keeper.h"
#include "keeper/node/model.h"
#include "keeper/shell/count.h"
#include "keeper/shell/progress.h"
#include "keeper/shell/table.h"

#define CANCEL_TIMEOUT_MS 30000
#define SHORT_ID          8             /* characters of an id that a table shows */
#define ETA_MAX_S         (100 * 86400) /* nobody knows so much longer ahead */

static int add_download(struct table *t, const json_t *d)
{
    int64_t done = keeper_number(d, "bytes_downloaded", -1);
    int64_t total = keeper_number(d, "bytes_total", 0), eta = keeper_number(d, "eta_seconds", -1);
    double speed = download_speed(d);
    char id[SHORT_ID + 1], percent[8] = "-", size[16] = "-", rate[24] = "-", left[16] = "-",
                           number[16];
    const char *const cells[] = {
        id, keeper_text(d, "model_ref", "?"), keeper_cell(d, "state"), percent, size, rate, left};

    str_copy(id, sizeof id, keeper_text(d, "download_id", "-"));
    if (done >= 0 && total > 0)
        snprintf(percent, sizeof percent, "%d%%",
                 (int)((double)(done < total ? done : total) * 100 / (double)total));
    if (total > 0)
        str_human_bytes((uint64_t)total, size, sizeof size);
    if (speed >= 1) {
        str_human_bytes(count_whole(speed), number, sizeof number);
        snprintf(rate, sizeof rate, "%s/s", number);
    }
    if (eta >= 0 && eta < ETA_MAX_S)
        progress_time(eta, left, sizeof left);
    return table_add(t, cells);
}

int cmd_models_downloads(const struct cli_command *self, int argc, char **argv)
{
    static const char *const heads[] = {"ID", "MODEL", "STATE", "DONE", "SIZE", "SPEED", "LEFT"};
    static const struct listing listing = {
        .path = "/v1/models/downloads",
        .key = "downloads",
        .heads = heads,
        .n_columns = sizeof heads / sizeof heads[0],
        .empty = "No download is under way, and none ended lately.",
        .add = add_download,
    };

    return listing_run(&listing, self, argc, argv);
}

static bool is_under_way(const json_t *d)
{
    const char *state = keeper_text(d, "state", "");

    return str_eq(state, "downloading") || str_eq(state, "resolving");
}

/* What a word means: the id of a download, the beginning of one, or a model, however it is
 * written. */
struct meant {
    const char *word;
    char *model; /* owned; NULL: it is none */
};

static bool is_meant(const json_t *d, const struct meant *m)
{
    const char *model = keeper_text(d, "model_ref", "");

    return str_starts(keeper_text(d, "download_id", ""), m->word) || str_eq(model, m->word) ||
           (m->model && str_eq(model, m->model));
}

/* The one download that is meant. With `ended` also one that failed. "" when there is none or it is
 * not clear. */
static void find(const json_t *list, const struct meant *m, bool ended, char id[64])
{
    const json_t *d;
    size_t i, n = 0;

    id[0] = '\0';
    json_array_foreach(json_object_get(list, "downloads"), i, d)
    {
        const char *its = keeper_text(d, "download_id", "");

        if ((!ended && !is_under_way(d)) || (n > 0 && !is_under_way(d)))
            continue;
        if (its[0] && is_meant(d, m))
            str_copy(id, 64, ++n == 1 ? its : "");
    }
}

/* The model of a row that an earlier life of the hive left: nothing is under way, so there is no
 * id. */
static const char *find_left(const json_t *list, const struct meant *m)
{
    const json_t *d;
    size_t i;

    json_array_foreach(json_object_get(list, "downloads"), i,
                       d) if (!keeper_text(d, "download_id", NULL) &&
                              is_meant(d, m)) return keeper_text(d, "model_ref", NULL);
    return NULL;
}

/* Removing is left to the person: under the same name another commit of it may be whole. */
static int fail_to_find(struct keeper *k, const json_t *list, const struct meant *m)
{
    const char *left = find_left(list, m);
    char text[256];

    if (!left) {
        snprintf(text, sizeof text, "no single download is '%.200s'", m->word);
        return keeper_fail_missing(k, text, "`rbee-keeper models downloads` shows them.");
    }
    snprintf(text, sizeof text, "the download of %.150s was interrupted and is not under way",
             left);
    return keeper_fail_missing(k, text,
                               "`rbee-keeper models pull` goes on with it, `rbee-keeper models rm` "
                               "deletes what has come.");
}

static int delete_download(struct keeper *k, const char *word, const char *id, bool discard)
{
    char url[KEEPER_URL_MAX];
    struct client_ask ask = {.method = "DELETE", .url = url, .timeout_ms = CANCEL_TIMEOUT_MS};
    struct api_error e;

    keeper_url(k, url, "/v1/models/download/%s%s", id, discard ? "?discard=1" : "");
    if (contact_once(k, &ask, "rbee-keeper models downloads", NULL, &e))
        return contact_refused(k, &e);
    out_printf(&k->out, "Cancelled %s; %s.\n", word,
               discard ? "what had come is deleted"
                       : "what has come is kept, a pull goes on from there");
    return CLI_DONE;
}

static int cancel(struct keeper *k, const char *word, bool discard)
{
    struct meant m = {.word = word};
    struct api_error e;
    json_t *list = NULL;
    char id[64];
    int rc;

    if (contact_list(k, "/v1/models/downloads", "downloads", &list, &e))
        return keeper_fail(k, &e);
    m.model = model_name_canonical(word);
    find(list, &m, discard, id);
    rc = id[0] ? delete_download(k, word, id, discard) : fail_to_find(k, list, &m);
    free(m.model);
    json_decref(list);
    return rc;
}

int cmd_models_cancel(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    bool discard = false;
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(flags),
        {"discard", 0, CLI_FLAG, &discard, 0, 0, NULL, "delete what has come", 0},
        {0}};
    const char *word = NULL;
    struct keeper k = {.command = self->name};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    if (n == 0 || !word[0])
        return keeper_usage(&k, "name a download, by its id or its model");
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = cancel(&k, word, discard);
    return keeper_end(&k, rc);
}
