/* json_guard.c - see json_guard.h. Source: jansson's strbuffer.c and load.c, 2.14. */
#include "api/json_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"

#define LIST_LEAST 64
#define NEAR       16            /* what is freed was mostly made a moment ago */
#define NO_MEMORY  "<no memory>" /* in the place of jansson's "<buffer>" */

static _Thread_local unsigned n_failed;

struct blocks {
    void **all;
    size_t n, room;
};

/* The text that this thread reads. */
static _Thread_local struct {
    bool under_way;
    jmp_buf out;
    struct blocks made; /* for it, and not freed; a few are NULL */
    struct blocks late; /* of these, what is to be freed at the end */
} reading;

static bool make_room(struct blocks *b)
{
    size_t room = b->room ? 2 * b->room : LIST_LEAST;
    void **more;

    if (b->n < b->room)
        return true;
    more = realloc(b->all, room * sizeof *more);
    if (!more)
        return false;
    b->all = more;
    b->room = room;
    return true;
}

/* For lack of memory, of any kind: all that was made goes. */
static void give_up(void)
{
    n_failed++;
    longjmp(reading.out, 1);
}

static void *take(size_t n)
{
    void *block = !reading.under_way || make_room(&reading.made) ? malloc(n) : NULL;

    if (!reading.under_way) {
        n_failed += block ? 0 : 1;
        return block;
    }
    if (!block)
        give_up();
    reading.made.all[reading.made.n++] = block;
    return block;
}

/* Takes it from the list, if it is among the last ones. */
static bool forget(const void *block)
{
    struct blocks *made = &reading.made;
    size_t end = made->n > NEAR ? made->n - NEAR : 0, i = made->n;

    while (i > end && made->all[i - 1] != block)
        i--;
    if (i == end)
        return false;
    made->all[i - 1] = NULL;
    while (made->n > 0 && !made->all[made->n - 1])
        made->n--;
    return true;
}

/*
 * To look for an old block is a walk over all that is younger, and of a text that is refused
 * jansson frees every value, the oldest first: so those wait for the end.
 */
static void give_back(void *block)
{
    if (!reading.under_way || !block || forget(block)) {
        free(block);
        return;
    }
    if (!make_room(&reading.late))
        give_up();
    reading.late.all[reading.late.n++] = block;
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

static void free_all(const struct blocks *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->all[i]);
}

/* Nothing of a text that was refused is left; what is late is among what was made. */
static void end_reading(bool refused)
{
    reading.under_way = false;
    free_all(refused ? &reading.made : &reading.late);
    free(reading.made.all);
    free(reading.late.all);
    reading.made = reading.late = (struct blocks){0};
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
    end_reading(!root);
    return root;
}

bool json_is_no_memory(const json_error_t *why)
{
    return str_eq(why->source, NO_MEMORY);
}
