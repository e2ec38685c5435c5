/* special.c - see special.h. A sorted array, narrowed byte by byte. */
#include "engine/tok/special.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_USER    1
#define FIRST_CONTROL 2

static bool is_special(uint8_t kind)
{
    return kind == TOK_CONTROL || kind == TOK_UNKNOWN || kind == TOK_USER_DEFINED;
}

static int by_text(const void *a, const void *b)
{
    const struct gguf_str *s = &((const struct special *)a)->text;
    const struct gguf_str *t = &((const struct special *)b)->text;
    size_t n = s->len < t->len ? s->len : t->len;
    int order = memcmp(s->bytes, t->bytes, n);

    return order ? order : (s->len > t->len) - (s->len < t->len);
}

int special_build(struct specials *s, const struct vocab *v, const char *file, struct err *err)
{
    size_t n = 0;

    for (uint32_t i = 0; i < v->n; i++)
        n += is_special(v->kinds[i]) && v->texts[i].len > 0;
    s->v = calloc(n ? n : 1, sizeof(*s->v));
    if (!s->v)
        return err_no_memory(err, n * sizeof(*s->v), "the special tokens");
    for (uint32_t i = 0; i < v->n; i++) {
        bool control = v->kinds[i] != TOK_USER_DEFINED;

        if (!is_special(v->kinds[i]) || v->texts[i].len == 0)
            continue;
        if (v->texts[i].len > TOK_MAX_SPECIAL_BYTES)
            return err_set(err, ERR_LIMIT, "%s: the special token %u has %zu bytes, the most is %d",
                           file, i, (size_t)v->texts[i].len, TOK_MAX_SPECIAL_BYTES);
        s->v[s->n++] = (struct special){v->texts[i], (int32_t)i, control};
        s->first[(uint8_t)v->texts[i].bytes[0]] |= control ? FIRST_CONTROL : FIRST_USER;
    }
    qsort(s->v, s->n, sizeof(*s->v), by_text);
    return 0;
}

void special_done(struct specials *s)
{
    free(s->v);
}

/* The first of s->v[low..high) whose byte at `depth` is not below `byte`; all are longer. */
static uint32_t lower(const struct specials *s, uint32_t low, uint32_t high, size_t depth, int byte)
{
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if ((uint8_t)s->v[mid].text.bytes[depth] < byte)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct special *special_at(const struct specials *s, const char *text, size_t n, bool control)
{
    uint8_t wanted = control ? FIRST_USER | FIRST_CONTROL : FIRST_USER;
    uint32_t low = 0, high = s->n;
    const struct special *best = NULL;

    if (n == 0 || !(s->first[(uint8_t)text[0]] & wanted))
        return NULL;
    for (size_t depth = 0; depth < n && low < high; depth++) {
        int byte = (uint8_t)text[depth];

        /* all of low..high begin with text[0..depth) and are longer than that */
        low = lower(s, low, high, depth, byte);
        high = lower(s, low, high, depth, byte + 1);
        if (low < high && s->v[low].text.len == depth + 1) {
            if (control || !s->v[low].control)
                best = &s->v[low];
            low++;
        }
    }
    return best;
}
