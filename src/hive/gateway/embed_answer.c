/* embed_answer.c - see embed_answer.h. Source: RFC 8259, sections 2 to 6. No state. */
#include "hive/gateway/embed_answer.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/json_load.h"
#include "api/json_scan.h"
#include "base/buf.h"
#include "base/err.h"

#define MEMBER          "embeddings"
#define VECTORS_AT_ONCE 64

/* ---- the vectors ---- */

/* Its numbers; 0: it is no vector. */
static size_t take_vector(struct json_scan *r, struct embed_vector *out)
{
    size_t n = 0;

    if (!json_scan_take(r, '['))
        return 0;
    out->text = r->at - 1;
    do {
        if (!json_scan_number(r, FLT_MAX))
            return 0;
        n++;
    } while (json_scan_take(r, ','));
    if (!json_scan_take(r, ']'))
        return 0;
    out->n = (size_t)(r->at - out->text);
    return n;
}

static bool is_digit64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* The floats whose bytes a base64 text holds (RFC 4648, section 4); 0: it is none of whole ones. */
static size_t take_text(struct json_scan *r, struct embed_vector *out)
{
    size_t n_digits, n_pads = 0, n_bytes;

    if (!json_scan_take(r, '"'))
        return 0;
    out->text = r->at - 1;
    while (is_digit64(json_scan_next(r)))
        r->at++;
    n_digits = (size_t)(r->at - out->text) - 1;
    while (json_scan_next(r) == '=' && n_pads < 2) {
        r->at++;
        n_pads++;
    }
    if ((n_digits + n_pads) % 4 || json_scan_next(r) != '"')
        return 0;
    r->at++;
    out->n = (size_t)(r->at - out->text);
    n_bytes = (n_digits + n_pads) / 4 * 3 - n_pads;
    return n_bytes % 4 ? 0 : n_bytes / 4;
}

static int grow(struct embed_answer *a)
{
    struct embed_vector *more;

    if (a->n_vectors % VECTORS_AT_ONCE)
        return 0;
    more = realloc(a->vectors, (a->n_vectors + VECTORS_AT_ONCE) * sizeof *more);
    if (!more)
        return ERR_NO_MEMORY;
    a->vectors = more;
    return 0;
}

static int take_vectors(struct json_scan *r, bool base64, struct embed_answer *a)
{
    if (!json_scan_take(r, '['))
        return ERR_INVALID;
    do {
        struct embed_vector *v;
        int rc = grow(a);
        size_t n;

        if (rc)
            return rc;
        v = &a->vectors[a->n_vectors];
        n = base64 ? take_text(r, v) : take_vector(r, v);
        if (n == 0 || (a->n_vectors > 0 && n != a->n_dimensions))
            return ERR_INVALID;
        a->n_dimensions = n;
        a->n_vectors++;
    } while (json_scan_take(r, ','));
    return json_scan_take(r, ']') ? 0 : ERR_INVALID;
}

/* ---- what is around them ---- */

/* Goes behind the colon of the object's member that holds them. */
static bool find_member(struct json_scan *r)
{
    if (!json_scan_take(r, '{'))
        return false;
    do {
        const char *name;
        size_t n;

        json_scan_blanks(r);
        name = r->at;
        if (!json_scan_text(r))
            return false;
        n = (size_t)(r->at - name);
        if (!json_scan_take(r, ':'))
            return false;
        if (n == strlen(MEMBER) + 2 && memcmp(name + 1, MEMBER, n - 2) == 0)
            return true;
    } while (json_scan_value(r) && json_scan_take(r, ','));
    return false;
}

/* The answer with a 0 in its vectors' place: NULL when that is no object. ERR_NO_MEMORY. */
static int parse_others(const char *text, size_t n, const char *vectors, const char *behind,
                        json_t **out)
{
    struct buf others;
    json_error_t why = {0};
    json_t *root = NULL;
    bool lost;

    buf_init(&others, n + 1);
    buf_put(&others, text, (size_t)(vectors - text));
    buf_putc(&others, '0');
    buf_put(&others, behind, (size_t)(text + n - behind));
    lost = buf_failed(&others);
    if (!lost)
        root = json_load_bounded(buf_str(&others), others.len, JSON_REJECT_DUPLICATES, &why);
    lost = lost || (!root && json_is_no_memory(&why));
    buf_done(&others);
    *out = root;
    return lost ? ERR_NO_MEMORY : 0;
}

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static int take_others(struct embed_answer *a, const char *text, size_t n, const char *vectors,
                       const char *behind)
{
    json_t *others;
    int rc = parse_others(text, n, vectors, behind, &others);
    const json_t *dimensions = json_object_get(others, "dimensions"),
                 *tokens = json_object_get(others, "prompt_tokens");
    bool good = json_is_integer(json_object_get(others, MEMBER)) && is_count(dimensions) &&
                is_count(tokens) && (uint64_t)json_integer_value(dimensions) == a->n_dimensions;

    a->prompt_tokens = json_integer_value(tokens);
    json_decref(others);
    return rc || good ? rc : ERR_INVALID;
}

int embed_answer_read(const char *text, size_t n, bool base64, struct embed_answer *out)
{
    struct json_scan r = {text, text + n};
    const char *vectors;
    int rc;

    *out = (struct embed_answer){0};
    if (!find_member(&r))
        return ERR_INVALID;
    vectors = r.at;
    rc = take_vectors(&r, base64, out);
    if (rc == 0)
        rc = take_others(out, text, n, vectors, r.at);
    if (rc)
        embed_answer_done(out);
    return rc;
}

void embed_answer_done(struct embed_answer *a)
{
    free(a->vectors);
    *a = (struct embed_answer){0};
}

int embed_answer_put(const struct embed_answer *a, size_t i, struct buf *out)
{
    return buf_put(out, a->vectors[i].text, a->vectors[i].n);
}
