/*
 * http_parse.h - bytes to one HTTP/1.x request; internal to the server.
 *
 * No sockets and no clock: bytes in any pieces go in, a request or a refusal comes out. The head
 * passes three gates: the scanner (http_scan.c), byte by byte, as it arrives; llhttp, once it is
 * whole; the rules across headers (http_check.c, http_target.c). The body goes through llhttp. One
 * thread.
 *
 * RFC 9112 (June 2022), strict where it leaves a choice.
 */
#ifndef RBEE_NET_HTTP_PARSE_H
#define RBEE_NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#include "base/buf.h"
#include "net/http_server.h"

#define HTTP_QUERY_MAX      64   /* name=value pairs of a query */
#define HTTP_FAULT_MAX      200  /* a refusal's sentence */
#define HTTP_EXTENSIONS_MAX 4096 /* bytes of chunk extensions in one body */
#define HTTP_RAW_PER_BYTE   8    /* a byte in a chunk of its own costs six: "1 CR LF x CR LF" */

struct http_field {
    char *name, *value;
};

/* Why a request is refused; status 0 = it is not. */
struct http_fault {
    int status;
    char text[HTTP_FAULT_MAX];
};

/* Notes the fault, unless there is one already. Returns -1. */
int http_fault_set(struct http_fault *fault, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The scanner of a head: see http_scan.c. */
enum http_scan_state {
    SCAN_START,
    SCAN_SKIP_LF,
    SCAN_METHOD,
    SCAN_TARGET_START,
    SCAN_TARGET,
    SCAN_VERSION,
    SCAN_LINE_LF,
    SCAN_LINE,
    SCAN_NAME,
    SCAN_VALUE,
    SCAN_END_LF,
    SCAN_DONE
};

struct http_scan {
    enum http_scan_state state;
    unsigned n_version; /* bytes of the version seen */
    bool skipped;       /* the one empty line allowed before a request */
};

/* Returns how many bytes were taken (all, or up to the head's end), or -1 with the fault. */
ptrdiff_t http_scan_put(struct http_scan *scan, const char *bytes, size_t n,
                        struct http_fault *fault);

struct http_request {
    struct buf head; /* raw; once parsed cut into texts, to which the pointers below lead */
    const char *method;
    char *target;
    struct http_field *fields; /* owned; at most HTTP_HEADERS_MAX */
    size_t n_fields;
    char *path;                /* decoded; owned */
    char *query;               /* decoded texts of `params`; owned, NULL without a query */
    struct http_field *params; /* owned; at most HTTP_QUERY_MAX, NULL without a query */
    size_t n_params;
    struct buf body;
    bool version_1_0;
    bool keep_alive; /* the client's wish */
    bool has_body, chunked, expects_continue;
};

void http_request_init(struct http_request *req, const struct http_limits *limits);
void http_request_done(struct http_request *req);
/* The first header of that name (any case), or NULL. */
const char *http_request_header(const struct http_request *req, const char *name);

/* The rules across headers, and the target; 0 or -1 with the fault. */
int http_check_head(struct http_request *req, const struct http_limits *limits,
                    struct http_fault *fault);
int http_target_parse(struct http_request *req, struct http_fault *fault);

enum http_parse_step {
    HTTP_PARSE_MORE,   /* everything was taken, more is needed */
    HTTP_PARSE_HEAD,   /* the head is whole; go on for the body (also when there is none) */
    HTTP_PARSE_WHOLE,  /* the request is whole */
    HTTP_PARSE_REFUSED /* see `fault`; the connection cannot go on */
};

struct http_parser {
    llhttp_t ll;
    struct http_scan scan;
    const struct http_limits *limits;
    size_t body_max; /* the limits', or less: see http_limit_body */
    struct http_request *req;
    struct http_fault fault;
    uint64_t n_body_raw; /* bytes of the body with its framing */
    size_t n_extension;
    char last; /* the byte before the next one */
    bool head_done, whole;
};

/* Ready for the next request, which goes to *req (initialised). */
void http_parse_begin(struct http_parser *p, struct http_request *req,
                      const struct http_limits *limits);

/* Takes bytes, at most to the end of the present step; *used tells how many. */
enum http_parse_step http_parse_put(struct http_parser *p, const char *bytes, size_t n,
                                    size_t *used);

#endif
