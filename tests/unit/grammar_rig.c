/* grammar_rig.c - a vocabulary for tests. See grammar_rig.h. */
#include "grammar_rig.h"

static const char *const pieces[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\": ",
    "\", \"",
    "\",\"",
    "{\"",
    "\"}",
    "\"]",
    "[{\"",
    "\"}]",
    "\":\"",
    "\": \"",
    "\":",
    ", ",
    "},",
    "}}",
    "]]",
    "\\n",
    "\\\"",
    "\\u",
    "00",
    "true",
    "false",
    "null",
    " true",
    "12",
    "0",
    "1",
    "-",
    ".5",
    "e+",
    "10",
    "123",
    "-1",
    "\n",
    "\n  ",
    "  ",
    " ",
    "\t",
    "a",
    "b",
    "name",
    "x\"",
    "x\":",
    "\\",
    "\xc3\xa9",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xc3",
    "\xa9",
    "\xe2\x82",
    "\x82\xac",
    "\xf0\x9f",
    "\x98\x80",
    "\xc3\xa9\"",
    "\"\xe2\x82\xac",
    "\xff",
    "\xc0\x80",
    "\xed\xa0\x80",
    "abc",
    "aaaa",
    "aaaaaaaa",
};
#define N_PIECES (sizeof pieces / sizeof *pieces)

/* Two or three pieces side by side, or letters. */
static size_t random_bytes_of(char *out, uint64_t *seed)
{
    size_t n = 0;

    if (rig_below(seed, 2)) {
        n = 1 + rig_below(seed, 8);
        for (size_t i = 0; i < n; i++)
            out[i] = "etaoinshrdlu 0129-_.\"\\ABC"[rig_below(seed, 25)];
        return n;
    }
    for (uint32_t k = 2 + rig_below(seed, 2); k; k--) {
        const char *piece = pieces[rig_below(seed, N_PIECES)];

        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

static size_t token_bytes(char *out, uint32_t i, uint64_t *seed)
{
    if (i < 256)
        return out[0] = (char)i, 1;
    if (i < 256 + N_PIECES) {
        memcpy(out, pieces[i - 256], strlen(pieces[i - 256]));
        return strlen(pieces[i - 256]);
    }
    return random_bytes_of(out, seed);
}

void rig_vocab_make(struct rig_vocab *v, uint32_t n, uint64_t seed)
{
    struct err err = {0};

    v->n = n;
    v->tokens = calloc(n, sizeof *v->tokens);
    v->bytes = calloc(n, RIG_TOKEN_BYTES);
    assert_non_null(v->tokens);
    assert_non_null(v->bytes);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place =
            (uint32_t)((uint64_t)i * 7919 % n); /* 7919 is a prime that divides no n in use */

        v->tokens[place].bytes = v->bytes + (size_t)i * RIG_TOKEN_BYTES;
        v->tokens[place].n = token_bytes(v->bytes + (size_t)i * RIG_TOKEN_BYTES, i, &seed);
    }
    v->tokens[n - 1].n = 0; /* two control tokens */
    v->tokens[n - 2].bytes = NULL;
    assert_int_equal(grammar_vocab_create(v->tokens, n, &v->index, &err), 0);
}

void rig_vocab_done(struct rig_vocab *v)
{
    grammar_vocab_free(v->index);
    free(v->tokens);
    free(v->bytes);
}
