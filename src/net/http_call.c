/*
 * http_call.c - one call: its start, its time limits, what its caller is told, and its end.
 *
 * The whole call's and the silence's time limits are kept here, in milliseconds; the timer sleeps
 * until the earlier one and looks again. Connecting is the transport's to limit.
 */
#include "net/http_client_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"

/* ---- the end ---- */

static void free_lines(char **lines)
{
    for (size_t i = 0; lines && lines[i]; i++)
        free(lines[i]);
    free(lines);
}

void http_call_free(struct http_call *call)
{
    if (call->link) {
        *call->link = call->next;
        if (call->next)
            call->next->link = call->link;
    }
    call->client->via->done(call);
    if (call->ev_timer)
        event_free(call->ev_timer);
    free_lines(call->given);
    free(call->method);
    free(call->url);
    free(call->bearer);
    free(call->pin);
    free(call->sent);
    buf_done(&call->body);
    free(call);
}

static void finish(struct http_call *call, int rc, const struct err *err)
{
    struct http_response response = {
        .status = call->status,
        .url = call->url,
        .body_bytes = call->body_bytes,
        .body = call->params.body_max ? &call->body : NULL,
        .first_byte_ms = call->first_byte_ms ? call->first_byte_ms - call->started_ms : 0,
        .total_ms = clock_ms() - call->started_ms,
    };

    call->ended = true;
    if (call->params.on_done)
        call->params.on_done(call->params.arg, rc, &response, rc ? err : NULL);
    http_call_free(call);
}

static int limit_passed(const struct http_call *call, struct err *err)
{
    char shown[ERR_TEXT_MAX / 2];

    http_url_shown(call->url, shown, sizeof shown);
    if (call->out_of_memory)
        return err_no_memory(err, 0, "an HTTP answer");
    if (call->head_over)
        return err_set(err, ERR_LIMIT, "the head of the answer of %s is over the %u bytes allowed",
                       shown, HTTP_CLIENT_HEAD_MAX);
    if (call->body_over)
        return err_set(err, ERR_LIMIT, "the answer of %s is over the %zu bytes allowed", shown,
                       call->params.body_max);
    return 0;
}

void http_call_ended(struct http_call *call, int rc, const struct err *err)
{
    struct err mine = {0};

    if (call->cancelled) {
        http_call_free(call);
        return;
    }
    if (limit_passed(call, &mine))
        finish(call, mine.code, &mine);
    else
        finish(call, rc, err);
}

int http_call_broken(const struct http_call *call, const char *why, struct err *err)
{
    char shown[ERR_TEXT_MAX / 2];

    http_url_shown(call->url, shown, sizeof shown);
    if (call->status)
        return err_set(err, ERR_IO, "%s broke off its answer after %llu bytes: %s", shown,
                       (unsigned long long)call->body_bytes, why);
    return err_set(err, ERR_UNREACHABLE, "%s does not answer: %s", shown, why);
}

int64_t http_call_connect_ms(const struct http_call *call)
{
    return call->params.connect_timeout_ms ? call->params.connect_timeout_ms
                                           : HTTP_CLIENT_CONNECT_MS;
}

int http_call_connect_late(const struct http_call *call, struct err *err)
{
    char shown[ERR_TEXT_MAX / 2];

    return err_set(err, ERR_TIMEOUT, "connecting to %s took longer than %lld ms",
                   http_url_shown(call->url, shown, sizeof shown),
                   (long long)http_call_connect_ms(call));
}

/* ---- what comes ---- */

void http_call_connected(const struct http_call *call)
{
    if (call->params.on_connected && !call->cancelled)
        call->params.on_connected(call->params.arg);
}

void http_call_sending(const struct http_call *call)
{
    if (call->params.on_sending && !call->cancelled)
        call->params.on_sending(call->params.arg);
}

void http_call_heard(struct http_call *call)
{
    call->last_byte_ms = clock_ms();
    if (!call->first_byte_ms)
        call->first_byte_ms = call->last_byte_ms;
}

enum http_taken http_call_take_body(struct http_call *call, const char *bytes, size_t n)
{
    const struct http_call_params *params = &call->params;

    if (params->body_max && n > params->body_max - call->body.len) {
        call->body_over = true;
        return HTTP_TAKEN_STOP;
    }
    call->to_resume = false; /* an older one; from within on_body it counts */
    if (params->on_body && !params->on_body(params->arg, call->status, bytes, n)) {
        call->paused = !call->cancelled;
        return call->cancelled ? HTTP_TAKEN_STOP : HTTP_TAKEN_PAUSE;
    }
    if (call->cancelled)
        return HTTP_TAKEN_STOP;
    call->body_bytes += n;
    if (params->body_max && buf_put(&call->body, bytes, n)) {
        call->out_of_memory = true;
        return HTTP_TAKEN_STOP;
    }
    return HTTP_TAKEN;
}

/* ---- time ---- */

