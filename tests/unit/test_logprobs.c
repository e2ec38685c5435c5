/* A worker's log-probabilities in OpenAI's old shape: where in the text each token begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hive/gateway/logprobs.h"

/* The text_offset of tokens whose `bytes` these are ("control" among them), as JSON. */
static void assert_offsets(struct logprobs_place *place, const char *tokens, const char *want)
{
    json_t *list = json_array(), *bytes, *all = json_loads(tokens, 0, NULL), *out;
    char *text;
    size_t i;

    assert_non_null(all);
    json_array_foreach(all, i, bytes)
    {
        json_t *one =
            json_pack("{s:s, s:f, s:O, s:[]}", "t", "x", "logprob", -0.5, "bytes",
                      json_is_object(bytes) ? json_object_get(bytes, "control") : bytes, "top");

        if (json_is_object(bytes))
            json_object_set_new(one, "control", json_true());
        json_array_append_new(list, one);
    }
    out = logprobs_legacy(list, place);
    text = json_dumps(json_object_get(out, "text_offset"), JSON_COMPACT);
    assert_string_equal(text, want);
    assert_int_equal(json_array_size(json_object_get(out, "tokens")), json_array_size(all));
    free(text);
    json_decref(out);
    json_decref(list);
    json_decref(all);
}

/* Every byte that is a token of its own counted as a character, and so did the letters of a control
 * token's name: behind the first € or mark no offset was one of the text any more. */
static void test_logprobs__offsets_are_of_the_text(void **state)
{
    struct logprobs_place place = {0};

    (void)state;
    /* "a€éb": the three bytes of € alone, é whole, a mark between */
    assert_offsets(&place, "[[97],[226],[130],[172],{\"control\":[60,47,115,62]},[195,169],[98]]",
                   "[0,1,1,1,2,2,3]");
    assert_int_equal(place.n, 4);
}

/* What can be no character is U+FFFD in the text, a byte each. */
static void test_logprobs__what_is_no_utf8_counts_as_it_is_told(void **state)
{
    struct logprobs_place place = {0};

    (void)state;
    assert_offsets(&place, "[[130],[98],[226],[130],[99,100],[240],[226],[130],[172],[101]]",
                   "[0,1,2,2,4,6,7,7,7,8]");
}

/* The chunks of a stream go on where the one before was, also within a character. */
static void test_logprobs__offsets_go_on_from_chunk_to_chunk(void **state)
{
    struct logprobs_place place = {0};

    (void)state;
    assert_offsets(&place, "[[97],[240,159]]", "[0,1]");
    assert_offsets(&place, "[]", "[]");
    assert_offsets(&place, "[[152],[128,98],[99]]", "[1,1,3]");
}

/*
 * Tokens that are single bytes were all "U+FFFD" in the lists: of six such among the likeliest the
 * last one's number stood for all, above the others', and the chosen token's own place had
 * another's. One that was chosen though it was not among the likeliest was missing.
 */
static void test_logprobs__tokens_are_told_apart_by_their_bytes(void **state)
{
    struct logprobs_place place = {0};
    json_t *tokens = json_loads(
        "[{\"t\":\"\\ufffd\",\"bytes\":[226],\"logprob\":-2,\"top\":["
        "{\"t\":\"\\ufffd\",\"bytes\":[176],\"logprob\":-1},"
        "{\"t\":\"\\ufffd\",\"bytes\":[226],\"logprob\":-2},"
        "{\"t\":\"a\",\"bytes\":[97],\"logprob\":-3},{\"t\":\"a\",\"bytes\":[97],\"logprob\":-4}]},"
        "{\"t\":\"\\u20ac\",\"bytes\":[226,130,172],\"logprob\":-9,\"top\":["
        "{\"t\":\"\\u0000\",\"bytes\":[0],\"logprob\":-1}]},"
        "{\"t\":\"</s>\",\"control\":true,\"bytes\":[60,47,115,62],\"logprob\":-5,\"top\":[]}]",
        JSON_ALLOW_NUL, NULL);
    json_t *out, *want = json_loads("{\"tokens\":[\"bytes:\\\\xe2\",\"\\u20ac\",\"</s>\"],"
                                    "\"token_logprobs\":[-2,-9,-5],"
                                    "\"top_logprobs\":[{\"bytes:\\\\xb0\":-1,\"bytes:\\\\xe2\":-2,"
                                    "\"a\":-3},{\"bytes:\\\\x00\":-1,\"\\u20ac\":-9},"
                                    "{\"</s>\":-5}],\"text_offset\":[0,1,2]}",
                                    0, NULL);
    char *got;

    (void)state;
    assert_non_null(tokens);
    assert_non_null(want);
    out = logprobs_legacy(tokens, &place);
    got = json_dumps(out, JSON_COMPACT);
    if (!json_equal(out, want))
        fail_msg("%s", got);
    free(got);
    json_decref(out);
    json_decref(want);
    json_decref(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logprobs__offsets_are_of_the_text),
        cmocka_unit_test(test_logprobs__what_is_no_utf8_counts_as_it_is_told),
        cmocka_unit_test(test_logprobs__offsets_go_on_from_chunk_to_chunk),
        cmocka_unit_test(test_logprobs__tokens_are_told_apart_by_their_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
