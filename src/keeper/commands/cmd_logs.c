/* cmd_logs.c - `logs`: the end of a worker's log. */
#include <stdio.h>

#include "base/str.h"
#include "keeper/ask/workers.h"
#include "keeper/commands/commands.h"
#include "keeper/node/contact.h"
#include "keeper/node/keeper.h"

#define LINES_DEFAULT 100
#define LINES_MAX     10000 /* the hive's own limit */

static int show(struct keeper *k, const char *id, int64_t lines)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {
        .url = keeper_url(k, url, "/v1/workers/%s/log?lines=%lld", id, (long long)lines),
        .timeout_ms = KEEPER_LIST_MS};
    struct api_error e;
    struct buf text;
    int rc = CLI_DONE;

    buf_init(&text, CLIENT_BODY_MAX);
    if (contact_text(k, &ask, &text, &e)) {
        rc = keeper_fail(k, &e);
    } else {
        out_put(&k->out, buf_str(&text), text.len);
        out_end_line(&k->out);
    }
    buf_done(&text);
    return rc;
}

int cmd_logs(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    int64_t lines = LINES_DEFAULT;
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(flags),
        {"lines", 'n', CLI_INT, &lines, 1, LINES_MAX, "N", "the last N lines (100)", 0},
        {0}};
    const char *word = "";
    char id[WORKERS_ID_BYTES];
    struct keeper k;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = workers_find(&k, word, id);
    if (rc == CLI_GO)
        rc = show(&k, id, lines);
    return keeper_end(&k, rc);
}
