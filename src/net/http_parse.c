/*
 * http_parse.c - see http_parse.h.
 *
 * llhttp is given the head in one piece, out of the request's own buffer, so that the spans it
 * reports are whole and lie there; behind it they are cut into texts in place. llhttp's versions
 * differ (8 is strict only when built so, 9 always): what must hold whatever the version is checked
 * here again. Trailers are refused: nothing here has a use for them.
 */
#include "net/http_parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS_STEP 16 /* headers that memory is taken for at once */

void http_request_init(struct http_request *req, const struct http_limits *limits)
{
    memset(req, 0, sizeof *req);
    buf_init(&req->head, HTTP_HEAD_MAX);
    buf_init(&req->body, limits->body_max);
}

void http_request_done(struct http_request *req)
{
    buf_done(&req->head);
    buf_done(&req->body);
    free(req->fields);
    free(req->path);
    free(req->query);
    free(req->params);
}

const char *http_request_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_fields; i++)
        if (strcasecmp(req->fields[i].name, name) == 0)
            return req->fields[i].value;
    return NULL;
}

/* ---- llhttp's callbacks: -1 stops it with HPE_USER ---- */

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parser *p = ll->data;

    (void)n; /* the scanner ends it: the next space */
    if (!p->req->target)
        p->req->target = p->req->head.data + (at - p->req->head.data);
    return 0;
}

/* Room for one more header; -1 when there is no memory. */
static int grow_fields(struct http_request *req)
{
    struct http_field *more;

    if (req->n_fields % FIELDS_STEP)
        return 0;
    more = realloc(req->fields, (req->n_fields + FIELDS_STEP) * sizeof *more);
    if (!more)
        return -1;
    memset(more + req->n_fields, 0, FIELDS_STEP * sizeof *more);
    req->fields = more;
    return 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parser *p = ll->data;
    struct http_request *req = p->req;

    (void)n; /* the colon ends it */
    if (p->head_done)
        return http_fault_set(&p->fault, 400, "The request is malformed: trailers are not taken.");
    if (req->n_fields && !req->fields[req->n_fields - 1].value)
        return 0; /* the rest of a name given in two spans */
    if (req->n_fields == HTTP_HEADERS_MAX)
        return http_fault_set(&p->fault, 431, "The request has more than %d headers.",
                              HTTP_HEADERS_MAX);
    if (grow_fields(req))
        return http_fault_set(&p->fault, 503, "There is no memory for the request's headers.");
    req->fields[req->n_fields++].name = req->head.data + (at - req->head.data);
    return 0;
}

static int on_field_end(llhttp_t *ll)
{
    struct http_parser *p = ll->data;

    /* The value begins behind the colon, whatever llhttp skips; blanks are cut off later. */
    if (!p->head_done && p->req->n_fields) {
        struct http_field *f = &p->req->fields[p->req->n_fields - 1];

        if (!f->value)
            f->value = strchr(f->name, ':') + 1;
    }
    return 0;
}

static int on_head_end(llhttp_t *ll)
{
    struct http_parser *p = ll->data;

    p->req->keep_alive = llhttp_should_keep_alive(ll) != 0;
    p->req->version_1_0 = llhttp_get_http_minor(ll) == 0;
    return 0;
}

static int on_chunk(llhttp_t *ll)
{
    struct http_parser *p = ll->data;

    if (ll->content_length > p->body_max - p->req->body.len)
        return http_fault_set(&p->fault, 413, "The request's body is over the %zu bytes allowed.",
                              p->body_max);
    return 0;
}

/* Extensions mean nothing here, and are cheap to send: they end somewhere. */
static int on_extension(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parser *p = ll->data;

    (void)at;
    p->n_extension += n;
    if (p->n_extension > HTTP_EXTENSIONS_MAX)
        return http_fault_set(&p->fault, 400, "The request's chunk extensions are over %d bytes.",
                              HTTP_EXTENSIONS_MAX);
    return 0;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parser *p = ll->data;

    if (n > p->body_max - p->req->body.len)
        return http_fault_set(&p->fault, 413, "The request's body is over the %zu bytes allowed.",
                              p->body_max);
    if (buf_put(&p->req->body, at, n))
        return http_fault_set(&p->fault, 503, "There is no memory for the request's body.");
    return 0;
}

