/* push.c - see push.h. */
#include "keeper/models/push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/str.h"
#include "keeper/models/piece_size.h"
#include "keeper/node/contact.h"
#include "keeper/node/retry.h"
#include "keeper/shell/interrupt.h"
#include "net/tls.h"
#include "version.h"

#define WATCH_STALL_MS 60000 /* without a byte from the hive; it sends comments meanwhile */
#define RATE_BURST_MS  250

struct push {
    struct keeper *to;
    const char *model_ref;
    json_t *manifest; /* owned: of the hive here, with paths */
    char *body;       /* owned: the same without, as it is sent */
    struct api_error *e;
    uint64_t limit_rate;
    void (*sha256_of)(const void *bytes, size_t n, unsigned char digest[SHA256_BYTES]);

    json_t *missing; /* owned: of the last beginning; NULL = none yet */
    uint64_t n_total, n_there, n_sent;
    bool sends;       /* something was missing, and was sent, since the last beginning */
    int64_t due_ms;   /* when limit_rate lets the next piece go */
    const char *verb; /* of the progress line; the rate is its own */
    struct progress_rate rate;
    bool here;             /* the hive there has the model */
    bool failed;           /* it said an error in its stream: */
    struct api_error said; /* ... this */
    char *piece;           /* owned: PUSH_PIECE_BYTES */
    struct piece_size size;
};

static void show(struct push *p, const char *verb, uint64_t done, uint64_t total)
{
    struct progress line = {.verb = verb, .name = p->model_ref, .done = done, .total = total};

    if (verb != p->verb)
        p->rate = (struct progress_rate){0};
    p->verb = verb;
    line.per_sec = progress_rate_add(&p->rate, clock_ms(), done);
    term_progress(&p->to->term, &line);
}

/* ---- what the hive there says ---- */

/* What is no number of bytes counts as none. */
static uint64_t bytes_of(const json_t *event, const char *name)
{
    int64_t n = keeper_number(event, name, 0);

    return n > 0 ? (uint64_t)n : 0;
}

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct push *p = arg;
    const char *stage = keeper_text(event, "stage", "");

    (void)data;
    (void)n;
    if (str_eq(stage, "missing")) {
        json_decref(p->missing);
        p->missing = json_incref(event);
        uint64_t n_missing = bytes_of(event, "bytes_missing");

        p->n_total = bytes_of(event, "bytes_total");
        p->n_there = n_missing < p->n_total ? p->n_total - n_missing : 0;
    } else if (str_eq(stage, "here") || str_eq(stage, "imported")) {
        p->here = true;
    } else if (str_eq(stage, "error") && !p->failed) {
        p->failed = true;
        keeper_event_error(&p->said, event, "hive");
    } else if (str_eq(stage, "waiting") || str_eq(stage, "checking") || str_eq(stage, "hashing")) {
        show(p, str_eq(stage, "waiting") ? "Waiting for its turn:" : "Checking",
             bytes_of(event, "bytes_done"), bytes_of(event, "bytes_total"));
    }
    return true;
}

/* What it says is the last word, also where the stream broke off behind it. */
static void take_said(struct push *p, enum client_end end)
{
    if (end != CLIENT_DONE)
        api_error_done(p->e);
    *p->e = p->said;
    p->said = (struct api_error){0};
}

/* *e for people, where it is not yet. */
static void explain(struct push *p, enum client_end end)
{
    int status = client_last(p->to->client)->status;

    if (end == CLIENT_STOPPED) {
        api_error_set(p->e, API_REQUEST_CANCELLED, "keeper", "the push was cancelled");
    } else if (end == CLIENT_REFUSED && p->e->code != API_VERSION_MISMATCH && /* no hive at all */
               (status == 404 || status == 405)) {
        api_error_done(p->e);
        api_error_set(
            p->e, API_VERSION_MISMATCH, "keeper",
            "the hive at %s takes no models from others (it answers %d): it is older than "
            "this rbee-keeper, %s; upgrade rbee on that machine and push again",
            p->to->node.url, status, RBEE_VERSION);
    }
}

static int forgive(struct push *p)
{
    api_error_done(p->e);
    *p->e = (struct api_error){0};
    return 0;
}

