/*
 * cmd_inspect.c - "inspect FILE": what a model file holds, as one line of JSON. A hive runs it on
 * every new file, in a process with nothing to lose: in the sandbox, with little memory and time.
 */
#include "worker/commands.h"

#define INSPECT_MAX_BYTES (8u << 20)
/* Tables of names and tokens, nothing of the weights: some 100 MB for the largest vocabularies. */
#define INSPECT_DATA_MAX (2ull << 30)
#define INSPECT_CPU_S    10 /* a second at most, in earnest */

static int inspect(struct gguf_files *files, struct buf *out, struct err *err)
{
    int rc = engine_inspect_files(files, out, err);

    if (rc)
        return rc;
    buf_putc(out, '\n');
    return command_write(buf_str(out), out->len, err);
}

static int run(const char *path, const char *sandbox, struct err *err)
{
    struct sandbox_rules rules = {.data_max = INSPECT_DATA_MAX, .cpu_s = INSPECT_CPU_S};
    struct gguf_files *files = NULL;
    struct buf out;
    int rc = command_open_files(path, sandbox, &rules, &files, err);

    buf_init(&out, INSPECT_MAX_BYTES);
    if (!rc)
        rc = inspect(files, &out, err);
    engine_files_close(files);
    buf_done(&out);
    return rc;
}

int cmd_inspect(const struct cli_command *self, int argc, char **argv)
{
    const char *words[1], *sandbox = NULL;
    const struct cli_opt opts[] = {COMMAND_SANDBOX_OPT(&sandbox), {0}};
    size_t n_words = 0;
    struct err err = {0};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, words, 1, &n_words);

    if (rc != CLI_GO)
        return rc;
    if (n_words == 0)
        return command_usage(self, "a FILE is needed");
    return run(words[0], sandbox, &err) ? command_fail(&err) : CLI_DONE;
}
