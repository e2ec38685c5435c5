/* The periodic look at the workers, on a clock that the test moves: when one is ended, and of what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>

#include "api/addressee.h"
#include "base/clock.h"
#include "hive/process/procfs.h"
#include "hive/workers/workers_internal.h"
#include "net/http_client.h"

#define TICK_MS 250

static int64_t now_ms;

int64_t __wrap_clock_ms(void); /* GNU ld --wrap: the reserved name is its own */

int64_t __wrap_clock_ms(void)
{
    return now_ms;
}

static struct procfs_stat process; /* what the kernel tells of the worker's */
static struct procfs_threads threads;
static unsigned n_walks; /* through them */

int __wrap_procfs_look(const struct procfs_view *v, struct procfs_stat *out);
struct procfs_threads __wrap_procfs_threads(pid_t pid);

int __wrap_procfs_look(const struct procfs_view *v, struct procfs_stat *out)
{
    (void)v;
    *out = process;
    return 0;
}

struct procfs_threads __wrap_procfs_threads(pid_t pid)
{
    (void)pid;
    n_walks++;
    return threads;
}

/* ---- what a worker may come to ---- */

static struct {
    unsigned n;
    enum api_code code;
    char text[ERR_TEXT_MAX];
} killed;

void worker_kill(struct worker *w, enum api_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(killed.text, sizeof killed.text, fmt, ap);
    va_end(ap);
    killed.code = code;
    killed.n++;
    w->state = WORKER_CONDEMNED;
}

void worker_kill_stuck(struct worker *w, const char *what, int64_t silent_ms, int64_t limit_ms)
{
    (void)silent_ms, (void)limit_ms;
    worker_kill(w, API_WORKER_STALLED, "%s", what);
}

void worker_stop(struct worker *w)
{
    fail_msg("%s was asked to end", w->id);
}

void worker_free(struct worker *w)
{
    fail_msg("%s was forgotten", w->id);
}

void worker_move(struct worker *w, enum worker_event event)
{
    w->state = (enum worker_state)worker_state_next(w->state, event);
}

bool worker_is_stranded(const struct worker *w, int64_t now)
{
    (void)w, (void)now;
    return false;
}

bool worker_strand(struct worker *w)
{
    (void)w;
    return false;
}

void workers_room_freed(struct workers *ws)
{
    (void)ws;
}

void workers_look_at_line(struct workers *ws, int64_t now, bool late)
{
    (void)ws, (void)now, (void)late;
}

void workers_check_gone(struct workers *ws)
{
    (void)ws;
}

const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    (void)w;
    dst[0] = '\0';
    return dst;
}

static const char *own_host;

const char *workers_own_host(const struct workers *ws)
{
    (void)ws;
    return own_host;
}

static struct {
    unsigned n;
    void (*on_done)(void *arg, int rc, const struct http_response *response, const struct err *err);
    void *arg;
} asked; /* for a worker's health */

int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    (void)c, (void)err;
    asked.n++;
    asked.on_done = params->on_done;
    asked.arg = params->arg;
    *out = (struct http_call *)(uintptr_t)1;
    return 0;
}

/* ---- the world ---- */

static struct world {
    struct workers ws;
    struct worker w;
    struct config *config;
} world;

static void on_use(void *arg, const char *model_ref, int64_t unix_ms)
{
    (void)arg, (void)model_ref, (void)unix_ms;
}

/* One worker that loads. */
static int set_up(void **state)
{
    static char ref[] = "tiny", log_path[] = "/nonexistent";
    struct world *o = &world;

    *o = (struct world){0};
    killed.n = n_walks = asked.n = 0;
    own_host = "127.0.0.1";
    now_ms = 1000000;
    process = (struct procfs_stat){.state = 'S', .n_threads = 9};
    threads = (struct procfs_threads){.runnable = true};
    assert_int_equal(config_open("/nonexistent", &o->config, NULL), 0);
    assert_int_equal(config_set_flag(o->config, "hive", "load_timeout", "10s", NULL), 0);
    o->ws.params =
        (struct workers_params){.base = event_base_new(), .config = o->config, .used = on_use};
    TAILQ_INIT(&o->ws.all);
    assert_int_equal(workers_watch_create(&o->ws, NULL), 0);
    o->w = (struct worker){.owner = &o->ws,
                           .state = WORKER_LOADING,
                           .id = "worker-a",
                           .model_ref = ref,
                           .log_path = log_path,
                           .keep_alive_ms = -1,
                           .started_ms = now_ms,
                           .next_health_ms = INT64_MAX,
                           .child = {.pid = 1, .pidfd = -1},
                           .process = (struct procfs_view *)(uintptr_t)1};
    assert_int_equal(board_attach(-1, &o->w.board, NULL), 0);
    atomic_store(&o->w.board->state, BOARD_LOADING);
    TAILQ_INSERT_TAIL(&o->ws.all, &o->w, link);
    *state = o;
    return 0;
}

