/* asking.c - see asking.h. */
#include "keeper/ask/asking.h"

#include "keeper/ask/fate.h"
#include "keeper/shell/interrupt.h"

#define WORKERS_TRIED 2

/* A worker, and what has become of it where it is not asked, or does not answer: "is gone". */
struct asked {
    const struct pool_want *want;
    const struct pool_worker *worker;
    const char *fate;
};

/* It was not reached, or says that it is not to be asked. Only its hive knows that it is gone; one
 * that lives is not reached the next time, either. */
static enum generate_end find_fate(struct keeper *k, struct asked *a, struct api_error *e)
{
    enum fate fate;

    if (!fate_is_lost(e->code)) {
        a->fate = "is ending";
        return GENERATE_GONE;
    }
    fate = fate_ask(k, a->worker->id);
    if (interrupt_seen()) { /* nobody was heard out */
        api_error_done(e);
        return GENERATE_CANCELLED;
    }
    switch (fate) {
    case FATE_ENDED:
        a->fate = "is gone";
        return GENERATE_GONE;
    case FATE_LIVES:
        fate_blame_way(a->worker, e);
        return GENERATE_FAILED;
    case FATE_UNKNOWN:
        break;
    }
    a->fate = "does not answer";
    return GENERATE_GONE;
}

static enum generate_end ask(struct keeper *k, struct asked *a, const struct inference_request *r,
                             struct generate *how, struct api_error *e)
{
    enum generate_end end = generate_run(k, a->worker, r, how, e);

    return end == GENERATE_GONE ? find_fate(k, a, e) : end;
}

/*
 * Asks a worker that was found a while ago. It may have ended since, and its port be another
 * program's, that would get key and prompt: so the hive is asked first.
 */
static enum generate_end ask_again(struct keeper *k, struct asked *a,
                                   const struct inference_request *r, struct generate *how,
                                   struct api_error *e)
{
    const char *why_not;

    if (pool_has(k, a->want, a->worker->id, &why_not))
        return ask(k, a, r, how, e);
    if (interrupt_seen())
        return GENERATE_CANCELLED;
    a->fate = why_not;
    api_error_set(e, API_WORKER_CRASHED, "keeper", "its hive says no more that it runs");
    return GENERATE_GONE;
}

/* `found`: just now. */
static enum generate_end ask_patiently(struct keeper *k, struct asked *a, bool found,
                                       const struct inference_request *r, struct generate *how,
                                       struct api_error *e)
{
    enum generate_end end = found ? ask(k, a, r, how, e) : ask_again(k, a, r, how, e);

    for (unsigned i = 0; i < GENERATE_BUSY_TRIES; i++) {
        int64_t ms = generate_busy_ms(i);

        if (end != GENERATE_FAILED || e->code != API_ALL_SLOTS_BUSY)
            return end;
        term_note(&k->term, "All slots are busy; trying again in %d s (%u of %d).",
                  (int)(ms / 1000), i + 1, GENERATE_BUSY_TRIES);
        api_error_done(e);
        if (!interrupt_sleep_ms(ms))
            return GENERATE_CANCELLED;
        end = ask_again(k, a, r, how, e);
    }
    return end;
}

enum generate_end asking_run(struct keeper *k, struct pool_want *want, struct pool_worker *worker,
                             const struct inference_request *r, struct generate *how,
                             struct api_error *e)
{
    enum generate_end end = GENERATE_GONE;
    struct asked a = {.want = want, .worker = worker};
    struct pool_worker gone;
    bool found;

    for (unsigned i = 0; i < WORKERS_TRIED && end == GENERATE_GONE; i++) {
        if (i > 0) {
            term_note(&k->term, "The worker %s %s; looking for another.", worker->id, a.fate);
            api_error_done(e);
            gone = *worker;
            want->avoid = gone.id;
            worker->id[0] = '\0';
        }
        found = !worker->id[0];
        if (found && pool_acquire(k, want, worker, e)) {
            worker->id[0] = '\0';
            end = GENERATE_FAILED;
        } else {
            end = ask_patiently(k, &a, found, r, how, e);
        }
    }
    want->avoid = NULL; /* `gone` ends here */
    if (end == GENERATE_FAILED && fate_is_lost(e->code))
        worker->id[0] = '\0';
    if (end == GENERATE_GONE) { /* the second in a row */
        fate_explain(k, worker->id, a.fate, e);
        worker->id[0] = '\0';
        end = GENERATE_FAILED;
    }
    return end;
}
