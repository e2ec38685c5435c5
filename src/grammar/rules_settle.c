/*
 * rules_settle.c - what is said of rules as a whole: which may be empty, which can come to an end,
 * and whether one begins with itself. The first two are least fixed points, found by passes in turn
 * forward and backward, each of them steps that are counted; left recursion is what remains when
 * rules that begin with no remaining rule are taken away again and again (Kahn 1962).
 */
#include "grammar/rules.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/grammar.h"
#include "grammar/vec.h"

struct edge {
    uint32_t to, next; /* next: edge + 1 */
};

/* Which rules a rule may begin with. */
struct lefts {
    struct edge *edges;
    uint32_t n, cap;
    uint32_t *heads; /* of a rule's edges: edge + 1, 0: none */
    bool failed;
};

static void settle_children(struct rules *r, struct rules_node *n);

static void settle_node(struct rules *r, uint32_t id)
{
    struct rules_node *n = &r->nodes[id];

    settle_children(r, n);
    switch (n->kind) {
    case RULES_EMPTY:
        n->nullable = n->productive = true;
        break;
    case RULES_TEXT:
        n->productive = true;
        break;
    case RULES_CLASS:
        n->productive = n->b > 0;
        break;
    case RULES_CALL:
        n->nullable = r->rules[n->a].nullable;
        n->productive = r->rules[n->a].productive;
        break;
    case RULES_REPEAT:
        n->nullable = n->a == 0 || r->nodes[n->first].nullable;
        n->productive = n->a == 0 || r->nodes[n->first].productive;
        break;
    case RULES_SEQ:
    case RULES_ALT:
        break;
    }
}

/* Sequences need all of their children, choices one. */
static void settle_children(struct rules *r, struct rules_node *n)
{
    bool seq = n->kind == RULES_SEQ;

    n->nullable = n->productive = seq;
    for (uint32_t c = n->first; c; c = r->nodes[c].next) {
        settle_node(r, c);
        n->nullable =
            seq ? n->nullable && r->nodes[c].nullable : n->nullable || r->nodes[c].nullable;
        n->productive =
            seq ? n->productive && r->nodes[c].productive : n->productive || r->nodes[c].productive;
    }
}

static bool settle_rule(struct rules *r, uint32_t rule)
{
    struct rules_rule *x = &r->rules[rule];
    const struct rules_node *body = &r->nodes[x->body];
    bool changed;

    settle_node(r, x->body);
    changed = x->nullable != body->nullable || x->productive != body->productive;
    x->nullable = body->nullable;
    x->productive = body->productive;
    return changed;
}

static int settle_all(struct rules *r, struct err *err)
{
    bool changed = true;

    for (uint32_t pass = 0; changed; pass++) {
        changed = false;
        for (uint32_t i = 0; i < r->n_rules; i++)
            changed |= settle_rule(r, pass % 2 ? r->n_rules - 1 - i : i);
        if (!rules_work(r, r->n_nodes))
            return err_set(err, r->err.code, "%s", r->err.text);
    }
    return 0;
}

static void add_left(struct lefts *l, uint32_t rule, uint32_t to)
{
    if (vec_room(&l->edges, &l->cap, l->n + 1, sizeof *l->edges)) {
        l->failed = true;
        return;
    }
    l->edges[l->n] = (struct edge){to, l->heads[rule]};
    l->heads[rule] = ++l->n;
}

/* The calls with which a node may begin. */
static void find_lefts(const struct rules *r, struct lefts *l, uint32_t rule, uint32_t node)
{
    const struct rules_node *n = &r->nodes[node];

    if (n->kind == RULES_CALL)
        add_left(l, rule, n->a);
    for (uint32_t c = n->first; c; c = r->nodes[c].next) {
        find_lefts(r, l, rule, c);
        if (n->kind == RULES_SEQ && !r->nodes[c].nullable)
            break;
    }
}

/* Takes away the rules that begin with no rule that is left; `left` counts, and `from` leads back.
 */
