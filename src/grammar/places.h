/*
 * places.h - where texts can be in a grammar, found as texts get there and kept.
 *
 * A *frame* is a state of the automaton upon the frame to which it returns; equal frames are one,
 * so a frame is a whole stack. A *place* is the set of all frames in which a text can be; equal
 * sets are one, and what a byte makes of a place is noted with it. So the push-down automaton with
 * all its alternatives becomes a deterministic one, of which only what texts reach is ever made (as
 * for regular expressions: Thompson 1968, cached as in Cox 2010, "Regular Expression Matching in
 * the Wild"). A place also keeps its mask.
 *
 * All this belongs to one grammar and one vocabulary. It may grow to PLACES_MAX_BYTES; then it is
 * thrown away but for the places that are in use: those in a *root*, which are renamed there. So
 * who keeps the number of a place over a call of places_step keeps it in a root.
 *
 * One lock guards everything, the roots' places too; every function but create and free wants it
 * held.
 */
#ifndef RBEE_GRAMMAR_PLACES_H
#define RBEE_GRAMMAR_PLACES_H

#include <pthread.h>
#include <stdatomic.h>

#include "grammar/automaton.h"
#include "grammar/grammar.h"
#include "grammar/vocab.h"

#define PLACES_MAX_BYTES ((size_t)48 << 20)
#define PLACES_MAX_SEEN  65536      /* frames looked at, or waiting to be, for one byte */
#define PLACES_MAX_EDGES (1u << 20) /* edges looked at for one byte */

/* Numbers of places that are none. */
#define PLACE_NO_MEMORY 0u
#define PLACE_DEAD      1u /* the grammar does not allow this */
#define PLACE_OVER      2u /* past GRAMMAR_MAX_STACKS, PLACES_MAX_SEEN or PLACES_MAX_EDGES */
#define PLACE_FIRST     3u /* the first that is one */

/* Tokens up to VOCAB_BRIEF bytes, and all. */
enum places_span { PLACES_BRIEF, PLACES_ALL, PLACES_SPANS };

struct frame {
    uint32_t state;
    uint32_t parent;               /* 0: nothing more to return to */
    uint32_t min, max;             /* LOOP: times still to go */
    uint32_t depth;                /* frames up to here */
    uint32_t chain;                /* of equal hashes */
    uint32_t seen;                 /* the search that came by last */
    uint32_t normal[PLACES_SPANS]; /* see places_normal; 0: not known */
};

/* A mask that outlives its place while somebody looks at it. Counted under the lock. */
struct mask {
    uint32_t refs;
    uint64_t words[];
};

struct place {
    uint32_t first, n; /* in `sets`: frames with edges over bytes, rising */
    uint32_t chain;
    uint32_t normal[PLACES_SPANS]; /* see places_normal; 0: not known */
    bool may_end;
    bool loops_known;
    uint64_t loops;                   /* groups of bytes (vocab.h) that lead back here */
    struct mask *masks[PLACES_SPANS]; /* of tokens of that span */
};

/* Places somebody holds, to be renamed. */
struct places_root {
    uint32_t *places;
    uint32_t n;
    struct places_root *next, *prev;
};

/* What is thrown away as a whole. */
struct places_table {
    struct frame *frames; /* frame 0 is none */
    uint32_t n_frames, cap_frames;
    uint32_t *frame_heads, n_frame_heads; /* a power of two; 0: none */
    struct place *places;
    uint32_t n_places, cap_places;
    uint32_t *place_heads, n_place_heads;
    uint32_t *steps; /* n_classes a place: where a byte leads; 0: not known */
    uint32_t cap_steps;
    uint32_t *sets;
    uint32_t n_sets, cap_sets;
    uint32_t start; /* the first place; 0: not known */
    size_t mask_bytes;
};

struct places {
    pthread_mutex_t lock;      /* guards everything in here, but for: */
    atomic_size_t noted_bytes; /* what it took when the lock was last given back */
    const struct automaton *automaton;
    struct grammar_vocab *vocab; /* a counted reference, or NULL */
    struct places_table t;
    uint32_t *todo, n_todo, cap_todo;    /* scratch of a search: frames to look at, */
    uint32_t *found, n_found, cap_found; /* and those found */
    uint32_t search, n_seen, n_edges;    /* its number, and what it looked at */
    bool may_end;                        /* it came to an end of the text */
    bool no_memory;                      /* it failed */
    bool over;                           /* it passed a limit of what is looked at for one byte */
    bool too_deep;                       /* it left out frames past GRAMMAR_MAX_DEPTH */
    bool strained;            /* some search passed a quarter of such a limit: near it, */
                              /* what is looked at depends on what was met before */
    bool too_long;            /* the last mask asked for passed GRAMMAR_MAX_WORK */
    bool keep;                /* nothing may be thrown away for the moment */
    uint64_t work;            /* what was looked at, ever: see GRAMMAR_MAX_WORK */
    uint64_t max_work;        /* what that may be when the mask at hand is made */
    size_t max_bytes;         /* PLACES_MAX_BYTES, or less */
    size_t limit_bytes;       /* when to throw away: more while what is held needs it */
    struct places_root roots; /* a ring */
    struct places *next;      /* of the same grammar, for another vocabulary */
};

int places_create(const struct automaton *a, struct grammar_vocab *vocab, struct places **out,
                  struct err *err);
void places_free(struct places *p);

void places_hold(struct places *p, struct places_root *root);
void places_let_go(struct places *p, struct places_root *root);

/* The place at the beginning of a text. */
uint32_t places_start(struct places *p);

/* Where a byte leads from *at, which lies in a root (it may be renamed). */
uint32_t places_step(struct places *p, const uint32_t *at, unsigned char byte);

/*
 * The place that no token of a span can tell from this one: loops with more turns left than a token
 * can take have turns without end. *at lies in a root.
 */
uint32_t places_normal(struct places *p, const uint32_t *at, enum places_span span);

/* Why no token leads on from a place that has bytes to come: what left some of them out. */
enum places_why {
    PLACES_TOO_DEEP,
    PLACES_TOO_MANY,
    PLACES_TOO_LONG, /* to find out takes more than GRAMMAR_MAX_WORK */
    PLACES_NO_TOKEN,
    PLACES_WHY_NO_MEMORY
};
enum places_why places_ask_why(struct places *p, const uint32_t *at);

/* Memory in use, masks included. */
size_t places_bytes(const struct places *p);

/* Gives the lock back, which a mask may take a tenth of a second with. What is in use is noted for
 * who only asks for that: he need not wait. */
void places_unlock(struct places *p);

#endif
