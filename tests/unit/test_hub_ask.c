/* Tests of asks of the hub: src/hive/fetch/hub_ask.c, with a transport that notes what it is to
 * call, and the answers that a test gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/fetch/hub_ask.h"
#include "hive/process/turns.h"
#include "net/http_client.h"

#define CALLS_MAX 16

/* A call of the transport's; repo of "https://hub/api/models/o/REPO/...". */
struct http_call {
    struct http_call_params p;
    char repo[16];
    bool over;
};

static struct event_base *base;
static struct turns *turns;
static struct http_call calls[CALLS_MAX];
static unsigned n_calls, n_under_way;

int __wrap_http_call_start(struct http_client *c, const struct http_call_params *params,
                           struct http_call **out, struct err *err);
void __wrap_http_call_cancel(struct http_call *call);

int __wrap_http_call_start(struct http_client *c, const struct http_call_params *params,
                           struct http_call **out, struct err *err)
{
    const char *repo = strstr(params->url, "/o/");

    (void)c;
    (void)err;
    assert_true(n_calls < CALLS_MAX && repo);
    *out = &calls[n_calls++];
    **out = (struct http_call){.p = *params};
    str_copy((*out)->repo, sizeof(*out)->repo, repo + 3);
    (*out)->repo[strcspn((*out)->repo, "/")] = '\0';
    n_under_way++;
    return 0;
}

void __wrap_http_call_cancel(struct http_call *call)
{
    if (!call)
        return;
    call->over = true;
    n_under_way--;
}

static void answer(struct http_call *call, int status)
{
    struct buf body;
    struct http_response r = {.status = status, .body = &body};

    assert_false(call->over);
    buf_init(&body, 16);
    buf_put(&body, "{}", 2);
    call->over = true;
    n_under_way--;
    call->p.on_done(call->p.arg, 0, &r, NULL);
    buf_done(&body);
}

/* Who asks, and what came of it. */
struct asker {
    struct hub_ask *ask;
    bool told;
    int code; /* -1: the hub's answer */
    char message[256];
};

static void on_told(void *arg, const struct buf *body, struct api_error *e)
{
    struct asker *a = arg;

    assert_false(a->told);
    a->told = true;
    a->ask = NULL;
    a->code = body ? -1 : (int)e->code;
    if (e)
        str_copy(a->message, sizeof a->message, e->message);
}

static void ask(struct asker *a, const char *who, const char *repo, int64_t patience_ms)
{
    const struct hub_ask_params params = {.base = base,
                                          .turns = turns,
                                          .who = who,
                                          .endpoint = "https://hub",
                                          .repo = repo,
                                          .patience_ms = patience_ms,
                                          .arg = a,
                                          .done = on_told};
    struct api_error e;

    *a = (struct asker){0};
    assert_int_equal(hub_ask_start(&params, &a->ask, &e), 0);
}

