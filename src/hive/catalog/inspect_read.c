/* inspect_read.c - see inspect_read.h. */
#include "hive/catalog/inspect_read.h"

#include <signal.h>
#include <string.h>

#include "api/json_load.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/process/programs.h"

#define WORKER_PREFIX WORKER_PROGRAM ": " /* how the worker begins its sentences on stderr */

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
        .packing_bytes = size_of(root, "packing_bytes"),
        .tables_bytes = size_of(root, "tables_bytes"),
        .kv_bytes_per_token = size_of(root, "kv_bytes_per_token"),
        .kv_bytes_per_token_q8_0 = size_of(root, "kv_bytes_per_token_q8_0"),
        .kv_table_bytes_per_token = size_of(root, "kv_table_bytes_per_token"),
        .context_length = size_of(root, "context_length"),
        .scratch_bytes = size_of(root, "scratch_bytes"),
        .scratch_bytes_per_slot = size_of(root, "scratch_bytes_per_slot"),
        .logits_bytes_per_slot = size_of(root, "logits_bytes_per_slot"),
        .scratch_bytes_per_position = size_of(root, "scratch_bytes_per_position"),
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

/* It may well be the file that ended it, and not the machine: no lack of memory or of time, no
 * disk that cannot be read (SIGBUS), nobody's kill. */
static bool is_crash(const struct child_end *end)
{
    return end->by_signal && (end->code == SIGSEGV || end->code == SIGFPE || end->code == SIGILL ||
                              end->code == SIGABRT || end->code == SIGSYS);
}

/* The look did not come to its end: why, for WORKER_START_FAILED. */
static void say_not_looked(const char *path, const struct capture_result *r, const char *line,
                           struct api_error *e)
{
    char end[80];

    child_end_text(&r->end, end, sizeof end);
    if (r->rc == ERR_TIMEOUT)
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "the look into %.300s took more than %d s and was given up, which says "
                      "nothing about the file itself; the next ask looks again",
                      path, INSPECT_TIMEOUT_MS / 1000);
    else if (r->rc) /* it did not start */
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "%s", line);
    else if (!r->end.by_signal && r->end.code == 0)
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "the worker's program answered something that is not JSON when asked about "
                      "%.300s",
                      path);
    else
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "the look into %.300s ended with %s%s%s, which says nothing about the file "
                      "itself; the next ask looks again",
                      path, end, line[0] ? ": " : "", line);
    e->details = json_pack("{s:s}", "hint", "Ask again.");
}

/* -1 with *e: it ended without a word of its own on the file; why what it said is no JSON. */
static int say_failed(const char *path, const struct capture_result *r, const json_error_t *why,
                      struct api_error *e)
{
    char line[512], end[80];

    last_line(r->errors, line, sizeof line);
    if (r->rc == 0 && json_is_too_many(why))
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the description of %.300s is too long: %s", path, why->text);
    else if (r->rc == ERR_LIMIT)
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the description of %.300s is longer than %u bytes", path, INSPECT_JSON_MAX);
    else if (r->rc == 0 && is_crash(&r->end))
        api_error_set(e, API_INVALID_MODEL_FILE, REPLY_SRC,
                      "the look into %.300s ended with %s%s%s", path,
                      child_end_text(&r->end, end, sizeof end), line[0] ? ": " : "", line);
    else
        say_not_looked(path, r, line, e);
    return -1;
}

/* It has ended by itself, and told in JSON what it found: with code 1 what makes the file none. */
static bool has_judged(const struct capture_result *r, json_t *root)
{
    return r->rc == 0 && !r->end.by_signal && json_is_object(root) &&
           (r->end.code == 0 ||
            (r->end.code == 1 && json_is_false(json_object_get(root, "supported"))));
}

/* 0 when the model can be run, else -1 with *e. */
static int judge(const char *path, const struct capture_result *r, json_t *root,
                 const json_error_t *why, struct api_error *e)
{
    const char *reason = json_string_value(json_object_get(root, "reason"));

    if (!has_judged(r, root))
        return say_failed(path, r, why, e);
    if (json_is_true(json_object_get(root, "supported")))
        return 0;
    api_error_set(e,
                  json_is_true(json_object_get(root, "damaged")) ? API_INVALID_MODEL_FILE
                                                                 : API_UNSUPPORTED_MODEL,
                  REPLY_SRC, "%s", reason && reason[0] ? reason : "the model cannot be run here");
    return -1;
}

void inspect_read(const char *path, const struct capture_result *r, struct inspect_result *out,
                  struct api_error *e)
{
    const char *said = buf_str(r->out);
    json_error_t why = {0};

    *out = (struct inspect_result){.json = json_load_bounded(said, r->out->len, 0, &why)};
    if (judge(path, r, out->json, &why, e))
        out->error = e;
    out->judged = has_judged(r, out->json);
    out->facts = facts_of(out->json);
}
