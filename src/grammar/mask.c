/*
 * mask.c - a walk over the trie of tokens with the place that each node leads to. Where the grammar
 * allows nothing the subtree is left out; where everything in it leads back to the same place, as
 * inside a JSON string, it is taken as a whole. What remains are a few thousand nodes of some
 * hundred thousand.
 */
#include "grammar/mask.h"

#include <stdlib.h>

#include "grammar/chars.h"

/* Bytes that begin a character of n bytes, and what its second byte may be (RFC 3629, section 4).
 */
static const struct wide {
    unsigned char lo, hi, second_lo, second_hi, n;
} wides[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

struct walk {
    struct places *p;
    struct grammar_vocab *v;
    const struct vocab_trie *t; /* the one that is walked */
    struct mask *mask;
    uint32_t *places; /* of each node on the way down, in a root; [0]: where the walk began */
    uint32_t *ends;   /* of those nodes' subtrees */
    uint32_t depth;
    struct places_root root;
};

static bool is_spent(const struct places *p)
{
    return p->work > p->max_work;
}

/* Nothing is thrown away while loops are looked for, so that there is a limit to what that may
 * take. */
static bool is_too_much(const struct places *p)
{
    return is_spent(p) || places_bytes(p) > p->limit_bytes + p->max_bytes;
}

/* Do bytes from lo to hi, and n more of any continuation, lead from a place to `home`? */
static bool lead_home(struct places *p, uint32_t from, unsigned lo, unsigned hi, unsigned n,
                      uint32_t home)
{
    uint32_t good = 0; /* a place from which the rest was seen to lead home */

    for (unsigned byte = lo; byte <= hi; byte++) {
        uint32_t to;

        if (byte > lo && p->automaton->class_of[byte] == p->automaton->class_of[byte - 1])
            continue;
        to = places_step(p, &from, (unsigned char)byte);
        if (to < PLACE_FIRST || is_too_much(p)) /* PLACE_NO_MEMORY is `good` at the beginning */
            return false;
        if (to == good)
            continue;
        if ((n ? !lead_home(p, to, 0x80, 0xBF, n - 1, home) : to != home))
            return false;
        good = to;
    }
    return true;
}

static bool wide_leads_home(struct places *p, const struct wide *w, uint32_t home)
{
    for (unsigned byte = w->lo; byte <= w->hi; byte++) {
        uint32_t to;

        if (byte > w->lo && p->automaton->class_of[byte] == p->automaton->class_of[byte - 1])
            continue;
        to = places_step(p, &home, (unsigned char)byte);
        if (to < PLACE_FIRST || is_too_much(p) ||
            !lead_home(p, to, w->second_lo, w->second_hi, w->n - 2u, home))
            return false;
    }
    return true;
}

/* The groups of bytes all of which lead from a place back to it. None, and not noted, when it is
 * too much to find out. */
static uint64_t find_loops(struct places *p, uint32_t place)
{
    uint64_t loops = (1ull << VOCAB_GROUP_OTHER) - 1;

    p->keep = true;
    for (unsigned byte = 0; byte < 0x80 && !is_too_much(p); byte++) {
        uint64_t group = 1ull << vocab_group((unsigned char)byte);

        if ((loops & group) && places_step(p, &place, (unsigned char)byte) != place)
            loops &= ~group;
    }
    for (size_t i = 0; i < sizeof wides / sizeof *wides; i++) {
        if ((loops >> VOCAB_GROUP_WIDE & 1) && !wide_leads_home(p, &wides[i], place))
            loops &= ~(1ull << VOCAB_GROUP_WIDE);
    }
    p->keep = false;
    if (is_too_much(p))
        return 0;
    p->t.places[place].loops = loops;
    p->t.places[place].loops_known = true;
    return loops;
}

/* May the subtree be taken whole, as all of its bytes lead from a place back to it? */
static bool all_loop(struct walk *w, const struct vocab_node *node, uint32_t to, uint32_t from)
{
    const struct place *x = &w->p->t.places[to];

    if (x->loops_known)
        return (node->below & ~x->loops) == 0;
    return to == from && (node->below & ~find_loops(w->p, to)) == 0;
}

static void allow(struct walk *w, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        uint32_t token = w->t->order[i];

        w->mask->words[token / 64] |= 1ull << token % 64;
    }
}

