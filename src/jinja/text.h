/*
 * text.h - what filters and methods do to texts. Source: the Python Library Reference, "str".
 *
 * Every byte that is looked at counts, also where nothing is found: a template may ask for it as
 * often as its steps allow.
 */
#ifndef RBEE_JINJA_TEXT_H
#define RBEE_JINJA_TEXT_H

#include "jinja/run.h"

enum text_case {
    TEXT_UPPER,
    TEXT_LOWER,
    TEXT_CAPITALIZE, /* the first letter large, all others small */
    TEXT_TITLE,      /* the same for each run of letters */
    TEXT_SWAP
};
int text_recase(struct run *r, struct value v, enum text_case to, struct value *out);

#define TEXT_LEFT  1
#define TEXT_RIGHT 2
/* Without white space at the ends; `chars`, unless NULL, are the characters to take off. */
int text_strip(struct run *r, struct value v, const struct value *chars, int sides,
               struct value *out);

/* The first `count` places (negative: all) of `from` become `to`. */
int text_replace(struct run *r, struct value v, struct value from, struct value to, int64_t count,
                 struct value *out);

/* *found: where `what` begins at or behind byte `at`; TEXT_NOWHERE when it does not. */
#define TEXT_NOWHERE ((size_t)-1)
int text_find(struct run *r, struct value v, struct value what, size_t at, size_t *found);
/* The last place at which `what` begins and ends within the first n bytes. */
int text_find_last(struct run *r, struct value v, struct value what, size_t n, size_t *found);

int text_starts(struct run *r, struct value v, struct value with, bool *out);
int text_ends(struct run *r, struct value v, struct value with, bool *out);

/* The bytes from..to of a text. */
static inline struct value text_part(struct value v, size_t from, size_t to)
{
    struct value part = value_text(v.u.s + from, to - from);

    part.markup = v.markup;
    return part;
}

#endif
