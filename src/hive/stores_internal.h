/* stores_internal.h - what the files behind stores.h share; for nobody else. */
#ifndef RBEE_HIVE_STORES_INTERNAL_H
#define RBEE_HIVE_STORES_INTERNAL_H

#include "hive/stores.h"

/* 64 hex digits in lower case. */
bool store_is_sha256(const char *text);

/* The first that is a folder; the others are freed. Entries may be NULL. */
char *store_first_dir(char *const *choices, size_t n);

/* The folder `name` under the one that the environment's variable names; free(), or NULL. */
char *store_under(const char *variable, const char *name);

#endif
