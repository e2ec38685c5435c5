/* http_url.c - see http_url.h. */
#include "net/http_url.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/http_client_internal.h"

/* RFC 3986's unreserved ones. */
#define ZONE_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

const char *http_url_shown(const char *url, char *dst, size_t dst_size)
{
    size_t n = strcspn(url, "?#");
    const char *host = strstr(url, "://");
    size_t at = host ? (size_t)(host + 3 - url) : 0;
    size_t behind_user = at; /* the last '@': a password may hold others */

    for (size_t i = at; host && i < n && url[i] != '/'; i++)
        if (url[i] == '@')
            behind_user = i + 1;
    if (behind_user > at)
        snprintf(dst, dst_size, "%.*s%.*s", (int)at, url, (int)(n - behind_user),
                 url + behind_user);
    else
        snprintf(dst, dst_size, "%.*s", (int)n, url);
    return dst;
}

static int refuse(const char *url, struct err *err)
{
    char shown[ERR_TEXT_MAX / 2];

    return err_set(err, ERR_INVALID, "\"%s\" is not an http or https URL",
                   http_url_shown(url, shown, sizeof shown));
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

/* ":8080" or "", n bytes, to *port, which holds the scheme's own. */
static bool read_port(const char *text, size_t n, uint16_t *port)
{
    char digits[6];
    uint64_t value;

    if (n <= 1) /* "http://host:/" is allowed by RFC 3986 */
        return n == 0 || text[0] == ':';
    if (text[0] != ':' || n > sizeof digits)
        return false;
    memcpy(digits, text + 1, n - 1);
    digits[n - 1] = '\0';
    if (str_to_u64(digits, &value) || value == 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* Cuts "%25" before the address's zone to "%"; false for what is none. */
static bool tidy_zone(char *host)
{
    char *zone = strchr(host, '%');

    if (!zone)
        return true;
    if (str_starts(zone, "%25") && zone[3])
        memmove(zone + 1, zone + 3, strlen(zone + 3) + 1);
    return zone > host && zone[1] && zone[1 + strspn(zone + 1, ZONE_LETTERS)] == '\0';
}

/* The n bytes between "//" and the path. */
static bool read_authority(const char *at, size_t n, struct http_url *out)
{
    bool bracketed = at[0] == '[';
    const char *end = bracketed ? memchr(at, ']', n) : memchr(at, ':', n);
    size_t host_bytes, used;

    if (memchr(at, '@', n) || (bracketed && !end))
        return false;
    host_bytes = end ? (size_t)(end - at) : n;
    used = host_bytes + bracketed;
    at += bracketed;
    host_bytes -= bracketed;
    if (host_bytes == 0 || host_bytes >= sizeof out->host)
        return false;
    memcpy(out->host, at, host_bytes);
    out->host[host_bytes] = '\0';
    if (strpbrk(out->host, "\"<>\\^`{|}[") || (!bracketed && strpbrk(out->host, "]%")) ||
        !tidy_zone(out->host))
        return false;
    if (!read_port(at - bracketed + used, n - used, &out->port))
        return false;
    snprintf(out->place, sizeof out->place, bracketed ? "[%.*s]:%u" : "%.*s:%u",
             (int)strcspn(out->host, "%"), out->host, out->port);
    return true;
}

int http_url_parse(const char *url, struct http_url *out, struct err *err)
{
    const char *at = strstr(url, "://");
    size_t n;

    *out = (struct http_url){.tls = str_starts_nocase(url, "https://")};
    if (!is_printable(url) || !(out->tls || str_starts_nocase(url, "http://")))
        return refuse(url, err);
    out->port = out->tls ? 443 : 80;
    at += 3;
    n = strcspn(at, "/?#");
    if (n == 0 || !read_authority(at, n, out))
        return refuse(url, err);
    out->target = at + n;
    out->target_bytes = (int)strcspn(out->target, "#");
    return 0;
}
