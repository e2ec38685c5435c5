/*
 * detect.h - what this machine can compute on, and the command that tells.
 *
 * Drivers are only ever loaded by the command `rbee-hive detect`, a process of a moment; the daemon
 * runs that and reads its JSON. So a driver that crashes, hangs or swallows memory cannot harm it.
 */
#ifndef RBEE_HIVE_MACHINE_DETECT_H
#define RBEE_HIVE_MACHINE_DETECT_H

#include <stdint.h>

#include <jansson.h>

#include "api/errors.h"
#include "base/cli.h"

#define DETECT_JSON_MAX   65536
#define DETECT_TIMEOUT_MS 10000

int cmd_detect(const struct cli_command *self, int argc, char **argv);

/* What can be told without any driver, with the reason why none was asked; NULL = out of memory. */
json_t *detect_without_drivers(const char *reason);

/*
 * May a worker run on this backend and device? "auto" is the best there is. 0 with *backend as the
 * name to use, or -1 with *e as INVALID_REQUEST, BACKEND_UNAVAILABLE or DEVICE_NOT_FOUND, saying
 * what is there. Never a silent step from one backend to another.
 */
int detect_choose(const char *asked, int64_t device, const char **backend, struct api_error *e);

#endif
