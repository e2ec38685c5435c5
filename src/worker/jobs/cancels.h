/*
 * cancels.h - the books on cancelled jobs: how many, how far they were, and by what; and how many
 * passes a slot was held beyond the wish. The loop's thread only.
 *
 * The rule they are there to show: a slot is free at the latest when the pass has ended that ran as
 * the wish was made (contract, section 3). So late_passes_max is never more than 1.
 */
#ifndef RBEE_WORKER_JOBS_CANCELS_H
#define RBEE_WORKER_JOBS_CANCELS_H

struct board;
struct job;

/* A job is over, in whatever way. */
void cancels_note(struct board *b, const struct job *j);

#endif
