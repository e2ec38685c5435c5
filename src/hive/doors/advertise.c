/* advertise.c - see advertise.h. */
#include "hive/doors/advertise.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_NAME      "run/hive.json"
#define FILE_MAX_BYTES 4096

char *advertise_text(const struct advertise *a)
{
    json_t *j = json_pack("{s:s, s:i, s:b, s:s}", "host", a->addr.host, "port", (int)a->addr.port,
                          "tls", a->tls, "pin", a->pin);
    char *text = j ? json_write(j, JSON_INDENT(1)) : NULL;

    json_decref(j);
    return text;
}

static void drop(const char *home)
{
    char *path = path_join(home, FILE_NAME);

    if (path)
        unlink(path);
    free(path);
}

int advertise_write(const char *home, const struct advertise *a, struct err *err)
{
    char *text = advertise_text(a), *path = path_join(home, FILE_NAME);
    int rc = text && path ? path_write_file(path, text, strlen(text), 0600, err)
                          : err_no_memory(err, FILE_MAX_BYTES, "run/hive.json");

    if (rc && !a->tls)
        drop(home); /* it tells of another, by whose pin this one is not known */
    free(text);
    free(path);
    return rc;
}

/* An address as people write it, and not what would come to a terminal or into a line as more. */
static bool is_addr(const struct config_addr *a)
{
    char text[CONFIG_HOST_MAX + 9];
    struct config_addr back;

    config_addr_text(a, text, sizeof text);
    return a->port && config_addr_parse(text, 0, &back, NULL) == 0 && str_eq(back.host, a->host);
}

int advertise_parse(const char *path, const char *text, size_t n, struct advertise *out,
                    struct err *err)
{
    const char *host = "", *pin = "";
    int tls = 0, rc = 0;
    json_int_t port = 0;
    json_t *j = json_load_bounded(text, n, 0, NULL);

    *out = (struct advertise){0};
    if (!j ||
        json_unpack(j, "{s:s, s:I, s:b, s:s}", "host", &host, "port", &port, "tls", &tls, "pin",
                    &pin) != 0 ||
        !str_copy(out->addr.host, sizeof out->addr.host, host) || port < 1 || port > UINT16_MAX ||
        (pin[0] && !tls_is_pin(pin)))
        rc = ERR_INVALID;
    out->addr.port = (uint16_t)port;
    out->tls = tls != 0;
    str_copy(out->pin, sizeof out->pin, rc ? "" : pin);
    if (rc || !is_addr(&out->addr)) {
        *out = (struct advertise){0};
        rc = err_set(err, ERR_INVALID, "%s is not what a hive writes there; restart it", path);
    }
    json_decref(j);
    return rc;
}

int advertise_read(const char *home, struct advertise *out, struct err *err)
{
    char *path = path_join(home, FILE_NAME), *text;
    size_t n;
    int rc;

    if (!path)
        return err_no_memory(err, strlen(home), "a path");
    rc = path_read_file(path, FILE_MAX_BYTES, &text, &n, err);
    if (rc == 0) {
        rc = advertise_parse(path, text, n, out, err);
        free(text);
    }
    free(path);
    return rc;
}

void advertise_remove(const char *home)
{
    struct advertise a;

    if (advertise_read(home, &a, NULL) || !a.tls)
        drop(home);
}

/* ---- the line ---- */

static bool put_address(const struct sockaddr *at, char *dst, size_t dst_size)
{
    socklen_t bytes =
        at->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    return getnameinfo(at, bytes, dst, (socklen_t)dst_size, NULL, 0, NI_NUMERICHOST) == 0 &&
           !strchr(dst, '%'); /* a link-local address means nothing elsewhere */
}

/* Is that an address of a cable or of the air? A tunnel's is nobody's here. */
static bool is_of_a_network(const struct ifaddrs *list, const char *address)
{
    char text[CONFIG_HOST_MAX];

    for (const struct ifaddrs *i = list; i; i = i->ifa_next)
        if (i->ifa_addr &&
            (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
            put_address(i->ifa_addr, text, sizeof text) && str_eq(text, address))
            return !(i->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT));
    return false;
}

/*
 * The address that this machine has where its way to far ones begins: of a bridge for containers or
 * virtual machines nobody out there has heard. Nothing is sent: the far ones are in no network
 * (RFC 5737, RFC 3849).
 */
static bool way_out(const struct ifaddrs *list, int family, char *dst, size_t dst_size)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof own;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

    if (fd < 0)
        return false;
    inet_pton(AF_INET, "192.0.2.1", &four.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
    rc = family == AF_INET ? connect(fd, (const struct sockaddr *)&four, sizeof four)
                           : connect(fd, (const struct sockaddr *)&six, sizeof six);
    if (rc == 0)
        rc = getsockname(fd, (struct sockaddr *)&own, &n);
    close(fd);
    return rc == 0 && put_address((const struct sockaddr *)&own, dst, dst_size) &&
           is_of_a_network(list, dst);
}

/* An address of that family by which others reach this machine, as text; false for none. */
static bool own_address(const struct ifaddrs *list, int family, char *dst, size_t dst_size)
{
    if (way_out(list, family, dst, dst_size))
        return true;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != family || (i->ifa_flags & IFF_LOOPBACK) ||
            !(i->ifa_flags & IFF_UP))
            continue;
        if (put_address(i->ifa_addr, dst, dst_size))
            return true;
    }
    return false;
}

static void public_host(const char *bound, char *dst, size_t dst_size)
{
    struct ifaddrs *list = NULL;
    bool v6 = str_eq(bound, "::"), found;

    str_copy(dst, dst_size, bound);
    if (!v6 && !str_eq(bound, "0.0.0.0"))
        return;
    found = getifaddrs(&list) == 0 && (own_address(list, AF_INET, dst, dst_size) ||
                                       (v6 && own_address(list, AF_INET6, dst, dst_size)));
    if (list)
        freeifaddrs(list);
    if (!found && gethostname(dst, dst_size) != 0)
        str_copy(dst, dst_size, "THIS-MACHINE");
    dst[dst_size - 1] = '\0';
}

char *advertise_line(const struct advertise *a, const char *code, char dst[ADVERTISE_LINE_MAX])
{
    struct config_addr addr = a->addr;
    char where[CONFIG_HOST_MAX + 9];
    const char *quote;

    public_host(a->addr.host, addr.host, sizeof addr.host);
    config_addr_text(&addr, where, sizeof where);
    quote = where[0] == '[' ? "'" : ""; /* zsh takes it for a pattern, and finds no file */
    snprintf(dst, ADVERTISE_LINE_MAX, "rbee-keeper node add NAME %srbee://%s/%s%s%s%s", quote,
             where, a->pin, code ? "/" : "", code ? code : "", quote);
    return dst;
}
