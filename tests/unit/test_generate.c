/* A worker that says nothing, on a clock of the test's: how long the keeper waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/ask/generate.h"
#include "keeper/ask/ready.h"

#define WORKER "worker-d39c248d-dce0-4586-a848-b84ecc2a5f37"

static int64_t now_ms;
static struct client_last last;
static struct {
    enum { IDLE, BUSY, UNKNOWN, LOST, BROKEN, DEAD, LOADING } says[8]; /* one look after another */
    size_t n_asked;
} hive;

/* GNU ld --wrap: the reserved names are its own. */
int64_t __wrap_client_ms(struct client *c);
const struct client_last *__wrap_client_last(const struct client *c);
int __wrap_keeper_get(struct keeper *k, const char *path, json_t **out, struct api_error *e);
enum client_end __wrap_client_watch(struct client *c, const struct client_watch *w,
                                    struct api_error *e);
int __wrap_client_json(struct client *c, const struct client_ask *ask, json_t **out,
                       struct api_error *e);

int64_t __wrap_client_ms(struct client *c)
{
    (void)c;
    return now_ms;
}

const struct client_last *__wrap_client_last(const struct client *c)
{
    (void)c;
    return &last;
}

int __wrap_keeper_get(struct keeper *k, const char *path, json_t **out, struct api_error *e)
{
    int says = hive.says[hive.n_asked < 7 ? hive.n_asked : 7];

    (void)k;
    assert_string_equal(path, "/v1/workers/" WORKER);
    hive.n_asked++;
    last = (struct client_last){.rc = says == LOST ? ERR_TIMEOUT : 0};
    *out = says == IDLE      ? json_pack("{s:i, s:i}", "slots_busy", 0, "queued", 0)
           : says == BUSY    ? json_pack("{s:i, s:i}", "slots_busy", 0, "queued", 1)
           : says == LOADING ? json_pack("{s:s}", "state", "loading")
           : says == DEAD    ? json_pack("{s:s, s:{s:s, s:s, s:s}}", "state", "failed", "error",
                                         "code", "WORKER_START_FAILED", "message", "it is gone",
                                         "log_path", "/logs/w.log")
                             : NULL;
    if (says == LOST)
        api_error_set(e, API_CONNECTION_TIMEOUT, "keeper", "no answer came");
    else if (says == UNKNOWN)
        api_error_set(e, API_NOT_FOUND, "hive", "there is no such worker");
    else if (says == BROKEN)
        api_error_set(e, API_INTERNAL, "hive", "the hive is ill");
    return *out ? 0 : -1;
}

/* The worker at its own port, a look after the other; with all of them seen it is ready. */
static struct {
    enum {
        SHUT,
        SLOW,
        LOADS
    } is[8]; /* no connection comes about; it is there, and says nothing
                yet; it says that it loads */
    size_t n, n_asked;
} port;

int __wrap_client_json(struct client *c, const struct client_ask *ask, json_t **out,
                       struct api_error *e)
{
    (void)c;
    assert_string_equal(ask->url, "http://h:8081/v1/ready");
    if (port.n_asked == port.n) {
        *out = json_pack("{s:s, s:b}", "worker_id", WORKER, "ready", 1);
        return 0;
    }
    if (port.is[port.n_asked] == LOADS) {
        port.n_asked++;
        *out = json_pack("{s:s, s:b}", "worker_id", WORKER, "ready", 0);
        return 0;
    }
    last = (struct client_last){.rc = ERR_TIMEOUT, .connected = port.is[port.n_asked++] == SLOW};
    now_ms += last.connected ? ask->timeout_ms : ask->connect_timeout_ms;
    api_error_set(e, API_CONNECTION_TIMEOUT, "keeper", "it took too long");
    return -1;
}

/* An hour in which nothing comes; of who waits for a model: all the time there is. */
enum client_end __wrap_client_watch(struct client *c, const struct client_watch *w,
                                    struct api_error *e)
{
    (void)c;
    if (!w->on_tick) {
        now_ms += w->timeout_ms;
        api_error_set(e, API_CONNECTION_TIMEOUT, "keeper", "it took too long");
        return CLIENT_TIMED_OUT;
    }
    for (int s = 0; s < 3600; s++) {
        now_ms += 1000;
        if (!w->on_tick(w->arg))
            return CLIENT_STOPPED;
    }
    api_error_set(e, API_INTERNAL, "keeper", "the hour is over");
    return CLIENT_TIMED_OUT;
}

/* Runs one from 0 on the clock, and returns when it ended. */
static int64_t run(struct api_error *e)
{
    static const struct pool_worker worker = {.id = WORKER, .url = "http://h:8081"};
    static char prompt[] = "Once";
    struct inference_request r = {.prompt = prompt, .prompt_bytes = 4, .max_tokens = 1};
    struct keeper k = {.term = {.quiet = true}};
    struct generate how = {0};

    snprintf(k.node.url, sizeof k.node.url, "http://h:8080");
    now_ms = 0;
    hive.n_asked = 0;
    assert_int_equal(generate_run(&k, &worker, &r, &how, e), GENERATE_FAILED);
    return now_ms;
}

#define SAYS(...) memcpy(hive.says, (const int[8]){__VA_ARGS__}, sizeof hive.says)

/*
 * The cable was pulled while the request was on its way: "the worker is busy" was all that the
 * keeper said for as long as the kernel sent it anew, for many minutes. A hive that cannot be
 * reached counted as one that says that there is work.
 */
