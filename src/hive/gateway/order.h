/*
 * order.h - what a client wants generated, in the one form that all APIs are brought to: the fields
 * of the worker's POST /v1/inference, and what the answer's shape depends on.
 *
 * The order_* helpers take one field of a request (api/fields.h) and put it into the order's body
 * under the worker's name; what is wrong becomes a failure of `f`. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_ORDER_H
#define RBEE_HIVE_GATEWAY_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/fields.h"

#define ORDER_N_MAX       8  /* answers to one prompt */
#define ORDER_CHOICES_MAX 32 /* answers of one request */
#define ORDER_STOP_MAX    16
#define ORDER_TOKENS_MAX  INT32_MAX
#define ORDER_TEXT_MAX    1024 /* bytes of a name */
#define ORDER_SEED_MAX    ((INT64_C(1) << 53) - 1)

struct order {
    json_t *body;    /* owned: the worker's request, without prompt when `prompts` is set */
    char *text;      /* owned: the same as text, without its last brace; then `body` is NULL */
    json_t *prompts; /* owned: texts and arrays of token ids; NULL = one, in the body */
    char *model;     /* owned, as it was asked for; NULL = none */
    unsigned n;      /* answers to each prompt */
    bool stream, include_usage, seed_given;
    bool scored; /* log-probabilities are wanted */
    int64_t seed;
    int64_t timeout_ms; /* of the answer, from its first choice's beginning; 0 = none */
    bool keep_alive_given;
    int64_t keep_alive_ms;
    bool only_load;  /* there is nothing to answer: the model is to be there, or to go */
    int64_t ctx_min; /* positions of context that the request wants; 0 = any */
    json_t *echo;    /* owned: what some APIs repeat in their answers, while it is read; or NULL */
    char *echo_text; /* owned: the same object as text, from then on */
    size_t n_echo;   /* its bytes */
};

int order_init(struct order *o); /* -1: no memory */
void order_done(struct order *o);
void order_forget_text(struct order *o); /* the workers have it: body, text and prompts go */
bool order_has_text(const struct order *o);
int order_settle_echo(struct order *o); /* all of it is read; -1: no memory */
unsigned order_n_choices(const struct order *o);
/* The worker's request of one of these choices (free()); NULL when out of memory. Nothing is put
 * behind the first one. */
char *order_body(struct order *o, unsigned index);

/* Puts a value of the worker's request; takes it over. */
void order_put(struct order *o, const char *name, json_t *value);

void order_model(struct fields *f, struct order *o);
/* timeout_seconds, the worker's own: no API has a word for when an answer comes too late. */
void order_deadline(struct fields *f, struct order *o);
void order_stream(struct fields *f, struct order *o); /* stream and stream_options */
void order_number(struct fields *f, struct order *o, const char *name, const char *to, double min,
                  double max);
void order_int(struct fields *f, struct order *o, const char *name, const char *to, int64_t min,
               int64_t max);
void order_bool(struct fields *f, struct order *o, const char *name, const char *to);
/* A text or an array of them. */
void order_stop(struct fields *f, struct order *o, const char *name);
void order_n(struct fields *f, struct order *o);
/* temperature, top_p, top_k, min_p, the penalties, logit_bias, stop, seed, ignore_eos. */
void order_sampling(struct fields *f, struct order *o);
/* What the model thought of each token, and of so many others in its place. */
void order_logprobs(struct order *o, int64_t top);
/* A JSON schema; what it may be is the worker's to say. Borrowed. */
void order_schema(struct order *o, json_t *schema);
/* {"type":"text"|"json_object"|"json_schema", "json_schema":{…}}; a json_object may have "schema".
 */
void order_response_format(struct fields *f, struct order *o);
/* reasoning_effort, verbosity and chat_template_kwargs become variables of the template. */
void order_template_vars(struct fields *f, struct order *o);
/* Sets one variable of the template; takes the value over. */
void order_template_var(struct order *o, const char *name, json_t *value);

/* Texts that clients send by themselves and that mean nothing here; NULL behind the last. */
void order_ignore_texts(struct fields *f, const char *const *names);
/* The same for an object. */
void order_ignore_object(struct fields *f, const char *name);
/* A text of which only some words (NULL behind the last) name what this server does anyway. */
void order_only(struct fields *f, const char *name, const char *const *words, const char *why);
/* The text `name` of an object that stands at number `i` of the field's array; "" when it is
 * missing, also when it is no text, which is a failure then, as a NUL in it is. */
const char *order_text_at(struct fields *f, const char *field, size_t i, const json_t *object,
                          const char *name);
/* A field that is refused with a reason, unless it is missing or null. */
void order_refuse(struct fields *f, const char *name, const char *why);

#endif
