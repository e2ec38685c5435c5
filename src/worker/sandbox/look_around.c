/* look_around.c - see look_around.h. */
#include "worker/sandbox/look_around.h"

#include <jansson.h>
#include <time.h>

#include "engine/engine.h"

/* jansson takes the seed of its hash tables from /dev/urandom, or else from the clock. */
void look_around(void)
{
    tzset();
    json_object_seed(0);
    engine_usable_cpus();
}
