/*
 * value.c - typed reads of keys, and their values as text. Reads an immutable view; owns nothing.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/gguf/view.h"

/* One integer of n bytes, sign-extended when its type is signed. */
static int64_t load_integer(const uint8_t *bytes, enum gguf_value_type type)
{
    uint64_t v = 0;
    uint32_t n = view_type_bytes(type);

    memcpy(&v, bytes, n);
    switch (type) {
    case GGUF_I8:
        return (int8_t)v;
    case GGUF_I16:
        return (int16_t)v;
    case GGUF_I32:
        return (int32_t)v;
    default:
        return (int64_t)v;
    }
}

static bool is_integer(enum gguf_value_type type)
{
    switch (type) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_U16:
    case GGUF_I16:
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_U64:
    case GGUF_I64:
    case GGUF_BOOL:
        return true;
    default:
        return false;
    }
}

static bool is_float(enum gguf_value_type type)
{
    return type == GGUF_F32 || type == GGUF_F64;
}

static double load_float(const uint8_t *bytes, enum gguf_value_type type)
{
    float f;
    double d;

    if (type == GGUF_F32) {
        memcpy(&f, bytes, sizeof(f));
        return f;
    }
    memcpy(&d, bytes, sizeof(d));
    return d;
}

bool view_integer(const struct gguf_key *k, uint64_t *out, bool *negative)
{
    int64_t v;

    if (!is_integer(k->type))
        return false;
    v = load_integer(k->bytes, k->type);
    *negative = v < 0 && k->type != GGUF_U64;
    *out = (uint64_t)v;
    return true;
}

static int find(const struct gguf *g, const char *key, const struct gguf_key **out, struct err *err)
{
    *out = view_find_key(&g->parts[0], key);
    if (*out)
        return 0;
    return err_set(err, ERR_NOT_FOUND, "%s: the key '%s' is missing", g->name, key);
}

static int wrong_kind(const struct gguf *g, const struct gguf_key *k, const char *key,
                      const char *wanted, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: the key '%s' holds a value of type %s, not %s", g->name,
                   key, view_type_name(k->type), wanted);
}

static int get_unsigned(const struct gguf *g, const char *key, uint64_t max, uint64_t *out,
                        struct err *err)
{
    const struct gguf_key *k;
    bool negative = false;
    uint64_t v = 0;
    int rc = find(g, key, &k, err);

    if (rc)
        return rc;
    if (!view_integer(k, &v, &negative))
        return wrong_kind(g, k, key, "an integer", err);
    if (negative)
        return err_set(err, ERR_INVALID, "%s: the key '%s' is %" PRId64 ", but 0 is the least",
                       g->name, key, (int64_t)v);
    if (v > max)
        return err_set(err, ERR_INVALID,
                       "%s: the key '%s' is %" PRIu64 ", but %" PRIu64 " is the most", g->name, key,
                       v, max);
    *out = v;
    return 0;
}

int gguf_get_u32(const struct gguf *g, const char *key, uint32_t *out, struct err *err)
{
    uint64_t v = 0;
    int rc = get_unsigned(g, key, UINT32_MAX, &v, err);

    if (rc == 0)
        *out = (uint32_t)v;
    return rc;
}

int gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out, struct err *err)
{
    return get_unsigned(g, key, UINT64_MAX, out, err);
}

int gguf_get_f32(const struct gguf *g, const char *key, float *out, struct err *err)
{
    const struct gguf_key *k;
    double v;
    int rc = find(g, key, &k, err);

    if (rc)
        return rc;
    if (!is_float(k->type))
        return wrong_kind(g, k, key, "a float", err);
    v = load_float(k->bytes, k->type);
    if (isfinite(v) && fabs(v) > FLT_MAX)
        return err_set(err, ERR_INVALID, "%s: the key '%s' is %g, but %g is the most", g->name, key,
                       v, (double)FLT_MAX);
    *out = (float)v;
    return 0;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool *out, struct err *err)
{
    const struct gguf_key *k;
    int rc = find(g, key, &k, err);

    if (rc)
        return rc;
    if (k->type != GGUF_BOOL)
        return wrong_kind(g, k, key, "bool", err);
    *out = k->bytes[0] != 0;
    return 0;
}

int gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *out, struct err *err)
{
    const struct gguf_key *k;
    int rc = find(g, key, &k, err);

    if (rc)
        return rc;
    if (k->type != GGUF_STRING)
        return wrong_kind(g, k, key, "string", err);
    *out = k->str;
    return 0;
}

int gguf_get_array(const struct gguf *g, const char *key, enum gguf_value_type elem_type,
                   struct gguf_array *out, struct err *err)
{
    const struct gguf_key *k;
    enum gguf_value_type has;
    int rc = find(g, key, &k, err);

    if (rc)
        return rc;
    if (k->type != GGUF_ARRAY)
        return wrong_kind(g, k, key, "array", err);
    has = k->array.elem_type;
    if (has != elem_type && !(is_integer(has) && is_integer(elem_type)) &&
        !(is_float(has) && is_float(elem_type)))
        return err_set(err, ERR_INVALID, "%s: the array '%s' has elements of type %s, not %s",
                       g->name, key, view_type_name(has), view_type_name(elem_type));
    *out = k->array;
    return 0;
}

static const uint8_t *element(const struct gguf_array *a, uint64_t i)
{
    BUG_ON(i >= a->n || !a->bytes);
    return a->bytes + i * view_type_bytes(a->elem_type);
}

float gguf_array_f32(const struct gguf_array *a, uint64_t i)
{
    BUG_ON(!is_float(a->elem_type));
    return (float)load_float(element(a, i), a->elem_type);
}

int64_t gguf_array_int(const struct gguf_array *a, uint64_t i)
{
    BUG_ON(!is_integer(a->elem_type));
    return load_integer(element(a, i), a->elem_type);
}

struct gguf_strings gguf_strings_of(const struct gguf_array *a)
{
    BUG_ON(a->elem_type != GGUF_STRING);
    return (struct gguf_strings){a->bytes, a->bytes + a->n_bytes};
}

bool gguf_strings_next(struct gguf_strings *s, struct gguf_str *out)
{
    size_t left = (size_t)(s->end - s->at);
    uint64_t len;

    if (left < sizeof len)
        return false;
    memcpy(&len, s->at, sizeof len);
    if (len > left - sizeof len)
        return false;
    *out = (struct gguf_str){(const char *)s->at + sizeof len, len};
    s->at += sizeof len + len;
    return true;
}

enum gguf_value_type gguf_value_type_at(const struct gguf *g, uint32_t i)
{
    BUG_ON(i >= g->parts[0].n_keys);
    return g->parts[0].keys[i].type;
}

/* Well-formed UTF-8 without control characters, whatever the file holds. */
static void show_text(const struct gguf_str *s, char *dst, size_t dst_size)
{
    size_t n = s->len < dst_size - 1 ? (size_t)s->len : dst_size - 1;

    memcpy(dst, s->bytes, n);
    n = str_utf8_whole(dst, n);
    if (!str_is_utf8(dst, n)) {
        for (size_t i = 0; i < n; i++)
            dst[i] = (unsigned char)dst[i] < 0x80 ? dst[i] : '?';
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)dst[i] < ' ' || dst[i] == 0x7f)
            dst[i] = ' ';
    }
    dst[n] = '\0';
}

void gguf_value_text_at(const struct gguf *g, uint32_t i, char *dst, size_t dst_size)
{
    const struct gguf_key *k;

    BUG_ON(i >= g->parts[0].n_keys || dst_size == 0);
    k = &g->parts[0].keys[i];
    if (k->type == GGUF_STRING)
        show_text(&k->str, dst, dst_size);
    else if (k->type == GGUF_ARRAY)
        snprintf(dst, dst_size, "[%" PRIu64 " x %s]", k->array.n,
                 view_type_name(k->array.elem_type));
    else if (k->type == GGUF_BOOL)
        snprintf(dst, dst_size, "%s", k->bytes[0] ? "true" : "false");
    else if (k->type == GGUF_U64)
        snprintf(dst, dst_size, "%" PRIu64, (uint64_t)load_integer(k->bytes, k->type));
    else if (is_float(k->type))
        snprintf(dst, dst_size, "%.9g", load_float(k->bytes, k->type));
    else
        snprintf(dst, dst_size, "%" PRId64, load_integer(k->bytes, k->type));
}
