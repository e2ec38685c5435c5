/*
 * fuzz_fetch.c - one file on its way from a hub that is nobody's friend, or has bad days: a byte of
 * flags (1: the size is told beforehand, 2: the digest is, 4: that is of other bytes, 8: the size
 * counts 4 bytes, 16: half of a part lies there, 32: the same without a ledger of other bytes, 64:
 * a first life is cancelled), two of the size, one of how long a first life is; then a line for
 * each answer: a letter ('2' all of it, '6' what was asked for, 'w' another part, 'x' other bytes
 * of the part, 'o' all of another version, 'e' more than was asked for, '4' 404, 'r' 416, '5' 503,
 * 'u' nobody answers), a number of bytes behind which it breaks off, and letters of headers: t and
 * T two tags, l and L a length and a wrong one, d and D a digest, s and S a size. Behind the last
 * line the hub is honest.
 *
 * The fetch ends, once. A file that is in its place is what the digest says, and where no answer
 * lied it is the file. Nothing of the fetch is left.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hive/disk/digest.h"
#include "hive/fetch/fetch.h"
#include "hive/fetch/rate.h"
#include "hive/process/task.h"
#include "fake_loop.h"
#include "lines.h"
#include "net/http_client.h"
#include "scratch.h"

#define SLOTS_MAX      32
#define STEPS_MAX      20000
#define UNIT           4
#define READ_BYTES     4096 /* that come at once */
#define SIZE_BYTES_MAX (UNIT * 65536 + 1)

enum {
    FLAG_SIZE = 1,
    FLAG_DIGEST = 2,
    FLAG_OTHER_DIGEST = 4,
    FLAG_LARGE = 8,
    FLAG_PART = 16,
    FLAG_OTHER_PART = 32,
    FLAG_LIVES = 64
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int64_t __wrap_clock_ms(void);

struct http_call {
    bool there, begun, held;
    struct http_call_params params;
    uint64_t from, to, at; /* of what is sent */
    const uint8_t *bytes;
    size_t limit; /* bytes until it breaks off */
    bool breaks;
    int status;
    char kind;
    char headers[64];
    char range[64];
};

struct task {
    bool there, cancelled;
    void (*work)(void *arg, const struct task *self);
    void (*done)(void *arg);
    void *arg;
};

static uint8_t content[SIZE_BYTES_MAX + UNIT], other[SIZE_BYTES_MAX + UNIT];

static struct {
    const uint8_t *at;
    size_t left;
    uint64_t size;
    bool lied; /* with anything but failures */
    int64_t now_ms;
    struct http_call calls[SLOTS_MAX];
    struct task tasks[SLOTS_MAX];
    unsigned n_done;
    bool good;
    uint64_t told_size;
    char told_sha256[DIGEST_SHA256_BYTES];
} world;

int64_t __wrap_clock_ms(void)
{
    return world.now_ms;
}

/* ---- in the place of the helpers ---- */

int tasks_start(struct tasks *ts, void (*work)(void *arg, const struct task *self),
                void (*done)(void *arg), void *arg, struct task **out, struct err *err)
{
    (void)ts;
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (!world.tasks[i].there) {
            world.tasks[i] = (struct task){.there = true, .work = work, .done = done, .arg = arg};
            *out = &world.tasks[i];
            return 0;
        }
    return err_set(err, ERR_BUSY, "all helpers are at work");
}

void task_cancel(struct task *t)
{
    t->cancelled = true;
}

bool task_cancelled(const struct task *self)
{
    return self->cancelled;
}

/* ---- the hub ---- */

int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    (void)c;
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (!world.calls[i].there) {
            struct http_call *call = &world.calls[i];

            *call = (struct http_call){.there = true, .params = *params};
            if (params->headers && params->headers[0])
                str_copy(call->range, sizeof call->range, params->headers[0]);
            call->params.headers = NULL;
            *out = call;
            return 0;
        }
    return err_set(err, ERR_BUSY, "all calls are taken");
}

void http_call_cancel(struct http_call *c)
{
    BUG_ON(!c->there);
    c->there = false;
}

void http_call_resume(struct http_call *c)
{
    BUG_ON(!c->there);
    c->held = false;
}

/* What is asked for; false: all of it. */
static bool asked_range(const struct http_call *c, uint64_t *from, uint64_t *to)
{
    const char *at = strchr(c->range, '=');
    char *end;

    *from = 0;
    *to = world.size;
    if (!at)
        return false;
    *from = strtoull(at + 1, &end, 10);
    if (end[1])
        *to = strtoull(end + 1, NULL, 10) + 1;
    return true;
}

