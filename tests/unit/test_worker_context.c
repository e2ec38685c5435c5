/* test_worker_context.c - how many positions a worker gets, and when a larger one is started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hive/machine/machine.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"

#define GIB (UINT64_C(1) << 30)

static char ref[] = "tiny", path[] = "/models/tiny.gguf";
static uint64_t free_bytes;

/* In the place of the machine: all it has is free. */
void machine_memory(uint64_t *total, uint64_t *available)
{
    *total = 64 * GIB;
    *available = free_bytes;
}

/* Of worker_end.c, which is not here. */
json_t *worker_log_tail(const struct worker *w)
{
    (void)w;
    return json_array();
}

/* Of workers.c. */
bool worker_is_alive(const struct worker *w)
{
    return w->state != WORKER_DEAD;
}

/* A hive with the defaults, and one worker as it was made for a request. */
struct rig {
    struct config *config;
    struct workers owner;
    struct worker w;
};

static void rig_open(struct rig *r, int64_t context_length)
{
    char home[] = "/tmp/rbee-test-context-XXXXXX";

    memset(r, 0, sizeof *r);
    assert_non_null(mkdtemp(home));
    assert_int_equal(config_open(home, &r->config, NULL), 0);
    rmdir(home);
    TAILQ_INIT(&r->owner.all);
    r->owner.params.config = r->config;
    r->w = (struct worker){.owner = &r->owner,
                           .state = WORKER_PREPARING,
                           .model_ref = ref,
                           .model_path = path,
                           .backend = "cpu",
                           .keep_alive_ms = 5000,
                           .facts = {.context_length = (uint64_t)context_length,
                                     .kv_bytes_per_token = 1024,
                                     .weight_bytes = 4096}};
    TAILQ_INSERT_TAIL(&r->owner.all, &r->w, link);
    free_bytes = 32 * GIB;
}

static struct launch wish_of(int64_t ctx_min)
{
    return (struct launch){
        .model_ref = ref, .model_path = path, .backend = "cpu", .ctx_min = ctx_min};
}

static void wish(struct rig *r, int64_t ctx_min)
{
    struct launch l = wish_of(ctx_min);

    worker_context_wish(&r->w, &l);
}

static bool is_small(struct rig *r, int64_t ctx_min)
{
    struct launch l = wish_of(ctx_min);

    return worker_context_is_small(&r->w, &l);
}

/* It is planned, as it would be for this context. */
static void plan(struct rig *r, int64_t ctx)
{
    const struct launch l = {.ctx = r->w.ctx = ctx};

    assert_int_equal(workers_plan(&r->owner, &l, &r->w.facts, &r->w.need, NULL), 0);
}

static void test_worker_context__wishes_are_rounded_and_grow(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, 100000);
    wish(&r, 4096); /* which it has anyway */
    assert_int_equal(r.w.ctx, 0);
    wish(&r, 9000);
    assert_int_equal(r.w.ctx, 16384);
    wish(&r, 8192);
    assert_int_equal(r.w.ctx, 16384);
    wish(&r, 16385);
    assert_int_equal(r.w.ctx, 32768);
    wish(&r, INT32_MAX);
    assert_int_equal(r.w.ctx, 16777216);
    r.w.ctx_min = r.w.ctx = 0;
    r.w.by_hand = true;
    wish(&r, 9000);
    assert_int_equal(r.w.ctx, 0);
    config_close(r.config);
}

/* What has no room is planned as it was asked for, then as the hive has it. */
static void test_worker_context__shrinks_to_the_wish_then_to_the_hives_own(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, 100000);
    plan(&r, 4096);
    assert_false(worker_context_reduce(&r.w, true)); /* nobody has wished for more */
    wish(&r, 9000);
    plan(&r, r.w.ctx);
    assert_true(worker_context_reduce(&r.w, false));
    assert_int_equal(r.w.ctx, 9000);
    assert_int_equal(r.w.need.ctx, 9000);
    assert_false(worker_context_reduce(&r.w, false));
    assert_true(worker_context_reduce(&r.w, true));
    assert_int_equal(r.w.need.ctx, 4096);
    assert_false(worker_context_reduce(&r.w, true));
    config_close(r.config);
}

static void test_worker_context__a_larger_one_where_that_can_be(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, 10000);
    assert_false(is_small(&r, 8192)); /* still being judged: it grows itself */
    plan(&r, 4096);
    assert_false(is_small(&r, 0));
    assert_false(is_small(&r, 4096));
    assert_true(is_small(&r, 4097));
    free_bytes = 36 << 20; /* it takes 16 MiB of them; 8,192 in four slots take 32 */
    assert_false(is_small(&r, 8192));
    assert_true(is_small(&r, 5000));
    free_bytes = 32 * GIB;
    plan(&r, 10000);
    assert_false(is_small(&r, 50000)); /* more than the model was trained for */
    config_close(r.config);
}

/* One that fails while it loads is tried once in ten minutes, not once in ten seconds: the request
 * that it was started for fails with it, each time. */
