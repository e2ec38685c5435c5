/* main.c - rbee-keeper: the table of commands, which is its dispatch and its help. */
#include "base/cli.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"

static const struct cli_command commands[] = {
    {"infer", NULL, "ask a model, on this or another machine",
     "Tokens go to standard output as they come, everything else to standard error. The text ends\n"
     "with a line feed, added if the model wrote none. Without --model the bundled model 'tiny' "
     "is\n"
     "asked; without --prompt the prompt is read from standard input, with --stdin standard input\n"
     "is read behind the prompt.\n"
     "Exit codes: 0 done, 1 error, 2 usage, 130 Ctrl+C, 141 nobody reads the output any more.",
     cmd_infer},
    {"chat", NULL, "talk with a model",
     "Lines are messages, and what begins with a slash a command: /help shows them. Three quotes\n"
     "(\"\"\") begin and end a message of several lines. Ctrl+C stops an answer, Ctrl+D ends.\n"
     "From a pipe or a file each line is a message, and only answers go to standard output.\n"
     "Exit codes: 0 done, 1 error (of a script: a message was not answered), 2 usage, 130 Ctrl+C,\n"
     "141 nobody reads the output any more.",
     cmd_chat},
    {"workers list", NULL, "show the models that are loaded", NULL, cmd_workers_list},
    {"workers stop", "WORKER|all", "end a worker, or all of them",
     "WORKER is an id as 'workers list' shows it, or the beginning of one.", cmd_workers_stop},
    {"explain", NULL, "tell whether a model would run, on which node, and why",
     "Asks every node known (or --node alone) what a worker for the model would need, what memory\n"
     "there is, and which idle workers would be ended to make room. Nothing is started or ended.\n"
     "Exit codes: 0 a node would run it, 1 none would, 2 usage.",
     cmd_explain},
    {"models list", NULL, "show the models that a node has", NULL, cmd_models_list},
    {"models show", "MODEL", "tell what is known of a model", NULL, cmd_models_show},
    {"models pull", "MODEL", "download a model",
     "What has come is kept however it ends; the next pull goes on from there.", cmd_models_pull},
    {"models push", "MODEL", "send a model of this machine to another node",
     "What has arrived is kept however it ends; the next push goes on from there.",
     cmd_models_push},
    {"models downloads", NULL, "show the downloads of a node", NULL, cmd_models_downloads},
    {"models cancel", "DOWNLOAD", "end a download",
     "DOWNLOAD is an id as 'models downloads' shows it, or the beginning of one, or the model.\n"
     "What has come is kept for the next pull, unless --discard.",
     cmd_models_cancel},
    {"models files", "hf:ORG/REPO", "show what a repository of the hub offers", NULL,
     cmd_models_files},
    {"models import", "FILE|DIR|hf-cache|ollama", "take in models that are on the disk already",
     "A file is shared, not copied, where the disk can do that. DIR is what 'models export' made.\n"
     "hf-cache and ollama are what other programs keep here; hf-cache:NAME or ollama:NAME is one\n"
     "model of them, by the name that --scan shows.",
     cmd_models_import},
    {"models export", "MODEL DIR", "put a model into a folder, with a list of digests", NULL,
     cmd_models_export},
    {"models verify", "[MODEL]", "read models again and compare their digests",
     "Without MODEL all that were downloaded or imported. One that differs is set aside.",
     cmd_models_verify},
    {"models prune", NULL, "delete what is of no use in the models folder",
     "Shows it and asks. Without a terminal, and with --json, it deletes nothing unless --yes is\n"
     "given, and ends with 0: it has shown what there is.",
     cmd_models_prune},
    {"models rm", "MODEL", "remove a model from a node", NULL, cmd_models_rm},
    {"node add", "NAME HOST[:PORT]|LINK|-", "remember a machine by a name",
     "LINK is the rbee://... of the line that `rbee-hive pair` prints on that machine: the keeper\n"
     "then gets a key of its own from it, and knows the hive by its certificate from then on.\n"
     "With - that line is read from standard input.\n"
     "https://HOST[:PORT] is for a hive whose certificate the system's authorities vouch for.",
     cmd_node_add},
    {"node list", NULL, "show the machines and whether they answer", NULL, cmd_node_list},
    {"node rm", "NAME", "forget a machine", NULL, cmd_node_rm},
    {"keys create", NULL, "make a key for the hive of this machine",
     "The key is printed once. The hive of this home (RBEE_HOME) takes it at once.",
     cmd_keys_create},
    {"keys list", NULL, "show the keys of the hive of this machine", NULL, cmd_keys_list},
    {"keys revoke", "FINGERPRINT", "have a key open nothing any more",
     "FINGERPRINT as `keys list` shows it. The hive and its workers refuse the key from the next\n"
     "request on.",
     cmd_keys_revoke},
    {"security verify", "[FILE]", "check that the security log is as it was written",
     "FILE is logs/security.jsonl of this home; older ones beside it are checked with it. A cut "
     "at\n"
     "the end cannot be seen: keep the SHA-256 that is printed somewhere else to compare with.",
     cmd_security_verify},
    {"logs", "[WORKER]", "show the end of a worker's log",
     "WORKER is an id, or the beginning of one; without it the newest worker is meant.", cmd_logs},
    {"config", NULL, "show every setting and where it comes from", NULL, cmd_config},
    {0},
};

/* Ollama's words, and those of rbee-hive. */
static const struct cli_other others[] = {{"list", "models list"},
                                          {"ls", "models list"},
                                          {"rm", "models rm"},
                                          {"ps", "workers list"},
                                          {"run", "chat"},
                                          {"run", "infer"},
                                          {"serve", "rbee-hive daemon"},
                                          {"daemon", "rbee-hive daemon"},
                                          {"detect", "rbee-hive detect"},
                                          {"pair", "rbee-hive pair"},
                                          {0}};

int main(int argc, char **argv)
{
    return cli_main(KEEPER_PROGRAM, "get a language model's answer on your shell", commands, others,
                    argc, argv);
}
