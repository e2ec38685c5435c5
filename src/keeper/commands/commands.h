/* commands.h - the commands of rbee-keeper, one file each (cmd_*.c); main.c has the table. */
#ifndef RBEE_KEEPER_COMMANDS_COMMANDS_H
#define RBEE_KEEPER_COMMANDS_COMMANDS_H

#include "base/cli.h"

int cmd_chat(const struct cli_command *self, int argc, char **argv);
int cmd_infer(const struct cli_command *self, int argc, char **argv);
int cmd_workers_list(const struct cli_command *self, int argc, char **argv);
int cmd_workers_stop(const struct cli_command *self, int argc, char **argv);
int cmd_models_list(const struct cli_command *self, int argc, char **argv);
int cmd_models_show(const struct cli_command *self, int argc, char **argv);
int cmd_models_pull(const struct cli_command *self, int argc, char **argv);
int cmd_models_push(const struct cli_command *self, int argc, char **argv);
int cmd_models_files(const struct cli_command *self, int argc, char **argv);
int cmd_models_import(const struct cli_command *self, int argc, char **argv);
int cmd_models_export(const struct cli_command *self, int argc, char **argv);
int cmd_models_verify(const struct cli_command *self, int argc, char **argv);
int cmd_models_prune(const struct cli_command *self, int argc, char **argv);
int cmd_models_downloads(const struct cli_command *self, int argc, char **argv);
int cmd_models_cancel(const struct cli_command *self, int argc, char **argv);
int cmd_models_rm(const struct cli_command *self, int argc, char **argv);
int cmd_node_add(const struct cli_command *self, int argc, char **argv);
int cmd_node_list(const struct cli_command *self, int argc, char **argv);
int cmd_node_rm(const struct cli_command *self, int argc, char **argv);
int cmd_keys_create(const struct cli_command *self, int argc, char **argv);
int cmd_keys_list(const struct cli_command *self, int argc, char **argv);
int cmd_keys_revoke(const struct cli_command *self, int argc, char **argv);
int cmd_security_verify(const struct cli_command *self, int argc, char **argv);
int cmd_explain(const struct cli_command *self, int argc, char **argv);
int cmd_logs(const struct cli_command *self, int argc, char **argv);
int cmd_config(const struct cli_command *self, int argc, char **argv);

#endif
