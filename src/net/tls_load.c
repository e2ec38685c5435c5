/* tls_load.c - see tls.h: finds the module and gives its table. No state: dlopen keeps count. */
#include "net/tls.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

bool tls_is_pin(const char *text)
{
    return strlen(text) == TLS_PIN_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == TLS_PIN_BYTES - 1;
}

/* The table of the module in that file, or NULL. */
static const struct tls *load(const char *path)
{
    void *module = path_is_file(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

    return module ? dlsym(module, TLS_SYMBOL) : NULL;
}

static const struct tls *load_near(const char *dir)
{
    static const char *const places[] = {TLS_MODULE, "../net/" TLS_MODULE,
                                         "../lib/rbee/" TLS_MODULE, NULL};
    const struct tls *found = NULL;

    for (size_t i = 0; places[i] && !found; i++) {
        char *path = path_join(dir, places[i]);

        found = path ? load(path) : NULL;
        free(path);
    }
    return found;
}

int tls_load(const struct tls **out, struct err *err)
{
    const struct tls *found = NULL;
    char *dir = NULL;
    const char *why;

    if (path_program_dir(&dir, NULL) == 0)
        found = load_near(dir);
    if (!found)
        found = load(RBEE_LIBDIR "/" TLS_MODULE);
    why = found ? NULL : dlerror();
    if (!found)
        err_set(err, ERR_UNSUPPORTED,
                "TLS is not there: " TLS_MODULE " is neither beside the program in %s nor in "
                "%s, or cannot be loaded%s%s; install it, or OpenSSL 3 and libevent-openssl",
                dir ? dir : "?", RBEE_LIBDIR, why ? ": " : "", why ? why : "");
    else if (found->version != TLS_VERSION)
        err_set(err, ERR_UNSUPPORTED, TLS_MODULE " is of version %u, this program needs %d",
                found->version, TLS_VERSION);
    free(dir);
    if (!found || found->version != TLS_VERSION)
        return ERR_UNSUPPORTED;
    *out = found;
    return 0;
}
