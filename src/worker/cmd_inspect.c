/* cmd_inspect.c - "inspect FILE": what a model file holds, as one line of JSON. */
#include "worker/commands.h"

#define INSPECT_MAX_BYTES (8u << 20)

int cmd_inspect(const struct cli_command *self, int argc, char **argv)
{
    const struct cli_opt opts[] = {{0}};
    const char *words[1];
    size_t n_words = 0;
    struct err err = {0};
    struct buf out;
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, words, 1, &n_words);

    if (rc != CLI_GO)
        return rc;
    if (n_words == 0)
        return command_usage(self, "a FILE is needed");
    buf_init(&out, INSPECT_MAX_BYTES);
    rc = engine_inspect(words[0], &out, &err);
    if (!rc) {
        buf_putc(&out, '\n');
        rc = command_write(buf_str(&out), out.len, &err);
    }
    buf_done(&out);
    return rc ? command_fail(&err) : CLI_DONE;
}
