/* pass.c - see pass.h. */
#include "worker/schedule/pass.h"

#include <stdlib.h>

#include "base/clock.h"
#include "worker/jobs/guard.h"
#include "worker/jobs/job.h"
#include "worker/jobs/outbox.h"

/* Before each layer of a batch. */
static bool is_in_vain(void *arg)
{
    struct pass *p = arg;

    for (uint32_t i = 0; i < p->n_running; i++)
        if (p->running[i]->n_planned && !job_wished(p->running[i]))
            return false;
    p->in_vain = true;
    return true;
}

int pass_init(struct pass *p, struct engine *engine, const struct pass_options *how,
              struct outbox *outbox, struct err *err)
{
    *p = (struct pass){.engine = engine, .outbox = outbox, .guess = how->guess};
    p->plan.n_batch = engine_n_batch(engine);
    p->plan.page_tokens = how->reuse ? ENGINE_PAGE_TOKENS : 0;
    p->rows = calloc(engine_n_batch(engine), sizeof *p->rows);
    p->running = calloc(engine_n_slots(engine), sizeof *p->running);
    p->planned = calloc(engine_n_slots(engine), sizeof *p->planned);
    if (!p->rows || !p->running || !p->planned)
        return err_no_memory(err, engine_n_batch(engine) * sizeof *p->rows, "a batch");
    engine_ask_whether_in_vain(engine, is_in_vain, p);
    return 0;
}

void pass_done(struct pass *p)
{
    BUG_ON(p->n_running);
    free(p->rows);
    free(p->running);
    free(p->planned);
    *p = (struct pass){0};
}

bool pass_has_room(const struct pass *p)
{
    return p->n_running < engine_n_slots(p->engine);
}

void pass_add(struct pass *p, struct job *j)
{
    struct err err;
    int rc = job_begin(j, p->engine, p->guess, &err);

    if (rc) {
        job_fail(j, rc == ERR_NO_MEMORY ? API_INSUFFICIENT_MEMORY : API_INTERNAL,
                 "The answer could not be begun: %s.", err.text);
        job_close(j);
        outbox_end(p->outbox, j);
        return;
    }
    p->running[p->n_running++] = j;
}

/* Takes out the jobs that are over; the order of the others stays. */
static void send_off(struct pass *p)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->n_running; i++) {
        struct job *j = p->running[i];

        if (j->over) {
            job_give_back(j, p->engine);
            outbox_end(p->outbox, j);
        } else {
            p->running[kept++] = j;
        }
    }
    p->n_running = kept;
}

void pass_sweep(struct pass *p)
{
    for (uint32_t i = 0; i < p->n_running; i++)
        if (job_wished(p->running[i]))
            job_end_early(p->running[i], job_wished(p->running[i]));
    send_off(p);
}

void pass_fail_all(struct pass *p, enum api_code code, const char *text)
{
    pass_sweep(p);
    for (uint32_t i = 0; i < p->n_running; i++)
        job_fail(p->running[i], code, "%s", text);
    send_off(p);
}

void pass_end_all(struct pass *p)
{
    for (uint32_t i = 0; i < p->n_running; i++)
        job_wish_end(p->running[i], JOB_SHUT_DOWN);
    pass_sweep(p);
}

/* Adds guesses to the rows of those who decode, as many as pay. */
static void plan_guesses(struct pass *p)
{
    uint32_t n_batch = engine_n_batch(p->engine);
    uint32_t most = n_batch < PASS_GUESS_ROWS ? n_batch : PASS_GUESS_ROWS;
    uint32_t room = most > p->n_running ? most - p->n_running : 0;
    double price = draft_price(&p->cost, p->n_running);

    for (uint32_t i = 0; i < p->n_running; i++) {
        uint32_t n;

        if (!p->running[i]->n_planned)
            continue;
        n = job_guess(p->running[i], p->engine, room, price);
        p->running[i]->n_planned += n;
        room -= n;
    }
}

/* It is known which tokens may come next, so that job_step will not be long. */
static bool is_ready(const struct job *j)
{
    return !j->guard || guard_state(j->guard) == GUARD_READY;
}

/* A go at finding out, where the pass has time left for one; is it known then? */
static bool look(struct pass *p, struct job *j)
{
    uint64_t begun_ns = clock_ns(), took_ns;

    if (is_ready(j) || p->look_ns == 0)
        return is_ready(j);
    guard_look(j->guard);
    took_ns = clock_ns() - begun_ns;
    p->look_ns = is_ready(j) && took_ns < p->look_ns ? p->look_ns - took_ns : 0;
    return is_ready(j);
}

/* A go for each whose guard is as `which`, while there is time, from the one at `begin` on; the
 * place behind the last one that had a go. */
static uint32_t look_round(struct pass *p, enum guard_state which, uint32_t begin)
{
    uint32_t next = begin;

    p->look_ns = (uint64_t)PASS_LOOK_MS * 1000000;
    for (uint32_t i = 0; i < p->n_running && p->look_ns; i++) {
        uint32_t at = (begin + i) % p->n_running;
        struct job *j = p->running[at];

        if (!j->guard || guard_state(j->guard) != which)
            continue;
        look(p, j);
        next = at + 1;
    }
    return next;
}

