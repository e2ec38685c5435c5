/* test_looks.c - programs of a moment: how many at once, and for whom. capture.h is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/str.h"
#include "hive/process/looks.h"

#define N_MAX 16

struct capture {
    char word[8];
    void *arg;
    void (*done)(void *arg, const struct capture_result *result);
};

/* What runs, and how often something was started or killed. */
static struct {
    struct capture *running[N_MAX];
    unsigned n_running, n_started, n_killed;
    int fails; /* the rc of the next starts */
} world;

int capture_start(struct event_base *base, const struct capture_params *params,
                  struct capture **out, struct err *err)
{
    struct capture *c;

    (void)base;
    if (world.fails)
        return err_set(err, world.fails, "no more descriptors");
    c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_string_equal(params->path, "/p");
    assert_string_equal(params->argv[0], "p");
    assert_null(params->argv[2]);
    str_copy(c->word, sizeof c->word, params->argv[1]);
    c->arg = params->arg;
    c->done = params->done;
    world.running[world.n_running++] = c;
    world.n_started++;
    *out = c;
    return 0;
}

static void forget(const struct capture *c)
{
    unsigned i = 0;

    while (world.running[i] != c)
        i++;
    world.n_running--;
    for (; i < world.n_running; i++)
        world.running[i] = world.running[i + 1];
}

void capture_cancel(struct capture *c)
{
    if (!c)
        return;
    forget(c);
    free(c);
    world.n_killed++;
}

/* The oldest that runs ends, with its word as its output. */
static void end_one(void)
{
    struct capture *c = world.running[0];
    struct buf out, errors;
    struct capture_result r = {.out = &out, .errors = &errors};

    assert_true(world.n_running > 0);
    buf_init(&out, 8);
    buf_init(&errors, 8);
    buf_put(&out, c->word, strlen(c->word));
    forget(c);
    c->done(c->arg, &r);
    buf_done(&out);
    buf_done(&errors);
    free(c);
}

/* ---- those who ask ---- */

struct asker {
    struct look *look;
    struct asker *cancels; /* when it is told; NULL = nobody */
    int n_told, rc;
    char said[32];
};

static struct event_base *base;
static struct looks *looks;

static void on_done(void *arg, const struct capture_result *r)
{
    struct asker *a = arg;

    a->look = NULL;
    a->n_told++;
    a->rc = r->rc;
    str_copy(a->said, sizeof a->said, buf_str(r->rc ? r->errors : r->out));
    if (a->cancels) {
        look_cancel(a->cancels->look);
        a->cancels->look = NULL;
    }
}

static int ask(struct asker *a, const char *word, bool changing)
{
    const char *argv[] = {"p", word, NULL};
    const struct capture_params params = {.path = "/p", .argv = argv, .arg = a, .done = on_done};
    struct err err;

    return look_start(looks, &params, word, changing, &a->look, &err);
}

static int begin(void **state)
{
    struct err err;

    (void)state;
    memset(&world, 0, sizeof world);
    base = event_base_new();
    return base ? looks_create(base, &looks, &err) : -1;
}

static int finish(void **state)
{
    (void)state;
    looks_free(looks);
    event_base_free(base);
    return 0;
}

/* Each of 400 questions about one file had a process of its own, all at once. */
static void test_looks__who_asks_the_same_shares_one(void **state)
{
    struct asker a[N_MAX] = {0};

    (void)state;
    for (int i = 0; i < N_MAX; i++)
        assert_int_equal(ask(&a[i], "x", false), 0);
    assert_int_equal(world.n_started, 1);
    look_cancel(a[3].look);
    a[4].cancels = &a[5];
    end_one();
    for (int i = 0; i < N_MAX; i++) {
        assert_int_equal(a[i].n_told, i != 3 && i != 5);
        assert_true(a[i].n_told == 0 || str_eq(a[i].said, "x"));
    }
    assert_int_equal(ask(&a[0], "x", false), 0); /* what was seen before is not told again */
    assert_int_equal(world.n_started, 2);
    end_one();
    assert_int_equal(a[0].n_told, 2);
}

static void test_looks__few_run_at_once_and_the_others_in_turn(void **state)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f", "g"};
    struct asker a[7] = {0};

    (void)state;
    for (int i = 0; i < 7; i++)
        assert_int_equal(ask(&a[i], words[i], false), 0);
    assert_int_equal(world.n_running, LOOKS_AT_ONCE);
    look_cancel(a[5].look); /* one that waits: nothing ends, nothing begins */
    assert_int_equal(world.n_started, LOOKS_AT_ONCE);
    end_one();
    assert_int_equal(world.n_running, LOOKS_AT_ONCE);
    assert_string_equal(world.running[3]->word, "e");
    look_cancel(a[1].look); /* one that runs: the next one's turn, once all are cancelled */
    assert_int_equal(world.n_killed, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(world.n_running, LOOKS_AT_ONCE);
    assert_string_equal(world.running[3]->word, "g");
    for (int i = 0; i < LOOKS_AT_ONCE; i++)
        end_one();
    for (int i = 0; i < 7; i++)
        assert_true(i == 1 || i == 5 ? a[i].n_told == 0 : str_eq(a[i].said, words[i]));
}

/* A file that was written a moment ago: what runs may have seen it before. */
static void test_looks__what_changes_is_shared_only_before_it_begins(void **state)
{
    struct asker a[8] = {0};

    (void)state;
    assert_int_equal(ask(&a[0], "x", true), 0);
    assert_int_equal(ask(&a[1], "x", false), 0);
    assert_int_equal(ask(&a[2], "x", true), 0);
    assert_int_equal(world.n_started, 3);
    assert_int_equal(ask(&a[3], "y", true), 0);
    for (int i = 4; i < 8; i++)
        assert_int_equal(ask(&a[i], "y", true), 0);
    end_one();
    assert_int_equal(world.n_started, 5);
    for (int i = 0; i < LOOKS_AT_ONCE; i++)
        end_one();
    assert_int_equal(world.n_running, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(a[i].n_told, 1);
}

static void test_looks__a_start_that_fails_is_told(void **state)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f"};
    struct asker a[6] = {0};

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask(&a[i], words[i], false), 0);
    world.fails = ERR_IO;
    end_one();
    for (int i = 4; i < 6; i++) {
        assert_int_equal(a[i].n_told, 1);
        assert_int_equal(a[i].rc, ERR_IO);
        assert_string_equal(a[i].said, "no more descriptors");
    }
    assert_int_equal(ask(&a[0], "x", false), ERR_IO);
    assert_int_equal(world.n_running, LOOKS_AT_ONCE - 1); /* for looks_free */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_looks__who_asks_the_same_shares_one, begin, finish),
        cmocka_unit_test_setup_teardown(test_looks__few_run_at_once_and_the_others_in_turn, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(test_looks__what_changes_is_shared_only_before_it_begins,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(test_looks__a_start_that_fails_is_told, begin, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
