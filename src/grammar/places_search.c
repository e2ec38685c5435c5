/* places_search.c - what is reached over nothing: calls, returns, loops. See places.h. */
#include "grammar/places_internal.h"

#include "grammar/vec.h"

#define FRAME_WORK 8 /* a frame is looked for in a table; an edge is two comparisons */

void places_search_begin(struct places *p)
{
    if (++p->search == 0) { /* numbers begin again: nothing was seen */
        for (uint32_t i = 0; i < p->t.n_frames; i++)
            p->t.frames[i].seen = 0;
        p->search = 1;
    }
    p->n_todo = p->n_found = p->n_seen = p->n_edges = 0;
    p->may_end = p->no_memory = p->too_deep = p->over = false;
}

bool places_edges(struct places *p, uint32_t n)
{
    p->work += n;
    p->n_edges += n;
    p->over |= p->n_edges > PLACES_MAX_EDGES;
    return !p->over;
}

static void put(struct places *p, uint32_t frame)
{
    if (frame == NO_FRAME || p->t.frames[frame].seen == p->search)
        return;
    if (vec_room(&p->todo, &p->cap_todo, p->n_todo + 1, sizeof *p->todo)) {
        p->no_memory = true;
        return;
    }
    p->todo[p->n_todo++] = frame;
}

void places_enter(struct places *p, uint32_t state, uint32_t parent)
{
    const struct automaton_state *s = &p->automaton->states[state];
    bool loop = s->kind == AUTOMATON_LOOP;

    p->over |= p->n_todo >= PLACES_MAX_SEEN; /* before more frames are made */
    if (parent != NO_FRAME && !p->over)
        put(p, places_frame(p, state, parent, loop ? s->min : 0, loop ? s->max : 0));
}

static void found(struct places *p, uint32_t frame)
{
    if (vec_room(&p->found, &p->cap_found, p->n_found + 1, sizeof *p->found))
        p->no_memory = true;
    else
        p->found[p->n_found++] = frame;
}

static uint32_t one_less(uint32_t n)
{
    return n == 0 || n == AUTOMATON_NO_MAX ? n : n - 1;
}

/*
 * A loop may go on behind itself, or take one more turn. A body that may be empty leads from n
 * turns to n - 1 without a byte: those are no other texts, and left out.
 */
static void turn(struct places *p, const struct automaton_state *s, struct frame f)
{
    uint32_t more;

    if (s->nullable && f.max != AUTOMATON_NO_MAX) {
        more = places_find(p, f.state, f.parent, f.min, f.max + 1);
        if (more && p->t.frames[more].seen == p->search)
            return;
    }
    if (!f.min)
        places_enter(p, s->next, f.parent);
    if (f.max)
        places_enter(p, s->into,
                     places_frame(p, f.state, f.parent, one_less(f.min), one_less(f.max)));
}

static void call(struct places *p, const struct automaton_state *s, struct frame f)
{
    uint32_t back = f.parent;

    if (!s->tail)
        back = places_frame(p, s->next, f.parent, 0, 0);
    places_enter(p, s->into, back);
}

static void visit(struct places *p, uint32_t frame)
{
    const struct automaton *a = p->automaton;
    struct frame f = p->t.frames[frame];
    const struct automaton_state *s = &a->states[f.state];

    if (f.seen == p->search)
        return;
    p->t.frames[frame].seen = p->search;
    p->n_seen++;
    p->work += FRAME_WORK;
    if (s->bytes)
        found(p, frame);
    for (uint32_t e = s->empties; e && places_edges(p, 1); e = a->edges[e].next)
        places_enter(p, a->edges[e].to, f.parent);
    if (s->kind == AUTOMATON_CALL)
        call(p, s, f);
    else if (s->kind == AUTOMATON_LOOP)
        turn(p, s, f);
    else if (s->kind == AUTOMATON_STOP && f.parent)
        put(p, f.parent);
    else if (s->kind == AUTOMATON_STOP)
        p->may_end = true;
}

/* Is what was looked at more than 1/n of what may be? */
static bool is_past(const struct places *p, uint32_t n)
{
    return p->n_found > GRAMMAR_MAX_STACKS / n || p->n_seen > PLACES_MAX_SEEN / n ||
           p->n_edges > PLACES_MAX_EDGES / n;
}

uint32_t places_search(struct places *p)
{
    while (p->n_todo && p->n_seen <= PLACES_MAX_SEEN && !p->no_memory && !p->over)
        visit(p, p->todo[--p->n_todo]);
    p->strained |= p->over || is_past(p, 4);
    if (p->no_memory)
        return PLACE_NO_MEMORY;
    if (p->over || is_past(p, 1))
        return PLACE_OVER;
    if (!p->n_found && !p->may_end)
        return PLACE_DEAD;
    return places_intern(p, p->may_end);
}
