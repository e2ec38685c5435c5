/* test_worker_launch.c - from an ask to a worker: whose keep-alive becomes what. */
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

static char ref[] = "tiny", path[] = "/models/tiny.gguf", logs_dir[] = "/nonexistent";
static uint64_t free_bytes;

/* In the place of the machine, and of the process that looks into a file: that is over when the
 * test says so. */
void machine_memory(uint64_t *total, uint64_t *available)
{
    *total = 64 * GIB;
    *available = free_bytes;
}

static struct {
    void (*done)(void *arg, const struct model_facts *facts, struct api_error *e);
    void *arg;
} asked;

int judge_model(struct judge *j, const char *model_path,
                void (*done)(void *arg, const struct model_facts *facts, struct api_error *e),
                void *arg, struct judge_ask **out, struct api_error *e)
{
    (void)j, (void)model_path, (void)e;
    asked.done = done;
    asked.arg = arg;
    *out = (struct judge_ask *)&asked;
    return 0;
}

/* Of the files that are not here. */
bool worker_is_alive(const struct worker *w)
{
    return w->state != WORKER_DEAD;
}

void worker_free(struct worker *w)
{
    TAILQ_REMOVE(&w->owner->all, w, link);
    free(w->model_ref);
    free(w->model_path);
    free(w->log_path);
    free(w);
}

void workers_check_gone(struct workers *ws)
{
    (void)ws;
}

int worker_may_start(struct workers *ws, const struct launch *l, struct api_error *e,
                     int *retry_after_s)
{
    (void)ws, (void)l, (void)e, (void)retry_after_s;
    return 0;
}

int worker_start(struct worker *w, struct api_error *e)
{
    (void)e;
    w->state = WORKER_LOADING;
    return 0;
}

void worker_stop(struct worker *w)
{
    fail_msg("%s was asked to end", w->id);
}

void worker_line_join(struct worker *w, const struct worker_room *room)
{
    (void)room;
    fail_msg("%s stands in line", w->id);
}

int64_t worker_line_until_ms(const struct workers *ws, const struct launch *l, int64_t now)
{
    (void)ws, (void)l;
    return now;
}

json_t *worker_log_tail(const struct worker *w)
{
    (void)w;
    return json_array();
}

/* A hive with the defaults, and one worker that is ready: 4096 positions in four slots, pinned. */
struct rig {
    struct config *config;
    struct workers owner;
    struct worker small;
    const struct worker *given; /* to who asked */
};

static void rig_open(struct rig *r)
{
    const struct launch l = {.ctx = 4096};
    char home[] = "/tmp/rbee-test-launch-XXXXXX";

    memset(r, 0, sizeof *r);
    assert_non_null(mkdtemp(home));
    assert_int_equal(config_open(home, &r->config, NULL), 0);
    rmdir(home);
    TAILQ_INIT(&r->owner.all);
    r->owner.params.config = r->config;
    r->owner.logs_dir = logs_dir;
    r->small = (struct worker){
        .owner = &r->owner,
        .state = WORKER_READY,
        .id = "worker-small",
        .model_ref = ref,
        .model_path = path,
        .backend = "cpu",
        .keep_alive_ms = -1,
        .ready_ms = 1,
        .facts = {.context_length = 100000, .kv_bytes_per_token = 1024, .weight_bytes = 4096}};
    assert_int_equal(board_attach(-1, &r->small.board, NULL), 0);
    atomic_store(&r->small.board->state, BOARD_READY);
    atomic_store(&r->small.board->n_ctx, 4096);
    atomic_store(&r->small.board->slots_total, 4);
    assert_int_equal(workers_plan(&r->owner, &l, &r->small.facts, &r->small.need, NULL), 0);
    TAILQ_INSERT_TAIL(&r->owner.all, &r->small, link);
    free_bytes = 32 * GIB;
}

static void rig_close(struct rig *r)
{
    struct worker *w;

    while ((w = TAILQ_NEXT(&r->small, link)))
        worker_free(w);
    board_detach(r->small.board);
    config_close(r->config);
}

