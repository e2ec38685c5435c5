/*
 * advice.h - commands that a text tells its reader to type, where the text is about another node
 * than the one that they would act on.
 */
#ifndef RBEE_KEEPER_NODE_ADVICE_H
#define RBEE_KEEPER_NODE_ADVICE_H

/*
 * The text, in which each command between backquotes that acts on a node ("`rbee-keeper models rm
 * X`") has " --node NODE" at its end; node NULL: as it is. free(), NULL: no memory.
 */
char *advice_at(const char *text, const char *node);

#endif
