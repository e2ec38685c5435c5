/* errors.c - see errors.h. The table is all there is to know about an error at the edge. */
#include "api/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "base/utf8.h"

/* Of any error that has the list. */
#define HINT_FIELDS "Correct what the message names; details.errors lists every failing field."

static const struct api_error_info table[API_N_CODES] = {
    [API_CONNECTION_REFUSED] =
        {"CONNECTION_REFUSED", 0, 1, true,
         "Is rbee-hive running there? Ask with `curl http://HOST:8080/v1/health`, "
         "start it with `rbee-hive daemon --addr HOST:8080`."},
    [API_CONNECTION_TIMEOUT] = {"CONNECTION_TIMEOUT", 0, 1, true,
                                "Is the machine on and its port 8080 reachable? Ask with "
                                "`curl http://HOST:8080/v1/health`."},
    [API_VERSION_MISMATCH] = {"VERSION_MISMATCH", 409, 1, false,
                              "Install the same major.minor version on both machines and restart "
                              "rbee-hive."},
    [API_INVALID_MODEL_REF] =
        {"INVALID_MODEL_REF", 400, 1, false,
         "Write hf:org/repo, hf:org/repo:Q4_K_M, hf:org/repo:file.gguf, a path "
         "to a .gguf file, or tiny."},
    [API_MODEL_NOT_FOUND] = {"MODEL_NOT_FOUND", 404, 1, false,
                             "Check the spelling; `rbee-keeper models list` shows what is here."},
    [API_MODEL_ACCESS_DENIED] = {"MODEL_ACCESS_DENIED", 403, 1, false,
                                 "Accept the model's terms on its page and start rbee-hive with "
                                 "HF_TOKEN set to a token that may read it."},
    [API_DOWNLOAD_FAILED] = {"DOWNLOAD_FAILED", 502, 1, true,
                             "Mend what the message names and ask again: what has arrived is kept, "
                             "and the download goes on from there."},
    [API_DOWNLOAD_STALLED] = {"DOWNLOAD_STALLED", 504, 1, true,
                              "Check the network and ask again: what has arrived is kept."},
    [API_CHECKSUM_MISMATCH] =
        {"CHECKSUM_MISMATCH", 502, 1, true,
         "Copy or send it again. A download is fetched anew after `rbee-keeper "
         "models rm MODEL` or `rbee-keeper models cancel MODEL --discard`; if it stays "
         "so, the file on the hub is not what the hub says it is."},
    [API_DISK_FULL] = {"DISK_FULL", 507, 1, false,
                       "Free some space, for example with `rbee-keeper models rm MODEL`, and ask "
                       "again."},
    [API_DISK_NOT_ANSWERING] =
        {"DISK_NOT_ANSWERING", 503, 1, true,
         "Is the disk mounted, and are the machine that it comes from and the network on? `ls` of "
         "that folder, on the hive's machine, shows what is in it, or waits until it answers; "
         "models that lie elsewhere are served meanwhile."},
    [API_INVALID_MODEL_FILE] =
        {"INVALID_MODEL_FILE", 422, 1, false,
         "The file is damaged or no GGUF: look at it with `llm-worker-rbee inspect FILE`. A "
         "downloaded one is fetched anew after `rbee-keeper models rm MODEL`."},
    [API_UNSUPPORTED_MODEL] =
        {"UNSUPPORTED_MODEL", 422, 1, false,
         "Choose a GGUF of a llama, qwen2, bert or nomic-bert architecture in a supported type."},
    [API_INSUFFICIENT_MEMORY] = {"INSUFFICIENT_MEMORY", 507, 1, false,
                                 "Choose a smaller quantisation or a smaller context, or stop a "
                                 "worker with `rbee-keeper workers stop WORKER`."},
    [API_INSUFFICIENT_VRAM] = {"INSUFFICIENT_VRAM", 507, 1, false,
                               "Choose a smaller quantisation or context, or `--backend cpu`."},
    [API_BACKEND_UNAVAILABLE] = {"BACKEND_UNAVAILABLE", 422, 1, false,
                                 "Choose a backend that is there, or `--backend auto`; "
                                 "`rbee-hive detect` lists them."},
    [API_DEVICE_NOT_FOUND] = {"DEVICE_NOT_FOUND", 422, 1, false,
                              "Choose a device that is there; `rbee-hive detect` lists them."},
    [API_WORKER_START_FAILED] = {"WORKER_START_FAILED", 500, 1, true,
                                 "If a worker came so far, its log tells more: `rbee-keeper logs "
                                 "WORKER`."},
    [API_LOADING_TIMEOUT] = {"LOADING_TIMEOUT", 504, 1, true,
                             "Is the disk slow or the model very large? Ask again, or choose a "
                             "smaller model."},
    [API_WORKER_CRASHED] =
        {"WORKER_CRASHED", 500, 1, true,
         "Ask again: another worker is started. What this one did last: `rbee-keeper logs "
         "WORKER`."},
    [API_WORKER_STALLED] = {"WORKER_STALLED", 504, 1, true,
                            "Ask again. What the worker did last: `rbee-keeper logs WORKER`."},
    [API_WRONG_WORKER] = {"WRONG_WORKER", 421, 1, true,
                          "Ask the hive where that worker is, or whether it has ended: "
                          "`rbee-keeper workers list`."},
    [API_ALL_SLOTS_BUSY] = {"ALL_SLOTS_BUSY", 503, 1, true, "Try again in a moment."},
    [API_QUEUE_TIMEOUT] = {"QUEUE_TIMEOUT", 503, 1, true, "Try again in a moment."},
    [API_CONTEXT_LENGTH_EXCEEDED] =
        {"CONTEXT_LENGTH_EXCEEDED", 400, 1, false,
         "Shorten the prompt, or load the model with a larger context."},
    [API_INVALID_REQUEST] = {"INVALID_REQUEST", 400, 2, false, "Correct what the message names."},
    [API_BODY_TOO_LARGE] = {"BODY_TOO_LARGE", 413, 1, false, "Send a smaller request."},
    [API_MISSING_API_KEY] =
        {"MISSING_API_KEY", 401, 1, false,
         "Send `Authorization: Bearer KEY`, with one that `rbee-keeper keys create` made on the "
         "hive's machine, or the one in the file api-key of its RBEE_HOME, if that is there."},
    [API_INVALID_API_KEY] = {"INVALID_API_KEY", 401, 1, false,
                             "Use one that `rbee-keeper keys create` made on the hive's machine, "
                             "or the one in the file api-key of its RBEE_HOME, if that is there."},
    [API_FORBIDDEN_HOST] = {"FORBIDDEN_HOST", 403, 1, false,
                            "Use the address that the hive listens on; web pages and apps of other "
                            "places are let in by [hive] origins."},
    [API_TOO_MANY_FAILURES] = {"TOO_MANY_FAILURES", 429, 1, true,
                               "Wait as long as Retry-After says, and use a key that is right: "
                               "`rbee-keeper keys create` on the hive's machine makes one."},
    [API_CERTIFICATE_MISMATCH] =
        {"CERTIFICATE_MISMATCH", 0, 1, false,
         "If the hive's certificate was made anew on purpose, run the line that `rbee-hive pair` "
         "prints on its machine; if not, somebody else answers in its place: send nothing there."},
    [API_SECURITY_LOG_BROKEN] =
        {"SECURITY_LOG_BROKEN", 0, 1, false,
         "Somebody or something has changed the log there; what stands before that line holds."},
    [API_REQUEST_CANCELLED] = {"REQUEST_CANCELLED", 499, 130, false, ""},
    [API_REQUEST_TIMEOUT] = {"REQUEST_TIMEOUT", 408, 1, true,
                             "Ask for fewer tokens or allow more time."},
    [API_NOT_FOUND] = {"NOT_FOUND", 404, 1, false,
                       "Check the path and the id: docs/http-api.md lists every route, "
                       "`rbee-keeper workers list` the workers, `rbee-keeper models downloads` the "
                       "downloads."},
    [API_METHOD_NOT_ALLOWED] = {"METHOD_NOT_ALLOWED", 405, 1, false,
                                "docs/http-api.md lists every route and its method."},
    [API_INTERNAL] = {"INTERNAL", 500, 1, false,
                      "This is rbee's fault: please report it with the request id and the log."},
};

