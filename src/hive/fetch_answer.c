/*
 * fetch_answer.c - what the hub and its CDN answer to one try, and what is made of it.
 *
 * The hub answers a request for a file with a redirect that carries X-Linked-Size and X-Linked-ETag
 * (the SHA-256); the CDN behind it sends neither ETag nor Last-Modified. A server may ignore Range
 * and send all (200): the bytes that are here already are then passed over.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/fetch_internal.h"

#define RETRY_AFTER_MAX_S (FETCH_RETRY_MAX_MS / 1000)

/* ---- heads ---- */

/* "bytes 5-9/10"; other forms leave has_range false. */
static void take_range(struct fetch_answer *a, const char *value)
{
    unsigned long long first, last, total;
    int used = 0;

    if (sscanf(value, "bytes %20llu-%20llu/%20llu%n", &first, &last, &total, &used) != 3 ||
        value[used] || first > last || last >= total)
        return;
    a->has_range = true;
    a->range_first = first;
    a->range_total = total;
}

/* "\"<64 hex digits>\"", perhaps weak; a file that is not in LFS has another kind of tag. */
static void take_etag(struct fetch_answer *a, const char *value)
{
    if (str_starts(value, "W/"))
        value += 2;
    if (*value == '"')
        value++;
    if (strspn(value, "0123456789abcdefABCDEF") != CARD_SHA256_BYTES - 1 ||
        (value[CARD_SHA256_BYTES - 1] != '"' && value[CARD_SHA256_BYTES - 1] != '\0'))
        return;
    for (size_t i = 0; i < CARD_SHA256_BYTES - 1; i++)
        a->linked_sha256[i] = (char)tolower((unsigned char)value[i]);
}

void fetch_on_header(void *arg, int status, const char *name, const char *value)
{
    struct fetch *f = arg;
    struct fetch_answer *a = &f->answer;
    uint64_t n;

    if (str_eq(name, "x-linked-size") && str_to_u64(value, &n) == 0) {
        a->has_linked_size = true;
        a->linked_size = n;
    } else if (str_eq(name, "x-linked-etag")) {
        take_etag(a, value);
    } else if (str_eq(name, "x-error-code")) {
        str_copy(a->error_code, sizeof a->error_code, value);
    } else if (str_eq(name, "content-range") && status == 206) {
        take_range(a, value);
    } else if (str_eq(name, "content-length") && status == 200 && str_to_u64(value, &n) == 0) {
        a->has_length = true;
        a->length = n;
    } else if (str_eq(name, "retry-after") && str_to_u64(value, &n) == 0) {
        a->retry_after_ms = n < RETRY_AFTER_MAX_S ? (int64_t)n * 1000 : FETCH_RETRY_MAX_MS;
    }
}

/* Takes over what only the file's own answer tells. False when it contradicts what is known. */
static bool learn(struct fetch *f)
{
    const struct fetch_answer *a = &f->answer;
    uint64_t size = a->has_linked_size ? a->linked_size : a->has_range ? a->range_total : a->length;
    bool knows = a->has_linked_size || a->has_range || a->has_length, news = false;

    if (f->want_known && knows && size != f->want)
        return false;
    if (!f->want_known && knows) {
        f->want = size;
        f->want_known = news = true;
    }
    if (!f->sha256[0] && a->linked_sha256[0]) {
        str_copy(f->sha256, sizeof f->sha256, a->linked_sha256);
        news = true;
    }
    if (news)
        f->p.on_told(f->p.arg, f->want, f->sha256);
    return !a->linked_sha256[0] || str_eq(a->linked_sha256, f->sha256);
}

/* Looks at the head of a 200 or 206 before its first byte is taken. False: the try is over. */
static bool judge_head(struct fetch *f, int status)
{
    struct fetch_answer *a = &f->answer;

    a->judged = true;
    if (status == 206 && (!a->has_range || a->range_first != f->have)) {
        fetch_try_failed(f, false, "the server sent another part of the file than asked for");
        return false;
    }
    if (status == 200)
        a->skip = f->have;
    if (learn(f))
        return fetch_has_room(f);
    fetch_end(f, API_DOWNLOAD_FAILED,
              "the hub gives another size or digest with the file than in its listing");
    return false;
}

