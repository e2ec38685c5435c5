/* rules.c - see rules.h. */
#include "grammar/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "grammar/grammar.h"
#include "grammar/chars.h"
#include "grammar/vec.h"

#define FIRST_NAMES 64
#define ASK_EVERY   (1u << 16) /* steps: a fraction of a millisecond */

void rules_init(struct rules *r, const struct grammar_stop *stop)
{
    *r = (struct rules){.stop = stop, .max_work = RULES_MAX_WORK};
    if (stop && stop->steps_left && *stop->steps_left < RULES_MAX_WORK)
        r->max_work = *stop->steps_left;
}

void rules_done(struct rules *r)
{
    if (r->stop && r->stop->steps_left)
        *r->stop->steps_left -= r->work < *r->stop->steps_left ? r->work : *r->stop->steps_left;
    for (uint32_t i = 0; i < r->n_rules; i++)
        free(r->rules[i].name);
    free(r->rules);
    free(r->nodes);
    free(r->ranges);
    free(r->bytes);
    free(r->names);
    rules_init(r, NULL);
}

int rules_fail(struct rules *r, enum err_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    if (rules_failed(r))
        return (int)r->err.code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(&r->err, code, "%s", text);
}

bool rules_work(struct rules *r, uint64_t n)
{
    if (rules_failed(r))
        return false;
    r->work += n;
    if (r->work < r->ask_at)
        return true;
    r->ask_at = r->work + ASK_EVERY;
    if (r->work > r->max_work)
        rules_fail(r, ERR_LIMIT,
                   "the grammar's parts hang together too closely: %llu steps were not enough to "
                   "read it; make it smaller",
                   (unsigned long long)r->max_work);
    else if (r->stop && r->stop->is_asked && r->stop->is_asked(r->stop->arg))
        rules_fail(r, ERR_CANCELLED, "the reading of the grammar was given up");
    return !rules_failed(r);
}

static uint32_t no_memory(struct rules *r)
{
    rules_fail(r, ERR_NO_MEMORY, "there is no memory for a grammar of %u nodes", r->n_nodes);
    return 0;
}

static uint32_t new_node(struct rules *r, enum rules_kind kind, uint32_t a, uint32_t b)
{
    if (!rules_work(r, 1))
        return 0;
    if (r->n_nodes >= RULES_MAX_NODES) {
        rules_fail(r, ERR_LIMIT, "the grammar has more than %u parts; make it smaller",
                   RULES_MAX_NODES);
        return 0;
    }
    if (vec_room(&r->nodes, &r->cap_nodes, r->n_nodes + 2, sizeof *r->nodes))
        return no_memory(r);
    if (!r->n_nodes)
        r->nodes[r->n_nodes++] = (struct rules_node){0};
    r->nodes[r->n_nodes] = (struct rules_node){.kind = kind, .a = a, .b = b};
    return r->n_nodes++;
}

uint32_t rules_new(struct rules *r)
{
    if (rules_failed(r))
        return RULES_NONE;
    if (r->n_rules >= GRAMMAR_MAX_RULES) {
        rules_fail(r, ERR_LIMIT, "the grammar has more than %u rules; make it smaller",
                   GRAMMAR_MAX_RULES);
        return RULES_NONE;
    }
    if (vec_room(&r->rules, &r->cap_rules, r->n_rules + 1, sizeof *r->rules))
        return no_memory(r), RULES_NONE;
    r->rules[r->n_rules] = (struct rules_rule){0};
    return r->n_rules++;
}

