/*
 * fetch_head.c - what the heads of the hub's and its CDN's answers say of a file. No state but the
 * stream's `answer`.
 *
 * The hub answers a request for a file with a redirect that carries X-Linked-Size and X-Linked-ETag
 * (the SHA-256); the CDN behind it sends neither ETag nor Last-Modified.
 */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "hive/fetch/fetch_internal.h"

/* A size or place of a file: digits alone, and no more than a file can have. */
static bool is_place(const char *text, size_t n, uint64_t *out)
{
    char digits[21];

    if (n == 0 || n >= sizeof digits || strspn(text, "0123456789") < n)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    return str_to_u64(digits, out) == 0 && *out <= INT64_MAX;
}

/* "bytes 5-9/10"; other forms leave has_range false. */
static void take_range(struct fetch_answer *a, const char *value)
{
    const char *at = str_starts(value, "bytes ") ? value + 6 : "";
    const char *dash = strchr(at, '-'), *slash = dash ? strchr(dash, '/') : NULL;
    uint64_t first, last, total;

    if (!slash || !is_place(at, (size_t)(dash - at), &first) ||
        !is_place(dash + 1, (size_t)(slash - dash - 1), &last) ||
        !is_place(slash + 1, strlen(slash + 1), &total) || first > last || last >= total)
        return;
    a->has_range = true;
    a->range_first = first;
    a->range_total = total;
}

/* "\"<64 hex digits>\"", perhaps weak; a file that is not in LFS has another kind of tag. */
static void take_linked_etag(struct fetch_answer *a, const char *value)
{
    if (str_starts(value, "W/"))
        value += 2;
    if (*value == '"')
        value++;
    if (strspn(value, "0123456789abcdefABCDEF") != DIGEST_SHA256_BYTES - 1 ||
        (value[DIGEST_SHA256_BYTES - 1] != '"' && value[DIGEST_SHA256_BYTES - 1] != '\0'))
        return;
    for (size_t i = 0; i < DIGEST_SHA256_BYTES - 1; i++)
        a->linked_sha256[i] = (char)tolower((unsigned char)value[i]);
}

/* What tells one version of the file from another; a weak tag does not. */
static void take_tag(struct fetch_answer *a, const char *name, const char *value)
{
    bool is_etag = str_eq(name, "etag");

    if (!value[0] || strlen(value) >= LEDGER_TAG_MAX || (is_etag && value[0] != '"'))
        return;
    if (is_etag || !a->tag[0])
        str_copy(a->tag, sizeof a->tag, value);
}

bool fetch_is_file(int status)
{
    return status == 200 || status == 206;
}

void fetch_on_header(void *arg, int status, const char *name, const char *value)
{
    struct fetch_answer *a = &((struct stream *)arg)->answer;
    int64_t after_ms;
    uint64_t n;

    if (str_eq(name, "x-linked-size") && is_place(value, strlen(value), &n)) {
        a->has_linked_size = true;
        a->linked_size = n;
    } else if (str_eq(name, "x-linked-etag")) {
        take_linked_etag(a, value);
    } else if (fetch_is_file(status) && (str_eq(name, "etag") || str_eq(name, "last-modified"))) {
        take_tag(a, name, value);
    } else if (str_eq(name, "x-error-code")) {
        str_copy(a->error_code, sizeof a->error_code, value);
    } else if (str_eq(name, "content-range") && status == 206) {
        take_range(a, value);
    } else if (str_eq(name, "content-length") && status == 200 &&
               is_place(value, strlen(value), &n)) {
        a->has_length = true;
        a->length = n;
    } else if (str_eq(name, "retry-after")) {
        after_ms = retry_after_ms(value, clock_unix_ms(), FETCH_RETRY_MAX_MS);
        if (after_ms >= 0)
            a->retry_after_ms = after_ms;
    }
}
