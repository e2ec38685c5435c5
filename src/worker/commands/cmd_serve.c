/*
 * cmd_serve.c - "serve": one model behind HTTP, until told to end. The words of its command line
 * are the hive's wire to it, and can be typed by hand.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/backend.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/uuid.h"
#include "net/http_server.h"
#include "worker/commands/commands.h"
#include "worker/sandbox/stacks.h"
#include "worker/schedule/queue_limit.h"
#include "worker/server/lifecycle.h"
#include "worker/server/server.h"

#define DEFAULT_ADDR   "127.0.0.1:8081"
#define DEFAULT_SLOTS  4
#define QUEUE_PER_SLOT 4 /* how many may wait, unless told otherwise */
#define QUEUE_AT_LEAST 16
#define FD_LARGEST     65535
#define WORKER_ID_MAX  64

struct words {
    const char *model, *model_ref, *worker_id, *addr, *hive_url, *public_url, *backend, *kernels,
        *prefix_cache, *speculate, *kv_type, *log_level, *chat_template, *sandbox, *tls, *tls_cert,
        *tls_key;
    enum engine_kv kv;         /* what kv_type means */
    enum sandbox_mode enclose; /* what sandbox means */
    int64_t listen_fd, lease_fd, board_fd, access_fd, device, slots, ctx, threads, queue,
        queue_timeout, head_timeout, body_timeout, write_timeout;
    bool in_place;
};

static const struct words default_words = {
    .addr = DEFAULT_ADDR,
    .backend = "auto",
    .prefix_cache = "on",
    .speculate = "auto",
    .tls = "auto",
    .log_level = "info",
    .listen_fd = -1,
    .lease_fd = -1,
    .board_fd = -1,
    .access_fd = -1,
    .slots = DEFAULT_SLOTS,
    .queue = -1,
    .queue_timeout = QUEUE_LIMIT_DEFAULT_S * 1000,
    .head_timeout = HTTP_HEAD_TIMEOUT_MS,
    .body_timeout = HTTP_BODY_TIMEOUT_MS,
    .write_timeout = HTTP_WRITE_TIMEOUT_MS,
};

