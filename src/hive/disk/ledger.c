/* ledger.c - see ledger.h. What is read back is checked like anything from outside. */
#include "hive/disk/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sync.h"
#include "hive/disk/digest.h"

#define SUM_LEN        8
#define LINE_MAX_BYTES (LEDGER_TAG_MAX + 64)

struct ledger {
    int fd;
};

char *ledger_path(const char *part)
{
    return str_printf("%s.ledger", part);
}

/* ---- lines ---- */

static int sum_of(const char *text, size_t n, char sum[SUM_LEN + 1])
{
    char hex[DIGEST_SHA256_BYTES];

    if (digest_of(text, n, hex, NULL))
        return -1;
    memcpy(sum, hex, SUM_LEN);
    sum[SUM_LEN] = '\0';
    return 0;
}

/* One write a line, behind whatever is there. */
static int put_line(struct ledger *l, const char *text, struct err *err)
{
    char sum[SUM_LEN + 1], line[SUM_LEN + LINE_MAX_BYTES + 3];
    ssize_t put;
    int n;

    if (sum_of(text, strlen(text), sum))
        return err_no_memory(err, LINE_MAX_BYTES, "a ledger's line");
    n = snprintf(line, sizeof line, "%s %s\n", sum, text);
    put = write(l->fd, line, (size_t)n);
    if (put == n)
        return 0;
    return err_errno(err, ERR_IO, put < 0 ? errno : ENOSPC, "cannot add to a download's ledger");
}

int ledger_add(struct ledger *l, const struct ledger_claim *claim, struct err *err)
{
    char text[LINE_MAX_BYTES];

    snprintf(text, sizeof text, "bytes %llu %llu %s", (unsigned long long)claim->from,
             (unsigned long long)claim->to, claim->digest);
    return put_line(l, text, err);
}

int ledger_add_tag(struct ledger *l, const char *tag, struct err *err)
{
    char text[LINE_MAX_BYTES];

    snprintf(text, sizeof text, "tag %.*s", LEDGER_TAG_MAX - 1, tag);
    return put_line(l, text, err);
}

int ledger_add_round(struct ledger *l, unsigned round, struct err *err)
{
    char text[LINE_MAX_BYTES];

    snprintf(text, sizeof text, "round %u", round);
    return put_line(l, text, err);
}

int ledger_sync(struct ledger *l, int data_fd, struct err *err)
{
    int error = sync_bytes(data_fd);

    if (error == 0)
        error = sync_bytes(l->fd);
    return error ? err_errno(err, ERR_IO, error, "cannot bring what was downloaded to the disk")
                 : 0;
}

/* ---- reading ---- */

bool ledger_is_sha256(const char *digest)
{
    return strlen(digest) == DIGEST_SHA256_BYTES - 1;
}

static bool is_digest(const char *text)
{
    size_t n = strlen(text);

    return (n == DIGEST_SHA256_BYTES - 1 || n == DIGEST_XXH3_BYTES - 1) &&
           strspn(text, "0123456789abcdef") == n;
}

/* What is being read. */
struct reading {
    struct ledger_found *found;
    size_t room;       /* for claims */
    uint64_t furthest; /* no claim says anything of a byte from here on */
    bool tangled;      /* a claim may speak of what an earlier one has spoken of */
    bool no_memory;
};

static bool add_claim(struct reading *r, const struct ledger_claim *c)
{
    struct ledger_found *found = r->found;

    if (found->n_claims == r->room) {
        size_t room = 2 * r->room + 16;
        struct ledger_claim *more = realloc(found->claims, room * sizeof *more);

        r->no_memory = !more;
        if (!more)
            return false;
        found->claims = more;
        r->room = room;
    }
    found->claims[found->n_claims++] = *c;
    r->tangled = r->tangled || c->from < r->furthest;
    if (c->to > r->furthest)
        r->furthest = c->to;
    return true;
}

/* Within the file and within one piece. */
static bool is_claim(const char *text, uint64_t size, uint64_t piece_bytes, struct ledger_claim *c)
{
    unsigned long long from, to;
    int used = 0;

    if (sscanf(text, "bytes %20llu %20llu %64s%n", &from, &to, c->digest, &used) != 3 ||
        text[used] || !is_digest(c->digest) || from >= to || to > size ||
        from / piece_bytes != (to - 1) / piece_bytes)
        return false;
    c->from = from;
    c->to = to;
    return true;
}

