/* schema.c - the rules of a schema, one for each set of parts. See schema.h, schema_internal.h. */
#include "grammar/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "grammar/compiled.h"
#include "grammar/schema_internal.h"
#include "grammar/vec.h"

#define MAX_PLACE_BYTES 512
#define MAX_KEY_BYTES   ((size_t)1 << 16)
#define PRINT_STEPS     32 /* to print a part */

/* ---- where an error is ---- */

static void put_step(struct buf *b, const char *name, size_t n)
{
    buf_putc(b, '/');
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '~' || name[i] == '/')
            buf_puts(b, name[i] == '~' ? "~0" : "~1");
        else
            buf_putc(b, name[i]);
    }
}

/* Puts the way from `at` to `where`; false when it is not in there. */
static bool put_way(struct buf *b, const json_t *at, const json_t *where)
{
    size_t len = b->len, i, n;
    const char *key;
    json_t *value;
    char number[24];

    if (at == where)
        return true;
    if (json_is_object(at)) {
        json_object_keylen_foreach((json_t *)(uintptr_t)at, key, n, value)
        {
            put_step(b, key, n);
            if (put_way(b, value, where))
                return true;
            b->len = len;
        }
    }
    json_array_foreach(at, i, value)
    {
        snprintf(number, sizeof number, "%zu", i);
        put_step(b, number, strlen(number));
        if (put_way(b, value, where))
            return true;
        b->len = len;
    }
    return false;
}

int schema_fail(struct schema *s, enum err_code code, const json_t *where, const char *key,
                const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    struct buf b;
    va_list ap;

    if (rules_failed(s->r))
        return (int)s->r->err.code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_init(&b, GRAMMAR_MAX_BYTES);
    buf_putc(&b, '#');
    if (put_way(&b, s->root, where) && key)
        put_step(&b, key, strlen(key));
    if (b.data)
        b.data[b.len] = '\0';
    rules_fail(s->r, code, "the schema at %.*s: %s", MAX_PLACE_BYTES, buf_str(&b), text);
    buf_done(&b);
    return (int)code;
}

/* ---- rules ---- */

uint32_t schema_seq(struct schema *s, uint32_t first, ...)
{
    uint32_t seq = rules_seq(s->r);
    va_list ap;

    va_start(ap, first);
    for (uint32_t node = first; node; node = va_arg(ap, uint32_t))
        rules_add(s->r, seq, node);
    va_end(ap);
    return seq;
}

static int by_schema(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    if (x->schema != y->schema)
        return (uintptr_t)x->schema < (uintptr_t)y->schema ? -1 : 1;
    return x->done < y->done ? -1 : x->done > y->done;
}

static char *no_key(struct schema *s)
{
    rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a schema's parts");
    return NULL;
}

/* A text for a set of parts, in which those that say nothing have no place. The parts themselves
 * stay in the schema's order, in which their members come: these are addresses. NULL: the rules
 * have failed. */
static char *key_of(struct schema *s, const struct parts *p)
{
    struct part *sorted = malloc(p->n * sizeof *sorted);
    struct buf b;

    if (!sorted)
        return no_key(s);
    rules_work(s->r, (uint64_t)PRINT_STEPS * p->n);
    memcpy(sorted, p->items, p->n * sizeof *sorted);
    qsort(sorted, p->n, sizeof *sorted, by_schema);
    buf_init(&b, MAX_KEY_BYTES);
    buf_puts(&b, "parts");
    for (uint32_t i = 0; i < p->n; i++)
        buf_printf(&b, " %zx:%x", (size_t)(uintptr_t)sorted[i].schema, sorted[i].done);
    free(sorted);
    if (buf_failed(&b) && buf_is_over(&b))
        rules_fail(s->r, ERR_LIMIT, "too many schemas hold for one value: %u", p->n);
    else if (buf_failed(&b))
        no_key(s);
    return buf_take(&b);
}

static void drop_idle(struct parts *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        if (!schema_says_nothing(p->items[i].schema, p->items[i].done))
            p->items[n++] = p->items[i];
    }
    p->n = n;
    for (uint32_t i = 0; i < n; i++)
        p->items[i].from = 0;
}

/* The rule of a set of parts, which is noted to be done when it is new. Takes the parts. */
static uint32_t rule_of(struct schema *s, struct parts *p)
{
    char *key = key_of(s, p);
    const json_t *known = key ? json_object_get(s->known, key) : NULL;
    uint32_t rule = known ? (uint32_t)json_integer_value(known) : RULES_NONE;

    if (key && !known) {
        rule = rules_new(s->r);
        if (vec_room(&s->todo, &s->cap_todo, s->n_todo + 1, sizeof *s->todo) ||
            json_object_set_new(s->known, key, json_integer((json_int_t)rule)))
            rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a schema's rules");
    }
    free(key);
    if (rules_failed(s->r) || known) {
        parts_done(p);
        return rules_failed(s->r) ? RULES_NONE : rule;
    }
    s->todo[s->n_todo++] = (struct schema_todo){.parts = *p, .rule = rule};
    *p = (struct parts){0};
    return rule;
}

uint32_t schema_call(struct schema *s, struct parts *p)
{
    uint32_t rule;

    if (rules_failed(s->r) || parts_impossible(p)) {
        parts_done(p);
        return rules_alt(s->r);
    }
    drop_idle(p);
    if (!p->n) {
        parts_done(p);
        return schema_shared(s, SHARED_VALUE);
    }
    rule = rule_of(s, p);
    return rules_call(s->r, rule);
}

static uint32_t call_one(struct schema *s, const json_t *schema)
{
    struct parts p = {0};

    parts_add(s, &p, (struct part){.schema = schema});
    return schema_call(s, &p);
}

