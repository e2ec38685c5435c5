/*
 * answer.h - one request to generate, from the body to the last byte, whichever API it came by.
 *
 *   read (dialect) -> find the model -> wait for its worker -> ask it, once a choice (answer_ask.c)
 *        -> events (ask.h) -> the dialect's text -> the client
 *
 * A dialect is an API's way to read a request (request.h) and to say what comes of it. The answer
 * does the rest: it collects each choice's text, begins the stream when the worker has accepted the
 * prompt (so that what is wrong with a request is told by a status, not in a stream) or has been
 * loading for ANSWER_QUIET_MS, cancels what runs when the client leaves, and asks another worker
 * when the first turns out to be on its way out. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_ANSWER_H
#define RBEE_HIVE_GATEWAY_ANSWER_H

#include "hive/gateway/ask.h"
#include "hive/gateway/model.h"
#include "hive/gateway/order.h"
#include "hive/gateway/outlet.h"
#include "hive/gateway/request.h"
#include "hive/gateway/running.h"
#include "hive/http/shape.h"
#include "hive/machine/fingerprint.h"

#define ANSWER_QUIET_MS   1000 /* a load of less than this is not worth a stream of comments */
#define ANSWER_COMMENT_MS 1000 /* between comments while a model loads */
#define ANSWER_TEXT_MAX   (64u << 20) /* bytes of all that one choice keeps, escaped */
#define ANSWER_HEAD_MAX   65536       /* what each event begins with */
#define ANSWER_TRIES_MAX  3           /* workers asked for one request */
#define ANSWER_ID_BYTES   64
#define CHOICE_SCORES     4 /* lists of log-probabilities, in the API that has most */

struct answer;

struct tool_call {
    char *id, *name; /* owned */
    struct buf args; /* raw */
};

/* One answer to one prompt. Texts are raw: the inside of a JSON string. */
struct choice {
    struct answer *answer;
    unsigned index;
    struct ask *ask; /* NULL once it has ended */
    /* All that came; of a stream only where the dialect `repeats` it. */
    struct buf text, reasoning;
    /* Log-probabilities that are still to be told, as the text that the dialect makes of them: the
     * members of arrays, a comma before each. */
    struct buf scores[CHOICE_SCORES];
    struct tool_call *tools;
    unsigned n_tools;
    size_t n_kept; /* bytes of all these */
    struct event_end end;
    /* Its worker has taken it; something of it came, or for an only choice the word that it is
     * taken; it is over. */
    bool begun, shown, ended;
    bool in_text;      /* what came last is text */
    bool in_call;      /* ... is a call, whose arguments come */
    unsigned worker;   /* asked of the answer's worker of this number */
    size_t n_held;     /* bytes on their way to it */
    size_t n_partial;  /* bytes of an event that has not come whole, where they are many */
    const char *wrong; /* why it cannot be told; NULL = it can */
    enum api_code wrong_code;
};

#define CHOICE_TOO_LARGE "the answer is over a limit, or there is no memory for it"

struct dialect {
    enum shape shape; /* of its errors */
    enum outlet_kind outlet;
    const char *id_prefix;              /* of the answer's id */
    size_t state_bytes;                 /* of answer.state, zeroed */
    void (*state_done)(void *state);    /* frees what it holds; may be NULL */
    const struct request_kind *request; /* how it is read */
    /* Before a model is looked for, and instead of asking its worker once that is ready; true = it
     * has answered. May be NULL. */
    bool (*early)(struct answer *a);
    bool (*instead)(struct answer *a, const struct worker *w);
    /* Streams, all put to a->out; each may be NULL. */
    void (*begin)(struct answer *a); /* the first events */
    void (*event)(struct choice *c, const struct event *e);
    void (*end)(struct choice *c); /* one choice is over */
    /* All are. True = there are more last events: called again once these are out. */
    bool (*finish)(struct answer *a);
    /* An error in the stream; NULL = the shape's object, alone. */
    void (*fail)(struct answer *a, const struct api_error *e);
    const char *last; /* the last event's data, NULL = none */
    bool repeats;     /* a stream's last events hold the whole text again: choices keep it */
    bool scores_all;  /* log-probabilities are of thoughts and calls, too, not of text alone */
    void (*whole)(struct answer *a, struct buf *out); /* the body without a stream */
    /* Log-probabilities came that are for that body: an array of tokens' (logprobs.h). */
    void (*score)(struct choice *c, const json_t *tokens);
};