static void read_line(struct http_call *c)
{
    char *line, *end, *at;
    bool ranged = asked_range(c, &c->from, &c->to);

    c->limit = SIZE_MAX;
    c->bytes = content;
    c->kind = ranged ? '6' : '2';
    c->headers[0] = '\0';
    if (c->to > world.size || c->from >= c->to) /* asked by what a lie has said */
        c->kind = 'r';
    if (world.left) {
        line = take_line(&world.at, &world.left);
        if (line[0])
            c->kind = line[0];
        at = line[0] ? line + 1 : line;
        c->breaks = *at >= '0' && *at <= '9';
        if (c->breaks) {
            c->limit = strtoull(at, &end, 10);
            at = end;
        }
        str_copy(c->headers, sizeof c->headers, strlen(at) < sizeof c->headers ? at : "");
        free(line);
    }
}

static void choose_answer(struct http_call *c)
{
    uint64_t from = c->from, to = c->to;

    c->status = 206;
    switch (c->kind) {
    case 'w':
        c->from = from + 1 < world.size ? from + 1 : from;
        c->to = to < c->from ? c->from : to;
        break;
    case 'x':
        c->bytes = other;
        world.lied = true;
        break;
    case 'e':
        c->to = to + UNIT < world.size ? to + UNIT : world.size;
        break;
    case 'o':
        c->bytes = other;
        world.lied = true;
        /* fall through */
    case '2':
        c->status = 200;
        c->from = 0;
        c->to = world.size;
        break;
    case '4':
        c->status = 404;
        break;
    case 'r':
        c->status = 416;
        break;
    case '5':
        c->status = 503;
        break;
    default:
        break;
    }
    if (c->status < 300 && c->to > world.size)
        c->to = world.size;
    if (c->status < 300 && c->from > c->to)
        c->from = c->to;
    c->at = c->from;
}

static void tell(struct http_call *c, const char *name, const char *value)
{
    c->params.on_header(c->params.arg, c->status, name, value);
}

static void tell_headers(struct http_call *c)
{
    char text[96], hex[DIGEST_SHA256_BYTES];
    const uint8_t *bytes;

    if (c->status == 206) {
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)c->from,
                 (unsigned long long)(c->to > c->from ? c->to - 1 : c->from),
                 (unsigned long long)world.size);
        tell(c, "content-range", text);
    }
    for (const char *h = c->headers; *h; h++) {
        world.lied |= strchr("TLDS", *h) != NULL;
        bytes = *h == 'D' ? other : content;
        if (*h == 't' || *h == 'T')
            tell(c, "etag", *h == 't' ? "\"one\"" : "\"two\"");
        if (*h == 'l' || *h == 'L')
            snprintf(text, sizeof text, "%llu", (unsigned long long)(world.size + (*h == 'L')));
        if (*h == 'l' || *h == 'L')
            tell(c, "content-length", text);
        if (*h == 's' || *h == 'S')
            snprintf(text, sizeof text, "%llu", (unsigned long long)(world.size + (*h == 'S')));
        if (*h == 's' || *h == 'S')
            tell(c, "x-linked-size", text);
        if (*h == 'd' || *h == 'D') {
            BUG_ON(digest_of((const char *)bytes, world.size, hex, NULL));
            snprintf(text, sizeof text, "\"%s\"", hex);
            tell(c, "x-linked-etag", text);
        }
    }
}

static void end_call(struct http_call *c, int rc)
{
    struct http_response r = {.status = c->status};
    struct http_call_params p = c->params;
    struct err err = {0};

    if (rc)
        err_set(&err, rc, "it went wrong");
    c->there = false;
    p.on_done(p.arg, rc, rc ? NULL : &r, rc ? &err : NULL);
}

static void step_call(struct http_call *c)
{
    uint64_t n;

    if (!c->begun) {
        c->begun = true;
        read_line(c);
        choose_answer(c);
        if (c->kind == 'u') {
            end_call(c, ERR_UNREACHABLE);
            return;
        }
        tell_headers(c);
        return;
    }
    n = c->to - c->at;
    if (c->status >= 300)
        n = 0;
    if (n > c->limit)
        n = c->limit;
    if (n > READ_BYTES)
        n = READ_BYTES;
    if (n == 0) {
        end_call(c, c->breaks ? ERR_IO : 0);
        return;
    }
    if (!c->params.on_body(c->params.arg, c->status, (const char *)c->bytes + c->at, n)) {
        c->held = true;
        return;
    }
    if (!c->there) /* cancelled from within */
        return;
    c->at += n;
    c->limit -= n;
}

/* ---- the loop ---- */

static bool run_task(void)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (world.tasks[i].there) {
            struct task *t = &world.tasks[i];

            t->work(t->arg, t);
            t->there = false;
            t->done(t->arg);
            return true;
        }
    return false;
}

static bool run_call(unsigned turn)
{
    for (size_t k = 0; k < SLOTS_MAX; k++) {
        struct http_call *c = &world.calls[(k + turn) % SLOTS_MAX];

        if (c->there && !c->held) {
            step_call(c);
            return true;
        }
    }
    return false;
}

static void run_loop(unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        world.now_ms++;
        if (!run_active() && !run_task() && !run_call(i) &&
            (world.n_done || !run_next(&world.now_ms, 5000)))
            return;
    }
}

