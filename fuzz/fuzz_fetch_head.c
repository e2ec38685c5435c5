/*
 * fuzz_fetch_head.c - the headers of the hub's and its CDN's answers: a line each, a digit of the
 * status ('2' 200, '6' 206, '3' a redirect, else a refusal), the name and the value with a colon
 * between. What is taken of them is a place within a file, a digest and texts that fit, and was
 * said in that very line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/fetch/fetch_internal.h"
#include "lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int status_of(char c)
{
    return c == '2' ? 200 : c == '6' ? 206 : c == '3' ? 302 : 404;
}

/* "0012" and "12" say the same. */
static const char *skip_zeros(const char *digits)
{
    while (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        digits++;
    return digits;
}

static void check_range(const struct fetch_answer *a, const char *value)
{
    char first[32], total[32];
    const char *slash = strrchr(value, '/');

    BUG_ON(a->range_first >= a->range_total || a->range_total > INT64_MAX || !slash);
    snprintf(first, sizeof first, "%llu-", (unsigned long long)a->range_first);
    snprintf(total, sizeof total, "%llu", (unsigned long long)a->range_total);
    if (!str_starts(value, "bytes ") || !str_starts(skip_zeros(value + 6), first) ||
        !str_eq(skip_zeros(slash + 1), total))
        BUG("'%s' was read as %s... of %s", value, first, total);
    BUG_ON(strspn(value + 6, "0123456789-/") != strlen(value + 6));
}

static void check_texts(const struct fetch_answer *a)
{
    size_t n = strnlen(a->linked_sha256, sizeof a->linked_sha256);

    BUG_ON(n != 0 && n != DIGEST_SHA256_BYTES - 1);
    BUG_ON(strspn(a->linked_sha256, "0123456789abcdef") != n);
    BUG_ON(strnlen(a->tag, sizeof a->tag) == sizeof a->tag || strchr(a->tag, '\n'));
    BUG_ON(strnlen(a->error_code, sizeof a->error_code) == sizeof a->error_code);
}

static void tell(struct stream *s, char *line)
{
    const struct fetch_answer before = s->answer;
    const struct fetch_answer *a = &s->answer;
    char *value = line[0] ? strchr(line, ':') : NULL;
    int status = status_of(line[0]);

    if (!value)
        return;
    *value++ = '\0';
    fetch_on_header(s, status, line + 1, value);
    if (a->has_range && (!before.has_range || before.range_first != a->range_first ||
                         before.range_total != a->range_total))
        check_range(a, value);
    BUG_ON(a->has_range && !before.has_range && status != 206);
    BUG_ON(a->has_length && !before.has_length && status != 200);
    BUG_ON(!str_eq(a->tag, before.tag) && (!fetch_is_file(status) || !str_eq(a->tag, value)));
    BUG_ON(a->length > INT64_MAX || a->linked_size > INT64_MAX);
    BUG_ON(a->retry_after_ms < 0 || a->retry_after_ms > FETCH_RETRY_MAX_MS);
    check_texts(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream s = {.pos = 7};

    while (size) {
        char *line = take_line(&data, &size);

        tell(&s, line);
        free(line);
    }
    BUG_ON(s.pos != 7 || s.got || s.answer.judged);
    return 0;
}
