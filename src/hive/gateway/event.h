/*
 * event.h - one event of a worker's answer, as the gateway sees it.
 *
 * Text stays as it came: the inside of a JSON string, escaped, without its quotes. It goes into the
 * client's JSON as it is, and pieces put one behind the other are again the inside of one string;
 * so a token costs no decoding, no encoding and no allocation. Pure; any thread.
 */
#ifndef RBEE_HIVE_GATEWAY_EVENT_H
#define RBEE_HIVE_GATEWAY_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/buf.h"

enum event_kind {
    EVENT_STARTED,   /* the prompt was accepted */
    EVENT_TEXT,      /* of the answer */
    EVENT_REASONING, /* text between the model's think marks */
    EVENT_TOOL_CALL, /* one begins */
    EVENT_TOOL_ARGS, /* a piece of its arguments' JSON text */
    EVENT_END,
    EVENT_ERROR,
    EVENT_OTHER /* of no interest here */
};

enum event_stop { EVENT_STOP_LENGTH, EVENT_STOP_EOS, EVENT_STOP_SEQUENCE, EVENT_STOP_CANCELLED };

#define EVENT_ERROR_MAX 65536              /* bytes of an error's event whose details are told */
#define EVENT_COUNT_MAX INT32_MAX          /* of tokens, calls */
#define EVENT_MS_MAX    (INT64_C(1) << 40) /* decades; as nanoseconds it fits into 64 bits, too */

/* Within these limits whatever its worker says, and no more cached than the prompt had. */
struct event_end {
    uint64_t prompt_tokens, cached_tokens, tokens_out, reasoning_tokens, tool_calls;
    int64_t prefill_ms, decode_ms, queue_ms;
    enum event_stop stop;
    bool context_full;   /* that is why it stopped, and no limit of tokens */
    char *stop_sequence; /* owned, raw; NULL = none, or no memory for it */
};

struct event {
    enum event_kind kind;
    const char *raw; /* TEXT, REASONING, TOOL_ARGS: the inside of a JSON string */
    size_t n;
    unsigned tool;          /* TOOL_CALL, TOOL_ARGS: which */
    const char *id, *name;  /* TOOL_CALL */
    const json_t *logprobs; /* TEXT, REASONING: an array, or NULL */
    struct event_end end;   /* END; whoever is told may move its text elsewhere */
    struct api_error error; /* ERROR; likewise */
    json_t *root;           /* owned: what the texts lie in; NULL on the quick way */
};

/*
 * Reads the JSON of one event. `scratch` holds texts that had to be written anew, until the next
 * read. -1 when it is no event at all. event_done in either case.
 */
int event_read(const char *data, size_t n, struct buf *scratch, struct event *out);
void event_done(struct event *e);

#endif
