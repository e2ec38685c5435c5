/*
 * glance.h - what the system says of one file, for who asks often, and without the loop's ever
 * touching it.
 *
 * Behind reach_check the loop goes to a file itself, for as long as the file system has answered a
 * moment ago. Who asks four times a second keeps it at that, and is there when it stops to answer.
 * So where a path leads onto such a file system (reach_is_near) a process of a moment looks each
 * time; the loop waits for it a little, once, and asks no other while it hangs. A slow one is
 * waited for no more than once, either: what it says is heard with the next question. Loop thread
 * only.
 */
#ifndef RBEE_HIVE_DISK_GLANCE_H
#define RBEE_HIVE_DISK_GLANCE_H

#include "hive/disk/file_mark.h"

#define GLANCE_WAIT_MS 200  /* of the loop, for an answer */
#define GLANCE_GOOD_MS 1000 /* that long one holds */
#define GLANCE_LATE_MS 2000 /* of a look that began longer ago the answer is thrown away */

struct event_base;
struct glance;

/* NULL without memory. */
struct glance *glance_create(struct event_base *base, const char *path);
void glance_free(struct glance *g); /* NULL is fine */
/* Waits at most `wait_ms`. True with *out; false where the file is not there, or nobody says. */
bool glance_at(struct glance *g, int64_t wait_ms, struct file_mark *out);

#endif
