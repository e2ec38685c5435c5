/* routes_node.c - /v1/health, /v1/node, /v1/backends. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "api/json_load.h"
#include "hive/http/reply.h"
#include "hive/machine/detect.h"
#include "hive/machine/machine.h"
#include "hive/process/looks.h"
#include "hive/process/programs.h"
#include "hive/routes/routes.h"
#include "hive/workers/workers.h"
#include "net/http_server.h"
#include "version.h"

#define HOST_NAME_MAX_BYTES 256

static void get_health(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)h;
    (void)id;
    reply_json(x, 200,
               json_pack("{s:s, s:s, s:s}", "status", "alive", "version", RBEE_VERSION,
                         "api_version", HIVE_API_VERSION));
}

static void get_node(struct hive *h, struct http_exchange *x, const char *id)
{
    char name[HOST_NAME_MAX_BYTES] = "unknown";
    uint64_t total, usable;
    struct machine m;

    (void)id;
    machine_read(&m);
    workers_memory(h->workers, &total, &usable);
    gethostname(name, sizeof name - 1);
    reply_json(x, 200,
               json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:s, s:i, s:I}", "name", name, "version",
                         RBEE_VERSION, "cpu", m.cpu_model, "cpus", (int)m.n_cores, "memory_bytes",
                         (json_int_t)total, "memory_free_bytes", (json_int_t)usable, "home",
                         h->home, "workers", (int)workers_n_alive(h->workers), "slow_clients_cut",
                         (json_int_t)http_server_n_slow(h->server)));
}

/* ---- backends: asked of a process of a moment (see detect.h) ---- */

struct asking {
    struct http_exchange *x;
    struct look *look;
};

/* A driver that crashes or hangs takes only the process that asked it with it. */
static void on_detected(void *arg, const struct capture_result *r)
{
    struct asking *a = arg;
    json_t *found = NULL;
    char end[80], reason[160];

    if (r->rc == 0 && !r->end.by_signal && r->end.code == 0)
        found = json_load_bounded(buf_str(r->out), r->out->len, 0, NULL);
    if (!found) {
        if (r->rc && r->rc != ERR_TIMEOUT && r->rc != ERR_LIMIT)
            snprintf(reason, sizeof reason, "no look for devices began: %s", buf_str(r->errors));
        else
            snprintf(reason, sizeof reason, "the look for devices ended with %s",
                     r->rc == ERR_TIMEOUT ? "no answer in time"
                                          : child_end_text(&r->end, end, sizeof end));
        log_warn("%s", reason);
        found = detect_without_drivers(reason);
    }
    reply_json(a->x, 200, found);
    free(a);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct asking *a = arg;

    (void)x;
    look_cancel(a->look);
    free(a);
}

static void get_backends(struct hive *h, struct http_exchange *x, const char *id)
{
    struct asking *a = calloc(1, sizeof *a);
    static const char *const argv[] = {"rbee-hive", "detect", "--json", NULL};
    const struct capture_params params = {.path = PROGRAMS_SELF,
                                          .argv = argv,
                                          .out_max = DETECT_JSON_MAX,
                                          .timeout_ms = DETECT_TIMEOUT_MS,
                                          .arg = a,
                                          .done = on_detected};
    struct err err = {0};
    int rc = a ? 0 : err_no_memory(&err, sizeof *a, "a request");

    (void)id;
    if (rc == 0) {
        a->x = x;
        rc = look_start(h->looks, &params, "detect", false, &a->look, &err);
    }
    if (rc == 0) {
        http_on_gone(x, on_gone, a);
        return;
    }
    free(a);
    reply_fail(x, API_INTERNAL, "%s", err.text);
}

const struct route routes_node[] = {
    {"GET", "/v1/health", get_health},
    {"GET", "/v1/node", get_node},
    {"GET", "/v1/backends", get_backends},
    {0},
};