static void look_all(struct pass *p)
{
    /* who becomes slow in the other round has had its go */
    p->slow_next = look_round(p, GUARD_SLOW, p->slow_next);
    p->new_next = look_round(p, GUARD_NEW, p->new_next);
}

/* Decides how many rows each job gets; true when rows of prompts are among them. */
static bool plan(struct pass *p)
{
    bool prompts = false;

    look_all(p);
    for (uint32_t i = 0; i < p->n_running; i++) {
        struct job *j = p->running[i];

        if (job_in_prefill(j))
            job_reuse(j, p->engine);
        p->planned[i] = (struct plan_job){.prompt = j->tokens,
                                          .n_prompt = (uint32_t)j->n_tokens,
                                          .n_fed = j->n_fed,
                                          .waits = !is_ready(j)};
        prompts = prompts || job_in_prefill(j);
    }
    plan_rows(&p->plan, p->planned, p->n_running);
    for (uint32_t i = 0; i < p->n_running; i++)
        p->running[i]->n_planned = p->planned[i].n_rows;
    if (!prompts && p->guess)
        plan_guesses(p);
    return prompts;
}

/* A job's rows follow each other; the last one asks for logits when it completes the prompt. */
static void fill_rows(struct pass *p)
{
    p->n_rows = 0;
    for (uint32_t i = 0; i < p->n_running; i++) {
        struct job *j = p->running[i];

        j->first_row = p->n_rows;
        for (uint32_t k = 0; k < j->n_planned; k++)
            p->rows[p->n_rows++] = (struct engine_row){
                .token = job_row_token(j, k),
                .seq = j->seq,
                .want_logits = !job_in_prefill(j) || j->n_fed + k + 1 == j->n_tokens,
            };
    }
}

static const float *logits_of(const struct pass *p, const struct job *j, uint32_t row)
{
    return engine_logits(p->engine, j->first_row + row);
}

/* Rows of a prompt: the last row of all gives the first token. */
static void deal_prompt(struct pass *p, struct job *j)
{
    j->n_fed += j->n_planned;
    if (!job_in_prefill(j))
        job_step(j, p->engine, logits_of(p, j, j->n_planned - 1), p->outbox);
}

/* The last token's row gives the next one; and each guess that was right, one more. Where it is not
 * known in time what may come behind one, the guesses behind it are given up. */
static void deal_answer(struct pass *p, struct job *j)
{
    uint32_t n_right = 0;

    job_step(j, p->engine, logits_of(p, j, 0), p->outbox);
    while (!j->over && n_right + 1 < j->n_planned &&
           j->next_token == job_row_token(j, n_right + 1) && look(p, j)) {
        n_right++;
        job_step(j, p->engine, logits_of(p, j, n_right), p->outbox);
    }
    if (j->n_planned > 1)
        job_judge(j, p->engine, n_right);
}

/* Moves every job on by the rows it had. */
static void deal(struct pass *p)
{
    for (uint32_t i = 0; i < p->n_running; i++) {
        struct job *j = p->running[i];
        uint64_t before = j->end.tokens_out;

        if (!j->n_planned)
            continue;
        if (job_in_prefill(j))
            deal_prompt(p, j);
        else
            deal_answer(p, j);
        p->tokens_out += j->end.tokens_out - before;
    }
}

/* The batch as a whole went wrong: nobody in it can go on. */
static void fail_batch(struct pass *p, int rc, const struct err *err)
{
    if (rc == ERR_CANCELLED && p->in_vain)
        pass_sweep(p);
    else if (rc == ERR_CANCELLED)
        pass_end_all(p);
    p->in_vain = false;
    if (rc == ERR_CANCELLED)
        return;
    for (uint32_t i = 0; i < p->n_running; i++)
        if (p->running[i]->n_planned)
            job_fail(p->running[i], rc == ERR_NO_MEMORY ? API_INSUFFICIENT_MEMORY : API_INTERNAL,
                     "The engine could not go on: %s.", err->text);
}

/* What a pass has cost tells what the next ones may hold. */
static void learn(struct pass *p, bool prompts, double ms)
{
    if (prompts)
        plan_learn(&p->plan, p->n_rows, ms);
    else
        draft_cost_learn(&p->cost, p->n_rows, ms);
}

static void decode(struct pass *p, bool prompts)
{
    uint64_t begun_ns = clock_ns();
    struct err err;
    int rc = engine_decode(p->engine, p->rows, p->n_rows, &err);

    if (rc) {
        fail_batch(p, rc, &err);
    } else {
        learn(p, prompts, (double)(clock_ns() - begun_ns) / 1e6);
        deal(p);
    }
}

void pass_run(struct pass *p)
{
    bool prompts = plan(p);

    fill_rows(p);
    if (p->n_rows)
        decode(p, prompts);
    send_off(p);
    outbox_flush(p->outbox);
}
