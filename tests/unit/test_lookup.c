/*
 * A name server that does not answer. Ctrl+C was not heard while one was waited for: `node list`
 * with three names went on for 30 s. The resolver is the test's own here (--wrap=getaddrinfo), and
 * says nothing before it may.
 */
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "net/http_resolve.h"

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);

static sem_t may_answer;
static volatile bool stop;
static volatile sig_atomic_t n_signals;

/* "silent": Ctrl+C is pressed meanwhile. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    if (str_eq(host, "unknown") || (hints->ai_flags & AI_NUMERICHOST && !str_eq(host, "127.0.0.1")))
        return EAI_NONAME;
    if (str_eq(host, "silent")) {
        kill(getpid(), SIGUSR1);
        while (sem_wait(&may_answer) != 0)
            ;
    }
    return __real_getaddrinfo("127.0.0.1", service, hints, out);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop = true;
    n_signals = n_signals + 1;
}

static int resolve(const char *host, const volatile bool *stop_or_null, struct http_addrs *addrs)
{
    struct err err;

    return http_resolve(host, 80, HTTP_NAMES_WAIT, stop_or_null, addrs, &err);
}

static void test_lookup__answers_of_its_thread_are_the_resolvers(void **state)
{
    struct http_addrs addrs;

    (void)state;
    stop = false;
    assert_int_equal(resolve("known", &stop, &addrs), 0);
    assert_int_equal(addrs.n, 1);
    assert_int_equal(addrs.at[0].ss_family, AF_INET);
    assert_int_equal(resolve("unknown", &stop, &addrs), ERR_UNREACHABLE);
    assert_int_equal(resolve("known", NULL, &addrs), 0);
    assert_int_equal(addrs.n, 1);
}

static void test_lookup__is_left_when_somebody_wants_no_more(void **state)
{
    struct http_addrs addrs;

    (void)state;
    stop = false;
    assert_int_equal(sem_init(&may_answer, 0, 0), 0);
    assert_int_equal(signal(SIGUSR1, on_signal) == SIG_ERR, 0);
    alarm(60);
    assert_int_equal(resolve("silent", &stop, &addrs),
                     ERR_CANCELLED); /* and not one answer has come */
    assert_int_equal(n_signals, 1);
    assert_int_equal(resolve("silent", &stop, &addrs), ERR_CANCELLED); /* is not even begun */
    assert_int_equal(n_signals, 1);
    stop = false;
    assert_int_equal(resolve("known", &stop, &addrs), 0); /* beside the one that still waits */
    assert_int_equal(sem_post(&may_answer), 0);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup__answers_of_its_thread_are_the_resolvers),
        cmocka_unit_test(test_lookup__is_left_when_somebody_wants_no_more),
    };

    return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
