/* daemon_internal.h - what the files behind cmd_daemon share; for nobody else. */
#ifndef RBEE_HIVE_DAEMON_INTERNAL_H
#define RBEE_HIVE_DAEMON_INTERNAL_H

#include "base/cli.h"
#include "base/err.h"
#include "hive/hive.h"

#define DAEMON_PROGRAM "rbee-hive"

/* Those that set an option of the configuration, but for the first; NULL = not given. */
struct daemon_flags {
    const char *home;
    const char *addr, *worker, *keep_alive, *slots, *ctx, *threads, *worker_port_first, *log_level;
};

/* As cli_parse: CLI_GO with *f, or the exit code. */
int daemon_flags(const struct cli_command *self, int argc, char **argv, struct daemon_flags *f);

/*
 * rbee's folder, found or made and locked, its configuration with the flags over it, and what that
 * names: how much to log, the models' folder, a chat template. Needs h->reach. What lies on a file
 * system that does not answer is waited for, REACH_START_MS each. On failure h->exit_code may be
 * set; what *h has by then is the caller's to end.
 */
int daemon_configure(struct hive *h, const struct daemon_flags *f, struct err *err);

/* h->addr, of the configuration: a name such as localhost becomes the first address it has. */
int daemon_resolve_addr(struct hive *h, struct err *err);

/* Behind what happened, if rc is not 0: what to do about it. Returns rc. */
int daemon_advise(int rc, struct err *err, const char *what);

#endif
