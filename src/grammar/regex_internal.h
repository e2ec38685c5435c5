/* regex_internal.h - what the two files behind regex.h share. */
#ifndef RBEE_GRAMMAR_REGEX_INTERNAL_H
#define RBEE_GRAMMAR_REGEX_INTERNAL_H

#include "grammar/regex.h"

struct regex {
    struct schema *s;
    const json_t *where; /* for errors */
    const char *key;
    const char *pattern, *at;
    uint32_t nesting;
    struct rules_range *ranges; /* of the class being read; owned */
    uint32_t n_ranges, cap_ranges;
};

/* Notes a failure with the place in the pattern. Returns 0. */
uint32_t regex_fail(struct regex *x, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* At a character, an escape, '.' or '[': the node of one character. 0: noted. */
uint32_t regex_one(struct regex *x);

#endif
