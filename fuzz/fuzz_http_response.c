/*
 * fuzz_http_response.c - answers of nodes as bytes: llhttp and the rules around it, without
 * sockets.
 *
 * The first byte seeds how the rest is cut into pieces, the second says whether a HEAD is answered
 * and whether the owner pauses now and then. The bytes are parsed in one piece, and in those
 * pieces with those pauses: both must tell the same headers and the same body, and come to the same
 * end. What is told must keep the promises of http_answer.h.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "net/http_answer.h"

#define IS_HEAD 1
#define PAUSES  2

struct outcome {
    enum http_answer_step step;
    uint64_t head_sum, body_sum, body_bytes, n_used;
    int status;
    bool keep_alive;
};

struct owner {
    struct outcome *out;
    uint32_t pauses; /* 0 = never; else the generator's state */
};

static uint64_t add_sum(uint64_t sum, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3; /* FNV-1a's prime */
    return sum;
}

static uint32_t step_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
    return *seed >> 28;
}

static void on_status(void *arg, int status)
{
    struct outcome *out = ((struct owner *)arg)->out;

    BUG_ON(out->status || status < 200 || status > 999);
    out->status = status;
}

static enum http_answer_wish on_header(void *arg, const char *name, const char *value)
{
    struct outcome *out = ((struct owner *)arg)->out;

    BUG_ON(!out->status || out->body_bytes || !name[0] || strpbrk(name, "\r\n: "));
    BUG_ON(strpbrk(value, "\r\n") || value[0] == ' ');
    for (const char *c = name; *c; c++)
        BUG_ON(*c >= 'A' && *c <= 'Z');
    out->head_sum = add_sum(out->head_sum, name, strlen(name) + 1);
    out->head_sum = add_sum(out->head_sum, value, strlen(value) + 1);
    return ANSWER_GO_ON;
}

static enum http_answer_wish on_body(void *arg, const char *bytes, size_t n)
{
    struct owner *o = arg;

    BUG_ON(!o->out->status || n == 0);
    if (o->pauses && step_random(&o->pauses) < 4)
        return ANSWER_PAUSE;
    o->out->body_sum = add_sum(o->out->body_sum, bytes, n);
    o->out->body_bytes += n;
    return ANSWER_GO_ON;
}

static const struct http_answer_owner owner = {on_status, on_header, on_body};

static struct outcome run(const char *bytes, size_t n, bool is_head, uint32_t cuts, uint32_t pauses)
{
    struct outcome out = {.step = ANSWER_MORE};
    struct owner o = {.out = &out, .pauses = pauses};
    struct http_answer a;

    http_answer_init(&a, is_head, 1 << 20, &owner, &o);
    while (out.step == ANSWER_MORE && out.n_used < n) {
        size_t piece = n - out.n_used, used;

        if (cuts && piece > step_random(&cuts) + 1)
            piece = (cuts >> 28) + 1;
        out.step = http_answer_put(&a, bytes + out.n_used, piece, &used);
        BUG_ON(used > piece || (out.step == ANSWER_MORE && used < piece));
        out.n_used += used;
        while (out.step == ANSWER_PAUSED)
            out.step = http_answer_go_on(&a);
    }
    if (out.step == ANSWER_MORE)
        out.step = http_answer_end(&a);
    while (out.step == ANSWER_PAUSED)
        out.step = http_answer_go_on(&a);
    BUG_ON(out.step != ANSWER_WHOLE && out.step != ANSWER_BAD);
    BUG_ON(out.step == ANSWER_BAD && (!a.fault || !a.fault[0]));
    BUG_ON(out.step == ANSWER_WHOLE && a.has_length && !is_head && out.status != 204 &&
           out.status != 304 && out.body_bytes != a.length);
    BUG_ON(out.step == ANSWER_WHOLE && a.has_length && a.chunked);
    BUG_ON(is_head && out.body_bytes);
    out.keep_alive = a.keep_alive;
    http_answer_done(&a);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data + 2;
    struct outcome whole, pieces;

    if (size < 2)
        return 0;
    whole = run(bytes, size - 2, data[1] & IS_HEAD, 0, 0);
    pieces =
        run(bytes, size - 2, data[1] & IS_HEAD, data[0] + 1u, data[1] & PAUSES ? data[0] + 7u : 0);
    BUG_ON(whole.step != pieces.step);
    if (whole.step == ANSWER_BAD) /* how much was told before it depends on the cuts */
        return 0;
    BUG_ON(whole.status != pieces.status || whole.n_used != pieces.n_used);
    BUG_ON(whole.head_sum != pieces.head_sum || whole.body_sum != pieces.body_sum);
    BUG_ON(whole.body_bytes != pieces.body_bytes || whole.keep_alive != pieces.keep_alive);
    return 0;
}
