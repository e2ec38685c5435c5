/* security_chain.c - see security_chain.h. */
#include "api/security_chain.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/str.h"

#define PREFIX     "{\"prev\":\""
#define HEX_DIGITS (SHA256_HEX_BYTES - 1)

static void move_on(struct security_chain *c, const char *line, size_t n)
{
    unsigned char digest[SHA256_BYTES];

    sha256_of(line, n, digest);
    sha256_hex(digest, c->last);
    c->open = false;
}

void security_chain_begin(struct security_chain *c)
{
    *c = (struct security_chain){0};
    memset(c->last, '0', HEX_DIGITS);
}

/* The line's text (free()), or NULL. */
static char *line_text(const struct security_chain *c, int64_t at_unix_ms, const char *event,
                       const json_t *facts)
{
    char at[CLOCK_ISO_BYTES], *text = NULL;
    json_t *line = json_pack("{s:s, s:s, s:s}", "prev", c->last, "at",
                             clock_iso8601(at_unix_ms, at), "event", event);

    if (line && (!facts || json_object_update_missing(line, (json_t *)(uintptr_t)facts) == 0))
        text = json_write(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(line);
    return text;
}

int security_chain_write(struct security_chain *c, int64_t at_unix_ms, const char *event,
                         const json_t *facts, struct buf *out)
{
    char *text = line_text(c, at_unix_ms, event, facts);
    size_t n = text ? strlen(text) : 0;
    int rc = -1;

    if (text && n < SECURITY_LINE_MAX && buf_reserve(out, n + 1) == 0) {
        buf_put(out, text, n);
        buf_putc(out, '\n');
        move_on(c, text, n);
        rc = 0;
    }
    free(text);
    return rc;
}

/* Is text's beginning a hash and the quote behind it? The caller has HEX_DIGITS + 1 bytes. */
static bool is_quoted_hash(const char *text)
{
    size_t i = 0;

    while (i < HEX_DIGITS &&
           ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
        i++;
    return i == HEX_DIGITS && text[i] == '"';
}

bool security_chain_is_first(const char *line, size_t n)
{
    struct security_chain none;

    security_chain_begin(&none);
    return security_chain_check(&none, line, n, NULL) == 0;
}

int security_chain_check(struct security_chain *c, const char *line, size_t n, struct err *err)
{
    const size_t head = strlen(PREFIX);

    if (n < head + HEX_DIGITS + 2 || memcmp(line, PREFIX, head) != 0 || line[n - 1] != '}' ||
        !is_quoted_hash(line + head))
        return err_set(err, ERR_INVALID, "this is no line of a security log");
    if (!c->open && memcmp(line + head, c->last, HEX_DIGITS) != 0)
        return err_set(err, ERR_INVALID,
                       "the line before it is not the one that was written: its SHA-256 is %s, the "
                       "chain says %.64s",
                       c->last, line + head);
    move_on(c, line, n);
    return 0;
}
