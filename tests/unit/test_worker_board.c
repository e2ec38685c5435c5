/* test_worker_board.c - a worker's board with what no honest worker writes there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/workers/workers_internal.h"

#define STARTED_MS 1000

static char ref[] = "tiny", path[] = "/models/tiny.gguf", log_path[] = "/nonexistent";

/* Of worker_end.c, which is not here. */
json_t *worker_log_tail(const struct worker *w)
{
    (void)w;
    return json_array();
}

static struct worker made(struct workers *owner)
{
    struct worker w = {.owner = owner,
                       .state = WORKER_READY,
                       .id = "worker-a",
                       .model_ref = ref,
                       .model_path = path,
                       .log_path = log_path,
                       .backend = "cpu",
                       .keep_alive_ms = 5000,
                       .started_ms = STARTED_MS};

    assert_int_equal(board_attach(-1, &w.board, NULL), 0);
    atomic_store(&w.board->state, BOARD_READY);
    return w;
}

/* A time that is still to come made what was computed of it overflow, and its worker one that is
 * never idle. */
static void test_worker_board__no_activity_is_in_the_future(void **state)
{
    static const int64_t said[] = {INT64_MAX, INT64_MIN, -1, 0};
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);
    struct worker_look look;

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        int64_t now = clock_ms();

        atomic_store(&w.board->last_activity_ms, said[i]);
        assert_true(worker_activity_ms(&w, now) >= 0 && worker_activity_ms(&w, now) <= now);
        worker_look(&w, &look);
        assert_true(look.idle_since_ms >= STARTED_MS && look.idle_since_ms <= clock_ms());
    }
    board_detach(w.board);
}

/* keep_alive ends none that has something to do, however long ago anything was heard of it. */
static void test_worker_board__one_in_use_is_not_idle(void **state)
{
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);
    int64_t later = clock_ms() + 10 * w.keep_alive_ms + WORKERS_UNUSED_MS;

    (void)state;
    atomic_store(&w.board->slots_busy, 1);
    assert_false(worker_is_idle_too_long(&w, later));
    atomic_store(&w.board->slots_busy, 0);
    atomic_store(&w.board->queued, 1);
    assert_false(worker_is_idle_too_long(&w, later));
    atomic_store(&w.board->queued, 0);
    assert_true(worker_is_idle_too_long(&w, later));
    w.keep_alive_ms = -1;
    assert_false(worker_is_idle_too_long(&w, later));
    board_detach(w.board);
}

/*
 * An engine that hung while it took a job into a slot counted as one without work: no slot was
 * busy. So it was never found out, and kept all who came.
 */
static void test_worker_board__a_job_before_its_slot_is_work(void **state)
{
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);

    (void)state;
    atomic_store(&w.board->queued, 1); /* its prompt is being rendered */
    assert_false(worker_has_work(&w));
    atomic_store(&w.board->engine_queued, 1);
    assert_true(worker_has_work(&w));
    atomic_store(&w.board->state, BOARD_LOADING);
    assert_false(worker_has_work(&w));
    atomic_store(&w.board->slots_busy, 1);
    assert_true(worker_has_work(&w));
    board_detach(w.board);
}

static void test_worker_board__no_count_is_below_zero(void **state)
{
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);
    json_t *told;

    (void)state;
    atomic_store(&w.board->tokens_out, UINT64_MAX);
    atomic_store(&w.board->cancelled[BOARD_DECODE][BOARD_DELETE], UINT64_MAX);
    told = worker_json(&w, "127.0.0.1");
    assert_true(json_integer_value(json_object_get(told, "tokens_out")) == INT64_MAX);
    assert_true(json_integer_value(json_object_get(
                    json_object_get(json_object_get(told, "cancelled"), "decode"), "delete")) ==
                INT64_MAX);
    json_decref(told);
    board_detach(w.board);
}

/* A worker that had failed was told with no slot, no context and no token ever made, and its last
 * activity was its start: with its process the board was gone. */
