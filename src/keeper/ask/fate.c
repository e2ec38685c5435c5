/* fate.c - see fate.h. */
#include "keeper/ask/fate.h"

#include <stdlib.h>

#include "base/str.h"
#include "keeper/ask/pool_internal.h"
#include "keeper/shell/interrupt.h"
#include "net/http_url.h"

static bool has_ended(const json_t *worker)
{
    const char *state = keeper_text(worker, "state", "");

    return json_is_object(json_object_get(worker, "error")) || str_eq(state, "draining") ||
           str_eq(state, "failed");
}

static enum fate ask_once(struct keeper *k, const char *worker_id)
{
    struct api_error e = {0};
    json_t *worker = pool_look_up(k, worker_id, &e);
    enum fate fate;

    if (worker)
        fate = has_ended(worker) ? FATE_ENDED : FATE_LIVES;
    else
        fate = e.code == API_NOT_FOUND ? FATE_ENDED : FATE_UNKNOWN;
    json_decref(worker);
    api_error_done(&e);
    return fate;
}

enum fate fate_ask(struct keeper *k, const char *worker_id)
{
    enum fate fate = ask_once(k, worker_id);

    for (unsigned i = 1;
         i < POOL_NOTICE_TRIES && fate == FATE_LIVES && interrupt_sleep_ms(POOL_NOTICE_MS); i++)
        fate = ask_once(k, worker_id);
    return fate;
}

bool fate_is_lost(enum api_code code)
{
    return code == API_CONNECTION_REFUSED || code == API_CONNECTION_TIMEOUT ||
           code == API_WRONG_WORKER;
}

static char *hint_of(const struct pool_worker *worker, enum api_code code)
{
    struct http_url at = {.port = 0};

    http_url_parse(worker->url, &at, NULL);
    if (code == API_WRONG_WORKER)
        return str_printf("Another hive's worker answers at port %u: the tunnel or port mapping to "
                          "that machine has to lead to its workers' ports (8081 and up) as well, "
                          "each by its own number.",
                          (unsigned)at.port);
    return str_printf("The hive answers, port %u of that machine does not: let the workers' ports "
                      "(8081 and up) through its firewall, port mapping or tunnel as well.",
                      (unsigned)at.port);
}

void fate_blame_way(const struct pool_worker *worker, struct api_error *e)
{
    enum api_code code = e->code;
    char why[ERR_TEXT_MAX], *hint = hint_of(worker, code);

    str_copy(why, sizeof why, e->message);
    api_error_done(e);
    if (code == API_WRONG_WORKER)
        api_error_set(e, code, "keeper",
                      "the worker %s runs, says its hive, but it is not the one that answers at "
                      "%.200s",
                      worker->id, worker->url);
    else
        api_error_set(e, code, "keeper",
                      "the worker %s runs, says its hive, but cannot be reached: %s", worker->id,
                      why);
    e->details = json_pack("{s:s*, s:s}", "hint", hint, "worker_id", worker->id);
    free(hint);
}

void fate_explain(struct keeper *k, const char *worker_id, const char *what, struct api_error *e)
{
    char why[ERR_TEXT_MAX];

    str_copy(why, sizeof why, e->message);
    api_error_done(e);
    api_error_set(e, API_WORKER_CRASHED, "keeper", "the worker %s %s", worker_id, what);
    pool_explain(k, worker_id, why, e);
}
