/* draft.c - see draft.h. */
#include "worker/jobs/draft.h"

#include <stdlib.h>
#include <string.h>

#define CHANCE_AT_FIRST  0.5
#define CHANCE_NEWEST    0.125 /* weight of the newest guess */
#define CHANCE_FORGET    0.01  /* how fast a job that makes no guesses comes to try again */
#define COST_NEWEST      0.03  /* weight of the newest pass */
#define COST_LEAST_WIDTH 0.25  /* variance of widths below which a line says nothing */
#define COST_LEAST_SLOPE 0.06  /* a row's least share in a pass of one row: taken when not known */

int draft_init(struct draft *d, const int32_t *prompt, size_t n_prompt, size_t most,
               struct err *err)
{
    size_t cap = n_prompt + most;

    *d = (struct draft){.n = n_prompt, .cap = cap, .chance = CHANCE_AT_FIRST};
    d->text = malloc(cap * sizeof *d->text);
    if (!d->text)
        return err_no_memory(err, cap * sizeof *d->text, "an answer's text");
    memcpy(d->text, prompt, n_prompt * sizeof *prompt);
    return 0;
}

void draft_done(struct draft *d)
{
    free(d->text);
    *d = (struct draft){0};
}

void draft_put(struct draft *d, int32_t token)
{
    BUG_ON(d->n == d->cap);
    d->text[d->n++] = token;
}

/* How many tokens before `end` are those at the end of the text, DRAFT_LOOK at most. */
static size_t n_alike(const struct draft *d, size_t end)
{
    size_t most = end < DRAFT_LOOK ? end : DRAFT_LOOK, k = 0;

    while (k < most && d->text[end - 1 - k] == d->text[d->n - 1 - k])
        k++;
    return k;
}

/* Behind the latest place of those that have most in common with the text's end; 0 for none. */
static size_t find(const struct draft *d)
{
    size_t best = 0, most = DRAFT_LEAST - 1;

    for (size_t end = d->n - 1; end > most && most < DRAFT_LOOK; end--) {
        size_t k = n_alike(d, end);

        if (k > most) {
            most = k;
            best = end;
        }
    }
    return best;
}

/* How many guesses in a row have a chance above the price. */
static uint32_t depth(double chance, double price)
{
    uint32_t n = 0;

    for (double p = chance; n < DRAFT_MOST && p > price; p *= chance)
        n++;
    return n;
}

uint32_t draft_make(struct draft *d, uint32_t most, double price)
{
    uint32_t n = depth(d->chance, price);
    size_t from;

    d->n_guesses = 0;
    d->chance += n ? 0 : CHANCE_FORGET * (CHANCE_AT_FIRST - d->chance);
    if (n > most)
        n = most;
    from = n ? find(d) : 0;
    for (; from && d->n_guesses < n; d->n_guesses++) {
        /* Past the text's end the guesses themselves go on: it repeats with this period. */
        size_t at = from + d->n_guesses;

        d->guess[d->n_guesses] = at < d->n ? d->text[at] : d->guess[at - d->n];
    }
    return d->n_guesses;
}

void draft_learn(struct draft *d, uint32_t n_right)
{
    for (uint32_t i = 0; i < d->n_guesses && i <= n_right; i++)
        d->chance += CHANCE_NEWEST * ((i < n_right) - d->chance);
    d->n_guesses = 0;
}

void draft_cost_learn(struct draft_cost *c, uint32_t n_rows, double ms)
{
    double n = n_rows, w = c->n > 0 ? COST_NEWEST : 1;

    c->n += w * (n - c->n);
    c->ms += w * (ms - c->ms);
    c->nn += w * (n * n - c->nn);
    c->n_ms += w * (n * ms - c->n_ms);
}

double draft_price(const struct draft_cost *c, uint32_t n_rows)
{
    double variance = c->nn - c->n * c->n, slope, least, pass;

    if (!(c->ms > 0))
        return 1;
    least = COST_LEAST_SLOPE * c->ms / c->n;
    slope = variance > COST_LEAST_WIDTH ? (c->n_ms - c->n * c->ms) / variance : least;
    if (slope < least)
        slope = least;
    pass = c->ms + slope * (n_rows - c->n);
    if (pass < slope * n_rows)
        return 1;
    return slope * n_rows / pass;
}
