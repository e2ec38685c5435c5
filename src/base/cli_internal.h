/* cli_internal.h - what the files behind cli.h share; for nobody else. */
#ifndef RBEE_BASE_CLI_INTERNAL_H
#define RBEE_BASE_CLI_INTERNAL_H

#include "base/cli.h"

#define CLI_WORD_MAX 64

/* "rbee-keeper 0.1.0", and the exit code. */
int cli_show_version(const char *program);

/* argv[1..] is no command of these: says so on stderr, with what it may have meant. CLI_USAGE. Of a
 * group it may be the help that is wanted, or the version. */
int cli_unknown_command(const char *program, const struct cli_command *commands,
                        const struct cli_other *others, int argc, char **argv);

/* The option that `word`, without its hyphens, may mean, as it is typed; "" for none. */
void cli_nearest_option(const struct cli_opt *opts, const char *word, char *dst, size_t dst_size);

#endif
