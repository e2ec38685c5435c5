/* automaton_class.c - classes of characters as automata over the bytes of UTF-8. See automaton.h,
 * utf8.h. */
#include "grammar/automaton_internal.h"
#include "grammar/chars.h"

/* One run of a class, with the states that the whole class shares. */
struct run {
    uint32_t
        more[UTF8_MAX_BYTES]; /* more[k]: k bytes of continuation, then the end; 0 while not made */
};

static uint32_t continued(struct builder *b, struct run *run, size_t n)
{
    if (!run->more[n] && !b->failed) {
        uint32_t rest = continued(b, run, n - 1);

        run->more[n] = automaton_new_state(b);
        automaton_add_bytes(b, run->more[n], 0x80, 0xBF, rest);
    }
    return run->more[n];
}

static bool all_are(const unsigned char *bytes, size_t n, unsigned char value)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

/*
 * The state behind one byte with which not all characters go on. Ranges come rising, so what begins
 * with the same byte as the range before goes on at the same state, by the edge made last: a class
 * of thousands of ranges is a tree in which a byte has one way.
 */
static uint32_t behind(struct builder *b, uint32_t from, unsigned byte)
{
    uint32_t last = b->failed ? 0 : b->a->states[from].bytes, to;

    if (last && b->a->edges[last].lo == byte && b->a->edges[last].hi == byte)
        return b->a->edges[last].to;
    to = automaton_new_state(b);
    automaton_add_bytes(b, from, byte, byte, to);
    return to;
}

/*
 * Edges for the encodings from lo to hi, n bytes each: where first bytes differ, those between take
 * any continuation, and the first and the last are looked at on their own, in this order.
 */
static void add_encodings(struct builder *b, struct run *run, uint32_t from,
                          const unsigned char *lo, const unsigned char *hi, size_t n)
{
    static const unsigned char least[UTF8_MAX_BYTES] = {0x80, 0x80, 0x80, 0x80};
    static const unsigned char most[UTF8_MAX_BYTES] = {0xBF, 0xBF, 0xBF, 0xBF};
    bool from_first = all_are(lo + 1, n - 1, 0x80), to_last = all_are(hi + 1, n - 1, 0xBF);
    unsigned first = lo[0], last = hi[0];

    if (b->failed)
        return;
    if (n > 1 && first == last && !(from_first && to_last)) {
        add_encodings(b, run, behind(b, from, first), lo + 1, hi + 1, n - 1);
        return;
    }
    if (n > 1 && !from_first) {
        add_encodings(b, run, behind(b, from, first), lo + 1, most, n - 1);
        first++;
    }
    if (first + (n > 1 && !to_last) <= last)
        automaton_add_bytes(b, from, first, last - (n > 1 && !to_last), continued(b, run, n - 1));
    if (n > 1 && !to_last)
        add_encodings(b, run, behind(b, from, last), least, hi + 1, n - 1);
}

static void add_range(struct builder *b, struct run *run, uint32_t from, struct rules_range range)
{
    uint32_t lo, hi;

    for (; utf8_run(range.lo, range.hi, &lo, &hi); range.lo = hi + 1) {
        char first[UTF8_MAX_BYTES], last[UTF8_MAX_BYTES];
        size_t n = utf8_encode(lo, first);

        utf8_encode(hi, last);
        add_encodings(b, run, from, (const unsigned char *)first, (const unsigned char *)last, n);
    }
}

uint32_t automaton_build_class(struct builder *b, const struct rules_node *n, uint32_t from)
{
    struct run run = {.more = {automaton_new_state(b)}};
    uint32_t start = automaton_new_state(b);

    automaton_add_empty(b, from, start);
    automaton_work(b, n->b);
    for (uint32_t i = 0; i < n->b && !b->failed; i++)
        add_range(b, &run, start, b->r->ranges[n->a + i]);
    return run.more[0];
}
