/*
 * fields.h - reading the JSON object of a request field by field, finding every failing one.
 *
 * Begin, take each field that the request may have, end. A field that nobody took is a failure too:
 * a misspelt option must not be ignored in silence, unless it is null. Each failing field becomes
 * one
 * {"field","constraint","message"} of details.errors; values are not repeated in them. One thread
 * owns a struct fields.
 */
#ifndef RBEE_API_FIELDS_H
#define RBEE_API_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/errors.h"

#define FIELDS_MAX        64 /* fields a request may know */
#define FIELDS_ERRORS_MAX 32 /* failures reported at once */

struct fields {
    json_t *root;   /* the object, or NULL when the body is none */
    json_t *errors; /* what failed so far */
    const char *taken[FIELDS_MAX];
    size_t n_taken;
    char not_json[200]; /* why the body is no object; "" when it is one */
    bool no_memory;
    unsigned n_lost; /* json_guard_n_failed at the beginning */
};

/* A whole number, and the id of a token (0 to INT32_MAX), also where it is written as 40.0: JSON
 * knows one kind of number. */
bool fields_whole(const json_t *value, int64_t *out);
bool fields_token_id(const json_t *value, int32_t *out);

/* Parses; a bad body is reported by fields_end. An empty body counts as {}. */
void fields_begin(struct fields *f, const char *body, size_t n);

/* The same for an object inside a request (borrowed; NULL counts as {}). */
void fields_begin_object(struct fields *f, json_t *object);

/*
 * Each returns true when the field is there and good, and sets *out. A missing one is a failure
 * only when `required`; null counts as missing. Texts hold no NUL and live until fields_done.
 */
bool fields_text(struct fields *f, const char *name, bool required, size_t max_bytes,
                 const char **out);
bool fields_int(struct fields *f, const char *name, bool required, int64_t min, int64_t max,
                int64_t *out);
/* A finite number; whole ones count, too. */
bool fields_number(struct fields *f, const char *name, double min, double max, double *out);
/* Whatever is there, for the caller to look into; NULL when it is missing or null. Borrowed. */
json_t *fields_any(struct fields *f, const char *name, bool required);
bool fields_bool(struct fields *f, const char *name, bool *out);
/* A text such as "5m" or "-1", or a number of seconds; see str_to_duration_ms. */
bool fields_duration_ms(struct fields *f, const char *name, int64_t *out);
/* The same, also as Ollama's clients write it: in Go's form, with parts of seconds, anything below
 * zero for ever (-1). */
bool fields_go_duration_ms(struct fields *f, const char *name, int64_t *out);

/* A failure found by the caller. */
void fields_fail(struct fields *f, const char *name, const char *constraint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* What was read could not be kept. */
void fields_lose(struct fields *f);

/* 0 when all is well, else -1 with *e as INVALID_REQUEST; as INTERNAL when memory ran out on the
 * way, also for a value that the caller made of what it read: some part of it may be missing. */
int fields_end(struct fields *f, struct api_error *e, const char *src);
void fields_done(struct fields *f);

#endif
