/*
 * encoder.h - one pass of whole texts through the layers of an encoder: each row sees all rows of
 * its text.
 *
 * It is made of the same parts as the decoder's pass (forward.h) and runs on the same struct: the
 * texts are sequences of a KV of one layer, filled anew for each layer and given back with the
 * pass. A row's result is the same bits whatever other texts are in the pass, and with any number
 * of threads.
 */
#ifndef RBEE_ENGINE_MODEL_ENCODER_H
#define RBEE_ENGINE_MODEL_ENCODER_H

#include "engine/model/forward.h"

/*
 * Runs f->rows, whole texts one after another. The last layer's rows land in f->s.x (n_rows, E).
 * Returns false as forward_run does.
 */
bool encoder_run(struct forward *f);

#endif