/* POST of the manifest, and its stream; again where that may help. 0, or -1 with *e. */
static int ask(struct push *p, const char *path)
{
    char url[KEEPER_URL_MAX];
    const struct client_watch watch = {.method = "POST",
                                       .url = keeper_url(p->to, url, "%s", path),
                                       .body = p->body,
                                       .head_ms = WATCH_STALL_MS,
                                       .stall_ms = WATCH_STALL_MS,
                                       .arg = p,
                                       .on_event = on_event};
    enum client_end end;

    for (unsigned i = 1;; i++) {
        end = client_watch(p->to->client, &watch, p->e);
        term_progress_end(&p->to->term);
        if (p->failed)
            take_said(p, end);
        else if (end == CLIENT_DONE)
            return 0;
        else if (p->here && end != CLIENT_STOPPED) /* it was said before the line broke */
            return forgive(p);
        else if (end == CLIENT_STOPPED || !retry_wait(p->to, i, p->e))
            explain(p, end);
        else
            continue;
        return -1;
    }
}

/* ---- pieces ---- */

static const json_t *files_of(const struct push *p)
{
    return json_object_get(json_array_get(json_object_get(p->manifest, "models"), 0), "files");
}

/* How both sides call the upload: the first file's SHA-256. */
static const char *id_of(const struct push *p)
{
    return keeper_text(json_array_get(files_of(p), 0), "sha256", "");
}

/* A file of this machine's hive, which may be another account's. -1. */
static int cannot_read(struct push *p, const char *path, uint64_t at, int errno_value)
{
    bool denied = errno_value == EACCES || errno_value == EPERM;

    api_error_set(p->e, API_INTERNAL, "keeper", "%.300s cannot be read at byte %llu: %s", path,
                  (unsigned long long)at,
                  errno_value ? strerror(errno_value) : "it is shorter than its hive says");
    p->e->details = json_pack("{s:s}", "hint",
                              denied ? "Run the command under the account of this machine's hive."
                                     : "See to what it names, and try again.");
    return -1;
}

static int read_piece(struct push *p, int fd, const char *path, uint64_t from, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t more = pread(fd, p->piece + got, n - got, (off_t)(from + got));

        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return cannot_read(p, path, from + got, more < 0 ? errno : 0);
        got += (size_t)more;
    }
    return 0;
}

/* Once. `file`: its name, fit for an URL. */
static int put_once(struct push *p, const char *file, uint64_t from, size_t n)
{
    char url[KEEPER_URL_MAX], header[96], hex[SHA256_HEX_BYTES];
    unsigned char digest[SHA256_BYTES];
    struct client_ask put = {.method = "PUT",
                             .body = p->piece,
                             .body_bytes = n,
                             .type = "application/octet-stream",
                             .header = header};

    p->sha256_of(p->piece, n, digest);
    snprintf(header, sizeof header, "X-Content-SHA256: %s", sha256_hex(digest, hex));
    put.url = keeper_url(p->to, url, "/v1/models/upload/%s?file=%s&from=%llu", id_of(p), file,
                         (unsigned long long)from);
    return client_json(p->to->client, &put, NULL, p->e);
}

/* Its time was over, or the connection broke. */
static bool is_too_large(const struct client_last *last)
{
    return last->rc ? retry_may_pass(last) : last->status == 408;
}

/* The next piece, of at most *n bytes; *n: how many they were. */
static int put_piece(struct push *p, const char *file, uint64_t from, size_t *n)
{
    for (unsigned i = 1;; i++) {
        int64_t began_ms = client_ms(p->to->client);

        *n = piece_size_at(&p->size, from, from + *n, PUSH_PIECE_BYTES);
        if (put_once(p, file, from, *n) == 0) {
            piece_size_sent(&p->size, *n, client_ms(p->to->client) - began_ms);
            return 0;
        }
        if (is_too_large(client_last(p->to->client)))
            piece_size_failed(&p->size);
        if (!retry_wait(p->to, i, p->e))
            return -1;
    }
}

/* What was not sent while the line was slow, or this stood still, is not made up for, but for a
 * quarter of a second's worth. False: interrupted. */
static bool keep_to_rate(struct push *p, size_t n)
{
    int64_t now = clock_ms();

    if (!p->limit_rate)
        return true;
    if (p->due_ms < now - RATE_BURST_MS)
        p->due_ms = now - RATE_BURST_MS;
    p->due_ms += (int64_t)((double)n * 1000 / (double)p->limit_rate);
    return p->due_ms <= now || interrupt_sleep_ms(p->due_ms - now);
}

