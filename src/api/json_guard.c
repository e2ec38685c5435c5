/* json_guard.c - see json_guard.h. Source: jansson's strbuffer.c and load.c, 2.14. */
#include "api/json_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include "base/str.h"

#define LIST_LEAST 64
#define NO_MEMORY  "<no memory>" /* in the place of jansson's "<buffer>" */

static _Thread_local unsigned n_failed;

/* The text that this thread reads. */
static _Thread_local struct {
    bool under_way;
    jmp_buf out;
    void **blocks; /* what was allocated for it and is not freed; a few are NULL */
    size_t n, room;
} reading;

static bool make_room(void)
{
    size_t room = reading.room ? 2 * reading.room : LIST_LEAST;
    void **more;

    if (reading.n < reading.room)
        return true;
    more = realloc(reading.blocks, room * sizeof *more);
    if (!more)
        return false;
    reading.blocks = more;
    reading.room = room;
    return true;
}

static void *take(size_t n)
{
    void *block;

    block = !reading.under_way || make_room() ? malloc(n) : NULL;
    n_failed += block ? 0 : 1;
    if (!reading.under_way)
        return block;
    if (!block)
        longjmp(reading.out, 1);
    reading.blocks[reading.n++] = block;
    return block;
}

/* What is freed was mostly made a moment ago. */
static void give_back(void *block)
{
    if (reading.under_way && block) {
        for (size_t i = reading.n; i-- > 0;)
            if (reading.blocks[i] == block) {
                reading.blocks[i] = NULL;
                break;
            }
        while (reading.n > 0 && !reading.blocks[reading.n - 1])
            reading.n--;
    }
    free(block);
}

static void install(void)
{
    json_set_alloc_funcs(take, give_back);
}

void json_guard_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
}

unsigned json_guard_n_failed(void)
{
    json_guard_install();
    return n_failed;
}

static void end_reading(bool failed)
{
    reading.under_way = false;
    for (size_t i = 0; failed && i < reading.n; i++)
        free(reading.blocks[i]);
    free(reading.blocks);
    reading.blocks = NULL;
    reading.n = reading.room = 0;
}

json_t *json_guard_load(const char *text, size_t n, size_t flags, json_error_t *why)
{
    json_t *root;

    json_guard_install();
    reading.under_way = true;
    if (setjmp(reading.out) != 0) {
        end_reading(true);
        *why = (json_error_t){.line = 1, .source = NO_MEMORY, .text = "there is no memory for it"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
        return NULL;
    }
    root = json_loadb(text, n, flags, why);
    end_reading(false);
    return root;
}

bool json_is_no_memory(const json_error_t *why)
{
    return str_eq(why->source, NO_MEMORY);
}
