/* value.c - what values are and hold. See value.h; source: Python's data model. */
#include "jinja/value.h"

#include "jinja/run.h"
#include "jinja/unicode.h"

bool value_truth(struct value v)
{
    switch (v.kind) {
    case VALUE_MISSING:
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return v.u.b;
    case VALUE_INT:
        return v.u.i != 0;
    case VALUE_FLOAT:
        return v.u.f != 0;
    case VALUE_TEXT:
        return v.len != 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return v.u.list->n != 0;
    case VALUE_DICT:
        return v.u.dict->n != 0;
    default:
        return true;
    }
}

const char *value_kind_name(struct value v)
{
    static const char *const names[] = {
        [VALUE_MISSING] = "nothing",
        [VALUE_UNDEFINED] = "undefined",
        [VALUE_NONE] = "none",
        [VALUE_BOOL] = "a boolean",
        [VALUE_INT] = "an integer",
        [VALUE_FLOAT] = "a float",
        [VALUE_TEXT] = "a string",
        [VALUE_LIST] = "a list",
        [VALUE_TUPLE] = "a tuple",
        [VALUE_DICT] = "a mapping",
        [VALUE_NAMESPACE] = "a namespace",
        [VALUE_BUILTIN] = "a function",
        [VALUE_METHOD] = "a method",
        [VALUE_MACRO] = "a macro",
        [VALUE_LOOP] = "the loop variable",
        [VALUE_CYCLER] = "a cycler",
        [VALUE_JOINER] = "a joiner",
    };

    return names[v.kind];
}

int value_copy_text(struct run *r, const char *s, size_t len, struct value *out)
{
    char *copy;

    if (len > UINT32_MAX)
        return run_fail(r, ERR_LIMIT, "a text has more than %u bytes", (unsigned)UINT32_MAX);
    copy = arena_text(&r->arena, len);
    if (!copy)
        return run_no_memory(r, len);
    memcpy(copy, s, len);
    *out = value_text(copy, len);
    return run_bytes(r, len);
}

int list_create(struct run *r, size_t room, struct list **out)
{
    struct list *l = run_alloc(r, sizeof *l);

    if (!l)
        return ERR_LIMIT;
    if (room) {
        if (room > r->options->max_memory_bytes / sizeof *l->items)
            return run_fail(r, ERR_LIMIT, "a list of %zu items needs too much memory", room);
        l->items = run_alloc(r, room * sizeof *l->items);
        if (!l->items)
            return ERR_LIMIT;
        l->cap = room;
    }
    *out = l;
    return 0;
}

int list_append(struct run *r, struct list *l, struct value v)
{
    void *items = l->items;
    int rc = run_grow(r, &items, sizeof v, l->n, &l->cap);

    if (rc)
        return rc;
    l->items = items;
    l->items[l->n++] = v;
    return run_steps(r, 1);
}

/* ---- mappings -------------------------------------------------------------------------------- */

int dict_create(struct run *r, struct dict **out)
{
    *out = run_alloc(r, sizeof **out);
    return *out ? 0 : ERR_LIMIT;
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash_bytes(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

/* Keys that are equal have one hash: 1, 1.0 and true are one key. */
static int hash_key(struct run *r, struct value key, uint64_t *hash)
{
    uint64_t h = 14695981039346656037u;
    double number;
    int rc = run_steps(r, 1); /* a tuple of tuples may hold the same one 2^n times */

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    if (key.kind == VALUE_TEXT) {
        h = hash_bytes(h, key.u.s, key.len);
        rc = run_bytes(r, key.len);
    } else if (value_is_number(key)) {
        number = value_as_double(key) + 0.0;
        h = hash_bytes(h, (const char *)&number, sizeof number);
    } else if (key.kind == VALUE_TUPLE) {
        for (size_t i = 0; !rc && i < key.u.list->n; i++) {
            uint64_t item = 0;

            rc = hash_key(r, key.u.list->items[i], &item);
            h = hash_bytes(h, (const char *)&item, sizeof item);
        }
    } else if (key.kind == VALUE_LIST || key.kind == VALUE_DICT) {
        rc = run_fail(r, ERR_INVALID, "%s cannot be the key of a mapping", value_kind_name(key));
    }
    *hash = h;
    r->depth--;
    return rc;
}

static int find_hashed(struct run *r, const struct dict *d, struct value key, uint64_t hash,
                       size_t *at)
{
    int rc = run_bytes(r, d->n);

    for (*at = 0; !rc && *at < d->n; ++*at) {
        bool equal;

        if (d->entries[*at].hash != hash)
            continue;
        rc = value_equal(r, d->entries[*at].key, key, &equal);
        if (!rc && equal)
            return 0;
    }
    return rc;
}

int dict_find(struct run *r, const struct dict *d, struct value key, size_t *at)
{
    uint64_t hash;
    int rc = hash_key(r, key, &hash);

    return rc ? rc : find_hashed(r, d, key, hash, at);
}

int dict_set(struct run *r, struct dict *d, struct value key, struct value v)
{
    uint64_t hash;
    size_t at;
    void *entries = d->entries;
    int rc = hash_key(r, key, &hash);

    if (!rc)
        rc = find_hashed(r, d, key, hash, &at);
    if (rc)
        return rc;
    if (at < d->n) {
        d->entries[at].value = v;
        return 0;
    }
    rc = run_grow(r, &entries, sizeof *d->entries, d->n, &d->cap);
    if (rc)
        return rc;
    d->entries = entries;
    d->entries[d->n++] = (struct dict_entry){.key = key, .value = v, .hash = hash};
    return 0;
}

void dict_remove(struct dict *d, size_t at)
{
    memmove(d->entries + at, d->entries + at + 1, (d->n - at - 1) * sizeof *d->entries);
    d->n--;
}

/* ---- what holds others ----------------------------------------------------------------------- */

static int chars_of(struct run *r, struct value v, struct list *l)
{
    int rc = 0;

    for (size_t at = 0, n; !rc && at < v.len; at += n) {
        unicode_at(v.u.s + at, &n);
        rc = list_append(r, l, value_text(v.u.s + at, n));
    }
    return rc;
}

static int keys_of(struct run *r, const struct dict *d, struct list *l)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < d->n; i++)
        rc = list_append(r, l, d->entries[i].key);
    return rc;
}

int value_items(struct run *r, struct value v, struct list **out)
{
    int rc;

    if (value_is_list(v)) {
        *out = v.u.list;
        return 0;
    }
    rc = list_create(r, 0, out);
    if (rc || v.kind == VALUE_UNDEFINED)
        return rc;
    if (v.kind == VALUE_TEXT)
        return chars_of(r, v, *out);
    if (v.kind == VALUE_DICT)
        return keys_of(r, v.u.dict, *out);
    return run_fail(r, ERR_INVALID, "%s cannot be looped over", value_kind_name(v));
}

int value_length(struct run *r, struct value v, size_t *out)
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
        *out = 0;
        return 0;
    case VALUE_TEXT:
        *out = unicode_count(v.u.s, v.len);
        return run_bytes(r, v.len);
    case VALUE_LIST:
    case VALUE_TUPLE:
        *out = v.u.list->n;
        return 0;
    case VALUE_DICT:
        *out = v.u.dict->n;
        return 0;
    default:
        return run_fail(r, ERR_INVALID, "%s has no length", value_kind_name(v));
    }
}
