/*
 * automaton.c - rules to automata, after Thompson (CACM 11(6), 1968): every node has one way in and
 * one way out. Parts that can never come to an end are left out, so that no text runs into a place
 * from which there is no way on. Small repetitions are written out, others are loops with counters.
 */
#include "grammar/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/automaton_internal.h"
#include "grammar/vec.h"

#define MAX_WRITTEN_OUT 48 /* parts of a repetition that is written out */

static uint32_t build(struct builder *b, uint32_t node, uint32_t from);

bool automaton_work(struct builder *b, uint64_t n)
{
    if (!b->failed && !rules_work(b->r, n))
        b->failed = b->r->err.code;
    return !b->failed;
}

uint32_t automaton_new_state(struct builder *b)
{
    struct automaton *a = b->a;

    if (b->failed)
        return 0;
    if (!automaton_work(b, 1))
        return 0;
    if (a->n_states >= AUTOMATON_MAX_STATES)
        b->failed = ERR_LIMIT;
    else if (vec_room(&a->states, &a->cap_states, a->n_states + 1, sizeof *a->states))
        b->failed = ERR_NO_MEMORY;
    if (b->failed)
        return 0;
    a->states[a->n_states] = (struct automaton_state){0};
    return a->n_states++;
}

static uint32_t new_edge(struct builder *b, struct automaton_edge edge)
{
    struct automaton *a = b->a;

    if (b->failed)
        return 0;
    if (vec_room(&a->edges, &a->cap_edges, a->n_edges + 1, sizeof *a->edges)) {
        b->failed = ERR_NO_MEMORY;
        return 0;
    }
    a->edges[a->n_edges] = edge;
    return a->n_edges++;
}

void automaton_add_bytes(struct builder *b, uint32_t from, unsigned lo, unsigned hi, uint32_t to)
{
    uint32_t e =
        new_edge(b, (struct automaton_edge){.to = to, .lo = (uint8_t)lo, .hi = (uint8_t)hi});

    if (b->failed)
        return;
    b->a->edges[e].next = b->a->states[from].bytes;
    b->a->states[from].bytes = e;
}

void automaton_add_empty(struct builder *b, uint32_t from, uint32_t to)
{
    uint32_t e = new_edge(b, (struct automaton_edge){.to = to});

    if (b->failed)
        return;
    b->a->edges[e].next = b->a->states[from].empties;
    b->a->states[from].empties = e;
}

/* The state behind one byte, which is the same for the same byte: a trie grows at `from`. */
static uint32_t trie_step(struct builder *b, uint32_t from, unsigned char byte)
{
    uint32_t to, looked_at = 0;

    if (b->failed)
        return 0;
    for (uint32_t e = b->a->states[from].bytes; e; e = b->a->edges[e].next) {
        looked_at++;
        if (b->a->edges[e].lo == byte) {
            automaton_work(b, looked_at);
            return b->a->edges[e].to;
        }
    }
    automaton_work(b, looked_at);
    to = automaton_new_state(b);
    automaton_add_bytes(b, from, byte, byte, to);
    return to;
}

/* Texts among the alternatives share their beginnings. `from` is a state of their own. */
static uint32_t build_text(struct builder *b, const struct rules_node *n, uint32_t from)
{
    for (uint32_t i = 0; i < n->b; i++)
        from = trie_step(b, from, (unsigned char)b->r->bytes[n->a + i]);
    return from;
}

static uint32_t build_seq(struct builder *b, const struct rules_node *n, uint32_t from)
{
    for (uint32_t c = n->first; c && !b->failed; c = b->r->nodes[c].next)
        from = build(b, c, from);
    return from;
}

/* A sequence or choice of one is that one. */
static const struct rules_node *only_child(const struct builder *b, uint32_t node)
{
    const struct rules_node *n = &b->r->nodes[node];

    while ((n->kind == RULES_SEQ || n->kind == RULES_ALT) && n->first && n->first == n->last)
        n = &b->r->nodes[n->first];
    return n;
}

static uint32_t build_alt(struct builder *b, const struct rules_node *n, uint32_t from)
{
    uint32_t end = automaton_new_state(b), trie = automaton_new_state(b);

    automaton_add_empty(b, from, trie);
    for (uint32_t c = n->first; c && !b->failed; c = b->r->nodes[c].next) {
        const struct rules_node *child = only_child(b, c);
        uint32_t start;

        if (!b->r->nodes[c].productive)
            continue;
        if (child->kind == RULES_TEXT) {
            automaton_add_empty(b, build_text(b, child, trie), end);
            continue;
        }
        start = automaton_new_state(b);
        automaton_add_empty(b, from, start);
        automaton_add_empty(b, build(b, c, start), end);
    }
    return end;
}

