/* Workers' sockets: who reaches them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hive/process/port.h"

/* May an IPv4 client connect to this machine there? */
static bool reached_by_v4(int listener)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 at;
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    assert_true(fd >= 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    to.sin_port = at.sin6_port;
    rc = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return rc == 0;
}

/*
 * A hive at [::] answered IPv4 clients, and printed an IPv4 address to pair with; the workers that
 * it gave them took IPv6 alone. At a mapped address no worker could be bound at all.
 */
static void test_port__takes_ipv4_where_the_hive_does(void **state)
{
    static const char *const hosts[] = {"::", "::ffff:127.0.0.1"};
    struct err err;
    uint16_t port;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (fd < 0)
        skip(); /* a machine without IPv6 */
    close(fd);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        assert_int_equal(port_listen(hosts[i], 0, &fd, &port, &err), 0);
        assert_true(reached_by_v4(fd));
        close(fd);
    }
}

/* 192.0.2.1 is nobody's: RFC 5737. */
static void test_port__tells_whether_an_address_is_this_machines(void **state)
{
    (void)state;
    assert_true(port_is_here("127.0.0.1"));
    assert_true(port_is_here("0.0.0.0"));
    assert_false(port_is_here("192.0.2.1"));
    assert_false(port_is_here("2001:db8::1"));
    assert_false(port_is_here("fe80::1%nolink0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port__takes_ipv4_where_the_hive_does),
        cmocka_unit_test(test_port__tells_whether_an_address_is_this_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
