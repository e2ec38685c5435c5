/* catalog_internal.h - what the files behind catalog.h share; for nobody else. */
#ifndef RBEE_HIVE_CATALOG_CATALOG_INTERNAL_H
#define RBEE_HIVE_CATALOG_CATALOG_INTERNAL_H

#include <sqlite3.h>

#include "hive/catalog/catalog.h"

/* Another program has the file: so long the loop stands for a row. */
#define CATALOG_BUSY_MS 2000

#define CATALOG_COLUMNS                                                                            \
    "model_ref, path, source, file, quantization, sha256, size_bytes, verified, downloaded_ms, "   \
    "last_used_ms"
#define CATALOG_VERDICT_COLUMNS "sha256, judge, code, message, license"

struct catalog {
    sqlite3 *db;
    char *path;
};

/* What SQLite says of its last error, as ours: ERR_NO_SPACE, ERR_DENIED, ERR_INVALID, ERR_IO. */
int catalog_fail(const struct catalog *c, struct err *err);

#endif
