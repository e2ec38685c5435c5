/*
 * Grammars that are kept: the same one for the same text, other ones for other texts, within
 * limits, and good for whoever still uses one that has gone.
 */
#include "grammar_rig.h"

#include <pthread.h>

#include "grammar/compiled.h"
#include "grammar/store.h"

#define N_TOKENS 1000

static struct grammar *schema_of(struct grammar_store *s, const char *text)
{
    json_t *schema = json_loads(text, JSON_DECODE_ANY, NULL);
    struct grammar *g = NULL;
    struct err err = {0};

    assert_non_null(schema);
    if (grammar_store_schema(s, schema, NULL, &g, &err))
        fail_msg("%s", err.text);
    json_decref(schema);
    return g;
}

static struct grammar *gbnf_of(struct grammar_store *s, const char *text)
{
    struct grammar *g = NULL;
    struct err err = {0};

    if (grammar_store_gbnf(s, text, strlen(text), NULL, &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static struct grammar_store *store(void)
{
    struct grammar_store *s;
    struct err err;

    assert_int_equal(grammar_store_create(&s, &err), 0);
    return s;
}

static void test_store__gives_the_same_grammar_for_the_same_text(void **state)
{
    struct grammar_store *s = store();
    struct grammar *a =
        schema_of(s, "{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}}}");
    struct grammar *b = schema_of(s, "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}}}");
    struct grammar *c = schema_of(s, "{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}}}");
    struct grammar *d = gbnf_of(s, "root ::= \"a\"");
    struct grammar *e = gbnf_of(s, "root ::= \"a\"");
    struct grammar_store_use use;

    (void)state;
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c); /* members come in the schema's order */
    assert_int_equal(rig_match(c, "{\"a\": 1, \"b\": 1}"), -1);
    assert_int_equal(rig_match(c, "{\"b\": 1, \"a\": 1}"), 1);
    assert_ptr_equal(d, e);
    grammar_store_look(s, &use);
    assert_int_equal(use.n, 3);
    assert_int_equal(use.found, 2);
    assert_int_equal(use.missed, 3);
    grammar_store_free(s);
    assert_int_equal(rig_match(a, "{\"a\": 1, \"b\": 1}"),
                     1); /* a caller's reference outlives it */
    grammar_free(a);
    grammar_free(b);
    grammar_free(c);
    grammar_free(d);
    grammar_free(e);
    grammar_store_free(NULL);
}

/* A text that is both a schema and (not) a grammar is looked for as what it is asked for. */
static void test_store__tells_kinds_apart_and_keeps_no_errors(void **state)
{
    struct grammar_store *s = store();
    struct grammar *g = schema_of(s, "true"), *none;
    struct grammar_store_use use;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        err.text[0] = '\0';
        assert_int_equal(grammar_store_gbnf(s, "true", 4, NULL, &none, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "line 1"));
    }
    grammar_store_look(s, &use);
    assert_int_equal(use.n, 1);
    assert_int_equal(use.missed, 3);
    grammar_free(g);
    grammar_store_free(s);
}

/* A grammar of its own for each i. */
static struct grammar *numbered(struct grammar_store *s, int i)
{
    char text[64];