static int tear_down(void **state)
{
    struct world *o = *state;

    event_free(o->ws.tick);
    event_base_free(o->ws.params.base);
    board_detach(o->w.board);
    config_close(o->config);
    return 0;
}

/* The hive looks, so much time after its last look. */
static void look_after(struct world *o, int64_t ms)
{
    now_ms += ms;
    event_active(o->ws.tick, EV_TIMEOUT, 0);
    event_base_loop(o->ws.params.base, EVLOOP_NONBLOCK);
}

static void look_for(struct world *o, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += TICK_MS)
        look_after(o, TICK_MS);
}

/* ---- loading ---- */

static void test_watch__a_load_has_its_limit(void **state)
{
    struct world *o = *state;

    atomic_store(&o->w.board->bytes_total, 100);
    look_for(o, 9500);
    assert_int_equal(killed.n, 0);
    look_for(o, 750);
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_LOADING_TIMEOUT);
    assert_non_null(strstr(killed.text, "within 10 s (0 of 100 bytes"));
}

/*
 * A container that was paused, a machine that slept: worker and hive stood still together, and the
 * first look behind it found a load that had taken all its time.
 */
static void test_watch__a_pause_of_all_is_no_part_of_a_load(void **state)
{
    struct world *o = *state;

    look_for(o, 1000);
    look_after(o, 3600000);
    look_for(o, 7000);
    assert_int_equal(killed.n, 0);
    atomic_store(&o->w.board->state, BOARD_READY);
    look_for(o, 20000);
    assert_int_equal(killed.n, 0);
    assert_int_equal(o->w.state, WORKER_READY);
}

/* ---- failing ---- */

/* It said that it had failed, and stayed: nobody ever ended it, and who waited did so for ever. */
static void test_watch__a_worker_that_failed_and_stays_is_ended(void **state)
{
    struct world *o = *state;

    look_for(o, 1000);
    board_fail(o->w.board, "INVALID_MODEL_FILE", "the file ends early");
    look_for(o, WORKERS_FAILED_MS - 1000);
    assert_int_equal(killed.n, 0); /* those who watch it are told first */
    look_for(o, 1500);
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_INVALID_MODEL_FILE);
    assert_string_equal(killed.text, "the file ends early");
}

/* A state that there is not was none of those that are looked for: such a worker stayed, too. */
static void test_watch__a_state_that_is_none_is_a_failure(void **state)
{
    static const enum board_state before[] = {BOARD_LOADING, BOARD_READY};

    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        struct world *o = *state;

        atomic_store(&o->w.board->state, before[i]);
        look_for(o, 1000);
        atomic_store(&o->w.board->state, 77);
        assert_int_equal(worker_board_state(&o->w), BOARD_FAILED);
        look_for(o, WORKERS_FAILED_MS + 500);
        assert_int_equal(killed.n, 1);
        assert_int_equal(killed.code, API_WORKER_START_FAILED);
        tear_down(state);
        set_up(state);
    }
}

/* ---- threads ---- */

/*
 * Whether a thread runs or waits for a disk is asked of each, while a step or a text stands still:
 * of a worker that had made 10,000 that took the hive's loop half of its time, and there were two
 * walks a look.
 */
static void test_watch__a_worker_with_countless_threads_is_ended(void **state)
{
    struct world *o = *state;

    atomic_store(&o->w.board->state, BOARD_READY);
    atomic_store(&o->w.board->intake[BOARD_PROMPTS], 1);
    process.n_threads = PROCFS_THREADS_MAX;
    look_after(o, TICK_MS);
    assert_int_equal(n_walks, 1);
    assert_int_equal(killed.n, 0);
    process.n_threads = PROCFS_THREADS_MAX + 1;
    look_for(o, 1000);
    assert_int_equal(n_walks, 1);
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_WORKER_STALLED);
    assert_non_null(strstr(killed.text, "tiny has 1025 threads"));
}

