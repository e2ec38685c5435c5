/*
 * response_items.h - what an answer of /v1/responses consists of: thoughts, messages, calls, in the
 * order in which they came. Source: the OpenAI API reference, as of 2026. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_RESPONSE_ITEMS_H
#define RBEE_HIVE_GATEWAY_RESPONSE_ITEMS_H

#include "hive/gateway/answer.h"

enum item_kind { ITEM_REASONING, ITEM_MESSAGE, ITEM_CALL };

/* A stretch of the choice's text or thoughts, or one of its calls. */
struct item {
    enum item_kind kind;
    size_t from, to;               /* bytes */
    size_t scores_from, scores_to; /* bytes of the choice's scores */
    unsigned tool;
};

/* answer.state of the dialect. */
struct responses_state {
    uint64_t n_events;
    struct item *items; /* owned */
    unsigned n_items, n_room;
    bool open;         /* the last item is */
    unsigned n_closed; /* of the events that close it are out */
};

/* Each appends one JSON value. */

void response_put_id(struct buf *out, const struct answer *a, unsigned index);
/* The item's text, thoughts or arguments, as a string. */
void response_put_text(struct buf *out, const struct choice *c, const struct item *item);
/* Keeps log-probabilities of a stream's last item, as the text that goes out; an array or NULL. */
void response_keep_scores(struct choice *c, struct item *item, const json_t *logprobs);
/* Those log-probabilities, of tokens from one place to another: [] when there are none. */
void response_put_scores(struct buf *out, const struct choice *c, size_t from, size_t to);
/* {"type":"output_text","text":…}; its text only once it is whole. */
void response_put_part(struct buf *out, const struct choice *c, const struct item *item,
                       bool whole);
void response_put_item(struct buf *out, const struct choice *c, unsigned index, bool whole);

#endif
