/*
 * http_answer.h - bytes to one HTTP/1.x response, by llhttp; internal to the client.
 *
 * No sockets and no clock: bytes in any pieces go in, headers and body pieces come out. Interim
 * answers (1xx) are skipped. Refused are: an upgrade, conflicting or unreadable lengths, a length
 * beside a transfer coding, a coding other than chunked, and what llhttp refuses. Trailers are read
 * and dropped. RFC 9112 (June 2022), sections 6 and 7. One thread.
 */
#ifndef RBEE_NET_HTTP_ANSWER_H
#define RBEE_NET_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#include "base/buf.h"

#define HTTP_ANSWER_FRAMES_MAX 4096 /* bytes of chunk extensions and trailers */

/* What the owner says to a piece. */
enum http_answer_wish { ANSWER_GO_ON, ANSWER_PAUSE, ANSWER_STOP };

/* Who owns an answer; all are called from within http_answer_put, _go_on and _end. */
struct http_answer_owner {
    /* The status line of the answer proper, then each header: the name in lower case. */
    void (*on_status)(void *arg, int status);
    enum http_answer_wish (*on_header)(void *arg, const char *name, const char *value);
    /* PAUSE: the piece is kept and given again, with more behind it, by http_answer_go_on. */
    enum http_answer_wish (*on_body)(void *arg, const char *bytes, size_t n);
};

enum http_answer_step {
    ANSWER_MORE,    /* everything was taken, more is needed */
    ANSWER_PAUSED,  /* everything was taken; give nothing before http_answer_go_on */
    ANSWER_WHOLE,   /* the answer is whole */
    ANSWER_STOPPED, /* the owner said STOP */
    ANSWER_HEAD_OVER,
    ANSWER_NO_MEMORY, /* for a header, or a piece that was not taken */
    ANSWER_BAD        /* see `fault` */
};

struct http_answer {
    llhttp_t ll;
    const struct http_answer_owner *owner;
    void *arg;
    size_t head_max, head_bytes;
    struct buf name, value; /* of the header under way */
    struct buf held;        /* the body that was not taken */
    uint64_t length;        /* announced; see has_length */
    size_t n_frames;
    const char *fault; /* a few words, static */
    int status;        /* of the answer proper; 0 until then */
    bool is_head;      /* of a HEAD: no body */
    bool has_length, chunked;
    bool in_body, paused, stopped, whole;
    bool no_memory;
    bool keep_alive; /* once whole: the connection may go on */
};

/* `is_head`: it answers a HEAD. head_max: bytes of the head, interim ones included. */
void http_answer_init(struct http_answer *a, bool is_head, size_t head_max,
                      const struct http_answer_owner *owner, void *arg);
void http_answer_done(struct http_answer *a);

/* Takes bytes; *used < n only when the answer is whole, or cannot go on. Pieces of up to 64 KiB. */
enum http_answer_step http_answer_put(struct http_answer *a, const char *bytes, size_t n,
                                      size_t *used);
enum http_answer_step http_answer_go_on(struct http_answer *a); /* gives again what was kept */
enum http_answer_step http_answer_end(struct http_answer *a);   /* the sender has closed */

#endif
