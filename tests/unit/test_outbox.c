/* What the engine's side tells the loop (worker/jobs/outbox.h), where there is no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "net/post.h"
#include "worker/jobs/job.h"
#include "worker/jobs/outbox.h"

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

static bool no_memory;

void *__wrap_malloc(size_t n)
{
    return no_memory ? NULL : __real_malloc(n);
}

static unsigned n_freed;

void job_free(struct job *j)
{
    n_freed++;
    free(j);
}

struct rig {
    struct event_base *base;
    struct post *post;
    struct outbox *outbox;
    unsigned n_delivered;
    struct job_list ended;
};

static void deliver(void *arg)
{
    struct rig *rig = arg;

    rig->n_delivered++;
    rig->ended = outbox_take(rig->outbox)->ended;
}

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){.base = event_base_new()};
    assert_non_null(rig->base);
    assert_int_equal(post_create(rig->base, &rig->post, NULL), 0);
    assert_int_equal(outbox_create(rig->post, deliver, rig, &rig->outbox, NULL), 0);
}

static void close_rig(struct rig *rig)
{
    post_free(rig->post);
    event_base_free(rig->base);
}

/*
 * The loop had no memory to wake itself, and said so too late: the engine's thread had flushed
 * meanwhile, and seen the loop as woken. The ends of jobs lay there until something else came.
 */
static void test_outbox__the_loop_is_woken_without_memory(void **state)
{
    struct job *j = calloc(1, sizeof *j);
    struct rig rig;

    (void)state;
    assert_non_null(j);
    open_rig(&rig);
    for (unsigned i = 1; i <= 3; i++) {
        no_memory = true;
        outbox_end(rig.outbox, j);
        outbox_flush(rig.outbox);
        outbox_flush(rig.outbox); /* once is enough */
        no_memory = false;
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        assert_int_equal(rig.n_delivered, i);
        assert_ptr_equal(rig.ended.first, j);
        outbox_flush(rig.outbox); /* nothing is there */
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        assert_int_equal(rig.n_delivered, i);
    }
    outbox_free(rig.outbox);
    assert_int_equal(n_freed, 0);
    free(j);
    close_rig(&rig);
}

/* As when a worker ends: its loop does not run any more. */
static void test_outbox__may_go_while_its_word_is_on_the_way(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig);
    outbox_end(rig.outbox, calloc(1, sizeof(struct job)));
    outbox_flush(rig.outbox);
    outbox_free(rig.outbox);
    assert_int_equal(n_freed, 1);
    event_base_loop(rig.base, EVLOOP_NONBLOCK);
    assert_int_equal(rig.n_delivered, 0);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox__the_loop_is_woken_without_memory),
        cmocka_unit_test(test_outbox__may_go_while_its_word_is_on_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
