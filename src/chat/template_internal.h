/*
 * template_internal.h - what the files behind template.h share: template.c renders, template_try.c
 * finds out what a template can do.
 */
#ifndef RBEE_CHAT_TEMPLATE_INTERNAL_H
#define RBEE_CHAT_TEMPLATE_INTERNAL_H

#include "chat/template.h"

struct chat_template {
    struct jinja_program *program;
    const struct chat_format *format;
    const struct chat_think *think;
    struct chat_abilities can;
    bool blind;      /* what the user says is in no prompt of it */
    bool needs_list; /* of tools, though it be empty: it fails where they are none */
    bool untried;    /* a trial had no memory: what was found out is worth nothing */
    char *bos, *eos;
};

/* One render by the abilities at hand. */
int chat_template_run(const struct chat_template *t, const struct chat_conversation *c,
                      uint64_t max_steps, struct buf *out, struct err *err);

/* Finds out all but the program and the texts of tokens; `text` is the template's. ERR_NO_MEMORY.
 */
int chat_template_try(struct chat_template *t, const char *text);

#endif
