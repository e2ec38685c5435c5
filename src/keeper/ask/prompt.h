/* prompt.h - where the text comes from: --prompt, standard input, or both. */
#ifndef RBEE_KEEPER_ASK_PROMPT_H
#define RBEE_KEEPER_ASK_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PROMPT_MAX        (8u << 20) /* bytes */
#define PROMPT_BOM        "\xef\xbb\xbf"
#define PROMPT_PATIENT_MS 2000 /* without a byte on stdin, until it is said that we wait */

struct prompt_source {
    const char *given; /* --prompt's value, or NULL */
    bool add_stdin;    /* --stdin: the text of stdin, a blank line behind `given` */
    bool quiet;        /* does not say that it waits */
};

/*
 * Without `given`, or where that is "-", stdin is the prompt, unless it is a terminal and was not
 * asked for. It is read to its end; one line feed at the very end is dropped, as `$(...)` in a
 * shell would.
 *
 * Beside a given text stdin is read only with add_stdin: a command within a loop or a job of a
 * scheduler inherits a stdin that is not meant for it, and that may never end.
 *
 * ERR_INVALID for an empty prompt, one that is not UTF-8 or holds a NUL, ERR_LIMIT past PROMPT_MAX,
 * ERR_NOT_FOUND when there is none. *out is owned by the caller.
 */
int prompt_read(const struct prompt_source *from, char **out, size_t *n, struct err *err);

/* Has somebody written into the pipe that is stdin? Then it may be that a person meant it. */
bool prompt_has_unread(void);

#endif
