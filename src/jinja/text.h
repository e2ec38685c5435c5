/* text.h - what filters and methods do to texts. Source: the Python Library Reference, "str". */
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

/* Where `what` begins at or behind byte `at`; (size_t)-1 when it does not. */
size_t text_find(struct value v, struct value what, size_t at);
/* The last place at which `what` begins and ends within the first n bytes. */
size_t text_find_last(struct value v, struct value what, size_t n);

bool text_starts(struct value v, struct value with);
bool text_ends(struct value v, struct value with);

/* The bytes from..to of a text. */
static inline struct value text_part(struct value v, size_t from, size_t to)
{
    struct value part = value_text(v.u.s + from, to - from);

    part.markup = v.markup;
    return part;
}

#endif
