/*
 * bench_grammar.c - how long a mask takes over a vocabulary of 128k tokens: at places met for the
 * first time, at places met before, and to move on.
 *
 *   bench_grammar [N_TOKENS]
 *
 * The vocabulary is made up: words with and without a blank before them, numbers, punctuation as in
 * source code, characters of other scripts and pieces of them, with lengths like those of large
 * models. The answers are JSON texts, cut into the longest tokens. Times are the thread's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "grammar/grammar.h"
#include "grammar/chars.h"
#include "timing.h"

#define DEFAULT_TOKENS  128256
#define MAX_TOKEN_BYTES 32
#define MAX_STEPS       4096

struct vocab {
    struct grammar_token *tokens;
    char *bytes;
    uint32_t n;
    uint64_t seed;
    struct grammar_vocab *index;
};

struct sample {
    const char *name, *schema, *answer;
};

static const struct sample samples[] = {
    {"person",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
     "\"integer\"},"
     "\"email\":{\"type\":\"string\",\"format\":\"email\"},\"tags\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"string\"}}},\"required\":[\"name\",\"age\",\"email\",\"tags\"],"
     "\"additionalProperties\":false}",
     "{\"name\": \"Ada Lovelace of somewhere in the country\", \"age\": 36, \"email\": "
     "\"ada@example.org\", \"tags\": [\"mathematics\", \"engines\", \"caf\xc3\xa9\", \"poetry and "
     "more\"]}"},
    {"any object", "{\"type\":\"object\"}",
     "{\"a\": [1, 2.5, {\"deep\": {\"deeper\": [true, null, \"a longer text here\"]}}], \"b\": "
     "\"text\", "
     "\"c\": {\"d\": [[[1]]], \"e\": \"and so on and so forth\"}}"},
    {"lengths",
     "{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\",\"minLength\":1,"
     "\"maxLength\":200},\"kind\":{\"enum\":[\"one\",\"two\",\"three\"]},\"score\":{\"type\":"
     "\"integer\","
     "\"minimum\":1,\"maximum\":100}},\"required\":[\"title\",\"kind\",\"score\"],"
     "\"additionalProperties\":false}",
     "{\"title\": \"A title of some words, which goes on for a while\", \"kind\": \"three\", "
     "\"score\": 97}"},
};

static uint32_t below(struct vocab *v, uint32_t n)
{
    v->seed = v->seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return (uint32_t)(v->seed >> 33) % n;
}

static size_t put_letters(struct vocab *v, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = "etaoinshrdlucmfwypvbgkjqxz"[below(v, 1 + below(v, 26))];
    return n;
}

static size_t put_signs(struct vocab *v, char *out)
{
    size_t n = 1 + below(v, 4);

    for (size_t i = 0; i < n; i++)
        out[i] = " \"'(){}[],.:;=<>/\\-_+*&|!?#@$%^\n\t"[below(v, 33)];
    return n;
}

static size_t put_script(struct vocab *v, char *out)
{
    static const uint32_t firsts[] = {0x430, 0x4E00, 0x3040, 0x5D0, 0xE0, 0x1F600};
    uint32_t first = firsts[below(v, 6)];
    size_t n = 0;

    for (uint32_t k = 1 + below(v, 4); k; k--)
        n += utf8_encode(first + below(v, first == 0x4E00 ? 8000 : 30), out + n);
    return below(v, 20) ? n : n - 1; /* some end within a character */
}

static size_t put_token(struct vocab *v, uint32_t i, char *out)
{
    uint32_t kind = below(v, 100);
    size_t n = 0;

    if (i < 256)
        return out[0] = (char)i, 1;
    if (kind < 25)
        return put_script(v, out);
    if (kind < 33)
        return put_signs(v, out);
    if (kind < 36) {
        for (n = 0; n < 1 + i % 3; n++)
            out[n] = (char)('0' + below(v, 10));
        return n;
    }
    if (kind < 70)
        out[n++] = ' ';
    n += put_letters(v, out + n, 2 + below(v, 9));
    if (kind > 96)
        n += put_signs(v, out + n);
    return n;
}