static void test_worker_board__its_numbers_outlive_it(void **state)
{
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);
    json_t *told;

    (void)state;
    atomic_store(&w.board->slots_total, 4);
    atomic_store(&w.board->slots_busy, 2);
    atomic_store(&w.board->queued, 3);
    atomic_store(&w.board->n_ctx, 512);
    atomic_store(&w.board->tokens_out, 8000);
    atomic_store(&w.board->queue_timeouts, 5);
    atomic_store(&w.board->last_activity_ms, clock_ms());
    worker_keep_board(&w);
    board_detach(w.board);
    w.board = NULL;
    w.state = WORKER_DEAD;
    told = worker_json(&w, "127.0.0.1");
    for (size_t i = 0; i < 6; i++) {
        static const char *const names[] = {"slots_total", "slots_busy", "queued",
                                            "n_ctx",       "tokens_out", "queue_timeouts"};
        static const int want[] = {4, 0, 0, 512, 8000, 5};

        assert_int_equal(json_integer_value(json_object_get(told, names[i])), want[i]);
    }
    assert_non_null(json_object_get(told, "cancelled"));
    assert_true(json_integer_value(json_object_get(told, "last_activity_ms_ago")) <
                clock_ms() - STARTED_MS);
    json_decref(told);
    free(w.kept);
}

/* Texts without an end, and without sense: there is a sentence all the same. */
static void test_worker_board__a_failure_has_a_sentence(void **state)
{
    struct workers owner = {.closed = false};
    struct worker w = made(&owner);
    const char *message;
    json_t *told;

    (void)state;
    memset(w.board->error_code, 'A', sizeof w.board->error_code);
    memset(w.board->error_text, 0xff, sizeof w.board->error_text);
    atomic_store(&w.board->state, BOARD_FAILED);
    told = worker_json(&w, "127.0.0.1");
    message = json_string_value(json_object_get(json_object_get(told, "error"), "message"));
    assert_non_null(message);
    assert_true(message[0] && strlen(message) <= ERR_TEXT_MAX * 2);
    json_decref(told);
    board_detach(w.board);
}

/* ---- which of several is given out ---- */

static struct worker *chosen(struct workers *ws, int64_t ctx_min)
{
    const struct launch l = {.model_ref = ref, .backend = "cpu", .ctx_min = ctx_min};

    return worker_choose(ws, &l, NULL);
}

/* The first that had the model was given out for good: requests queued there, up to 503, beside one
 * with nothing to do, and a context that only the second had was refused. */
static void test_worker_choose__takes_the_one_with_most_to_give(void **state)
{
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner), b = made(&owner);

    (void)state;
    str_copy(b.id, sizeof b.id, "worker-b");
    assert_null(chosen(&owner, 0));
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    TAILQ_INSERT_TAIL(&owner.all, &b, link);
    atomic_store(&a.board->slots_total, 4);
    atomic_store(&b.board->slots_total, 4);
    atomic_store(&a.board->n_ctx, 128);
    atomic_store(&b.board->n_ctx, 512);
    assert_ptr_equal(chosen(&owner, 0), &a);
    assert_ptr_equal(chosen(&owner, 129), &b);
    assert_ptr_equal(chosen(&owner, 513), &a); /* whose context is refused with its number */

    b.asked_ms = 7; /* among equals the one that has beginnings in its cache */
    assert_ptr_equal(chosen(&owner, 0), &b);
    atomic_store(&b.board->slots_busy, 1);
    assert_ptr_equal(chosen(&owner, 0), &a);
    workers_visit(&owner, a.id); /* known here before the board says it */
    workers_visit(&owner, a.id);
    assert_ptr_equal(chosen(&owner, 0), &b);
    atomic_store(&a.board->slots_busy, 2); /* the same two */
    atomic_store(&b.board->slots_busy, 4);
    assert_ptr_equal(chosen(&owner, 0), &a);
    workers_leave(&owner, a.id);
    workers_leave(&owner, a.id);
    workers_leave(&owner, "worker-of-old");
    atomic_store(&a.board->slots_busy, 4);
    atomic_store(&a.board->queued, 3);
    assert_ptr_equal(chosen(&owner, 0), &b);

    atomic_store(&b.board->state, BOARD_LOADING);
    assert_ptr_equal(chosen(&owner, 0), &a);
    atomic_store(&a.board->state, BOARD_DRAINING);
    assert_ptr_equal(chosen(&owner, 0), &b);
    b.state = WORKER_SUSPENDED;
    assert_null(chosen(&owner, 0));
    board_detach(a.board);
    board_detach(b.board);
}

/*
 * What is being prepared for somebody is in no list, so a keeper that wanted a context of 4096 took
 * it for one with that, ran in one of 512, and had its prompt refused.
 */
