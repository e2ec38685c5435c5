/* inspect.c - see inspect.h. */
#include "hive/catalog/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/catalog/inspect_read.h"
#include "hive/catalog/verdicts.h"
#include "hive/http/reply.h"
#include "hive/process/looks.h"

struct inspect {
    struct look *look;
    char *model_path;
    void (*done)(void *arg, const struct inspect_result *result);
    void *arg;
};

static void inspect_free(struct inspect *in)
{
    free(in->model_path);
    free(in);
}

static void on_captured(void *arg, const struct capture_result *r)
{
    struct inspect *in = arg;
    struct inspect_result result = {0};
    struct api_error error = {0};

    inspect_read(in->model_path, r, &result, &error);
    in->done(in->arg, &result);
    json_decref(result.json);
    api_error_done(&error);
    inspect_free(in);
}

int inspect_start(struct looks *looks, const char *worker_program, const char *sandbox,
                  const char *model_path,
                  void (*done)(void *arg, const struct inspect_result *result), void *arg,
                  struct inspect **out, struct api_error *e)
{
    struct inspect *in = calloc(1, sizeof *in);
    const char *argv[] = {worker_program, "inspect", "--sandbox", sandbox, "--", model_path, NULL};
    struct capture_params params = {.path = worker_program,
                                    .argv = argv,
                                    .out_max = INSPECT_JSON_MAX,
                                    .timeout_ms = INSPECT_TIMEOUT_MS,
                                    .arg = in,
                                    .done = on_captured};
    struct err err = {0};
    bool settled;
    char *same = verdict_key_text(worker_program, model_path, &settled);
    int rc;

    if (in) {
        *in = (struct inspect){.model_path = str_dup(model_path), .done = done, .arg = arg};
        rc = in->model_path ? look_start(looks, &params, same, !settled, &in->look, &err)
                            : err_no_memory(&err, strlen(model_path), "a path");
    } else {
        rc = err_no_memory(&err, sizeof *in, "a look into a model");
    }
    free(same);
    if (rc == 0) {
        *out = in;
        return 0;
    }
    api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
    if (in)
        inspect_free(in);
    return -1;
}

void inspect_cancel(struct inspect *in)
{
    if (!in)
        return;
    look_cancel(in->look);
    inspect_free(in);
}
