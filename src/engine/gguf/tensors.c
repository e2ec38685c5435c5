/*
 * tensors.c - the tensor table: names, shapes, types, and where the data lies.
 *
 * Owns nothing: fills the view. Refuses shapes whose product overflows, rows that are no whole
 * number of blocks, and data that is misaligned or ends behind the file. Source: the GGUF
 * specification.
 */
#include "engine/gguf/tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ALIGNMENT  32
#define LEAST_ALIGNMENT    8  /* the specification asks for a multiple of 8 */
#define LEAST_TENSOR_BYTES 32 /* length of the name, n_dims, one dim, type, offset */

static uint64_t read_alignment(struct cursor *c, const struct gguf_part *p)
{
    const struct gguf_key *k = view_find_key(p, "general.alignment");
    uint64_t v = DEFAULT_ALIGNMENT;
    bool negative = false;

    if (k && (!view_integer(k, &v, &negative) || negative))
        v = 0;
    if (v < LEAST_ALIGNMENT || v > GGUF_MAX_ALIGNMENT || (v & (v - 1)) != 0)
        cursor_fail(c, ERR_INVALID,
                    "general.alignment at byte %" PRIu64 " is %" PRIu64
                    "; it must be a power of two from %d to %u",
                    k && k->bytes ? (uint64_t)(k->bytes - c->bytes) : 0, v, LEAST_ALIGNMENT,
                    GGUF_MAX_ALIGNMENT);
    return v;
}

/* Multiplies the dims; the size in bytes when the type is known. */
static void measure(struct cursor *c, struct gguf_tensor *t, uint64_t at)
{
    uint64_t n_elems = 1, n_blocks;

    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] == 0 || __builtin_mul_overflow(n_elems, t->dims[i], &n_elems) ||
            n_elems > INT64_MAX) {
            cursor_fail(c, ERR_INVALID,
                        "its dimension %" PRIu32 " at byte %" PRIu64 " is %" PRIu64
                        ", which is 0 or more than 63 bits can count with the others",
                        i, at + 8 * (uint64_t)i, t->dims[i]);
            return;
        }
    }
    if (!t->type)
        return;
    if (t->dims[0] % t->type->block_elems != 0) {
        cursor_fail(c, ERR_INVALID,
                    "its rows of %" PRIu64 " weights (at byte %" PRIu64 ") are no whole number of "
                    "%s blocks of %" PRIu32,
                    t->dims[0], at, t->type->name, t->type->block_elems);
        return;
    }
    n_blocks = n_elems / t->type->block_elems;
    if (__builtin_mul_overflow(n_blocks, t->type->block_bytes, &t->size_bytes))
        cursor_fail(c, ERR_INVALID,
                    "its %" PRIu64 " weights (dimensions at byte %" PRIu64
                    ") need more bytes than 64 bits can count",
                    n_elems, at);
}

static void read_shape(struct cursor *c, struct gguf_tensor *t)
{
    uint64_t at = c->pos;

    t->n_dims = cursor_u32(c, "its number of dimensions");
    if (!cursor_failed(c) && (t->n_dims == 0 || t->n_dims > GGUF_MAX_DIMS))
        cursor_fail(c, ERR_INVALID,
                    "it has %" PRIu32 " dimensions at byte %" PRIu64 "; 1 to %d are valid",
                    t->n_dims, at, GGUF_MAX_DIMS);
    if (cursor_failed(c))
        return;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++)
        t->dims[i] = i < t->n_dims ? cursor_u64(c, "a dimension") : 1;
    t->type_number = cursor_u32(c, "its type");
    t->type = type_info(t->type_number);
    if (!cursor_failed(c))
        measure(c, t, at + 4);
}

static void read_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t alignment)
{
    uint64_t at;

    t->name = cursor_str(c, GGUF_MAX_NAME_BYTES, "its name");
    read_shape(c, t);
    at = c->pos;
    t->file_offset = cursor_u64(c, "its offset");
    if (!cursor_failed(c) && t->file_offset % alignment != 0)
        cursor_fail(c, ERR_INVALID,
                    "its offset %" PRIu64 " (at byte %" PRIu64 ") is no multiple of the file's "
                    "alignment %" PRIu64,
                    t->file_offset, at, alignment);
}

