/* kernel.h - what the kernel must have for a hive to be one. Linux. */
#ifndef RBEE_HIVE_PROCESS_KERNEL_H
#define RBEE_HIVE_PROCESS_KERNEL_H

#include "base/err.h"

/* ERR_UNSUPPORTED: processes cannot be watched here, or no memory be shared with them, so that no
 * worker could be started. The kernel is older than 5.4, or a container's filter refuses. */
int kernel_check(struct err *err);

#endif
