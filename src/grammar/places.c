/* places.c - frames and places, each once; steps. See places.h. */
#include "grammar/places.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/places_internal.h"
#include "grammar/vec.h"

#define FIRST_HEADS    256
#define NEW_FRAME_WORK 32 /* in edges that are looked at */
#define NEW_PLACE_WORK 64 /* and one for each frame */

static uint32_t mix(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x9E3779B1u; /* 2^32 over the golden ratio */
    return h ^ h >> 15;
}

int places_begin(struct places *p)
{
    struct places_table *t = &p->t;
    uint32_t n_classes = p->automaton->n_classes;

    *t = (struct places_table){.n_frame_heads = FIRST_HEADS, .n_place_heads = FIRST_HEADS};
    t->frame_heads = calloc(FIRST_HEADS, sizeof *t->frame_heads);
    t->place_heads = calloc(FIRST_HEADS, sizeof *t->place_heads);
    if (!t->frame_heads || !t->place_heads ||
        vec_room(&t->frames, &t->cap_frames, 1, sizeof *t->frames) ||
        vec_room(&t->places, &t->cap_places, PLACE_FIRST, sizeof *t->places) ||
        vec_room(&t->steps, &t->cap_steps, PLACE_FIRST * n_classes, sizeof *t->steps)) {
        places_end(p);
        return -1;
    }
    memset(t->frames, 0, sizeof *t->frames);
    memset(t->places, 0, PLACE_FIRST * sizeof *t->places);
    t->n_frames = 1;
    t->n_places = PLACE_FIRST;
    return 0;
}

void places_end(struct places *p)
{
    struct places_table *t = &p->t;

    for (uint32_t i = PLACE_FIRST; i < t->n_places; i++) {
        for (size_t k = 0; k < PLACES_SPANS; k++) {
            if (t->places[i].masks[k] && --t->places[i].masks[k]->refs == 0)
                free(t->places[i].masks[k]);
        }
    }
    free(t->frames);
    free(t->frame_heads);
    free(t->places);
    free(t->place_heads);
    free(t->steps);
    free(t->sets);
    *t = (struct places_table){0};
}

int places_create(const struct automaton *a, struct grammar_vocab *vocab, struct places **out,
                  struct err *err)
{
    struct places *p = calloc(1, sizeof *p);

    if (!p)
        return err_no_memory(err, sizeof *p, "the places of a grammar");
    p->automaton = a;
    p->max_bytes = p->limit_bytes = PLACES_MAX_BYTES;
    p->roots.next = p->roots.prev = &p->roots;
    if (places_begin(p)) {
        free(p);
        return err_no_memory(err, sizeof *p, "the places of a grammar");
    }
    atomic_init(&p->noted_bytes, places_bytes(p));
    pthread_mutex_init(&p->lock, NULL);
    p->vocab = vocab;
    if (vocab)
        vocab_ref(vocab);
    *out = p;
    return 0;
}

void places_free(struct places *p)
{
    if (!p)
        return;
    places_end(p);
    free(p->todo);
    free(p->found);
    pthread_mutex_destroy(&p->lock);
    grammar_vocab_free(p->vocab);
    free(p);
}

void places_hold(struct places *p, struct places_root *root)
{
    root->next = p->roots.next;
    root->prev = &p->roots;
    root->next->prev = root;
    p->roots.next = root;
}

void places_let_go(struct places *p, struct places_root *root)
{
    (void)p;
    root->next->prev = root->prev;
    root->prev->next = root->next;
}

size_t places_bytes(const struct places *p)
{
    const struct places_table *t = &p->t;

    return t->mask_bytes + (size_t)t->cap_frames * sizeof *t->frames +
           (size_t)t->cap_places * sizeof *t->places +
           ((size_t)t->cap_steps + t->cap_sets + t->n_frame_heads + t->n_place_heads) *
               sizeof(uint32_t);
}

void places_unlock(struct places *p)
{
    atomic_store_explicit(&p->noted_bytes, places_bytes(p), memory_order_relaxed);
    pthread_mutex_unlock(&p->lock);
}

static uint32_t hash_frame(const struct frame *f)
{
    return mix(mix(mix(mix(0, f->state), f->parent), f->min), f->max);
}

static bool same_frame(const struct frame *f, const struct frame *g)
{
    return f->state == g->state && f->parent == g->parent && f->min == g->min && f->max == g->max;
}

static bool room_for_frame(struct places_table *t)
{
    uint32_t n = 2 * t->n_frame_heads, *heads;

    if (vec_room(&t->frames, &t->cap_frames, t->n_frames + 1, sizeof *t->frames))
        return false;
    if (t->n_frames < t->n_frame_heads)
        return true;
    heads = calloc(n, sizeof *heads);
    if (!heads)
        return false;
    for (uint32_t i = 1; i < t->n_frames; i++) {
        uint32_t *head = &heads[hash_frame(&t->frames[i]) & (n - 1)];

        t->frames[i].chain = *head;
        *head = i;
    }
    free(t->frame_heads);
    t->frame_heads = heads;
    t->n_frame_heads = n;
    return true;
}

static uint32_t find_frame(const struct places_table *t, const struct frame *f)
{
    uint32_t i = t->frame_heads[hash_frame(f) & (t->n_frame_heads - 1)];

    while (i && !same_frame(&t->frames[i], f))
        i = t->frames[i].chain;
    return i;
}