/* Turns the offset from the data section's start into one in the file, and checks the place. */
static void place(struct cursor *c, struct gguf_tensor *t, uint64_t data_start)
{
    uint64_t start, end;

    if (__builtin_add_overflow(data_start, t->file_offset, &start) ||
        __builtin_add_overflow(start, t->size_bytes, &end) || end > c->size) {
        cursor_fail(c, ERR_INVALID,
                    "its %" PRIu64 " bytes at offset %" PRIu64
                    " behind the data's start, byte %" PRIu64
                    ", pass the file's end at byte %" PRIu64,
                    t->size_bytes, t->file_offset, data_start, c->size);
        return;
    }
    t->file_offset = start;
    if (t->type)
        t->data = c->bytes + start;
}

static struct gguf_tensor *make_room(struct cursor *c, struct gguf *g, uint32_t n)
{
    uint64_t total = (uint64_t)g->n_tensors + n;
    struct gguf_tensor *grown;

    if (total > GGUF_MAX_TENSORS)
        cursor_fail(c, ERR_LIMIT, "%" PRIu64 " tensors in all parts, the most is %d", total,
                    GGUF_MAX_TENSORS);
    if (n > cursor_left(c) / LEAST_TENSOR_BYTES)
        cursor_fail(c, ERR_INVALID,
                    "%" PRIu32 " tensors claimed at byte 8 do not fit in the %" PRIu64
                    " bytes behind byte %" PRIu64,
                    n, cursor_left(c), c->pos);
    if (cursor_failed(c))
        return NULL;
    grown = realloc(g->tensors, (total ? total : 1) * sizeof(*grown));
    if (!grown) {
        cursor_fail(c, ERR_NO_MEMORY, "no memory for %" PRIu64 " tensors", total);
        return NULL;
    }
    g->tensors = grown;
    memset(grown + g->n_tensors, 0, n * sizeof(*grown));
    return grown + g->n_tensors;
}

void tensors_read(struct cursor *c, struct gguf *g, uint32_t part, uint32_t n)
{
    struct gguf_tensor *t = make_room(c, g, n);
    uint64_t alignment = read_alignment(c, &g->parts[part]), data_start;
    char shown[GGUF_SHOWN_BYTES];
    uint32_t i;

    for (i = 0; i < n && !cursor_failed(c); i++) {
        t[i].part = part;
        read_tensor(c, &t[i], alignment);
        if (cursor_failed(c))
            err_prefix(&c->first, "tensor %" PRIu32 " ('%s')", i, gguf_show(t[i].name, shown));
    }
    if (cursor_failed(c))
        return;
    /* c->pos is within a file, alignment at most GGUF_MAX_ALIGNMENT: this cannot overflow */
    data_start = (c->pos + alignment - 1) & ~(alignment - 1);
    for (i = 0; i < n && !cursor_failed(c); i++) {
        place(c, &t[i], data_start);
        if (cursor_failed(c))
            err_prefix(&c->first, "tensor %" PRIu32 " ('%s')", i, gguf_show(t[i].name, shown));
    }
    g->n_tensors += n;
    g->parts[part].n_tensors = n;
}

static int by_name(const void *a, const void *b)
{
    return view_compare(&(*(const struct gguf_tensor *const *)a)->name,
                        &(*(const struct gguf_tensor *const *)b)->name);
}

int tensors_index(struct gguf *g, struct err *err)
{
    size_t size_bytes = (g->n_tensors ? g->n_tensors : 1) * sizeof(*g->tensor_index);
    char shown[GGUF_SHOWN_BYTES];

    g->tensor_index = malloc(size_bytes);
    if (!g->tensor_index)
        return err_no_memory(err, size_bytes, "an index of tensors");
    for (uint32_t i = 0; i < g->n_tensors; i++)
        g->tensor_index[i] = &g->tensors[i];
    qsort(g->tensor_index, g->n_tensors, sizeof(*g->tensor_index), by_name);
    for (uint32_t i = 1; i < g->n_tensors; i++) {
        const struct gguf_tensor *a = g->tensor_index[i - 1], *b = g->tensor_index[i];

        if (view_compare(&a->name, &b->name) == 0)
            return err_set(err, ERR_INVALID,
                           "%s: the tensor '%s' is there twice, with data at bytes %" PRIu64
                           " and %" PRIu64,
                           g->name, gguf_show(a->name, shown), a->file_offset, b->file_offset);
    }
    return 0;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
    struct gguf_tensor wanted = {.name = {name, strlen(name)}};
    const struct gguf_tensor *w = &wanted;
    const struct gguf_tensor **hit =
        bsearch(&w, g->tensor_index, g->n_tensors, sizeof(*g->tensor_index), by_name);

    return hit ? *hit : NULL;
}