static bool take_head(const char *text, uint64_t size, struct ledger_found *found)
{
    unsigned long long version, its_size, piece;
    int used = 0;

    if (sscanf(text, "rbee-ledger %5llu %20llu %20llu%n", &version, &its_size, &piece, &used) !=
            3 ||
        text[used] || version < 1 || version > LEDGER_VERSION || its_size != size ||
        piece < (64u << 10) || piece > (1u << 30))
        return false;
    found->known = true;
    found->piece_bytes = piece;
    return true;
}

static bool take_line(const char *text, uint64_t size, struct reading *r)
{
    struct ledger_found *found = r->found;
    struct ledger_claim claim;

    if (!found->known)
        return take_head(text, size, found);
    if (is_claim(text, size, found->piece_bytes, &claim))
        return add_claim(r, &claim);
    if (str_starts(text, "tag "))
        return str_copy(found->tag, sizeof found->tag, text + 4);
    return sscanf(text, "round %5u", &found->round) == 1;
}

/* ---- the newest word ---- */

/* Goes over the bytes from the first to the last: which claim is the newest word about each? */
struct sweep {
    const struct ledger_claim *claims; /* the newest last */
    size_t n;
    size_t *by_from; /* the claims in the order of their first bytes */
    size_t *
        open; /* those that speak of the byte at hand, and some that no more do; the newest first */
    size_t n_open;   /* a heap */
    uint64_t *owned; /* bytes about which each is the newest word */
};

static void push_open(struct sweep *s, size_t claim)
{
    size_t at = s->n_open++, above;

    for (; at > 0 && s->open[above = (at - 1) / 2] < claim; at = above)
        s->open[at] = s->open[above];
    s->open[at] = claim;
}

static void pop_open(struct sweep *s)
{
    size_t last = s->open[--s->n_open], at = 0, below;

    while ((below = 2 * at + 1) < s->n_open) {
        if (below + 1 < s->n_open && s->open[below + 1] > s->open[below])
            below++;
        if (s->open[below] <= last)
            break;
        s->open[at] = s->open[below];
        at = below;
    }
    s->open[at] = last;
}

static int compare_from(const void *a, const void *b, void *claims)
{
    const struct ledger_claim *all = claims;
    uint64_t x = all[*(const size_t *)a].from, y = all[*(const size_t *)b].from;

    return (x > y) - (x < y);
}

static void sweep(struct sweep *s)
{
    uint64_t at = 0, next;
    size_t i = 0, top;

    for (;;) {
        while (s->n_open && s->claims[s->open[0]].to <= at)
            pop_open(s);
        if (s->n_open == 0 && i == s->n)
            return;
        if (s->n_open == 0)
            at = s->claims[s->by_from[i]].from;
        while (i < s->n && s->claims[s->by_from[i]].from <= at)
            push_open(s, s->by_from[i++]);
        top = s->open[0];
        next = s->claims[top].to;
        if (i < s->n && s->claims[s->by_from[i]].from < next)
            next = s->claims[s->by_from[i]].from;
        s->owned[top] += next - at;
        at = next;
    }
}

/* The newest word about a byte counts: a claim is dropped when a later one says anything of its
 * bytes. False: no memory. */
static bool drop_overlapped(struct ledger_found *found)
{
    size_t n = found->n_claims, kept = 0;
    struct sweep s = {found->claims,
                      n,
                      malloc(n * sizeof *s.by_from),
                      malloc(n * sizeof *s.open),
                      0,
                      calloc(n, sizeof *s.owned)};
    bool ok = s.by_from && s.open && s.owned;

    for (size_t i = 0; ok && i < n; i++)
        s.by_from[i] = i;
    if (ok) {
        qsort_r(s.by_from, n, sizeof *s.by_from, compare_from, found->claims);
        sweep(&s);
    }
    for (size_t i = 0; ok && i < n; i++)
        if (s.owned[i] == found->claims[i].to - found->claims[i].from)
            found->claims[kept++] = found->claims[i];
    if (ok)
        found->n_claims = kept;
    free(s.by_from);
    free(s.open);
    free(s.owned);
    return ok;
}

