/*
 * http_answer.c - see http_answer.h.
 *
 * llhttp's versions differ in what they let pass of lengths and codings: it is all checked here. A
 * pause does not stop llhttp in the middle of a piece: what it still finds there is kept, at most
 * the piece itself.
 */
#include "net/http_answer.h"

#include <string.h>

#include "base/str.h"

#define HEADER_MAX (256u << 10) /* one header; the head's own maximum comes first */
#define HELD_MAX   (1u << 20)   /* a piece and what was kept before it */

static int refuse(struct http_answer *a, const char *fault)
{
    if (!a->fault)
        a->fault = fault;
    return -1;
}

static int obey(struct http_answer *a, enum http_answer_wish wish)
{
    if (wish == ANSWER_STOP)
        a->stopped = true;
    if (wish == ANSWER_PAUSE)
        a->paused = true;
    return wish == ANSWER_STOP ? -1 : 0;
}

static bool is_interim(const struct http_answer *a)
{
    return a->ll.status_code < 200;
}

/* ---- llhttp's callbacks: -1 stops it with HPE_USER ---- */

static int on_begin(llhttp_t *ll)
{
    struct http_answer *a = ll->data;

    buf_clear(&a->name);
    buf_clear(&a->value);
    a->has_length = a->chunked = false;
    return 0;
}

static int note_status(struct http_answer *a)
{
    if (a->status || is_interim(a))
        return 0;
    a->status = a->ll.status_code;
    a->owner->on_status(a->arg, a->status);
    return 0;
}

static int on_status_end(llhttp_t *ll)
{
    return note_status(ll->data);
}

static int count_frames(struct http_answer *a, size_t n)
{
    a->n_frames += n;
    return a->n_frames > HTTP_ANSWER_FRAMES_MAX ? refuse(a, "too much framing around its chunks")
                                                : 0;
}

static int no_memory(struct http_answer *a)
{
    a->no_memory = true;
    return -1;
}

static int gather(struct http_answer *a, struct buf *header, const char *at, size_t n)
{
    if (n > header->max - header->len)
        return refuse(a, "a header is too long");
    return buf_put(header, at, n) ? no_memory(a) : 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    struct http_answer *a = ll->data;

    if (a->in_body)
        return count_frames(a, n);
    note_status(a);
    return gather(a, &a->name, at, n);
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    struct http_answer *a = ll->data;

    if (a->in_body)
        return count_frames(a, n);
    return gather(a, &a->value, at, n);
}

static int check_length(struct http_answer *a, const char *value)
{
    uint64_t n;

    if (str_to_u64(value, &n))
        return refuse(a, "its length is not a number");
    if (a->has_length && n != a->length)
        return refuse(a, "it announces two lengths");
    a->has_length = true;
    a->length = n;
    return 0;
}

static int check_header(struct http_answer *a, const char *name, const char *value)
{
    if (str_eq(name, "content-length"))
        return check_length(a, value);
    if (!str_eq(name, "transfer-encoding"))
        return 0;
    if (a->chunked || strlen(value) != strlen("chunked") || !str_starts_nocase(value, "chunked"))
        return refuse(a, "its transfer coding is not known");
    a->chunked = true;
    return 0;
}

/* A header's value without the blanks around it; the buffer's text. */
static const char *trimmed(struct buf *value)
{
    const char *s = buf_str(value);

    while (value->len && strchr(" \t", value->data[value->len - 1]))
        value->data[--value->len] = '\0';
    return s + strspn(s, " \t");
}

static int on_header_end(llhttp_t *ll)
{
    struct http_answer *a = ll->data;
    const char *value;
    int rc = 0;

    if (a->in_body)
        return 0;
    if (a->name.len == 0) /* llhttp 8 takes ": value" */
        return refuse(a, "a header has no name");
    for (size_t i = 0; i < a->name.len; i++)
        if (a->name.data[i] >= 'A' && a->name.data[i] <= 'Z')
            a->name.data[i] += 'a' - 'A';
    value = trimmed(&a->value);
    if (!is_interim(a)) {
        rc = check_header(a, buf_str(&a->name), value);
        if (rc == 0)
            rc = obey(a, a->owner->on_header(a->arg, buf_str(&a->name), value));
    }
    buf_clear(&a->name);
    buf_clear(&a->value);
    return rc;
}

