/* upload_look.c - what is there of an upload's file: see upload_internal.h. In a step's thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/uuid.h"
#include "hive/chores/upload_internal.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"

/* Of the claims, those whose bytes are so; true when some are not. */
static int check_claims(struct upload_file *f, int fd, struct ledger_found *found, struct chore *c,
                        bool *some_bad, struct err *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < found->n_claims && rc == 0; i++) {
        const struct ledger_claim *claim = &found->claims[i];
        char hex[DIGEST_SHA256_BYTES] = "";

        rc = digest_of_range(digest_create(), fd, claim->from, claim->to, chore_stopped, c, hex,
                             err);
        if (rc == 0 && str_eq(hex, claim->digest)) {
            if (pieces_close(f->pieces, claim->from, claim->to))
                rc = err_no_memory(err, 1, "a file's pieces");
            found->claims[kept++] = *claim;
        }
        chore_count(c, claim->to - claim->from);
    }
    *some_bad = kept < found->n_claims;
    found->n_claims = kept;
    return rc;
}

static int write_ledger(const char *path, const struct upload_file *f,
                        const struct ledger_found *good, struct err *err)
{
    struct ledger_found none = {0};
    struct ledger *l = NULL;
    int rc = ledger_open(path, f->size_bytes, good->piece_bytes, &none, &l, err);

    for (size_t i = 0; i < good->n_claims && rc == 0; i++)
        rc = ledger_add(l, &good->claims[i], err);
    ledger_close(l);
    ledger_found_done(&none);
    return rc;
}

/* The ledger anew, with what holds: the old one stays until it is written, and where that cannot be
 * done. */
static int rewrite(const char *path, const struct upload_file *f, const struct ledger_found *good,
                   struct err *err)
{
    char *temp = sweep_name(path, random_u64());
    int rc;

    sweep_abandoned(path, NULL); /* by a hive that was killed; another ask may be here, too */
    rc = temp ? write_ledger(temp, f, good, err) : err_no_memory(err, strlen(path), "a path");
    if (rc == 0 && rename(temp, path) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot put %s in its place", path);
    if (rc && temp)
        unlink(temp);
    free(temp);
    return rc;
}

static int look(struct upload_file *f, int fd, struct chore *c, struct err *err)
{
    char *path = ledger_path(f->part);
    struct ledger_found found = {0};
    struct ledger *l = NULL;
    bool some_bad = false;
    int rc = path ? ledger_open(path, f->size_bytes, UPLOAD_PIECE_BYTES, &found, &l, err)
                  : err_no_memory(err, strlen(f->part), "a path");

    if (rc == 0)
        rc = pieces_create(f->size_bytes, found.piece_bytes, &f->pieces, err);
    if (rc == 0)
        rc = check_claims(f, fd, &found, c, &some_bad, err);
    if (rc == 0 && some_bad)
        rc = rewrite(path, f, &found, err);
    ledger_close(l);
    ledger_found_done(&found);
    free(path);
    return rc;
}

int upload_look(struct upload_file *f, struct chore *c, struct err *err)
{
    int fd = path_open_made(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), rc;
    struct stat st;

    if (fd < 0)
        return err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot write %s",
                         f->part);
    if (fstat(fd, &st) != 0 ||
        ((uint64_t)st.st_size != f->size_bytes && ftruncate(fd, (off_t)f->size_bytes) != 0))
        rc =
            err_errno(err, errno == EFBIG ? ERR_NO_SPACE : ERR_IO, errno,
                      "cannot make %s %llu bytes long", f->part, (unsigned long long)f->size_bytes);
    else
        rc = look(f, fd, c, err);
    futimens(fd, NULL); /* somebody goes on with it */
    close(fd);
    return rc;
}