static void loop(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void loop_a_bit(void)
{
    const struct timeval when = {.tv_usec = 2000};

    event_base_loopexit(base, &when);
    event_base_dispatch(base);
}

static void loop_for(int64_t ms)
{
    int64_t end = clock_ms() + ms;

    while (clock_ms() < end)
        loop_a_bit();
}

static int begin(void **state)
{
    struct err err;

    (void)state;
    n_calls = n_under_way = 0;
    base = event_base_new();
    return base ? turns_create(base, &turns, &err) : -1;
}

static int finish(void **state)
{
    (void)state;
    turns_free(turns);
    event_base_free(base);
    return 0;
}

/* Each holds up to 16 MiB of an answer: 40 that a hub did not end took 660 MB, and 4096 could. */
static void test_hub_ask__four_are_under_way_and_others_come_in_their_order(void **state)
{
    static const char *const repos[] = {"o/a", "o/b", "o/c", "o/d", "o/e", "o/f", "o/g"};
    struct asker a[7];

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        ask(&a[i], "1.2.3.4", repos[i], 0);
    assert_int_equal(n_calls, 0); /* from the loop */
    loop();
    assert_int_equal(n_calls, TURNS_AT_ONCE);
    hub_ask_cancel(a[4].ask); /* its client has left */
    answer(&calls[2], 200);
    assert_true(a[2].told && a[2].code == -1);
    answer(&calls[0], 404);
    assert_int_equal(a[0].code, API_MODEL_NOT_FOUND);
    loop();
    assert_int_equal(n_under_way, TURNS_AT_ONCE);
    assert_string_equal(calls[4].repo, "f");
    assert_string_equal(calls[5].repo, "g");
    hub_ask_cancel(a[1].ask);
    for (unsigned i = 3; i < 6; i++)
        answer(&calls[i], 200);
    assert_int_equal(n_under_way, 0);
    assert_false(a[4].told || a[1].told);
}

static void test_hub_ask__a_crowd_holds_up_nobody_else(void **state)
{
    struct asker crowd[8], one;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        ask(&crowd[i], "1.2.3.4", "o/many", 0);
    loop();
    ask(&one, "", "o/one", 0);
    loop();
    assert_int_equal(n_calls, TURNS_AT_ONCE);
    hub_ask_cancel(crowd[3].ask);
    loop();
    assert_string_equal(calls[4].repo, "one");
    answer(&calls[4], 200);
    for (unsigned i = 0; i < 8; i++)
        if (i != 3)
            hub_ask_cancel(crowd[i].ask);
}

static void test_hub_ask__who_waits_in_line_waits_no_longer_than_the_patience(void **state)
{
    struct asker busy[TURNS_AT_ONCE], late;
    int64_t began_ms;

    (void)state;
    for (unsigned i = 0; i < TURNS_AT_ONCE; i++)
        ask(&busy[i], "1.2.3.4", "o/busy", 10000);
    began_ms = clock_ms();
    ask(&late, "1.2.3.4", "o/late", 50);
    while (!late.told && clock_ms() - began_ms < 10000)
        loop_a_bit();
    assert_true(clock_ms() - began_ms >= 40); /* libevent's clock is some ms late */
    assert_int_equal(late.code, API_QUEUE_TIMEOUT);
    assert_string_equal(late.message,
                        "the hub https://hub was not asked about o/late: others ask it, 4 at once, "
                        "and its turn did not come within 50 ms");
    assert_int_equal(n_calls, TURNS_AT_ONCE);
    for (unsigned i = 0; i < TURNS_AT_ONCE; i++)
        assert_false(busy[i].told); /* theirs is the call's to meet */
    assert_true(calls[0].p.timeout_ms <= 10000);
    for (unsigned i = 0; i < TURNS_AT_ONCE; i++)
        hub_ask_cancel(busy[i].ask);
}

static void test_hub_ask__a_pause_is_nobodys_turn(void **state)
{
    struct asker busy[TURNS_AT_ONCE], next;

    (void)state;
    for (unsigned i = 0; i < TURNS_AT_ONCE; i++)
        ask(&busy[i], "1.2.3.4", "o/busy", 0);
    ask(&next, "1.2.3.4", "o/next", 0);
    loop();
    answer(&calls[0], 503);
    loop();
    assert_string_equal(calls[4].repo, "next");
    loop_for(HUB_ASK_PAUSE_MS + 30); /* it would be asked anew by now, and waits for its turn */
    assert_int_equal(n_calls, 5);
    answer(&calls[4], 200);
    loop();
    assert_string_equal(calls[5].repo, "busy");
    answer(&calls[5], 200);
    assert_true(busy[0].told && busy[0].code == -1);
    for (unsigned i = 1; i < TURNS_AT_ONCE; i++)
        hub_ask_cancel(busy[i].ask);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(test_hub_ask__four_are_under_way_and_others_come_in_their_order),
        ONE(test_hub_ask__a_crowd_holds_up_nobody_else),
        ONE(test_hub_ask__who_waits_in_line_waits_no_longer_than_the_patience),
        ONE(test_hub_ask__a_pause_is_nobodys_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
