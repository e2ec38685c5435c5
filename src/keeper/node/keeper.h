/*
 * keeper.h - what every command works with: configuration, the node it speaks to, the client, the
 * two outputs; and the one way an error is shown.
 *
 * Exit codes are CLI_DONE, CLI_ERROR, CLI_USAGE and CLI_INTERRUPTED, and OUT_EXIT_CLOSED when
 * nobody reads stdout any more. Main thread only.
 */
#ifndef RBEE_KEEPER_NODE_KEEPER_H
#define RBEE_KEEPER_NODE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/cli.h"
#include "base/timings.h"
#include "config/config.h"
#include "keeper/node/client.h"
#include "keeper/node/node.h"
#include "keeper/node/node_secrets.h"
#include "keeper/shell/out.h"
#include "keeper/shell/term.h"

#define KEEPER_PROGRAM "rbee-keeper"
#define KEEPER_URL_MAX 4096 /* a model's name takes three bytes for each of its own */
#define KEEPER_KEY_MAX 256
#define KEEPER_LIST_MS 10000 /* the limit of a call that only looks something up */

/* The options that every command has; see KEEPER_OPTS_*. */
struct keeper_flags {
    const char *node, *api_key;
    bool json, quiet;
    bool kept_key_only; /* of no option: a key typed or in the environment is another node's */
};
#define KEEPER_OPT_NODE(f)                                                                         \
    {"node", 'N', CLI_STR, &(f).node, 0, 0, "NODE", "the machine: a name, host[:port] or URL", 0}, \
    {                                                                                              \
        "api-key", 0, CLI_STR, &(f).api_key, 0, 0, "KEY", "the node's key (or set RBEE_API_KEY)",  \
            0                                                                                      \
    }
#define KEEPER_OPT_JSON(f)                                                                         \
    {                                                                                              \
        "json", 0, CLI_FLAG, &(f).json, 0, 0, NULL, "print JSON instead of a table", 0             \
    }

struct keeper {
    const char *command; /* its name, for messages */
    struct config *config;
    struct node node;
    const char *node_option;   /* --node as it was typed; NULL: it was not, borrowed */
    struct node_secret secret; /* what is known of the node beside its address */
    bool hive_is_over;         /* ... by the file of this home's hive, which does not run */
    const char *key;           /* the client's: borrowed from a flag, the environment or `secret` */
    struct client *client;
    struct term term;
    struct out out;
    struct timings timings; /* of infer, until the first token is out */
};

/*
 * Configuration, outputs and the interrupt handler; keeper_connect adds node and client. Each
 * returns CLI_GO, or has said what is wrong and returns the exit code. keeper_close in either case.
 */
int keeper_open(struct keeper *k, const struct cli_command *command, const struct keeper_flags *f);
int keeper_connect(struct keeper *k, const struct keeper_flags *f);
/* keeper_connect without a word: 0, or -1 with *e, API_INVALID_REQUEST for what was typed wrong. */
int keeper_reach(struct keeper *k, const struct keeper_flags *f, struct api_error *e);
/* Both. */
int keeper_begin(struct keeper *k, const struct cli_command *command, const struct keeper_flags *f);
void keeper_close(struct keeper *k);

/* keeper_close, and the exit code to end with: `rc`, or what became of stdout. */
int keeper_end(struct keeper *k, int rc);

/*
 * Shows "rbee-keeper: CODE: message", the failing fields, the log's end and the hint, frees the
 * error's details and returns the exit code. After an interrupt it says "Cancelled." instead.
 */
int keeper_fail(struct keeper *k, struct api_error *e);
/* The same for keeper_reach's: what was typed wrong is a usage error. */
int keeper_fail_reach(struct keeper *k, struct api_error *e);
/* The same for an error without a code of its own. */
int keeper_fail_err(struct keeper *k, enum api_code code, const struct err *err);
/* ... of something that is not there, and how to see what is. */
int keeper_fail_missing(struct keeper *k, const char *text, const char *hint);
/* What the person is told to do about it; "" = nothing. dst or another text. */
const char *keeper_hint(const struct keeper *k, const struct api_error *e, char dst[API_HINT_MAX]);
/* term_say, with what it says to type for the node that was asked. */
void keeper_advise(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "rbee-keeper infer: text. Try 'rbee-keeper infer --help'." and CLI_USAGE. */
int keeper_usage(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* --limit-rate: "10m" -> bytes a second; NULL leaves *out. CLI_GO, or the exit code of what is
 * none. */
int keeper_limit_rate(struct keeper *k, const char *text, uint64_t *out);
/* Says "Cancelled." on a line of its own and returns CLI_INTERRUPTED. */
int keeper_cancelled(struct keeper *k);

/* "<node's url><path>": fmt gives the path. Returns dst. */
char *keeper_url(const struct keeper *k, char dst[KEEPER_URL_MAX], const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A query's value with every byte but letters, digits and "-._~" as %XX; free(), NULL: no memory.
 */
char *keeper_escape(const char *text);

/* GET of a path of the node's, with KEEPER_LIST_MS. 0 with *out owned by the caller, or -1. */
int keeper_get(struct keeper *k, const char *path, json_t **out, struct api_error *e);

/* A member's text or number; the fallback when it is not there or of another kind. */
const char *keeper_text(const json_t *object, const char *name, const char *fallback);
/* The same for a table: an empty text is "-" too. */
const char *keeper_cell(const json_t *object, const char *name);
int64_t keeper_number(const json_t *object, const char *name, int64_t fallback);

/* *e for an event {"code","message","details"?} that tells an error; src is who sent it. */
void keeper_event_error(struct api_error *e, const json_t *event, const char *src);

/* The JSON text and a line feed on stdout. */
void keeper_print_json(struct keeper *k, const json_t *value);

#endif
