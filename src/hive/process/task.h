/*
 * task.h - work that would hold up the loop (hashing, syncing to disk), done in a helper thread.
 *
 * A task owns what it works on; whoever asked may lose interest at any time, and the task then only
 * cleans up. Functions here are called from the loop's thread.
 */
#ifndef RBEE_HIVE_PROCESS_TASK_H
#define RBEE_HIVE_PROCESS_TASK_H

#include <stdbool.h>

#include "base/err.h"

struct post;
struct task;
struct tasks;

int tasks_create(struct post *post, struct tasks **out, struct err *err);
/* Cancels and waits for all; each `done` is called. */
void tasks_free(struct tasks *ts);

/*
 * `work` runs in a thread of its own and looks at task_cancelled now and then; `done` runs in the
 * loop's thread once it has ended, and frees `arg`. An error means that neither runs.
 */
int tasks_start(struct tasks *ts, void (*work)(void *arg, const struct task *self),
                void (*done)(void *arg), void *arg, struct task **out, struct err *err);
void task_cancel(struct task *t);

/* From the task's own thread. */
bool task_cancelled(const struct task *self);

#endif
