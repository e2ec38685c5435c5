/* test_keeper_client.c - the keeper's calls, and a program that is stopped in their middle. */
#include "http_peer.h"

#include "keeper/node/client.h"

#define STOPPED_MS 120000
#define STALL_MS   60000

int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);

static _Thread_local int64_t stopped_ms; /* how long this thread's program was stopped so far */

int64_t __wrap_clock_ms(void)
{
    return __real_clock_ms() + stopped_ms;
}

/* A server that says the rest of its answer when it is told to. */
struct teller {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_bool go_on;
};

static void *tell(void *arg)
{
    struct teller *t = arg;
    char seen[4096];
    int fd = accept(t->fd, NULL, NULL);

    if (peer_hear(fd, seen, sizeof seen)) {
        raw_say(fd, OK("data: {\"n\":1}\n\n"));
        while (!t->go_on)
            clock_sleep_ms(2);
        raw_say(fd, "data: {\"n\":2}\n\ndata: [DONE]\n\n");
    }
    close(fd);
    return NULL;
}

struct watcher {
    struct client *client;
    struct teller teller;
    int n_events, n_turns; /* turns: behind the first event */
    int64_t began_ms;
};

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct watcher *w = arg;

    (void)data;
    (void)n;
    assert_int_equal(json_integer_value(json_object_get(event, "n")), ++w->n_events);
    return true;
}

/* Ctrl+Z, fg: the loop's next turn is a timer's (epoll_wait was interrupted). The socket, with what
 * came meanwhile, has its turn behind that. */
static bool on_tick(void *arg)
{
    struct watcher *w = arg;

    if (w->n_events == 1 && w->n_turns++ == 0)
        stopped_ms += STOPPED_MS;
    else if (w->n_turns > 1)
        w->teller.go_on = true;
    return true;
}

/* A keeper that was stopped for over a minute (Ctrl+Z, fg) said that the worker had fallen silent,
 * and threw away an answer that was whole in its socket. */
static void test_client__its_own_stop_is_nobody_elses_silence(void **state)
{
    struct watcher w = {0};
    struct client_watch watch = {.head_ms = STALL_MS, .stall_ms = STALL_MS, .arg = &w};
    struct api_error e = {0};
    char url[64];
    int64_t passed_ms;
    enum client_end end;

    (void)state;
    w.teller.fd = raw_listen(&w.teller.port);
    assert_int_equal(pthread_create(&w.teller.thread, NULL, tell, &w.teller), 0);
    assert_int_equal(client_open(NULL, &w.client, NULL), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", w.teller.port);
    watch.url = url;
    watch.on_event = on_event;
    watch.on_tick = on_tick;
    w.began_ms = client_ms(w.client);
    end = client_watch(w.client, &watch, &e);
    passed_ms = client_ms(w.client) - w.began_ms;
    w.teller.go_on = true;
    pthread_join(w.teller.thread, NULL);
    close(w.teller.fd);
    client_close(w.client);
    if (end != CLIENT_DONE)
        fail_msg("end %d: %s", (int)end, e.message);
    assert_int_equal(w.n_events, 2);
    assert_true(w.n_turns > 0);              /* it was stopped */
    assert_true(passed_ms < STOPPED_MS / 2); /* and counts none of that but a moment */
}

static bool count_event(void *arg, json_t *event, const char *data, size_t n)
{
    int *n_events = arg;

    (void)event;
    (void)data;
    (void)n;
    ++*n_events;
    return true;
}

/* Who was there and says no more is left when its time is over, the head's or that between two
 * pieces of the body. The keeper's sentence is all that a person gets to read of it. */
static void test_client__who_falls_silent_is_left(void **state)
{
    static const struct {
        struct line script;
        int64_t head_ms, stall_ms;
        int n_events;
    } cases[] = {{{"", HOLD, 0}, 500, 0, 0},
                 {{OK(""), HOLD, 0}, 500, 0, 0},
                 {{OK("data: {\"n\":1}\n\n"), HOLD, 0}, 0, 1000, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_error e = {0};
        struct client *client;
        struct peer *peer = peer_start(&cases[i].script, 1);
        char url[64], words[64];
        int n_events = 0;
        struct client_watch watch = {.url = url,
                                     .head_ms = cases[i].head_ms,
                                     .stall_ms = cases[i].stall_ms,
                                     .arg = &n_events,
                                     .on_event = count_event};

        assert_int_equal(client_open(NULL, &client, NULL), 0);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", peer->port);
        snprintf(words, sizeof words, "127.0.0.1:%u sent nothing for %d s", peer->port,
                 (int)(cases[i].head_ms + cases[i].stall_ms) / 1000);
        assert_int_equal(client_watch(client, &watch, &e), CLIENT_TIMED_OUT);
        assert_int_equal(e.code, API_CONNECTION_TIMEOUT);
        if (!strstr(e.message, words))
            fail_msg("'%s' does not hold '%s'", e.message, words);
        assert_int_equal(n_events, cases[i].n_events);
        assert_int_equal(client_last(client)->rc, ERR_TIMEOUT);
        assert_true(client_last(client)->connected);
        api_error_done(&e);
        client_close(client);
        peer_stop(peer);
    }
}

/* What cannot be sent was rbee's own fault (INTERNAL, "report it"), though a person had typed it.
 */
static void test_client__what_cannot_be_asked_is_for_the_user_to_correct(void **state)
{
    struct client_ask ask = {.method = "GET", .url = "http://[fe80::2%eth 0]:8080/v1/health"};
    struct client_watch watch = {.url = ask.url, .on_event = on_event};
    struct api_error e = {0};
    struct client *client;
    json_t *answer = NULL;

    (void)state;
    assert_int_equal(client_open(NULL, &client, NULL), 0);
    assert_int_equal(client_json(client, &ask, &answer, &e), -1);
    assert_int_equal(e.code, API_INVALID_REQUEST);
    assert_non_null(strstr(e.message, "is not an http or https URL"));
    api_error_done(&e);
    e = (struct api_error){0};
    assert_int_equal(client_watch(client, &watch, &e), CLIENT_UNREACHABLE);
    assert_int_equal(e.code, API_INVALID_REQUEST);
    assert_non_null(strstr(e.message, "is not an http or https URL"));
    assert_int_equal(client_last(client)->rc, ERR_INVALID); /* not to be tried again */
    api_error_done(&e);
    client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client__its_own_stop_is_nobody_elses_silence),
        cmocka_unit_test(test_client__who_falls_silent_is_left),
        cmocka_unit_test(test_client__what_cannot_be_asked_is_for_the_user_to_correct),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