    snprintf(text, sizeof text, "root ::= \"%d\" [a-z]*", i);
    return gbnf_of(s, text);
}

static uint64_t missed(struct grammar_store *s)
{
    struct grammar_store_use use;

    grammar_store_look(s, &use);
    return use.missed;
}

static void test_store__drops_what_was_asked_for_the_longest_ago(void **state)
{
    struct grammar_store *s = store();
    struct grammar_store_use use;

    (void)state;
    grammar_store_limit(s, 3, SIZE_MAX);
    for (int i = 0; i < 3; i++)
        grammar_free(numbered(s, i));
    grammar_free(numbered(s, 0)); /* 1 is now the oldest */
    grammar_free(numbered(s, 3));
    assert_int_equal(missed(s), 4);
    grammar_free(numbered(s, 0));
    grammar_free(numbered(s, 2));
    grammar_free(numbered(s, 3));
    assert_int_equal(missed(s), 4);
    grammar_free(numbered(s, 1));
    assert_int_equal(missed(s), 5);
    grammar_store_look(s, &use);
    assert_int_equal(use.n, 3);
    grammar_store_free(s);
}

static void test_store__holds_no_more_than_its_number(void **state)
{
    struct grammar_store *s = store();
    struct grammar_store_use use;

    (void)state;
    for (int i = 0; i < GRAMMAR_STORE_MAX + 10; i++)
        grammar_free(numbered(s, i));
    grammar_store_look(s, &use);
    assert_int_equal(use.n, GRAMMAR_STORE_MAX);
    grammar_store_free(s);
}

/* Grammars grow behind the store's back, by masks: what is too much goes when one is asked for. */
static void test_store__counts_masks_among_its_bytes(void **state)
{
    struct grammar_store *s = store();
    struct grammar *g = numbered(s, 0);
    struct grammar_store_use before, after;
    struct grammar_matcher *m;
    struct rig_vocab v;
    struct err err;

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 7);
    grammar_store_look(s, &before);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    assert_non_null(grammar_matcher_mask(m));
    grammar_store_look(s, &after);
    assert_true(after.bytes >= before.bytes + N_TOKENS / 8);
    grammar_free(numbered(s, 1));
    grammar_store_limit(s, GRAMMAR_STORE_MAX, after.bytes - 1);
    grammar_store_look(s, &after);
    assert_int_equal(after.n, 1);
    grammar_free(g); /* the matcher's reference is the last one now */
    assert_int_equal(grammar_matcher_put(m, "0abc", 4, &err), 0);
    assert_non_null(grammar_matcher_mask(m));
    grammar_matcher_free(m);
    rig_vocab_done(&v);
    grammar_store_limit(s, GRAMMAR_STORE_MAX, 1); /* the newest stays, however large */
    grammar_store_look(s, &after);
    assert_int_equal(after.n, 1);
    grammar_store_free(s);
}

#define N_THREADS 4
#define N_ROUNDS  40
#define N_TEXTS   6

struct asker {
    pthread_t thread;
    struct grammar_store *s;
    const struct rig_vocab *v;
    int n_good;
};

/* Takes one grammar after the other, and makes masks of it, while others are thrown out. */
static void *keep_asking(void *arg)
{
    struct asker *a = arg;

    for (int i = 0; i < N_ROUNDS; i++) {
        struct grammar_matcher *m;
        struct grammar *g;
        struct err err;
        char text[64];

        snprintf(text, sizeof text, "root ::= [a-%c]* \"!\"", 'b' + i * 7 % N_TEXTS);
        if (grammar_store_gbnf(a->s, text, strlen(text), NULL, &g, &err))
            return NULL;
        if (grammar_matcher_create(g, a->v->index, &m, &err) == 0) {
            a->n_good += grammar_matcher_put(m, "ab", 2, &err) == 0 && grammar_matcher_mask(m);
            grammar_matcher_free(m);
        }
        grammar_free(g);
    }
    return NULL;
}

static void test_store__is_shared_by_threads(void **state)
{
    struct grammar_store *s = store();
    struct asker askers[N_THREADS];
    struct grammar_store_use use;
    struct rig_vocab v;

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 7);
    grammar_store_limit(s, 3, SIZE_MAX);
    for (int i = 0; i < N_THREADS; i++) {
        askers[i] = (struct asker){.s = s, .v = &v};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].n_good, N_ROUNDS);
    }
    grammar_store_look(s, &use);
    assert_int_equal(use.n, 3);
    assert_int_equal(use.found + use.missed, N_THREADS * N_ROUNDS);
    grammar_store_free(s);
    rig_vocab_done(&v);
}

/* A mask takes a tenth of a second under the lock of its grammar's places. Who asked the store for
 * any grammar waited for it, with the store's lock, to be told how large those places are. */
static void test_store__does_not_wait_for_masks(void **state)
{
    struct grammar_store *s = store();
    struct grammar *g = numbered(s, 0);
    struct grammar_store_use use;
    struct grammar_matcher *m;
    struct places *p;
    struct err err;

    (void)state;
    assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), 0);
    assert_int_equal(compiled_places(g, NULL, &p, &err), 0);
    pthread_mutex_lock(&p->lock); /* as while a mask is made */
    grammar_free(numbered(s, 1));
    grammar_store_look(s, &use);
    assert_int_equal(use.n, 2);
    pthread_mutex_unlock(&p->lock);
    grammar_matcher_free(m);
    grammar_free(g);
    grammar_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__gives_the_same_grammar_for_the_same_text),
        cmocka_unit_test(test_store__tells_kinds_apart_and_keeps_no_errors),
        cmocka_unit_test(test_store__drops_what_was_asked_for_the_longest_ago),
        cmocka_unit_test(test_store__holds_no_more_than_its_number),
        cmocka_unit_test(test_store__counts_masks_among_its_bytes),
        cmocka_unit_test(test_store__does_not_wait_for_masks),
        cmocka_unit_test(test_store__is_shared_by_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