/* ---- what /proc hides ---- */

static void busy(struct world *o)
{
    atomic_store(&o->w.board->state, BOARD_READY);
    atomic_store(&o->w.board->slots_busy, 1);
    look_after(o, TICK_MS);
}

/*
 * Workers are not dumpable, so a /proc mounted with hidepid hides them. That counted as "has
 * ended": one that made no step was never ended, and its client waited for ever.
 */
static void test_watch__silence_of_a_hidden_worker_counts(void **state)
{
    struct world *o = *state;

    o->w.process = NULL;
    busy(o);
    look_for(o, 59000);
    assert_int_equal(killed.n, 0);
    look_for(o, 1500);
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_WORKER_STALLED);
}

/* Its files were opened in time, those of its threads cannot be: whether it computes shows in the
 * time it has had. */
static void test_watch__a_worker_with_hidden_threads_that_computes_is_slow(void **state)
{
    struct world *o = *state;

    threads = (struct procfs_threads){.hidden = true};
    busy(o);
    for (int64_t at = 0; at < 590000 && killed.n == 0; at += TICK_MS) {
        process.cpu_ms += TICK_MS;
        look_after(o, TICK_MS);
    }
    assert_int_equal(killed.n, 0);
    look_for(o, 60000); /* now it sleeps */
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_WORKER_STALLED);
}

/* ---- health ---- */

/* So many times it is asked, and this is what comes. */
static void ask_times(struct world *o, unsigned times, int rc, int status)
{
    const struct http_response response = {.status = status};
    struct err err = {0};

    if (rc)
        err_set(&err, rc, "no answer came");
    for (unsigned i = 0; i < times; i++) {
        unsigned before = asked.n;

        o->w.next_health_ms = now_ms;
        look_after(o, TICK_MS);
        assert_int_equal(asked.n, before + 1);
        asked.on_done(asked.arg, rc, rc ? NULL : &response, rc ? &err : NULL);
    }
}

/*
 * The cable of a hive that is bound to one address was pulled, and NetworkManager took the address
 * away: a minute and a half later it had killed all its healthy workers for not answering.
 */
static void test_watch__an_address_that_is_gone_is_nothing_against_a_worker(void **state)
{
    struct world *o = *state;

    atomic_store(&o->w.board->state, BOARD_READY);
    ask_times(o, 2, ERR_TIMEOUT, 0);
    own_host = "192.0.2.1"; /* nobody's: RFC 5737 */
    ask_times(o, 5, ERR_UNREACHABLE, 0);
    assert_int_equal(killed.n, 0);
    assert_true(o->ws.address_gone);
    own_host = "127.0.0.1";
    ask_times(o, 1, 0, 200);
    assert_false(o->ws.address_gone);
    ask_times(o, 2, ERR_UNREACHABLE, 0);
    assert_int_equal(killed.n, 0);
    ask_times(o, 1, ERR_TIMEOUT, 0);
    assert_int_equal(killed.n, 1);
    assert_int_equal(killed.code, API_WORKER_STALLED);
}

/* Clients held all of its connections: it told its hive so, which counted that as silence. */
static void test_watch__a_worker_without_a_free_place_answers(void **state)
{
    struct world *o = *state;

    atomic_store(&o->w.board->state, BOARD_READY);
    ask_times(o, 5, 0, 503);
    ask_times(o, 2, 0, 500);
    ask_times(o, 1, 0, 503);
    ask_times(o, 2, 0, 500);
    assert_int_equal(killed.n, 0);
    ask_times(o, 1, 0, 500);
    assert_int_equal(killed.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watch__a_load_has_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch__a_pause_of_all_is_no_part_of_a_load, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_watch__a_worker_that_failed_and_stays_is_ended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_watch__a_state_that_is_none_is_a_failure, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_watch__a_worker_with_countless_threads_is_ended,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch__silence_of_a_hidden_worker_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_watch__a_worker_with_hidden_threads_that_computes_is_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_watch__an_address_that_is_gone_is_nothing_against_a_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch__a_worker_without_a_free_place_answers, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
