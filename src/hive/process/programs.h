/*
 * programs.h - where the worker's program and the bundled model lie.
 *
 * Looked up each time they are needed, so that an update in place is used from the next worker on;
 * where it does not fit the running hive, which has to be restarted then, worker_end.c says so.
 */
#ifndef RBEE_HIVE_PROCESS_PROGRAMS_H
#define RBEE_HIVE_PROCESS_PROGRAMS_H

#include "base/err.h"

#define WORKER_PROGRAM "llm-worker-rbee"
/* The running program itself, to start it again with other words: also when it was replaced on the
 * disk, and has no path any more. */
#define PROGRAMS_SELF "/proc/self/exe"

/*
 * `configured` (the flag, environment or file; "" = none) alone, when given; else beside the
 * running program, in the build tree, in PATH. ERR_NOT_FOUND lists every place looked at. free().
 */
int programs_find_worker(const char *configured, char **out, struct err *err);

/* A full path. RBEE_TINY alone, when set; else tiny.gguf beside the running program, where it was
 * installed (../share/rbee), or in the source tree it lies in. ERR_NOT_FOUND as above. */
int programs_find_tiny(char **out, struct err *err);

#endif