static uint32_t build_call(struct builder *b, uint32_t into, uint32_t from)
{
    uint32_t call = automaton_new_state(b), next = automaton_new_state(b);

    automaton_add_empty(b, from, call);
    if (b->failed)
        return 0;
    b->a->states[call].kind = AUTOMATON_CALL;
    b->a->states[call].into = into;
    b->a->states[call].next = next;
    return next;
}

/* As often as one likes, at least never, or at least once: the body is built once. */
static uint32_t build_star(struct builder *b, uint32_t child, bool once, uint32_t from)
{
    uint32_t start = automaton_new_state(b), end = automaton_new_state(b), behind;

    automaton_add_empty(b, from, start);
    behind = build(b, child, start);
    automaton_add_empty(b, behind, start);
    automaton_add_empty(b, once ? behind : start, end);
    return end;
}

static uint32_t build_copies(struct builder *b, const struct rules_node *n, uint32_t from)
{
    uint32_t end = automaton_new_state(b), start;

    for (uint32_t i = 0; i < n->a; i++)
        from = build(b, n->first, from);
    for (uint32_t i = n->a; i < n->b && !b->failed; i++) {
        automaton_add_empty(b, from, end);
        start = automaton_new_state(b);
        automaton_add_empty(b, from, start);
        from = build(b, n->first, start);
    }
    automaton_add_empty(b, from, end);
    return end;
}

static uint32_t build_loop(struct builder *b, const struct rules_node *n, uint32_t from)
{
    uint32_t start = automaton_new_state(b), loop, next;

    automaton_add_empty(b, build(b, n->first, start), AUTOMATON_END);
    next = build_call(b, start, from);
    if (b->failed)
        return 0;
    loop = b->a->edges[b->a->states[from].empties].to;
    b->a->states[loop].kind = AUTOMATON_LOOP;
    b->a->states[loop].nullable = b->r->nodes[n->first].nullable;
    b->a->states[loop].min = b->a->states[loop].nullable ? 0 : n->a;
    b->a->states[loop].max = n->b;
    b->a->has_loops = true;
    return next;
}

/* How many parts building a node makes, or more than MAX_WRITTEN_OUT where that is too many. Each
 * repetition on the way up asks again, so it is noted. */
static uint32_t size_of(struct builder *b, uint32_t node)
{
    const struct rules_node *n = &b->r->nodes[node];
    uint32_t size = n->kind == RULES_TEXT ? n->b : n->kind == RULES_CLASS ? 1 + n->b : 1;

    if (b->sizes[node])
        return b->sizes[node];
    for (uint32_t c = n->first; c && size <= MAX_WRITTEN_OUT; c = b->r->nodes[c].next)
        size += size_of(b, c);
    if (n->kind == RULES_REPEAT && n->b != RULES_NO_MAX && n->b > 1)
        size = n->b > MAX_WRITTEN_OUT ? n->b : size * n->b;
    if (size > MAX_WRITTEN_OUT)
        size = MAX_WRITTEN_OUT + 1;
    b->sizes[node] = (uint8_t)size;
    return size;
}

static uint32_t build_repeat(struct builder *b, const struct rules_node *n, uint32_t from)
{
    if (!b->r->nodes[n->first].productive || !n->b)
        return from;
    if (n->b == RULES_NO_MAX && n->a <= 1)
        return build_star(b, n->first, n->a == 1, from);
    if (n->b == 1 || (n->b <= MAX_WRITTEN_OUT && size_of(b, n->first) * n->b <= MAX_WRITTEN_OUT))
        return build_copies(b, n, from);
    return build_loop(b, n, from);
}

/* Adds what leads through a node, and returns the state behind it. */
static uint32_t build(struct builder *b, uint32_t node, uint32_t from)
{
    const struct rules_node *n = &b->r->nodes[node];
    uint32_t start;

    if (!automaton_work(b, 1))
        return 0;
    switch (n->kind) {
    case RULES_EMPTY:
        return from;
    case RULES_TEXT:
        start = automaton_new_state(b);
        automaton_add_empty(b, from, start);
        return build_text(b, n, start);
    case RULES_CLASS:
        return automaton_build_class(b, n, from);
    case RULES_SEQ:
        return build_seq(b, n, from);
    case RULES_ALT:
        return build_alt(b, n, from);
    case RULES_REPEAT:
        return build_repeat(b, n, from);
    case RULES_CALL:
        return build_call(b, b->starts[n->a], from);
    }
    BUG("node of kind %d", (int)n->kind);
}

