/*
 * http_check.c - the rules across a request's headers: Host, the body's length and coding, Expect.
 *
 * What decides how long the body is, and whom the request is for, may be said once only. RFC 9112,
 * sections 3.2 and 6; RFC 9110, section 10.1.1.
 */
#include "net/http_parse.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

/* Headers that may stand at most once: two readers must never pick different ones. */
static const char *const check_once[] = {"host",          "content-length",   "transfer-encoding",
                                         "authorization", "origin",           "expect",
                                         "content-type",  "content-encoding", "x-api-key"};

static int check_repeats(const struct http_request *req, struct http_fault *fault)
{
    for (size_t i = 0; i < sizeof check_once / sizeof *check_once; i++) {
        unsigned n = 0;

        for (size_t k = 0; k < req->n_fields; k++)
            n += strcasecmp(req->fields[k].name, check_once[i]) == 0;
        if (n > 1)
            return http_fault_set(fault, 400, "The request has %u headers \"%s\", one is allowed.",
                                  n, check_once[i]);
    }
    return 0;
}

static int check_host(const struct http_request *req, struct http_fault *fault)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%:[]";
    const char *host = http_request_header(req, "host");

    if (!host)
        return req->version_1_0 ? 0 : http_fault_set(fault, 400, "The request has no Host header.");
    if (host[0] == '\0' || host[strspn(host, allowed)] != '\0')
        return http_fault_set(fault, 400, "The Host header is not a host.");
    return 0;
}

static int check_length(struct http_request *req, size_t body_max, struct http_fault *fault)
{
    const char *text = http_request_header(req, "content-length");
    uint64_t length;

    if (!text)
        return 0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return http_fault_set(fault, 400, "The Content-Length is not a number.");
    if (str_to_u64(text, &length) || length > body_max)
        return http_fault_set(fault, 413,
                              "The request's body has %.40s bytes, over the %zu allowed.", text,
                              body_max);
    req->has_body = length > 0;
    return 0;
}

static int check_coding(struct http_request *req, struct http_fault *fault)
{
    const char *coding = http_request_header(req, "transfer-encoding");

    if (!coding)
        return 0;
    if (http_request_header(req, "content-length"))
        return http_fault_set(fault, 400,
                              "The request has both a Content-Length and a Transfer-Encoding.");
    if (req->version_1_0 || strcasecmp(coding, "chunked") != 0)
        return http_fault_set(fault, 400, "The only Transfer-Encoding taken is \"chunked\".");
    req->has_body = req->chunked = true;
    return 0;
}

/* A body that is packed would be taken for one that is broken. Behind the rules of its length. */
static int check_packing(const struct http_request *req, struct http_fault *fault)
{
    const char *packing = http_request_header(req, "content-encoding");

    if (!req->has_body || !packing || !packing[0] || strcasecmp(packing, "identity") == 0)
        return 0;
    return http_fault_set(fault, 415,
                          "The body's Content-Encoding is '%.40s'; send it as it is, without that "
                          "header.",
                          packing);
}

static int check_expect(struct http_request *req, struct http_fault *fault)
{
    const char *expect = http_request_header(req, "expect");

    if (!expect || req->version_1_0)
        return 0;
    if (strcasecmp(expect, "100-continue") != 0)
        return http_fault_set(fault, 417, "The only Expect taken is \"100-continue\".");
    req->expects_continue = true;
    return 0;
}

int http_check_head(struct http_request *req, const struct http_limits *limits,
                    struct http_fault *fault)
{
    if (check_repeats(req, fault) || check_host(req, fault) || check_coding(req, fault) ||
        check_length(req, limits->body_max, fault) || check_packing(req, fault) ||
        check_expect(req, fault))
        return -1;
    return 0;
}
