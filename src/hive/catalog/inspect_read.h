/*
 * inspect_read.h - what `llm-worker-rbee inspect` said of a model file, and how it ended, as a
 * verdict. The process has read a file of anyone's making: nothing that it says is believed to be
 * well-formed. Pure.
 */
#ifndef RBEE_HIVE_CATALOG_INSPECT_READ_H
#define RBEE_HIVE_CATALOG_INSPECT_READ_H

#include "hive/catalog/inspect.h"
#include "hive/process/capture.h"

/* Fills *out, whose json is the caller's then, and *e if out->error is to point there. `path` is
 * the model's, for sentences. */
void inspect_read(const char *path, const struct capture_result *r, struct inspect_result *out,
                  struct api_error *e);

#endif
