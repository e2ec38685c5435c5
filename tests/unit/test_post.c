/* Work sent to a loop's thread from others: nothing is lost, and each sender's order is kept. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "net/post.h"

#define SENDERS 4
#define EACH    2000

struct seen {
    struct event_base *base;
    struct post *post;
    pthread_t loop;
    unsigned next[SENDERS];
    unsigned n, n_wrong;
};

struct note {
    struct seen *seen;
    unsigned sender, number;
};

static void take_note(void *arg)
{
    struct note *note = arg;
    struct seen *seen = note->seen;

    seen->n_wrong += !pthread_equal(pthread_self(), seen->loop);
    seen->n_wrong += seen->next[note->sender]++ != note->number;
    if (++seen->n == SENDERS * EACH)
        event_base_loopbreak(seen->base);
    free(note);
}

struct sender {
    struct seen *seen;
    unsigned number;
    pthread_t thread;
    int n_failed;
};

static void *send_notes(void *arg)
{
    struct sender *sender = arg;

    for (unsigned i = 0; i < EACH; i++) {
        struct note *note = malloc(sizeof *note);

        *note = (struct note){sender->seen, sender->number, i};
        sender->n_failed += post_send(sender->seen->post, take_note, note) != 0;
    }
    return NULL;
}

static void test_post__runs_all_in_order_in_the_loops_thread(void **state)
{
    struct seen seen = {.base = event_base_new(), .loop = pthread_self()};
    struct sender senders[SENDERS];
    struct timeval patience = {.tv_sec = 10};
    struct err err;

    (void)state;
    assert_int_equal(post_create(seen.base, &seen.post, &err), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.seen = &seen, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_notes, &senders[i]), 0);
    }
    event_base_loopexit(seen.base, &patience);
    event_base_dispatch(seen.base);
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].n_failed, 0);
    }
    assert_int_equal(seen.n, SENDERS * EACH);
    assert_int_equal(seen.n_wrong, 0);
    post_free(seen.post);
    event_base_free(seen.base);
}

struct chain {
    struct event_base *base;
    struct post *post;
    int n, order[3];
};

static void second(void *arg)
{
    struct chain *chain = arg;

    chain->order[chain->n++] = 2;
}

static void third(void *arg)
{
    struct chain *chain = arg;

    chain->order[chain->n++] = 3;
    event_base_loopbreak(chain->base);
}

static void first(void *arg)
{
    struct chain *chain = arg;

    chain->order[chain->n++] = 1;
    post_send(chain->post, third, chain);
}

static void test_post__functions_may_send(void **state)
{
    struct chain chain = {.base = event_base_new()};
    struct timeval patience = {.tv_sec = 10};
    struct err err;

    (void)state;
    assert_int_equal(post_create(chain.base, &chain.post, &err), 0);
    post_send(chain.post, first, &chain);
    post_send(chain.post, second, &chain);
    event_base_loopexit(chain.base, &patience);
    event_base_dispatch(chain.base);
    assert_int_equal(chain.n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(chain.order[i], i + 1);
    post_send(chain.post, second, &chain); /* dropped */
    post_free(chain.post);
    assert_int_equal(chain.n, 3);
    event_base_free(chain.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post__runs_all_in_order_in_the_loops_thread),
        cmocka_unit_test(test_post__functions_may_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