static int make_vocab(struct vocab *v, uint32_t n)
{
    struct err err;

    v->n = n;
    v->seed = 1;
    v->tokens = calloc(n, sizeof *v->tokens);
    v->bytes = calloc(n, MAX_TOKEN_BYTES);
    if (!v->tokens || !v->bytes)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        v->tokens[i].bytes = v->bytes + (size_t)i * MAX_TOKEN_BYTES;
        v->tokens[i].n = put_token(v, i, v->bytes + (size_t)i * MAX_TOKEN_BYTES);
    }
    return grammar_vocab_create(v->tokens, n, &v->index, &err);
}

/* The longest token with which a text begins. */
static uint32_t longest(const struct vocab *v, const char *text)
{
    uint32_t best = 0;
    size_t n = strlen(text);

    for (uint32_t i = 0; i < v->n; i++) {
        size_t len = v->tokens[i].n;

        if (len <= n && len > (best || *text == '\0' ? v->tokens[best].n : 0) &&
            memcmp(v->tokens[i].bytes, text, len) == 0)
            best = i;
    }
    return best;
}

static void show(const char *what, double *seconds, size_t n)
{
    qsort(seconds, n, sizeof *seconds, by_value);
    printf("    %-12s %4zu places   median %9.2f us   worst %9.2f us\n", what, n,
           seconds[n / 2] * 1e6, seconds[n - 1] * 1e6);
}

/* One answer: masks and moves of all its tokens. */
static int run(const struct vocab *v, const struct grammar *g, const char *answer, const char *what)
{
    static double masks[MAX_STEPS], moves[MAX_STEPS];
    struct grammar_matcher *m;
    struct err err = {0};
    size_t n = 0;

    if (grammar_matcher_create(g, v->index, &m, &err))
        return puts(err.text), 1;
    for (; *answer && n < MAX_STEPS; n++) {
        uint32_t token = longest(v, answer);
        double start = cpu_seconds(), middle;
        const uint64_t *mask = grammar_matcher_mask(m);

        middle = cpu_seconds();
        masks[n] = middle - start;
        if (!mask || !(mask[token / 64] >> token % 64 & 1) ||
            grammar_matcher_put(m, v->tokens[token].bytes, v->tokens[token].n, &err))
            return printf("not allowed: %s: %s\n", answer, err.text), 1;
        moves[n] = cpu_seconds() - middle;
        answer += v->tokens[token].n;
    }
    show(what, masks, n);
    show("  moving on", moves, n);
    grammar_matcher_free(m);
    return 0;
}

static int bench(const struct vocab *v, const struct sample *s)
{
    json_t *schema = json_loads(s->schema, 0, NULL);
    struct grammar *g;
    struct err err = {0};
    double start = cpu_seconds();
    int rc;

    if (grammar_from_schema(schema, NULL, &g, &err))
        return puts(err.text), 1;
    printf("%s: compiled in %.0f us\n", s->name, (cpu_seconds() - start) * 1e6);
    rc = run(v, g, s->answer, "first visit") || run(v, g, s->answer, "known");
    grammar_free(g);
    json_decref(schema);
    return rc;
}

int main(int argc, char **argv)
{
    struct vocab v = {0};
    int64_t n = DEFAULT_TOKENS;
    double start = cpu_seconds();
    int rc = 0;

    if (argc > 1 && (str_to_i64(argv[1], &n) || n < 256 || n > 4000000))
        return fprintf(stderr, "usage: bench_grammar [N_TOKENS, 256 to 4000000]\n"), 2;
    if (make_vocab(&v, (uint32_t)n))
        return fprintf(stderr, "no vocabulary\n"), 1;
    printf("%u tokens, made and indexed in %.0f ms\n", v.n, (cpu_seconds() - start) * 1e3);
    for (size_t i = 0; i < sizeof samples / sizeof *samples && !rc; i++)
        rc = bench(&v, &samples[i]);
    grammar_vocab_free(v.index);
    free(v.tokens);
    free(v.bytes);
    return rc;
}
