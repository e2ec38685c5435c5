/*
 * upload_piece.h - a piece of an upload, checked and written in a helper thread: a disk that takes
 * no more holds up nobody else. One after the other, as their ledger has one writer. Loop thread.
 */
#ifndef RBEE_HIVE_CHORES_UPLOAD_PIECE_H
#define RBEE_HIVE_CHORES_UPLOAD_PIECE_H

#include <stdint.h>

#include "base/err.h"

#define UPLOAD_PIECES_MAX 64 /* that wait to be written; who comes behind them is to try again */

struct hive;
struct http_exchange;

/* Answers the exchange, whose body it is: 204 once upload_put has it, or why not. */
void upload_piece(struct hive *h, struct http_exchange *x, const char *id, const char *file,
                  uint64_t from, const char *said);

/* Answers with what a function of upload.h returned; *err has the text. */
void upload_fail(struct http_exchange *x, int rc, const struct err *err);

#endif