/* ---- bytes ---- */

static int write_all(int fd, const char *bytes, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        bytes += put;
        offset += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

static void write_failed(struct fetch *f, int error)
{
    struct err err;

    err_errno(&err, ERR_IO, error, "cannot write %s after %llu bytes", f->part,
              (unsigned long long)f->have);
    fetch_end(f, err.code == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, "%s", err.text);
}

bool fetch_on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct fetch *f = arg;
    struct fetch_answer *a = &f->answer;
    size_t pass = n;
    int error;

    if (status != 200 && status != 206)
        return true; /* the body of a refusal */
    if (!a->judged && !judge_head(f, status))
        return true;
    if (a->skip < pass)
        pass = (size_t)a->skip;
    a->skip -= pass;
    bytes += pass;
    n -= pass;
    if (n == 0)
        return true;
    if (f->want_known && n > f->want - f->have) {
        fetch_try_failed(f, false, "the server sends more than the file's %llu bytes",
                         (unsigned long long)f->want);
        return true;
    }
    error = write_all(f->fd, bytes, n, f->have);
    if (error) {
        write_failed(f, error);
        return true;
    }
    digest_put(f->digest, bytes, n);
    f->have += n;
    f->p.on_bytes(f->p.arg, f->have);
    return true;
}

/* ---- the end ---- */

/* "https://host:port" of an URL: its length up to the path. */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
}

/* Whether the answer is the hub's own: a CDN that refuses a signed URL is asked anew. */
static bool is_from_hub(const struct fetch *f, const char *url)
{
    size_t n = origin_length(f->url);

    return !url || (origin_length(url) == n && strncasecmp(url, f->url, n) == 0);
}

static void refused(struct fetch *f, const struct http_response *r)
{
    bool hub = is_from_hub(f, r->url);
    const char *code = f->answer.error_code, *sep = code[0] ? ": " : "";

    if (hub && (r->status == 401 || r->status == 403))
        fetch_end(f, API_MODEL_ACCESS_DENIED, "the hub answers %d%s%s", r->status, sep, code);
    else if (hub && (r->status == 404 || r->status == 410))
        fetch_end(f, API_MODEL_NOT_FOUND, "the hub does not have it (any more): status %d%s%s",
                  r->status, sep, code);
    else if (r->status == 416 && fetch_start_over(f))
        fetch_end(f, API_DOWNLOAD_FAILED, "cannot begin anew with %s", f->part);
    else if (!hub || r->status == 408 || r->status == 416 || r->status == 425 || r->status == 429 ||
             r->status >= 500)
        fetch_try_failed(f, false, "%.200s answers %d%s%s", hub ? "the hub" : "the hub's store",
                         r->status, sep, code);
    else
        fetch_end(f, API_DOWNLOAD_FAILED, "the hub answers %d%s%s", r->status, sep, code);
}

void fetch_on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct fetch *f = arg;

    f->call = NULL;
    if (rc == ERR_DENIED || rc == ERR_NO_MEMORY || rc == ERR_INVALID) {
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err->text);
    } else if (rc) {
        fetch_try_failed(f, rc == ERR_TIMEOUT, "%s", err->text);
    } else if (response->status != 200 && response->status != 206) {
        refused(f, response);
    } else if (!f->answer.judged && !judge_head(f, response->status)) {
        return;
    } else if (f->want_known && f->have < f->want) {
        fetch_try_failed(f, false, "the connection ended after %llu of %llu bytes",
                         (unsigned long long)f->have, (unsigned long long)f->want);
    } else {
        f->want = f->have;
        f->want_known = true;
        fetch_complete(f);
    }
}
