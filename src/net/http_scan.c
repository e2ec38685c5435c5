/*
 * http_scan.c - looks at each byte of a request's head before anything else does.
 *
 * Refuses what llhttp of one version or another lets through and proxies have disagreed about: bare
 * CR or LF, NUL and control bytes, obs-fold, a blank before a colon, anything but one space
 * between the parts of the request line, versions other than HTTP/1.0 and HTTP/1.1. Knows nothing
 * of what the headers mean.
 *
 * RFC 9112, sections 2.2, 3 and 5; RFC 9110, section 5.6.2 (tokens).
 */
#include "net/http_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int http_fault_set(struct http_fault *fault, int status, const char *fmt, ...)
{
    va_list ap;

    if (fault->status)
        return -1;
    fault->status = status;
    va_start(ap, fmt);
    vsnprintf(fault->text, sizeof fault->text, fmt, ap);
    va_end(ap);
    return -1;
}

static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_token(unsigned char c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* One byte of "HTTP/1.0" or "HTTP/1.1" and its CR. */
static const char *scan_version(struct http_scan *scan, unsigned char c)
{
    static const char version[] = "HTTP/1.";
    unsigned at = scan->n_version++;

    if (at < sizeof version - 1)
        return c == (unsigned char)version[at] ? NULL : "the version is not HTTP/1.0 or HTTP/1.1";
    if (at == sizeof version - 1)
        return c == '0' || c == '1' ? NULL : "the version is not HTTP/1.0 or HTTP/1.1";
    if (c != '\r')
        return "the request line does not end behind its version";
    scan->state = SCAN_LINE_LF;
    return NULL;
}

static const char *scan_request_line(struct http_scan *scan, unsigned char c)
{
    switch (scan->state) {
    case SCAN_START:
        if (c == '\r' && !scan->skipped) {
            scan->state = SCAN_SKIP_LF;
            return NULL;
        }
        scan->state = SCAN_METHOD;
        return is_upper(c) ? NULL : "it does not begin with a method";
    case SCAN_SKIP_LF:
        scan->skipped = true;
        scan->state = SCAN_START;
        return c == '\n' ? NULL : "a CR stands without its LF";
    case SCAN_METHOD:
        if (c == ' ')
            scan->state = SCAN_TARGET_START;
        return c == ' ' || c == '-' || is_upper(c) ? NULL : "the method holds a wrong byte";
    case SCAN_TARGET_START: /* llhttp takes an empty one, of CONNECT, without a word */
        scan->state = SCAN_TARGET;
        return c > 0x20 && c < 0x7f ? NULL : "its target is missing";
    case SCAN_TARGET:
        if (c == ' ')
            scan->state = SCAN_VERSION;
        return c >= 0x20 && c < 0x7f ? NULL : "the target holds a wrong byte";
    default:
        return scan_version(scan, c);
    }
}

static const char *scan_name(struct http_scan *scan, unsigned char c)
{
    if (c == ':') {
        scan->state = SCAN_VALUE;
        return NULL;
    }
    if (c == ' ' || c == '\t')
        return "a blank stands before a header's colon";
    return is_token(c) ? NULL : "a header's name holds a wrong byte";
}

static const char *scan_value(struct http_scan *scan, unsigned char c)
{
    if (c == '\r') {
        scan->state = SCAN_LINE_LF;
        return NULL;
    }
    if (c == '\n')
        return "a line ends with a bare LF";
    return c == '\t' || (c >= 0x20 && c != 0x7f) ? NULL : "a header's value holds a control byte";
}

static const char *scan_line(struct http_scan *scan, unsigned char c)
{
    if (c == '\r') {
        scan->state = SCAN_END_LF;
        return NULL;
    }
    if (c == ' ' || c == '\t')
        return "a header's line is folded";
    scan->state = SCAN_NAME;
    return is_token(c) ? NULL : "a header's name holds a wrong byte";
}

/* What is wrong with the next byte, or NULL. */
static const char *scan_byte(struct http_scan *scan, unsigned char c)
{
    switch (scan->state) {
    case SCAN_LINE_LF:
        scan->state = SCAN_LINE;
        return c == '\n' ? NULL : "a CR stands without its LF";
    case SCAN_END_LF:
        scan->state = SCAN_DONE;
        return c == '\n' ? NULL : "a CR stands without its LF";
    case SCAN_LINE:
        return scan_line(scan, c);
    case SCAN_NAME:
        return scan_name(scan, c);
    case SCAN_VALUE:
        return scan_value(scan, c);
    default:
        return scan_request_line(scan, c);
    }
}

ptrdiff_t http_scan_put(struct http_scan *scan, const char *bytes, size_t n,
                        struct http_fault *fault)
{
    size_t i = 0;

    while (i < n && scan->state != SCAN_DONE) {
        const char *wrong = scan_byte(scan, (unsigned char)bytes[i++]);

        if (wrong)
            return http_fault_set(fault, 400, "The request is malformed: %s.", wrong);
    }
    return (ptrdiff_t)i;
}
