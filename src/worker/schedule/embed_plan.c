/* embed_plan.c - see embed_plan.h. */
#include "worker/schedule/embed_plan.h"

#include "base/err.h"
#include "worker/jobs/embedding.h"
#include "worker/schedule/plan.h"

/* What is being put together. */
struct taking {
    const struct embed_plan *p;
    uint32_t *owners;
    uint32_t n, rows_left;
};

static uint32_t rows_of_next(const struct embed_plan_job *j)
{
    return j->texts[j->n_taken].n_tokens;
}

/* Rows beside a first text of n rows. */
static uint32_t rows_beside(const struct embed_plan *p, uint32_t n)
{
    double rows = p->ms_per_row > 0 ? EMBED_PLAN_MS / p->ms_per_row - n : 0;
    uint32_t room = p->n_batch - n;

    if (rows < EMBED_PLAN_LEAST)
        rows = EMBED_PLAN_LEAST;
    return rows < room ? (uint32_t)rows : room;
}

static void take(struct taking *t, struct embed_plan_job *jobs, uint32_t who)
{
    t->rows_left -= rows_of_next(&jobs[who]);
    t->owners[t->n++] = who;
    jobs[who].n_taken++;
    jobs[who].had_turn = true;
}

static bool fits(const struct taking *t, const struct embed_plan_job *j)
{
    return j->n_taken < j->n_texts && rows_of_next(j) <= t->rows_left;
}

/* Which of the jobs that had no turn in this round has the shortest text that fits; -1: none. */
static int64_t next_turn(const struct taking *t, const struct embed_plan_job *jobs, uint32_t n_jobs)
{
    int64_t best = -1;

    for (uint32_t i = 0; i < n_jobs; i++)
        if (!jobs[i].had_turn && fits(t, &jobs[i]) &&
            (best < 0 || rows_of_next(&jobs[i]) < rows_of_next(&jobs[best])))
            best = i;
    return best;
}

/* One text of each, in what is left of a round; false: none had one that fits. */
static bool take_round(struct taking *t, struct embed_plan_job *jobs, uint32_t n_jobs)
{
    uint32_t before = t->n;
    int64_t who;

    while (t->n < t->p->n_texts && (who = next_turn(t, jobs, n_jobs)) >= 0)
        take(t, jobs, (uint32_t)who);
    for (uint32_t i = 0; i < n_jobs; i++)
        jobs[i].had_turn = false;
    return t->n > before;
}

uint32_t embed_plan_texts(const struct embed_plan *p, struct embed_plan_job *jobs, uint32_t n_jobs,
                          uint32_t *owners)
{
    struct taking t = {.p = p, .owners = owners};
    uint32_t first = jobs[0].texts[0].n_tokens;

    BUG_ON(first > p->n_batch);
    for (uint32_t i = 0; i < n_jobs; i++) {
        jobs[i].n_taken = 0;
        jobs[i].had_turn = false;
    }
    t.rows_left = first + rows_beside(p, first);
    take(&t, jobs, 0);
    take_round(&t, jobs, n_jobs); /* where the leader has nobody beside it, it is empty */
    while (take_round(&t, jobs, n_jobs)) {
    }
    return t.n;
}

void embed_plan_learn(struct embed_plan *p, uint32_t n_rows, double ms)
{
    plan_learn_cost(&p->ms_per_row, n_rows, ms);
}
