/*
 * keeper_world.h - for targets that run the keeper's commands as they are: the world around them.
 * In the place of the calls, the clock and the outputs stands what the linker was told to put there
 * (keeper_world in meson.build). What a hive answers is the target's to say: hive_says.
 */
#ifndef RBEE_FUZZ_KEEPER_WORLD_H
#define RBEE_FUZZ_KEEPER_WORLD_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"
#include "keeper/shell/interrupt.h"
#include "net/http_client.h"
#include "net/http_url.h"

#define FORM_FEED '\f'
#define NODE      "192.0.2.1:8080" /* for documentation (RFC 5737): nobody's */
#define OUT_MAX   ((size_t)64 << 20)

/* ---- what the linker puts in the place of the world (--wrap) ---- */

int __wrap_isatty(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int64_t __wrap_clock_ms(void);
void __wrap_clock_sleep_ms(int64_t ms);
int __wrap_http_client_create_plain(struct event_base *base, enum http_names names,
                                    struct http_client **out, struct err *err);
int __wrap_http_client_set_pin(struct http_client *c, const char *pin, struct err *err);
void __wrap_http_client_stood_still(struct http_client *c, int64_t ms);
void __wrap_http_client_free(struct http_client *c);
void __wrap_http_call_cancel(struct http_call *call);
int __wrap_http_call_start(struct http_client *c, const struct http_call_params *params,
                           struct http_call **out, struct err *err);
int __wrap_http_fetch(struct http_client *c, const struct http_call_params *params,
                      const volatile bool *stop, int *status, struct buf *body, struct err *err);

static struct {
    bool inside, tty, person; /* stdout is a terminal, stdin is */
    int64_t now_ms;
    const uint8_t *at; /* the answers that are left, a form feed between them */
    size_t left;
    struct buf out, errors;
} world;

int __wrap_isatty(int fd)
{
    return fd == STDERR_FILENO || (fd == STDOUT_FILENO && world.tty) ||
           (fd == STDIN_FILENO && world.person);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (!world.inside || (fd != STDOUT_FILENO && fd != STDERR_FILENO))
        return __real_write(fd, bytes, n);
    BUG_ON(buf_put(fd == STDOUT_FILENO ? &world.out : &world.errors, bytes, n));
    return (ssize_t)n;
}

/* stdout takes all there is, and stdin, if any is read (typing.h), has more. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
    BUG_ON(n != 1 || (fds->fd != STDOUT_FILENO && fds->fd != STDIN_FILENO));
    BUG_ON(fds->fd == STDIN_FILENO && ms <= 0);
    fds->revents = fds->events;
    return 1;
}

int64_t __wrap_clock_ms(void)
{
    return ++world.now_ms;
}

void __wrap_clock_sleep_ms(int64_t ms)
{
    world.now_ms += ms;
}

static int nobody; /* whose address stands for a client and a call */

int __wrap_http_client_create_plain(struct event_base *base, enum http_names names,
                                    struct http_client **out, struct err *err)
{
    (void)base;
    (void)names;
    (void)err;
    *out = (struct http_client *)(void *)&nobody;
    return 0;
}

int __wrap_http_client_set_pin(struct http_client *c, const char *pin, struct err *err)
{
    (void)c;
    (void)pin;
    (void)err;
    return 0;
}

void __wrap_http_client_stood_still(struct http_client *c, int64_t ms)
{
    (void)c;
    (void)ms;
}

void __wrap_http_client_free(struct http_client *c)
{
    (void)c;
}

void __wrap_http_call_cancel(struct http_call *call)
{
    (void)call;
}

/* ---- the hive ---- */

struct said {
    int status, rc;
    bool interrupt; /* somebody presses Ctrl+C in its middle */
    const char *bytes;
    size_t n;
};

/* The answer to this call; the target's. */
static struct said hive_says(const struct http_call_params *params);

/* Ctrl+C; a second one would end the process. */
static void press_interrupt(void)
{
    if (!interrupt_seen())
        raise(SIGINT);
}

/* The next of the target's input, which has one. */
static struct said next_said(void)
{
    static const struct said kinds[] = {['2'] = {.status = 200},
                                        ['4'] = {.status = 404},
                                        ['5'] = {.status = 503},
                                        ['r'] = {.rc = ERR_UNREACHABLE},
                                        ['t'] = {.rc = ERR_TIMEOUT},
                                        ['b'] = {.status = 200, .rc = ERR_IO},
                                        ['i'] = {.status = 200, .interrupt = true}};
    const uint8_t *end = memchr(world.at, FORM_FEED, world.left);
    size_t n = end ? (size_t)(end - world.at) : world.left;
    struct said a = {.status = 200};

    if (n && world.at[0] < sizeof kinds / sizeof kinds[0])
        a = kinds[world.at[0]];
    if (a.status == 0 && a.rc == 0)
        a.status = 200;
    a.bytes = (const char *)world.at + (n ? 1 : 0);
    a.n = n ? n - 1 : 0;
    n += end ? 1 : 0;
    world.at += n;
    world.left -= n;
    return a;
}

/* As http_plain.c does with what cannot be sent. */
static int check_url(const char *url, struct err *err)
{
    struct http_url parts;
    int rc = http_url_parse(url, &parts, err);

    for (const char *p = url; rc == 0 && *p; p++)
        BUG_ON((unsigned char)*p <= ' ');
    return rc;
}

static struct said answer_to(const struct http_call_params *params, struct err *err)
{
    struct err why = {0};
    int rc = check_url(params->url, &why);
    struct said a = rc ? (struct said){.rc = rc} : hive_says(params);

    if (rc)
        *err = why;
    else if (a.rc)
        err_set(err, a.rc, "the call of %.100s went wrong", params->url);
    return a;
}

static void tell_headers(const struct http_call_params *p, const struct said *a)
{
    if (p->on_connected && (a->status || (a->rc == ERR_TIMEOUT && a->n % 2)))
        p->on_connected(p->arg);
    if (p->on_header && a->status)
        p->on_header(p->arg, a->status, "retry-after", a->n % 2 ? "1" : "86400");
}

int __wrap_http_fetch(struct http_client *c, const struct http_call_params *params,
                      const volatile bool *stop, int *status, struct buf *body, struct err *err)
{
    struct said a = answer_to(params, err);

    (void)c;
    if (stop && *stop)
        return err_set(err, ERR_CANCELLED, "interrupted");
    tell_headers(params, &a);
    if (a.rc == 0 && buf_put(body, a.bytes, a.n))
        return err_set(err, ERR_LIMIT, "the answer is too long");
    *status = a.status;
    return a.rc;
}

/* All of it at once, before it returns: as when every byte was there already. */
int __wrap_http_call_start(struct http_client *c, const struct http_call_params *params,
                           struct http_call **out, struct err *err)
{
    struct err why = {0};
    struct said a = answer_to(params, &why);
    struct http_response r = {.status = a.status, .url = params->url};
    struct buf body;

    (void)c;
    if (a.rc == ERR_INVALID) {
        *err = why;
        return a.rc;
    }
    if (out)
        *out = (struct http_call *)(void *)&nobody;
    buf_init(&body, params->body_max + 1);
    buf_put(&body, a.bytes, params->body_max < a.n ? params->body_max : a.n);
    r.body = params->body_max ? &body : NULL;
    tell_headers(params, &a);
    for (size_t half = a.n / 2, k = 0; k < 2 && params->on_body && a.status; k++) {
        params->on_body(params->arg, a.status, a.bytes + k * half, k ? a.n - half : half);
        if (a.interrupt)
            press_interrupt();
    }
    params->on_done(params->arg, a.rc, a.status ? &r : NULL, a.rc ? &why : NULL);
    buf_done(&body);
    return 0;
}

/* ---- what came of it ---- */

/* Bytes of the keeper's own sequence for a terminal at `s`, 0 when it is none. */
static size_t own_sequence(const char *s)
{
    static const char *const own[] = {"\r", "\033[K", "\033[32m", "\033[2m", "\033[0m"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (str_starts(s, own[i]))
            return strlen(own[i]);
    return 0;
}

static void check_screen(const struct buf *shown)
{
    const char *text = buf_str(shown);

    BUG_ON(!str_is_utf8(text, shown->len));
    for (size_t at = 0; at < shown->len;) {
        size_t own = own_sequence(text + at);
        int len = own ? (int)own : utf8_len(text + at, shown->len - at);
        uint32_t code = own ? ' ' : utf8_code(text + at, len);

        if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0))
            BUG("byte %zu of the screen is U+%04X: %.200s", at, code, text);
        at += (size_t)len;
    }
}

#endif
