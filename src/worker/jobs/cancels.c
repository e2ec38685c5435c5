/* cancels.c - see cancels.h. */
#include "worker/jobs/cancels.h"

#include <stdint.h>

#include "api/board.h"
#include "worker/jobs/job.h"

/* Only the loop writes, so a load and a store are enough. */
static void note_late(struct board *b, const struct job *j)
{
    uint64_t late = j->ended_at_pass > j->wished_at_pass ? j->ended_at_pass - j->wished_at_pass : 0;

    if (late > atomic_load(&b->late_passes_max))
        atomic_store(&b->late_passes_max, (uint32_t)late);
}

void cancels_note(struct board *b, const struct job *j)
{
    enum board_cancel cause;

    switch (j->ended_by) {
    case JOB_DISCONNECT:
        cause = BOARD_DISCONNECT;
        break;
    case JOB_DELETE:
        cause = BOARD_DELETE;
        break;
    case JOB_TIME_OUT:
        cause = BOARD_DEADLINE;
        break;
    default:
        return;
    }
    atomic_fetch_add(&b->cancelled[j->ended_in][cause], 1);
    if (j->ended_in != BOARD_QUEUED)
        note_late(b, j);
}