enum answer_stage {
    ANSWER_RUNS,
    ANSWER_ENDS, /* all choices are over: the dialect's last events go out */
    ANSWER_OVER  /* all that will be said is in the outlet */
};

struct answer {
    struct hive *hive;
    struct http_exchange *x;
    const struct dialect *dialect;
    struct running running; /* until all its choices are over */
    struct order order;
    void *state; /* the dialect's own */
    char id[ANSWER_ID_BYTES];
    int64_t created_s, started_ms, loaded_ms; /* Unix; monotonic: the request, its worker ready */
    char *model;                              /* owned: as it was asked for, else the worker's */
    char fingerprint[FINGERPRINT_BYTES];
    struct model_wait *wait;
    enum answer_stage stage;
    struct outlet out;
    struct buf head; /* the dialect's: what each of its events begins with */
    bool begun;      /* the dialect's first events are out */
    int64_t comment_ms;
    bool was_unanswered; /* a worker has died with it: that is not tried a third time */
    struct choice *choices;
    unsigned n_choices, n_open, n_shown; /* all; those not over; those of which something came */
    /* Of its worker: how many it is (from 1), slots, places that it may fill at the moment. */
    unsigned n_workers, n_slots, n_places;
    char *worker_id, *worker_url; /* owned */
    struct event *again;          /* none of it runs, and there was no place */
    struct event *deadline;       /* NULL: it has none, or no worker has it yet */
    int64_t no_place_ms;          /* since when; 0 = there was one */
    /* Bytes of the order; with what is on its way to workers; kept to the end, of what came and of
     * what is repeated (http_hold). */
    size_t n_order, n_held, n_kept;
    size_t n_partial; /* of events that have not come whole, of all choices */
};

/* Takes the exchange: reads its body the dialect's way and answers, now or later. */
void answer_take(struct hive *h, struct http_exchange *x, const struct dialect *dialect);

/* Ends it with a whole body of the caller's (for `instead`). Takes `body` over. */
void answer_reply(struct answer *a, json_t *body);

/* Ends it with an error (for `early` and `instead`). Takes what *e holds. */
void answer_refuse(struct answer *a, struct api_error *e);

/* ---- for dialects ---- */

/* The choice cannot be told, and its answer will end with this sentence (a literal). */
void choice_spoil(struct choice *c, const char *why);
/* It keeps so many bytes more; -1, and it is spoilt, when that is too much for it or for all. */
int choice_count(struct choice *c, size_t n);

/* Appends `"…"`: the text of a value in a JSON string's quotes. */
void answer_put_string(struct buf *out, const char *text);
void answer_put_raw(struct buf *out, const struct buf *raw); /* the same for raw text */
/*
 * A call's arguments as the value that they are, as the model wrote it: no number is rounded, no
 * name is lost. None at all are {}. -1, and nothing is put, when they are no JSON object.
 */
int answer_put_arguments(struct buf *out, const struct tool_call *t);
/* Are they one? Else nobody can make this call: it was cut, or the model wrote it so. */
bool answer_is_whole_call(const struct tool_call *t);

/* How a choice that is over ended; each API has its words for these. */
enum choice_end {
    CHOICE_DONE,     /* the model was done */
    CHOICE_STOPPED,  /* by a stop string, which may have cut a call */
    CHOICE_LENGTH,   /* by the limit of tokens, which may have cut a call */
    CHOICE_CALLS,    /* with calls that its client is to make */
    CHOICE_BAD_CALLS /* the same, but the model wrote one of them so that nobody can */
};
enum choice_end choice_end(const struct choice *c);

struct usage {
    uint64_t prompt, cached, completion, reasoning;
};
struct usage answer_usage(const struct answer *a);

#endif
