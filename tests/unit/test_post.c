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
    int n, order[4];
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

/* Its own place in the queue: it may be put again from within, and be taken out before it runs. */
struct again {
    struct chain *chain;
    struct post_item item;
    int n_left;
};

static void put_again(void *arg)
{
    struct again *again = arg;

    again->chain->order[again->chain->n++] = again->n_left;
    if (again->n_left-- > 0)
        post_put(again->chain->post, &again->item);
    else
        event_base_loopbreak(again->chain->base);
}

static void run_chain(struct chain *chain)
{
    struct timeval patience = {.tv_sec = 10};

    event_base_loopexit(chain->base, &patience);
    event_base_dispatch(chain->base);
}

static void test_post__an_item_of_the_senders_may_be_put_again(void **state)
{
    struct chain chain = {.base = event_base_new()};
    struct again again = {.chain = &chain, .n_left = 2};
    struct err err;

    (void)state;
    assert_int_equal(post_create(chain.base, &chain.post, &err), 0);
    again.item = (struct post_item){.fn = put_again, .arg = &again};
    post_put(chain.post, &again.item);
    run_chain(&chain);
    assert_int_equal(chain.n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(chain.order[i], 2 - i);
    post_free(chain.post);
    event_base_free(chain.base);
}

static void test_post__what_was_withdrawn_does_not_run(void **state)
{
    struct chain chain = {.base = event_base_new()};
    struct post_item items[3];
    struct err err;

    (void)state;
    assert_int_equal(post_create(chain.base, &chain.post, &err), 0);
    for (int i = 0; i < 3; i++) {
        items[i] = (struct post_item){.fn = second, .arg = &chain};
        post_put(chain.post, &items[i]);
    }
    post_withdraw(chain.post, &items[1]); /* in the middle, the last, and one that is not there */
    post_withdraw(chain.post, &items[2]);
    post_withdraw(chain.post, &items[2]);
    post_send(chain.post, third, &chain); /* behind what is now the last */
    run_chain(&chain);
    assert_int_equal(chain.n, 2);
    assert_int_equal(chain.order[0], 2);
    assert_int_equal(chain.order[1], 3);
    post_put(chain.post, &items[0]);
    post_withdraw(chain.post, &items[0]); /* the only one */
    post_put(chain.post, &items[1]);
    post_send(chain.post, third, &chain);
    run_chain(&chain);
    assert_int_equal(chain.n, 4);
    post_free(chain.post);
    event_base_free(chain.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post__runs_all_in_order_in_the_loops_thread),
        cmocka_unit_test(test_post__functions_may_send),
        cmocka_unit_test(test_post__an_item_of_the_senders_may_be_put_again),
        cmocka_unit_test(test_post__what_was_withdrawn_does_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
