/*
 * daemon.c - `rbee-hive daemon`: puts the parts together, runs the loop, takes them apart.
 *
 * Signals: SIGTERM, SIGINT and SIGHUP end the hive in order (workers are asked, downloads kept); a
 * second one ends it at once. Neither waits for a disk that does not answer (deadline.h). A
 * terminal that closes may send SIGHUP several times: a second one is no new wish. SIGPIPE and
 * SIGXFSZ are ignored, so that a write fails instead; what the parent ignored or blocked is not,
 * but for SIGHUP (nohup).
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/chores/upload.h"
#include "hive/daemon_internal.h"
#include "hive/disk/home.h"
#include "hive/disk/reach.h"
#include "hive/fetch/hub_token.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models.h"
#include "hive/process/deadline.h"
#include "hive/process/first_process.h"
#include "hive/process/kernel.h"
#include "hive/process/looks.h"
#include "hive/process/task.h"
#include "hive/process/turns.h"
#include "hive/workers/reaper.h"
#include "hive/workers/workers.h"
#include "net/http_client.h"
#include "net/http_proxy.h"
#include "net/http_server.h"
#include "net/post.h"
#include "version.h"

#define DRAIN_POLL_MS   20
#define FD_LIMIT_WANTED 65536

/* ---- putting together ---- */

static void on_tls_failed(void *arg, const char *peer, const char *why)
{
    struct hive *h = arg;

    doors_tls_failed(&h->doors, peer, why);
}

static int listen_for_clients(struct hive *h, struct err *err)
{
    struct http_server_params params = {.base = h->base,
                                        .address = h->addr.host,
                                        .port = h->addr.port,
                                        .name = DAEMON_PROGRAM "/" RBEE_VERSION,
                                        .limits = http_limits_default(),
                                        .arg = h,
                                        .prepare = routes_prepare,
                                        .handle = routes_handle,
                                        .filter = routes_filter,
                                        .render_error = reply_render_error,
                                        .tls = h->doors.tls,
                                        .tls_server = h->doors.tls_server,
                                        .tls_failed = on_tls_failed};
    int rc;

    params.limits.body_max = HIVE_CHAT_MAX; /* less for most: routes_filter */
    params.limits.head_timeout_ms = config_duration_ms(h->config, "hive", "head_timeout");
    params.limits.body_timeout_ms = config_duration_ms(h->config, "hive", "body_timeout");
    params.limits.write_timeout_ms = config_duration_ms(h->config, "hive", "write_timeout");
    rc = http_server_create(&params, &h->server, err);
    if (rc == ERR_BUSY)
        return daemon_advise(
            rc, err, "is another rbee-hive running there? --addr HOST:PORT chooses another place");
    if (rc)
        return daemon_advise(rc, err,
                             "--addr takes an address of this machine, and a port it may take");
    h->addr.port = http_server_port(h->server);
    h->doors.server = h->server;
    return 0;
}

/* The limit of all downloads, in bytes a second; 0 = none. */
static uint64_t limit_of(const struct hive *h)
{
    uint64_t limit = 0;

    str_to_bytes(config_text(h->config, "hive", "download_limit_rate"), &limit);
    return limit;
}

/* Told at the start, instead of at the first pull; but a hive may have no need of it. */
static void check_proxies(void)
{
    const char *https = http_proxy_bad(true), *http = http_proxy_bad(false);

    if (https)
        log_warn(HTTP_PROXY_BAD ": no model can be fetched by it", https);
    if (http && !(https && str_eq(http, https)))
        log_warn(HTTP_PROXY_BAD ": no model can be fetched by it", http);
}

/* Also while there are no workers yet (the models are read in) or any more (take_apart). */
static void on_model_entered(void *arg, const char *model_ref, const char *path)
{
    struct hive *h = arg;

    if (h->workers)
        workers_moved(h->workers, model_ref, path);
}

static int make_models(struct hive *h, struct err *err)
{
    char *token = NULL, *from = NULL;
    char *catalog = path_join(h->home, "models.db");
    struct models_params params = {
        .base = h->base,
        .looks = h->looks,
        .reach = h->reach,
        .client = h->outside,
        .hub_turns = h->hub_turns,
        .post = h->post,
        .tasks = h->tasks,
        .config = h->config,
        .dir = h->models_dir,
        .catalog = catalog,
        .endpoint = config_text(h->config, "hive", "hf_endpoint"),
        .stall_ms = config_duration_ms(h->config, "hive", "download_stall"),
        .connections = (unsigned)config_int(h->config, "hive", "download_connections"),
        .limit_per_sec = limit_of(h),
        .entered = on_model_entered,
        .entered_arg = h,
        .whole = upload_sweep};
    int rc = catalog ? hub_token_find(h->home, &token, &from, err)
                     : err_no_memory(err, strlen(h->home), "a path");

    check_proxies();
    params.token = token;
    if (rc == 0 && from)
        log_info("the hub is asked with the token of %s", from);
    if (rc == 0)
        rc = models_create(&params, &h->models, err);
    free(token);
    free(from);
    free(catalog);
    return rc;
}

