/*
 * looks.h - programs of a moment (capture.h) for whoever asks: few at once, and one for all who ask
 * the same.
 *
 * Whoever may ask the hive makes it start processes: what does this file hold, which devices are
 * there? So at most LOOKS_AT_ONCE run, those who come later wait their turn, and who asks what is
 * being looked at already gets that answer. A look that nobody waits for any more ends. Loop thread
 * only.
 */
#ifndef RBEE_HIVE_PROCESS_LOOKS_H
#define RBEE_HIVE_PROCESS_LOOKS_H

#include "hive/process/capture.h"

#define LOOKS_AT_ONCE 4 /* processes */

struct look; /* one who waits for an answer */
struct looks;

int looks_create(struct event_base *base, struct looks **out, struct err *err);
/* What runs is killed; nobody is told, and no look may be touched any more. NULL is fine. */
void looks_free(struct looks *l);

/*
 * As capture_start; the rc that `done` gets may also be that of a start that failed when its turn
 * came (`errors` has the sentence then). `same`: those who ask with the same text ask the same;
 * NULL: like nobody else. `changing`: what a program has seen that runs already may be out of date
 * by now; one that still waits is shared all the same.
 */
int look_start(struct looks *l, const struct capture_params *params, const char *same,
               bool changing, struct look **out, struct err *err);
void look_cancel(struct look *k); /* `done` does not come. NULL is fine */

#endif