/* "<sum> bytes <from> <to> <digest>" about any of the claim's bytes; *same: it says the same. */
static bool is_about(const char *line, const struct ledger_claim *claim, bool *same)
{
    const char *at = line + SUM_LEN + 1;
    size_t n_digits = strlen(claim->digest);
    unsigned long long from, to;
    char *end;

    if (!str_starts(at, "bytes "))
        return false;
    from = strtoull(at + strlen("bytes "), &end, 10);
    to = strtoull(end, &end, 10);
    if (to <= claim->from || from >= claim->to)
        return false;
    *same = from == claim->from && to == claim->to && end[0] == ' ' &&
            strncmp(end + 1, claim->digest, n_digits) == 0 && end[1 + n_digits] == '\n';
    return true;
}

bool ledger_has(const char *path, const struct ledger_claim *claim)
{
    char *text = NULL;
    bool same = false;
    size_t n;

    if (path_read_file(path, LEDGER_BYTES_MAX, &text, &n, NULL))
        return false;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        if (end - line > SUM_LEN + 1)
            is_about(line, claim, &same);
    free(text);
    return same;
}

/* *good: how much of the text is whole lines that say something. */
static int read_lines(char *text, uint64_t size, struct ledger_found *found, size_t *good,
                      struct err *err)
{
    struct reading r = {.found = found};
    char *line = text, sum[SUM_LEN + 1];

    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (end - line < SUM_LEN + 2 || line[SUM_LEN] != ' ')
            break;
        if (sum_of(line + SUM_LEN + 1, (size_t)(end - line) - SUM_LEN - 1, sum)) {
            r.no_memory = true; /* of the line nothing is known */
            break;
        }
        if (strncmp(line, sum, SUM_LEN) != 0 || !take_line(line + SUM_LEN + 1, size, &r))
            break;
    }
    *good = (size_t)(line - text);
    if (r.no_memory || (r.tangled && !drop_overlapped(found)))
        return err_no_memory(err, found->n_claims * sizeof *found->claims, "a ledger");
    return 0;
}

void ledger_found_done(struct ledger_found *found)
{
    free(found->claims);
    *found = (struct ledger_found){.known = false};
}

/* ---- opening ---- */

/* The process, or the machine, has as many open files as it may. */
static bool is_full(int errno_value)
{
    return errno_value == EMFILE || errno_value == ENFILE;
}

int ledger_reopen(const char *path, struct ledger **out, struct err *err)
{
    struct ledger *l = malloc(sizeof *l);

    if (!l)
        return err_no_memory(err, sizeof *l, "a ledger");
    l->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (l->fd >= 0) {
        *out = l;
        return 0;
    }
    free(l);
    return err_errno(err,
                     errno == ENOENT  ? ERR_NOT_FOUND
                     : is_full(errno) ? ERR_BUSY
                                      : ERR_IO,
                     errno, "cannot open %s", path);
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    close(l->fd);
    free(l);
}

/* A fresh one in the place of whatever is there: the old or the new, never half. */
static int begin(const char *path, uint64_t size, uint64_t piece_bytes, struct err *err)
{
    char text[LINE_MAX_BYTES], sum[SUM_LEN + 1], line[LINE_MAX_BYTES + SUM_LEN + 3];
    int n;

    snprintf(text, sizeof text, "rbee-ledger %d %llu %llu", LEDGER_VERSION,
             (unsigned long long)size, (unsigned long long)piece_bytes);
    if (sum_of(text, strlen(text), sum))
        return err_no_memory(err, sizeof text, "a ledger's line");
    n = snprintf(line, sizeof line, "%s %s\n", sum, text);
    return path_write_file(path, line, (size_t)n, 0644, err);
}

int ledger_open(const char *path, uint64_t size_bytes, uint64_t piece_bytes,
                struct ledger_found *found, struct ledger **out, struct err *err)
{
    char *text = NULL;
    size_t n = 0, good = 0;
    int rc;

    *found = (struct ledger_found){.piece_bytes = piece_bytes};
    errno = 0;
    rc = path_read_file(path, LEDGER_BYTES_MAX, &text, &n, err);
    if (rc == 0)
        rc = read_lines(text, size_bytes, found, &good, err);
    else if (is_full(errno))
        rc = err_errno(err, ERR_BUSY, errno, "cannot open %s", path);
    else if (rc == ERR_NOT_FOUND || rc == ERR_INVALID || rc == ERR_LIMIT)
        rc = 0; /* there is none, or it is no ledger */
    free(text);
    if (rc)
        return rc;
    if (!found->known)
        rc = begin(path, size_bytes, piece_bytes, err);
    else if (good < n && truncate(path, (off_t)good) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot cut the torn end off %s", path);
    return rc ? rc : ledger_reopen(path, out, err);
}
