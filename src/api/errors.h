/*
 * errors.h - the one table of errors that people and programs are told.
 *
 * Every error that leaves a program goes through here: its HTTP status, its code, the keeper's exit
 * code, whether trying again may help, and the hint: one sentence of what to do. The message itself
 * (what happened, with the numbers) comes from where it happened.
 */
#ifndef RBEE_API_ERRORS_H
#define RBEE_API_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"

enum api_code {
    API_CONNECTION_REFUSED,
    API_CONNECTION_TIMEOUT,
    API_VERSION_MISMATCH,
    API_INVALID_MODEL_REF,
    API_MODEL_NOT_FOUND,
    API_MODEL_ACCESS_DENIED,
    API_DOWNLOAD_FAILED,
    API_DOWNLOAD_STALLED,
    API_CHECKSUM_MISMATCH,
    API_DISK_FULL,
    API_DISK_NOT_ANSWERING,
    API_INVALID_MODEL_FILE,
    API_UNSUPPORTED_MODEL,
    API_INSUFFICIENT_MEMORY,
    API_INSUFFICIENT_VRAM,
    API_BACKEND_UNAVAILABLE,
    API_DEVICE_NOT_FOUND,
    API_WORKER_START_FAILED,
    API_LOADING_TIMEOUT,
    API_WORKER_CRASHED,
    API_WORKER_STALLED,
    API_WRONG_WORKER,
    API_ALL_SLOTS_BUSY,
    API_QUEUE_TIMEOUT,
    API_CONTEXT_LENGTH_EXCEEDED,
    API_INVALID_REQUEST,
    API_BODY_TOO_LARGE,
    API_MISSING_API_KEY,
    API_INVALID_API_KEY,
    API_FORBIDDEN_HOST,
    API_TOO_MANY_FAILURES,
    API_CERTIFICATE_MISMATCH,
    API_SECURITY_LOG_BROKEN,
    API_REQUEST_CANCELLED,
    API_REQUEST_TIMEOUT,
    API_NOT_FOUND,
    API_METHOD_NOT_ALLOWED,
    API_INTERNAL,
    API_N_CODES
};

struct api_error_info {
    const char *code; /* "MODEL_NOT_FOUND" */
    int status;       /* HTTP; 0 for errors that only a client has */
    int exit_code;    /* the keeper's */
    bool retriable;
    const char *hint; /* what to do: one sentence, or "" */
};

/* The row of a code; never NULL. */
const struct api_error_info *api_error_info(enum api_code code);

/* The code spelled so, or API_INTERNAL with *known (may be NULL) false. */
enum api_code api_code_from(const char *text, bool *known);

/*
 * An error on its way: code, sentence, details (a JSON object, owned, may be NULL) and who found it
 * ("keeper", "hive", "worker"). Plain data; free details with api_error_done.
 */
struct api_error {
    enum api_code code;
    char message[ERR_TEXT_MAX];
    json_t *details;
    const char *src;
};
void api_error_set(struct api_error *e, enum api_code code, const char *src, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The code for what became of files: what the disk says is DISK_FULL or DISK_NOT_ANSWERING wherever
 * it comes up, and all else `other`. */
enum api_code api_code_of_files(int rc, enum api_code other);
/* The same with INTERNAL, and a hint then that it is no fault of rbee's, unless it was for want of
 * memory. */
void api_error_of_files(struct api_error *e, const char *src, const struct err *err);
void api_error_done(struct api_error *e);

/*
 * What to do: the error's own hint (details.hint), else its row's, naming the worker of
 * details.worker_id: its log is another one's as soon as the next is started. Without a name,
 * `rbee-keeper logs` shows the last one's. dst or another text.
 */
#define API_HINT_MAX 512
const char *api_error_hint(const struct api_error *e, char dst[API_HINT_MAX]);

/*
 * {"error":{"code","message","details","request_id","src"}} as text (free()), "details" always an
 * object and holding "hint" and "retriable" beside what *e has. NULL when out of memory.
 */
char *api_error_body(const struct api_error *e, const char *request_id);

/*
 * The same for an error that the HTTP server itself found and knows by its status only: puts the
 * body into dst; where it does not fit, a short one that is still JSON. For
 * http_server_params.render_error.
 */
void api_error_render(int status, const char *text, const char *src, const char *request_id,
                      char *dst, size_t dst_size);

/* Seconds to wait before a try again, where the status is 503: what the details say
 * (retry_after_s), else one. */
int api_error_retry_after_s(const struct api_error *e);

/* An error of which only the HTTP status and a sentence are known. */
void api_error_of_status(struct api_error *e, int status, const char *src, const char *text);

/* Reads such a body (any status) into *e; false for what is not one: it becomes API_INTERNAL, and
 * nothing of it is in the sentence, which may stand in a log (error_log.h). */
bool api_error_parse(struct api_error *e, int status, const char *body, size_t n);

#endif
