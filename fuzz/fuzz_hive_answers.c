/*
 * fuzz_hive_answers.c - the keeper before a hive that is nobody's friend: a letter of the command,
 * a byte of flags (1: --json, 2: stdout is no terminal), then the hive's answers, a form feed
 * between them, each behind a byte of its status. The commands run as they are; in the place of
 * their calls, their clock and their outputs stands what the linker was told to put there.
 *
 * Whatever comes, the command ends with an exit code of its own, calls only what can be called,
 * prints JSON where JSON was asked for, and no terminal gets a byte that moves its cursor.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/utf8.h"
#include "keeper/commands.h"
#include "keeper/interrupt.h"
#include "keeper/keeper.h"
#include "net/http_client.h"
#include "net/http_url.h"

#define FORM_FEED '\f'
#define NODE      "192.0.2.1:8080" /* for documentation (RFC 5737): nobody's */
#define ARGS_MAX  6
#define OUT_MAX   ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- what the linker puts in the place of the world (--wrap) ---- */

int __wrap_isatty(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int64_t __wrap_clock_ms(void);
void __wrap_clock_sleep_ms(int64_t ms);
int __wrap_http_client_create_plain(struct event_base *base, enum http_names names,
                                    struct http_client **out, struct err *err);
int __wrap_http_client_set_pin(struct http_client *c, const char *pin, struct err *err);
void __wrap_http_client_free(struct http_client *c);
void __wrap_http_call_cancel(struct http_call *call);
int __wrap_http_call_start(struct http_client *c, const struct http_call_params *params,
                           struct http_call **out, struct err *err);
int __wrap_http_fetch(struct http_client *c, const struct http_call_params *params,
                      const volatile bool *stop, int *status, struct buf *body, struct err *err);

static struct {
    bool inside, tty;
    int64_t now_ms;
    const uint8_t *at; /* the answers that are left */
    size_t left;
    struct buf out, errors;
} world;

int __wrap_isatty(int fd)
{
    return fd == STDERR_FILENO || (fd == STDOUT_FILENO && world.tty);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (!world.inside || (fd != STDOUT_FILENO && fd != STDERR_FILENO))
        return __real_write(fd, bytes, n);
    BUG_ON(buf_put(fd == STDOUT_FILENO ? &world.out : &world.errors, bytes, n));
    return (ssize_t)n;
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

void __wrap_http_client_free(struct http_client *c)
{
    (void)c;
}

void __wrap_http_call_cancel(struct http_call *call)
{
    (void)call;
}

/* ---- the hive ---- */

struct answer {
    int status, rc;
    const char *bytes;
    size_t n;
};

/* When there is none any more, somebody presses Ctrl+C: whoever would go on asking ends. */
static struct answer next_answer(void)
{
    static const struct answer kinds[] = {
        ['2'] = {.status = 200},     ['4'] = {.status = 404},
        ['5'] = {.status = 503},     ['r'] = {.rc = ERR_UNREACHABLE},
        ['t'] = {.rc = ERR_TIMEOUT}, ['b'] = {.status = 200, .rc = ERR_IO}};
    const uint8_t *end;
    struct answer a = {.rc = ERR_UNREACHABLE};
    size_t n;

    if (world.left == 0) {
        if (!interrupt_seen())
            raise(SIGINT);
        return a;
    }
    end = memchr(world.at, FORM_FEED, world.left);
    n = end ? (size_t)(end - world.at) : world.left;
    a = (struct answer){.status = 200};
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

static struct answer answer_to(const char *url, struct err *err)
{
    struct err why = {0};
    int rc = check_url(url, &why);
    struct answer a = rc ? (struct answer){.rc = rc} : next_answer();

    if (rc)
        *err = why;
    else if (a.rc)
        err_set(err, a.rc, "the call of %.100s went wrong", url);
    return a;
}

static void tell_headers(const struct http_call_params *p, const struct answer *a)
{
    if (p->on_header && a->status)
        p->on_header(p->arg, a->status, "retry-after", a->n % 2 ? "1" : "86400");
}

int __wrap_http_fetch(struct http_client *c, const struct http_call_params *params,
                      const volatile bool *stop, int *status, struct buf *body, struct err *err)
{
    struct answer a = answer_to(params->url, err);

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
    struct answer a = answer_to(params->url, &why);
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
    for (size_t half = a.n / 2, k = 0; k < 2 && params->on_body && a.status; k++)
        params->on_body(params->arg, a.status, a.bytes + k * half, k ? a.n - half : half);
    params->on_done(params->arg, a.rc, a.status ? &r : NULL, a.rc ? &why : NULL);
    buf_done(&body);
    return 0;
}

/* ---- the commands ---- */

struct asked {
    int (*run)(const struct cli_command *self, int argc, char **argv);
    const char *words[ARGS_MAX];
    bool json; /* it knows --json, and prints one value with it */
};

static const struct asked commands[] = {
    {cmd_models_list, {"list"}, true},
    {cmd_models_show, {"show", "hf:o/r:Q4_K_M"}, true},
    {cmd_models_files, {"files", "hf:o/r"}, true},
    {cmd_models_downloads, {"downloads"}, true},
    {cmd_models_cancel, {"cancel", "a"}, false},
    {cmd_models_import, {"import", "--scan"}, true},
    {cmd_models_import, {"import", "/x.gguf"}, false},
    {cmd_models_export, {"export", "hf:o/r:Q4_K_M", "/x"}, false},
    {cmd_models_verify, {"verify"}, false},
    {cmd_models_prune, {"prune", "--yes"}, false},
    {cmd_models_pull, {"pull", "hf:o/r:Q4_K_M"}, false},
    {cmd_models_rm, {"rm", "hf:o/r:Q4_K_M"}, false},
    {cmd_workers_list, {"list"}, true},
    {cmd_workers_stop, {"stop", "all"}, false},
    {cmd_workers_stop, {"stop", "worker-a"}, false},
    {cmd_explain, {"explain", "--model", "hf:o/r:Q4_K_M"}, true},
    {cmd_logs, {"logs"}, false},
    {cmd_infer, {"infer", "--model", "hf:o/r:Q4_K_M", "--prompt", "x"}, false},
    {cmd_node_list, {"list"}, true},
    {cmd_models_push, {"push", "hf:o/r:Q4_K_M"}, false},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static bool takes_json(const struct asked *a)
{
    return a->run != cmd_models_cancel && a->run != cmd_models_pull && a->run != cmd_models_push &&
           a->run != cmd_models_rm && a->run != cmd_workers_stop && a->run != cmd_logs;
}

static int run(const struct asked *a, bool json)
{
    const struct cli_command self = {.name = a->words[0], .args = "ANY", .run = a->run};
    char words[ARGS_MAX + 4][32], *argv[ARGS_MAX + 4];
    int argc = 0;

    for (; argc < ARGS_MAX && a->words[argc]; argc++)
        str_copy(words[argc], sizeof words[argc], a->words[argc]);
    if (a->run != cmd_node_list) {
        str_copy(words[argc++], sizeof words[0], "--node");
        str_copy(words[argc++], sizeof words[0], NODE);
    }
    if (json)
        str_copy(words[argc++], sizeof words[0], "--json");
    for (int i = 0; i < argc; i++)
        argv[i] = words[i];
    return a->run(&self, argc - 1, argv + 1);
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

static void check_json(const struct buf *printed)
{
    json_t *value = json_loadb(buf_str(printed), printed->len, 0, NULL);

    if (!value)
        BUG("no JSON: %.300s", buf_str(printed));
    json_decref(value);
}

static void check_code(int rc)
{
    BUG_ON(rc != CLI_DONE && rc != CLI_ERROR && rc != CLI_USAGE && rc != CLI_INTERRUPTED);
    BUG_ON((rc == CLI_ERROR || rc == CLI_USAGE) && world.errors.len == 0 && world.out.len == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setenv("RBEE_HOME", "/nonexistent/rbee", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct asked *a;
    bool json;
    int rc;

    if (size < 2)
        return 0;
    a = &commands[(size_t)(data[0] - 'a') % N_COMMANDS];
    json = (data[1] & 1) && takes_json(a);
    world.tty = !(data[1] & 2);
    world.now_ms = 1000;
    world.at = data + 2;
    world.left = size - 2;
    buf_init(&world.out, OUT_MAX);
    buf_init(&world.errors, OUT_MAX);
    interrupt_clear();
    world.inside = true;
    rc = run(a, json);
    world.inside = false;
    check_code(rc);
    check_screen(&world.errors);
    if (world.tty)
        check_screen(&world.out);
    else if (json && a->json && rc == CLI_DONE)
        check_json(&world.out);
    buf_done(&world.out);
    buf_done(&world.errors);
    return 0;
}
