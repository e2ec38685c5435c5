/*
 * server.c - see server.h. Puts the parts together, carries the outbox's notes to them, and takes
 * all apart in the reverse order.
 */
#include "worker/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/addressee.h"
#include "api/inference.h"
#include "base/clean.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/post.h"
#include "version.h"
#include "worker/jobs/cancels.h"
#include "worker/jobs/job.h"
#include "worker/sandbox/look_around.h"
#include "worker/schedule/scheduler.h"
#include "worker/server/answer.h"
#include "worker/server/callback.h"
#include "worker/server/entrance.h"
#include "worker/server/lifecycle.h"
#include "worker/server/progress.h"
#include "worker/server/reply.h"
#include "worker/server/routes.h"

#define EVENT_MAX       (8u << 20) /* bytes of one event's JSON */
#define TICK_MS         250        /* how fresh the board's steps and queue are within a pass */
#define JOIN_MS         3000       /* for the engine to end behind the last answer */
#define HIVE_WAIT_MS    1000       /* for the hive to look the process up, before the sandbox */
#define MEAN_WEIGHT     0.2        /* of the newest job in the mean service time */
#define RETRY_AFTER_MAX 60.0
#define KEY_VARIABLE    "RBEE_API_KEY"

/* ---- what the engine's side tells ---------------------------------------- */

static void note_service(struct server *s, const struct job *j)
{
    double ms = (double)(j->end.prefill_time_ms + j->end.decode_time_ms);

    if (!j->begun_ms || j->failed)
        return;
    s->mean_service_ms += (ms - s->mean_service_ms) * (s->mean_service_ms > 0 ? MEAN_WEIGHT : 1);
}

void server_set_retry_after(const struct server *s, struct api_error *e)
{
    double seconds = s->mean_service_ms / 1000 / s->o.engine.n_slots;

    seconds = ceil(fmin(fmax(seconds, 1.0), RETRY_AFTER_MAX));
    if (!e->details)
        e->details = json_object();
    json_object_set_new(e->details, "retry_after_s", json_integer((json_int_t)seconds));
}

static void note_queued(struct server *s)
{
    uint32_t busy = atomic_load(&s->board->slots_busy);

    atomic_store(&s->board->queued, s->n_jobs > busy ? s->n_jobs - busy : 0);
}

/* The engine takes jobs into slots without a word to the loop. */
static void tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd, (void)what;
    atomic_store(&s->board->steps, scheduler_steps(s->scheduler));
    note_queued(s);
}

void server_jobs_changed(struct server *s)
{
    const struct timeval each = {.tv_usec = TICK_MS * 1000};

    note_queued(s);
    if (s->n_jobs == 0)
        event_del(s->ticker);
    else if (!event_pending(s->ticker, EV_TIMEOUT, NULL))
        event_add(s->ticker, &each);
    lifecycle_job_ended(s->life);
}

static void take_ended(struct server *s, struct job_list ended)
{
    struct job *j;

    while ((j = job_list_take(&ended))) {
        note_service(s, j);
        cancels_note(s->board, j);
        s->n_jobs--;
        reply_end(j);
    }
    if (s->n_jobs == 0 && s->was_large) {
        s->was_large = false;
        heap_give_back();
    }
}

static void log_timings(const struct server *s)
{
    struct buf text;

    buf_init(&text, TIMINGS_TEXT_BYTES);
    timings_put(&scheduler_facts(s->scheduler)->load, &text);
    log_info("loading took, in ms: %s", buf_str(&text));
    buf_done(&text);
}

static void loading_over(struct server *s)
{
    if (s->stage == LOAD_DONE) {
        log_info("the model is loaded: %u slots of %u tokens each",
                 atomic_load(&s->board->slots_total), atomic_load(&s->board->n_ctx));
        log_timings(s);
        if (s->callback)
            callback_send(s->callback);
    } else {
        log_error("%s: %s", s->board->error_code, s->board->error_text);
        lifecycle_fail(s->life);
    }
    progress_news(s->progress);
}

/* The last layer and the end may come at once; those who watch see both. */
static void take_load_news(struct server *s, const struct outbox_batch *b)
{
    if (b->has_load) {
        s->stage = LOAD_GOING_ON;
        s->load = b->load;
        progress_news(s->progress);
    }
    s->stage = b->stage;
    if (s->stage != LOAD_GOING_ON)
        loading_over(s);
}

/* Runs in the loop when the outbox has something. */
static void deliver(void *arg)
{
    struct server *s = arg;
    const struct outbox_batch *b = outbox_take(s->outbox);

    if (b->stage != LOAD_NO_NEWS)
        take_load_news(s, b);
    for (size_t i = 0; i < b->n_notes; i++)
        reply_note(&b->notes[i], b->bytes.data + b->notes[i].at);
    take_ended(s, b->ended);
    server_jobs_changed(s);
}

/* ---- where the server is ------------------------------------------------- */