/* One node; returns the next one to look at. PLACE_NO_MEMORY in *failed. */
static uint32_t look(struct walk *w, uint32_t i, bool *failed)
{
    const struct vocab_node *node = &w->t->nodes[i], *behind = &w->t->nodes[node->end];
    uint32_t to = places_step(w->p, &w->places[w->depth], node->byte);

    if (to < PLACE_FIRST) {
        *failed = to == PLACE_NO_MEMORY;
        return node->end;
    }
    if (node->end > i + 1 && !all_loop(w, node, to, w->places[w->depth])) {
        allow(w, node->first, node[1].first);
        w->depth++;
        w->places[w->depth] = to;
        w->ends[w->depth] = node->end;
        w->root.n = w->depth + 1;
        return i + 1;
    }
    allow(w, node->first, behind->first);
    return node->end;
}

static int walk_all(struct walk *w)
{
    bool failed = false;
    uint32_t i = 1;

    while (i < w->t->n_nodes) {
        while (i >= w->ends[w->depth])
            w->depth--;
        w->root.n = w->depth + 1;
        i = look(w, i, &failed);
        w->p->too_long = is_spent(w->p);
        if (failed || w->p->too_long)
            return -1;
    }
    return 0;
}

/* Adds the tokens of a trie that the place w->places[0] allows. */
static int walk_trie(struct walk *w, const struct vocab_trie *t)
{
    w->t = t;
    w->depth = 0;
    w->ends[0] = t->n_nodes;
    w->root.n = 1;
    return walk_all(w);
}

/* The part of the vocabulary for a place that most characters lead back to; or NULL. */
static const struct vocab_part *part_for(struct walk *w)
{
    static const char tried[] = "e 0";
    uint32_t home;

    for (const char *c = tried; *c; c++) {
        uint32_t to = places_step(w->p, &w->places[0], (unsigned char)*c);

        home = w->places[0];
        if (to == home)
            return vocab_part(w->v, w->p->t.places[home].loops_known ? w->p->t.places[home].loops
                                                                     : find_loops(w->p, home));
    }
    return NULL;
}

/* Short tokens: those that only lead back are a mask already. */
static int walk_brief(struct walk *w)
{
    const struct vocab_part *part = part_for(w);

    if (!part)
        return walk_trie(w, &w->v->brief);
    for (uint32_t i = 0; i < w->v->n_words; i++)
        w->mask->words[i] |= part->words[i];
    return walk_trie(w, &part->rest);
}

static struct mask *mask_for(struct places *p, const uint32_t *at, enum places_span span);

/* All tokens. Short ones cannot tell loops with many turns left apart: their mask may be known. */
static int walk_both(struct walk *w)
{
    uint32_t brief = places_normal(w->p, &w->places[0], PLACES_BRIEF);
    struct mask *known;
    struct places_root root = {.places = &brief, .n = 1};

    if (brief == PLACE_NO_MEMORY)
        return -1;
    if (brief == w->places[0])
        return walk_brief(w) || walk_trie(w, &w->v->lengthy) ? -1 : 0;
    places_hold(w->p, &root);
    known = mask_for(w->p, &brief, PLACES_BRIEF);
    places_let_go(w->p, &root);
    if (!known)
        return -1;
    for (uint32_t i = 0; i < w->v->n_words; i++)
        w->mask->words[i] |= known->words[i];
    return walk_trie(w, &w->v->lengthy);
}

static void give_mask(struct walk *w, enum places_span span)
{
    w->p->t.places[w->places[0]].masks[span] = w->mask;
    w->p->t.mask_bytes += sizeof *w->mask + w->v->n_words * sizeof *w->mask->words;
    w->mask->refs = 1;
}

static struct mask *walk_from(struct walk *w, uint32_t place, enum places_span span)
{
    int rc;

    w->places[0] = place;
    w->root.places = w->places;
    w->root.n = 1;
    places_hold(w->p, &w->root);
    rc = span == PLACES_BRIEF ? walk_brief(w) : walk_both(w);
    places_let_go(w->p, &w->root);
    if (rc)
        return NULL;
    give_mask(w, span);
    return w->mask;
}

static struct mask *mask_for(struct places *p, const uint32_t *at, enum places_span span)
{
    struct grammar_vocab *v = p->vocab;
    struct walk w = {.p = p, .v = v};
    struct mask *mask = p->t.places[*at].masks[span];

    if (mask)
        return mask;
    w.mask = calloc(1, sizeof *w.mask + v->n_words * sizeof *w.mask->words);
    w.places = calloc((size_t)v->longest + 1, sizeof *w.places);
    w.ends = calloc((size_t)v->longest + 1, sizeof *w.ends);
    if (w.mask && w.places && w.ends)
        mask = walk_from(&w, *at, span);
    if (!mask)
        free(w.mask);
    free(w.places);
    free(w.ends);
    return mask;
}

struct mask *mask_of(struct places *p, const uint32_t *at)
{
    p->too_long = false;
    p->max_work = p->work + GRAMMAR_MAX_WORK;
    return mask_for(p, at, PLACES_ALL);
}
