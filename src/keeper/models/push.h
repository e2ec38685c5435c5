/*
 * push.h - sends a model of this machine's hive to another hive, in pieces with their digests.
 *
 * The keeper carries the bytes, as it knows both hives: a workstation's hive is often to be reached
 * from its own machine only. What is there already, whole or in pieces, is not sent again, so a
 * push that was ended in any way is gone on with by asking for it again. The beginning, a piece and
 * the end are each asked again where their failure may pass (retry.h), a piece in a smaller size
 * (piece_size.h); an end whose answer was lost is no harm, as the hive then says that the model is
 * there.
 */
#ifndef RBEE_KEEPER_MODELS_PUSH_H
#define RBEE_KEEPER_MODELS_PUSH_H

#include "keeper/node/keeper.h"

#define PUSH_PIECE_BYTES                                                                           \
    (1u << 20)        /* of one request at most; it ends where a MiB of the file ends */
#define PUSH_ROUNDS 3 /* begun anew twice when what had come was deleted there meanwhile */

/*
 * `from` must be this machine's hive: its files are read from the disk. limit_rate: bytes a second,
 * 0 = none. Says what came of it. CLI_DONE or the exit code.
 */
int push_model(struct keeper *from, struct keeper *to, const char *model_ref, uint64_t limit_rate);

#endif
