/*
 * export_dir.h - into which folder an export may go: any that is there, or a new one in it, but
 * none of the hive's own. What lies in its home it reads itself, and takes for its own. Any thread.
 */
#ifndef RBEE_HIVE_CHORES_EXPORT_DIR_H
#define RBEE_HIVE_CHORES_EXPORT_DIR_H

#include "base/err.h"

/*
 * `dir` with links resolved, free(); it need not be there, but the folder above it. That one is not
 * made: a stick that is not plugged in would become a folder of the system's disk. ERR_NOT_FOUND;
 * ERR_DENIED where it lies in `home` or `models_dir`, by whatever name.
 */
int export_dir_find(const char *dir, const char *home, const char *models_dir, char **out,
                    struct err *err);

#endif
