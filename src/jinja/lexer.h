/*
 * lexer.h - a template's text to tokens.
 *
 * White space control is done here: line ends become "\n", one at the very end is dropped, "-"
 * strips, blocks and comments lose the blanks before them on their line and the line end behind
 * them (lstrip_blocks, trim_blocks) unless "+" says not. Comments and raw blocks are gone after it.
 */
#ifndef RBEE_JINJA_LEXER_H
#define RBEE_JINJA_LEXER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "jinja/arena.h"

enum token_kind {
    TOKEN_TEXT,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING, /* with its quotes */
    TOKEN_SIGN,   /* one or two characters of an operator or a bracket */
    TOKEN_END
};

struct token {
    uint8_t kind;
    uint32_t line;
    uint32_t len;
    const char *s; /* in the arena's copy of the text */
};

struct tokens {
    struct token *items; /* malloc'ed; the last is TOKEN_END */
    size_t n, cap;
};

/* 0, ERR_INVALID with the line, ERR_NO_MEMORY, ERR_LIMIT. tokens_done in any case. */
int lexer_run(const char *text, size_t n_bytes, struct arena *arena, struct tokens *out,
              struct err *err);
void tokens_done(struct tokens *t);

#endif
