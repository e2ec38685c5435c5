/*
 * module.h - shared objects of ours that a program loads when it first needs them.
 *
 * What a library takes of a process, in memory and in the time of its start, is then paid by those
 * who use it. A module exports one table. No state: dlopen keeps count; a module stays loaded.
 */
#ifndef RBEE_NET_MODULE_H
#define RBEE_NET_MODULE_H

#include "base/err.h"

/*
 * Looks for `file` beside the program, in the build's and in an installation's place, and gives its
 * `symbol`, NULL when it cannot be had: *err (ERR_UNSUPPORTED) then says that `what` is not there,
 * where it was looked for, and to install it or `needs`. Blocks while the linker works: some
 * milliseconds.
 */
const void *module_load(const char *file, const char *symbol, const char *what, const char *needs,
                        struct err *err);

/* What was loaded is not what this program was built with, as after an upgrade while it runs:
 * ERR_UNSUPPORTED, with what to do. */
int module_refuse(const char *file, struct err *err);

#endif