/* The address an inherited socket is bound to. */
static int name_socket(int fd, char *host, size_t size, struct err *err)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof at;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    const char *text = NULL;

    if (getsockname(fd, (struct sockaddr *)&at, &n))
        return err_errno(err, ERR_INVALID, errno, "descriptor %d is no listening socket", fd);
    if (at.ss_family == AF_INET) {
        memcpy(&in, &at, sizeof in);
        text = inet_ntop(AF_INET, &in.sin_addr, host, (socklen_t)size);
    } else if (at.ss_family == AF_INET6) {
        memcpy(&in6, &at, sizeof in6);
        text = inet_ntop(AF_INET6, &in6.sin6_addr, host, (socklen_t)size);
    }
    return text ? 0 : err_set(err, ERR_INVALID, "descriptor %d is no TCP socket", fd);
}

static void make_url(struct server *s)
{
    bool v6 = strchr(s->host, ':') != NULL;

    if (s->o.public_url)
        str_copy(s->url, sizeof s->url, s->o.public_url);
    else
        snprintf(s->url, sizeof s->url, "%s://%s%s%s:%u",
                 entrance_tls(s->entrance) ? "https" : "http", v6 ? "[" : "", s->host,
                 v6 ? "]" : "", http_server_port(s->http));
}

/*
 * Who may ask; the one place where that is decided for this server. What is for another worker is
 * refused first: its key may well be one that this worker does not know.
 */
static bool check_access(struct http_exchange *x, void *arg)
{
    const struct server *s = arg;
    struct api_error e;
    char seconds[16];
    int wait_s = 0;

    if (http_header(x, ADDRESSEE_REQUEST_HEADER))
        http_set_request_id(x, http_header(x, ADDRESSEE_REQUEST_HEADER));
    if (addressee_check(http_header(x, ADDRESSEE_HEADER), s->o.worker_id, ANSWER_SRC, &e) == 0 &&
        entrance_check(s->entrance, &s->access, x, &e, &wait_s) == 0)
        return true;
    snprintf(seconds, sizeof seconds, "%d", wait_s);
    if (wait_s > 0)
        http_add_header(x, "Retry-After", seconds);
    if (api_error_info(e.code)->status == 401)
        http_add_header(x, "WWW-Authenticate", "Bearer");
    answer_error(x, &e);
    return false;
}

/*
 * The key comes by the environment, from the hive or from a person; it is taken out of there, so
 * that nothing else sees it. Beyond loopback there is no worker without one.
 */
static int take_key(struct server *s, struct err *err)
{
    const char *key = getenv(KEY_VARIABLE);
    bool fits = !key || str_copy(s->access.key, sizeof s->access.key, key);

    sandbox_forget(KEY_VARIABLE);
    if (!fits || (s->access.key[0] && strlen(s->access.key) < ACCESS_KEY_MIN))
        return err_set(err, ERR_INVALID,
                       "the key in " KEY_VARIABLE " must have %d to %d characters", ACCESS_KEY_MIN,
                       ACCESS_KEY_MAX);
    if (!s->access.loopback_only && !s->access.key[0] && !s->access.share)
        return err_set(err, ERR_DENIED,
                       "other machines can reach %s, so a key is needed: set " KEY_VARIABLE
                       " to one of %d to %d characters, or listen on 127.0.0.1",
                       s->host, ACCESS_KEY_MIN, ACCESS_KEY_MAX);
    return 0;
}

/* Beyond loopback a worker without a hive speaks https, unless it was told not to. */
static int check_plain(const struct server *s, struct err *err)
{
    if (s->access.loopback_only || s->o.access_fd >= 0 || entrance_tls(s->entrance))
        return 0;
    if (!s->o.plain_http)
        return err_set(err, ERR_DENIED,
                       "other machines can reach %s, and without https keys and prompts cross the "
                       "network in the clear: give --tls-cert FILE and --tls-key FILE, say --tls "
                       "off, or listen on 127.0.0.1",
                       s->host);
    log_warn("--tls is off: keys and prompts cross the network in the clear");
    return 0;
}

static int listen_for_clients(struct server *s, struct err *err)
{
    struct http_server_params params = {
        .base = s->base,
        .address = s->o.host,
        .port = (uint16_t)s->o.port,
        .listen_fd = s->o.listen_fd,
        .name = SERVER_NAME "/" RBEE_VERSION,
        .limits = http_limits_default(),
        .arg = s,
        .handle = routes_handle,
        .filter = check_access,
        .render_error = answer_render_error,
    };
    int rc = entrance_create(s->o.access_fd, &s->access, &s->entrance, err);

    params.limits.head_timeout_ms = s->o.head_timeout_ms;
    params.limits.body_timeout_ms = s->o.body_timeout_ms;
    params.limits.write_timeout_ms = s->o.write_timeout_ms;
    if (rc == 0 && s->o.tls_cert && !s->o.plain_http)
        rc = entrance_show(s->entrance, s->o.tls_cert, s->o.tls_key, err);
    if (rc == 0)
        entrance_put(s->entrance, &params);
    if (rc == 0 && s->o.listen_fd > 0)
        rc = name_socket(s->o.listen_fd, s->host, sizeof s->host, err);
    else if (rc == 0)
        str_copy(s->host, sizeof s->host, s->o.host);
    if (rc == 0)
        rc = http_server_create(&params, &s->http, err);
    if (rc)
        return rc;
    s->access.loopback_only = access_is_loopback(s->host);
    make_url(s);
    rc = entrance_follow(s->entrance, s->base, s->http, err);
    if (rc == 0)
        rc = take_key(s, err);
    return rc ? rc : check_plain(s, err);
}