static int send_range(struct push *p, int fd, const char *path, const char *file, uint64_t from,
                      uint64_t to)
{
    while (from < to) {
        size_t n = piece_size_at(&p->size, from, to, PUSH_PIECE_BYTES);

        if (read_piece(p, fd, path, from, n) || put_piece(p, file, from, &n))
            return -1;
        from += n;
        p->n_sent += n;
        show(p, "Sending", p->n_there + p->n_sent, p->n_total);
        if (!keep_to_rate(p, n) || interrupt_seen()) {
            api_error_set(p->e, API_REQUEST_CANCELLED, "keeper", "the push was cancelled");
            return -1;
        }
    }
    return 0;
}

/*
 * The i-th of the ranges that the hive there lacks, which begins where the one before it ended or
 * behind that, and lies in the file: whatever it asks for, nothing is sent twice.
 */
static bool take_range(const json_t *ranges, size_t i, int64_t size_bytes, int64_t *at,
                       uint64_t *from)
{
    const json_t *range = json_array_get(ranges, i), *first = json_array_get(range, 0),
                 *last = json_array_get(range, 1);

    if (!json_is_integer(first) || !json_is_integer(last) || json_integer_value(first) < *at ||
        json_integer_value(last) < json_integer_value(first) ||
        json_integer_value(last) > size_bytes)
        return false;
    *from = (uint64_t)json_integer_value(first);
    *at = json_integer_value(last);
    return true;
}

static int send_ranges(struct push *p, int fd, const json_t *file, const char *name,
                       const json_t *ranges)
{
    const char *path = keeper_text(file, "path", "");
    int64_t size_bytes = keeper_number(file, "size_bytes", 0), at = 0;
    uint64_t from;

    for (size_t i = 0; i < json_array_size(ranges); i++) {
        if (!take_range(ranges, i, size_bytes, &at, &from)) {
            api_error_set(p->e, API_INTERNAL, "keeper",
                          "the hive there asks for what is no part of %.200s, or for a part of its "
                          "%lld bytes twice",
                          path, (long long)size_bytes);
            return -1;
        }
        if (send_range(p, fd, path, name, from, (uint64_t)at))
            return -1;
    }
    return 0;
}

static int send_file(struct push *p, const json_t *file, const json_t *ranges)
{
    const char *path = keeper_text(file, "path", "");
    char *name = keeper_escape(keeper_text(file, "file", ""));
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = name ? 0 : -1;

    if (fd < 0) {
        rc = cannot_read(p, path, 0, errno);
        free(name);
        return rc;
    }
    if (!name)
        api_error_set(p->e, API_INTERNAL, "keeper", "out of memory");
    if (rc == 0)
        rc = send_ranges(p, fd, file, name, ranges);
    close(fd);
    free(name);
    return rc;
}

static int send_all(struct push *p)
{
    const json_t *files = files_of(p), *answers = json_object_get(p->missing, "files");
    size_t n = json_array_size(files);
    int rc = 0;

    if (!p->piece)
        p->piece = malloc(PUSH_PIECE_BYTES);
    if (!p->piece) {
        api_error_set(p->e, API_INTERNAL, "keeper", "out of memory: %u bytes for a piece",
                      PUSH_PIECE_BYTES);
        return -1;
    }
    if (n != json_array_size(answers)) {
        api_error_set(p->e, API_INTERNAL, "keeper",
                      "the hive there tells of %zu files, sent are %zu", json_array_size(answers),
                      n);
        return -1;
    }
    p->n_sent = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = send_file(p, json_array_get(files, i),
                       json_object_get(json_array_get(answers, i), "missing"));
    term_progress_end(&p->to->term);
    return rc;
}

/* ---- from the beginning to the end ---- */

/* The whole did not have the digest it should have: what is there is of no use to a next push. */
static void drop_parts(struct push *p)
{
    char url[KEEPER_URL_MAX];
    struct client_ask ask = {.method = "DELETE",
                             .url = keeper_url(p->to, url, "/v1/models/upload/%s", id_of(p))};
    struct api_error ignored;

    if (client_json(p->to->client, &ask, NULL, &ignored))
        api_error_done(&ignored);
}

/* What the hive there tells to be missing, of very many parts the first. */
static int bring_told(struct push *p, bool is_first)
{
    char size[16], total[16];

    if (ask(p, "/v1/models/upload"))
        return -1;
    if (p->here)
        return 0;
    if (is_first && p->n_there > 0)
        term_note(&p->to->term, "Going on: %s of %s are there already.",
                  str_human_bytes(p->n_there, size, sizeof size),
                  str_human_bytes(p->n_total, total, sizeof total));
    return send_all(p);
}

