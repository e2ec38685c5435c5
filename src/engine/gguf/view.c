/*
 * view.c - reads one part of a GGUF file: header, keys and, by way of tensors.c, its tensors.
 *
 * Refuses what the specification forbids and what would let a count or a length lie: every count is
 * bounded by the bytes left before anything is allocated for it, so that memory stays in proportion
 * to the file. Source: the GGUF specification, versions 2 and 3.
 */
#include "engine/gguf/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/tensors.h"

#define MAGIC            0x46554747u /* "GGUF" read as a little-endian number */
#define MAGIC_BIG_ENDIAN 0x47475546u
#define LEAST_KEY_BYTES  13 /* length of the name, type, a value of one byte */

int view_compare(const struct gguf_str *a, const struct gguf_str *b)
{
    uint64_t n = a->len < b->len ? a->len : b->len;
    int order = n ? memcmp(a->bytes, b->bytes, n) : 0;

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

uint32_t view_type_bytes(uint32_t type)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    return type < sizeof(bytes) ? bytes[type] : 0;
}

const char *view_type_name(uint32_t type)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

char *gguf_show(struct gguf_str s, char dst[GGUF_SHOWN_BYTES])
{
    size_t n = s.len < GGUF_SHOWN_BYTES - 1 ? (size_t)s.len : GGUF_SHOWN_BYTES - 1;

    for (size_t i = 0; i < n; i++)
        dst[i] = s.bytes[i] >= ' ' && s.bytes[i] <= '~' ? s.bytes[i] : '?';
    dst[n] = '\0';
    return dst;
}

static void read_header(struct cursor *c, struct gguf_part *p, uint64_t *n_tensors,
                        uint64_t *n_keys)
{
    uint32_t magic = cursor_u32(c, "the magic number");

    /* What they are instead is not told: the one who asks may have no right to read the file. */
    if (!cursor_failed(c) && magic != MAGIC && magic != MAGIC_BIG_ENDIAN)
        cursor_fail(c, ERR_INVALID,
                    "not a GGUF file: of its %" PRIu64 " bytes the four at byte 0 are not \"GGUF\"",
                    c->size);
    p->version = cursor_u32(c, "the version");
    if (cursor_failed(c))
        return;
    if (magic == MAGIC_BIG_ENDIAN || __builtin_bswap32(p->version) == 2 ||
        __builtin_bswap32(p->version) == 3)
        cursor_fail(c, ERR_UNSUPPORTED,
                    "a big-endian GGUF file (version field 0x%08" PRIx32 " at byte 4); only "
                    "little-endian ones can be read",
                    p->version);
    else if (p->version != 2 && p->version != 3)
        cursor_fail(c, ERR_UNSUPPORTED,
                    "GGUF version %" PRIu32 " at byte 4; versions 2 and 3 can be read", p->version);
    *n_tensors = cursor_u64(c, "the number of tensors");
    if (!cursor_failed(c) && *n_tensors > GGUF_MAX_TENSORS)
        cursor_fail(c, ERR_LIMIT, "%" PRIu64 " tensors claimed at byte 8, the most is %d",
                    *n_tensors, GGUF_MAX_TENSORS);
    *n_keys = cursor_u64(c, "the number of keys");
    if (!cursor_failed(c) && *n_keys > GGUF_MAX_KEYS)
        cursor_fail(c, ERR_LIMIT, "%" PRIu64 " keys claimed at byte 16, the most is %d", *n_keys,
                    GGUF_MAX_KEYS);
    if (!cursor_failed(c) && *n_keys > cursor_left(c) / LEAST_KEY_BYTES)
        cursor_fail(c, ERR_INVALID,
                    "%" PRIu64 " keys claimed at byte 16 do not fit in the %" PRIu64
                    " bytes behind byte %" PRIu64,
                    *n_keys, cursor_left(c), c->pos);
}

/* Each byte of n bools is 0 or 1. */
static void check_bools(struct cursor *c, const uint8_t *bytes, uint64_t n)
{
    uint64_t start = c->pos - n;

    for (uint64_t i = 0; i < n; i++) {
        if (bytes[i] > 1) {
            cursor_fail(c, ERR_INVALID, "the bool at byte %" PRIu64 " is %d, not 0 or 1", start + i,
                        bytes[i]);
            return;
        }
    }
}

static void check_strings(struct cursor *c, struct gguf_array *a)
{
    uint64_t at = c->pos;

    a->bytes = c->bytes + at;
    for (uint64_t i = 0; i < a->n && !cursor_failed(c); i++)
        cursor_str(c, UINT64_MAX, "a string of the array");
    a->n_bytes = c->pos - at;
}

