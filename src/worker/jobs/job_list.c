/* job_list.c - see job_list.h. */
#include "worker/jobs/job_list.h"

#include <stddef.h>

#include "worker/jobs/job.h"

void job_list_put(struct job_list *l, struct job *j)
{
    j->next = NULL;
    if (l->last)
        l->last->next = j;
    else
        l->first = j;
    l->last = j;
}

struct job *job_list_take(struct job_list *l)
{
    struct job *j = l->first;

    if (!j)
        return NULL;
    l->first = j->next;
    if (!l->first)
        l->last = NULL;
    j->next = NULL;
    return j;
}

void job_list_join(struct job_list *l, struct job_list *from)
{
    if (!from->first)
        return;
    if (l->last)
        l->last->next = from->first;
    else
        l->first = from->first;
    l->last = from->last;
    *from = (struct job_list){NULL, NULL};
}
