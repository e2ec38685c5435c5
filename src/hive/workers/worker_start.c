/*
 * worker_start.c - the process of a worker: its socket, its board, its words, its descriptors.
 *
 * The child's descriptors: 0 /dev/null, 1 and 2 its log, 3 the listening socket, 4 the lease (EOF
 * when the hive is gone), 5 the board, 6 the keys and the certificate where they are needed. The
 * hive keeps none of the socket: when the worker dies, the kernel refuses its callers at once.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/disk/logrotate.h"
#include "hive/disk/reach.h"
#include "hive/http/reply.h"
#include "hive/process/cgroup.h"
#include "hive/process/environment.h"
#include "hive/process/leftover.h"
#include "hive/process/port.h"
#include "hive/process/procfs.h"
#include "hive/process/programs.h"
#include "hive/workers/reaper.h"
#include "hive/workers/workers_internal.h"

#define ARGS_MAX    64
#define ARG_NUM_MAX 24
#define OOM_SCORE   500 /* when memory runs out, a worker goes before the hive does */

/* The words of a command line; numbers are kept in `nums`. */
struct args {
    const char *words[ARGS_MAX + 1];
    size_t n;
    char nums[8][ARG_NUM_MAX];
    size_t n_nums;
};

static void put(struct args *a, const char *option, const char *value)
{
    BUG_ON(a->n + 2 > ARGS_MAX);
    a->words[a->n++] = option;
    a->words[a->n++] = value;
}

static void put_num(struct args *a, const char *option, int64_t value)
{
    char *text = a->nums[a->n_nums];

    BUG_ON(a->n_nums == sizeof a->nums / sizeof a->nums[0]);
    a->n_nums++;
    snprintf(text, ARG_NUM_MAX, "%lld", (long long)value);
    put(a, option, text);
}

/* "http://HOST:PORT" of the hive as its own machine reaches it. */
static void hive_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    struct worker as_hive = {.owner = w->owner, .port = w->owner->params.addr.port};

    worker_own_url(&as_hive, dst);
}

static bool is_wildcard(const char *host)
{
    return str_eq(host, "0.0.0.0") || str_eq(host, "::");
}

static void make_args(struct args *a, const struct worker *w, const char *program, const char *hive,
                      const char *own)
{
    const struct config *c = w->owner->params.config;

    *a = (struct args){.words = {program, "serve"}, .n = 2};
    put(a, "--model", w->model_path);
    put(a, "--model-ref", w->model_ref);
    put(a, "--worker-id", w->id);
    put_num(a, "--listen-fd", 3);
    put_num(a, "--lease-fd", 4);
    put_num(a, "--board-fd", 5);
    if (w->owner->params.share_fd >= 0)
        put_num(a, "--access-fd", 6);
    put(a, "--hive-url", hive);
    if (!is_wildcard(w->owner->params.addr.host))
        put(a, "--public-url", own);
    put(a, "--backend", w->backend);
    put_num(a, "--device", w->device);
    if (w->slots)
        put_num(a, "--slots", w->slots);
    if (w->ctx)
        put_num(a, "--ctx", w->ctx);
    if (config_int(c, "hive", "threads"))
        put_num(a, "--threads", config_int(c, "hive", "threads"));
    put(a, "--kv-type", config_text(c, "hive", "kv_type"));
    if (config_text(c, "hive", "chat_template")[0])
        put(a, "--chat-template", config_text(c, "hive", "chat_template"));
    put(a, "--prefix-cache", config_text(c, "hive", "prefix_cache"));
    put(a, "--queue-timeout", config_text(c, "hive", "queue_timeout"));
    put(a, "--head-timeout", config_text(c, "hive", "head_timeout"));
    put(a, "--body-timeout", config_text(c, "hive", "body_timeout"));
    put(a, "--write-timeout", config_text(c, "hive", "write_timeout"));
    put(a, "--speculate", config_text(c, "hive", "speculate"));
    put(a, "--sandbox", config_text(c, "hive", "sandbox"));
    put(a, "--log-level", config_text(c, "hive", "log_level"));
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    worker_ended(arg);
}

/* What the hive opens for one worker, and closes once that has it. */
struct handed {
    int log_fd, listen_fd, board_fd, cgroup_fd; /* -1 = none */
};

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_handed(const struct handed *h)
{
    close_fd(h->log_fd);
    close_fd(h->listen_fd);
    close_fd(h->board_fd);
    close_fd(h->cgroup_fd);
}

static int run(struct worker *w, const char *program, const struct handed *h, struct err *err)
{
    char hive[WORKER_URL_MAX], own[WORKER_URL_MAX];
    struct environment env;
    struct args args;
    struct child_params params = {.path = program,
                                  .fds = {-1, h->log_fd, h->log_fd, h->listen_fd,
                                          w->owner->lease_read, h->board_fd,
                                          w->owner->params.share_fd},
                                  .n_fds = w->owner->params.share_fd >= 0 ? 7 : 6,
                                  .cgroup_fd = h->cgroup_fd};
    int rc;

    hive_url(w, hive);
    worker_own_url(w, own);
    make_args(&args, w, program, hive, own);
    environment_make(&env);
    params.argv = args.words;
    params.envp = env.vars;
    rc = child_start(&params, &w->child, err);
    environment_done(&env);
    if (rc)
        return rc;
    w->process = procfs_open(w->child.pid); /* before its sandbox hides it */
    atomic_store(&w->board->looked_up, 1);
    if (!w->process)
        log_warn("/proc does not tell of %s: that it is stopped will not be noticed, its silence "
                 "counts whatever the cause, and its memory as planned",
                 w->id);
    w->ended = event_new(w->owner->params.base, w->child.pidfd, EV_READ, on_ended, w);
    if (w->ended && event_add(w->ended, NULL) == 0)
        return 0;
    leftover_leave(w->owner->params.base, &w->child);
    return err_no_memory(err, sizeof *w, "watching a worker");
}