/* The one state to which a state leads without doing anything; 0: it does more. */
static uint32_t passes_to(const struct automaton *a, uint32_t state)
{
    const struct automaton_state *s = &a->states[state];

    if (s->kind != AUTOMATON_PLAIN || s->bytes || !s->empties || a->edges[s->empties].next)
        return 0;
    return a->edges[s->empties].to;
}

/* Does a state do nothing but return? What is found holds for all states on the way, and is noted
 * there: ways of many calls run together. A state that is met again on the way does not return. */
static bool only_returns(struct automaton *a, uint32_t from)
{
    uint32_t state = from, next;
    enum automaton_returns found;

    while (state && state != AUTOMATON_END && a->states[state].returns == RETURNS_UNKNOWN) {
        a->states[state].returns = RETURNS_NOT;
        state = passes_to(a, state);
    }
    found = !state ? RETURNS_NOT : state == AUTOMATON_END ? RETURNS : a->states[state].returns;
    for (next = from; found == RETURNS && next != state; next = passes_to(a, next))
        a->states[next].returns = RETURNS;
    return found == RETURNS;
}

static void find_tails(struct automaton *a)
{
    for (uint32_t i = 0; i < a->n_states; i++) {
        struct automaton_state *s = &a->states[i];

        if (s->kind == AUTOMATON_CALL || s->kind == AUTOMATON_LOOP)
            s->tail = only_returns(a, s->next);
    }
}

/* A class begins where some edge begins, and where one has ended. */
static void find_classes(struct automaton *a)
{
    bool begins[257] = {false};

    for (uint32_t i = 0; i < a->n_states; i++) {
        for (uint32_t e = a->states[i].bytes; e; e = a->edges[e].next)
            begins[a->edges[e].lo] = begins[a->edges[e].hi + 1] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!byte || begins[byte])
            a->byte_of[a->n_classes++] = (uint8_t)byte;
        a->class_of[byte] = (uint8_t)(a->n_classes - 1);
    }
}

static void build_rules(struct builder *b, uint32_t root)
{
    uint32_t none = automaton_new_state(b), end = automaton_new_state(b);

    new_edge(b, (struct automaton_edge){0});
    BUG_ON(!b->failed && (none != 0 || end != AUTOMATON_END));
    if (!b->failed)
        b->a->states[end].kind = AUTOMATON_STOP;
    for (uint32_t i = 0; i < b->r->n_rules; i++)
        b->starts[i] = automaton_new_state(b);
    for (uint32_t i = 0; i < b->r->n_rules && !b->failed; i++) {
        if (b->r->rules[i].productive)
            automaton_add_empty(b, build(b, b->r->rules[i].body, b->starts[i]), AUTOMATON_END);
    }
    b->a->start = b->starts[root];
}

/* Gives back the room for more, which may be half of it. */
static void *fitted(void *items, uint32_t n, size_t item_bytes, uint32_t *cap)
{
    void *less = realloc(items, n * item_bytes);

    if (!less)
        return items;
    *cap = n;
    return less;
}

int automaton_build(struct automaton *a, struct rules *r, uint32_t root, struct err *err)
{
    struct builder b = {.a = a, .r = r};

    *a = (struct automaton){0};
    b.starts = calloc(r->n_rules, sizeof *b.starts);
    b.sizes = calloc(r->n_nodes, sizeof *b.sizes);
    if (b.starts && b.sizes)
        build_rules(&b, root);
    else
        b.failed = ERR_NO_MEMORY;
    free(b.starts);
    free(b.sizes);
    if (rules_failed(r))
        return err_set(err, r->err.code, "%s", r->err.text);
    if (b.failed == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "the grammar needs more than %u states; make it smaller",
                       AUTOMATON_MAX_STATES);
    if (b.failed)
        return err_no_memory(err, a->n_states * sizeof *a->states, "a grammar");
    a->states = fitted(a->states, a->n_states, sizeof *a->states, &a->cap_states);
    a->edges = fitted(a->edges, a->n_edges, sizeof *a->edges, &a->cap_edges);
    find_tails(a);
    find_classes(a);
    return 0;
}

void automaton_done(struct automaton *a)
{
    free(a->states);
    free(a->edges);
    *a = (struct automaton){0};
}
