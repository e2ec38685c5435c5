/*
 * fuzz_clean.c - text from elsewhere on its way to a terminal: any bytes. What comes out is UTF-8
 * without a control character; text that is clean already comes out as it is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(const char *text, size_t n, const char *allowed)
{
    BUG_ON(!str_is_utf8(text, n));
    for (size_t at = 0; at < n;) {
        int len = utf8_len(text + at, n - at);
        uint32_t code = utf8_code(text + at, len);

        BUG_ON((code < 0x20 && (code == 0 || !strchr(allowed, (int)code))) ||
               (code >= 0x7f && code < 0xa0));
        at += (size_t)len;
    }
}

static void run(int (*put)(struct buf *, const char *, size_t), const uint8_t *data, size_t size,
                const char *allowed)
{
    struct buf once, twice;

    buf_init(&once, size + 1);
    buf_init(&twice, size + 1);
    BUG_ON(put(&once, (const char *)data, size) || once.len > size);
    check_clean(buf_str(&once), once.len, allowed);
    BUG_ON(put(&twice, buf_str(&once), once.len) || twice.len != once.len);
    BUG_ON(memcmp(buf_str(&once), buf_str(&twice), once.len) != 0);
    buf_done(&once);
    buf_done(&twice);
}

/* In place, up to the first NUL, it is the same. */
static void run_in_place(const uint8_t *data, size_t size)
{
    char *line = str_ndup((const char *)data, size);
    struct buf put;

    BUG_ON(!line);
    buf_init(&put, size + 1);
    BUG_ON(clean_put_line(&put, line, strlen(line)));
    clean_line(line);
    BUG_ON(strcmp(line, buf_str(&put)) != 0);
    buf_done(&put);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(clean_put, data, size, "\n\t");
    run(clean_put_line, data, size, "");
    run_in_place(data, size);
    return 0;
}
