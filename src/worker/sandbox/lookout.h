/*
 * lookout.h - are the model's files as they were? The question goes to their file system, which may
 * not answer (NFS whose server is gone): a thread of its own asks, so that nobody hangs there who
 * has requests to serve.
 *
 * Who wants to know waits for an answer to a question put after he came. But nobody waits for one
 * that has been out for so long already; until it comes the word before it holds, and a model that
 * is in memory is served. A change that was found stays found.
 */
#ifndef RBEE_WORKER_SANDBOX_LOOKOUT_H
#define RBEE_WORKER_SANDBOX_LOOKOUT_H

#include <stdint.h>

#include "base/err.h"

#define LOOKOUT_WAIT_MS 500

struct lookout;

/* Starts the thread; `look` is called from it: 0, or what has changed. */
int lookout_create(int (*look)(void *arg, struct err *err), void *arg, struct lookout **out,
                   struct err *err);
/*
 * 0 as far as is known, else what `look` has said. Asks in any case; waits at most wait_ms for the
 * answer. Any thread.
 */
int lookout_check(struct lookout *l, int64_t wait_ms, struct err *err);
/* Waits for a look that is out, as long as it takes. NULL is fine. */
void lookout_free(struct lookout *l);

#endif
