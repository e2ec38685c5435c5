/*
 * cmd_inspect.c - "inspect FILE": what a model file holds, as one line of JSON. A hive runs it on
 * every new file, in a process with nothing to lose: in the sandbox, with little memory and time.
 *
 * Whenever the file was judged there is JSON, also of one in which nothing can be read; then the
 * exit code is 1, with the reason on stderr as well. No JSON: nothing was found out about the file.
 */
#include <string.h>

#include "base/json.h"
#include "worker/commands/commands.h"

#define INSPECT_MAX_BYTES (8u << 20)
/* Tables of names and tokens, nothing of the weights: some 100 MB for the largest vocabularies. */
#define INSPECT_DATA_MAX (2ull << 30)
#define INSPECT_CPU_S    10 /* a second at most, in earnest */

/* It is the file, and not a want of memory or a disk that cannot be read. */
static bool is_of_the_file(int rc)
{
    return rc == ERR_INVALID || rc == ERR_UNSUPPORTED || rc == ERR_LIMIT;
}

static void put_damaged(struct buf *out, const char *reason)
{
    buf_clear(out);
    buf_puts(out, "{\"supported\":false,\"damaged\":true,\"reason\":");
    json_put_string(out, reason, strlen(reason));
    buf_putc(out, '}');
}

static int inspect(struct gguf_files *files, struct buf *out, struct err *err)
{
    int rc = engine_inspect_files(files, out, err), rc_write;

    if (rc && !is_of_the_file(rc))
        return rc;
    if (rc)
        put_damaged(out, err->text);
    buf_putc(out, '\n');
    rc_write = command_write(buf_str(out), out->len, rc ? NULL : err);
    return rc ? rc : rc_write;
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
    rc = command_check_words(self, NULL, sandbox);
    if (rc != CLI_GO)
        return rc;
    return run(words[0], sandbox, &err) ? command_fail(&err) : CLI_DONE;
}