/* Noted before it is made: a hive that is killed just then leaves no cgroup that nobody knows of.
 */
static int make_cgroup(struct worker *w)
{
    int fd = -1;

    w->cgroup = cgroup_path(w->owner->cgroup_base, w->id);
    if (w->cgroup && reaper_note(w->owner->run_dir, w->id, 0, w->cgroup, NULL) == 0)
        fd = cgroup_make(w->cgroup);
    if (fd < 0) {
        free(w->cgroup);
        w->cgroup = NULL;
    }
    return fd;
}

/* Somebody may have tidied up: without its folder no worker started until the hive was started
 * anew. */
static int open_log(const struct worker *w)
{
    path_make_dirs(w->owner->logs_dir, 0700, NULL);
    return path_open_made(w->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The loop does not touch a template on a disk that does not answer: the worker waits for it. */
static void take_fingerprint(struct worker *w, const char *program)
{
    const struct config *c = w->owner->params.config;
    struct fingerprint_of of = {.backend = w->backend,
                                .program = program,
                                .model_path = w->model_path,
                                .chat_template = config_text(c, "hive", "chat_template"),
                                .kv_type = config_text(c, "hive", "kv_type")};

    if (of.chat_template[0] && reach_check(w->owner->params.reach, of.chat_template, NULL))
        of.chat_template = NULL;
    fingerprint_make(&of, w->fingerprint);
}

/* Makes what the worker gets, runs it, and closes what is the worker's alone. */
static int make_and_run(struct worker *w, struct err *err)
{
    const struct workers_params *p = &w->owner->params;
    struct handed h = {.log_fd = open_log(w), .listen_fd = -1, .board_fd = -1, .cgroup_fd = -1};
    char *program = NULL;
    int rc;

    if (h.log_fd < 0)
        rc = err_errno(err, ERR_IO, errno, "cannot write the log %s", w->log_path);
    else
        rc = port_listen(p->addr.host, (uint16_t)config_int(p->config, "hive", "worker_port_first"),
                         &h.listen_fd, &w->port, err);
    if (rc == 0)
        rc = board_create(&w->board, &h.board_fd, err);
    if (rc == 0)
        rc = programs_find_worker(config_text(p->config, "hive", "worker"), &program, err);
    if (rc == 0) {
        take_fingerprint(w, program);
        h.cgroup_fd = make_cgroup(w);
        rc = run(w, program, &h, err);
        if (rc)
            worker_tidy(w);
        else if (!w->child.in_cgroup)
            worker_end_cgroup(w);
    }
    free(program);
    close_handed(&h);
    return rc;
}

/* What is for the process's end in any case; none of it is needed for its life. */
static void bind_process(struct worker *w)
{
    const struct rlimit most = {LOGROTATE_HARD_BYTES, LOGROTATE_HARD_BYTES};
    char path[48], text[16];
    struct err err;
    int fd;

    prlimit(w->child.pid, RLIMIT_FSIZE, &most, NULL); /* its log is the one file it writes */
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)w->child.pid);
    snprintf(text, sizeof text, "%d", OOM_SCORE);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        log_debug("%s: the kernel does not take %s: %s", w->id, path, strerror(errno));
    close_fd(fd);
    if (reaper_note(w->owner->run_dir, w->id, w->child.pid, w->cgroup ? w->cgroup : "", &err))
        log_warn("%s has no note for a later hive: %s", w->id, err.text);
}

int worker_start(struct worker *w, struct api_error *e)
{
    struct err err = {0};
    int rc;

    if (reach_check(w->owner->params.reach, w->model_path,
                    &err)) { /* it may have waited for room */
        api_error_set(e, API_DISK_NOT_ANSWERING, REPLY_SRC, "%s", err.text);
        return -1;
    }
    workers_tidy_logs(w->owner);
    file_mark_of(w->model_path, &w->file); /* the judge has taken its time */
    rc = make_and_run(w, &err);
    if (rc) {
        worker_release(w);
        api_error_set(e, rc == ERR_NO_SPACE ? API_DISK_FULL : API_WORKER_START_FAILED, REPLY_SRC,
                      "the worker for %.200s could not be started: %s", w->model_ref, err.text);
        return -1;
    }
    worker_move(w, WORKER_START);
    bind_process(w);
    w->started_ms = clock_ms();
    w->started_unix_ms = clock_unix_ms();
    w->next_health_ms =
        w->started_ms + config_duration_ms(w->owner->params.config, "hive", "health_interval");
    w->used_told_ms = w->started_ms;
    w->owner->params.used(w->owner->params.used_arg, w->model_ref, w->started_unix_ms);
    workers_watch_wake(w->owner);
    log_info("%s started for %s: process %ld, port %u", w->id, w->model_ref, (long)w->child.pid,
             w->port);
    return 0;
}
