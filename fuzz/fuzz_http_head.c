/*
 * fuzz_http_head.c - requests as bytes: scanner, llhttp and the rules behind them, without sockets.
 *
 * The first byte seeds how the rest is cut into pieces. The bytes are parsed in one piece and in
 * those pieces: both must take, and refuse, the same requests. What is taken must keep the promises
 * of http_server.h.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "net/http_parse.h"

#define REQUESTS_MAX 8
#define BODY_MAX     4096

/* What a run over the bytes found; compared between runs. */
struct outcome {
    unsigned n_whole;
    bool refused;
    uint64_t sums[REQUESTS_MAX];
};

static uint64_t add_sum(uint64_t sum, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3; /* FNV-1a's prime */
    return (sum ^ 0x1ff) * 0x100000001b3;
}

static void check_text(const char *s)
{
    for (; *s; s++)
        BUG_ON(*s == '\r' || *s == '\n');
}

/* The promises about a request that was taken; returns a sum over it. */
static uint64_t check_request(const struct http_request *req)
{
    uint64_t sum = 0xcbf29ce484222325;
    unsigned n_hosts = 0;

    BUG_ON(req->path[0] != '/');
    check_text(req->path);
    BUG_ON(req->body.len > BODY_MAX || (req->body.len && !req->has_body));
    for (size_t i = 0; i < req->n_fields; i++) {
        check_text(req->fields[i].name);
        check_text(req->fields[i].value);
        n_hosts += strcasecmp(req->fields[i].name, "host") == 0;
        sum = add_sum(sum, req->fields[i].name, strlen(req->fields[i].name));
        sum = add_sum(sum, req->fields[i].value, strlen(req->fields[i].value));
    }
    BUG_ON(n_hosts > 1 || (n_hosts == 0 && !req->version_1_0));
    BUG_ON(http_request_header(req, "content-length") &&
           http_request_header(req, "transfer-encoding"));
    for (size_t i = 0; i < req->n_params; i++) {
        sum = add_sum(sum, req->params[i].name, strlen(req->params[i].name));
        sum = add_sum(sum, req->params[i].value, strlen(req->params[i].value));
    }
    sum = add_sum(sum, req->method, strlen(req->method));
    sum = add_sum(sum, req->path, strlen(req->path));
    return add_sum(sum, buf_str(&req->body), req->body.len);
}

/* Gives `n` bytes in pieces by `seed` (0 = all at once); returns how many a request took. */
static size_t run_request(const char *bytes, size_t n, uint32_t *seed, struct outcome *out)
{
    const struct http_limits limits = {.body_max = BODY_MAX};
    enum http_parse_step step = HTTP_PARSE_MORE;
    struct http_request req;
    struct http_parser parser;
    size_t at = 0;

    http_request_init(&req, &limits);
    http_parse_begin(&parser, &req, &limits);
    while (step == HTTP_PARSE_HEAD || (step == HTTP_PARSE_MORE && at < n)) {
        size_t piece = n - at, used;

        if (*seed) {
            *seed = *seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
            if (piece > (*seed >> 28) + 1)
                piece = (*seed >> 28) + 1;
        }
        step = http_parse_put(&parser, bytes + at, piece, &used);
        BUG_ON(used > piece || (step == HTTP_PARSE_MORE && used < piece));
        at += used;
    }
    if (step == HTTP_PARSE_WHOLE)
        out->sums[out->n_whole++] = check_request(&req);
    out->refused = step == HTTP_PARSE_REFUSED;
    BUG_ON(out->refused && parser.fault.status < 400);
    http_request_done(&req);
    return at;
}

static struct outcome run_all(const char *bytes, size_t n, uint32_t seed)
{
    struct outcome out = {0};
    unsigned before;
    size_t at = 0;

    do {
        before = out.n_whole;
        at += run_request(bytes + at, n - at, &seed, &out);
    } while (out.n_whole > before && out.n_whole < REQUESTS_MAX && at < n);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;

    if (size < 1)
        return 0;
    whole = run_all((const char *)data + 1, size - 1, 0);
    pieces = run_all((const char *)data + 1, size - 1, data[0] + 1u);
    BUG_ON(whole.n_whole != pieces.n_whole || whole.refused != pieces.refused);
    BUG_ON(memcmp(whole.sums, pieces.sums, sizeof whole.sums) != 0);
    return 0;
}
