/* plan.c - see plan.h. */
#include "worker/schedule/plan.h"

#include "base/err.h"

/* Weight of the newest pass in the mean cost. */
#define NEWEST_SHARE 0.25

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool is_new(const struct plan_job *j)
{
    return j->n_fed < j->n_prompt;
}

/* Up to which token a newcomer's prompt may be computed: behind the last one a token is chosen. */
static uint32_t n_open(const struct plan_job *j)
{
    return j->n_prompt - j->waits;
}

/* Tokens of the prompt that a row may be planned for, and is not yet. */
static uint32_t rest_of(const struct plan_job *j)
{
    return n_open(j) - j->n_fed - j->n_rows;
}

/* Tokens in the whole pages that both prompts begin with and that a may compute; the last token of
 * b is never shared. */
static uint32_t n_shared(const struct plan *p, const struct plan_job *a, const struct plan_job *b)
{
    uint32_t most = min_u32(n_open(a), b->n_prompt - 1), i = 0;

    while (i < most && a->prompt[i] == b->prompt[i])
        i++;
    return i - i % p->page_tokens;
}

/*
 * Who is going to compute the next page of `j`, and up to which token: a newcomer before it, or
 * itself.
 */
static struct plan_job *computer_of(const struct plan *p, struct plan_job *jobs, struct plan_job *j,
                                    uint32_t *upto)
{
    struct plan_job *other = jobs;

    *upto = n_open(j);
    while (p->page_tokens && other < j) {
        uint32_t shared = is_new(other) ? n_shared(p, other, j) : 0;

        if (shared > j->n_fed && shared > other->n_fed) {
            *upto = shared;
            j = other;
            other = jobs;
        } else {
            other++;
        }
    }
    return j;
}

/* Gives up to `most` rows to the one who computes for `j`; how many. */
static uint32_t grant(const struct plan *p, struct plan_job *jobs, struct plan_job *j,
                      uint32_t most)
{
    uint32_t upto, begin, n;

    j = computer_of(p, jobs, j, &upto);
    begin = j->n_fed + j->n_rows;
    n = upto > begin ? min_u32(upto - begin, most) : 0;
    j->n_rows += n;
    return n;
}

/* The newcomer with the fewest tokens left of those that had no turn yet, or NULL. */
static struct plan_job *next_turn(struct plan_job *jobs, uint32_t n_jobs)
{
    struct plan_job *best = NULL;

    for (uint32_t i = 0; i < n_jobs; i++)
        if (!jobs[i].had_turn && (!best || rest_of(&jobs[i]) < rest_of(best)))
            best = &jobs[i];
    return best;
}

/* Rows for prompts in this batch. */
static uint32_t rows_for_prompts(const struct plan *p, uint32_t n_decoding)
{
    uint32_t room = p->n_batch - n_decoding, chunk = PLAN_CHUNK_FIRST;

    if (n_decoding == 0)
        return room;
    if (p->ms_per_row > 0) {
        double rows = PLAN_STEP_MS / p->ms_per_row - n_decoding;

        chunk = rows < PLAN_CHUNK_LEAST ? PLAN_CHUNK_LEAST : rows < room ? (uint32_t)rows : room;
    }
    return min_u32(chunk, room);
}

void plan_rows(const struct plan *p, struct plan_job *jobs, uint32_t n_jobs)
{
    struct plan_job *first = NULL, *j;
    uint32_t n_decoding = 0, left;

    for (uint32_t i = n_jobs; i-- > 0;) {
        jobs[i].had_turn = !is_new(&jobs[i]);
        jobs[i].n_rows = jobs[i].had_turn && !jobs[i].waits;
        n_decoding += jobs[i].had_turn;
        if (!jobs[i].had_turn)
            first = &jobs[i];
    }
    BUG_ON(n_decoding > p->n_batch);
    if (!first)
        return;
    left = rows_for_prompts(p, n_decoding);
    left -= grant(p, jobs, first, (left + PLAN_FIRST_SHARE - 1) / PLAN_FIRST_SHARE);
    while (left > 0 && (j = next_turn(jobs, n_jobs))) {
        left -= grant(p, jobs, j, left);
        j->had_turn = true;
    }
}

void plan_learn_cost(double *ms_per_row, uint32_t n_rows, double ms)
{
    double cost = ms / n_rows;

    if (n_rows < PLAN_CHUNK_LEAST)
        return; /* there the weights cost, not the rows */
    *ms_per_row = *ms_per_row > 0 ? *ms_per_row + NEWEST_SHARE * (cost - *ms_per_row) : cost;
}

void plan_learn(struct plan *p, uint32_t n_rows, double ms)
{
    plan_learn_cost(&p->ms_per_row, n_rows, ms);
}