/* ---- what the fetch tells ---- */

static void on_bytes(void *arg, uint64_t n_bytes, uint64_t n_new)
{
    (void)arg;
    BUG_ON(world.n_done || n_bytes > SIZE_BYTES_MAX + UNIT || n_new > SIZE_BYTES_MAX);
}

static void on_told(void *arg, uint64_t size_bytes, const char *sha256)
{
    (void)arg;
    BUG_ON(world.n_done);
    world.told_size = size_bytes;
    str_copy(world.told_sha256, sizeof world.told_sha256, sha256);
}

static void on_free_stream(void *arg)
{
    (void)arg;
}

static void on_done(void *arg, struct api_error *e)
{
    (void)arg;
    world.n_done++;
    world.good = !e;
    if (e)
        BUG_ON(!e->message[0] || !str_is_utf8(e->message, strlen(e->message)));
}

/* ---- before and behind ---- */

static void put_part(const char *part, unsigned flags)
{
    const uint8_t *bytes = flags & FLAG_OTHER_PART ? other : content;

    if (flags & FLAG_PART)
        BUG_ON(path_write_file(part, bytes, world.size / 2 + 1, 0644, NULL));
}

static void check_file(const char *path, unsigned flags)
{
    char *text = NULL, hex[DIGEST_SHA256_BYTES];
    size_t n;

    BUG_ON(path_read_file(path, 2 * SIZE_BYTES_MAX, &text, &n, NULL));
    BUG_ON(digest_of(text, n, hex, NULL));
    if (world.told_sha256[0] && !str_eq(hex, world.told_sha256))
        BUG("a file of %zu bytes is in its place that is not what was told", n);
    BUG_ON(world.told_size && n != world.told_size);
    if (!world.lied && !((flags & FLAG_PART) && (flags & FLAG_OTHER_PART)))
        BUG_ON(n != world.size || memcmp(text, content, n) != 0);
    free(text);
}

static void check_nothing_left(void)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        BUG_ON(world.calls[i].there || world.tasks[i].there);
    fake_loop_check_empty();
}

static void live(const struct fetch_params *p, unsigned steps, bool last)
{
    struct fetch *f = NULL;
    struct api_error e = {0};

    world.told_size = p->size_bytes; /* what an earlier life was told is no more */
    str_copy(world.told_sha256, sizeof world.told_sha256, p->sha256);
    if (fetch_start(p, &f, &e)) {
        BUG_ON(!e.message[0]);
        api_error_done(&e);
        world.n_done++;
        return;
    }
    run_loop(steps);
    BUG_ON(last && !world.n_done);
    if (!world.n_done)
        fetch_cancel(f);
    while (run_task())
        continue;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_init("fuzz", LOG_SILENT);
    for (size_t i = 0; i < sizeof content; i++) {
        content[i] = (uint8_t)(i * 31 + i / 251);
        other[i] = content[i] ^ (i % 7 == 0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[SCRATCH_PATH_MAX], part[SCRATCH_PATH_MAX], ledger[SCRATCH_PATH_MAX];
    char sha256[DIGEST_SHA256_BYTES] = "";
    struct rate rate = {0};
    struct fetch_shared shared = {.streams_left = 4, .per_fetch = 4, .rate = &rate};
    struct fetch_params p;
    unsigned flags;

    if (size < 4)
        return 0;
    memset(&world, 0, sizeof world);
    fake_loop_begin();
    flags = data[0];
    world.now_ms = 1000;
    world.size = 1 + (data[1] | (uint64_t)data[2] << 8) * (flags & FLAG_LARGE ? UNIT : 1);
    world.at = data + 4;
    world.left = size - 4;
    scratch_path(path, "x.gguf");
    scratch_path(part, "x.gguf.part");
    scratch_path(ledger, "x.gguf.part.ledger");
    unlink(path);
    unlink(part);
    unlink(ledger);
    put_part(part, flags);
    if (flags & FLAG_DIGEST)
        BUG_ON(digest_of(flags & FLAG_OTHER_DIGEST ? other : content, world.size, sha256, NULL));
    p = (struct fetch_params){.shared = &shared,
                              .url = "https://hub.example/o/r/resolve/c/x.gguf",
                              .name = "x.gguf",
                              .path = path,
                              .size_bytes = flags & FLAG_SIZE ? world.size : 0,
                              .sha256 = sha256,
                              .stall_ms = -1,
                              .on_bytes = on_bytes,
                              .on_told = on_told,
                              .on_free_stream = on_free_stream,
                              .on_done = on_done};
    if (flags & FLAG_LIVES)
        live(&p, 1 + data[3], false);
    if (!world.n_done)
        live(&p, STEPS_MAX, true);
    if (world.good)
        check_file(path, flags);
    BUG_ON(world.n_done != 1 || shared.streams_left != 4);
    check_nothing_left();
    return 0;
}