static void read_array(struct cursor *c, struct gguf_key *k)
{
    uint64_t at = c->pos, n, least;
    uint32_t type = cursor_u32(c, "the array's element type");

    n = cursor_u64(c, "the array's length");
    if (cursor_failed(c))
        return;
    least = type == GGUF_STRING ? sizeof(uint64_t) : view_type_bytes(type);
    if (least == 0) {
        cursor_fail(c, ERR_INVALID,
                    "the array at byte %" PRIu64 " has elements of type %" PRIu32
                    ", which is neither a number nor a string",
                    at, type);
    } else if (n > cursor_left(c) / least) {
        cursor_fail(c, ERR_INVALID,
                    "the array at byte %" PRIu64 " claims %" PRIu64 " elements of %" PRIu64
                    " bytes or more, but the file ends at byte %" PRIu64,
                    at, n, least, c->size);
    } else if (n > GGUF_MAX_ARRAY_ELEMS) {
        cursor_fail(c, ERR_LIMIT,
                    "the array at byte %" PRIu64 " has %" PRIu64 " elements, the most is %u", at, n,
                    GGUF_MAX_ARRAY_ELEMS);
    }
    if (cursor_failed(c))
        return;
    k->array.elem_type = (enum gguf_value_type)type;
    k->array.n = n;
    if (type == GGUF_STRING) {
        check_strings(c, &k->array);
        return;
    }
    k->array.n_bytes = n * least;
    k->array.bytes = cursor_take(c, k->array.n_bytes, "the array");
    if (type == GGUF_BOOL && k->array.bytes)
        check_bools(c, k->array.bytes, n);
}

static void read_value(struct cursor *c, struct gguf_key *k)
{
    uint64_t at = c->pos;
    uint32_t type = cursor_u32(c, "the value's type");

    k->type = (enum gguf_value_type)type;
    if (cursor_failed(c))
        return;
    if (type == GGUF_ARRAY) {
        read_array(c, k);
    } else if (type == GGUF_STRING) {
        k->str = cursor_str(c, UINT64_MAX, "the string");
    } else if (view_type_bytes(type) == 0) {
        cursor_fail(c, ERR_INVALID,
                    "the value's type at byte %" PRIu64 " is %" PRIu32 ", which is unknown", at,
                    type);
    } else {
        k->bytes = cursor_take(c, view_type_bytes(type), "the value");
        if (type == GGUF_BOOL && k->bytes)
            check_bools(c, k->bytes, 1);
    }
}

static int by_name(const void *a, const void *b)
{
    return view_compare(&(*(const struct gguf_key *const *)a)->name,
                        &(*(const struct gguf_key *const *)b)->name);
}

/* The sorted index, which also shows duplicates. */
static void index_keys(struct cursor *c, struct gguf_part *p)
{
    char shown[GGUF_SHOWN_BYTES];

    p->index = calloc(p->n_keys ? p->n_keys : 1, sizeof(*p->index));
    if (!p->index) {
        cursor_fail(c, ERR_NO_MEMORY, "no memory for an index of %" PRIu32 " keys", p->n_keys);
        return;
    }
    for (uint32_t i = 0; i < p->n_keys; i++)
        p->index[i] = &p->keys[i];
    qsort(p->index, p->n_keys, sizeof(*p->index), by_name);
    for (uint32_t i = 1; i < p->n_keys; i++) {
        const struct gguf_str *name = &p->index[i]->name;

        if (view_compare(&p->index[i - 1]->name, name) == 0) {
            cursor_fail(c, ERR_INVALID, "the key '%s' is there twice, the second at byte %" PRIu64,
                        gguf_show(*name, shown),
                        (uint64_t)((const uint8_t *)name->bytes - c->bytes));
            return;
        }
    }
}

static void read_keys(struct cursor *c, struct gguf_part *p, uint64_t n_keys)
{
    char shown[GGUF_SHOWN_BYTES];

    p->keys = calloc(n_keys ? n_keys : 1, sizeof(*p->keys));
    if (!p->keys)
        cursor_fail(c, ERR_NO_MEMORY, "no memory for %" PRIu64 " keys", n_keys);
    for (uint64_t i = 0; i < n_keys && !cursor_failed(c); i++) {
        struct gguf_key *k = &p->keys[p->n_keys++];

        k->name = cursor_str(c, GGUF_MAX_KEY_BYTES, "the key's name");
        read_value(c, k);
        if (cursor_failed(c))
            err_prefix(&c->first, "key %" PRIu64 " ('%s')", i, gguf_show(k->name, shown));
    }
    if (!cursor_failed(c))
        index_keys(c, p);
}

int view_read_part(struct gguf *g, uint32_t part, struct err *err)
{
    struct gguf_part *p = &g->parts[part];
    uint64_t n_tensors = 0, n_keys = 0;
    struct cursor c;

    cursor_init(&c, p->bytes, p->size_bytes);
    read_header(&c, p, &n_tensors, &n_keys);
    if (!cursor_failed(&c))
        read_keys(&c, p, n_keys);
    if (!cursor_failed(&c))
        tensors_read(&c, g, part, (uint32_t)n_tensors);
    if (!cursor_failed(&c))
        return 0;
    return err_set(err, c.first.code, "%s: %s", p->name, c.first.text);
}

const struct gguf_key *view_find_key(const struct gguf_part *p, const char *key)
{
    struct gguf_key wanted = {.name = {key, strlen(key)}};
    const struct gguf_key *w = &wanted;
    const struct gguf_key **hit = bsearch(&w, p->index, p->n_keys, sizeof(*p->index), by_name);

    return hit ? *hit : NULL;
}

void view_done(struct gguf_part *p)
{
    free(p->keys);
    free(p->index);
    free(p->name);
}
