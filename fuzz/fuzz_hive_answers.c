/*
 * fuzz_hive_answers.c - the keeper before a hive that is nobody's friend: a letter of the command,
 * a byte of flags (1: --json, 2: stdout is no terminal), then the hive's answers, a form feed
 * between them, each behind a byte of its status. The commands run as they are (keeper_world.h).
 *
 * Whatever comes, the command ends with an exit code of its own, calls only what can be called,
 * prints JSON where JSON was asked for, and no terminal gets a byte that moves its cursor.
 */
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper_world.h"

#define ARGS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* When there is none any more, somebody presses Ctrl+C: whoever would go on asking ends. */
static struct said hive_says(const struct http_call_params *params)
{
    (void)params;
    if (world.left)
        return next_said();
    press_interrupt();
    return (struct said){.rc = ERR_UNREACHABLE};
}

/* ---- the commands ---- */

/* As `rbee-hive pair` prints it. */
#define PAIR_LINE                                                                                  \
    "rbee://" NODE "/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/"            \
    "abcdefghjklm"
#define WORD_MAX 128

struct asked {
    int (*run)(const struct cli_command *self, int argc, char **argv);
    const char *words[ARGS_MAX];
    bool json; /* it knows --json, and prints one value with it */
};

static const struct asked commands[] = {
    {cmd_models_list, {"list"}, true},
    {cmd_models_show, {"show", "hf:o/r:Q4_K_M"}, true},
    {cmd_models_files, {"files", "hf:o/r"}, true},
    {cmd_models_downloads, {"downloads"}, true},
    {cmd_models_cancel, {"cancel", "a"}, false},
    {cmd_models_import, {"import", "--scan"}, true},
    {cmd_models_import, {"import", "/x.gguf"}, false},
    {cmd_models_export, {"export", "hf:o/r:Q4_K_M", "/x"}, false},
    {cmd_models_verify, {"verify"}, false},
    {cmd_models_prune, {"prune", "--yes"}, false},
    {cmd_models_pull, {"pull", "hf:o/r:Q4_K_M"}, false},
    {cmd_models_rm, {"rm", "hf:o/r:Q4_K_M"}, false},
    {cmd_workers_list, {"list"}, true},
    {cmd_workers_stop, {"stop", "all"}, false},
    {cmd_workers_stop, {"stop", "worker-a"}, false},
    {cmd_explain, {"explain", "--model", "hf:o/r:Q4_K_M"}, true},
    {cmd_logs, {"logs"}, false},
    {cmd_infer, {"infer", "--model", "hf:o/r:Q4_K_M", "--prompt", "x"}, false},
    {cmd_node_list, {"list"}, true},
    {cmd_models_push, {"push", "hf:o/r:Q4_K_M"}, false},
    {cmd_node_add, {"add", "n", PAIR_LINE}, false},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static bool takes_json(const struct asked *a)
{
    return a->run != cmd_models_cancel && a->run != cmd_models_pull && a->run != cmd_models_push &&
           a->run != cmd_models_rm && a->run != cmd_workers_stop && a->run != cmd_logs &&
           a->run != cmd_node_add;
}

static int run(const struct asked *a, bool json)
{
    const struct cli_command self = {.name = a->words[0], .args = "ANY", .run = a->run};
    char words[ARGS_MAX + 4][WORD_MAX], *argv[ARGS_MAX + 4];
    int argc = 0;

    for (; argc < ARGS_MAX && a->words[argc]; argc++)
        str_copy(words[argc], sizeof words[argc], a->words[argc]);
    if (a->run != cmd_node_list && a->run != cmd_node_add) {
        str_copy(words[argc++], sizeof words[0], "--node");
        str_copy(words[argc++], sizeof words[0], NODE);
    }
    if (json)
        str_copy(words[argc++], sizeof words[0], "--json");
    for (int i = 0; i < argc; i++)
        argv[i] = words[i];
    return a->run(&self, argc - 1, argv + 1);
}

/* ---- what came of it ---- */

static void check_json(const struct buf *printed)
{
    json_t *value = json_loadb(buf_str(printed), printed->len, 0, NULL);

    if (!value)
        BUG("no JSON: %.300s", buf_str(printed));
    json_decref(value);
}

static void check_code(int rc)
{
    BUG_ON(rc != CLI_DONE && rc != CLI_ERROR && rc != CLI_USAGE && rc != CLI_INTERRUPTED);
    BUG_ON((rc == CLI_ERROR || rc == CLI_USAGE) && world.errors.len == 0 && world.out.len == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setenv("RBEE_HOME", "/nonexistent/rbee", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct asked *a;
    bool json;
    int rc;

    if (size < 2)
        return 0;
    a = &commands[(size_t)(data[0] - 'a') % N_COMMANDS];
    json = (data[1] & 1) && takes_json(a);
    world.tty = !(data[1] & 2);
    world.now_ms = 1000;
    world.at = data + 2;
    world.left = size - 2;
    buf_init(&world.out, OUT_MAX);
    buf_init(&world.errors, OUT_MAX);
    interrupt_clear();
    world.inside = true;
    rc = run(a, json);
    world.inside = false;
    check_code(rc);
    check_screen(&world.errors);
    if (world.tty)
        check_screen(&world.out);
    else if (json && a->json && rc == CLI_DONE)
        check_json(&world.out);
    buf_done(&world.out);
    buf_done(&world.errors);
    return 0;
}
