/*
 * stopper.c - see stopper.h. One Knuth-Morris-Pratt automaton a stop string (SIAM J. Comput. 6,
 * 1977): its state is the length of the longest beginning of the string that the text ends with, so
 * the largest state is the number of bytes to hold back.
 */
#include "worker/jobs/stopper.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    uint8_t *bytes;
    uint16_t *fail; /* fail[i]: longest proper beginning that bytes[0..i] ends with */
    uint16_t n, state;
};

struct stopper {
    struct pattern *patterns;
    size_t n_patterns, matched;
    struct buf held; /* text not given out yet */
};

static void fill_failures(struct pattern *p)
{
    uint16_t k = 0;

    p->fail[0] = 0;
    for (uint16_t i = 1; i < p->n; i++) {
        while (k && p->bytes[i] != p->bytes[k])
            k = p->fail[k - 1];
        if (p->bytes[i] == p->bytes[k])
            k++;
        p->fail[i] = k;
    }
}

static int init_pattern(struct pattern *p, const char *text)
{
    size_t n = strlen(text);

    BUG_ON(n == 0 || n > UINT16_MAX);
    p->n = (uint16_t)n;
    p->bytes = malloc(n);
    p->fail = malloc(n * sizeof *p->fail);
    if (!p->bytes || !p->fail)
        return -1;
    memcpy(p->bytes, text, n);
    fill_failures(p);
    return 0;
}

int stopper_create(char *const *stops, size_t n_stops, struct stopper **out, struct err *err)
{
    struct stopper *s = calloc(1, sizeof *s);

    if (!s)
        return err_no_memory(err, sizeof *s, "a stop matcher");
    buf_init(&s->held, SIZE_MAX / 2);
    s->patterns = calloc(n_stops ? n_stops : 1, sizeof *s->patterns);
    for (size_t i = 0; s->patterns && i < n_stops; i++) {
        s->n_patterns++;
        if (init_pattern(&s->patterns[i], stops[i])) {
            stopper_free(s);
            return err_no_memory(err, strlen(stops[i]), "a stop string");
        }
    }
    if (!s->patterns) {
        stopper_free(s);
        return err_no_memory(err, n_stops * sizeof *s->patterns, "a stop matcher");
    }
    *out = s;
    return 0;
}

void stopper_free(struct stopper *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_patterns; i++) {
        free(s->patterns[i].bytes);
        free(s->patterns[i].fail);
    }
    free(s->patterns);
    buf_done(&s->held);
    free(s);
}

/* One byte further; true when the pattern is complete. */
static bool step(struct pattern *p, uint8_t byte)
{
    while (p->state && p->bytes[p->state] != byte)
        p->state = p->fail[p->state - 1];
    if (p->bytes[p->state] == byte)
        p->state++;
    return p->state == p->n;
}

/* One byte further in all; the length of the longest pattern that it completes, or 0. */
static uint16_t step_all(struct stopper *s, uint8_t byte)
{
    uint16_t longest = 0;

    for (size_t i = 0; i < s->n_patterns; i++) {
        if (step(&s->patterns[i], byte) && s->patterns[i].n > longest) {
            longest = s->patterns[i].n;
            s->matched = i;
        }
    }
    return longest;
}

static size_t to_hold(const struct stopper *s)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n_patterns; i++)
        if (s->patterns[i].state > most)
            most = s->patterns[i].state;
    return most;
}

/* Moves all but the last `keep` bytes of what is held to `out`. */
static int give_out(struct stopper *s, size_t keep, struct buf *out)
{
    size_t n = s->held.len - keep;

    if (n && buf_put(out, s->held.data, n))
        return -1;
    buf_drop(&s->held, n);
    return 0;
}

int stopper_put(struct stopper *s, const char *bytes, size_t n, struct buf *out)
{
    if (s->n_patterns == 0)
        return n ? buf_put(out, bytes, n) : 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t found = step_all(s, (uint8_t)bytes[i]);

        if (buf_putc(&s->held, bytes[i]))
            return -1;
        if (found) {
            int rc = give_out(s, found, out);

            buf_clear(&s->held);
            return rc ? rc : 1;
        }
    }
    return give_out(s, to_hold(s), out);
}

int stopper_end(struct stopper *s, struct buf *out)
{
    return give_out(s, 0, out);
}

size_t stopper_matched(const struct stopper *s)
{
    return s->matched;
}
