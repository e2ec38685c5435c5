/*
 * fuzz_board.c - the page of memory that a worker lets its hive see: a byte of the worker's life, a
 * byte of its keep-alive, and the page as any bytes. What is told of the worker is JSON of its own
 * kind with no number below zero, a failure has a sentence, and no time lies in the future.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/workers/workers_internal.h"

#define STARTED_MS INT64_C(1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The end of its log is not of the page. */
json_t *worker_log_tail(const struct worker *w)
{
    (void)w;
    return json_pack("[s]", "the last line");
}

/* Every number, in objects of objects too; but for -1 as a keep-alive for ever. */
static void check_numbers(const json_t *value)
{
    const char *name;
    json_t *one;

    BUG_ON(json_is_integer(value) && json_integer_value(value) < 0);
    json_object_foreach((json_t *)(uintptr_t)value, name, one) if (!str_eq(name, "keep_alive_ms"))
        check_numbers(one);
}

static void check_error(const struct worker *w, const json_t *told)
{
    const json_t *error = json_object_get(told, "error");
    struct api_error e;

    BUG_ON(!json_is_object(error) || !json_string_length(json_object_get(error, "message")));
    BUG_ON(!json_string_length(json_object_get(error, "code")));
    worker_board_error(w, &e);
    BUG_ON(!e.message[0] || !str_is_utf8(e.message, strlen(e.message)));
    if (w->state != WORKER_CONDEMNED)
        BUG_ON(!str_eq(e.message, json_string_value(json_object_get(error, "message"))));
}

static void check_told(const struct worker *w)
{
    json_t *told = worker_json(w, "127.0.0.1");
    const char *state = json_string_value(json_object_get(told, "state"));
    char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;

    BUG_ON(!text || !state);
    check_numbers(told);
    BUG_ON(!json_object_get(told, "cancelled") || !json_object_get(told, "sandbox"));
    if (str_eq(state, "failed"))
        check_error(w, told);
    else
        BUG_ON(json_object_get(told, "error"));
    free(text);
    json_decref(told);
}

static void check_look(const struct worker *w, int64_t now)
{
    struct worker_look look;

    worker_look(w, &look);
    BUG_ON(look.idle_since_ms < STARTED_MS || look.idle_since_ms > clock_ms());
    BUG_ON(look.ready && !look.usable);
    BUG_ON(worker_activity_ms(w, now) < 0 || worker_activity_ms(w, now) > now);
    /* A worker with work is not idle, and one that may stay for ever never is. */
    if (worker_is_idle_too_long(w, now))
        BUG_ON(w->keep_alive_ms < 0 || atomic_load(&w->board->slots_busy) ||
               atomic_load(&w->board->queued));
}

/* Steps that never move are silence, whatever else the page says. */
static void check_stall(const struct worker *w)
{
    const struct board *b = w->board;
    struct stall s = {0};
    enum stall_verdict verdict = STALL_FINE;

    for (int64_t now = 0; now < 20; now++) {
        const struct stall_look look = {.now_ms = now * STALL_LOOK_MS,
                                        .steps = atomic_load(&b->steps) + atomic_load(&b->passes),
                                        .has_work = worker_has_work(w),
                                        .p99_ms = atomic_load(&b->pass_p99_ms)};

        verdict = stall_judge(&s, &look, STALL_LOOK_MS);
        BUG_ON(stall_limit_ms(&s, STALL_LOOK_MS) < STALL_LOOK_MS);
    }
    BUG_ON((verdict == STALL_FINE) == worker_has_work(w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum worker_state lives[] = {WORKER_LOADING, WORKER_READY, WORKER_DRAINING,
                                              WORKER_SUSPENDED, WORKER_CONDEMNED};
    static char ref[] = "tiny", path[] = "/models/tiny.gguf", log[] = "/logs/worker.log";
    static struct workers owner;
    struct worker w = {.owner = &owner,
                       .id = "worker-fuzz",
                       .model_ref = ref,
                       .model_path = path,
                       .log_path = log,
                       .backend = "cpu",
                       .started_ms = STARTED_MS};
    struct board *board = NULL;
    int64_t now = clock_ms();

    if (size < 2 || board_attach(-1, &board, NULL))
        return 0;
    w.state = lives[data[0] % (sizeof lives / sizeof lives[0])];
    w.ready_ms = data[0] & 0x80 ? now : 0;
    w.keep_alive_ms = data[1] == 0xff ? -1 : data[1] * INT64_C(1000);
    memcpy(board, data + 2, size - 2 < sizeof *board ? size - 2 : sizeof *board);
    w.board = board;
    if (w.state == WORKER_CONDEMNED)
        api_error_set(&w.error, API_WORKER_STALLED, "hive", "it was stuck");
    check_told(&w);
    check_look(&w, now);
    check_stall(&w);
    board_detach(board);
    return 0;
}
