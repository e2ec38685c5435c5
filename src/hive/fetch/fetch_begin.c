/*
 * fetch_begin.c - what an earlier life left of a file: its part, its ledger, or a part without one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/fetch/fetch_internal.h"

#define BLOCK_BYTES 4096u /* at the edges of what a file system holds, half-written blocks lie */

int fetch_open_part(struct fetch *f, struct err *err)
{
    f->fd = path_open_made(f->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->fd >= 0)
        return 0;
    return err_errno(err,
                     errno == EACCES                      ? ERR_DENIED
                     : errno == EMFILE || errno == ENFILE ? ERR_BUSY
                                                          : ERR_IO,
                     errno, "cannot write %s", f->part);
}

/* The ledger's word is checked in helper threads; until then it counts as neither here nor missing.
 */
static int take_claims(struct fetch *f, uint64_t part_bytes)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->found.n_claims; i++) {
        const struct ledger_claim c = f->found.claims[i];

        if (c.to > part_bytes)
            continue; /* the file was cut off: nothing to be hashed */
        if (pieces_close(f->pieces, c.from, c.to))
            return -1;
        pieces_doubt(f->pieces, c.from, 1);
        f->n_doubted += c.to - c.from;
        f->found.claims[kept++] = c;
    }
    f->found.n_claims = kept;
    return 0;
}

static int adopt_range(struct fetch *f, uint64_t from, uint64_t to)
{
    if (to > f->want)
        to = f->want;
    if (from >= to)
        return 0;
    pieces_mark_unsure(f->pieces, from, to);
    return pieces_close(f->pieces, from, to);
}

/* A part without a ledger of ours: its bytes are taken as they are, holes as missing. A plain
 * prefix, as earlier versions left it, has no holes and is taken to its last byte. */
static int adopt(struct fetch *f, uint64_t part_bytes)
{
    off_t from = 0, to;

    to = lseek(f->fd, 0, SEEK_HOLE);
    if (to < 0 || (uint64_t)to >= part_bytes)
        return adopt_range(f, 0, part_bytes);
    while ((from = lseek(f->fd, from, SEEK_DATA)) >= 0 &&
           (to = lseek(f->fd, from, SEEK_HOLE)) >= 0) {
        uint64_t end = (uint64_t)to;

        if (end < part_bytes)
            end = end > BLOCK_BYTES ? end - BLOCK_BYTES : 0;
        if (adopt_range(f, (uint64_t)from, end))
            return -1;
        from = to;
    }
    return 0;
}

int fetch_open_pieces(struct fetch *f, struct err *err)
{
    uint64_t part_bytes;
    struct stat st;
    int rc =
        ledger_open(f->ledger_path, f->want, pieces_size_for(f->want), &f->found, &f->ledger, err);

    if (rc == 0)
        rc = pieces_create(f->want, f->found.piece_bytes, &f->pieces, err);
    if (rc)
        return rc;
    if (fstat(f->fd, &st) != 0 ||
        ((uint64_t)st.st_size > f->want && ftruncate(f->fd, (off_t)f->want) != 0))
        return err_errno(err, ERR_IO, errno, "cannot use %s", f->part);
    part_bytes = (uint64_t)st.st_size < f->want ? (uint64_t)st.st_size : f->want;
    if ((uint64_t)st.st_size > f->want && !f->found.known) /* of another file, or of none */
        return 0;
    f->read_twice = f->found.round > 0;
    if (f->found.tag[0])
        str_copy(f->tag, sizeof f->tag, f->found.tag);
    if (f->found.known ? take_claims(f, part_bytes) : adopt(f, part_bytes))
        return err_no_memory(err, 0, "a file's pieces");
    if (st.st_size > 0)
        log_info("download of %s: %s %llu of %llu bytes", f->name,
                 f->found.known ? "the ledger tells of" : "without a ledger it has",
                 (unsigned long long)(f->want - pieces_missing(f->pieces)),
                 (unsigned long long)f->want);
    return 0;
}

int fetch_start_over(struct fetch *f, uint64_t size_bytes, struct err *err)
{
    int fd = open(f->part, O_RDWR | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot empty %s", f->part);
    fetch_work_abandon(f);
    close(f->fd); /* a sync that nobody waits for any more has the old one: the kernel tells each of
                     its own */
    f->fd = fd;
    unlink(f->ledger_path);
    ledger_close(f->ledger);
    ledger_found_done(&f->found);
    pieces_free(f->pieces);
    digest_free(f->digest);
    f->ledger = NULL;
    f->pieces = NULL;
    f->n_checked = 0;
    f->n_doubted = f->hashed = f->furthest = 0;
    f->tag[0] = '\0';
    if (f->want_known && size_bytes != f->want) {
        f->want = size_bytes;
        f->p.on_told(f->p.arg, f->want, f->sha256);
    }
    f->digest = digest_create();
    if (!f->digest)
        return err_no_memory(err, 1, "a digest");
    return f->want_known ? fetch_open_pieces(f, err) : 0;
}
