/*
 * reach.h - may the loop touch this path?
 *
 * A file system whose answers come from another machine or program (NFS, SMB, sshfs ...) may stop
 * to answer, and holds whoever touches it, for minutes or for good; a hive that waits there serves
 * nobody. So before the loop looks at a path that leads onto one, a process of a moment does, and
 * the loop waits for that a little, once; while it hangs the path is refused at once. File systems
 * of this machine's disks are not asked for. A hang that begins just then is not seen: who asks
 * often asks glance.h.
 *
 * How long a little is goes by what is known: a distant one may need a second for a long path, and
 * an automounter or a NAS whose disks sleep more for the first. The loop cannot tell these from one
 * that is dead but by waiting. Each name in an automounter's place (/net/HOST) is another
 * machine's, and asked for by itself. Loop thread only. Linux: mountinfo, pidfd.
 */
#ifndef RBEE_HIVE_DISK_REACH_H
#define RBEE_HIVE_DISK_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define REACH_WAIT_MS  500   /* of the loop, when one does not answer */
#define REACH_SLOW_MS  1500  /* ... for one not asked yet, or whose last answer was not quick: */
#define REACH_QUICK_MS 100   /* a path whose names nobody knows takes several times as long */
#define REACH_START_MS 15000 /* at the start, when nobody is served: disks wake up in 10 s */
#define REACH_GOOD_MS  1000  /* that one has answered holds for so long */

struct event_base;
struct reach;

int reach_create(struct event_base *base, struct reach **out, struct err *err);
void reach_free(struct reach *r); /* NULL is fine */

/*
 * 0: go on, whether the path is there or not. ERR_UNREACHABLE: it leads onto a file system that
 * does not answer; the text names that and for how long. Follows links as the kernel does. A NULL
 * reach says 0.
 */
int reach_check(struct reach *r, const char *path, struct err *err);
/* The same, with more patience: so long, for one that is being looked at already, too. */
int reach_wait(struct reach *r, const char *path, int64_t wait_ms, struct err *err);
/* It leads over this machine's disks alone. Touches no other, and asks nobody. */
bool reach_is_near(struct reach *r, const char *path);

#endif
