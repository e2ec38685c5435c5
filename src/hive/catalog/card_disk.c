/* card_disk.c - what of a card's files is on the disk. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"

uint64_t card_bytes_on_disk(const struct card *c)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < c->n_files; i++) {
        char *part = str_printf("%s.part", c->files[i].path);
        struct stat st;

        if (stat(c->files[i].path, &st) == 0 || (part && stat(part, &st) == 0))
            sum += (uint64_t)st.st_blocks * 512;
        free(part);
    }
    return sum;
}

int card_check_place(const struct card *c, struct err *err)
{
    struct err why = {0};
    int rc = path_check_spelling(c->path, c->n_root, &why);

    if (rc == ERR_CONFLICT)
        return err_set(err, rc,
                       "%s: name the model as it is spelled there, or choose a folder on another "
                       "file system ([hive] models_dir)",
                       why.text);
    return rc ? err_set(err, rc, "%s", why.text) : card_check_age(c->path, err);
}

size_t card_n_there(const struct card *c)
{
    struct stat st;
    size_t n = 0;

    for (size_t i = 0; i < c->n_files; i++)
        n += lstat(c->files[i].path, &st) == 0;
    return n;
}

int card_check_file(const struct card *c, size_t i, struct err *err)
{
    const struct card_file *f = &c->files[i];
    uint64_t size;

    if (path_file_size(f->path, &size, NULL))
        return err_set(err, ERR_NOT_FOUND, "its file %.300s is no longer there", f->path);
    if (size != f->size_bytes)
        return err_set(err, ERR_INVALID, "its file %.300s has %llu bytes, it should have %llu",
                       f->path, (unsigned long long)size, (unsigned long long)f->size_bytes);
    return 0;
}

bool card_is_cut(const struct card *c, struct err *err)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (c->files[i].size_bytes > 0 && card_check_file(c, i, err) == ERR_INVALID)
            return true;
    return false;
}

bool card_is_complete(const struct card *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (card_check_file(c, i, NULL))
            return false;
    return c->n_files > 0;
}

int64_t card_arrived_ms(const struct card *c)
{
    int64_t now = clock_unix_ms(), then;
    struct stat st;

    if (stat(c->path, &st) != 0)
        return now;
    then = clock_unix_ms_of(&st.st_mtim);
    return then < now ? then : now;
}
