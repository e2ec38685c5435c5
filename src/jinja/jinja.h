/*
 * jinja.h - chat templates: the Jinja that model files carry, from text to a program to a prompt.
 *
 * The language is Jinja 3.1 as Hugging Face's apply_chat_template sets it up: trim_blocks and
 * lstrip_blocks on, loop controls, the `generation` tag (its body is rendered as it is), no HTML
 * escaping, `tojson` with ensure_ascii=False, and the globals raise_exception and strftime_now.
 * Values behave as Python's: str() of them, integer division, slices, order of mappings, code
 * points. Source: the Jinja documentation, "Template Designer Documentation", 3.1.
 *
 * Not there, and an error at compile time: include, import, extends, block, recursive loops. An
 * unknown filter or test is an error only where it is reached. Integers are 64 bits wide; past
 * that is an error. What Python makes lazily (ranges, map, select, items) are lists here.
 *
 * A template is as little trusted as the file it came with: every render ends, within the limits
 * below, in a text or in an error. A program is immutable, so any number of threads may render it;
 * each render has its own memory, which is gone when it returns.
 */
#ifndef RBEE_JINJA_JINJA_H
#define RBEE_JINJA_JINJA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

/* Limits on the template's text. */
#define JINJA_MAX_TEMPLATE_BYTES (1u << 20)
#define JINJA_MAX_PROGRAM_BYTES  (64u << 20) /* memory of what it is compiled to */
#define JINJA_MAX_NESTING        150         /* brackets and blocks inside each other */
#define JINJA_MAX_NAMES          1024        /* different names of variables */

/* Limits on one render, where the caller sets no others. */
#define JINJA_MAX_STEPS        20000000u /* a step is a node, or 16 bytes looked at */
#define JINJA_MAX_DEPTH        800u      /* expressions, statements, values, calls in each other */
#define JINJA_MAX_MEMORY_BYTES (256u << 20) /* all values made */
#define JINJA_MAX_OUTPUT_BYTES (64u << 20)  /* the text, and pieces of text being put together */

struct jinja_program;

/*
 * Compiles n bytes of UTF-8. ERR_INVALID and ERR_UNSUPPORTED say "template line N: ...", ERR_LIMIT
 * which limit, ERR_NO_MEMORY. The text need not outlive the call. Free with jinja_free.
 */
int jinja_compile(const char *text, size_t n_bytes, struct jinja_program **out, struct err *err);
void jinja_free(struct jinja_program *p);

/* True when the template reads or sets a variable of that name (does it know of "tools"?). */
bool jinja_mentions(const struct jinja_program *p, const char *name);

/*
 * Asked every few thousand steps, by the thread that renders: true ends that with ERR_CANCELLED.
 * How many steps there may be is limited in any case.
 */
struct jinja_stop {
    bool (*is_asked)(void *arg);
    void *arg;
};

struct jinja_options {
    uint64_t max_steps;
    unsigned max_depth;
    size_t max_memory_bytes, max_output_bytes;
    struct tm now; /* what strftime_now shows */
    /* Errors may hold texts made of values. For who has the values at hand: what a client said is
     * not repeated in a server's errors and logs. */
    bool tell_values;
    const struct jinja_stop *stop; /* NULL: nobody asks */
};

/* The limits above, and a moment (seconds since 1970) shown as UTC. */
void jinja_options_init(struct jinja_options *o, int64_t now_unix_s);

/*
 * Renders with the members of the JSON object `vars` (NULL = none) as variables; the text is put
 * to `out`, which is untouched on failure. `options` NULL: the defaults, at the present moment.
 *
 * ERR_INVALID "template line N: ..." when the template fails on these variables, or fails on
 * purpose (raise_exception: its message is the sentence, if it is one of the template's own);
 * ERR_UNSUPPORTED when it needs what is not there; ERR_LIMIT with the limit's name and number;
 * ERR_CANCELLED (stop); ERR_NO_MEMORY.
 */
int jinja_render(const struct jinja_program *p, const json_t *vars,
                 const struct jinja_options *options, struct buf *out, struct err *err);

#endif
