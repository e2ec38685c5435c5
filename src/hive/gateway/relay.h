/*
 * relay.h - one question to a model's worker whose answer is one JSON object: embeddings, tokens,
 * a prompt's length. Finds and loads the model as for a generation; when its worker ends meanwhile,
 * another one is asked, once. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_RELAY_H
#define RBEE_HIVE_GATEWAY_RELAY_H

#include <jansson.h>

#include "hive/gateway/model.h"
#include "hive/gateway/running.h"
#include "hive/http/shape.h"

#define RELAY_ANSWER_MAX (256u << 20) /* bytes of one that is told as a text */
#define RELAY_JSON_MAX   (64u << 20)  /* of one that becomes values */

struct fields;

struct relay {
    struct hive *hive;
    struct http_exchange *x;
    enum shape shape; /* of errors */
    const char *path; /* at the worker: "/v1/embeddings" */
    json_t *body;     /* owned: the question, until relay_go */
    char *model;      /* owned, as asked for, then as found; NULL = none */
    bool keep_alive_given;
    int64_t keep_alive_ms;
    int64_t ctx_min; /* rather a worker with so many positions; 0 = any */
    int64_t started_ms, ready_ms;
    json_t *state; /* owned: the caller's own, or NULL */
    /* Answers r->x with what the worker said (borrowed). The relay is freed behind it. */
    void (*render)(struct relay *r, json_t *answer);
    /* Or with its text, which may be no JSON; a NUL is behind it. Instead of `render`, if set. */
    void (*render_text)(struct relay *r, const char *text, size_t n);
    /* private */
    struct running running;
    char *text; /* owned: the question as it is asked */
    size_t n_text;
    size_t n_answer; /* bytes of the answer so far */
    struct model_wait *wait;
    struct http_call *call;
    char *worker_id; /* owned: who is asked, and visited; NULL = nobody yet */
    struct inquest *inquest;
    bool was_unanswered;       /* a worker has died with it: that is not tried a third time */
    char broken[ERR_TEXT_MAX]; /* how the connection ended */
};

/* A relay to be filled; NULL = no memory (answered). */
struct relay *relay_create(struct hive *h, struct http_exchange *x, enum shape shape,
                           const char *path);
/* Ends the reading of the request: asks, or tells what was wrong with it. Frees *f. */
void relay_go(struct relay *r, struct fields *f);

#endif