/* What is missing there, and all of that. 0 also when nothing was to be sent: p->here. */
static int bring(struct push *p)
{
    int rc = bring_told(p, true);

    p->sends = !p->here && p->n_there < p->n_total;
    for (unsigned i = 1;
         rc == 0 && !p->here && i < PUSH_ROUNDS && p->n_sent < p->n_total - p->n_there; i++)
        rc = bring_told(p, false);
    return rc;
}

/* A piece found no upload: somebody has deleted there what had come, as `models prune` does. */
static bool is_gone(const struct push *p)
{
    const struct client_last *last = client_last(p->to->client);

    return p->e->code == API_NOT_FOUND && last->rc == 0 && last->status == 404;
}

/* All is there: it is hashed, and taken in. */
static int commit(struct push *p)
{
    if (ask(p, "/v1/models/upload/commit"))
        return -1;
    if (p->here)
        return 0;
    api_error_set(p->e, API_INTERNAL, "keeper", "the hive there did not say what became of it");
    return -1;
}

/*
 * The whole is not what was sent: a machine that went down in between may have lost what it had
 * taken. It knows what, by the digest of each piece. True: that was sent once more. Else why not:
 * the error of before where nothing was missing.
 */
static bool send_lost(struct push *p)
{
    struct api_error before = *p->e;
    int rc;

    *p->e = (struct api_error){0};
    p->failed = false;
    rc = bring(p);
    if (rc || p->here || p->sends) {
        api_error_done(&before);
        return rc == 0;
    }
    *p->e = before; /* all was there, and is wrong */
    p->failed = true;
    return false;
}

static bool is_wrong(const struct push *p)
{
    return p->failed && p->e->code == API_CHECKSUM_MISMATCH;
}

static int run(struct push *p, bool *was_there)
{
    int rc = bring(p);

    for (unsigned i = 1; rc && i < PUSH_ROUNDS && is_gone(p); i++) {
        term_note(&p->to->term, "What had come was deleted there; beginning anew.");
        api_error_done(p->e);
        rc = bring(p);
    }
    *was_there = p->here;
    if (rc || p->here)
        return rc;
    rc = commit(p);
    if (rc && is_wrong(p) && send_lost(p))
        rc = p->here ? 0 : commit(p);
    if (rc && is_wrong(p))
        drop_parts(p);
    return rc;
}

/* The manifest that the hive here has of the model, and what is sent of it. */
static int get_manifest(struct keeper *from, struct push *p)
{
    char *escaped = keeper_escape(p->model_ref), *path = NULL;
    json_t *sent, *file;
    size_t i;
    int rc = -1;

    if (escaped)
        path = str_printf("/v1/models/manifest?model_ref=%s", escaped);
    free(escaped);
    if (path)
        rc = contact_list(from, path, "models", &p->manifest, p->e);
    else
        api_error_set(p->e, API_INTERNAL, "keeper", "out of memory");
    free(path);
    if (rc)
        return rc;
    sent = json_deep_copy(p->manifest);
    json_array_foreach(json_object_get(json_array_get(json_object_get(sent, "models"), 0), "files"),
                       i, file) json_object_del(file, "path");
    p->body = sent ? json_write(sent, JSON_COMPACT) : NULL;
    json_decref(sent);
    if (p->body)
        return 0;
    api_error_set(p->e, API_INTERNAL, "keeper", "out of memory");
    return -1;
}

int push_model(struct keeper *from, struct keeper *to, const char *model_ref, uint64_t limit_rate)
{
    struct api_error e = {0};
    struct push p = {.to = to,
                     .model_ref = model_ref,
                     .limit_rate = limit_rate,
                     .e = &e,
                     .size = {.next = PIECE_BYTES_FIRST}};
    const struct tls *tls = NULL;
    int rc = get_manifest(from, &p);
    bool was_there = false, asked_there = rc == 0;
    char size[16];

    p.sha256_of = tls_load(&tls, NULL) == 0 ? tls->sha256_of : sha256_of;
    if (rc == 0)
        rc = run(&p, &was_there);
    if (was_there)
        term_ok(&to->term, "%s is there already.", model_ref);
    else if (rc == 0)
        term_ok(&to->term, "Sent %s to %s (%s, verified).", model_ref, to->node.name,
                str_human_bytes(p.n_total, size, sizeof size));
    json_decref(p.manifest);
    json_decref(p.missing);
    free(p.body);
    free(p.piece);
    return rc == 0 ? CLI_DONE : contact_refused(asked_there ? to : from, &e);
}