static void on_model_used(void *arg, const char *model_ref, int64_t unix_ms)
{
    struct hive *h = arg;

    models_used(h->models, model_ref, unix_ms);
}

static int make_workers(struct hive *h, struct err *err)
{
    char *logs = path_join(h->home, "logs"), *run = path_join(h->home, "run");
    struct workers_params params = {.base = h->base,
                                    .client = h->inside,
                                    .looks = h->looks,
                                    .reach = h->reach,
                                    .config = h->config,
                                    .logs_dir = logs,
                                    .run_dir = run,
                                    .key = h->doors.access.link_key,
                                    .share_fd = h->doors.share_fd,
                                    .tls = h->doors.tls != NULL,
                                    .addr = h->addr,
                                    .used = on_model_used,
                                    .used_arg = h};
    int rc;

    if (run)
        reaper_run(run);
    rc = logs && run ? workers_create(&params, &h->workers, err)
                     : err_no_memory(err, strlen(h->home), "a path");
    if (rc == 0)
        home_tidy_logs(logs, NULL, NULL);
    free(logs);
    free(run);
    return rc;
}

/* ---- the end ---- */

/* The workers are gone; the last answers may still be on their way out. */
static void on_drain_poll(evutil_socket_t fd, short what, void *arg)
{
    struct hive *h = arg;

    (void)fd;
    (void)what;
    if (http_server_n_active(h->server) == 0 || clock_ms() > h->drain_until_ms)
        event_base_loopbreak(h->base);
}

static void on_workers_gone(void *arg)
{
    const struct timeval often = {.tv_usec = DRAIN_POLL_MS * 1000};
    struct hive *h = arg;

    h->drain_until_ms = clock_ms() + HIVE_FLUSH_MS;
    event_add(h->drain_poll, &often);
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
    struct hive *h = arg;

    (void)what;
    if (h->ending && signal_number == SIGHUP)
        return;
    if (h->ending) {
        log_warn("a second signal: everything ends at once");
        h->exit_code = CLI_ERROR;
        event_base_loopbreak(h->base); /* what lives is killed when the workers are freed */
        return;
    }
    h->ending = true;
    log_info("SIG%s: the hive ends; its workers are asked to finish",
             sigabbrev_np((int)signal_number));
    http_server_drain(h->server);
    models_stop(h->models);
    workers_stop_all(h->workers, on_workers_gone, h);
}

