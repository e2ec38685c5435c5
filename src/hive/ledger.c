/* ledger.c - see ledger.h. What is read back is checked like anything from outside. */
#include "hive/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/digest.h"

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
    struct digest *d = digest_create();
    char hex[CARD_SHA256_BYTES];

    if (!d)
        return -1;
    digest_put(d, text, n);
    digest_end(d, hex);
    digest_free(d);
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
    if (fdatasync(data_fd) != 0 || fdatasync(l->fd) != 0)
        return err_errno(err, ERR_IO, errno, "cannot bring what was downloaded to the disk");
    return 0;
}

/* ---- reading ---- */

bool ledger_is_sha256(const char *digest)
{
    return strlen(digest) == CARD_SHA256_BYTES - 1;
}

static bool is_digest(const char *text)
{
    size_t n = strlen(text);

    return (n == CARD_SHA256_BYTES - 1 || n == DIGEST_XXH3_BYTES - 1) &&
           strspn(text, "0123456789abcdef") == n;
}

/* The newest word about a byte counts: claims that overlap are dropped. */
static bool add_claim(struct ledger_found *found, const struct ledger_claim *c, size_t *room)
{
    size_t kept = 0;

    for (size_t i = 0; i < found->n_claims; i++)
        if (found->claims[i].to <= c->from || found->claims[i].from >= c->to)
            found->claims[kept++] = found->claims[i];
    found->n_claims = kept;
    if (kept == *room) {
        struct ledger_claim *more = realloc(found->claims, (2 * kept + 16) * sizeof *more);

        if (!more)
            return false;
        found->claims = more;
        *room = 2 * kept + 16;
    }
    found->claims[found->n_claims++] = *c;
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

static bool take_line(const char *text, uint64_t size, struct ledger_found *found, size_t *room)
{
    struct ledger_claim claim;

    if (!found->known)
        return take_head(text, size, found);
    if (is_claim(text, size, found->piece_bytes, &claim))
        return add_claim(found, &claim, room);
    if (str_starts(text, "tag "))
        return str_copy(found->tag, sizeof found->tag, text + 4);
    return sscanf(text, "round %5u", &found->round) == 1;
}

/* How much of the text is whole lines that say something. */
static size_t read_lines(char *text, uint64_t size, struct ledger_found *found)
{
    size_t room = 0;
    char *line = text, sum[SUM_LEN + 1];

    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (end - line < SUM_LEN + 2 || line[SUM_LEN] != ' ' ||
            sum_of(line + SUM_LEN + 1, (size_t)(end - line) - SUM_LEN - 1, sum) ||
            strncmp(line, sum, SUM_LEN) != 0 || !take_line(line + SUM_LEN + 1, size, found, &room))
            break;
    }
    return (size_t)(line - text);
}

void ledger_found_done(struct ledger_found *found)
{
    free(found->claims);
    *found = (struct ledger_found){.known = false};
}

/* ---- opening ---- */

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
    return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot open %s", path);
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
    int rc = 0;

    *found = (struct ledger_found){.piece_bytes = piece_bytes};
    if (path_read_file(path, LEDGER_BYTES_MAX, &text, &n, NULL) == 0)
        good = read_lines(text, size_bytes, found);
    free(text);
    if (!found->known)
        rc = begin(path, size_bytes, piece_bytes, err);
    else if (good < n && truncate(path, (off_t)good) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot cut the torn end off %s", path);
    return rc ? rc : ledger_reopen(path, out, err);
}
