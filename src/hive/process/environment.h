/* environment.h - the little that the hive's children get of its environment. Loop thread only. */
#ifndef RBEE_HIVE_PROCESS_ENVIRONMENT_H
#define RBEE_HIVE_PROCESS_ENVIRONMENT_H

#include <stddef.h>

#define ENVIRONMENT_VARS_MAX 13

struct environment {
    const char *vars[ENVIRONMENT_VARS_MAX + 1]; /* "NAME=value", NULL behind the last */
    char *owned[ENVIRONMENT_VARS_MAX];
    size_t n;
};

/*
 * PATH, LANG, LC_ALL, TZ (chat templates write the date), TMPDIR, the sanitizers' options, and what
 * the dynamic loader needs to find libraries. No HF_TOKEN, no key: a worker has no use for them.
 */
void environment_make(struct environment *env);
void environment_done(struct environment *env);

#endif
