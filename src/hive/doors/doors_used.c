/* doors_used.c - when keys were used: noted to the minute, and first uses in the security log. See
 * doors.h. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/security_log.h"

#define USED_FILE     "run/keys-used"
#define USED_FILE_MAX (16u << 10)

void doors_forget_used(struct doors *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_used; i++) {
        if (!keys_has(&d->keys, d->used[i]))
            continue;
        memmove(d->used[n], d->used[i], SHA256_BYTES);
        d->used_s[n++] = d->used_s[i];
    }
    d->n_used = n;
}

static size_t find_used(const struct doors *d, const unsigned char hash[SHA256_BYTES])
{
    for (size_t i = 0; i < d->n_used; i++)
        if (sha256_same(d->used[i], hash))
            return i;
    return d->n_used;
}

void doors_note_use(struct doors *d, const struct keys_entry *key)
{
    size_t i = find_used(d, key->hash);
    char print[KEYS_PRINT_BYTES];
    bool first = i == d->n_used;

    if (first) { /* there is room: it is one of the list, and so are all that were used */
        BUG_ON(d->n_used == KEYS_MAX);
        d->n_used++;
    }
    memcpy(d->used[i], key->hash, SHA256_BYTES);
    d->used_s[i] = clock_unix_ms() / 1000;
    if (first)
        security_log_event(
            d->log, "key_first_used",
            json_pack("{s:s, s:s}", "key", keys_print(key->hash, print), "name", key->name));
    doors_note_used(d, first);
}

/* Keys that were not used since the start keep what an earlier hive noted. */
static void keep_older(const struct doors *d, const char *path, struct buf *text)
{
    char *old = NULL;
    size_t n = 0;

    if (path_read_file(path, USED_FILE_MAX, &old, &n, NULL) != 0)
        return;
    for (const char *p = old; *p;) {
        unsigned char hash[SHA256_BYTES];
        size_t len = strcspn(p, "\n");

        if (len > 2 * SHA256_BYTES && sha256_from_hex(p, hash) && find_used(d, hash) == d->n_used &&
            keys_has(&d->keys, hash))
            buf_printf(text, "%.*s\n", (int)len, p);
        p += len + (p[len] == '\n');
    }
    free(old);
}

void doors_note_used(struct doors *d, bool now)
{
    char *path, hex[SHA256_HEX_BYTES];
    struct buf text;

    if (d->n_used == 0 || (!now && clock_ms() - d->noted_ms < DOORS_USED_MS))
        return;
    d->noted_ms = clock_ms();
    path = path_join(d->home, USED_FILE);
    buf_init(&text, USED_FILE_MAX);
    for (size_t i = 0; i < d->n_used; i++)
        buf_printf(&text, "%s %lld\n", sha256_hex(d->used[i], hex), (long long)d->used_s[i]);
    if (path)
        keep_older(d, path, &text);
    if (path && !buf_failed(&text))
        path_write_note(path, text.data, text.len, 0600, NULL);
    buf_done(&text);
    free(path);
}
