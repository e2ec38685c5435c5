/*
 * http_curl.c - libcurl's multi interface on a libevent loop: sockets and timer.
 *
 * One thread, the loop's. libcurl resolves names in threads of its own and is told not to wait for
 * them, so that no call here blocks.
 */
#include "net/http_curl.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/str.h"

/* Never asked of a proxy, whatever the environment says. */
#define CLIENT_NO_PROXY "localhost,127.0.0.0/8,::1"
#define BLANKS          " \t"

static void take_away(struct http_call *call)
{
    struct curl_call *t = (struct curl_call *)call;

    if (t->added)
        curl_multi_remove_handle(curl_client_of(call)->multi, t->easy);
    t->added = false;
}

/* Ends the calls libcurl is done with; their on_done may start and cancel others. */
static void client_collect(struct curl_client *c)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(c->multi, &n_left))) {
        struct curl_call *t = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        take_away(&t->call);
        http_curl_ended(t, code);
    }
}

static void client_act(struct curl_client *c, curl_socket_t fd, int mask)
{
    int n_running;

    c->c.n_entered++;
    curl_multi_socket_action(c->multi, fd, mask, &n_running);
    c->c.n_entered--;
    client_collect(c);
}

static void begin(struct http_call *call)
{
    struct curl_call *t = (struct curl_call *)call;

    if (curl_multi_add_handle(curl_client_of(call)->multi, t->easy) == CURLM_OK) {
        t->added = true;
        return;
    }
    call->out_of_memory = true;
    http_curl_ended(t, CURLE_OUT_OF_MEMORY);
}

static void go_on(struct http_call *call)
{
    struct curl_call *t = (struct curl_call *)call;
    struct curl_client *c = curl_client_of(call);
    CURLcode code;

    c->c.n_entered++;
    code = curl_easy_pause(t->easy, CURLPAUSE_CONT); /* may give bytes at once */
    c->c.n_entered--;
    if (code != CURLE_OK) {
        take_away(call);
        http_curl_ended(t, code);
    }
    client_collect(c);
}

static void done(struct http_call *call)
{
    struct curl_call *t = (struct curl_call *)call;

    if (t->easy)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
}

/* ---- libcurl's sockets and timer ---- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    int mask =
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);

    client_act(arg, fd, mask);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_client *c = arg;
    struct event *ev = socket_arg;
    short events = EV_PERSIST;

    (void)easy;
    if (ev)
        event_free(ev);
    curl_multi_assign(c->multi, fd, NULL);
    if (what == CURL_POLL_REMOVE)
        return 0;
    if (what != CURL_POLL_OUT)
        events |= EV_READ;
    if (what != CURL_POLL_IN)
        events |= EV_WRITE;
    ev = event_new(c->c.base, fd, events, on_socket, c);
    if (!ev || event_add(ev, NULL)) {
        if (ev)
            event_free(ev);
        return -1;
    }
    curl_multi_assign(c->multi, fd, ev);
    return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    client_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_timer(CURLM *multi, long ms, void *arg)
{
    struct curl_client *c = arg;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    (void)multi;
    if (ms < 0)
        event_del(c->ev_timer);
    else
        event_add(c->ev_timer, &tv);
    return 0;
}

/* ---- life ---- */

/* Our own and the environment's; owned, NULL: no memory. "*" means all hosts to libcurl only where
 * it stands alone. */
static char *make_no_proxy(void)
{
    const char *given = getenv("no_proxy"), *word;

    if (!given)
        given = getenv("NO_PROXY");
    if (!given)
        return str_dup(CLIENT_NO_PROXY);
    word = given + strspn(given, BLANKS);
    if (*word == '*' && word[1 + strspn(word + 1, BLANKS)] == '\0')
        return str_dup("*");
    return str_printf("%s,%s", CLIENT_NO_PROXY, given);
}

static int client_setup(struct curl_client *c, struct err *err)
{
    c->no_proxy = make_no_proxy();
    c->multi = curl_multi_init();
    c->ev_timer = evtimer_new(c->c.base, on_timer, c);
    if (!c->no_proxy || !c->multi || !c->ev_timer)
        return err_no_memory(err, 0, "an HTTP client");
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return 0;
}

static void client_close(struct http_client *base)
{
    struct curl_client *c = (struct curl_client *)base;

    if (c->multi)
        curl_multi_cleanup(c->multi); /* closes its sockets: watch_socket drops their events */
    if (c->ev_timer)
        event_free(c->ev_timer);
    http_client_done(base);
    free(c->no_proxy);
    free(c);
    curl_global_cleanup();
}

static const struct http_transport by_curl = {
    .call_bytes = sizeof(struct curl_call),
    .setup = http_curl_setup,
    .begin = begin,
    .go_on = go_on,
    .has_sent = http_curl_has_sent,
    .remove = take_away,
    .done = done,
    .close = client_close,
};

int http_client_create_curl(struct event_base *base, struct http_client **out, struct err *err)
{
    struct curl_client *c;
    int rc;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_IO, "libcurl cannot be set up");
    c = calloc(1, sizeof *c);
    if (!c) {
        curl_global_cleanup();
        return err_no_memory(err, sizeof *c, "an HTTP client");
    }
    rc = http_client_init(&c->c, base, &by_curl, err);
    if (rc == 0)
        rc = client_setup(c, err);
    if (rc)
        client_close(&c->c);
    else
        *out = &c->c;
    return rc;
}
