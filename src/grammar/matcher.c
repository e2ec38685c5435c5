/* matcher.c - one answer's place in a grammar. See grammar.h; places.h does the work. */
#include <stdlib.h>

#include "grammar/compiled.h"
#include "grammar/mask.h"

#define HERE  0 /* where the text is */
#define TRIED 1 /* where more of it would lead */

struct grammar_matcher {
    struct places *p;
    struct grammar *g; /* a counted reference */
    uint32_t at[2];
    struct places_root root; /* of `at` */
    struct mask *mask;       /* a counted reference, or NULL */
    bool too_long;           /* the mask asked for last passed GRAMMAR_MAX_WORK */
    uint32_t n_goes;         /* that have done so here */
};

/* What left out all that the grammar would allow; found in so many goes. */
static int say_why(enum places_why why, uint32_t n_goes, struct err *err)
{
    switch (why) {
    case PLACES_TOO_DEEP:
        return err_set(err, ERR_LIMIT,
                       "all that may come next nests deeper than %d rules inside each other; let "
                       "what refers to itself end earlier (bounds, null or another branch beside "
                       "it)",
                       GRAMMAR_MAX_DEPTH);
    case PLACES_TOO_MANY:
        return err_set(err, ERR_LIMIT,
                       "all that may come next leaves more than %d alternatives open at once; let "
                       "them differ nearer to their beginning",
                       GRAMMAR_MAX_STACKS);
    case PLACES_TOO_LONG:
        return err_set(err, ERR_LIMIT,
                       "to know which tokens may come next takes more than %llu steps; let its "
                       "alternatives be fewer",
                       (unsigned long long)n_goes * GRAMMAR_MAX_WORK);
    case PLACES_WHY_NO_MEMORY:
        return err_no_memory(err, sizeof(struct place), "the places of a grammar");
    case PLACES_NO_TOKEN:
        break;
    }
    return err_set(err, ERR_INVALID,
                   "this model's vocabulary has no token for what must come next; let other "
                   "characters stand there");
}

int grammar_matcher_create(const struct grammar *g, struct grammar_vocab *vocab,
                           struct grammar_matcher **out, struct err *err)
{
    struct grammar_matcher *m = calloc(1, sizeof *m);
    uint32_t start;
    bool too_deep;
    int rc;

    if (!m)
        return err_no_memory(err, sizeof *m, "a matcher");
    rc = compiled_places(g, vocab, &m->p, err);
    if (rc) {
        free(m);
        return rc;
    }
    m->g = compiled_ref(g);
    m->root.places = m->at;
    m->root.n = 2;
    pthread_mutex_lock(&m->p->lock);
    start = m->at[HERE] = m->at[TRIED] = places_start(m->p); /* from here on it may be renamed */
    too_deep = m->p->too_deep;
    places_hold(m->p, &m->root);
    places_unlock(m->p);
    if (start >= PLACE_FIRST) {
        *out = m;
        return 0;
    }
    if (start == PLACE_OVER)
        rc = err_set(err, ERR_LIMIT, "the grammar begins with more than %d alternatives at once",
                     GRAMMAR_MAX_STACKS);
    else
        rc = say_why(start == PLACE_DEAD && too_deep ? PLACES_TOO_DEEP : PLACES_WHY_NO_MEMORY, 0,
                     err);
    grammar_matcher_free(m);
    return rc;
}

/* Wants the lock. */
static void drop_mask(struct grammar_matcher *m)
{
    if (m->mask && --m->mask->refs == 0)
        free(m->mask);
    m->mask = NULL;
}

void grammar_matcher_free(struct grammar_matcher *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->p->lock);
    drop_mask(m);
    places_let_go(m->p, &m->root);
    places_unlock(m->p);
    grammar_free(m->g);
    free(m);
}

