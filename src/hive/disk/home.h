/*
 * home.h - the hive's folder: made, locked for one hive at a time, kept tidy.
 *
 * <home>: config.ini, models/, models.db, logs/, run/hive.lock. In the folder of the models:
 * .hive.lock.
 */
#ifndef RBEE_HIVE_DISK_HOME_H
#define RBEE_HIVE_DISK_HOME_H

#include <stdbool.h>

#include "base/err.h"

#define HOME_MODELS_LOCK ".hive.lock" /* in the folder of the models */
#define HOME_LOGS_KEPT   200          /* workers' logs; older ones are deleted now and then */

/*
 * Makes the folders; *full (free()) is the path without links, and UTF-8: it is told in JSON.
 * ERR_INVALID, ERR_DENIED, ERR_IO ... That another home may be named is the caller's to say.
 */
int home_make(const char *home, char **full, struct err *err);
/* The same for the folder of the models; the configuration takes full paths alone. Only the last
 * folder is made: where those above are not there, its disk may be missing. ERR_NOT_FOUND. */
int home_make_models(const char *dir, char **full, struct err *err);

/*
 * Takes the lock of the folder of the models, which may be elsewhere: two hives that do not know of
 * each other there write into each other's files. As home_lock; another error than ERR_BUSY means
 * that it cannot be locked, as on a disk that is only read, or a file system without locks.
 */
int home_lock_models(const char *models_dir, int *fd, struct err *err);

/*
 * Takes the lock. *fd keeps it until closed, or until the process ends by any means. ERR_BUSY when
 * another hive has it, with its process id.
 */
int home_lock(const char *home, int *fd, struct err *err);

/* With the lock held: deletes half-written copies of what only the hive that has it writes. What
 * others write under a lock of their own they sweep themselves. */
void home_sweep(const char *home);

/* Does a hive have the lock? Says so without keeping one from starting. */
bool home_is_locked(const char *home);

/* Deletes the oldest logs beyond HOME_LOGS_KEPT, but for those that `keep` (NULL = nobody) wants.
 * What cannot be deleted is left. */
void home_tidy_logs(const char *logs_dir, bool (*keep)(void *arg, const char *path), void *arg);

#endif
