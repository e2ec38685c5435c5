/* export_dir.c - see export_dir.h. */
#include "hive/chores/export_dir.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"

/* By what the folders are: a mount, or a file system that folds case, gives one several names. */
static bool is_folder(const char *path, const struct stat *folder)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == folder->st_dev && st.st_ino == folder->st_ino;
}

/* Is it that folder, or in it? `path` has no links in it; its last part need not be there. */
static bool lies_in(char *path, const char *folder)
{
    struct stat top;
    bool found = false;

    if (stat(folder, &top) != 0)
        return false;
    for (size_t n = strlen(path); n > 0 && !found; n--) {
        char c = path[n];

        if (c != '/' && c != '\0')
            continue;
        path[n] = '\0';
        found = is_folder(path, &top);
        path[n] = c;
    }
    return found || is_folder("/", &top);
}

/* Of a folder that is to be made: the one above it, resolved, and its name. */
static int resolve_new(const char *dir, char **out, struct err *err)
{
    size_t n = strlen(dir);
    char *copy, *above, *real = NULL;
    const char *name;
    int rc;

    while (n > 1 && dir[n - 1] == '/')
        n--;
    copy = str_ndup(dir, n);
    if (!copy)
        return err_no_memory(err, n, "a path");
    name = path_base(copy);
    above = str_ndup(copy, (size_t)(name - copy));
    rc = above ? path_real(above, &real, err) : err_no_memory(err, n, "a path");
    if (rc == ERR_NOT_FOUND)
        rc = err_set(err, ERR_NOT_FOUND,
                     "%.300s cannot be made, as %.300s is not there: make that first, or plug in "
                     "what it is on",
                     copy, above);
    if (rc == 0 && !(*out = path_join(str_eq(real, "/") ? "" : real, name)))
        rc = err_no_memory(err, n, "a path");
    free(copy);
    free(above);
    free(real);
    return rc;
}

int export_dir_find(const char *dir, const char *home, const char *models_dir, char **out,
                    struct err *err)
{
    int rc = path_real(dir, out, err);

    if (rc == ERR_NOT_FOUND)
        rc = resolve_new(dir, out, err);
    if (rc)
        return rc;
    if (!lies_in(*out, home) && !lies_in(*out, models_dir))
        return 0;
    rc = err_set(err, ERR_DENIED,
                 "%.300s is a folder of the hive's own, which nothing is exported to: name another "
                 "one",
                 *out);
    free(*out);
    *out = NULL;
    return rc;
}
