/*
 * schema_values.c - lists of a schema's values (enum, required) as sets, each made once: hashes in
 * rising order, with their values. So to ask for a value costs some comparisons and not the list.
 *
 * Equal values have equal hashes, whichever way they are written (1 and 1.0, members in any order);
 * values of equal hashes are compared. What is done is counted as steps of the rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/schema_internal.h"
#include "grammar/vec.h"

#define BYTES_A_STEP 8
#define FIND_STEPS   4  /* to look for a hash */
#define FAR          16 /* items from one to the next that are better looked for than walked over */

struct item {
    uint64_t hash;
    const json_t *value;
    uint32_t steps; /* to compare it */
};

struct schema_values {
    size_t n;
    struct item items[];
};

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u; /* 2^64 over the golden ratio */
    return h ^ h >> 32;
}

static uint64_t hash_text(const char *text, size_t n, uint32_t *steps)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a, 64 bits */

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    *steps += (uint32_t)(1 + n / BYTES_A_STEP);
    return mix(JSON_STRING, h);
}

static uint64_t hash_number(const json_t *value)
{
    double x = json_number_value(value) + 0.0; /* -0.0 is 0.0 */
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return mix(JSON_REAL, bits);
}

static uint64_t hash_value(const json_t *value, uint32_t *steps)
{
    uint64_t h = json_typeof(value), members = 0;
    const char *key;
    size_t i;
    json_t *one;

    ++*steps;
    if (json_is_string(value))
        return hash_text(json_string_value(value), json_string_length(value), steps);
    if (json_is_number(value))
        return hash_number(value);
    json_array_foreach(value, i, one) h = mix(h, hash_value(one, steps));
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, one) members +=
            mix(hash_text(key, strlen(key), steps), hash_value(one, steps));
    }
    return mix(h, members);
}

static int by_hash(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void put(struct schema_values *set, const json_t *value, uint64_t *steps)
{
    struct item *item = &set->items[set->n++];

    item->value = value;
    item->hash = hash_value(value, &item->steps);
    *steps += item->steps;
}

/* Keeps a set by its list, and owns it then. */
static bool keep(struct schema *s, const char *key, struct schema_values *set)
{
    if (vec_room(&s->sets, &s->cap_sets, s->n_sets + 1, sizeof *s->sets) ||
        json_object_set_new(s->set_of, key, json_integer(s->n_sets)))
        return false;
    s->sets[s->n_sets++] = set;
    return true;
}

static const struct schema_values *make(struct schema *s, const json_t *list, bool one,
                                        const char *key)
{
    size_t n = one ? 1 : json_array_size(list), i;
    struct schema_values *set = calloc(1, sizeof *set + n * sizeof *set->items);
    uint64_t steps = FIND_STEPS * n; /* to sort them */
    json_t *value;

    if (!set || !keep(s, key, set)) {
        free(set);
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a schema's values");
        return NULL;
    }
    if (one)
        put(set, list, &steps);
    else
        json_array_foreach(list, i, value) put(set, value, &steps);
    if (n > 1)
        qsort(set->items, n, sizeof *set->items, by_hash);
    return rules_work(s->r, steps) ? set : NULL;
}

const struct schema_values *schema_values(struct schema *s, const json_t *list, bool one)
{
    char key[24];
    const json_t *known;

    if (!rules_work(s->r, FIND_STEPS))
        return NULL;
    snprintf(key, sizeof key, "%zx", (size_t)(uintptr_t)list);
    known = json_object_get(s->set_of, key);
    return known ? s->sets[json_integer_value(known)] : make(s, list, one, key);
}

void schema_values_done(struct schema *s)
{
    for (uint32_t i = 0; i < s->n_sets; i++)
        free(s->sets[i]);
    free(s->sets);
    json_decref(s->set_of);
}

static bool same_items(const json_t *x, const json_t *y)
{
    bool equal = json_array_size(x) == json_array_size(y);

    for (size_t i = 0; i < json_array_size(x) && equal; i++)
        equal = schema_same(json_array_get(x, i), json_array_get(y, i));
    return equal;
}

static bool same_members(const json_t *x, const json_t *y)
{
    bool equal = json_object_size(x) == json_object_size(y);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)x, key, value) equal =
        equal && schema_same(value, json_object_get(y, key));
    return equal;
}

bool schema_same(const json_t *x, const json_t *y)
{
    if (json_is_number(x) && json_is_number(y))
        return !(json_number_value(x) < json_number_value(y)) &&
               !(json_number_value(x) > json_number_value(y));
    if (json_is_array(x) && json_is_array(y))
        return same_items(x, y);
    if (json_is_object(x) && json_is_object(y))
        return same_members(x, y);
    return json_equal(x, y);
}

/* The first item whose hash is not less. */
static size_t first_of(const struct schema_values *set, uint64_t hash)
{
    size_t lo = 0, hi = set->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (set->items[mid].hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool schema_values_have(struct schema *s, const struct schema_values *set, const json_t *value)
{
    uint32_t steps = 0;
    uint64_t hash = hash_value(value, &steps);
    bool has = false;

    if (!rules_work(s->r, steps + FIND_STEPS))
        return false;
    for (size_t i = first_of(set, hash); i < set->n && set->items[i].hash == hash && !has; i++)
        has = rules_work(s->r, steps) && schema_same(set->items[i].value, value);
    return has;
}

bool schema_values_name(struct schema *s, const struct schema_values *set, const char *name)
{
    uint32_t steps = 0;
    uint64_t hash = hash_text(name, strlen(name), &steps);
    bool has = false;

    if (!rules_work(s->r, steps + FIND_STEPS))
        return false;
    for (size_t i = first_of(set, hash); i < set->n && set->items[i].hash == hash && !has; i++)
        has = rules_work(s->r, steps) && strcmp(json_string_value(set->items[i].value), name) == 0;
    return has;
}

/* Where a hash stands in a set, from `at` on: nearby, or anywhere. */
static size_t seek(const struct schema_values *set, size_t at, uint64_t hash, bool nearby)
{
    if (!nearby)
        return first_of(set, hash);
    while (at < set->n && set->items[at].hash < hash)
        at++;
    return at;
}

bool schema_values_apart(struct schema *s, const struct schema_values *x,
                         const struct schema_values *y)
{
    const struct schema_values *few = x->n < y->n ? x : y, *many = few == x ? y : x;
    bool nearby = many->n / FAR < few->n;

    if (x == y)
        return !x->n;
    if (!rules_work(s->r, nearby ? (few->n + many->n) / FIND_STEPS : FIND_STEPS * few->n))
        return false;
    for (size_t i = 0, at = 0; i < few->n; i++) {
        const struct item *item = &few->items[i];

        at = seek(many, at, item->hash, nearby);
        for (size_t k = at; k < many->n && many->items[k].hash == item->hash; k++) {
            if (!rules_work(s->r, item->steps) || schema_same(item->value, many->items[k].value))
                return false;
        }
    }
    return true;
}
