/* cmd_workers.c - `workers list` and `workers stop`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "keeper/ask/workers.h"
#include "keeper/commands/commands.h"
#include "keeper/commands/listing.h"
#include "keeper/node/contact.h"
#include "keeper/node/keeper.h"
#include "keeper/shell/interrupt.h"
#include "keeper/shell/table.h"

#define STOP_TIMEOUT_MS 60000 /* drain 20 s, SIGTERM, 10 s, SIGKILL; and room */

/* "12 s", "3 min", "5 h": how long ago. dst_size >= 24. */
static const char *ago(int64_t ms, char *dst, size_t dst_size)
{
    int64_t s = ms / 1000;

    if (ms < 0)
        snprintf(dst, dst_size, "-");
    else if (s < 120)
        snprintf(dst, dst_size, "%lld s", (long long)s);
    else if (s < 7200)
        snprintf(dst, dst_size, "%lld min", (long long)(s / 60));
    else
        snprintf(dst, dst_size, "%lld h", (long long)(s / 3600));
    return dst;
}

/* "full" of "full (landlock 4 + seccomp)". */
static void first_word(const char *text, char *dst, size_t dst_size)
{
    snprintf(dst, dst_size, "%.*s", (int)strcspn(text, " "), text);
}

static int add_worker(struct table *t, const json_t *w)
{
    char id[WORKERS_SHORT_BYTES], slots[48], ctx[24], idle[24], device[64], sandbox[16];
    const char *const cells[] = {
        id,   keeper_text(w, "model_ref", "?"), device, keeper_text(w, "state", "?"), slots, ctx,
        idle, keeper_text(w, "url", "?"),       sandbox};

    workers_short_id(keeper_text(w, "worker_id", "?"), id);
    snprintf(device, sizeof device, "%.32s:%lld", keeper_text(w, "backend", "?"),
             (long long)keeper_number(w, "device", 0));
    snprintf(slots, sizeof slots, "%lld/%lld", (long long)keeper_number(w, "slots_busy", 0),
             (long long)keeper_number(w, "slots_total", 0));
    snprintf(ctx, sizeof ctx, "%lld", (long long)keeper_number(w, "n_ctx", 0));
    ago(keeper_number(w, "last_activity_ms_ago", -1), idle, sizeof idle);
    first_word(keeper_text(w, "sandbox", "-"), sandbox, sizeof sandbox);
    return table_add(t, cells);
}

int cmd_workers_list(const struct cli_command *self, int argc, char **argv)
{
    static const char *const heads[] = {"WORKER", "MODEL", "DEVICE", "STATE",  "BUSY",
                                        "CTX",    "IDLE",  "URL",    "SANDBOX"};
    static const struct listing listing = {
        .path = "/v1/workers/list",
        .key = "workers",
        .heads = heads,
        .n_columns = sizeof heads / sizeof heads[0],
        .empty = "No worker is running.",
        .add = add_worker,
    };

    return listing_run(&listing, self, argc, argv);
}

/* Asks for the end of one worker. 0, or an exit code. */
static int stop_one(struct keeper *k, const char *id)
{
    char url[KEEPER_URL_MAX], short_id[WORKERS_SHORT_BYTES];
    const struct client_ask ask = {.method = "POST",
                                   .url = keeper_url(k, url, "/v1/workers/%s/shutdown", id),
                                   .timeout_ms = STOP_TIMEOUT_MS};
    json_t *answer = NULL;
    struct api_error e;
    int rc = contact_once(k, &ask, "rbee-keeper workers list", &answer, &e);
    bool had_ended;

    if (rc == 0 && !contact_has(k, answer, "state", JSON_STRING, &e))
        rc = -1;
    had_ended = str_eq(keeper_text(answer, "state", ""), "failed");
    json_decref(answer);
    if (rc)
        return keeper_fail(k, &e);
    out_printf(&k->out, had_ended ? "%s had failed already.\n" : "Stopping %s.\n",
               workers_short_id(id, short_id));
    return 0;
}

static int stop_all(struct keeper *k)
{
    struct api_error e;
    json_t *list = NULL, *w;
    int rc = CLI_DONE;
    size_t i, n = 0;

    if (contact_list(k, "/v1/workers/list", "workers", &list, &e))
        return keeper_fail(k, &e);
    json_array_foreach(json_object_get(list, "workers"), i, w)
    {
        const char *id = keeper_text(w, "worker_id", "");
        int one;

        if (!workers_is_id(id) || str_eq(keeper_text(w, "state", ""), "failed"))
            continue;
        n++;
        if (interrupt_seen()) { /* this one, and those behind it, run on */
            rc = rc == CLI_INTERRUPTED ? rc : keeper_cancelled(k);
            break;
        }
        one = stop_one(k, id);
        rc = one ? one : rc;
    }
    json_decref(list);
    if (n == 0)
        out_printf(&k->out, "No worker is running.\n");
    return rc;
}

int cmd_workers_stop(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_NODE(flags), {0}};
    const char *word = NULL;
    char id[WORKERS_ID_BYTES];
    struct keeper k = {.command = self->name};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    if (n == 0 || !word[0]) /* an empty word would mean the newest */
        return keeper_usage(&k, "name a worker, or 'all'");
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO && str_eq(word, "all"))
        rc = stop_all(&k);
    else if (rc == CLI_GO && (rc = workers_find(&k, word, id)) == CLI_GO)
        rc = stop_one(&k, id);
    return keeper_end(&k, rc);
}
