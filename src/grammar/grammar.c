/* grammar.c - grammars as a whole. See grammar.h and compiled.h. */
#include "grammar/grammar.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "grammar/automaton.h"
#include "grammar/compiled.h"
#include "grammar/gbnf.h"

struct grammar {
    struct automaton a; /* immutable */
    struct shared *shared;
};

/* What grows while a grammar is used; apart, so that a const grammar can be. */
struct shared {
    atomic_uint refs;
    pthread_mutex_t lock;  /* guards the list */
    struct places *places; /* one for each vocabulary */
    struct grammar *self;
};

static struct shared *shared_create(struct grammar *g)
{
    struct shared *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->self = g;
    return s;
}

int compiled_create(struct rules *r, uint32_t root, struct grammar **out, struct err *err)
{
    struct grammar *g;
    int rc = rules_settle(r, root, err);

    if (rc)
        return rc;
    g = calloc(1, sizeof *g);
    if (!g)
        return err_no_memory(err, sizeof *g, "a grammar");
    rc = automaton_build(&g->a, r, root, err);
    if (!rc) {
        g->shared = shared_create(g);
        if (!g->shared)
            rc = err_no_memory(err, sizeof *g->shared, "a grammar");
    }
    if (rc) {
        automaton_done(&g->a);
        free(g);
        return rc;
    }
    *out = g;
    return 0;
}

int grammar_from_gbnf(const char *text, size_t n_bytes, const struct grammar_stop *stop,
                      struct grammar **out, struct err *err)
{
    struct rules r;
    uint32_t root;
    int rc;

    rules_init(&r, stop);
    rc = gbnf_read(&r, text, n_bytes, &root, err);
    if (!rc)
        rc = compiled_create(&r, root, out, err);
    rules_done(&r);
    return rc;
}

struct grammar *compiled_ref(const struct grammar *g)
{
    atomic_fetch_add_explicit(&g->shared->refs, 1, memory_order_relaxed);
    return g->shared->self;
}

void grammar_free(struct grammar *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->shared->refs, 1, memory_order_acq_rel) > 1)
        return;
    while (g->shared->places) {
        struct places *next = g->shared->places->next;

        places_free(g->shared->places);
        g->shared->places = next;
    }
    pthread_mutex_destroy(&g->shared->lock);
    free(g->shared);
    automaton_done(&g->a);
    free(g);
}

size_t grammar_bytes(const struct grammar *g)
{
    const struct automaton *a = &g->a;

    return sizeof *g + sizeof *g->shared + a->cap_states * sizeof *a->states +
           a->cap_edges * sizeof *a->edges;
}

size_t compiled_bytes(const struct grammar *g)
{
    size_t bytes = grammar_bytes(g);

    pthread_mutex_lock(&g->shared->lock);
    for (struct places *p = g->shared->places; p; p = p->next)
        bytes += atomic_load_explicit(&p->noted_bytes, memory_order_relaxed);
    pthread_mutex_unlock(&g->shared->lock);
    return bytes;
}

int compiled_places(const struct grammar *g, struct grammar_vocab *vocab, struct places **out,
                    struct err *err)
{
    struct shared *s = g->shared;
    struct places *p;
    int rc = 0;

    pthread_mutex_lock(&s->lock);
    for (p = s->places; p && p->vocab != vocab; p = p->next)
        ;
    if (!p) {
        rc = places_create(&g->a, vocab, &p, err);
        if (!rc) {
            p->next = s->places;
            s->places = p;
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (!rc)
        *out = p;
    return rc;
}
