/*
 * load.c - many clients of one server at once: streams of generated text, timed.
 *
 * Two servers are spoken to: our worker (POST /v1/inference) and llama.cpp's llama-server (POST
 * /completion), both greedy, both as HTTP/1.1 with server-sent events. One thread, one epoll, and
 * no more work per event than finding it, so that the load takes little from the cores it shares
 * with the server. The two differ only in the request and in the names of three fields.
 *
 * A request's time to the first token runs from before its connection is opened to the read that
 * brought the first event with a token. Prompts come from a file, one a line, and are sent as they
 * are: a character that JSON would have to escape is refused. Linux only (epoll).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/clock.h"

#define MAX_CLIENTS    256
#define MAX_REQUESTS   4096
#define MAX_LINE_BYTES (1u << 20) /* llama-server's last event repeats the prompt */
#define MAX_FILE_BYTES (64u << 20)
#define READ_BYTES     65536
#define SILENCE_MS     120000 /* without any event from any server: given up */

struct api {
    const char *name, *path;
    const char *body;             /* printf format: prompt, number of tokens */
    const char *first;            /* in the first and later events with text */
    const char *last;             /* in the event that ends the answer */
    const char *n_out, *n_prompt; /* numbers in that event */
    const char *error;            /* in an event that tells of a failure */
};

static const struct api apis[] = {
    {"rbee", "/v1/inference", "{\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0,\"seed\":1}",
     "\"type\":\"token\"", "\"type\":\"end\"",
     "\"tokens_out\":", "\"prompt_tokens\":", "\"type\":\"error\""},
    {"llama", "/completion",
     "{\"prompt\":\"%s\",\"n_predict\":%d,\"temperature\":0,\"seed\":1,\"stream\":true,"
     "\"cache_prompt\":true}",
     "\"content\":", "\"stop\":true",
     "\"tokens_predicted\":", "\"tokens_evaluated\":", "\"error\":"},
    {"openai", "/v1/completions",
     "{\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0,\"seed\":1,\"stream\":true,"
     "\"stream_options\":{\"include_usage\":true}}",
     "\"text\":\"",
     "\"total_tokens\":", "\"completion_tokens\":", "\"prompt_tokens\":", "\"error\":"},
};

/* Where the bytes of a chunked body (RFC 9112, section 7.1) are. */
enum chunk { CHUNK_SIZE, CHUNK_DATA, CHUNK_AFTER };

struct request {
    int64_t sent_ns, first_ns, end_ns;
    long n_out, n_prompt;
    bool failed;
};

struct client {
    int fd; /* -1 while idle */
    struct request *request;
    struct buf line;
    bool in_body, chunked;
    enum chunk chunk;
    size_t chunk_left;
};

struct load {
    const struct api *api;
    int64_t port, n_clients, n_requests, n_tokens;
    char *file; /* owned; its lines are the prompts */
    char *prompts[MAX_REQUESTS];
    size_t n_prompts;
    struct request requests[MAX_REQUESTS];
    size_t n_begun, n_open;
    struct client clients[MAX_CLIENTS];
    struct buf out; /* one request as text */
    int epoll;
};

/* ---- prompts ----------------------------------------------------------------------------------
 */

static bool plain(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
            return false;
    }
    return true;
}

/* Splits the file's lines. False, having said why, when they cannot be prompts. */
static bool prompts_split(struct load *l)
{
    char *rest = l->file, *line;

    while ((line = strsep(&rest, "\n"))) {
        if (!*line)
            continue;
        if (!plain(line) || l->n_prompts == MAX_REQUESTS) {
            fprintf(stderr, "bench_load: prompt %zu has characters to escape, or is one too many\n",
                    l->n_prompts + 1);
            return false;
        }
        l->prompts[l->n_prompts++] = line;
    }
    if (l->n_prompts == 0)
        fprintf(stderr, "bench_load: the file has no prompt\n");
    return l->n_prompts > 0;
}

static bool prompts_read(struct load *l, const char *path)
{
    FILE *f = path ? fopen(path, "re") : stdin;
    size_t n = 0;

    if (!f) {
        fprintf(stderr, "bench_load: cannot open %s: %s\n", path, strerror(errno));
        return false;
    }
    l->file = calloc(1, MAX_FILE_BYTES + 1);
    if (l->file)
        n = fread(l->file, 1, MAX_FILE_BYTES, f);
    if (path)
        fclose(f);
    if (n > 0)
        return prompts_split(l);
    fprintf(stderr, "bench_load: nothing in %s\n", path ? path : "the standard input");
    return false;
}

/* ---- one client -------------------------------------------------------------------------------
 */

