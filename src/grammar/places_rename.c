/* places_rename.c - places in other tables, and places that tokens cannot tell apart. See places.h.
 */
#include <stdlib.h>

#include "grammar/places_internal.h"
#include "grammar/vec.h"

/* The frames from one up to the first with a mark, deepest last, in `todo`. -1: no memory. */
static int climb(struct places *p, const struct frame *frames, const uint32_t *marks,
                 enum places_span span, uint32_t frame)
{
    p->n_todo = 0;
    for (; frame && !(marks ? marks[frame] : frames[frame].normal[span]);
         frame = frames[frame].parent) {
        if (vec_room(&p->todo, &p->cap_todo, p->n_todo + 1, sizeof *p->todo))
            return -1;
        p->todo[p->n_todo++] = frame;
    }
    return 0;
}

/* Every frame of an old table that is needed gets its number in the new one. */
static int move_frame(struct places *p, const struct places_table *old, uint32_t *moved,
                      uint32_t frame)
{
    if (climb(p, old->frames, moved, PLACES_ALL, frame))
        return -1;
    while (p->n_todo) {
        uint32_t i = p->todo[--p->n_todo];
        const struct frame *f = &old->frames[i];

        moved[i] = places_frame(p, f->state, f->parent ? moved[f->parent] : 0, f->min, f->max);
        if (moved[i] == NO_FRAME)
            return -1;
    }
    return 0;
}

static int move_place(struct places *p, const struct places_table *old, uint32_t *moved,
                      uint32_t place, uint32_t *out)
{
    const struct place *x = &old->places[place];

    if (place < PLACE_FIRST) {
        *out = place;
        return 0;
    }
    if (vec_room(&p->found, &p->cap_found, x->n + 1, sizeof *p->found))
        return -1;
    for (uint32_t i = 0; i < x->n; i++) {
        if (move_frame(p, old, moved, old->sets[x->first + i]))
            return -1;
        p->found[i] = moved[old->sets[x->first + i]];
    }
    p->n_found = x->n;
    *out = places_intern(p, x->may_end);
    if (*out == PLACE_NO_MEMORY)
        return -1;
    for (size_t k = 0; k < PLACES_SPANS; k++) {
        struct mask *mask = x->masks[k];

        if (!mask || p->t.places[*out].masks[k])
            continue;
        p->t.places[*out].masks[k] = mask;
        p->t.mask_bytes += sizeof *mask + p->vocab->n_words * sizeof *mask->words;
        mask->refs++;
    }
    return 0;
}

static uint32_t count_held(const struct places *p)
{
    uint32_t n = 0;

    for (struct places_root *r = p->roots.next; r != &p->roots; r = r->next)
        n += r->n;
    return n;
}

static int move_all(struct places *p, const struct places_table *old, uint32_t *moved,
                    uint32_t *names)
{
    uint32_t n = 0;

    for (struct places_root *r = p->roots.next; r != &p->roots; r = r->next) {
        for (uint32_t i = 0; i < r->n; i++) {
            if (move_place(p, old, moved, r->places[i], &names[n++]))
                return -1;
        }
    }
    return 0;
}

static void rename_held(struct places *p, const uint32_t *names)
{
    uint32_t n = 0;

    for (struct places_root *r = p->roots.next; r != &p->roots; r = r->next) {
        for (uint32_t i = 0; i < r->n; i++)
            r->places[i] = names[n++];
    }
}

/* Fills a fresh table with what is held. -1: the old one is back. */
static int rebuild(struct places *p, uint32_t *moved, uint32_t *names)
{
    struct places_table old = p->t, fresh;
    int rc = places_begin(p);

    if (!rc)
        rc = move_all(p, &old, moved, names);
    if (rc) {
        places_end(p);
        p->t = old;
        return rc;
    }
    rename_held(p, names);
    fresh = p->t;
    p->t = old;
    places_end(p);
    p->t = fresh;
    return 0;
}

int places_compact(struct places *p)
{
    uint32_t *moved = calloc(p->t.n_frames, sizeof *moved);
    uint32_t *names = calloc((size_t)count_held(p) + 1, sizeof *names);
    int rc = moved && names ? rebuild(p, moved, names) : -1;

    free(moved);
    free(names);
    p->limit_bytes = 2 * places_bytes(p) > p->max_bytes ? 2 * places_bytes(p) : p->max_bytes;
    return rc;
}

/* A token of n bytes takes at most n turns, and begins one more. */
static uint32_t without_end(uint32_t turns, uint32_t longest)
{
    return turns > longest + 1 ? AUTOMATON_NO_MAX : turns;
}

static int normal_frame(struct places *p, uint32_t frame, enum places_span span)
{
    uint32_t longest = span == PLACES_ALL ? p->vocab->longest : VOCAB_BRIEF;

    if (climb(p, p->t.frames, NULL, span, frame))
        return -1;
    while (p->n_todo) {
        uint32_t i = p->todo[--p->n_todo];
        struct frame f = p->t.frames[i];
        uint32_t parent = f.parent ? p->t.frames[f.parent].normal[span] : 0;
        uint32_t normal = places_frame(p, f.state, parent, without_end(f.min, longest),
                                       without_end(f.max, longest));

        if (normal == NO_FRAME)
            return -1;
        p->t.frames[i].normal[span] = p->t.frames[normal].normal[span] = normal;
    }
    return 0;
}

/* Sorts out doubles of `found`. */
static void add_found(struct places *p, uint32_t frame)
{
    if (p->t.frames[frame].seen == p->search)
        return;
    p->t.frames[frame].seen = p->search;
    p->found[p->n_found++] = frame;
}

uint32_t places_normal(struct places *p, const uint32_t *at, enum places_span span)
{
    struct place x = p->t.places[*at];
    uint32_t normal;

    if (x.normal[span] || !p->automaton->has_loops)
        return x.normal[span] ? x.normal[span] : *at;
    places_search_begin(p);
    if (vec_room(&p->found, &p->cap_found, x.n + 1, sizeof *p->found))
        return PLACE_NO_MEMORY;
    for (uint32_t i = 0; i < x.n; i++) {
        uint32_t frame = p->t.sets[x.first + i];

        if (normal_frame(p, frame, span))
            return PLACE_NO_MEMORY;
        add_found(p, p->t.frames[frame].normal[span]);
    }
    normal = places_intern(p, x.may_end);
    if (normal != PLACE_NO_MEMORY)
        p->t.places[*at].normal[span] = normal;
    return normal;
}
