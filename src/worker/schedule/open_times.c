/* open_times.c - see open_times.h. */
#include "worker/schedule/open_times.h"

#include "base/timings.h"
#include "engine/engine.h"

void open_times_put(struct timings *t, const struct engine_model *m)
{
    struct engine_open_times times;

    engine_model_open_times(m, &times);
    timings_part(t, "header", times.header_ns);
    timings_part(t, "weights", times.weights_ns);
    timings_part(t, "tokenizer", times.tokenizer_ns);
}