uint32_t places_frame(struct places *p, uint32_t state, uint32_t parent, uint32_t min, uint32_t max)
{
    struct places_table *t = &p->t;
    struct frame f = {.state = state, .parent = parent, .min = min, .max = max};
    uint32_t i = find_frame(t, &f), *head;

    if (i)
        return i;
    f.depth = t->frames[parent].depth + 1;
    if (f.depth > GRAMMAR_MAX_DEPTH) {
        p->too_deep = true;
        return NO_FRAME;
    }
    if (!room_for_frame(t)) {
        p->no_memory = true;
        return NO_FRAME;
    }
    p->work += NEW_FRAME_WORK;
    head = &t->frame_heads[hash_frame(&f) & (t->n_frame_heads - 1)];
    f.chain = *head;
    t->frames[t->n_frames] = f;
    return *head = t->n_frames++;
}

uint32_t places_find(const struct places *p, uint32_t state, uint32_t parent, uint32_t min,
                     uint32_t max)
{
    struct frame f = {.state = state, .parent = parent, .min = min, .max = max};

    return find_frame(&p->t, &f);
}

static uint32_t hash_set(const uint32_t *set, uint32_t n, bool may_end)
{
    uint32_t h = may_end;

    for (uint32_t i = 0; i < n; i++)
        h = mix(h, set[i]);
    return h;
}

static uint32_t hash_place(const struct places_table *t, uint32_t place)
{
    const struct place *x = &t->places[place];

    return hash_set(t->sets + x->first, x->n, x->may_end);
}

static bool room_for_place(struct places_table *t, uint32_t n_frames, uint32_t n_classes)
{
    uint32_t n = 2 * t->n_place_heads, *heads;

    if (vec_room(&t->places, &t->cap_places, t->n_places + 1, sizeof *t->places) ||
        vec_room(&t->steps, &t->cap_steps, (t->n_places + 1) * n_classes, sizeof *t->steps) ||
        vec_room(&t->sets, &t->cap_sets, t->n_sets + n_frames + 1, sizeof *t->sets))
        return false;
    if (t->n_places < t->n_place_heads)
        return true;
    heads = calloc(n, sizeof *heads);
    if (!heads)
        return false;
    for (uint32_t i = PLACE_FIRST; i < t->n_places; i++) {
        uint32_t *head = &heads[hash_place(t, i) & (n - 1)];

        t->places[i].chain = *head;
        *head = i;
    }
    free(t->place_heads);
    t->place_heads = heads;
    t->n_place_heads = n;
    return true;
}

static uint32_t find_place(const struct places *p, bool may_end, uint32_t hash)
{
    const struct places_table *t = &p->t;
    uint32_t i = t->place_heads[hash & (t->n_place_heads - 1)];

    for (; i; i = t->places[i].chain) {
        const struct place *x = &t->places[i];

        if (x->n == p->n_found && x->may_end == may_end &&
            (!x->n || memcmp(t->sets + x->first, p->found, x->n * sizeof *p->found) == 0))
            return i;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

uint32_t places_intern(struct places *p, bool may_end)
{
    struct places_table *t = &p->t;
    uint32_t n_classes = p->automaton->n_classes, hash, place, *head;

    if (p->n_found > 1)
        qsort(p->found, p->n_found, sizeof *p->found, by_number);
    hash = hash_set(p->found, p->n_found, may_end);
    place = find_place(p, may_end, hash);
    if (place)
        return place;
    if (!room_for_place(t, p->n_found, n_classes))
        return PLACE_NO_MEMORY;
    p->work += NEW_PLACE_WORK + p->n_found;
    place = t->n_places++;
    head = &t->place_heads[hash & (t->n_place_heads - 1)];
    t->places[place] =
        (struct place){.first = t->n_sets, .n = p->n_found, .chain = *head, .may_end = may_end};
    *head = place;
    if (p->n_found)
        memcpy(t->sets + t->n_sets, p->found, p->n_found * sizeof *p->found);
    t->n_sets += p->n_found;
    memset(t->steps + (size_t)place * n_classes, 0, n_classes * sizeof *t->steps);
    return place;
}

uint32_t places_start(struct places *p)
{
    uint32_t start = p->t.start;

    if (!start) {
        places_search_begin(p);
        places_enter(p, p->automaton->start, 0);
        start = places_search(p);
        p->t.start = start < PLACE_FIRST ? 0 : start;
    }
    return start;
}

uint32_t places_search_step(struct places *p, uint32_t at, unsigned char byte)
{
    const struct automaton *a = p->automaton;
    struct place from = p->t.places[at];

    places_search_begin(p);
    for (uint32_t i = 0; i < from.n && !p->over; i++) {
        struct frame f = p->t.frames[p->t.sets[from.first + i]];
        uint32_t n_edges = 0;

        for (uint32_t e = a->states[f.state].bytes; e; e = a->edges[e].next, n_edges++) {
            if (byte >= a->edges[e].lo && byte <= a->edges[e].hi)
                places_enter(p, a->edges[e].to, f.parent);
        }
        places_edges(p, n_edges);
    }
    return places_search(p);
}

uint32_t places_step(struct places *p, const uint32_t *at, unsigned char byte)
{
    uint32_t class = p->automaton->class_of[byte], n_classes = p->automaton->n_classes;
    uint32_t to = p->t.steps[(size_t)*at * n_classes + class];

    if (to)
        return to;
    if (!p->keep && places_bytes(p) > p->limit_bytes && places_compact(p))
        return PLACE_NO_MEMORY;
    to = places_search_step(p, *at, byte);
    p->t.steps[(size_t)*at * n_classes + class] = to;
    return to;
}
