/* module.c - see module.h. */
#include "net/module.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/path.h"

static const void *load(const char *path, const char *symbol)
{
    void *module = path_is_file(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

    return module ? dlsym(module, symbol) : NULL;
}

/* `dir`: the program's. */
static const void *load_near(const char *dir, const char *file, const char *symbol)
{
    static const char *const places[] = {".", "../net", RBEE_LIBDIR_NEAR, "../lib/rbee", NULL};
    const void *found = NULL;

    for (size_t i = 0; places[i] && !found; i++) {
        char *place = path_join(dir, places[i]), *path = place ? path_join(place, file) : NULL;

        found = path ? load(path, symbol) : NULL;
        free(path);
        free(place);
    }
    return found;
}

const void *module_load(const char *file, const char *symbol, const char *what, const char *needs,
                        struct err *err)
{
    const void *found = NULL;
    char *dir = NULL, *path;
    const char *why;

    if (path_program_dir(&dir, NULL) == 0)
        found = load_near(dir, file, symbol);
    if (!found && (path = path_join(RBEE_LIBDIR, file))) {
        found = load(path, symbol);
        free(path);
    }
    why = found ? NULL : dlerror();
    if (!found)
        err_set(err, ERR_UNSUPPORTED,
                "%s is not there: %s is neither beside the program in %s, nor from there in %s or "
                "../lib/rbee, nor in %s, or cannot be loaded%s%s; install it, or %s",
                what, file, dir ? dir : "?", RBEE_LIBDIR_NEAR, RBEE_LIBDIR, why ? ": " : "",
                why ? why : "", needs);
    free(dir);
    return found;
}

int module_refuse(const char *file, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "%s is of another build than the running program: start that again; if that "
                   "does not help, install both anew",
                   file);
}
