/*
 * split_internal.h - what the files behind split.h share: split.c finds marks in running text,
 * split_call.c reads calls.
 */
#ifndef RBEE_CHAT_SPLIT_INTERNAL_H
#define RBEE_CHAT_SPLIT_INTERNAL_H

#include "base/buf.h"
#include "chat/json_scan.h"
#include "chat/split.h"

#define SPLIT_NAME_MAX 256         /* bytes of a call's name, ids around it included */
#define SPLIT_HELD_MAX (16u << 20) /* bytes that may wait to become a call */
#define SPLIT_GAP_MAX  (4u << 10)  /* bytes of white space that may wait for a mark */

enum split_state {
    AT_TEXT,
    AT_THOUGHT,
    AT_OPENED, /* behind an opening mark: a call must begin */
    AT_NAME,   /* NAMED: in the name */
    AT_ARGS,   /* NAMED: in the arguments' object, or before it */
    AT_OBJECT, /* JSON: in the object of a call */
    AT_NEXT,   /* JSON: behind an object of a list */
    AT_CLOSE   /* behind a call: its closing mark may come */
};

/* Where the object of a call has got to. Offsets are of `raw`. */
struct split_object {
    struct json_scan scan;
    size_t begin;      /* of the object */
    size_t key, value; /* of the member at hand */
    size_t key_end;    /* behind the key's quote; 0 while there is none */
    bool streaming;    /* the value at hand is the arguments, and they are given as they come */
    bool streamed;     /* they were */
    char name[SPLIT_NAME_MAX + 1]; /* "" while unknown */
};

struct split {
    struct split_options o;
    enum split_state state;
    bool begun;   /* content was given: no thought and no bare call can follow */
    bool thought; /* a thought was there */
    bool after;   /* behind a mark: white space is dropped */
    bool told;    /* the call at hand was */
    bool in_list;
    uint32_t n_calls;
    size_t n_closed; /* AT_CLOSE: bytes of the mark that have come */
    struct buf held; /* text: white space, and then what may become a mark */
    size_t gap;      /* how much of it is known to be that white space */
    struct buf raw;  /* of a call that is being read: what is content again if it is none */
    struct split_object object;
    struct buf out; /* what is to be given, of one kind */
    enum split_kind out_kind;
    bool failed;
};

static inline bool split_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Gives n bytes of a kind, with its like as one piece. */
void split_give(struct split *s, enum split_kind kind, const char *bytes, size_t n);
/* Gives what waits of that. */
void split_flush(struct split *s);

/* Behind an opening mark (or at the first byte of a bare call); `raw` holds what led there. */
void split_call_begin(struct split *s);
/* One byte within a call; false when it is no part of one: the state is AT_TEXT again, what waited
 * is given, or stands in front of the byte, which is still to be looked at. */
bool split_call_step(struct split *s, char c);
/* What waits to become a call is none. */
void split_call_forgo(struct split *s);
/* The text is over within a call. */
void split_call_end(struct split *s);

#endif
