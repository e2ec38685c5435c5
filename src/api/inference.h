/*
 * inference.h - the worker's inference request and its events, both ways: JSON <-> struct.
 *
 * Parsing finds every failing field at once; nothing of the prompt ever goes into an error. Unknown
 * fields are failures too: a misspelt option must not be ignored in silence.
 */
#ifndef RBEE_API_INFERENCE_H
#define RBEE_API_INFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/buf.h"
#include "base/json.h"

/*
 * What an answer goes on from is exactly one of a prompt, tokens, or messages. Messages, tools and
 * template_vars are checked here down to their places ("messages[2].content[0].type") and kept as
 * the JSON they came as; what a template makes of them is src/chat's business.
 */

#define INFERENCE_STOP_MAX           16
#define INFERENCE_STOP_BYTES_MAX     256
#define INFERENCE_JOB_ID_MAX         128
#define INFERENCE_MAX_TOKENS_DEFAULT 256
#define INFERENCE_MAX_TOKENS_MAX     INT32_MAX
#define INFERENCE_SEED_MAX           ((UINT64_C(1) << 53) - 1)
#define INFERENCE_TIMEOUT_MAX_S      86400
#define INFERENCE_ERRORS_MAX         32
#define INFERENCE_TOOLS_MAX          512
#define INFERENCE_TOOL_NAME_MAX      128
#define INFERENCE_BIAS_MAX           4096
#define INFERENCE_TOP_LOGPROBS_MAX   20
#define INFERENCE_GRAMMAR_BYTES_MAX  (1u << 20)

enum inference_tool_choice { TOOLS_AUTO, TOOLS_NONE, TOOLS_REQUIRED, TOOLS_NAMED };

struct inference_bias {
    int32_t id; /* not checked against a vocabulary */
    float bias; /* -100..100 */
};

struct inference_request {
    char job_id[INFERENCE_JOB_ID_MAX + 1]; /* made when absent */
    char *prompt;                          /* owned, valid UTF-8, may hold no NUL; or NULL */
    size_t prompt_bytes;
    bool parse_special; /* of the prompt: control tokens that are spelled out are those, not text */
    int32_t
        *prompt_tokens; /* owned; ids of 0 and above, not checked against a vocabulary; or NULL */
    size_t n_prompt_tokens;
    json_t *messages;      /* owned: a non-empty array; or NULL */
    json_t *tools;         /* owned: an array with at least one; or NULL */
    json_t *template_vars; /* owned: an object; or NULL */
    enum inference_tool_choice tool_choice;
    char tool_name[INFERENCE_TOOL_NAME_MAX + 1]; /* with TOOLS_NAMED: one of the tools */
    bool parallel_tool_calls;
    bool add_generation_prompt;  /* of messages: the answer's beginning is opened, as a rule */
    bool continue_final_message; /* the last one, the assistant's, is gone on with instead */
    json_t *json_schema;         /* owned: an object or a boolean; or NULL */
    char *grammar;               /* owned GBNF text; or NULL; never along with json_schema */
    uint32_t max_tokens;
    double temperature, top_p, min_p, repetition_penalty;
    uint32_t top_k;
    char *stop[INFERENCE_STOP_MAX]; /* owned */
    size_t n_stop;
    uint64_t seed; /* made when absent; below 2^53, so that every JSON reader keeps it */
    bool seed_given, stream;
    int64_t timeout_ms; /* 0 = none */
    double presence_penalty, frequency_penalty;
    struct inference_bias *logit_bias; /* owned */
    size_t n_logit_bias;
    bool logprobs; /* also when only top_logprobs was given */
    uint32_t top_logprobs;
    bool ignore_eos;
};

/* Defaults everywhere, nothing to go on from. */
void inference_request_init(struct inference_request *r);
void inference_request_done(struct inference_request *r);

/*
 * Parses and checks a body into an initialised *r. 0, or -1 with *e as INVALID_REQUEST whose
 * details.errors lists {"field","constraint","message"} for every failing field (the first
 * INFERENCE_ERRORS_MAX of them); a body that is no JSON object is one failing field, "body". Fills
 * job_id and seed when absent. A null is an absent field; 20.0 is the integer 20.
 */
int inference_request_parse(const char *body, size_t n, struct inference_request *r,
                            struct api_error *e, const char *src);

/* The body of a request (free()); NULL when out of memory. For the keeper and the gateway. */
char *inference_request_text(const struct inference_request *r);

/* The name of the k-th of a parsed request's tools. */
const char *inference_tool_name(const json_t *tools, size_t k);

/*
 * Is there a text that an answer can go on with: is the last of these messages the assistant's,
 * with a text and without tool calls? The messages need not be good.
 */
bool inference_last_text(const json_t *messages);

/* ---- events: each puts one JSON object, no newline; 0 or -1 when `out` is full ---- */
int inference_event_started(struct buf *out, const struct inference_request *r, const char *model,
                            int64_t unix_ms);
/* The hot path: text is valid UTF-8. */
int inference_event_token(struct buf *out, const char *text, size_t n, uint64_t i);
/* The same with the inside of a "logprobs" array (JSON objects with commas between), n_scores > 0.
 */
int inference_event_scored_token(struct buf *out, const char *text, size_t n, uint64_t i,
                                 const char *scores, size_t n_scores);
/* Text between the think marks; scores as above, or n_scores 0. */
int inference_event_reasoning(struct buf *out, const char *text, size_t n, uint64_t i,
                              const char *scores, size_t n_scores);
/* A tool call begins; then come its arguments, in pieces of one JSON object's text. */
int inference_event_tool_call(struct buf *out, uint32_t index, const char *id, const char *name);
int inference_event_tool_args(struct buf *out, uint32_t index, const char *text, size_t n);
int inference_event_metrics(struct buf *out, double tokens_per_sec, uint64_t vram_bytes);

enum stop_reason { STOP_MAX_TOKENS, STOP_EOS, STOP_SEQUENCE, STOP_CANCELLED, STOP_ERROR, STOP_N };

struct inference_end {
    uint64_t tokens_out, prompt_tokens, cached_tokens;
    uint64_t drafted, accepted; /* tokens guessed, and of those the right ones; 0: not sent */
    uint64_t tool_calls, reasoning_tokens; /* 0: not sent */
    int64_t decode_time_ms, prefill_time_ms, queue_time_ms;
    enum stop_reason stop_reason;
    const char *stop_sequence_matched; /* with STOP_SEQUENCE, else NULL */
    bool context_full; /* the context was full before max_tokens: sent along with MAX_TOKENS */
};
int inference_event_end(struct buf *out, const struct inference_end *end);
/* The end event's fields alone, `"tokens_out":...`: for the answer of "stream": false. */
int inference_end_fields(struct buf *out, const struct inference_end *end);
int inference_event_error(struct buf *out, const struct api_error *e);

#endif