/* 1 tells llhttp that no body comes. */
static int on_head_end(llhttp_t *ll)
{
    struct http_answer *a = ll->data;

    note_status(a);
    if (ll->status_code == 101)
        return refuse(a, "it speaks another protocol from here on");
    if (is_interim(a))
        return 1;
    if (a->chunked && a->has_length)
        return refuse(a, "it announces both a length and chunks");
    a->in_body = true;
    buf_done(&a->name); /* an answer may go on for long: what its head took is free */
    buf_done(&a->value);
    return a->is_head || a->status == 204 || a->status == 304;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
    struct http_answer *a = ll->data;
    enum http_answer_wish wish = a->paused ? ANSWER_PAUSE : a->owner->on_body(a->arg, at, n);

    if (wish == ANSWER_PAUSE && buf_put(&a->held, at, n))
        return no_memory(a);
    return obey(a, wish);
}

static int on_extension(llhttp_t *ll, const char *at, size_t n)
{
    (void)at;
    return count_frames(ll->data, n);
}

static int on_whole(llhttp_t *ll)
{
    struct http_answer *a = ll->data;

    if (is_interim(a))
        return 0;
    a->whole = true;
    a->keep_alive = llhttp_should_keep_alive(ll) != 0;
    return HPE_PAUSED;
}

static const llhttp_settings_t answer_settings = {
    .on_message_begin = on_begin,
    .on_status_complete = on_status_end,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_header_end,
    .on_headers_complete = on_head_end,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_message_complete = on_whole,
};

/* ---- the owner's side ---- */

void http_answer_init(struct http_answer *a, bool is_head, size_t head_max,
                      const struct http_answer_owner *owner, void *arg)
{
    *a = (struct http_answer){.owner = owner, .arg = arg, .is_head = is_head, .head_max = head_max};
    llhttp_init(&a->ll, HTTP_RESPONSE, &answer_settings);
    a->ll.data = a;
    buf_init(&a->name, HEADER_MAX);
    buf_init(&a->value, HEADER_MAX);
    buf_init(&a->held, HELD_MAX);
}

void http_answer_done(struct http_answer *a)
{
    buf_done(&a->name);
    buf_done(&a->value);
    buf_done(&a->held);
}

/* Where things stand behind a run of llhttp. */
static enum http_answer_step judge(struct http_answer *a, llhttp_errno_t rc)
{
    if (a->stopped)
        return ANSWER_STOPPED;
    if (a->no_memory)
        return ANSWER_NO_MEMORY;
    if (!a->in_body && a->head_bytes > a->head_max)
        return ANSWER_HEAD_OVER;
    if (rc != HPE_OK && !(a->whole && (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE))) {
        refuse(a, llhttp_get_error_reason(&a->ll) ? llhttp_get_error_reason(&a->ll) : "not HTTP");
        return ANSWER_BAD;
    }
    if (a->paused)
        return ANSWER_PAUSED;
    return a->whole ? ANSWER_WHOLE : ANSWER_MORE;
}

enum http_answer_step http_answer_put(struct http_answer *a, const char *bytes, size_t n,
                                      size_t *used)
{
    llhttp_errno_t rc;

    *used = 0;
    if (a->whole || a->paused)
        return a->paused ? ANSWER_PAUSED : ANSWER_WHOLE;
    rc = llhttp_execute(&a->ll, bytes, n);
    *used = rc == HPE_OK ? n : (size_t)(llhttp_get_error_pos(&a->ll) - bytes);
    if (!a->in_body)
        a->head_bytes += *used;
    return judge(a, rc);
}

enum http_answer_step http_answer_go_on(struct http_answer *a)
{
    enum http_answer_wish wish = ANSWER_GO_ON;

    a->paused = false;
    if (a->held.len)
        wish = a->owner->on_body(a->arg, a->held.data, a->held.len);
    if (wish != ANSWER_PAUSE)
        buf_clear(&a->held);
    obey(a, wish);
    return judge(a, a->whole ? HPE_PAUSED : HPE_OK);
}

enum http_answer_step http_answer_end(struct http_answer *a)
{
    llhttp_errno_t rc;

    if (a->whole)
        return ANSWER_WHOLE;
    rc = llhttp_finish(&a->ll);
    if (!a->whole) {
        refuse(a, a->status ? "the connection was closed before its end"
                            : "the connection was closed without an answer");
        return ANSWER_BAD;
    }
    return judge(a, rc);
}
