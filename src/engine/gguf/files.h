/*
 * files.h - the files of one model, open and not read yet.
 *
 * What a process opens before it gives up the right to open files (worker/sandbox/sandbox.h): a
 * view made of them later needs no path any more. Opening reads no byte of a file.
 */
#ifndef RBEE_ENGINE_GGUF_FILES_H
#define RBEE_ENGINE_GGUF_FILES_H

#include <stdint.h>

#include "base/err.h"

struct gguf_file {
    char *path; /* owned; for messages */
    int fd;     /* owned; -1 once a view has taken it */
};

struct gguf_files {
    char *path; /* owned; as asked for */
    uint32_t n; /* parts, in their order */
    struct gguf_file *parts;
};

/*
 * The file, or for "x-00001-of-0000N.gguf" all N parts beside it. ERR_NOT_FOUND, ERR_IO,
 * ERR_LIMIT (more than GGUF_MAX_PARTS), ERR_NO_MEMORY. Free with gguf_files_close.
 */
int gguf_files_open(const char *path, struct gguf_files **out, struct err *err);
/* Closes what no view has taken. NULL is fine. */
void gguf_files_close(struct gguf_files *f);

#endif
