/*
 * commands.h - the worker's commands, one file each, and what they share.
 *
 * A command parses its own words (base/cli.h), prints results to stdout and one sentence to stderr
 * when it fails, and returns an exit code of cli.h.
 */
#ifndef RBEE_WORKER_COMMANDS_COMMANDS_H
#define RBEE_WORKER_COMMANDS_COMMANDS_H

#include "base/buf.h"
#include "base/cli.h"
#include "base/err.h"
#include "base/timings.h"
#include "engine/engine.h"
#include "worker/sandbox/sandbox.h"

#define WORKER_PROGRAM "llm-worker-rbee"

int cmd_serve(const struct cli_command *self, int argc, char **argv);
int cmd_inspect(const struct cli_command *self, int argc, char **argv);
int cmd_tokenize(const struct cli_command *self, int argc, char **argv);
int cmd_detokenize(const struct cli_command *self, int argc, char **argv);
int cmd_render(const struct cli_command *self, int argc, char **argv);
int cmd_run(const struct cli_command *self, int argc, char **argv);
int cmd_embed(const struct cli_command *self, int argc, char **argv);
int cmd_bench(const struct cli_command *self, int argc, char **argv);

/* "llm-worker-rbee: <sentence>" on stderr. Returns CLI_ERROR. */
int command_fail(const struct err *err);

/* "llm-worker-rbee <command>: <text>. Try ..." on stderr. Returns CLI_USAGE. */
int command_usage(const struct cli_command *self, const char *text);

/* Are these words of --kv-type and --sandbox (NULL = not given) some that there are? CLI_GO, or
 * command_usage's. */
int command_check_words(const struct cli_command *self, const char *kv_type, const char *sandbox);

/* All of stdin, at most `in->max` bytes. ERR_LIMIT, ERR_IO. */
int command_read_stdin(struct buf *in, struct err *err);

/* All bytes to stdout, at once; where that is a terminal, as clean.h lets them through. ERR_IO. */
int command_write(const char *bytes, size_t n, struct err *err);

/* Ids separated by white space. *ids is malloc'ed. ERR_INVALID shows the word at fault. */
int command_parse_ids(const char *text, int32_t **ids, size_t *n_ids, struct err *err);

/* Enters the sandbox ("auto", "off", "required"; NULL = auto) with the limits of `rules` (NULL =
 * none).
 */
int command_enclose(const char *sandbox, const struct sandbox_rules *rules, struct err *err);
/*
 * For commands without a server: opens a model's files, enters the sandbox, and only then lets them
 * be read. Close them with engine_files_close; *out is NULL on failure.
 */
int command_open_files(const char *model_path, const char *sandbox,
                       const struct sandbox_rules *rules, struct gguf_files **out, struct err *err);
#define COMMAND_SANDBOX_OPT(to)                                                                    \
    {                                                                                              \
        "sandbox", 0, CLI_STR, to, 0, 0, "HOW", SANDBOX_MODE_HELP, NULL                            \
    }

/* Options that every command with an engine has; 0 and NULL are defaults. */
struct command_engine {
    const char *model_path;
    const char *kernels, *kv_type, *sandbox;
    int64_t n_threads, n_ctx;
    bool in_place;
};
#define COMMAND_KV_HELP "how keys and values are kept: f16 (default), or q8_0 in half the memory"
#define COMMAND_ENGINE_OPTS(o)                                                                     \
    {"model", 'm', CLI_STR, &(o)->model_path, 0, 0, "FILE", "the GGUF file (needed)", NULL},       \
        {"kv-type", 0, CLI_STR, &(o)->kv_type, 0, 0, "TYPE", COMMAND_KV_HELP, NULL},               \
        {"threads", 't', CLI_INT, &(o)->n_threads,                                                 \
         1,         256, "N",     "compute threads (default: the CPUs there are)",                 \
         NULL},                                                                                    \
        {"in-place", 0,                                                                            \
         CLI_FLAG,   &(o)->in_place,                                                               \
         0,          0,                                                                            \
         NULL,       "use the weights as they lie in the file: slower, no memory but the file's",  \
         NULL},                                                                                    \
        COMMAND_SANDBOX_OPT(&(o)->sandbox),                                                        \
    {                                                                                              \
        "kernels", 0, CLI_STR, &(o)->kernels, 0, 0, "SET",                                         \
            "ref, avx2, avxvnni, avx512, neon or auto (default)", NULL                             \
    }

/* "f16", "q8_0", or NULL for the default. ERR_INVALID. */
int command_kv_type(const char *name, enum engine_kv *out, struct err *err);

/* Opens the model of the options, behind the sandbox's door. */
int command_open_model(const struct command_engine *o, struct engine_model **out, struct err *err);

/* An engine of n_slots sequences and batches of n_batch (0 = default) for the options. */
int command_open_engine(const struct command_engine *o, const struct engine_model *m,
                        uint32_t n_slots, uint32_t n_batch, struct engine **out, struct err *err);

#endif
