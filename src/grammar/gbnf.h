/*
 * gbnf.h - llama.cpp's notation of grammars (its grammars/README.md and src/llama-grammar.cpp, as
 * of July 2026), read into rules.
 *
 *   rule    ::= name "::=" alternatives, up to the end of the line
 *   names   letters, digits, '-' and '_'
 *   items   "text"  [a-z^\]]  [^...]  .  (group)  name, each with * + ? {m} {m,} {m,n} behind it
 *   escapes \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH, each one character
 *   # comments; a rule goes on over lines inside parentheses, behind ::= and |, and before |
 *
 * The start is the rule `root`. Refused: a rule that is defined twice (llama.cpp takes the last
 * one), an empty class, and items that stand for a token of one model (<name>, <[id]>).
 */
#ifndef RBEE_GRAMMAR_GBNF_H
#define RBEE_GRAMMAR_GBNF_H

#include "grammar/rules.h"

/* *root is the rule to start from, as rules_settle wants it. ERR_INVALID or ERR_UNSUPPORTED
 * "grammar line N:
 * ...", ERR_LIMIT, ERR_NO_MEMORY. */
int gbnf_read(struct rules *r, const char *text, size_t n_bytes, uint32_t *root, struct err *err);

#endif
