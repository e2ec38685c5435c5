/* access.c - see access.h. Source of the Host rule: DNS rebinding, Jackson et al., CCS 2007. */
#include "api/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/access_share.h"
#include "api/keys.h"
#include "base/path.h"
#include "base/str.h"
#include "base/uuid.h"

#define HOST_MAX     256
#define KEY_FILE_MAX 1024
#define KEY_BEGIN    "rbee-"
#define BEARER       "Bearer"
#define BLANKS       " ," /* between origins */

/* "x.localhost", but not "evil.example/.localhost": what is no name is no name of ours. */
static bool ends_in_localhost(const char *name)
{
    size_t n = strlen(name);

    return n > 10 && strcasecmp(name + n - 10, ".localhost") == 0 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

bool access_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[HOST_MAX];
    size_t n = strlen(host);

    if (n >= sizeof bare)
        return false;
    if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
        memcpy(bare, host + 1, n - 2);
        bare[n - 2] = '\0';
    } else {
        memcpy(bare, host, n + 1);
    }
    if (inet_pton(AF_INET, bare, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, bare, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return strcasecmp(bare, "localhost") == 0 || ends_in_localhost(bare);
}

static int parse_port(const char *text, const char *whole, int *port, struct err *err)
{
    uint64_t v;

    if (str_to_u64(text, &v) || v > 65535)
        return err_set(err, ERR_INVALID, "'%.100s' has no port from 0 to 65535 behind its colon",
                       whole);
    *port = (int)v;
    return 0;
}

int access_split_host(const char *text, char *host, size_t host_size, int *port, struct err *err)
{
    const char *end, *colon;
    size_t n;

    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':') ||
            !memchr(text, ':', (size_t)(end - text))) /* "[localhost]" is nobody's name */
            return err_set(err, ERR_INVALID, "'%.100s' is no [IPv6]:PORT", text);
        n = (size_t)(end - text) - 1;
        text++;
        colon = end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = strchr(text, ':');
        if (colon && strchr(colon + 1, ':'))
            return err_set(err, ERR_INVALID,
                           "'%.100s' has several colons: write an IPv6 address as [ADDRESS]:PORT",
                           text);
        n = colon ? (size_t)(colon - text) : strlen(text);
    }
    if (n == 0 || n >= host_size)
        return err_set(err, ERR_INVALID, "'%.100s' has no host of 1 to %zu characters", text,
                       host_size - 1);
    memcpy(host, text, n);
    host[n] = '\0';
    return colon ? parse_port(colon + 1, text, port, err) : 0;
}

/* The host of a Host header, or of an Origin ("http://host:port"), is one of this machine's own. */
static bool names_loopback(const char *header)
{
    char host[HOST_MAX];
    int port = 0;
    size_t n;

    if (str_starts_nocase(header, "http://"))
        header += 7;
    else if (str_starts_nocase(header, "https://"))
        header += 8;
    if (access_split_host(header, host, sizeof host, &port, NULL))
        return false;
    n = strlen(host);
    if (host[n - 1] == '.' && !strchr(host, ':')) /* the root's: "localhost." is the same name */
        host[n - 1] = '\0';
    return access_is_loopback(host);
}

/* Looks at every byte of the key, whatever was sent. */
static bool same_key(const char *key, const char *sent)
{
    size_t n = strlen(key), m = strlen(sent);
    unsigned difference = n != m;

    for (size_t i = 0; i < n; i++)
        difference |=
            (unsigned)(unsigned char)key[i] ^ (unsigned)(unsigned char)(i < m ? sent[i] : 0);
    return difference == 0;
}

bool access_is_open(const struct access *a, const char *path)
{
    return str_eq(path, "/v1/health") || str_eq(path, "/health") ||
           (a->open_path && str_eq(a->open_path, path));
}

/* Is `origin` a word of the list? An origin has no blanks. */
static bool is_listed(const char *list, const char *origin)
{
    size_t n = strlen(origin);

    for (const char *p = list; *p;) {
        size_t len = strcspn(p, BLANKS);

        if ((len == n && strncasecmp(p, origin, n) == 0) || (len == 1 && p[0] == '*'))
            return true;
        p += len + strspn(p + len, BLANKS);
    }
    return false;
}

bool access_origin_allowed(const struct access *a, const char *origin)
{
    return names_loopback(origin) || (a->origins && is_listed(a->origins, origin));
}

/* Not the table's hint: what [hive] origins lets in are Origins, and never a Host. */
#define HINT_HOST                                                                                  \
    "Use the address that the hive listens on. A proxy that looks itself who may ask can send "    \
    "`Host: localhost`; else let the hive listen on another address, where it asks for a key."

