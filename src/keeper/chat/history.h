/*
 * history.h - what was typed at the prompt, over many conversations: a file with one JSON string a
 * line, the oldest first, for its owner only.
 *
 * Each entry is appended at once, so that two conversations at the same time lose nothing. A file
 * that has grown to more than HISTORY_MAX entries is cut down when it is opened; lines that are no
 * JSON strings are passed over.
 */
#ifndef RBEE_KEEPER_CHAT_HISTORY_H
#define RBEE_KEEPER_CHAT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define HISTORY_MAX       1000
#define HISTORY_ENTRY_MAX (64u << 10) /* bytes; a longer one is not kept */
#define HISTORY_FILE_MAX  (96u << 20)

struct history {
    char *path;   /* owned */
    char **items; /* owned, HISTORY_MAX at most when opened */
    size_t n, cap;
    bool torn; /* the file's last line has no end: the next one begins with it */
};

/* A missing file is an empty one. On an error *h is empty and remembers nothing. */
int history_open(const char *path, struct history *h, struct err *err);
void history_close(struct history *h);

/*
 * One more, unless it is the last again, or too long. The file's folder is made when it is missing.
 * ERR_IO, ERR_NO_SPACE, ERR_DENIED, ERR_NO_MEMORY.
 */
int history_add(struct history *h, const char *text, struct err *err);

#endif
