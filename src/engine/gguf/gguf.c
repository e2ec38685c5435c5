/*
 * gguf.c - opens and closes views: by path, by open files, over memory; joins split files.
 *
 * Owns the mappings. Files are mapped private and read-only. Refuses what is no regular file, and
 * split files whose parts are missing, mixed up or of another set. One thread opens; once open, a
 * view is immutable. Source of the split keys: ggml's published split naming, "split.no",
 * "split.count", "split.tensors.count".
 */
#include "engine/gguf/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/gguf/files.h"
#include "engine/gguf/tensors.h"
#include "engine/gguf/view.h"

static struct gguf *create(const char *name, uint32_t n_parts, struct err *err)
{
    struct gguf *g = calloc(1, sizeof(*g));

    if (g) {
        g->name = str_dup(name);
        g->parts = calloc(n_parts, sizeof(*g->parts));
        g->n_parts = n_parts;
    }
    if (g && g->name && g->parts)
        return g;
    if (g)
        free(g->name);
    if (g)
        free(g->parts);
    free(g);
    err_no_memory(err, n_parts * sizeof(struct gguf_part), "a view of a model file");
    return NULL;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    for (uint32_t i = 0; i < g->n_parts; i++) {
        view_done(&g->parts[i]);
        if (g->parts[i].mapped)
            munmap((void *)(uintptr_t)g->parts[i].bytes, g->parts[i].size_bytes);
        if (g->parts[i].mapped && g->parts[i].fd >= 0)
            close(g->parts[i].fd);
    }
    free(g->tensors);
    free(g->tensor_index);
    free(g->parts);
    free(g->name);
    free(g);
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a file is mapped whole, whatever its size");

/* Maps one regular file; the descriptor stays the caller's. */
static int map_part(struct gguf_part *p, int fd, const char *name, struct err *err)
{
    struct stat st;
    void *bytes;

    p->name = str_dup(name);
    if (!p->name)
        return err_no_memory(err, strlen(name) + 1, "a file's name");
    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, errno, "cannot examine '%s'", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is not a regular file", name);
    if (st.st_size == 0)
        return err_set(err, ERR_INVALID,
                       "%s: the file is empty: the magic number at byte 0 is "
                       "missing",
                       name);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_errno(err, errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO, errno,
                         "cannot map the %jd bytes of '%s'", (intmax_t)st.st_size, name);
    p->bytes = bytes;
    p->size_bytes = (uint64_t)st.st_size;
    p->mapped = true;
    p->modified = st.st_mtim;
    p->fd = -1;
    return 0;
}

/* A split key of a part, when it is there, must have the value expected. */
static int check_split_key(const struct gguf_part *p, const char *key, uint64_t expected,
                           struct err *err)
{
    const struct gguf_key *k = view_find_key(p, key);
    bool negative = false;
    uint64_t v = 0;

    if (!k)
        return 0;
    if (!view_integer(k, &v, &negative))
        return err_set(err, ERR_INVALID,
                       "%s: the key '%s' holds a value of type %s, not an integer", p->name, key,
                       view_type_name(k->type));
    if (negative || v != expected)
        return err_set(err, ERR_INVALID,
                       "%s: the key '%s' is %" PRId64 ", but %" PRIu64
                       " was expected of the parts opened",
                       p->name, key, (int64_t)v, expected);
    return 0;
}

/* Reads every part, and finds out whether they belong together. */
static int read_parts(struct gguf *g, struct err *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < g->n_parts && rc == 0; i++) {
        rc = view_read_part(g, i, err);
        g->file_bytes += g->parts[i].size_bytes;
        if (rc == 0)
            rc = check_split_key(&g->parts[i], "split.no", i, err);
        if (rc == 0)
            rc = check_split_key(&g->parts[i], "split.count", g->n_parts, err);
    }
    if (rc == 0)
        rc = check_split_key(&g->parts[0], "split.tensors.count", g->n_tensors, err);
    return rc ? rc : tensors_index(g, err);
}

/* Hands the view out, or frees it. */
static int deliver(struct gguf *g, int rc, struct gguf **out)
{
    if (rc == 0)
        *out = g;
    else
        gguf_close(g);
    return rc;
}

int gguf_open_memory(const void *bytes, size_t n_bytes, const char *name, struct gguf **out,
                     struct err *err)
{
    struct gguf *g = create(name, 1, err);

    if (!g)
        return ERR_NO_MEMORY;
    g->parts[0].bytes = bytes;
    g->parts[0].size_bytes = n_bytes;
    g->parts[0].name = str_dup(name);
    if (!g->parts[0].name)
        return deliver(g, err_no_memory(err, strlen(name) + 1, "a file's name"), out);
    return deliver(g, read_parts(g, err), out);
}

int gguf_open_fds(const int *fds, uint32_t n_fds, const char *name, struct gguf **out,
                  struct err *err)
{
    struct gguf *g;
    int rc = 0;

    if (n_fds == 0 || n_fds > GGUF_MAX_PARTS)
        return err_set(err, ERR_LIMIT, "%s: %" PRIu32 " parts were given; 1 to %d are possible",
                       name, n_fds, GGUF_MAX_PARTS);
    g = create(name, n_fds, err);
    if (!g)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < n_fds && rc == 0; i++) {
        rc = map_part(&g->parts[i], fds[i], name, err);
        if (rc == 0)
            g->parts[i].fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
    }
    return deliver(g, rc ? rc : read_parts(g, err), out);
}

