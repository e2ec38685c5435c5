/*
 * inference_checks.h - what the files behind inference.h's parsing share. Inside src/api only.
 */
#ifndef RBEE_API_INFERENCE_CHECKS_H
#define RBEE_API_INFERENCE_CHECKS_H

#include "api/inference.h"

/* One parse: the request to fill and the list of what was wrong. */
struct checks {
    struct inference_request *r;
    json_t *errors;
    size_t n_failed; /* may be more than are listed */
    bool no_memory;
};

struct field {
    const char *name;
    void (*take)(struct checks *c, const struct field *f, const json_t *value);
    double min, max;
    size_t offset; /* of the struct's member, for the plain ones */
};

/* One more failing field; the texts hold nothing of what came from outside but names. */
void checks_fail(struct checks *c, const char *field, const char *constraint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The fields of conversations (inference_chat.c). */
void checks_messages(struct checks *c, const struct field *f, const json_t *value);
void checks_tools(struct checks *c, const struct field *f, const json_t *value);
void checks_tool_choice(struct checks *c, const struct field *f, const json_t *value);
void checks_template_vars(struct checks *c, const struct field *f, const json_t *value);

#endif
