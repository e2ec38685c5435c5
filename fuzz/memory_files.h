/*
 * memory_files.h - for targets whose programs read and write files under names that the input
 * chooses: they are in memory, but for those in the target's own folder (scratch.h). In the place
 * of base/path.h's calls stands what the linker was told to put there (chat_world in meson.build).
 */
#ifndef RBEE_FUZZ_MEMORY_FILES_H
#define RBEE_FUZZ_MEMORY_FILES_H

#include "scratch.h"

#define MEMORY_FILES_MAX 8

struct memory_file {
    char *name, *text; /* owned */
    size_t n;
};

static struct {
    struct memory_file files[MEMORY_FILES_MAX];
    size_t n_files;
} memory;

/* Looks at what is written, before it is; the target's. */
static void check_written(const void *bytes, size_t n, mode_t mode);

bool __wrap_path_is_dir(const char *path);
bool __real_path_is_file(const char *path);
bool __wrap_path_is_file(const char *path);
int __real_path_read_file(const char *path, size_t max_bytes, char **out, size_t *n,
                          struct err *err);
int __wrap_path_read_file(const char *path, size_t max_bytes, char **out, size_t *n,
                          struct err *err);
int __real_path_write_file(const char *path, const void *bytes, size_t n, mode_t mode,
                           struct err *err);
int __wrap_path_write_file(const char *path, const void *bytes, size_t n, mode_t mode,
                           struct err *err);

static bool is_real(const char *path)
{
    return str_starts(path, scratch());
}

static struct memory_file *find_file(const char *path)
{
    for (size_t i = 0; i < memory.n_files; i++)
        if (str_eq(memory.files[i].name, path))
            return &memory.files[i];
    return NULL;
}

bool __wrap_path_is_dir(const char *path)
{
    return path[0] && str_ends(path, "/");
}

bool __wrap_path_is_file(const char *path)
{
    return is_real(path) ? __real_path_is_file(path) : find_file(path) != NULL;
}

int __wrap_path_read_file(const char *path, size_t max_bytes, char **out, size_t *n,
                          struct err *err)
{
    const struct memory_file *f = find_file(path);

    if (is_real(path))
        return __real_path_read_file(path, max_bytes, out, n, err);
    if (!f)
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", path);
    if (f->n > max_bytes)
        return err_set(err, ERR_LIMIT, "%s is too long", path);
    *out = str_ndup(f->text, f->n);
    *n = f->n;
    return 0;
}

static void put_file(const char *path, const void *bytes, size_t n)
{
    struct memory_file *f = find_file(path);

    if (!f) {
        f = &memory.files[memory.n_files++];
        *f = (struct memory_file){.name = str_dup(path)};
    }
    free(f->text);
    f->text = str_ndup(bytes, n);
    f->n = n;
}

int __wrap_path_write_file(const char *path, const void *bytes, size_t n, mode_t mode,
                           struct err *err)
{
    if (is_real(path))
        return __real_path_write_file(path, bytes, n, mode, err);
    check_written(bytes, n, mode);
    if (memory.n_files == MEMORY_FILES_MAX && !find_file(path))
        return err_set(err, ERR_NO_SPACE, "no room for %s", path);
    put_file(path, bytes, n);
    return 0;
}

static void forget_files(void)
{
    while (memory.n_files) {
        struct memory_file *f = &memory.files[--memory.n_files];

        free(f->name);
        free(f->text);
    }
}

#endif
