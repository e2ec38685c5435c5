/* sweep.c - see sweep.h. No state. */
#include "base/sweep.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

#define TAIL   ".tmp-"
#define DIGITS "0123456789"

static bool is_tail(const char *tail)
{
    size_t n = strlen(TAIL);

    return str_starts(tail, TAIL) && tail[n] && tail[n + strspn(tail + n, DIGITS)] == '\0';
}

bool sweep_is_copy(const char *name)
{
    const char *tail = strstr(name, TAIL);

    return tail && is_tail(tail);
}

void sweep_copies(const char *path)
{
    const char *name = path_base(path);
    size_t n = (size_t)(name - path);
    char *dir = n ? str_ndup(path, n) : str_dup(".");
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (str_starts(entry->d_name, name) && is_tail(entry->d_name + strlen(name)))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    free(dir);
}
