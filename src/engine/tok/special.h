/*
 * special.h - finds tokens that are taken whole out of a text before anything else looks at it.
 *
 * User-defined tokens always are; control and unknown ones only when asked. At each place the
 * longest wins. Immutable once built.
 */
#ifndef RBEE_ENGINE_TOK_SPECIAL_H
#define RBEE_ENGINE_TOK_SPECIAL_H

#include "engine/tok/vocab.h"

struct special {
    struct gguf_str text;
    int32_t id;
    bool control; /* or unknown */
};

struct specials {
    struct special *v; /* sorted by text */
    uint32_t n;
    uint8_t first[256]; /* bit 0: a user-defined one begins with this byte; bit 1: a control one */
};

/* `file` is for what is said of one that is too long. */
int special_build(struct specials *s, const struct vocab *v, const char *file, struct err *err);
void special_done(struct specials *s);

/*
 * The longest special token that the n bytes begin with, or NULL.
 */
const struct special *special_at(const struct specials *s, const char *text, size_t n,
                                 bool control);

#endif