static void test_generate__a_hive_that_is_not_reached_twice_ends_the_wait(void **state)
{
    struct api_error e = {0};

    (void)state;
    SAYS(LOST, LOST);
    assert_int_equal(run(&e), 2 * GENERATE_STALL_MS);
    assert_int_equal(e.code, API_CONNECTION_TIMEOUT);
    assert_non_null(strstr(e.message, "the worker " WORKER " said nothing for 120 s, and the "
                                      "hive at http://h:8080 does not answer"));
    assert_int_equal(hive.n_asked, 2);
    api_error_done(&e);
}

/* It may be restarting, or have too much to do, while its worker works. */
static void test_generate__a_hive_that_answers_in_between_is_there(void **state)
{
    struct api_error e = {0};

    (void)state;
    SAYS(LOST, BUSY, LOST, BROKEN, LOST, BUSY, UNKNOWN);
    assert_int_equal(run(&e), 7 * GENERATE_STALL_MS);
    assert_int_equal(e.code, API_WORKER_STALLED);
    api_error_done(&e);
    SAYS(BUSY, IDLE);
    assert_int_equal(run(&e), 2 * GENERATE_STALL_MS);
    assert_int_equal(e.code, API_WORKER_STALLED);
    assert_non_null(strstr(e.message, "its hive knows of no work that it has"));
    api_error_done(&e);
}

static int wait_for_ready(struct api_error *e)
{
    static const struct pool_worker worker = {.id = WORKER, .url = "http://h:8081"};
    struct keeper k = {.term = {.quiet = true}};

    now_ms = 0;
    port.n_asked = hive.n_asked = 0;
    return ready_wait(&k, &worker, "tiny", e);
}

/*
 * A firewall dropped what came for the workers' ports. The keeper connected twenty times, 10 s
 * each, without a word, and spoke of a worker that could not start.
 */
static void test_ready__a_port_that_takes_no_connection_is_told_of_soon(void **state)
{
    struct api_error e = {0};

    (void)state;
    SAYS(BUSY, BUSY);
    memcpy(port.is, (const int[8]){SHUT, SHUT, SHUT, SHUT, SHUT, SHUT, SHUT, SHUT}, sizeof port.is);
    port.n = 8;
    assert_int_equal(wait_for_ready(&e), -1);
    assert_true(now_ms <= 10000);
    assert_int_equal(e.code, API_CONNECTION_TIMEOUT);
    assert_non_null(strstr(e.message, WORKER " runs, says its hive, but cannot be reached: it took "
                                             "too long"));
    assert_non_null(strstr(json_string_value(json_object_get(e.details, "hint")),
                           "port 8081 of that machine does not: let the workers' ports"));
    api_error_done(&e);
}

/* One that is connected to is there: a slow disk, a machine that has much to do. */
static void test_ready__a_worker_that_is_slow_to_answer_is_waited_for(void **state)
{
    struct api_error e = {0};

    (void)state;
    SAYS(BUSY, BUSY, BUSY, BUSY);
    memcpy(port.is, (const int[8]){SLOW, SLOW, SHUT, SLOW}, sizeof port.is);
    port.n = 4;
    assert_int_equal(wait_for_ready(&e), 0);
    assert_int_equal(port.n_asked, 4);
    assert_true(now_ms > 30000);
}

/* The hive knew why, but the keeper told people to type "`rbee-keeper logs WORKER`". */
static void test_ready__an_error_names_the_worker(void **state)
{
    static const int says[] = {DEAD, UNKNOWN};
    struct api_error e = {0};
    char room[API_HINT_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SAYS(says[i]);
        port.is[0] = SHUT;
        port.n = 1;
        assert_int_equal(wait_for_ready(&e), -1);
        assert_int_equal(e.code, API_WORKER_START_FAILED);
        assert_string_equal(json_string_value(json_object_get(e.details, "worker_id")), WORKER);
        assert_int_equal(json_object_get(e.details, "log_path") != NULL, says[i] == DEAD);
        assert_non_null(strstr(api_error_hint(&e, room), "`rbee-keeper logs worker-d39c248d`"));
        api_error_done(&e);
    }
}

/* With `load_timeout = 1h` the hive waited for a large model on a slow disk, and the keeper left
 * after five minutes. */
static void test_ready__a_model_is_waited_for_as_long_as_its_hive_waits(void **state)
{
    struct api_error e = {0};

    (void)state;
    SAYS(LOADING, LOADING);
    memcpy(port.is, (const int[8]){LOADS, LOADS}, sizeof port.is);
    port.n = 2;
    assert_int_equal(wait_for_ready(&e), 0);
    assert_int_equal(hive.n_asked, 2);
    assert_int_equal(now_ms, 600000);
    SAYS(LOADING, LOST);
    port.is[2] = LOADS;
    port.n = 3;
    assert_int_equal(wait_for_ready(&e), -1);
    assert_int_equal(e.code, API_LOADING_TIMEOUT);
    assert_non_null(strstr(e.message, "within 600 seconds"));
    api_error_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate__a_hive_that_is_not_reached_twice_ends_the_wait),
        cmocka_unit_test(test_generate__a_hive_that_answers_in_between_is_there),
        cmocka_unit_test(test_ready__a_port_that_takes_no_connection_is_told_of_soon),
        cmocka_unit_test(test_ready__a_worker_that_is_slow_to_answer_is_waited_for),
        cmocka_unit_test(test_ready__an_error_names_the_worker),
        cmocka_unit_test(test_ready__a_model_is_waited_for_as_long_as_its_hive_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
