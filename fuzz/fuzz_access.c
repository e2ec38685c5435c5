/*
 * fuzz_access.c - who may ask: a byte of flags (1: only on loopback, 2: pages of the list may ask,
 * 4: the key of a worker that stands alone is needed, 8: a hive's list, 16: a worker's share of it,
 * 32: a link key, 64: that one opens one path only and another is open to all, 128: all pages may
 * ask), then a path, a Host, an Origin, an Authorization and a Sec-Fetch-Site header on a line
 * each, an empty one not sent. Nobody gets by without a key of the place, no name of another place
 * and no page of one does, and whose key it was is told.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/access_share.h"
#include "api/keys.h"
#include "base/str.h"
#include "lines.h"

#define KEY     "rbee-abcdefghijklmnopqrstuvwxyz234567abcdef"
#define OTHER   "rbee-bbcdefghijklmnopqrstuvwxyz234567abcdef"
#define LISTED  "rbee-cbcdefghijklmnopqrstuvwxyz234567abcdef"
#define LINK    "rbee-dbcdefghijklmnopqrstuvwxyz234567abcdef"
#define ORIGINS "https://chat.example http://10.0.0.9:3000"

enum {
    FLAG_LOOPBACK = 1,
    FLAG_ORIGINS = 2,
    FLAG_KEY = 4,
    FLAG_KEYS = 8,
    FLAG_SHARE = 16,
    FLAG_LINK = 32,
    FLAG_PATHS = 64,
    FLAG_ANY_ORIGIN = 128
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct keys keys;
static struct access_share *share;

static const char *sent(const char *line)
{
    return line[0] ? line : NULL;
}

/* A header that was let by: a host of this machine, with nothing that a URL goes on with. */
static void check_local(const char *header)
{
    const char *host = str_starts_nocase(header, "http://")    ? header + 7
                       : str_starts_nocase(header, "https://") ? header + 8
                                                               : header;
    size_t n = strcspn(host, ":");
    struct in6_addr v6;
    char text[64] = "";

    if (host[0] == '[') {
        n = strcspn(host, "]");
        BUG_ON(n >= sizeof text || host[n] != ']');
        memcpy(text, host + 1, n - 1);
        BUG_ON(inet_pton(AF_INET6, text, &v6) != 1);
        BUG_ON(!IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6));
        return;
    }
    if (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n)
        return;
    n -= n > 0 && host[n - 1] == '.';
    BUG_ON(n < 9 || strncasecmp(host + n - 9, "localhost", 9) != 0);
    BUG_ON(n > 9 && host[n - 10] != '.');
    for (size_t i = 0; i < n; i++)
        if (strchr("/\\?#@ \t\r", host[i]) || (unsigned char)host[i] < ' ')
            BUG("'%s' is taken as a name of this machine", header);
}

/* What stands behind the scheme and blanks (RFC 9110, section 11.4: one or more); "" for none. */
static const char *key_of(const char *authorization)
{
    size_t n = strlen("Bearer");

    if (!authorization || strncasecmp(authorization, "Bearer", n) != 0 || authorization[n] != ' ')
        return "";
    return authorization + n + strspn(authorization + n, " ");
}

static void check_place(const struct access *a, const struct access_ask *ask)
{
    bool listed =
        ask->origin && a->origins &&
        (str_eq(a->origins, "*") || strcasecmp(ask->origin, "https://chat.example") == 0 ||
         strcasecmp(ask->origin, "http://10.0.0.9:3000") == 0);

    if (!a->loopback_only)
        return;
    if (ask->host)
        check_local(ask->host);
    if (ask->origin && !listed)
        check_local(ask->origin);
    BUG_ON(!ask->origin && ask->fetch_site && str_eq(ask->fetch_site, "cross-site"));
}

static void check_passed(const struct access *a, const struct access_ask *ask, int entry)
{
    const char *key = key_of(ask->authorization);
    bool open = str_eq(ask->path, "/health") || str_eq(ask->path, "/v1/health") ||
                (a->open_path && str_eq(ask->path, a->open_path));
    bool asked = a->key[0] || a->keys || a->share;

    check_place(a, ask);
    if (!asked || open) {
        BUG_ON(entry != -1);
        return;
    }
    if (entry == ACCESS_BY_LINK)
        BUG_ON(!a->link_key[0] || !str_eq(key, LINK) ||
               (a->link_path && !str_eq(ask->path, a->link_path)));
    else if (entry == ACCESS_BY_SHARE)
        BUG_ON(!a->share || (!str_eq(key, OTHER) && !str_eq(key, LISTED)));
    else if (entry == -1)
        BUG_ON(!a->key[0] || !str_eq(key, KEY));
    else
        BUG_ON(!a->keys || !str_eq(key, entry == 0 ? OTHER : LISTED));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct access_secrets secrets = {LINK, NULL, NULL};
    int fd;

    (void)argc;
    (void)argv;
    BUG_ON(keys_add(&keys, OTHER, "other", 1, NULL) || keys_add(&keys, LISTED, "listed", 2, NULL));
    BUG_ON(access_share_create(&secrets, &share, &fd, NULL));
    access_share_publish(share, &keys);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path, *host, *origin, *authorization, *site;
    struct access a = {0};
    struct access_ask ask;
    struct api_error e = {0};
    uint8_t flags;
    int entry;

    if (size < 1)
        return 0;
    flags = data[0];
    data++, size--;
    path = take_line(&data, &size);
    host = take_line(&data, &size);
    origin = take_line(&data, &size);
    authorization = take_line(&data, &size);
    site = take_line(&data, &size);
    ask = (struct access_ask){path, sent(host), sent(origin), sent(authorization), sent(site)};
    a.loopback_only = flags & FLAG_LOOPBACK;
    a.origins = flags & FLAG_ANY_ORIGIN ? "*" : flags & FLAG_ORIGINS ? ORIGINS : NULL;
    str_copy(a.key, sizeof a.key, flags & FLAG_KEY ? KEY : "");
    a.keys = flags & FLAG_KEYS ? &keys : NULL;
    a.share = flags & FLAG_SHARE ? share : NULL;
    str_copy(a.link_key, sizeof a.link_key, flags & FLAG_LINK ? LINK : "");
    a.link_path = flags & FLAG_PATHS ? "/v1/workers/ready" : NULL;
    a.open_path = flags & FLAG_PATHS ? "/v1/pair" : NULL;
    if (access_check(&a, &ask, "fuzz", &entry, &e) == 0)
        check_passed(&a, &ask, entry);
    else
        BUG_ON(!e.message[0] || (e.code != API_FORBIDDEN_HOST && strstr(e.message, "rbee-")));
    api_error_done(&e);
    free(path);
    free(host);
    free(origin);
    free(authorization);
    free(site);
    return 0;
}
