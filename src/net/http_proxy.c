/* http_proxy.c - see http_proxy.h. Source: libcurl-env(3), CURLOPT_PROXY(3). */
#include "net/http_proxy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* Behind "http://" and the like; NULL for what libcurl knows no proxies by. */
static const char *behind_scheme(const char *text)
{
    static const char *const known[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    const char *end = strstr(text, "://");

    if (!end)
        return text;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == (size_t)(end - text) &&
            strncasecmp(text, known[i], (size_t)(end - text)) == 0)
            return end + 3;
    return NULL;
}

/* Nothing, or a path and the like, which libcurl takes and has no use for. With an '@' it is more
 * likely the rest of a password. */
static bool is_rest(const char *text)
{
    return !*text || (strchr("/?#", *text) && !strchr(text, '@'));
}

/* "" or ":3128", and what may stand behind it. */
static bool is_port(const char *text)
{
    size_t n = strspn(text + (*text == ':'), "0123456789");
    char digits[6] = "";
    uint64_t port;

    if (*text != ':')
        return is_rest(text);
    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text + 1, n);
    return str_to_u64(digits, &port) == 0 && port > 0 && port <= UINT16_MAX &&
           is_rest(text + 1 + n);
}

static bool is_proxy(const char *text)
{
    const char *host = behind_scheme(text), *user;
    size_t n;

    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    if (!host)
        return false;
    user = host + strcspn(host, "@/?#");
    if (*user == '@')
        host = user + 1;
    n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#@");
    return n > 0 && n <= strlen(host) && is_port(host + n);
}

const char *http_proxy_bad(bool https)
{
    /* HTTP_PROXY is not read: to a CGI program it is a header of its client's. */
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                        "ALL_PROXY"};

    for (size_t i = https ? 0 : 2; i < sizeof names / sizeof *names; i++) {
        const char *value = https && i == 2 ? NULL : getenv(names[i]);

        if (value && value[0])
            return is_proxy(value) ? NULL : names[i];
    }
    return NULL;
}