const struct api_error_info *api_error_info(enum api_code code)
{
    BUG_ON((unsigned)code >= API_N_CODES);
    return &table[code];
}

enum api_code api_code_from(const char *text, bool *known)
{
    for (unsigned i = 0; text && i < API_N_CODES; i++) {
        if (str_eq(text, table[i].code)) {
            if (known)
                *known = true;
            return (enum api_code)i;
        }
    }
    if (known)
        *known = false;
    return API_INTERNAL;
}

void api_error_set(struct api_error *e, enum api_code code, const char *src, const char *fmt, ...)
{
    va_list ap;

    *e = (struct api_error){.code = code, .src = src};
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    utf8_mend(e->message);
}

enum api_code api_code_of_files(int rc, enum api_code other)
{
    return rc == ERR_NO_SPACE      ? API_DISK_FULL
           : rc == ERR_UNREACHABLE ? API_DISK_NOT_ANSWERING
                                   : other;
}

void api_error_of_files(struct api_error *e, const char *src, const struct err *err)
{
    api_error_set(e, api_code_of_files(err->code, API_INTERNAL), src, "%s", err->text);
    if (e->code == API_INTERNAL && err->code != ERR_NO_MEMORY)
        e->details = json_pack("{s:s}", "hint",
                               "See to what the message names: is it there, and may rbee read and "
                               "write it? Then ask again.");
}

void api_error_done(struct api_error *e)
{
    if (!e)
        return;
    json_decref(e->details);
    e->details = NULL;
}

/* A JSON string of any bytes: what is not UTF-8 is shown as '?'. */
static json_t *text_json(const char *text)
{
    json_t *s = json_string(text);
    char *copy;

    if (s || !(copy = str_dup(text)))
        return s;
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    s = json_string(copy);
    free(copy);
    return s;
}

