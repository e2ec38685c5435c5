/*
 * sources.h - what a serving worker reads of the disk: its model's files and a chat template. They
 * are opened here while that is still allowed, and read behind the sandbox's door.
 *
 * A failure is kept and told where the file is wanted, so that a model that is not there fails as
 * one that cannot be read does: on the board, and to those who watch.
 */
#ifndef RBEE_WORKER_SANDBOX_SOURCES_H
#define RBEE_WORKER_SANDBOX_SOURCES_H

#include "base/err.h"
#include "engine/engine.h"

struct sources {
    struct gguf_files *model; /* NULL: see model_err */
    struct err model_err;
    const char *template_path; /* borrowed; NULL: the model's own */
    int template_fd;           /* -1: none, or see template_err */
    struct err template_err;
};

/* Paths must stay. chat_template may be NULL. */
void sources_open(struct sources *s, const char *model_path, const char *chat_template);
void sources_close(struct sources *s);

/* The model, once. As engine_model_open. */
int sources_model(struct sources *s, struct engine_model **out, struct err *err);

/* The template's text, NUL-terminated (free()); *text is NULL when none was given. As
 * path_read_file. */
int sources_template(struct sources *s, char **text, size_t *n_bytes, struct err *err);

#endif
