/* prompt.h - where the text comes from: --prompt, or standard input. */
#ifndef RBEE_KEEPER_PROMPT_H
#define RBEE_KEEPER_PROMPT_H

#include <stddef.h>

#include "base/err.h"

#define PROMPT_MAX (8u << 20) /* bytes */

/*
 * `given` is --prompt's value, or NULL. "-", or none while stdin is no terminal, reads stdin to its
 * end; one line feed at the very end is dropped then, as `$(...)` in a shell would. ERR_INVALID for
 * an empty prompt, one that is not UTF-8 or holds a NUL, ERR_LIMIT past PROMPT_MAX, ERR_NOT_FOUND
 * when there is none. *out is owned by the caller.
 */
int prompt_read(const char *given, char **out, size_t *n, struct err *err);

#endif
