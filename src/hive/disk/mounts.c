/* mounts.c - see mounts.h. */
#include "hive/disk/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

/* Source: the file systems of Linux whose answers come from elsewhere. "fuse" and whatever begins
 * with "fuse." is told by its prefix; fuseblk is a disk here, but its driver is a program. */
static const char *const far_kinds[] = {
    "9p",       "afs",   "autofs", "beegfs", "ceph",   "cifs",     "coda",  "fuse",
    "fuseblk",  "gfs2",  "gpfs",   "lustre", "ncpfs",  "nfs",      "nfs4",  "ocfs2",
    "orangefs", "pvfs2", "smb3",   "smbfs",  "vboxsf", "virtiofs", "vmhgfs"};

static bool is_far(const char *kind)
{
    if (str_starts(kind, "fuse."))
        return true;
    for (size_t i = 0; i < sizeof far_kinds / sizeof far_kinds[0]; i++)
        if (str_eq(kind, far_kinds[i]))
            return true;
    return false;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The kernel writes blanks, tabs, line ends and backslashes as \ooo. In place. */
static void unescape(char *text)
{
    char *to = text;

    while (*text) {
        if (text[0] == '\\' && is_octal(text[1]) && is_octal(text[2]) && is_octal(text[3])) {
            *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
            text += 4;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

/* The next word of a line; NULL at its end. */
static char *next_word(char **line)
{
    char *word;

    while ((word = strsep(line, " ")) && !*word)
        continue;
    return word;
}

static bool has_option(const char *options, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = options; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* "36 35 98:0 /root /at options optional ... - kind source options" */
static bool parse_line(char *line, struct mount *out)
{
    char *word = next_word(&line), *kind, *source, *options;
    int64_t id;

    if (!word || str_to_i64(word, &id) || id < 0 || id > INT_MAX)
        return false;
    for (int i = 0; i < 4; i++)
        if (!(word = next_word(&line)))
            return false;
    out->id = (int)id;
    out->at = word;
    while ((word = next_word(&line)) && !str_eq(word, "-"))
        continue;
    kind = next_word(&line);
    source = next_word(&line);
    options = next_word(&line);
    if (!kind || !source || out->at[0] != '/')
        return false;
    unescape(out->at);
    unescape(kind);
    unescape(source);
    out->at = str_dup(out->at);
    out->kind = str_dup(kind);
    out->source = str_dup(source);
    out->is_far = is_far(kind);
    out->is_auto = str_eq(kind, "autofs");
    out->fans_out =
        out->is_auto && !has_option(options, "direct") && !has_option(options, "offset");
    return true;
}

static void mount_done(struct mount *m)
{
    free(m->at);
    free(m->kind);
    free(m->source);
}

int mounts_parse(char *text, struct mounts *out, struct err *err)
{
    struct mount *grown;
    char *line;

    *out = (struct mounts){0};
    while ((line = strsep(&text, "\n"))) {
        struct mount m = {0};

        if (!parse_line(line, &m))
            continue;
        grown = realloc(out->all, (out->n + 1) * sizeof *grown);
        if (grown)
            out->all = grown;
        if (!grown || !m.at || !m.kind || !m.source) {
            mount_done(&m);
            mounts_done(out);
            return err_no_memory(err, sizeof m, "the list of mounts");
        }
        out->all[out->n++] = m;
    }
    return 0;
}

int mounts_read(int fd, struct mounts *out, struct err *err)
{
    struct buf text;
    char part[16384] = "";
    ssize_t n = 0;
    int rc;

    buf_init(&text, MOUNTS_BYTES_MAX);
    if (lseek(fd, 0, SEEK_SET) == 0)
        while ((n = read(fd, part, sizeof part)) > 0)
            buf_put(&text, part, (size_t)n);
    else
        n = -1;
    if (n < 0)
        rc = err_errno(err, ERR_IO, errno, "cannot read the list of mounts");
    else if (buf_failed(&text))
        rc = err_set(err, ERR_LIMIT, "the list of mounts has more than %u bytes, or no memory",
                     MOUNTS_BYTES_MAX);
    else
        rc = buf_puts(&text, "\n") ? err_no_memory(err, 1, "the list of mounts")
                                   : mounts_parse(text.data, out, err);
    buf_done(&text);
    return rc;
}

void mounts_done(struct mounts *m)
{
    for (size_t i = 0; i < m->n; i++)
        mount_done(&m->all[i]);
    free(m->all);
    *m = (struct mounts){0};
}

static bool lies_on(const char *path, const char *at, size_t n)
{
    return strncmp(path, at, n) == 0 && (path[n] == '\0' || path[n] == '/' || at[n - 1] == '/');
}

const struct mount *mounts_find(const struct mounts *m, const char *path)
{
    const struct mount *best = NULL;
    size_t n_best = 0;

    for (size_t i = 0; i < m->n; i++) {
        size_t n = strlen(m->all[i].at);

        if (n >= n_best && lies_on(path, m->all[i].at, n)) {
            best = &m->all[i];
            n_best = n;
        }
    }
    return best;
}

bool mounts_has(const struct mounts *m, int id)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->all[i].id == id)
            return true;
    return false;
}