static void test_worker_choose__who_wants_a_size_gets_none_that_is_prepared_smaller(void **state)
{
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner);
    struct launch l = {.model_ref = ref, .backend = "cpu", .ctx = 512};

    (void)state;
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    a.state = WORKER_PREPARING;
    a.ctx = 512;
    a.slots = 2;
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    l.ctx = 4096;
    assert_null(worker_choose(&owner, &l, NULL));
    a.ctx = 0; /* nobody has said how much: at most as much as a worker has */
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    l.ctx = PLAN_DEFAULT_CTX + 1;
    assert_null(worker_choose(&owner, &l, NULL));
    l.ctx = 0;
    l.slots = 3;
    assert_null(worker_choose(&owner, &l, NULL));
    a.slots = 0; /* nobody has said how many: as many as a worker has */
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    l.slots = PLAN_DEFAULT_SLOTS + 1;
    assert_null(worker_choose(&owner, &l, NULL));
    l.slots = 0;
    l.ctx_min = 4096; /* a request's wish: it grows for that (worker_context.c) */
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    a.state = WORKER_LOADING; /* listed: whoever gets it can look */
    l.ctx = 4096;
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    board_detach(a.board);
}

/* Of one file, asked for by three names, three workers held the weights three times. */
static void test_worker_choose__one_file_of_several_names_is_one_model(void **state)
{
    char dir[] = "/tmp/rbee-test-choose-XXXXXX", *file, *other, *copy;
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner);
    struct launch l = {.model_ref = "file:///another/name", .backend = "cpu"};

    (void)state;
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "a.gguf");
    other = path_join(dir, "link.gguf");
    copy = path_join(dir, "copy.gguf");
    assert_int_equal(path_write_file(file, "same", 4, 0600, NULL), 0);
    assert_int_equal(path_write_file(copy, "same", 4, 0600, NULL), 0);
    assert_int_equal(symlink(file, other), 0);
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    l.model_path = file;
    assert_null(worker_choose(&owner, &l, NULL)); /* of the worker's file nothing is known */
    assert_true(file_mark_of(file, &a.file));
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    l.model_path = other;
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    l.model_path = copy; /* may be changed without the other */
    assert_null(worker_choose(&owner, &l, NULL));
    assert_false(a.replaced);
    l.model_path = dir;
    assert_null(worker_choose(&owner, &l, NULL));
    board_detach(a.board);
    unlink(file);
    unlink(other);
    unlink(copy);
    rmdir(dir);
    free(file);
    free(other);
    free(copy);
}

/*
 * After a model's file was overwritten, or another one was renamed to its place, the worker that
 * had loaded the old one was given out as before. A model that moved is the same one still.
 */
static void test_worker_choose__means_the_file_that_is_there(void **state)
{
    char dir[] = "/tmp/rbee-test-choose-XXXXXX", *file, *moved;
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner);
    struct launch l = {.model_ref = ref, .backend = "cpu"};

    (void)state;
    assert_non_null(mkdtemp(dir));
    l.model_path = file = path_join(dir, "a.gguf");
    moved = path_join(dir, "moved.gguf");
    assert_int_equal(path_write_file(file, "old", 3, 0600, NULL), 0);
    assert_true(file_mark_of(file, &a.file));
    a.ready_ms = a.asked_ms = 1000;
    a.keep_alive_ms = -1;
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    assert_int_equal(rename(file, moved), 0);
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a); /* nobody can say */
    l.model_path = moved;
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    assert_false(worker_is_idle_too_long(&a, 1000 + WORKERS_UNUSED_MS));

    assert_int_equal(path_write_file(file, "new", 3, 0600, NULL), 0); /* by a rename */
    l.model_path = file;
    assert_null(worker_choose(&owner, &l, NULL));
    assert_true(worker_is_idle_too_long(&a, 1000 + WORKERS_UNUSED_MS));
    assert_int_equal(unlink(file), 0);
    assert_null(worker_choose(&owner, &l, NULL)); /* nobody can say, but it was seen */
    assert_true(a.replaced);
    l.model_path = moved;
    assert_ptr_equal(worker_choose(&owner, &l, NULL), &a);
    assert_int_equal(truncate(moved, 2), 0); /* in place */
    assert_null(worker_choose(&owner, &l, NULL));
    unlink(moved);
    rmdir(dir);
    free(file);
    free(moved);
    board_detach(a.board);
}

/*
 * Keepers choose from the list, by the reference's text: a model whose file was replaced, or whose
 * link was switched, was answered for by the old worker for as long as they asked.
 */
