/*
 * What an answer keeps of what its worker sends is one sum. Texts, each call's arguments and
 * log-probabilities had bounds of their own, or none: 128 calls might have 64 MiB each, in each of
 * 32 choices, also of a stream, and nothing of it counted with what else the hive holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hive/gateway/answer_internal.h"

#define PIECE (1u << 20)

static size_t room; /* what all answers may keep */

bool answer_keep(struct answer *a, size_t n)
{
    if (n > room - a->n_kept)
        return false;
    a->n_kept += n;
    return true;
}

static size_t begun; /* of an event that has not come whole */

size_t ask_held(const struct ask *a)
{
    return a ? begun : 0;
}

bool answer_hold_partial(struct answer *a, size_t before, size_t now)
{
    if (a->n_partial - before + now > room)
        return false;
    a->n_partial += now - before;
    return true;
}

static size_t n_scores;

static void score(struct choice *c, const json_t *tokens)
{
    (void)c;
    n_scores += json_array_size(tokens);
}

static const struct dialect dialect = {.score = score};

static int set_up(void **state)
{
    struct answer *a = calloc(1, sizeof *a);

    assert_non_null(a);
    a->dialect = &dialect;
    room = SIZE_MAX;
    n_scores = 0;
    *state = a;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* Begins so many calls and gives them arguments in turn, until the choice is spoilt; how many
 * pieces it took. */
static size_t fill_calls(struct choice *c, unsigned n_calls)
{
    char *piece = calloc(1, PIECE);
    size_t n = 0;

    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    while (!c->wrong && n < 1000) {
        if (n % 16 == 0 && c->n_tools < n_calls)
            choice_keep(c, &(struct event){.kind = EVENT_TOOL_CALL,
                                           .tool = c->n_tools,
                                           .id = "call_1",
                                           .name = "look"});
        choice_keep(c,
                    &(struct event){
                        .kind = EVENT_TOOL_ARGS, .tool = c->n_tools - 1, .raw = piece, .n = PIECE});
        n++;
    }
    free(piece);
    return n;
}

static void test_keep__calls_share_the_bound_of_their_answer(void **state)
{
    struct answer *a = *state;
    struct choice c;

    a->order.stream = true;
    choice_init(&c, a, 0);
    assert_int_equal(fill_calls(&c, 4), ANSWER_TEXT_MAX / PIECE); /* the last has no room */
    assert_int_equal(c.wrong_code, API_INVALID_REQUEST);
    assert_non_null(strstr(c.wrong, "64 MiB"));
    assert_int_equal(a->n_kept, c.n_kept);
    choice_done(&c);
}

/* The 129th call lost the whole answer, as an error of rbee's own. */
static void test_keep__calls_are_bounded_by_their_bytes_alone(void **state)
{
    struct answer *a = *state;
    struct choice c;

    choice_init(&c, a, 0);
    for (unsigned i = 0; i < 3000; i++)
        choice_keep(
            &c, &(struct event){.kind = EVENT_TOOL_CALL, .tool = i, .id = "call_1", .name = "f"});
    assert_null(c.wrong);
    assert_int_equal(c.n_tools, 3000);
    assert_true(c.n_kept >= 3000 * 2 * sizeof(struct tool_call)); /* what they take beside */
    choice_keep(
        &c, &(struct event){.kind = EVENT_TOOL_CALL, .tool = 3001, .id = "call_1", .name = "f"});
    assert_int_equal(c.wrong_code, API_INTERNAL);
    assert_non_null(strstr(c.wrong, "not numbered one by one"));
    choice_done(&c);
}

static void test_keep__answers_share_what_the_hive_may_hold(void **state)
{
    struct answer *a = *state;
    struct choice c[2];

    room = 10 * PIECE;
    choice_init(&c[0], a, 0);
    choice_init(&c[1], a, 1);
    choice_keep(&c[0],
                &(struct event){.kind = EVENT_TOOL_CALL, .tool = 0, .id = "call_1", .name = "f"});
    assert_int_equal(fill_calls(&c[1], 2), 10);
    assert_int_equal(c[1].wrong_code, API_ALL_SLOTS_BUSY);
    assert_null(c[0].wrong);
    assert_int_equal(a->n_kept, c[0].n_kept + c[1].n_kept);
    choice_done(&c[0]);
    choice_done(&c[1]);
}

/* Streams that show calls as they come told arguments of a call that was over as the next one's:
 * `rm` got none, and `ls` those of both. */
static void test_keep__arguments_are_of_the_call_that_came_last(void **state)
{
    const struct event args[] = {{.kind = EVENT_TOOL_ARGS, .tool = 0, .raw = "{", .n = 1},
                                 {.kind = EVENT_TOOL_ARGS, .tool = 1, .raw = "{", .n = 1}},
                       scores = {.kind = EVENT_TEXT, .raw = "", .n = 0},
                       text = {.kind = EVENT_TEXT, .raw = "abc", .n = 3};
    struct choice c;

    for (int how = 0; how < 3; how++) {
        choice_init(&c, *state, 0);
        choice_keep(
            &c, &(struct event){.kind = EVENT_TOOL_CALL, .tool = 0, .id = "call_1", .name = "rm"});
        choice_keep(&c, &args[0]);
        choice_keep(&c, &scores);
        choice_keep(&c, &args[0]);
        assert_null(c.wrong);
        if (how == 0)
            choice_keep(&c, &text);
        if (how == 1)
            choice_keep(&c, &(struct event){
                                .kind = EVENT_TOOL_CALL, .tool = 1, .id = "call_2", .name = "ls"});
        choice_keep(&c, &args[how == 2]);
        assert_non_null(c.wrong);
        assert_non_null(strstr(c.wrong, how == 2 ? "did not begin" : "was over"));
        choice_done(&c);
    }
}

/* A stream has told its text already; calls are looked at when it ends. */
static void test_keep__a_stream_keeps_calls_alone(void **state)
{
    struct answer *a = *state;
    const struct event text = {.kind = EVENT_TEXT, .raw = "abc", .n = 3};
    struct choice c;

    for (int whole = 0; whole < 2; whole++) {
        a->order.stream = !whole;
        choice_init(&c, a, 0);
        choice_keep(&c, &text);
        assert_int_equal(c.text.len, whole ? 3 : 0);
        assert_int_equal(c.n_kept, whole ? 3 : 0);
        choice_done(&c);
    }
}

static void test_keep__scores_are_the_dialects_of_a_whole_answer(void **state)
{
    struct answer *a = *state;
    json_t *tokens = json_pack("[{}, {}]");
    struct event e = {.kind = EVENT_TEXT, .raw = "", .logprobs = tokens};
    struct choice c;

    a->order.stream = true;
    choice_init(&c, a, 0);
    choice_keep(&c, &e);
    assert_int_equal(n_scores, 0);
    a->order.stream = false;
    choice_keep(&c, &e);
    assert_int_equal(n_scores, 2);
    e.kind = EVENT_REASONING; /* of which this dialect tells none */
    choice_keep(&c, &e);
    assert_int_equal(n_scores, 2);
    choice_done(&c);
    json_decref(tokens);
}

/* A worker may begin to say much, and never end it: thirty that did took a megabyte each, and more,
 * that counted in nothing. */
static void test_keep__what_is_begun_counts_until_it_is_whole(void **state)
{
    struct answer *a = *state;
    struct choice c = {.answer = a, .ask = (struct ask *)&begun}, other = c;

    room = 3 * PIECE;
    begun = 1000; /* as all events are for a moment */
    choice_hold_partial(&c);
    assert_int_equal(a->n_partial, 0);
    begun = 2 * PIECE;
    choice_hold_partial(&c);
    choice_hold_partial(&c);
    assert_int_equal(a->n_partial, 2 * PIECE);
    choice_hold_partial(&other);
    assert_string_equal(other.wrong,
                        "the answers and requests that wait here hold nearly all the memory they "
                        "may have together, and this answer goes on");
    assert_int_equal(other.wrong_code, API_ALL_SLOTS_BUSY);
    assert_null(c.wrong);
    begun = 0;
    choice_hold_partial(&c);
    assert_int_equal(a->n_partial, 0);
    begun = PIECE;
    choice_hold_partial(&c);
    c.ask = NULL; /* it has ended */
    choice_hold_partial(&c);
    assert_int_equal(a->n_partial, 0);
    assert_null(c.wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep__calls_share_the_bound_of_their_answer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keep__what_is_begun_counts_until_it_is_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keep__calls_are_bounded_by_their_bytes_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keep__answers_share_what_the_hive_may_hold, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keep__arguments_are_of_the_call_that_came_last, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keep__a_stream_keeps_calls_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep__scores_are_the_dialects_of_a_whole_answer,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
