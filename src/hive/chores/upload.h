/*
 * upload.h - models that another machine's keeper brings, piece by piece (`models push`).
 *
 * An upload is known by the SHA-256 that the model's first file is to have; its files lie in
 * <models>/push/<sha256>/ under the plain names of the manifest, each with a ledger beside it
 * (ledger.h). There is nothing else: no session, no open file, so that a sender who vanishes costs
 * nothing, and one who comes again, after any end of the hive too, goes on from what is there. The
 * way of a model:
 *
 *  1. upload_begin: its manifest. What the ledgers tell is hashed; what is missing is answered.
 *  2. upload_put, for each piece: its own digest is compared before a byte is written.
 *  3. upload_commit: the files are taken in as an import that moves (import.h): hashed whole,
 *     judged, entered into the catalog.
 *
 * What is never finished is found by `models prune`, once nothing has come for UPLOAD_ACTIVE_S: a
 * keeper that waits, or a hive that was restarted, shall not lose it. Loop thread only.
 */
#ifndef RBEE_HIVE_CHORES_UPLOAD_H
#define RBEE_HIVE_CHORES_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hive/chores/manifest.h"

#define UPLOAD_FOLDER      "push"     /* in the models folder */
#define UPLOAD_PIECE_BYTES (1u << 20) /* of a request; also what the ledger knows pieces by */
#define UPLOAD_ACTIVE_S    600
#define UPLOAD_RETRY_S     5 /* Retry-After while the model is being taken in */

struct card;
struct hive;
struct http_exchange;
struct models;
struct unlinked;

/*
 * `manifest` (taken over) holds one model. Answers the exchange: an error (409 while it is being
 * downloaded here, 503 while it is being taken in), or a stream:
 * {"stage":"here","local_path"} when the model is here; else {"stage":"checking",...bytes} and
 * {"stage":"missing","bytes_missing","bytes_total","files":[{"file","missing":[[from,to],...]}]},
 * or {"stage":"error",...}: DISK_FULL when what is missing does not fit.
 */
void upload_begin(struct hive *h, struct http_exchange *x, struct manifest *manifest);

/* May a piece be written now? ERR_CONFLICT while the upload is being taken in. */
int upload_may_put(const struct models *m, const char *id, struct err *err);

/*
 * In any thread, one at a time. Bytes of the upload's file, from `from`, within one MiB of it.
 * `said` is their SHA-256 in hex. ERR_INVALID when it is not, or they lie across two of these or
 * beyond the file's end; ERR_NOT_FOUND when no upload of it was begun; ERR_CONFLICT; ERR_NO_SPACE.
 * The same piece once more changes nothing.
 */
int upload_put(const struct models *m, const char *id, const char *file, uint64_t from,
               const char *bytes, size_t n, const char *said, struct err *err);

/*
 * `manifest` (taken over) as for upload_begin. Answers as import_run does; as upload_begin when the
 * model is here, so that it may be asked again.
 */
void upload_commit(struct hive *h, struct http_exchange *x, struct manifest *manifest);

/* Forgets what came; what is large is put to *u, which may be NULL. ERR_NOT_FOUND, ERR_CONFLICT. */
int upload_drop(const struct models *m, const char *id, struct unlinked *u, struct err *err);

/* The folder of each upload to which something came within UPLOAD_ACTIVE_S. */
void upload_each_active(const struct models *m, void (*each)(void *arg, const char *dir),
                        void *arg);

/* Is it a file of an upload? And, once it was moved away: its ledger goes too, and an empty folder.
 */
bool upload_is_part(const struct models *m, const char *path);
void upload_moved(const char *part);
/* At the start: of an upload that has become this model, what a killed hive did not tidy up. */
void upload_sweep(const struct models *m, const struct card *card);

#endif
