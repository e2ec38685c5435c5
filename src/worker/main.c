/* main.c - llm-worker-rbee: one process, one model. The table below is its command line. */
#include <stddef.h>

#include "worker/commands/commands.h"

static const struct cli_command commands[] = {
    {"serve", NULL, "serve one model over HTTP", NULL, cmd_serve},
    {"inspect", "FILE", "tell what a model file holds, as JSON", NULL, cmd_inspect},
    {"tokenize", NULL, "turn text on stdin into token ids", NULL, cmd_tokenize},
    {"detokenize", NULL, "turn token ids on stdin into text", NULL, cmd_detokenize},
    {"render", NULL, "fill in a chat template, with variables on stdin", NULL, cmd_render},
    {"run", NULL, "continue one prompt, without servers", NULL, cmd_run},
    {"embed", NULL, "make the embedding of a text on stdin, without servers", NULL, cmd_embed},
    {"bench", NULL, "measure a model's speed here, as JSON", NULL, cmd_bench},
    {0},
};

int main(int argc, char **argv)
{
    return cli_main(WORKER_PROGRAM, "runs one model", commands, NULL, argc, argv);
}
