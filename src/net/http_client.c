/*
 * http_client.c - libcurl's multi interface on a libevent loop: sockets, timer, deferred work.
 *
 * One thread, the loop's. libcurl resolves names in threads of its own and is told not to wait for
 * them, so that no call here blocks.
 */
#include "net/http_client_internal.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"

/* Never asked of a proxy, whatever the environment says. */
#define CLIENT_NO_PROXY "localhost,127.0.0.0/8,::1"

void http_client_wake(struct http_client *c)
{
    event_active(c->ev_later, EV_TIMEOUT, 1);
}

void http_client_remove(struct http_call *call)
{
    if (call->started)
        curl_multi_remove_handle(call->client->multi, call->easy);
    call->started = false;
}

/* Ends the calls libcurl is done with; their on_done may start and cancel others. */
static void client_collect(struct http_client *c)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(c->multi, &n_left))) {
        struct http_call *call = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        http_client_remove(call);
        http_call_ended(call, code);
    }
}

static void client_act(struct http_client *c, curl_socket_t fd, int mask)
{
    int n_running;

    c->in_curl++;
    curl_multi_socket_action(c->multi, fd, mask, &n_running);
    c->in_curl--;
    client_collect(c);
}

/* ---- deferred work ---- */

static void call_begin(struct http_call *call)
{
    struct http_client *c = call->client;

    if (curl_multi_add_handle(c->multi, call->easy) == CURLM_OK) {
        call->started = true;
        return;
    }
    call->out_of_memory = true;
    http_call_ended(call, CURLE_OUT_OF_MEMORY);
}

static void call_go_on(struct http_call *call)
{
    struct http_client *c = call->client;
    CURLcode code;

    call->to_resume = call->paused = false;
    call->last_byte_ms = clock_ms();
    c->in_curl++;
    code = curl_easy_pause(call->easy, CURLPAUSE_CONT); /* may give bytes at once */
    c->in_curl--;
    if (code == CURLE_OK)
        return;
    http_client_remove(call);
    http_call_ended(call, code);
}

/* A call that has something to be done to it, or NULL. */
static struct http_call *client_next_due(struct http_client *c)
{
    for (struct http_call *call = c->calls; call; call = call->next)
        if (call->cancelled || !call->started || (call->to_resume && call->paused))
            return call;
    return NULL;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *c = arg;
    struct http_call *call;

    (void)fd, (void)what;
    /* Searched anew each time: what is done may run callbacks that change the list. */
    while ((call = client_next_due(c))) {
        if (call->cancelled) {
            http_client_remove(call);
            http_call_free(call);
        } else if (!call->started) {
            call_begin(call);
        } else {
            call_go_on(call);
        }
    }
    client_collect(c);
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
    struct http_client *c = arg;
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
    ev = event_new(c->base, fd, events, on_socket, c);
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
    struct http_client *c = arg;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    (void)multi;
    if (ms < 0)
        event_del(c->ev_timer);
    else
        event_add(c->ev_timer, &tv);
    return 0;
}

/* ---- life ---- */

static int client_setup(struct http_client *c, struct err *err)
{
    const char *no_proxy = getenv("no_proxy");

    if (!no_proxy)
        no_proxy = getenv("NO_PROXY");
    c->no_proxy =
        no_proxy ? str_printf("%s,%s", CLIENT_NO_PROXY, no_proxy) : str_dup(CLIENT_NO_PROXY);
    c->multi = curl_multi_init();
    c->ev_timer = evtimer_new(c->base, on_timer, c);
    c->ev_later = evtimer_new(c->base, on_later, c);
    if (!c->no_proxy || !c->multi || !c->ev_timer || !c->ev_later)
        return err_no_memory(err, 0, "an HTTP client");
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return 0;
}

int http_client_create(struct event_base *base, struct http_client **out, struct err *err)
{
    struct http_client *c;
    int rc;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_IO, "libcurl cannot be set up");
    c = calloc(1, sizeof *c);
    if (!c) {
        curl_global_cleanup();
        return err_no_memory(err, sizeof *c, "an HTTP client");
    }
    c->base = base;
    rc = client_setup(c, err);
    if (rc)
        http_client_free(c);
    else
        *out = c;
    return rc;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    BUG_ON(c->in_curl);
    while (c->calls) {
        http_client_remove(c->calls);
        http_call_free(c->calls);
    }
    if (c->multi)
        curl_multi_cleanup(c->multi); /* closes its sockets: watch_socket drops their events */
    if (c->ev_timer)
        event_free(c->ev_timer);
    if (c->ev_later)
        event_free(c->ev_later);
    free(c->no_proxy);
    free(c);
    curl_global_cleanup();
}