/* The first part with a choice of branches that is not made. */
static bool find_choice(const struct parts *p, uint32_t *part, const char **key, uint32_t *done)
{
    static const struct {
        const char *key;
        uint32_t done;
    } choices[] = {{"anyOf", DONE_ANYOF}, {"oneOf", DONE_ONEOF}};

    for (*part = 0; *part < p->n; ++*part) {
        for (size_t k = 0; k < 2; k++) {
            if ((p->items[*part].done & choices[k].done) ||
                !json_object_get(p->items[*part].schema, choices[k].key))
                continue;
            *key = choices[k].key;
            *done = choices[k].done;
            return true;
        }
    }
    return false;
}

/* One set of parts for each branch. */
static uint32_t branches(struct schema *s, const struct parts *base, const json_t *list)
{
    uint32_t alt = rules_alt(s->r);
    size_t i;
    json_t *branch;

    json_array_foreach(list, i, branch)
    {
        struct parts p = {0};

        for (uint32_t k = 0; k < base->n; k++)
            parts_add(s, &p, base->items[k]);
        parts_add(s, &p, (struct part){.schema = branch});
        rules_add(s->r, alt, schema_call(s, &p));
    }
    return alt;
}

/* A reference with nothing beside it is a call: the schema it is in, or NULL. */
static const json_t *lone_reference(const struct parts *p)
{
    if (p->n == 1 && !p->items[0].done && json_object_get(p->items[0].schema, "$ref") &&
        schema_says_nothing(p->items[0].schema, DONE_REF))
        return p->items[0].schema;
    return NULL;
}

static uint32_t body_of(struct schema *s, struct parts *p)
{
    const char *key;
    uint32_t part, done;
    const json_t *list;

    if (lone_reference(p)) {
        list = parts_resolve(s, lone_reference(p));
        return list ? call_one(s, list) : 0;
    }
    if (!parts_expand(s, p))
        return 0;
    if (parts_impossible(p))
        return rules_alt(s->r);
    if (!find_choice(p, &part, &key, &done))
        return schema_value(s, p);
    p->items[part].done |= done;
    list = json_object_get(p->items[part].schema, key);
    if (done == DONE_ONEOF && !schema_exclusive(s, p, list))
        return 0;
    return branches(s, p, list);
}

static void do_all(struct schema *s)
{
    for (uint32_t i = 0; i < s->n_todo && !rules_failed(s->r); i++) {
        struct parts p = s->todo[i].parts;
        uint32_t rule = s->todo[i].rule; /* the list may move while the body is made */

        s->todo[i].parts = (struct parts){0};
        rules_define(s->r, rule, body_of(s, &p));
        parts_done(&p);
    }
    for (uint32_t i = 0; i < s->n_todo; i++)
        parts_done(&s->todo[i].parts);
}

/* How deep a value is nested; stops at the limit. */
static bool too_deep(const json_t *value, unsigned left)
{
    const char *key;
    json_t *child;
    size_t i;

    if (!left)
        return true;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, child)
        {
            if (too_deep(child, left - 1))
                return true;
        }
    }
    json_array_foreach(value, i, child)
    {
        if (too_deep(child, left - 1))
            return true;
    }
    return false;
}

/* Not every caller in jansson looks at what this returns; the buffer remembers it. */
static int put_piece(const char *bytes, size_t n, void *out)
{
    return buf_put(out, bytes, n);
}

char *schema_text(const json_t *value)
{
    struct buf out;

    buf_init(&out, SIZE_MAX / 2);
    if (json_dump_callback(value, put_piece, &out, JSON_COMPACT | JSON_ENCODE_ANY))
        buf_lose(&out);
    return buf_take(&out); /* NULL behind a failure */
}

static int check_size(const json_t *schema, struct err *err)
{
    size_t n;

    if (!json_is_object(schema) && !json_is_boolean(schema))
        return err_set(err, ERR_INVALID, "a schema must be an object, true or false");
    if (too_deep(schema, GRAMMAR_MAX_NESTING))
        return err_set(err, ERR_LIMIT, "the schema is nested deeper than %d", GRAMMAR_MAX_NESTING);
    n = json_dumpb(schema, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (n == 0)
        return err_no_memory(err, n, "a schema's text");
    if (n > GRAMMAR_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the schema has %zu bytes; the most is %u", n,
                       GRAMMAR_MAX_BYTES);
    return 0;
}

/* *root is the rule to start from. ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT, ERR_NO_MEMORY. */
static int read_schema(struct rules *r, const json_t *schema, uint32_t *root, struct err *err)
{
    struct schema s = {.r = r, .root = schema};
    int rc = check_size(schema, err);

    if (rc)
        return rc;
    s.known = json_object();
    s.set_of = json_object();
    if (!s.known || !s.set_of) {
        json_decref(s.known);
        json_decref(s.set_of);
        return err_no_memory(err, sizeof *schema, "a schema's rules");
    }
    for (size_t i = 0; i < SHARED_N; i++)
        s.shared[i] = RULES_NONE;
    *root = rules_new(r);
    rules_define(r, *root, call_one(&s, schema));
    do_all(&s);
    free(s.todo);
    json_decref(s.known);
    schema_values_done(&s);
    return rules_failed(r) ? err_set(err, r->err.code, "%s", r->err.text) : 0;
}

int grammar_from_schema(const json_t *schema, const struct grammar_stop *stop, struct grammar **out,
                        struct err *err)
{
    struct rules r;
    uint32_t root = 0;
    int rc;

    rules_init(&r, stop);
    rc = read_schema(&r, schema, &root, err);
    if (!rc)
        rc = compiled_create(&r, root, out, err);
    rules_done(&r);
    return rc;
}