/* Milliseconds until the next look, 0 for none; fills err when a limit has passed. */
static int64_t check_time(struct http_call *call, struct err *err)
{
    const struct http_call_params *params = &call->params;
    char shown[ERR_TEXT_MAX / 2];
    int64_t now = clock_ms(), wait = 0;

    http_url_shown(call->url, shown, sizeof shown);
    if (params->stall_ms) {
        if (call->paused || call->client->via->has_sent(call))
            call->last_byte_ms = now;
        wait = call->last_byte_ms + params->stall_ms - now;
        if (wait <= 0)
            err_set(err, ERR_TIMEOUT, "%s sent nothing for %lld ms", shown,
                    (long long)params->stall_ms);
    }
    if (params->timeout_ms) {
        int64_t left = call->started_ms + params->timeout_ms - now;

        if (left <= 0)
            err_set(err, ERR_TIMEOUT, "%s took longer than %lld ms in all", shown,
                    (long long)params->timeout_ms);
        if (!params->stall_ms || left < wait)
            wait = left;
    }
    return wait;
}

/* Where the loop stood still, what came meanwhile was not looked at: the call has that time, and a
 * moment for the rest. */
static void give_late(struct http_call *call)
{
    int64_t late = clock_late_ms(call->due_ms);

    if (late > 0) {
        call->started_ms += late + CLOCK_LATE_MS;
        call->last_byte_ms += late + CLOCK_LATE_MS;
    }
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct http_call *call = arg;
    struct err err = {0};
    struct timeval tv;
    int64_t wait;

    (void)fd, (void)what;
    give_late(call);
    wait = check_time(call, &err);
    if (err.code == 0) {
        tv = (struct timeval){.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};
        call->due_ms = clock_ms() + wait;
        if (wait > 0)
            event_add(call->ev_timer, &tv);
        return;
    }
    call->client->via->remove(call);
    http_call_ended(call, err.code, &err);
}

/* ---- the caller's side ---- */

bool http_line_is(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static bool is_one_line(const char *s)
{
    return s[strcspn(s, "\r\n")] == '\0';
}

static int copy_headers(struct http_call *call, const struct http_call_params *params,
                        struct err *err)
{
    size_t n = 0;

    if (params->bearer && !is_one_line(params->bearer))
        return err_set(err, ERR_INVALID, "the key has a line end in it");
    while (params->headers && params->headers[n])
        n++;
    call->given = calloc(n + 1, sizeof *call->given);
    for (size_t i = 0; call->given && i < n; i++) {
        if (!is_one_line(params->headers[i]) || !strchr(params->headers[i], ':'))
            return err_set(err, ERR_INVALID, "header %zu of the request is not one \"Name: value\"",
                           i);
        call->given[i] = str_dup(params->headers[i]);
        if (!call->given[i])
            return err_no_memory(err, strlen(params->headers[i]), "a request's header");
    }
    return call->given ? 0 : err_no_memory(err, n, "a request's headers");
}

static int copy_params(struct http_call *call, const struct http_call_params *params,
                       struct err *err)
{
    call->params = *params;
    buf_init(&call->body, params->body_max);
    call->method = str_dup(params->method ? params->method : "GET");
    call->url = str_dup(params->url);
    call->bearer = params->bearer ? str_dup(params->bearer) : NULL;
    call->pin = params->pin ? str_dup(params->pin) : NULL;
    call->sent = params->body ? str_ndup(params->body, params->body_bytes) : NULL;
    call->ev_timer = evtimer_new(call->client->base, on_time, call);
    if (!call->method || !call->url || (params->bearer && !call->bearer) ||
        (params->pin && !call->pin) || (params->body && !call->sent) || !call->ev_timer)
        return err_no_memory(err, params->body_bytes, "an HTTP request");
    return copy_headers(call, params, err);
}

int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    struct timeval now = {0, 0};
    struct http_call *call;
    int rc = c->via->make_real && !c->real ? c->via->make_real(c, err) : 0;

    if (rc)
        return rc;
    if (c->real)
        c = c->real;
    call = calloc(1, c->via->call_bytes);
    if (!call)
        return err_no_memory(err, c->via->call_bytes, "an HTTP request");
    call->client = c;
    rc = copy_params(call, params, err);
    if (rc == 0)
        rc = c->via->setup(call, err);
    if (rc) {
        http_call_free(call);
        return rc;
    }
    call->started_ms = call->last_byte_ms = call->due_ms = clock_ms();
    if (params->timeout_ms || params->stall_ms)
        event_add(call->ev_timer, &now);
    call->next = c->calls;
    call->link = &c->calls;
    if (call->next)
        call->next->link = &call->next;
    c->calls = call;
    http_client_wake(c);
    if (out)
        *out = call;
    return 0;
}

void http_call_cancel(struct http_call *call)
{
    if (!call || call->ended)
        return;
    call->cancelled = true;
    http_client_wake(call->client);
}

void http_call_resume(struct http_call *call)
{
    call->to_resume = true;
    http_client_wake(call->client);
}
