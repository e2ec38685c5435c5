/* embed_pass.c - see embed_pass.h. */
#include "worker/schedule/embed_pass.h"

#include <stdlib.h>

#include "base/clock.h"
#include "worker/jobs/embedding.h"
#include "worker/jobs/job.h"
#include "worker/jobs/outbox.h"

/* Before each layer of a pass. */
static bool is_in_vain(void *arg)
{
    struct embed_pass *p = arg;

    for (uint32_t i = 0; i < p->n_running; i++)
        if (p->running[i]->embedding->n_planned && !job_wished(p->running[i]))
            return false;
    p->in_vain = true;
    return true;
}

int embed_pass_init(struct embed_pass *p, struct engine *engine, struct outbox *outbox,
                    struct err *err)
{
    struct engine_model_info info;

    engine_model_info(engine_get_model(engine), &info);
    *p = (struct embed_pass){
        .engine = engine, .outbox = outbox, .n_embd = info.n_embd, .raw = info.raw_vectors};
    p->plan = (struct embed_plan){.n_batch = engine_n_batch(engine), .n_texts = ENGINE_EMBED_TEXTS};
    p->running = calloc(engine_n_slots(engine), sizeof *p->running);
    p->planned = calloc(engine_n_slots(engine), sizeof *p->planned);
    p->vectors = calloc(ENGINE_EMBED_TEXTS * (size_t)info.n_embd, sizeof *p->vectors);
    if (!p->running || !p->planned || !p->vectors)
        return err_no_memory(err, ENGINE_EMBED_TEXTS * (size_t)info.n_embd * sizeof *p->vectors,
                             "the vectors of a pass");
    engine_ask_whether_in_vain(engine, is_in_vain, p);
    return 0;
}

void embed_pass_done(struct embed_pass *p)
{
    BUG_ON(p->n_running);
    free(p->running);
    free(p->planned);
    free(p->vectors);
    *p = (struct embed_pass){0};
}

bool embed_pass_has_room(const struct embed_pass *p)
{
    return p->n_running < engine_n_slots(p->engine);
}

void embed_pass_add(struct embed_pass *p, struct job *j)
{
    j->begun_ms = clock_ms();
    j->end.queue_time_ms = j->begun_ms - j->submitted_ms;
    p->running[p->n_running++] = j;
}

/* Takes out the jobs that are over; the order of the others stays. */
static void send_off(struct embed_pass *p)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->n_running; i++) {
        if (p->running[i]->over)
            outbox_end(p->outbox, p->running[i]);
        else
            p->running[kept++] = p->running[i];
    }
    p->n_running = kept;
}

void embed_pass_sweep(struct embed_pass *p)
{
    for (uint32_t i = 0; i < p->n_running; i++)
        if (job_wished(p->running[i]))
            job_end_early(p->running[i], job_wished(p->running[i]));
    send_off(p);
}

void embed_pass_fail_all(struct embed_pass *p, enum api_code code, const char *text)
{
    embed_pass_sweep(p);
    for (uint32_t i = 0; i < p->n_running; i++)
        job_fail(p->running[i], code, "%s", text);
    send_off(p);
}

void embed_pass_end_all(struct embed_pass *p)
{
    for (uint32_t i = 0; i < p->n_running; i++)
        job_wish_end(p->running[i], JOB_SHUT_DOWN);
    embed_pass_sweep(p);
}

/* ---- planning ------------------------------------------------------------ */

/* What a pass takes. */
struct taking {
    struct embed_pass *p;
    struct engine_text texts[ENGINE_EMBED_TEXTS];
    struct job *owners[ENGINE_EMBED_TEXTS];
    uint32_t n, n_rows;
};

/* The job's next text. */
static void take_next(struct taking *t, struct job *j)
{
    struct embedding *em = j->embedding;
    const struct embedding_input *in = &em->inputs[em->n_done + em->n_planned++];

    t->texts[t->n] = (struct engine_text){.tokens = in->tokens,
                                          .n = in->n_tokens,
                                          .pooling = em->pooling,
                                          .normalize = em->by_model ? !t->p->raw : em->normalize,
                                          .out = t->p->vectors + t->n * (size_t)t->p->n_embd};
    t->owners[t->n++] = j;
    t->n_rows += in->n_tokens;
}

static void take_texts(struct taking *t)
{
    uint32_t owners[ENGINE_EMBED_TEXTS], n;
    struct embed_pass *p = t->p;

    for (uint32_t i = 0; i < p->n_running; i++) {
        struct embedding *em = p->running[i]->embedding;

        em->n_planned = 0;
        p->planned[i] = (struct embed_plan_job){.texts = em->inputs + em->n_done,
                                                .n_texts = em->n_inputs - em->n_done};
    }
    n = embed_plan_texts(&p->plan, p->planned, p->n_running, owners);
    for (uint32_t i = 0; i < n; i++)
        take_next(t, p->running[owners[i]]);
}

/* ---- running ------------------------------------------------------------- */

/* A job's texts are in the pass in their order. */
static void deal(struct taking *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct job *j = t->owners[i];

        embedding_put(j->embedding, t->texts[i].out, t->p->n_embd);
        if (j->embedding->n_done == j->embedding->n_inputs)
            embedding_finish(j, t->p->n_embd);
    }
}

/* However long the leader's texts are, the others' turn comes. */
static void pass_lead_on(struct embed_pass *p)
{
    struct job *leader = p->running[0];

    for (uint32_t i = 1; i < p->n_running; i++)
        p->running[i - 1] = p->running[i];
    p->running[p->n_running - 1] = leader;
}

static void fail_pass(struct taking *t, int rc, const struct err *err)
{
    for (uint32_t i = 0; rc != ERR_CANCELLED && i < t->n; i++)
        if (!t->owners[i]->over)
            job_fail(t->owners[i], API_INTERNAL, "The engine could not go on: %s.", err->text);
    if (rc == ERR_CANCELLED && t->p->in_vain)
        embed_pass_sweep(t->p);
    else if (rc == ERR_CANCELLED)
        embed_pass_end_all(t->p);
    t->p->in_vain = false;
}

void embed_pass_run(struct embed_pass *p)
{
    struct taking t = {.p = p};
    uint64_t begun_ns;
    struct err err;
    int rc;

    take_texts(&t);
    pass_lead_on(p);
    begun_ns = clock_ns();
    rc = engine_embed(p->engine, t.texts, t.n, &err);
    if (rc) {
        fail_pass(&t, rc, &err);
    } else {
        embed_plan_learn(&p->plan, t.n_rows, (double)(clock_ns() - begun_ns) / 1e6);
        deal(&t);
    }
    send_off(p);
    outbox_flush(p->outbox);
}