static uint32_t take_away(const struct rules *r, const struct lefts *l, struct lefts *back,
                          uint32_t *count, uint32_t *todo)
{
    uint32_t n_todo = 0, taken = 0;

    for (uint32_t i = 0; i < r->n_rules; i++) {
        for (uint32_t e = l->heads[i]; e; e = l->edges[e - 1].next) {
            add_left(back, l->edges[e - 1].to, i);
            count[i]++;
        }
    }
    for (uint32_t i = 0; i < r->n_rules && !back->failed; i++) {
        if (!count[i])
            todo[n_todo++] = i;
    }
    while (taken < n_todo) {
        uint32_t rule = todo[taken++];

        for (uint32_t e = back->heads[rule]; e; e = back->edges[e - 1].next) {
            if (--count[back->edges[e - 1].to] == 0)
                todo[n_todo++] = back->edges[e - 1].to;
        }
    }
    return taken;
}

/* A rule on a circle: every rule with a count begins with another one that has a count, and the
 * first that is met again is on it. So no rule's edges are walked twice. */
static uint32_t on_circle(const struct rules *r, const struct lefts *l, const uint32_t *count,
                          uint32_t *met)
{
    uint32_t rule = 0;

    memset(met, 0, r->n_rules * sizeof *met);
    while (!count[rule])
        rule++;
    while (!met[rule]) {
        uint32_t e = l->heads[rule];

        met[rule] = 1;

        while (!count[l->edges[e - 1].to])
            e = l->edges[e - 1].next;
        rule = l->edges[e - 1].to;
    }
    return rule;
}

static int judge_lefts(const struct rules *r, struct lefts *l, struct lefts *back, uint32_t *count,
                       uint32_t *todo, struct err *err)
{
    const struct rules_rule *x;

    if (!l->heads || !back->heads || !count || !todo)
        return err_no_memory(err, r->n_rules * sizeof *count, "a grammar's rules");
    for (uint32_t i = 0; i < r->n_rules; i++)
        find_lefts(r, l, i, r->rules[i].body);
    if (l->failed)
        return err_no_memory(err, l->n * sizeof *l->edges, "a grammar's rules");
    if (take_away(r, l, back, count, todo) == r->n_rules)
        return 0;
    if (back->failed)
        return err_no_memory(err, l->n * sizeof *l->edges, "a grammar's rules");
    x = &r->rules[on_circle(r, l, count, todo)];
    if (!x->name)
        return err_set(err, ERR_INVALID, "the schema refers to itself without end");
    return err_set(err, ERR_INVALID,
                   "grammar line %u: rule '%s' begins with itself (left recursion), directly or by "
                   "way of other rules",
                   x->line, x->name);
}

static int check_lefts(const struct rules *r, struct err *err)
{
    uint32_t *count = calloc(r->n_rules, sizeof *count), *todo = calloc(r->n_rules, sizeof *todo);
    struct lefts l = {.heads = calloc(r->n_rules, sizeof *l.heads)};
    struct lefts back = {.heads = calloc(r->n_rules, sizeof *back.heads)};
    int rc = judge_lefts(r, &l, &back, count, todo, err);

    free(count);
    free(todo);
    free(l.heads);
    free(l.edges);
    free(back.heads);
    free(back.edges);
    return rc;
}

static int check_defined(const struct rules *r, uint32_t root, struct err *err)
{
    if (root == RULES_NONE || !r->rules[root].body)
        return err_set(err, ERR_INVALID,
                       "the grammar has no rule 'root', which is where it starts");
    for (uint32_t i = 0; i < r->n_rules; i++) {
        if (!r->rules[i].body)
            return err_set(err, ERR_INVALID, "grammar line %u: rule '%s' is defined nowhere",
                           r->rules[i].line, r->rules[i].name ? r->rules[i].name : "?");
    }
    return 0;
}

int rules_settle(struct rules *r, uint32_t root, struct err *err)
{
    int rc;

    if (rules_failed(r))
        return err_set(err, r->err.code, "%s", r->err.text);
    rc = check_defined(r, root, err);
    if (!rc)
        rc = settle_all(r, err);
    if (!rc)
        rc = check_lefts(r, err);
    if (rc || r->rules[root].productive)
        return rc;
    if (!r->rules[root].name)
        return err_set(err, ERR_INVALID, "the schema allows no value that comes to an end");
    return err_set(err, ERR_INVALID,
                   "grammar line %u: no text of rule 'root' can ever come to an end",
                   r->rules[root].line);
}
