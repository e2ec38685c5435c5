/* queue_limit.c - see queue_limit.h. */
#include "worker/schedule/queue_limit.h"

#include "api/board.h"
#include "base/clock.h"
#include "worker/jobs/job.h"

bool queue_limit_ends(const struct queue_limit *q, struct job *j)
{
    int64_t since = j->submitted_ms > q->open_ms ? j->submitted_ms : q->open_ms;
    int64_t waited = clock_ms() - since;

    if (q->limit_ms <= 0 || !q->open_ms || waited <= q->limit_ms)
        return false;
    job_fail(j, API_QUEUE_TIMEOUT,
             "No slot became free within the %.10g seconds that a request may wait: it waited for "
             "%.1f",
             (double)q->limit_ms / 1000, (double)waited / 1000);
    atomic_fetch_add(&q->board->queue_timeouts, 1);
    return true;
}
