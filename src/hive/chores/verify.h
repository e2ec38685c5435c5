/*
 * verify.h - reads models again, and compares with the digests they had when they came.
 *
 * A file that differs, in its size or its bytes, is renamed to <file>.bad: it leaves the catalog
 * and its workers are stopped, so that nothing uses it in silence; its card stays, so that a pull
 * fetches that file again and nothing else. One that cannot be renamed is out of use as long as it
 * stays as it is (models_bad.c). One that is gone is told. Loop thread only.
 */
#ifndef RBEE_HIVE_CHORES_VERIFY_H
#define RBEE_HIVE_CHORES_VERIFY_H

#include "api/errors.h"

struct hive;
struct http_exchange;

/*
 * One model, or all that were downloaded or imported (model_ref NULL). Answers the exchange: an
 * error, or a stream of {"stage":"verifying",...bytes}, {"stage":"verified","model_ref","sha256"},
 * {"stage":"bad","model_ref","code","message","kept_as","hint"}, {"stage":"noted"} for a model
 * whose digest nobody told, at last {"stage":"complete","verified","bad","noted"}.
 */
void verify_run(struct hive *h, struct http_exchange *x, const char *model_ref);

#endif