/* Moves at[TRIED] from the place by n bytes; *good of them could be. Wants the lock. */
static uint32_t try_bytes(struct grammar_matcher *m, const char *bytes, size_t n, size_t *good)
{
    m->at[TRIED] = m->at[HERE];
    for (size_t i = 0; i < n; i++) {
        uint32_t to = places_step(m->p, &m->at[TRIED], (unsigned char)bytes[i]);

        *good = i;
        if (to < PLACE_FIRST)
            return to;
        m->at[TRIED] = to;
    }
    *good = n;
    return m->at[TRIED];
}

int grammar_matcher_put(struct grammar_matcher *m, const char *bytes, size_t n, struct err *err)
{
    size_t good;
    uint32_t to;

    pthread_mutex_lock(&m->p->lock);
    drop_mask(m);
    to = try_bytes(m, bytes, n, &good);
    if (to >= PLACE_FIRST) {
        m->at[HERE] = to;
        m->n_goes = 0;
    }
    places_unlock(m->p);
    if (to >= PLACE_FIRST)
        return 0;
    if (to == PLACE_DEAD)
        return err_set(err, ERR_INVALID,
                       "the grammar does not allow byte 0x%02x, %zu bytes into the text of %zu",
                       (unsigned char)bytes[good], good, n);
    if (to == PLACE_OVER)
        return err_set(err, ERR_LIMIT,
                       "the grammar has more than %d alternatives at once, %zu bytes into the text",
                       GRAMMAR_MAX_STACKS, good);
    return err_set(err, ERR_NO_MEMORY, "there is no memory for the places of a grammar");
}

bool grammar_matcher_may_end(const struct grammar_matcher *m)
{
    bool may_end;

    pthread_mutex_lock(&m->p->lock);
    may_end = m->p->t.places[m->at[HERE]].may_end;
    places_unlock(m->p);
    return may_end;
}

bool grammar_matcher_must_end(const struct grammar_matcher *m)
{
    const struct place *x;
    bool must_end;

    pthread_mutex_lock(&m->p->lock);
    x = &m->p->t.places[m->at[HERE]];
    must_end = x->may_end && !x->n;
    places_unlock(m->p);
    return must_end;
}

const uint64_t *grammar_matcher_mask(struct grammar_matcher *m)
{
    uint32_t normal;

    if (!m->p->vocab || m->n_goes >= GRAMMAR_MAX_GOES)
        return NULL;
    pthread_mutex_lock(&m->p->lock);
    drop_mask(m);
    normal = places_normal(m->p, &m->at[HERE], PLACES_ALL);
    if (normal != PLACE_NO_MEMORY) {
        m->at[TRIED] = normal;
        m->mask = mask_of(m->p, &m->at[TRIED]);
    }
    if (m->mask)
        m->mask->refs++;
    m->too_long = normal != PLACE_NO_MEMORY && !m->mask && m->p->too_long;
    m->n_goes += m->too_long;
    places_unlock(m->p);
    return m->mask ? m->mask->words : NULL;
}

bool grammar_matcher_goes_on(const struct grammar_matcher *m)
{
    return m->too_long && m->n_goes < GRAMMAR_MAX_GOES;
}

int grammar_matcher_why(struct grammar_matcher *m, struct err *err)
{
    enum places_why why;

    if (m->too_long)
        return say_why(PLACES_TOO_LONG, m->n_goes, err);
    if (!m->mask)
        return err_no_memory(err, sizeof(struct place), "the mask of a grammar");
    pthread_mutex_lock(&m->p->lock);
    why = places_ask_why(m->p, &m->at[HERE]);
    places_unlock(m->p);
    return say_why(why, 1, err);
}

bool grammar_matcher_allows(struct grammar_matcher *m, uint32_t token)
{
    const struct grammar_vocab *v = m->p->vocab;
    size_t n, good;
    bool allowed;

    if (!v || token >= v->n_tokens)
        return false;
    n = v->at[token + 1] - v->at[token];
    pthread_mutex_lock(&m->p->lock);
    allowed = n && try_bytes(m, v->bytes + v->at[token], n, &good) >= PLACE_FIRST;
    places_unlock(m->p);
    return allowed;
}
