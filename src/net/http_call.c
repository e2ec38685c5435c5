/*
 * http_call.c - one call: its start, its time limits and its end.
 *
 * The whole call's and the silence's time limits are kept here, in milliseconds, since libcurl's
 * own are in seconds and do not span redirects; the timer sleeps until the earlier one and looks
 * again.
 */
#include "net/http_client_internal.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"

/* ---- the end ---- */

void http_call_free(struct http_call *call)
{
    if (call->link) {
        *call->link = call->next;
        if (call->next)
            call->next->link = call->link;
    }
    if (call->easy)
        curl_easy_cleanup(call->easy);
    if (call->ev_timer)
        event_free(call->ev_timer);
    curl_slist_free_all(call->given);
    curl_slist_free_all(call->headers);
    free(call->method);
    free(call->url);
    free(call->bearer);
    free(call->sent);
    buf_done(&call->body);
    free(call);
}

void http_call_finish(struct http_call *call, int rc, const struct err *err)
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

/* What libcurl's code means here. */
static int explain(const struct http_call *call, CURLcode code, struct err *err)
{
    char shown[ERR_TEXT_MAX / 2];
    const char *why = call->error[0] ? call->error : curl_easy_strerror(code);

    http_url_shown(call->url, shown, sizeof shown);
    if (call->out_of_memory || code == CURLE_OUT_OF_MEMORY)
        return err_no_memory(err, 0, "an HTTP answer");
    if (call->over_limit)
        return err_set(err, ERR_LIMIT, "the answer of %s is over the %zu bytes allowed", shown,
                       call->head_bytes > HTTP_CLIENT_HEAD_MAX ? (size_t)HTTP_CLIENT_HEAD_MAX
                                                               : call->params.body_max);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "connecting to %s took longer than %lld ms", shown,
                       (long long)(call->params.connect_timeout_ms ? call->params.connect_timeout_ms
                                                                   : HTTP_CLIENT_CONNECT_MS));
    if (code == CURLE_URL_MALFORMAT || code == CURLE_LOGIN_DENIED)
        return err_set(err, ERR_INVALID, "the URL %s cannot be used: %s", shown, why);
    if (call->status)
        return err_set(err, ERR_IO, "%s broke off its answer after %llu bytes: %s", shown,
                       (unsigned long long)call->body_bytes, why);
    return err_set(err, ERR_UNREACHABLE, "%s does not answer: %s", shown, why);
}

static int next_hop(struct http_call *call, struct err *err)
{
    char *url = NULL;
    int rc;

    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &url);
    rc = http_hop_next(call, url, err);
    return rc ? rc : http_call_setup(call, err);
}

void http_call_ended(struct http_call *call, CURLcode code)
{
    struct err err = {0};
    int rc = 0;

    if (call->cancelled) {
        http_call_free(call);
        return;
    }
    if (code != CURLE_OK)
        rc = explain(call, code, &err);
    else if (http_hop_is_redirect(call)) {
        rc = next_hop(call, &err);
        if (rc == 0) {
            http_client_wake(call->client);
            return;
        }
    }
    http_call_finish(call, rc, &err);
}

/* ---- time ---- */

static bool has_uploaded(struct http_call *call)
{
    curl_off_t n = 0;

    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &n);
    if (n == call->n_uploaded)
        return false;
    call->n_uploaded = n;
    return true;
}

/* Milliseconds until the next look, 0 for none; fills err when a limit has passed. */
static int64_t check_time(struct http_call *call, struct err *err)
{
    const struct http_call_params *params = &call->params;
    char shown[ERR_TEXT_MAX / 2];
    int64_t now = clock_ms(), wait = 0;

    http_url_shown(call->url, shown, sizeof shown);
    if (params->stall_ms) {
        if (call->paused || has_uploaded(call))
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

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct http_call *call = arg;
    struct err err = {0};
    int64_t wait = check_time(call, &err);
    struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};

    (void)fd, (void)what;
    if (err.code == 0) {
        if (wait > 0)
            event_add(call->ev_timer, &tv);
        return;
    }
    http_client_remove(call);
    if (call->cancelled)
        http_call_free(call);
    else
        http_call_finish(call, err.code, &err);
}

/* ---- the caller's side ---- */

static bool is_one_line(const char *s)
{
    return s[strcspn(s, "\r\n")] == '\0';
}

static int copy_headers(struct http_call *call, const struct http_call_params *params,
                        struct err *err)
{
    if (params->bearer && !is_one_line(params->bearer))
        return err_set(err, ERR_INVALID, "the key has a line end in it");
    for (size_t i = 0; params->headers && params->headers[i]; i++) {
        if (!is_one_line(params->headers[i]))
            return err_set(err, ERR_INVALID, "header %zu of the request has a line end in it", i);
        if (http_add_line(&call->given, params->headers[i]))
            return err_no_memory(err, strlen(params->headers[i]), "a request's header");
    }
    return 0;
}

static int copy_params(struct http_call *call, const struct http_call_params *params,
                       struct err *err)
{
    struct http_origin origin;
    int rc = http_origin_of(params->url, &origin, err);

    if (rc)
        return rc;
    http_origin_done(&origin);
    call->params = *params;
    buf_init(&call->body, params->body_max);
    call->method = str_dup(params->method ? params->method : "GET");
    call->url = str_dup(params->url);
    call->bearer = params->bearer ? str_dup(params->bearer) : NULL;
    call->sent = params->body ? str_ndup(params->body, params->body_bytes) : NULL;
    call->ev_timer = evtimer_new(call->client->base, on_time, call);
    if (!call->method || !call->url || (params->bearer && !call->bearer) ||
        (params->body && !call->sent) || !call->ev_timer)
        return err_no_memory(err, params->body_bytes, "an HTTP request");
    return copy_headers(call, params, err);
}

int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    struct http_call *call = calloc(1, sizeof *call);
    struct timeval now = {0, 0};
    int rc;

    if (!call)
        return err_no_memory(err, sizeof *call, "an HTTP request");
    call->client = c;
    rc = copy_params(call, params, err);
    if (rc == 0)
        rc = http_call_setup(call, err);
    if (rc) {
        http_call_free(call);
        return rc;
    }
    call->started_ms = call->last_byte_ms = clock_ms();
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