static int on_whole(llhttp_t *ll)
{
    struct http_parser *p = ll->data;

    p->whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t parse_settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_end,
    .on_headers_complete = on_head_end,
    .on_chunk_header = on_chunk,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

void http_parse_begin(struct http_parser *p, struct http_request *req,
                      const struct http_limits *limits)
{
    memset(p, 0, sizeof *p);
    llhttp_init(&p->ll, HTTP_REQUEST, &parse_settings);
    p->ll.data = p;
    p->limits = limits;
    p->body_max = limits->body_max;
    p->req = req;
}

/* True when llhttp is content: it went on, or stopped because the request is whole. */
static bool parse_ran(struct http_parser *p, llhttp_errno_t rc)
{
    if (rc == HPE_OK || (p->whole && (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE)))
        return true;
    http_fault_set(&p->fault, 400, "The request is malformed: %s.",
                   llhttp_get_error_reason(&p->ll) ? llhttp_get_error_reason(&p->ll) : "not HTTP");
    return false;
}

/* Ends the text that begins at s before `stop`, and cuts the blanks around it. */
static char *cut_text(char *s, char stop)
{
    char *end = strchr(s, stop);

    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* The scanner has seen every stop looked for here. Values first: a name's cut hides nothing then.
 */
static void parse_cut(struct http_request *req)
{
    char *method = req->head.data + strspn(req->head.data, "\r\n");

    *strchr(method, ' ') = '\0';
    req->method = method;
    cut_text(req->target, ' ');
    for (size_t i = 0; i < req->n_fields; i++) {
        req->fields[i].value = cut_text(req->fields[i].value, '\r');
        cut_text(req->fields[i].name, ':');
    }
}

static enum http_parse_step parse_head_whole(struct http_parser *p)
{
    struct http_request *req = p->req;
    llhttp_errno_t rc = llhttp_execute(&p->ll, req->head.data, req->head.len);

    if (!parse_ran(p, rc))
        return HTTP_PARSE_REFUSED;
    if (!req->target) {
        http_fault_set(&p->fault, 400, "The request is malformed: its target is missing.");
        return HTTP_PARSE_REFUSED;
    }
    p->head_done = true;
    parse_cut(req);
    if (http_check_head(req, p->limits, &p->fault) || http_target_parse(req, &p->fault))
        return HTTP_PARSE_REFUSED;
    return HTTP_PARSE_HEAD;
}

static enum http_parse_step parse_head(struct http_parser *p, const char *bytes, size_t n,
                                       size_t *used)
{
    ptrdiff_t taken = http_scan_put(&p->scan, bytes, n, &p->fault);

    if (taken < 0)
        return HTTP_PARSE_REFUSED;
    *used = (size_t)taken;
    if (*used > HTTP_HEAD_MAX - p->req->head.len) {
        http_fault_set(&p->fault, 431, "The request's head is over the %u bytes allowed.",
                       HTTP_HEAD_MAX);
        return HTTP_PARSE_REFUSED;
    }
    if (buf_put(&p->req->head, bytes, *used)) {
        http_fault_set(&p->fault, 503, "There is no memory for the request's head.");
        return HTTP_PARSE_REFUSED;
    }
    return p->scan.state == SCAN_DONE ? parse_head_whole(p) : HTTP_PARSE_MORE;
}

/* What llhttp 8 lets through at a chunked body's end, and framing without end. */
static int parse_check_chunks(struct http_parser *p, const char *bytes, size_t n)
{
    char before = n > 1 ? bytes[n - 2] : p->last;

    if (!p->req->chunked)
        return 0;
    if (p->whole && before != '\r')
        return http_fault_set(&p->fault, 400,
                              "The request is malformed: its body ends with a bare LF.");
    if (p->n_body_raw / HTTP_RAW_PER_BYTE > p->body_max + HTTP_HEAD_MAX)
        return http_fault_set(&p->fault, 413, "The request's chunks hold little but framing.");
    return 0;
}

static enum http_parse_step parse_body(struct http_parser *p, const char *bytes, size_t n,
                                       size_t *used)
{
    llhttp_errno_t rc = llhttp_execute(&p->ll, bytes, n);

    if (!parse_ran(p, rc))
        return HTTP_PARSE_REFUSED;
    *used = p->whole ? (size_t)(llhttp_get_error_pos(&p->ll) - bytes) : n;
    p->n_body_raw += *used;
    if (parse_check_chunks(p, bytes, *used))
        return HTTP_PARSE_REFUSED;
    if (*used)
        p->last = bytes[*used - 1];
    return p->whole ? HTTP_PARSE_WHOLE : HTTP_PARSE_MORE;
}

enum http_parse_step http_parse_put(struct http_parser *p, const char *bytes, size_t n,
                                    size_t *used)
{
    *used = 0;
    if (p->fault.status)
        return HTTP_PARSE_REFUSED;
    if (p->whole)
        return HTTP_PARSE_WHOLE;
    if (n == 0)
        return HTTP_PARSE_MORE;
    return p->head_done ? parse_body(p, bytes, n, used) : parse_head(p, bytes, n, used);
}
