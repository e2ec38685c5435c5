/*
 * job_list.h - jobs in the order they came, by their `next`. Plain data that may be copied; empty
 * when zeroed. Whoever holds the list holds the jobs.
 */
#ifndef RBEE_WORKER_JOBS_JOB_LIST_H
#define RBEE_WORKER_JOBS_JOB_LIST_H

struct job;

struct job_list {
    struct job *first, *last;
};

void job_list_put(struct job_list *l, struct job *j);
struct job *job_list_take(struct job_list *l); /* the first, or NULL */
/* Moves all jobs of `from` behind those of `l`. */
void job_list_join(struct job_list *l, struct job_list *from);

#endif
