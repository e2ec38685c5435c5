/*
 * flush.h - until the disk has a small file, in a helper's thread. fsync(2) waits for what else the
 * disk has to write: seconds, while a download goes on. Loop thread only.
 */
#ifndef RBEE_HIVE_CATALOG_FLUSH_H
#define RBEE_HIVE_CATALOG_FLUSH_H

#include "base/err.h"

struct card;
struct flush;
struct reach;
struct tasks;

/*
 * For a file of path_write_open, whose descriptor is taken over. `done` comes once, with NULL when
 * the disk has the file: from the loop, or before flush_start returns (no thread could be had), and
 * *out is NULL then.
 */
void flush_start(struct tasks *ts, int fd, const char *path,
                 void (*done)(void *arg, const struct err *err), void *arg, struct flush **out);
/* `done` does not come; the disk gets the file all the same. NULL is fine. */
void flush_cancel(struct flush *f);

/* card_save_open, where the card's place answers; what the disk says to it goes to the log only. */
int flush_card(struct reach *r, struct tasks *ts, const struct card *c, struct err *err);
/* All that fails goes to the log. */
void flush_card_later(struct reach *r, struct tasks *ts, const struct card *c);

#endif