static void on_given(void *arg, const struct worker *w, struct api_error *e, int retry_after_s)
{
    struct rig *r = arg;

    (void)retry_after_s;
    assert_null(e);
    r->given = w;
}

static struct launch ask_of(int64_t keep_alive_ms)
{
    return (struct launch){.model_ref = ref,
                           .model_path = path,
                           .backend = "cpu",
                           .keep_alive_given = true,
                           .keep_alive_ms = keep_alive_ms};
}

/*
 * `infer --ctx 8192 --keep-alive 0` was given a pinned worker with 4096, passed it by for a new
 * one, and had unpinned it: it ended half a minute later.
 */
static void test_worker_launch__a_keep_alive_is_not_for_one_that_is_too_small(void **state)
{
    struct launch l = ask_of(0);
    struct rig r;

    (void)state;
    rig_open(&r);
    l.ctx = 8192;
    workers_launch(&r.owner, &l, on_given, &r);
    assert_ptr_equal(r.given, &r.small);
    assert_int_equal(r.small.keep_alive_ms, -1);
    l.ctx = 4096;
    l.slots = 5;
    workers_launch(&r.owner, &l, on_given, &r);
    assert_int_equal(r.small.keep_alive_ms, -1);
    l.slots = 4;
    workers_launch(&r.owner, &l, on_given, &r);
    assert_int_equal(r.small.keep_alive_ms, 0);
    rig_close(&r);
}

/* The request is to have 9000; when the file was looked into, its room is gone, and the one that
 * has 4096 is at work. */
static void launch_without_room(struct rig *r, const struct launch *l)
{
    r->given = NULL;
    free_bytes = 32 * GIB;
    workers_launch(&r->owner, l, on_given, r);
    assert_null(r->given);
    free_bytes = 0;
    atomic_store(&r->small.board->slots_busy, 1);
    asked.done(asked.arg, &r->small.facts, NULL);
    atomic_store(&r->small.board->slots_busy, 0);
    assert_ptr_equal(r->given, &r->small);
}

/* Who asked for a larger one, and was given the smaller after all, had his keep-alive forgotten. */
static void test_worker_launch__a_keep_alive_goes_with_who_is_handed_over(void **state)
{
    struct launch l = ask_of(60000);
    struct rig r;

    (void)state;
    rig_open(&r);
    l.ctx_min = 9000;
    launch_without_room(&r, &l);
    assert_int_equal(r.small.keep_alive_ms, 60000);
    r.small.keep_alive_ms = -1;
    l.keep_alive_given = false; /* who wants none in particular changes none */
    launch_without_room(&r, &l);
    assert_int_equal(r.small.keep_alive_ms, -1);
    rig_close(&r);
}

/* A larger one stays as long as the one whose place it takes, but is not pinned by that. */
static void test_worker_launch__a_larger_one_inherits_the_keep_alive(void **state)
{
    struct launch l = ask_of(0);
    struct rig r;

    (void)state;
    rig_open(&r);
    l.keep_alive_given = false;
    l.ctx_min = 9000;
    r.small.keep_alive_ms = 7000;
    workers_launch(&r.owner, &l, on_given, &r);
    assert_int_equal(TAILQ_NEXT(&r.small, link)->keep_alive_ms, 7000);
    asked.done(asked.arg, &r.small.facts, NULL);
    assert_ptr_equal(r.given, TAILQ_NEXT(&r.small, link));
    assert_int_equal(r.given->ctx, 16384);
    assert_int_equal(r.small.keep_alive_ms, 7000);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_launch__a_keep_alive_is_not_for_one_that_is_too_small),
        cmocka_unit_test(test_worker_launch__a_keep_alive_goes_with_who_is_handed_over),
        cmocka_unit_test(test_worker_launch__a_larger_one_inherits_the_keep_alive),
    };

    return cmocka_run_group_tests_name("worker_launch", tests, NULL, NULL);
}