int gguf_open_files(struct gguf_files *files, struct gguf **out, struct err *err)
{
    struct gguf *g = create(files->path, files->n, err);
    int rc = 0;

    if (!g)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < files->n && rc == 0; i++) {
        rc = map_part(&g->parts[i], files->parts[i].fd, files->parts[i].path, err);
        if (rc)
            break;
        g->parts[i].fd = files->parts[i].fd;
        files->parts[i].fd = -1;
    }
    return deliver(g, rc ? rc : read_parts(g, err), out);
}

int gguf_open(const char *path, struct gguf **out, struct err *err)
{
    struct gguf_files *files;
    int rc = gguf_files_open(path, &files, err);

    if (rc)
        return rc;
    rc = gguf_open_files(files, out, err);
    gguf_files_close(files);
    return rc;
}

uint32_t gguf_version(const struct gguf *g)
{
    return g->parts[0].version;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->file_bytes;
}

uint32_t gguf_n_parts(const struct gguf *g)
{
    return g->n_parts;
}

const char *gguf_name(const struct gguf *g)
{
    return g->name;
}

uint64_t gguf_memory_bytes(const struct gguf *g)
{
    uint64_t bytes = g->n_tensors * (uint64_t)(sizeof *g->tensors + sizeof *g->tensor_index);

    for (uint32_t i = 0; i < g->n_parts; i++)
        bytes += g->parts[i].n_keys * (uint64_t)(sizeof *g->parts->keys + sizeof *g->parts->index);
    return bytes;
}

uint32_t gguf_n_tensors(const struct gguf *g)
{
    return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, uint32_t i)
{
    BUG_ON(i >= g->n_tensors);
    return &g->tensors[i];
}

uint32_t gguf_tensor_number(const struct gguf *g, const struct gguf_tensor *t)
{
    BUG_ON(t < g->tensors || t >= g->tensors + g->n_tensors);
    return (uint32_t)(t - g->tensors);
}

uint32_t gguf_n_keys(const struct gguf *g)
{
    return g->parts[0].n_keys;
}

struct gguf_str gguf_key_at(const struct gguf *g, uint32_t i)
{
    BUG_ON(i >= g->parts[0].n_keys);
    return g->parts[0].keys[i].name;
}

/* The part whose bytes `at` lies in. */
static const struct gguf_part *part_of(const struct gguf *g, const uint8_t *at)
{
    for (uint32_t i = 0; i < g->n_parts; i++) {
        const struct gguf_part *p = &g->parts[i];

        if (at >= p->bytes && at < p->bytes + p->size_bytes)
            return p;
    }
    BUG("%p lies in no part of %s", (const void *)at, g->name);
}

int gguf_copy(const struct gguf *g, const void *at, size_t n, void *dst)
{
    const struct gguf_part *p = part_of(g, at);
    off_t from = (off_t)((const uint8_t *)at - p->bytes);
    char *to = dst;

    if (!p->mapped || p->fd < 0) {
        memcpy(dst, at, n);
        return 0;
    }
    while (n > 0) {
        ssize_t got = pread(p->fd, to, n, from);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : ENODATA;
        to += got;
        from += got;
        n -= (size_t)got;
    }
    return 0;
}

int gguf_unreadable(const struct gguf *g, int why, struct err *err)
{
    if (why == ENODATA)
        return err_set(err, ERR_IO, "%s: the weights cannot be read: the file has become shorter",
                       g->name);
    return err_errno(err, ERR_IO, why, "%s: the weights cannot be read", g->name);
}

/* Another name, another owner or another reader change st_ctim as well, and no byte: it does not
 * count. A server that knows the file no more has another one by its name. */
static int check_part(const struct gguf_part *p, struct err *err)
{
    struct stat st;

    if (!p->mapped || p->fd < 0)
        return 0;
    if (fstat(p->fd, &st) != 0)
        return errno == ESTALE ? err_set(err, ERR_IO, "%s: the file was removed", p->name) : 0;
    if ((uint64_t)st.st_size != p->size_bytes)
        return err_set(err, ERR_IO,
                       "%s: the file has %jd bytes now, and had %" PRIu64 " when it was opened",
                       p->name, (intmax_t)st.st_size, p->size_bytes);
    if (st.st_mtim.tv_sec != p->modified.tv_sec || st.st_mtim.tv_nsec != p->modified.tv_nsec)
        return err_set(err, ERR_IO, "%s: the file was written to after it was opened", p->name);
    return 0;
}

int gguf_check(const struct gguf *g, struct err *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < g->n_parts && rc == 0; i++)
        rc = check_part(&g->parts[i], err);
    return rc;
}

void gguf_expect(const struct gguf *g, const void *at, size_t n)
{
    const struct gguf_part *p = part_of(g, at);

    if (p->mapped && p->fd >= 0)
        (void)posix_fadvise(p->fd, (off_t)((const uint8_t *)at - p->bytes), (off_t)n,
                            POSIX_FADV_WILLNEED);
}

bool gguf_has(const struct gguf *g, const char *key)
{
    return view_find_key(&g->parts[0], key) != NULL;
}

void gguf_release(const struct gguf *g, const void *at, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)at + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)at + n) / page * page;

    /* in memory that is no mapping of a file the bytes would be lost */
    if (part_of(g, at)->mapped && end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}
