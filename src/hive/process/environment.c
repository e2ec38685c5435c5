/* environment.c - see environment.h. */
#include "hive/process/environment.h"

#include <stdlib.h>

#include "base/str.h"

/* One more; left out when there is no memory or no room. */
static void add(struct environment *env, const char *name, const char *value)
{
    char *var = env->n < ENVIRONMENT_VARS_MAX ? str_printf("%s=%s", name, value) : NULL;

    if (!var)
        return;
    env->owned[env->n] = var;
    env->vars[env->n++] = var;
}

void environment_make(struct environment *env)
{
    static const char *const names[] = {
        "PATH",         "LANG",         "LC_ALL",        "TZ",           "TMPDIR",
        "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH"};

    *env = (struct environment){0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]))
            add(env, names[i], getenv(names[i]));
}

void environment_done(struct environment *env)
{
    for (size_t i = 0; i < env->n; i++)
        free(env->owned[i]);
    *env = (struct environment){0};
}