static int watch_signals(struct hive *h, struct err *err)
{
    static const int numbers[HIVE_N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    size_t n = HIVE_N_SIGNALS;

    signal(SIGPIPE, SIG_IGN);
    if (signal(SIGHUP, SIG_IGN) == SIG_IGN) /* else it is so again when its event is freed */
        n--;
    h->drain_poll = event_new(h->base, -1, EV_PERSIST, on_drain_poll, h);
    if (!h->drain_poll)
        return err_no_memory(err, 128, "a timer");
    for (size_t i = 0; i < n; i++) {
        h->signals[i] = evsignal_new(h->base, numbers[i], on_signal, h);
        if (!h->signals[i] || event_add(h->signals[i], NULL))
            return err_no_memory(err, 128, "watching signals");
    }
    return 0;
}

/* ---- life ---- */

/* What a parent may have handed down: with SIGCHLD ignored the kernel keeps no word of how a child
 * ended. With a limit of files' sizes, a write that passes it fails, as on a full disk. */
static void reset_signals(void)
{
    signal(SIGCHLD, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
}

/* Each connection and each worker takes descriptors; the usual soft limit of 1024 is too few. */
static void raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FD_LIMIT_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < FD_LIMIT_WANTED ? limit.rlim_max : FD_LIMIT_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Its memory holds the TLS key, the hub's token and what people write: a crash leaves none of that
 * on a disk. The hard limit stays, so that `prlimit --core=unlimited --pid PID` can ask for it.
 */
static void leave_no_core(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return;
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &limit);
}

static int put_together(struct hive *h, const struct daemon_flags *f, struct err *err)
{
    int rc = 0;

    TAILQ_INIT(&h->pieces);
    if (!(h->base = event_base_new()))
        rc = err_no_memory(err, 4096, "the event loop");
    if (rc == 0)
        rc = reach_create(h->base, &h->reach, err);
    if (rc == 0)
        rc = kernel_check(err);
    if (rc == 0)
        rc = daemon_configure(h, f, err);
    raise_fd_limit();
    if (rc == 0)
        rc = daemon_resolve_addr(h, err);
    if (rc == 0)
        rc = doors_open(&h->doors, h->config, h->home, h->addr.host, err);
    if (rc == 0)
        rc = post_create(h->base, &h->post, err);
    if (rc == 0)
        rc = tasks_create(h->post, &h->tasks, err);
    if (rc == 0)
        rc = looks_create(h->base, &h->looks, err);
    if (rc == 0)
        rc = turns_create(h->base, &h->turns, err);
    if (rc == 0)
        rc = turns_create(h->base, &h->hub_turns, err);
    if (rc == 0)
        rc = http_client_create_curl_late(h->base, &h->outside, err);
    if (rc == 0)
        rc = http_client_create_plain(h->base, HTTP_NAMES_REFUSED, &h->inside, err);
    if (rc == 0 && h->doors.pin[0]) /* its workers show its own certificate */
        rc = http_client_set_pin(h->inside, h->doors.pin, err);
    h->doors.reach = h->reach;
    if (rc == 0)
        rc = doors_tell_in_time(&h->doors, h->base, err);
    if (rc == 0)
        rc = doors_watch(&h->doors, h->base, err);
    if (rc == 0)
        rc = doors_watch_certificate(&h->doors, h->base, err);
    if (rc == 0)
        rc = make_models(h, err);
    if (rc == 0)
        rc = listen_for_clients(h, err);
    if (rc == 0)
        rc = make_workers(h, err);
    if (rc == 0)
        rc = watch_signals(h, err);
    if (rc == 0)
        rc = doors_announce(&h->doors, &h->addr, err);
    return rc;
}

/* From here on helpers, downloads and what they write are waited for: not for ever. */
static struct deadline *begin_deadline(const struct hive *h)
{
    const struct deadline_params params = {.wait_ms = h->exit_code == CLI_DONE ? HIVE_END_MS
                                                                               : HIVE_AT_ONCE_MS,
                                           .exit_code = h->exit_code,
                                           .signalled_code = CLI_ERROR,
                                           .locks = {h->lock_fd, h->models_lock_fd}};

    return deadline_begin(&params);
}

static void take_apart(struct hive *h)
{
    struct deadline *end;

    h->doors.server = NULL;
    http_server_free(h->server); /* first: whoever waits is told to forget it */
    h->server = NULL;
    workers_free(h->workers);
    h->workers = NULL; /* an import that is in its place by now still enters the catalog */
    end = begin_deadline(h);
    doors_close(&h->doors);
    tasks_free(h->tasks); /* what helpers still do is about the models */
    models_free(h->models);
    looks_free(h->looks);
    turns_free(h->turns);
    turns_free(h->hub_turns);
    reach_free(h->reach);
    http_client_free(h->outside);
    http_client_free(h->inside);
    if (h->post)
        post_free(h->post);
    for (size_t i = 0; i < HIVE_N_SIGNALS; i++)
        if (h->signals[i])
            event_free(h->signals[i]);
    if (h->drain_poll)
        event_free(h->drain_poll);
    if (h->base)
        event_base_free(h->base);
    config_close(h->config);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    if (h->models_lock_fd >= 0)
        close(h->models_lock_fd);
    free(h->home);
    free(h->models_dir);
    deadline_end(end);
}

static void announce(const struct hive *h)
{
    char text[CONFIG_HOST_MAX + 9];

    printf("%s %s listening on %s://%s\n", DAEMON_PROGRAM, RBEE_VERSION,
           h->doors.tls ? "https" : "http", config_addr_text(&h->addr, text, sizeof text));
    fflush(stdout);
}

int cmd_daemon(const struct cli_command *self, int argc, char **argv)
{
    struct hive h = {.lock_fd = -1,
                     .models_lock_fd = -1,
                     .exit_code = CLI_DONE,
                     .doors = {.share_fd = -1, .watch_fd = -1, .spare_fd = -1}};
    struct daemon_flags flags = {0};
    struct err err = {0};
    int rc = daemon_flags(self, argc, argv, &flags);

    if (rc != CLI_GO)
        return rc;
    first_process_leave();
    reset_signals();
    heap_keep_little();
    leave_no_core();
    if (put_together(&h, &flags, &err)) {
        fprintf(stderr, "%s: %s\n", DAEMON_PROGRAM, err.text);
        h.exit_code = h.exit_code == CLI_DONE ? CLI_ERROR : h.exit_code;
    } else {
        announce(&h);
        event_base_dispatch(h.base);
    }
    take_apart(&h);
    return h.exit_code;
}