/* What stands in a row's hint where the worker's name is to stand, if it is known. */
#define NAME_OF_WORKER " WORKER`"
#define SHORT_ID       15 /* "worker-" and 8 digits: what tables show, and commands take */
#define ID_SIGNS       "abcdefghijklmnopqrstuvwxyz0123456789-"

const char *api_error_hint(const struct api_error *e, char dst[API_HINT_MAX])
{
    const char *own = json_string_value(json_object_get(e->details, "hint"));
    const char *worker = json_string_value(json_object_get(e->details, "worker_id"));
    const char *hint = own ? own : table[e->code].hint, *at = strstr(hint, NAME_OF_WORKER);
    bool known = worker && strspn(worker, ID_SIGNS) >= SHORT_ID;

    if (own || !at)
        return hint;
    snprintf(dst, API_HINT_MAX, "%.*s%s%.*s%s", (int)(at - hint), hint, known ? " " : "",
             known ? SHORT_ID : 0, known ? worker : "", at + strlen(NAME_OF_WORKER) - 1);
    return dst;
}

char *api_error_body(const struct api_error *e, const char *request_id)
{
    const struct api_error_info *info = api_error_info(e->code);
    json_t *details = e->details ? json_copy(e->details) : json_object(), *body;
    char *text = NULL, room[API_HINT_MAX];
    const char *hint = api_error_hint(e, room);

    if (!details)
        return NULL;
    if (json_object_get(details, "errors") && !json_object_get(details, "hint"))
        json_object_set_new(details, "hint", json_string(HINT_FIELDS));
    if (hint[0] && !json_object_get(details, "hint"))
        json_object_set_new(details, "hint", text_json(hint));
    if (!json_object_get(details, "retriable"))
        json_object_set_new(details, "retriable", json_boolean(info->retriable));
    body = json_pack("{s:{s:s, s:o, s:o, s:s, s:s}}", "error", "code", info->code, "message",
                     text_json(e->message), "details", details, "request_id",
                     request_id ? request_id : "", "src", e->src ? e->src : "");
    if (body)
        text = json_write(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* The code for one of which only the status is known. */
static enum api_code code_of_status(int status)
{
    switch (status) {
    case 408:
        return API_REQUEST_TIMEOUT;
    case 413:
        return API_BODY_TOO_LARGE;
    case 500:
        return API_INTERNAL;
    case 503:
        return API_ALL_SLOTS_BUSY;
    default:
        return API_INVALID_REQUEST;
    }
}

#define RETRY_AFTER_MAX_S 3600 /* more than that is no worker's word */

int api_error_retry_after_s(const struct api_error *e)
{
    json_int_t s = json_integer_value(json_object_get(e->details, "retry_after_s"));

    return s >= 1 && s <= RETRY_AFTER_MAX_S ? (int)s : 1;
}

void api_error_of_status(struct api_error *e, int status, const char *src, const char *text)
{
    api_error_set(e, code_of_status(status), src, "%s", text);
    if (status == 408) /* the row speaks of answers */
        e->details = json_pack("{s:s}", "hint",
                               "Send it faster, or allow more time: [hive] head_timeout and "
                               "body_timeout, of a worker --head-timeout and --body-timeout.");
}

void api_error_render(int status, const char *text, const char *src, const char *request_id,
                      char *dst, size_t dst_size)
{
    struct api_error e;
    char *body;

    api_error_of_status(&e, status, src, text);
    body = api_error_body(&e, request_id);
    if (!body || !str_copy(dst, dst_size, body))
        snprintf(dst, dst_size, "{\"error\":{\"code\":\"%s\"}}", api_error_info(e.code)->code);
    free(body);
    api_error_done(&e);
}

/* The origin as one of the three constant names, so that struct api_error owns nothing of it. */
static const char *known_src(const char *src)
{
    static const char *const names[] = {"keeper", "hive", "worker"};

    for (size_t i = 0; src && i < sizeof names / sizeof names[0]; i++)
        if (str_eq(src, names[i]))
            return names[i];
    return "";
}

bool api_error_parse(struct api_error *e, int status, const char *body, size_t n)
{
    json_t *root = json_load_bounded(body, n, 0, NULL), *error = json_object_get(root, "error");
    const char *code = NULL, *message = NULL, *src = NULL;
    json_t *details = NULL;
    bool known = false, is_body;

    is_body = error && json_unpack(error, "{s:s, s:s, s?:s, s?:o}", "code", &code, "message",
                                   &message, "src", &src, "details", &details) == 0;
    if (is_body) {
        enum api_code known_code = api_code_from(code, &known);

        api_error_set(e, known_code, known_src(src), "%s%s%s", known ? "" : code, known ? "" : ": ",
                      message[0] ? message : "no reason was told");
        e->details = json_is_object(details) ? json_incref(details) : NULL;
    } else {
        api_error_set(e, API_INTERNAL, "", "the answer has status %d and no error body", status);
    }
    json_decref(root);
    return is_body;
}
