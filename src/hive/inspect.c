/* inspect.c - see inspect.h. */
#include "hive/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/capture.h"
#include "hive/programs.h"
#include "hive/reply.h"

#define WORKER_PREFIX WORKER_PROGRAM ": " /* how the worker begins its sentences on stderr */

struct inspect {
    struct capture *capture;
    char *model_path;
    void (*done)(void *arg, const struct inspect_result *result);
    void *arg;
};

static void inspect_free(struct inspect *in)
{
    free(in->model_path);
    free(in);
}

/* A size from the JSON; what is negative or no number counts as not said. */
static uint64_t size_of(json_t *root, const char *key)
{
    double v = json_number_value(json_object_get(root, key));

    return v > 0 && v < 9e18 ? (uint64_t)v : 0;
}

static struct model_facts facts_of(json_t *root)
{
    return (struct model_facts){
        .file_bytes = size_of(root, "file_bytes"),
        .weight_bytes = size_of(root, "weight_bytes"),
        .kv_bytes_per_token = size_of(root, "kv_bytes_per_token"),
        .kv_bytes_per_token_q8_0 = size_of(root, "kv_bytes_per_token_q8_0"),
        .context_length = size_of(root, "context_length"),
        .scratch_bytes = size_of(root, "scratch_bytes"),
        .scratch_bytes_per_slot = size_of(root, "scratch_bytes_per_slot"),
        .n_parts = size_of(root, "parts"),
    };
}

/* The last line of what went to stderr, without the program's name before it. */
static void last_line(const struct buf *errors, char *dst, size_t dst_size)
{
    const char *text = buf_str(errors), *start;
    size_t n = errors->len;

    while (n > 0 && text[n - 1] == '\n')
        n--;
    start = n ? memrchr(text, '\n', n) : NULL;
    start = start ? start + 1 : text;
    n -= (size_t)(start - text);
    if (n > sizeof WORKER_PREFIX - 1 && str_starts(start, WORKER_PREFIX)) {
        start += sizeof WORKER_PREFIX - 1;
        n -= sizeof WORKER_PREFIX - 1;
    }
    if (n >= dst_size)
        n = dst_size - 1;
    memcpy(dst, start, n);
    dst[n] = '\0';
}

static void say_failed(const struct inspect *in, const struct capture_result *r,
                       struct api_error *e)
{
    char line[512], end[80];

    last_line(r->errors, line, sizeof line);
    child_end_text(&r->end, end, sizeof end);
    if (r->rc == ERR_TIMEOUT)
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the look into %.300s took more than %d s and was given up", in->model_path,
                      INSPECT_TIMEOUT_MS / 1000);
    else if (r->rc)
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the description of %.300s is longer than %u bytes", in->model_path,
                      INSPECT_JSON_MAX);
    else if (r->end.by_signal || !line[0])
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the look into %.300s ended with %s%s%s", in->model_path, end,
                      line[0] ? ": " : "", line);
    else
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC, "%s", line);
}

/* 0 when the model can be run, else -1 with *e. */
static int judge(const struct inspect *in, const struct capture_result *r, json_t *root,
                 struct api_error *e)
{
    const char *reason = json_string_value(json_object_get(root, "reason"));

    if (r->rc || r->end.by_signal || r->end.code != 0) {
        say_failed(in, r, e);
        return -1;
    }
    if (!json_is_object(root)) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "the worker's program answered something that is not JSON when asked about "
                      "%.300s",
                      in->model_path);
        return -1;
    }
    if (json_is_true(json_object_get(root, "supported")))
        return 0;
    api_error_set(e, API_UNSUPPORTED_MODEL, REPLY_SRC, "%s",
                  reason ? reason : "the model cannot be run here");
    return -1;
}

static void on_captured(void *arg, const struct capture_result *r)
{
    struct inspect *in = arg;
    struct inspect_result result = {0};
    struct api_error error = {0};

    result.json = json_loadb(buf_str(r->out), r->out->len, 0, NULL);
    if (!result.json) /* perhaps a number past 63 bits: as a real it is harmless */
        result.json = json_loadb(buf_str(r->out), r->out->len, JSON_DECODE_INT_AS_REAL, NULL);
    if (judge(in, r, result.json, &error))
        result.error = &error;
    result.facts = facts_of(result.json);
    in->done(in->arg, &result);
    json_decref(result.json);
    api_error_done(&error);
    inspect_free(in);
}

int inspect_start(struct event_base *base, const char *worker_program, const char *sandbox,
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
    int rc;

    if (in) {
        *in = (struct inspect){.model_path = str_dup(model_path), .done = done, .arg = arg};
        rc = in->model_path ? capture_start(base, &params, &in->capture, &err)
                            : err_no_memory(&err, strlen(model_path), "a path");
    } else {
        rc = err_no_memory(&err, sizeof *in, "a look into a model");
    }
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
    capture_cancel(in->capture);
    inspect_free(in);
}