int access_check_place(const struct access *a, const struct access_ask *ask, const char *src,
                       struct api_error *e)
{
    if (!a->loopback_only)
        return 0;
    if (ask->host && !names_loopback(ask->host)) {
        api_error_set(e, API_FORBIDDEN_HOST, src,
                      "The Host header '%.100s' names another place than this machine's loopback "
                      "address, on which this server listens.",
                      ask->host);
        e->details = json_pack("{s:s}", "hint", HINT_HOST);
        return -1;
    }
    if (ask->origin && !access_origin_allowed(a, ask->origin)) {
        api_error_set(e, API_FORBIDDEN_HOST, src,
                      "Requests of pages from '%.100s' are refused on a loopback address.",
                      ask->origin);
        return -1;
    }
    if (ask->fetch_site && !ask->origin && str_eq(ask->fetch_site, "cross-site")) {
        api_error_set(e, API_FORBIDDEN_HOST, src,
                      "What a browser asks for pages of other sites is refused on a loopback "
                      "address.");
        return -1;
    }
    return 0;
}

/* Asks all places that may know the key, whatever the first ones say. */
static bool is_right(const struct access *a, const char *path, const char *sent, int *entry)
{
    bool link_fits = !a->link_path || str_eq(a->link_path, path);
    bool right = a->key[0] && same_key(a->key, sent);

    if (a->keys)
        *entry = keys_find(a->keys, sent);
    if (a->share)
        *entry = access_share_opens(a->share, sent) ? ACCESS_BY_SHARE : -1;
    if (a->link_key[0] && same_key(a->link_key, sent) && link_fits)
        *entry = ACCESS_BY_LINK;
    return right || *entry != -1;
}

const char *access_bearer(const char *authorization)
{
    size_t n = strlen(BEARER);

    if (!authorization || !str_starts_nocase(authorization, BEARER) || authorization[n] != ' ')
        return NULL;
    return authorization + n + strspn(authorization + n, " ");
}

int access_check(const struct access *a, const struct access_ask *ask, const char *src, int *entry,
                 struct api_error *e)
{
    const char *sent = access_bearer(ask->authorization);

    *entry = -1;
    if (access_check_place(a, ask, src, e))
        return -1;
    if (!a->key[0] && !a->keys && !a->share)
        return 0;
    if (access_is_open(a, ask->path))
        return 0;
    if (!sent) {
        api_error_set(e, API_MISSING_API_KEY, src, "This server asks for a key and none was sent.");
        return -1;
    }
    if (is_right(a, ask->path, sent, entry))
        return 0;
    api_error_set(e, API_INVALID_API_KEY, src, "The key that was sent is not this server's.");
    return -1;
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

bool access_is_made_key(const char *key)
{
    return str_starts(key, KEY_BEGIN) && strlen(key) == ACCESS_KEY_BYTES &&
           strspn(key + strlen(KEY_BEGIN), letters) == ACCESS_KEY_BYTES - strlen(KEY_BEGIN);
}

void access_make_key(char key[ACCESS_KEY_MAX + 1])
{
    unsigned char bytes[ACCESS_KEY_BYTES];

    random_bytes(bytes, sizeof bytes);
    memcpy(key, KEY_BEGIN, strlen(KEY_BEGIN));
    for (size_t i = 5; i < ACCESS_KEY_BYTES; i++)
        key[i] = letters[bytes[i] & 31];
    key[ACCESS_KEY_BYTES] = '\0';
    explicit_bzero(bytes, sizeof bytes);
}

/* Takes the text of a key file: one line, blanks around it cut. */
static int take_key(const char *path, char *text, char key[ACCESS_KEY_MAX + 1], struct err *err)
{
    size_t n;

    text += strspn(text, " \t\r\n");
    n = strcspn(text, " \t\r\n");
    if (text[n + strspn(text + n, " \t\r\n")] != '\0' || n < ACCESS_KEY_MIN || n > ACCESS_KEY_MAX)
        return err_set(err, ERR_INVALID, "%s does not hold one key of %d to %d characters", path,
                       ACCESS_KEY_MIN, ACCESS_KEY_MAX);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(err, ERR_INVALID, "the key in %s has a character that is not printable",
                           path);
    memcpy(key, text, n);
    key[n] = '\0';
    return 0;
}

int access_load_key(const char *path, bool make, char key[ACCESS_KEY_MAX + 1], bool *made,
                    struct err *err)
{
    struct stat st;
    char *text;
    size_t n;
    int rc;

    *made = false;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT)
            return err_errno(err, ERR_IO, errno, "cannot look at %s", path);
        if (!make)
            return err_set(err, ERR_NOT_FOUND, "there is no key file %s", path);
        access_make_key(key);
        *made = true;
        return path_write_file(path, key, strlen(key), 0600, err);
    }
    if (st.st_mode & 077)
        return err_set(err, ERR_DENIED,
                       "%s can be read by others (mode %03o): run `chmod 600 %s` first", path,
                       (unsigned)st.st_mode & 0777, path);
    rc = path_read_file(path, KEY_FILE_MAX, &text, &n, err);
    if (rc)
        return rc;
    rc = take_key(path, text, key, err);
    explicit_bzero(text, n);
    free(text);
    return rc;
}
