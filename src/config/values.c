/*
 * values.c - what an option's value must look like, by its kind; see config.h.
 *
 * Looks at the text alone: what a path names may come later, or lie on a disk that does not answer.
 * A text that may hold a password is not told again.
 */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "config/internal.h"

#define ORIGIN_BLANKS " ," /* between origins */

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *p = choices; n && *p;) {
        size_t len = strcspn(p, " ");

        if (len == n && strncmp(p, value, n) == 0)
            return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

static bool is_plain_text(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return false;
    return str_is_utf8(value, strlen(value));
}

static int check_path(const char *key, const char *value, struct err *err)
{
    if (!value[0] || value[0] == '/')
        return 0;
    return err_set(err, ERR_INVALID, "%s takes a full path, not '%.200s'%s", key, value,
                   value[0] == '~' ? ": '~' means nothing here" : "");
}

static int check_bytes(const char *key, const char *value, struct err *err)
{
    uint64_t n;

    if (!value[0] || str_to_bytes(value, &n) == 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "%s takes bytes, such as 500k or 10m (a k is 1024), not '%.80s'", key, value);
}

static bool is_url(const char *value)
{
    const char *sign = strstr(value, "://"), *host = sign ? sign + 3 : NULL;
    size_t n = host ? strcspn(host, "/") : 0;
    struct config_addr addr;
    char place[CONFIG_HOST_MAX + 9];

    if ((!str_starts_nocase(value, "http://") && !str_starts_nocase(value, "https://")) ||
        n >= sizeof place)
        return false;
    for (const char *p = value; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("@?#", *p))
            return false;
    memcpy(place, host, n);
    place[n] = '\0';
    return config_addr_parse(place, CONFIG_DEFAULT_PORT, &addr, NULL) == 0 && addr.port != 0;
}

/* SCHEME://HOST[:PORT] and nothing behind it, of any scheme (those of programs' own pages, too) but
 * ftp, of which no browser has pages any more; "null" is what pages without one are called. */
static bool is_origin(const char *s, size_t n)
{
    const char *sign = memmem(s, n, "://", 3), *host = sign ? sign + 3 : NULL;

    if ((n == 1 && s[0] == '*') || (n == 4 && memcmp(s, "null", 4) == 0))
        return true;
    if (!sign || sign == s || host == s + n || (n >= 6 && strncasecmp(s, "ftp://", 6) == 0))
        return false;
    for (; host < s + n; host++)
        if (*host <= ' ' || *host > '~' || strchr("/?#@\\", *host))
            return false;
    return true;
}

static int check_origins(const char *key, const char *list, struct err *err)
{
    for (const char *p = list + strspn(list, ORIGIN_BLANKS); *p;) {
        size_t len = strcspn(p, ORIGIN_BLANKS);

        if (!is_origin(p, len))
            return err_set(err, ERR_INVALID,
                           "%s takes http://HOST[:PORT] and https://HOST[:PORT] as browsers send "
                           "them, without a path, or *; no page is of '%.*s'",
                           key, len < 200 ? (int)len : 200, p);
        p += len + strspn(p + len, ORIGIN_BLANKS);
    }
    return 0;
}

static int check_int(const struct config_option *o, const char *value, struct err *err)
{
    int64_t number;

    if (str_to_i64(value, &number) == 0 && number >= o->min && number <= o->max)
        return 0;
    return err_set(err, ERR_INVALID, "%s takes a whole number from %lld to %lld, not '%.80s'",
                   o->key, (long long)o->min, (long long)o->max, value);
}

static int check_duration(const struct config_option *o, const char *value, struct err *err)
{
    int64_t ms;

    if (str_to_duration_ms(value, &ms) == 0 && (ms != 0 || o->min == 0))
        return 0;
    return err_set(err, ERR_INVALID,
                   "%s takes a duration such as 30s, 5m%s or -1, at most " STR_DURATION_MAX_TEXT
                   ", not '%.80s'",
                   o->key, o->min ? "" : ", 0", value);
}

int config_check_value(const struct config_option *o, const char *value, struct err *err)
{
    struct config_addr addr;

    if (strlen(value) >= CONFIG_VALUE_MAX)
        return err_set(err, ERR_LIMIT, "the value of %s has %zu bytes, the limit is %d", o->key,
                       strlen(value), CONFIG_VALUE_MAX - 1);
    if (!is_plain_text(value))
        return err_set(err, ERR_INVALID, "the value of %s holds bytes that are no text", o->key);
    switch (o->kind) {
    case CONFIG_STR:
        return 0;
    case CONFIG_INT:
        return check_int(o, value, err);
    case CONFIG_DURATION:
        return check_duration(o, value, err);
    case CONFIG_ADDR:
        return config_addr_parse(value, CONFIG_DEFAULT_PORT, &addr, err);
    case CONFIG_CHOICE:
        if (is_choice(o->choices, value))
            return 0;
        return err_set(err, ERR_INVALID, "%s takes one of: %s; not '%.80s'", o->key, o->choices,
                       value);
    case CONFIG_PATH:
        return check_path(o->key, value, err);
    case CONFIG_BYTES:
        return check_bytes(o->key, value, err);
    case CONFIG_URL:
        if (is_url(value))
            return 0;
        return err_set(
            err, ERR_INVALID,
            "%s takes http://HOST[:PORT] or https://HOST[:PORT], with a path or without, "
            "but no user's name, '?' or '#'; a token for the hub is told by HF_TOKEN",
            o->key);
    case CONFIG_ORIGINS:
        return check_origins(o->key, value, err);
    }
    BUG("option %s has the kind %d", o->key, (int)o->kind);
}