static int parse(const struct cli_command *self, int argc, char **argv, struct words *w)
{
    const struct cli_opt opts[] = {
        {"model", 'm', CLI_STR, &w->model, 0, 0, "FILE", "the GGUF file (needed)", NULL},
        {"addr", 'a', CLI_STR, &w->addr, 0, 0, "HOST:PORT",
         "default " DEFAULT_ADDR "; port 0 = any free one", NULL},
        {"tls-cert", 0, CLI_STR, &w->tls_cert, 0, 0, "FILE",
         "https with this certificate (PEM, with those behind it) ...", NULL},
        {"tls-key", 0, CLI_STR, &w->tls_key, 0, 0, "FILE", "... and its private key (mode 0600)",
         NULL},
        {"tls", 0, CLI_STR, &w->tls, 0, 0, "auto|off",
         "off = plain http also where other machines reach it (default auto)", NULL},
        {"slots", 0, CLI_INT, &w->slots, 1, ENGINE_MAX_SLOTS, "N",
         "sequences decoded at once; default 4", NULL},
        {"ctx", 'c', CLI_INT, &w->ctx, 1, INT32_MAX, "N",
         "context of each slot (default: the model's, at most 4096)", NULL},
        {"threads", 't', CLI_INT, &w->threads, 1, 256, "N",
         "compute threads (default: the CPUs there are)", NULL},
        {"in-place", 0, CLI_FLAG, &w->in_place, 0, 0, NULL,
         "use the weights as they lie in the file: slower, no memory but the file's", NULL},
        {"kernels", 0, CLI_STR, &w->kernels, 0, 0, "SET",
         "ref, avx2, avxvnni, avx512, neon or auto (default)", NULL},
        {"kv-type", 0, CLI_STR, &w->kv_type, 0, 0, "TYPE", COMMAND_KV_HELP, NULL},
        {"queue", 0, CLI_INT, &w->queue, 0, SERVER_QUEUE_MAX, "N",
         "requests that may wait (default: 4 a slot, at least 16)", NULL},
        {"queue-timeout", 0, CLI_DURATION, &w->queue_timeout, 1, 0, "TIME",
         "how long one may wait for a slot (default 60s); -1 = for ever", NULL},
        {"head-timeout", 0, CLI_DURATION, &w->head_timeout, 0, 0, "TIME",
         "how long a request's head may take (default 10s); 0 or -1 = for ever", NULL},
        {"body-timeout", 0, CLI_DURATION, &w->body_timeout, 0, 0, "TIME",
         "how long its body may take (default 30s); 0 or -1 = for ever", NULL},
        {"write-timeout", 0, CLI_DURATION, &w->write_timeout, 0, 0, "TIME",
         "a client that takes nothing for so long is cut off (default 60s); 0 or -1 = never", NULL},
        {"prefix-cache", 0, CLI_STR, &w->prefix_cache, 0, 0, "on|off",
         "keep what was computed for prompts that begin the same (default on)", NULL},
        {"speculate", 0, CLI_STR, &w->speculate, 0, 0, "auto|off",
         "guess tokens from what was written before, where it pays (default auto)", NULL},
        {"chat-template", 0, CLI_STR, &w->chat_template, 0, 0, "FILE",
         "a Jinja template instead of the one in the model's file", NULL},
        COMMAND_SANDBOX_OPT(&w->sandbox),
        {"model-ref", 0, CLI_STR, &w->model_ref, 0, 0, "REF", "what the model is called", NULL},
        {"backend", 0, CLI_STR, &w->backend, 0, 0, "NAME", "cpu or auto", NULL},
        {"device", 0, CLI_INT, &w->device, 0, INT32_MAX, "N", "0, the only one of cpu", NULL},
        {"log-level", 0, CLI_STR, &w->log_level, 0, 0, "LEVEL", "debug info warn error silent",
         NULL},
        {"worker-id", 0, CLI_STR, &w->worker_id, 0, 0, "ID", "the hive's name for it", NULL},
        {"hive-url", 0, CLI_STR, &w->hive_url, 0, 0, "URL", "the hive to report to", NULL},
        {"public-url", 0, CLI_STR, &w->public_url, 0, 0, "URL", "how clients reach it", NULL},
        {"listen-fd", 0, CLI_INT, &w->listen_fd, 3, FD_LARGEST, "N",
         "inherited listening socket, instead of --addr", NULL},
        {"lease-fd", 0, CLI_INT, &w->lease_fd, 3, FD_LARGEST, "N",
         "inherited pipe; its end is the worker's end", NULL},
        {"board-fd", 0, CLI_INT, &w->board_fd, 3, FD_LARGEST, "N",
         "inherited memory for the worker's state", NULL},
        {"access-fd", 0, CLI_INT, &w->access_fd, 3, FD_LARGEST, "N",
         "inherited memory with the hive's keys and certificate", NULL},
        {0}};

    return cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

/* What this build can run on; never another thing than was asked for. */
static int check_backend(const struct words *w, struct err *err)
{
    if (!str_eq(w->backend, "cpu") && !str_eq(w->backend, "auto"))
        return err_set(err, ERR_UNSUPPORTED,
                       "backend '%.40s' is not there; this worker has one: cpu", w->backend);
    if (w->device != 0)
        return err_set(err, ERR_NOT_FOUND, "device %lld of cpu is not there; it has one: 0",
                       (long long)w->device);
    return 0;
}

static struct serve_options options_of(const struct words *w)
{
    int64_t queue = QUEUE_PER_SLOT * w->slots;

    if (queue < QUEUE_AT_LEAST)
        queue = QUEUE_AT_LEAST;
    if (w->queue >= 0)
        queue = w->queue;
    return (struct serve_options){
        .model_path = w->model,
        .chat_template = w->chat_template,
        .model_ref = w->model_ref ? w->model_ref : path_base(w->model),
        .worker_id = w->worker_id,
        .tls_cert = w->tls_cert,
        .tls_key = w->tls_key,
        .plain_http = str_eq(w->tls, "off"),
        .listen_fd = (int)w->listen_fd,
        .lease_fd = (int)w->lease_fd,
        .board_fd = (int)w->board_fd,
        .access_fd = (int)w->access_fd,
        .hive_url = w->hive_url,
        .public_url = w->public_url,
        .device = w->device,
        .queue_max = (uint32_t)queue,
        .queue_limit_ms = w->queue_timeout,
        .head_timeout_ms = w->head_timeout,
        .body_timeout_ms = w->body_timeout,
        .write_timeout_ms = w->write_timeout,
        .guess = str_eq(w->speculate, "auto"),
        .sandbox = w->enclose,
        .engine = {.n_slots = (uint32_t)w->slots,
                   .n_ctx = (uint32_t)w->ctx,
                   .n_threads = (unsigned)w->threads,
                   .kernels = w->kernels,
                   .in_place = w->in_place,
                   .keep_prefixes = str_eq(w->prefix_cache, "on"),
                   .kv_type = w->kv},
    };
}

static int serve(struct words *w)
{
    struct serve_options o;
    char host[SERVER_HOST_MAX], id[WORKER_ID_MAX], uuid[UUID_BYTES];
    struct err err;

    heap_keep_little();
    if (check_backend(w, &err) || command_kv_type(w->kv_type, &w->kv, &err) ||
        sandbox_mode_from(w->sandbox, &w->enclose, &err))
        return command_fail(&err);
    o = options_of(w);
    if (access_split_host(w->addr, host, sizeof host, &o.port, &err))
        return command_fail(&err);
    if (!host[strspn(host, "0123456789")]) { /* the system takes it for one, as 0.0.31.145 */
        err_set(&err, ERR_INVALID, "'%s' names no host: %s is a port; write 127.0.0.1:%s", w->addr,
                host, host);
        return command_fail(&err);
    }
    o.host = str_eq(host, "localhost") ? "127.0.0.1" : host;
    snprintf(id, sizeof id, "worker-%s", uuid_make(uuid));
    if (!o.worker_id)
        o.worker_id = id;
    return server_run(&o);
}

int cmd_serve(const struct cli_command *self, int argc, char **argv)
{
    struct words w = default_words;
    enum log_level level;
    int rc = parse(self, argc, argv, &w);

    if (rc != CLI_GO)
        return rc;
    if (!w.model)
        return command_usage(self, "--model FILE is needed");
    if (log_level_from(w.log_level, &level))
        return command_usage(self, "--log-level is debug, info, warn, error or silent");
    if (!str_eq(w.tls, "auto") && !str_eq(w.tls, "off"))
        return command_usage(self, "--tls is auto or off");
    if (!w.tls_cert != !w.tls_key)
        return command_usage(self, "--tls-cert and --tls-key belong together");
    if (w.tls_cert && w.access_fd >= 0)
        return command_usage(self, "--tls-cert is the hive's, with --access-fd");
    if (!str_eq(w.prefix_cache, "on") && !str_eq(w.prefix_cache, "off"))
        return command_usage(self, "--prefix-cache is on or off");
    if (!str_eq(w.speculate, "auto") && !str_eq(w.speculate, "off"))
        return command_usage(self, "--speculate is auto or off");
    if (!backend_is_name(w.backend))
        return command_usage(self, "--backend is cpu or auto");
    rc = command_check_words(self, w.kv_type, w.sandbox);
    if (rc != CLI_GO)
        return rc;
    log_init(WORKER_PROGRAM, level);
    signal(SIGXFSZ, SIG_IGN); /* a log as long as it may be: lines are lost, not the worker */
    stacks_install();
    if (w.lease_fd >= 0)
        lifecycle_follow_parent();
    return serve(&w);
}