static int connect_to(int64_t port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool send_all(int fd, const struct buf *out)
{
    size_t done = 0;

    while (done < out->len) {
        ssize_t n = send(fd, out->data + done, out->len - done, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void put_request(struct load *l, const char *prompt)
{
    struct buf body;

    buf_init(&body, MAX_FILE_BYTES);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_printf(&body, l->api->body, prompt, (int)l->n_tokens);
#pragma GCC diagnostic pop
    buf_clear(&l->out);
    buf_printf(&l->out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n",
               l->api->path, (int)l->port);
    buf_printf(&l->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body.len);
    buf_put(&l->out, body.data, body.len);
    buf_done(&body);
}

static void client_end(struct load *l, struct client *c, bool failed)
{
    c->request->end_ns = (int64_t)clock_ns();
    c->request->failed = failed;
    close(c->fd);
    c->fd = -1;
    l->n_open--;
}

/* The next request, if there is one left. */
static void client_begin(struct load *l, struct client *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    while (c->fd < 0 && l->n_begun < (size_t)l->n_requests) {
        const char *prompt = l->prompts[l->n_begun % l->n_prompts];

        c->request = &l->requests[l->n_begun++];
        c->in_body = c->chunked = false;
        c->chunk = CHUNK_SIZE;
        buf_clear(&c->line);
        put_request(l, prompt);
        c->request->sent_ns = (int64_t)clock_ns();
        c->fd = connect_to(l->port);
        l->n_open++;
        if (c->fd < 0 || !send_all(c->fd, &l->out) || fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
            client_end(l, c, true);
    }
}

static long number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

/* A line of the body. True when it was the answer's last. */
static bool take_event(const struct api *api, struct request *r, const char *line, int64_t now_ns)
{
    if (strstr(line, api->error)) {
        r->failed = true;
        fprintf(stderr, "bench_load: %.400s\n", line);
        return true;
    }
    if (!r->first_ns && strstr(line, api->first))
        r->first_ns = now_ns;
    if (!strstr(line, api->last))
        return false;
    r->n_out = number_after(line, api->n_out);
    r->n_prompt = number_after(line, api->n_prompt);
    return true;
}

/* A line of the head. False when the answer is none to count. */
static bool take_head(struct client *c, const char *line)
{
    if (strncmp(line, "HTTP/1.", 7) == 0 && !strstr(line, " 200"))
        return false;
    if (strncasecmp(line, "transfer-encoding:", 18) == 0 && strstr(line, "chunked"))
        c->chunked = true;
    if (line[0] == '\0')
        c->in_body = true;
    return true;
}

/* True when the client is done with its request, well or not. */
static bool take_line(struct load *l, struct client *c, int64_t now_ns)
{
    const char *line = buf_str(&c->line);

    if (c->in_body)
        return take_event(l->api, c->request, line, now_ns);
    if (take_head(c, line))
        return false;
    fprintf(stderr, "bench_load: the server says %s\n", line);
    c->request->failed = true;
    return true;
}

/* One byte of a chunked body that is none of an event. */
static void take_frame(struct client *c, char byte)
{
    if (c->chunk == CHUNK_AFTER) { /* CR LF behind the data */
        c->chunk = byte == '\n' ? CHUNK_SIZE : CHUNK_AFTER;
    } else if (byte == '\n') {
        c->chunk = c->chunk_left ? CHUNK_DATA : CHUNK_SIZE;
    } else if (byte != '\r') {
        int digit = byte >= '0' && byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;

        if (digit >= 0 && digit < 16)
            c->chunk_left = c->chunk_left << 4 | (size_t)digit;
    }
}

/* True when the client is done. */
static bool take_byte(struct load *l, struct client *c, char byte, int64_t now_ns)
{
    bool done;

    if (c->in_body && c->chunked && c->chunk != CHUNK_DATA) {
        take_frame(c, byte);
        return false;
    }
    if (c->in_body && c->chunked && --c->chunk_left == 0)
        c->chunk = CHUNK_AFTER;
    if (byte != '\n') {
        if (byte != '\r')
            buf_putc(&c->line, byte);
        return false;
    }
    done = take_line(l, c, now_ns);
    buf_clear(&c->line);
    return done;
}

static void client_read(struct load *l, struct client *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    int64_t now_ns = (int64_t)clock_ns();

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* an end before the answer's */
        client_end(l, c, true);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (take_byte(l, c, bytes[i], now_ns)) {
            client_end(l, c, c->request->failed);
            return;
        }
    }
}

/* ---- all of them ------------------------------------------------------------------------------
 */

static bool load_run(struct load *l)
{
    struct epoll_event events[MAX_CLIENTS];

    for (int64_t i = 0; i < l->n_clients; i++)
        client_begin(l, &l->clients[i]);
    while (l->n_open > 0) {
        int n = epoll_wait(l->epoll, events, MAX_CLIENTS, SILENCE_MS);

        if (n == 0 || (n < 0 && errno != EINTR)) {
            fprintf(stderr, "bench_load: nothing came for %d ms\n", SILENCE_MS);
            return false;
        }
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;

            client_read(l, c);
            if (c->fd < 0)
                client_begin(l, c);
        }
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Of sorted values; 0 when there are none. */
static double quantile(const double *v, size_t n, double q)
{
    double at = q * (double)(n ? n - 1 : 0);
    size_t low = (size_t)at;

    if (n == 0)
        return 0;
    return low + 1 < n ? v[low] + (at - (double)low) * (v[low + 1] - v[low]) : v[low];
}

static void load_report(const struct load *l)
{
    static double first_ms[MAX_REQUESTS];
    int64_t begun = INT64_MAX, ended = 0;
    long n_out = 0, n_prompt = 0, n_short = 0;
    size_t n_errors = 0, n = 0;

    printf("{\"first_ms\":[");
    for (size_t i = 0; i < (size_t)l->n_requests; i++) {
        const struct request *r = &l->requests[i];

        begun = r->sent_ns < begun ? r->sent_ns : begun;
        ended = r->end_ns > ended ? r->end_ns : ended;
        n_errors += r->failed;
        n_out += r->n_out;
        n_prompt += r->n_prompt;
        n_short += !r->failed && r->n_out < l->n_tokens;
        if (r->first_ns) {
            first_ms[n++] = (double)(r->first_ns - r->sent_ns) * 1e-6;
            printf("%s%.3f", n > 1 ? "," : "", first_ms[n - 1]);
        }
    }
    qsort(first_ms, n, sizeof *first_ms, by_value);
    printf("],\"first_median_ms\":%.3f,\"first_p95_ms\":%.3f", quantile(first_ms, n, 0.5),
           quantile(first_ms, n, 0.95));
    printf(",\"tokens_per_sec\":%.2f,\"tokens_out\":%ld,\"prompt_tokens\":%ld",
           (double)n_out / ((double)(ended - begun) * 1e-9), n_out, n_prompt);
    printf(",\"seconds\":%.3f,\"clients\":%d,\"requests\":%d,\"short\":%ld,\"errors\":%zu}\n",
           (double)(ended - begun) * 1e-9, (int)l->n_clients, (int)l->n_requests, n_short,
           n_errors);
}

static bool load_init(struct load *l, const char *api, const char *prompts)
{
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++) {
        if (strcmp(api, apis[i].name) == 0)
            l->api = &apis[i];
    }
    if (!l->api) {
        fprintf(stderr, "bench_load: --api is rbee, llama or openai, not '%s'\n", api);
        return false;
    }
    if (!l->n_requests)
        l->n_requests = l->n_clients;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        l->clients[i].fd = -1;
        buf_init(&l->clients[i].line, MAX_LINE_BYTES);
    }
    buf_init(&l->out, MAX_FILE_BYTES);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    return prompts_read(l, prompts) && l->epoll >= 0;
}

static void load_done(struct load *l)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        buf_done(&l->clients[i].line);
    buf_done(&l->out);
    free(l->file);
    if (l->epoll >= 0)
        close(l->epoll);
}

int main(int argc, char **argv)
{
    static struct load l = {.n_clients = 1, .n_tokens = 64, .epoll = -1};
    const char *api = "rbee", *prompts = NULL;
    const struct cli_command command = {"load", NULL, "times many clients of one server", NULL,
                                        NULL};
    const struct cli_opt opts[] = {
        {"api", 0, CLI_STR, &api, 0, 0, "NAME", "rbee (default), llama or openai", NULL},
        {"port", 'p', CLI_INT, &l.port, 1, 65535, "N", "on 127.0.0.1 (needed)", NULL},
        {"clients", 'c', CLI_INT, &l.n_clients, 1, MAX_CLIENTS, "C", "at once; default 1", NULL},
        {"requests", 'r', CLI_INT, &l.n_requests, 1, MAX_REQUESTS, "R",
         "in all; default one a client", NULL},
        {"tokens", 'n', CLI_INT, &l.n_tokens, 1, 65536, "M", "to generate; default 64", NULL},
        {"prompts", 0, CLI_STR, &prompts, 0, 0, "FILE", "one a line; default: stdin", NULL},
        {0}};
    int rc = cli_parse("bench_load", &command, opts, argc - 1, argv + 1, NULL, 0, NULL);
    bool good;

    if (rc != CLI_GO)
        return rc;
    good = load_init(&l, api, prompts) && load_run(&l);
    if (good)
        load_report(&l);
    load_done(&l);
    return good ? CLI_DONE : CLI_ERROR;
}
