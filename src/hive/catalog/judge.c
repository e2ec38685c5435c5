/* judge.c - see judge.h. */
#include "hive/catalog/judge.h"

#include <stdlib.h>

#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/process/programs.h"

struct judge_ask {
    struct judge *judge;
    char *program, *model_path; /* owned */
    struct verdict_key key;     /* taken before it was looked into */
    bool has_key;
    struct inspect *inspect;
    void (*done)(void *arg, const struct model_facts *facts, struct api_error *e);
    void *arg;
};

static void free_ask(struct judge_ask *ask)
{
    free(ask->program);
    free(ask->model_path);
    free(ask);
}

void judge_cancel(struct judge_ask *ask)
{
    if (!ask)
        return;
    inspect_cancel(ask->inspect);
    free_ask(ask);
}

/* A split model is not remembered: only its first part is known. */
static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct judge_ask *ask = arg;
    struct judge_ask told = *ask;

    if (!r->error && ask->has_key && r->facts.n_parts == 1)
        verdicts_put(&ask->judge->verdicts, &ask->key, ask->program, ask->model_path, &r->facts);
    free_ask(ask);
    told.done(told.arg, &r->facts, r->error);
}

static int find_program(const struct judge *j, char **out, struct api_error *e)
{
    struct err err;

    if (programs_find_worker(j->program, out, &err) == 0)
        return 0;
    api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
    e->details = json_pack("{s:s}", "hint",
                           "Install llm-worker-rbee beside rbee-hive, or name it with --worker "
                           "or [hive] worker in config.ini.");
    return -1;
}

/* True when it was known, and `done` has come. */
static bool answer_known(struct judge_ask *ask)
{
    const struct model_facts *known;

    ask->has_key = verdict_key_of(ask->program, ask->model_path, &ask->key);
    known = ask->has_key ? verdicts_find(&ask->judge->verdicts, &ask->key) : NULL;
    if (!known)
        return false;
    ask->done(ask->arg, known, NULL);
    return true;
}

int judge_model(struct judge *j, const char *model_path,
                void (*done)(void *arg, const struct model_facts *facts, struct api_error *e),
                void *arg, struct judge_ask **out, struct api_error *e)
{
    struct judge_ask *ask = calloc(1, sizeof *ask);
    int rc = -1;

    *out = NULL;
    if (ask) {
        *ask = (struct judge_ask){.judge = j, .done = done, .arg = arg};
        ask->model_path = str_dup(model_path);
    }
    if (!ask || !ask->model_path)
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    else
        rc = find_program(j, &ask->program, e);
    if (rc == 0 && answer_known(ask)) {
        free_ask(ask);
        return 0;
    }
    if (rc == 0)
        rc = inspect_start(j->looks, ask->program, j->sandbox, model_path, on_inspected, ask,
                           &ask->inspect, e);
    if (rc == 0)
        *out = ask;
    else if (ask)
        free_ask(ask);
    return rc;
}