static void test_worker_choose__a_list_tells_whose_file_was_replaced(void **state)
{
    char dir[] = "/tmp/rbee-test-choose-XXXXXX", *file, *other, *link, *by_file, *by_link;
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner), b = made(&owner);
    json_t *told;

    (void)state;
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "a.gguf");
    other = path_join(dir, "b.gguf");
    link = path_join(dir, "current.gguf");
    assert_int_equal(path_write_file(file, "one", 3, 0600, NULL), 0);
    assert_int_equal(path_write_file(other, "two", 3, 0600, NULL), 0);
    assert_int_equal(symlink(file, link), 0);
    str_copy(b.id, sizeof b.id, "worker-b");
    a.model_path = b.model_path = file; /* which a link's worker has, too */
    a.model_ref = by_file = str_printf("file://%s", file);
    b.model_ref = by_link = str_printf("file://%s", link);
    assert_true(file_mark_of(file, &a.file) && file_mark_of(link, &b.file));
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    TAILQ_INSERT_TAIL(&owner.all, &b, link);
    workers_see_files(&owner, NULL);
    assert_false(a.replaced || b.replaced);

    assert_int_equal(unlink(link), 0);
    workers_see_files(&owner, NULL);
    assert_false(b.replaced); /* nobody can say */
    assert_int_equal(symlink(other, link), 0);
    workers_see_files(&owner, a.id); /* of that one only */
    assert_false(b.replaced);
    workers_see_files(&owner, b.id);
    assert_true(b.replaced && !a.replaced);
    told = worker_json(&b, "127.0.0.1");
    assert_true(json_is_true(json_object_get(told, "replaced")));
    json_decref(told);

    assert_int_equal(path_write_file(file, "new", 3, 0600, NULL), 0); /* by a rename */
    workers_see_files(&owner, NULL);
    assert_true(a.replaced);
    a.model_ref = ref; /* no path: the place that its file had */
    a.replaced = false;
    workers_see_files(&owner, NULL);
    assert_true(a.replaced);
    assert_true(file_mark_of(file, &a.file));
    workers_see_files(&owner, NULL);
    told = worker_json(&a, "127.0.0.1");
    assert_null(json_object_get(told, "replaced"));
    json_decref(told);

    assert_int_equal(unlink(file), 0); /* and another one came in under its name */
    workers_moved(&owner, ref, other);
    workers_see_files(&owner, a.id);
    assert_true(a.replaced);
    assert_null(b.moved_path);

    unlink(link);
    free(a.moved_path);
    unlink(other);
    rmdir(dir);
    free(file);
    free(other);
    free(link);
    free(by_file);
    free(by_link);
    board_detach(a.board);
    board_detach(b.board);
}

/* So did one that a larger one had taken the place of: it was to end, and chats kept it. */
static void test_worker_choose__a_list_tells_who_was_outgrown(void **state)
{
    struct workers owner = {.all = TAILQ_HEAD_INITIALIZER(owner.all)};
    struct worker a = made(&owner), b = made(&owner);
    json_t *told;

    (void)state;
    TAILQ_INSERT_TAIL(&owner.all, &a, link);
    TAILQ_INSERT_TAIL(&owner.all, &b, link);
    atomic_store(&a.board->n_ctx, 128);
    atomic_store(&b.board->n_ctx, 512);
    b.ctx_min = 512;
    workers_see_files(&owner, NULL);
    assert_true(a.outgrown && !b.outgrown);
    told = worker_json(&a, "127.0.0.1");
    assert_true(json_is_true(json_object_get(told, "outgrown")));
    json_decref(told);
    b.state = WORKER_DRAINING;
    workers_see_files(&owner, NULL);
    assert_false(a.outgrown);
    board_detach(a.board);
    board_detach(b.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_board__no_activity_is_in_the_future),
        cmocka_unit_test(test_worker_board__one_in_use_is_not_idle),
        cmocka_unit_test(test_worker_board__a_job_before_its_slot_is_work),
        cmocka_unit_test(test_worker_board__no_count_is_below_zero),
        cmocka_unit_test(test_worker_board__its_numbers_outlive_it),
        cmocka_unit_test(test_worker_board__a_failure_has_a_sentence),
        cmocka_unit_test(test_worker_choose__takes_the_one_with_most_to_give),
        cmocka_unit_test(test_worker_choose__who_wants_a_size_gets_none_that_is_prepared_smaller),
        cmocka_unit_test(test_worker_choose__one_file_of_several_names_is_one_model),
        cmocka_unit_test(test_worker_choose__means_the_file_that_is_there),
        cmocka_unit_test(test_worker_choose__a_list_tells_whose_file_was_replaced),
        cmocka_unit_test(test_worker_choose__a_list_tells_who_was_outgrown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
