/* places_why.c - why nothing may come at a place. See places.h; asked once in a while. */
#include "grammar/places_internal.h"

enum places_why places_ask_why(struct places *p, const uint32_t *at)
{
    enum places_why why = PLACES_NO_TOKEN;
    uint64_t max_work = p->work + GRAMMAR_MAX_WORK;

    for (unsigned byte = 0; byte < 256 && why == PLACES_NO_TOKEN; byte++) {
        uint32_t to;

        if (byte && p->automaton->class_of[byte] == p->automaton->class_of[byte - 1])
            continue;
        to = places_search_step(p, *at, (unsigned char)byte);
        if (p->work > max_work)
            why = PLACES_TOO_LONG;
        else if (p->too_deep)
            why = PLACES_TOO_DEEP;
        else if (to == PLACE_OVER)
            why = PLACES_TOO_MANY;
        else if (to == PLACE_NO_MEMORY)
            why = PLACES_WHY_NO_MEMORY;
    }
    return why;
}