/* ---- life ---------------------------------------------------------------- */

static int make_loop(struct server *s, struct err *err)
{
    s->base = event_base_new();
    s->ticker = s->base ? event_new(s->base, -1, EV_PERSIST, tick, s) : NULL;
    if (!s->ticker)
        return err_no_memory(err, 0, "the worker's event loop");
    return post_create(s->base, &s->post, err);
}

/* The hive opens what it looks at of this process as soon as it has started it, but a busy machine
 * may let it stand just then. */
static void await_hive(const struct server *s)
{
    if (s->o.board_fd < 0)
        return;
    for (int left_ms = HIVE_WAIT_MS; left_ms > 0 && !atomic_load(&s->board->looked_up); left_ms--)
        clock_sleep_ms(1);
}

/*
 * The door: all that is needed is open, nothing of the model was read, and there is one thread.
 * What libraries would look up in files later is looked up now.
 */
static int enter_sandbox(struct server *s, struct err *err)
{
    const int keep[] = {s->o.listen_fd, s->o.lease_fd};
    const struct sandbox_rules rules = {.mode = s->o.sandbox,
                                        .keep = keep,
                                        .n_keep = sizeof keep / sizeof keep[0],
                                        .file_max = SANDBOX_LOG_MAX};
    int rc;

    look_around();
    await_hive(s);
    rc = sandbox_enter(&rules, &s->sandbox, err);
    atomic_store(&s->board->sandbox, sandbox_pack(&s->sandbox));
    return rc;
}

static int make_parts(struct server *s, struct err *err)
{
    struct scheduler_params engine = {.sources = &s->sources,
                                      .engine = s->o.engine,
                                      .guess = s->o.guess,
                                      .queue_limit_ms = s->o.queue_limit_ms};
    int rc = board_attach(s->o.board_fd, &s->board, err);

    sources_open(&s->sources, s->o.model_path, s->o.chat_template);
    if (rc == 0)
        rc = make_loop(s, err);
    if (rc == 0)
        rc = outbox_create(s->post, deliver, s, &s->outbox, err);
    if (rc == 0)
        rc = progress_create(s, &s->progress, err);
    if (rc == 0)
        rc = listen_for_clients(s, err);
    if (rc == 0)
        rc = lifecycle_create(s, &s->life, err);
    if (rc == 0 && s->o.hive_url)
        rc = callback_create(s, &s->callback, err);
    if (rc == 0)
        rc = enter_sandbox(s, err);
    engine.board = s->board;
    engine.outbox = s->outbox;
    if (rc == 0)
        rc = scheduler_create(&engine, &s->scheduler, err);
    return rc;
}

/* The scheduler is first to go: until its threads have ended nothing else may. */
static void take_apart(struct server *s, int exit_code)
{
    if (scheduler_free(s->scheduler, JOIN_MS)) {
        log_error("the engine did not end within %d ms", JOIN_MS);
        _exit(exit_code);
    }
    callback_free(s->callback);
    if (s->outbox)
        take_ended(s, outbox_take(s->outbox)->ended);
    http_server_free(s->http);
    entrance_free(s->entrance);
    lifecycle_free(s->life);
    progress_free(s->progress);
    outbox_free(s->outbox);
    if (s->post)
        post_free(s->post);
    if (s->ticker)
        event_free(s->ticker);
    if (s->base)
        event_base_free(s->base);
    board_detach(s->board);
    sources_close(&s->sources);
    buf_done(&s->json);
}

int server_run(const struct serve_options *o)
{
    struct server s = {.o = *o};
    char level[SANDBOX_TEXT_BYTES];
    struct err err;
    int exit_code = CLI_ERROR;

    signal(SIGPIPE, SIG_IGN);
    buf_init(&s.json, EVENT_MAX);
    if (make_parts(&s, &err)) {
        clean_line(err.text);
        fprintf(stderr, "%s: %s.\n", SERVER_NAME, err.text);
        if (err.code == ERR_CONFLICT) /* by what the hive shares, and nothing else here */
            exit_code = BOARD_EXIT_OTHER_BUILD;
    } else {
        fprintf(stderr, "%s %s listens on %s\n", SERVER_NAME, RBEE_VERSION, s.url);
        log_info("sandbox: %s", sandbox_text(&s.sandbox, level));
        event_base_dispatch(s.base);
        exit_code = lifecycle_exit_code(s.life);
    }
    take_apart(&s, exit_code);
    return exit_code;
}