static uint32_t hash_name(const char *name, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a, 32 bits */

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

/* The place of a name in the table, which has a free one. Names may be made to have one hash:
 * places looked at are steps. */
static uint32_t *name_place(struct rules *r, const char *name, size_t n)
{
    uint32_t i = hash_name(name, n) & (r->cap_names - 1), looked_at = 0;

    for (;; i = (i + 1) & (r->cap_names - 1)) {
        const char *other = r->names[i] ? r->rules[r->names[i] - 1].name : NULL;

        looked_at++;
        if (other && (strlen(other) != n || memcmp(other, name, n) != 0))
            continue;
        rules_work(r, looked_at);
        return &r->names[i];
    }
}

static bool room_for_name(struct rules *r)
{
    uint32_t *old = r->names, cap = r->cap_names;

    if (r->n_names + 1 <= cap / 2)
        return true;
    r->cap_names = cap ? 2 * cap : FIRST_NAMES;
    r->names = calloc(r->cap_names, sizeof *r->names);
    if (!r->names) {
        r->names = old;
        r->cap_names = cap;
        return false;
    }
    for (uint32_t i = 0; i < cap; i++) {
        const char *name = old[i] ? r->rules[old[i] - 1].name : NULL;

        if (name)
            *name_place(r, name, strlen(name)) = old[i];
    }
    free(old);
    return true;
}

uint32_t rules_named(struct rules *r, const char *name, size_t n, uint32_t line)
{
    uint32_t rule, *place;

    if (rules_failed(r))
        return RULES_NONE;
    if (!room_for_name(r))
        return no_memory(r), RULES_NONE;
    place = name_place(r, name, n);
    if (rules_failed(r))
        return RULES_NONE;
    if (*place)
        return *place - 1;
    rule = rules_new(r);
    if (rule == RULES_NONE)
        return RULES_NONE;
    r->rules[rule].line = line;
    r->rules[rule].name = str_ndup(name, n);
    if (!r->rules[rule].name)
        return no_memory(r), RULES_NONE;
    *place = rule + 1;
    r->n_names++;
    return rule;
}

void rules_define(struct rules *r, uint32_t rule, uint32_t body)
{
    if (!rules_failed(r))
        r->rules[rule].body = body;
}

uint32_t rules_empty(struct rules *r)
{
    return new_node(r, RULES_EMPTY, 0, 0);
}

uint32_t rules_text(struct rules *r, const char *bytes, size_t n)
{
    uint32_t at = r->n_bytes;

    if (rules_failed(r))
        return 0;
    if (n > RULES_MAX_BYTES - at) {
        rules_fail(r, ERR_LIMIT, "the grammar's texts have more than %u bytes; make it smaller",
                   RULES_MAX_BYTES);
        return 0;
    }
    if (n && vec_room(&r->bytes, &r->cap_bytes, at + (uint32_t)n, 1))
        return no_memory(r);
    if (n)
        memcpy(r->bytes + at, bytes, n);
    r->n_bytes += (uint32_t)n;
    return n ? new_node(r, RULES_TEXT, at, (uint32_t)n) : rules_empty(r);
}

uint32_t rules_texts(struct rules *r, const char *text)
{
    return rules_text(r, text, strlen(text));
}

static int by_lo(const void *a, const void *b)
{
    const struct rules_range *x = a, *y = b;

    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorts the ranges from `first` on and joins those that touch. */
static void join_ranges(struct rules *r, uint32_t first)
{
    uint32_t n = first;

    qsort(r->ranges + first, r->n_ranges - first, sizeof *r->ranges, by_lo);
    for (uint32_t i = first; i < r->n_ranges; i++) {
        struct rules_range *last = &r->ranges[n > first ? n - 1 : n];

        if (n > first && r->ranges[i].lo <= last->hi + 1)
            last->hi = last->hi > r->ranges[i].hi ? last->hi : r->ranges[i].hi;
        else
            r->ranges[n++] = r->ranges[i];
    }
    r->n_ranges = n;
}

/* Turns sorted, joined ranges into what lies between them; there is room for one more. */
static void negate_ranges(struct rules *r, uint32_t first)
{
    uint32_t lo = 0, n = first, end = r->n_ranges;

    for (uint32_t i = first; i < end; i++) {
        struct rules_range range = r->ranges[i];

        if (range.lo > lo)
            r->ranges[n++] = (struct rules_range){lo, range.lo - 1};
        lo = range.hi + 1;
    }
    if (lo <= UTF8_MAX_CHAR)
        r->ranges[n++] = (struct rules_range){lo, UTF8_MAX_CHAR};
    r->n_ranges = n;
}

uint32_t rules_class(struct rules *r, const struct rules_range *ranges, uint32_t n, bool negated)
{
    uint32_t first = r->n_ranges;

    if (!rules_work(r, 4ull * n))
        return 0;
    if (n >= RULES_MAX_RANGES - first) {
        rules_fail(r, ERR_LIMIT,
                   "the grammar's classes have more than %u ranges of characters; make it smaller",
                   RULES_MAX_RANGES);
        return 0;
    }
    if (vec_room(&r->ranges, &r->cap_ranges, first + n + 1, sizeof *r->ranges))
        return no_memory(r);
    if (n)
        memcpy(r->ranges + first, ranges, n * sizeof *ranges);
    r->n_ranges += n;
    join_ranges(r, first);
    if (negated)
        negate_ranges(r, first);
    return new_node(r, RULES_CLASS, first, r->n_ranges - first);
}

uint32_t rules_seq(struct rules *r)
{
    return new_node(r, RULES_SEQ, 0, 0);
}

uint32_t rules_alt(struct rules *r)
{
    return new_node(r, RULES_ALT, 0, 0);
}

void rules_add(struct rules *r, uint32_t parent, uint32_t child)
{
    struct rules_node *p;

    if (rules_failed(r))
        return;
    BUG_ON(!parent || !child || r->nodes[child].next);
    p = &r->nodes[parent];
    if (p->last)
        r->nodes[p->last].next = child;
    else
        p->first = child;
    p->last = child;
}

uint32_t rules_repeat(struct rules *r, uint32_t child, uint32_t min, uint32_t max)
{
    uint32_t node = new_node(r, RULES_REPEAT, min, max);

    BUG_ON(max < min);
    if (node)
        r->nodes[node].first = r->nodes[node].last = child;
    return node;
}

uint32_t rules_call(struct rules *r, uint32_t rule)
{
    return new_node(r, RULES_CALL, rule, 0);
}