static void test_worker_context__not_again_after_a_failure(void **state)
{
    struct rig r;
    struct worker dead;

    (void)state;
    rig_open(&r, 100000);
    plan(&r, 4096);
    dead = r.w;
    dead.state = WORKER_DEAD;
    dead.died_loading = true;
    TAILQ_INSERT_TAIL(&r.owner.all, &dead, link);
    assert_true(is_small(&r, 8192)); /* it was none of the larger ones */
    dead.ctx_min = 8192;
    assert_false(is_small(&r, 8192));
    r.w.ctx = 0;
    wish(&r, 8192);
    assert_int_equal(r.w.ctx, 0);
    dead.device = 1;
    assert_true(is_small(&r, 8192));
    config_close(r.config);
}

/*
 * Where /proc hides a worker from the hive nobody tells how much memory it has. That counted as
 * none: all that it had taken already was promised to it once more, and the next found no room.
 */
static void test_worker_room__a_hidden_worker_that_has_loaded_has_all(void **state)
{
    struct worker_room room;
    struct rig r;

    (void)state;
    rig_open(&r, 4096);
    r.w.need.total_bytes = 20 * GIB;
    free_bytes = 12 * GIB;
    r.w.state = WORKER_LOADING;
    worker_room_look(&r.owner, NULL, &room);
    assert_true(room.usable_bytes == 0 && room.promised_bytes == 20 * GIB);
    r.w.state = WORKER_READY;
    r.w.ready_ms = 1;
    worker_room_look(&r.owner, NULL, &room);
    assert_true(room.promised_bytes == 0 && room.usable_bytes == 12 * GIB);
    config_close(r.config);
}

static size_t n_chosen(const struct worker_room *room)
{
    size_t n = 0;

    for (size_t i = 0; i < room->n; i++)
        n += room->facts[i].chosen;
    return n;
}

/* For memory idle workers were ended, for a place never: with 64 idle ones every other model got
 * "there are 64 workers already" until one had been idle for all of its keep_alive. */
static void test_worker_room__of_as_many_as_there_may_be_an_idle_one_makes_place(void **state)
{
    static struct worker many[WORKERS_MAX];
    static struct board boards[WORKERS_MAX];
    const struct plan_need need = {.total_bytes = 1 << 20};
    struct worker_room room;
    struct api_error e;
    struct rig r;

    (void)state;
    rig_open(&r, 4096);
    TAILQ_REMOVE(&r.owner.all, &r.w, link);
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        many[i] = r.w;
        many[i].board = &boards[i];
        many[i].state = WORKER_READY;
        many[i].ready_ms = 1;
        many[i].need = need;
        boards[i].state = BOARD_READY;
        boards[i].tokens_out = 1;
        boards[i].last_activity_ms = clock_ms() - (i == 7 ? 300 : 100);
        TAILQ_INSERT_TAIL(&r.owner.all, &many[i], link);
    }
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_place(&room, &e), 0);
    assert_int_equal(worker_room_for(&room, &need), ROOM_BY_ENDING);
    assert_true(n_chosen(&room) == 1 && room.facts[7].chosen);
    many[7].state = WORKER_DRAINING; /* it is waited for */
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_for(&room, &need), ROOM_BY_ENDING);
    assert_int_equal(n_chosen(&room), 0);
    many[7].state = WORKER_DEAD;
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_for(&room, &need), ROOM_IS_THERE);
    many[7].state = WORKER_READY;
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        many[i].keep_alive_ms = i == 9 ? 5000 : -1; /* pinned, but for one at work */
        boards[i].slots_busy = i == 9;
    }
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_place(&room, &e), 0);
    assert_int_equal(worker_room_for(&room, &need), ROOM_LATER);
    assert_ptr_equal(worker_room_holder(&room), &many[9]);
    many[9].keep_alive_ms = -1;
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_for(&room, &need), ROOM_NO_PLACE);
    assert_int_equal(worker_room_place(&room, &e), -1);
    assert_int_equal(e.code, API_WORKER_START_FAILED);
    api_error_done(&e);

    /* One that was looked into still counted, but not as one that ends in time: 63 pinned and that
     * one were "64 workers, all pinned" to whoever came meanwhile. */
    many[9].keep_alive_ms = 5000;
    many[9].need = (struct plan_need){0};
    many[9].state = WORKER_PREPARING;
    many[9].board = NULL;
    many[9].ready_ms = 0;
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_place(&room, &e), 0);
    assert_int_equal(worker_room_for(&room, &need), ROOM_LATER);
    many[9].need = need;
    assert_int_equal(worker_room_find(&many[9], &room), ROOM_IS_THERE); /* not in its own way */
    many[9].keep_alive_ms = -1;
    worker_room_look(&r.owner, NULL, &room);
    assert_int_equal(worker_room_for(&room, &need), ROOM_NO_PLACE);
    config_close(r.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_context__wishes_are_rounded_and_grow),
        cmocka_unit_test(test_worker_context__shrinks_to_the_wish_then_to_the_hives_own),
        cmocka_unit_test(test_worker_context__a_larger_one_where_that_can_be),
        cmocka_unit_test(test_worker_context__not_again_after_a_failure),
        cmocka_unit_test(test_worker_room__a_hidden_worker_that_has_loaded_has_all),
        cmocka_unit_test(test_worker_room__of_as_many_as_there_may_be_an_idle_one_makes_place),
    };

    return cmocka_run_group_tests_name("worker_context", tests, NULL, NULL);
}
