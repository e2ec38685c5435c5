/*
 * format.h - how a chat template's model writes tool calls and thoughts: which marks stand around
 * them. A table of what is known; a template is told by the marks in its own text.
 *
 * A call in one of two shapes: a JSON object that holds the name (CALL_JSON), alone or in a list;
 * or the name, a mark, and the arguments' JSON object (CALL_NAMED). A model whose template writes
 * calls in none of these ways, or knows nothing of tools, is told of them in words of ours, and
 * answers in JSON without marks (`generic`).
 *
 * Sources: the templates that the models' makers publish with them. Immutable; any thread.
 */
#ifndef RBEE_CHAT_FORMAT_H
#define RBEE_CHAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

enum call_shape { CALL_JSON, CALL_NAMED };

/* A text that is not there is NULL; only names of JSON members are always given. */
struct chat_format {
    const char *name;
    enum call_shape shape;
    bool generic;   /* tools are told by us, not by the template */
    bool list;      /* JSON: the calls stand in one array */
    bool each;      /* the marks stand around each call, not around all of them */
    bool short_ids; /* the template wants the ids of calls to have 9 letters or digits */
    bool opened;    /* NAMED: the prompt ends with call_open; content has a name, too */
    bool numbered; /* NAMED: the id behind a name is a number, and names may have id_sign in them */

    /* A variable of the template: the tools as a JSON text; with it, the time as "datetime". */
    const char *tools_text;
    const char *open, *close; /* around a call, or all; no open (JSON): the answer begins with it */
    const char *also_open;    /* another way to begin */
    const char *gap; /* JSON: white space between mark and object that the model is used to */
    const char *name_key,
        *args_key; /* JSON: the members; `arguments` and `parameters` are read both */

    const char *call_open;  /* NAMED: before each name */
    const char *id_end;     /* NAMED: what stands before this is an id */
    const char *name_begin; /* NAMED: a prefix of names, not part of them */
    const char *id_sign;    /* NAMED: what stands behind this is an id */
    const char *name_end;   /* NAMED: between name and arguments */
    const char *call_close; /* NAMED: behind the arguments */
    const char *content;    /* opened: the name before content, which has no arguments */
};

/* Calls are JSON with no marks before it: an answer that begins with a call's object is one. */
static inline bool chat_format_is_bare(const struct chat_format *f)
{
    return f->shape == CALL_JSON && !f->open;
}

/* Marks around a thought. */
struct chat_think {
    const char *open, *close;
};

/* By the template's text; never NULL. */
const struct chat_format *chat_format_of(const char *template_text);
/* NULL when the template has no such marks. */
const struct chat_think *chat_think_of(const char *template_text);

/* Is the text a part of one of the marks? Such control tokens must be seen in an answer. */
bool chat_format_has_mark(const struct chat_format *f, const char *text, size_t n);
bool chat_think_has_mark(const struct chat_think *t, const char *text, size_t n);

#endif
