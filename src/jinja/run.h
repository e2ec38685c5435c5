/*
 * run.h - one render: its memory, limits, variables and output; shared by all that runs.
 *
 * Functions return 0 or a negative err_code with the caller's err filled ("template line N: ...");
 * statements may also return RUN_BREAK or RUN_CONTINUE. After an error nothing is cleaned up: the
 * whole render ends, and its arena with it. One thread owns a run.
 */
#ifndef RBEE_JINJA_RUN_H
#define RBEE_JINJA_RUN_H

#include "base/buf.h"
#include "base/err.h"
#include "jinja/arena.h"
#include "jinja/ast.h"
#include "jinja/jinja.h"
#include "jinja/value.h"

#define RUN_BREAK    1
#define RUN_CONTINUE 2

struct variable {
    uint32_t name;
    struct value value;
};

/* The variables of a loop's turn, a macro's call or a block; looked up from the innermost out. */
struct scope {
    struct scope *parent; /* NULL: the template's own variables come next */
    struct variable *vars;
    uint32_t n, cap;
};

struct run {
    const struct jinja_program *program;
    const struct jinja_options *options;
    struct arena arena;
    struct buf text;     /* the output; behind it, pieces of text being put together */
    struct value *top;   /* the template's own variables, by name */
    struct scope *scope; /* NULL outside of loops, macros and blocks */
    uint64_t steps_left;
    uint64_t ask_at; /* steps left when somebody is asked again whether to stop */
    unsigned depth;
    uint32_t line; /* of the node at hand */
    struct err *err;
};

/* A macro, or the body of a call block, with the variables it saw where it was defined. */
struct macro {
    const struct node *node;
    struct scope *scope;
};

/* Prefixes the line. Returns the code. */
int run_fail(struct run *r, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * May a sentence hold this text, or this undefined value's name? It may when it is the template's
 * own, letter by letter; what is made of values, or is one, only where the options let it.
 */
bool run_may_tell(const struct run *r, struct value v);

/*
 * Counts n steps; for bytes looked at, n / 16; for those taken one by one, n / 4. ERR_LIMIT. All
 * that takes longer for a longer text, list, mapping or scope counts, also where it finds nothing
 * or puts nothing: a step is a microsecond at most, and a render ends by its steps alone. Or with
 * ERR_CANCELLED, where somebody wishes so.
 */
int run_steps(struct run *r, size_t n);
int run_bytes(struct run *r, size_t n_bytes);
int run_chars(struct run *r, size_t n_bytes);
/* Guards recursion; each success is paired with r->depth--. */
int run_enter(struct run *r);

/* What the arena did not give: over the most a template may have, or out of memory. The code. */
int run_no_memory(struct run *r, size_t n_bytes);
/* Zeroed memory of the render, or NULL after an error. */
void *run_alloc(struct run *r, size_t n_bytes);
/* Room for one more in a growing array of the arena; *items and *cap change. */
int run_grow(struct run *r, void **items, size_t item_bytes, size_t n, size_t *cap);

/* Pieces of text are put behind what is there and taken off again as a value. */
size_t run_mark(const struct run *r);
int run_put(struct run *r, const char *s, size_t n);
int run_puts(struct run *r, const char *s);
int run_put_char(struct run *r, uint32_t code);
int run_take(struct run *r, size_t mark, struct value *out);

/* Variables. An unknown name gives VALUE_UNDEFINED, or a global function. */
int run_get(struct run *r, uint32_t name, struct value *out);
int run_set(struct run *r, uint32_t name, struct value v);
/* Puts a new scope inside `parent` and makes it the current one; *old is what was. */
int run_open_scope(struct run *r, struct scope *parent, struct scope **old);

/* ---- what the other files do ----------------------------------------------------------------- */

/* eval.c */
int eval(struct run *r, const struct node *n, struct value *out);
/* exec.c: a list of statements */
int exec(struct run *r, const struct node *n);
int exec_assign(struct run *r, const struct node *target, struct value v);
/* The output of a body as a text; passes RUN_BREAK on. */
int exec_capture(struct run *r, const struct node *body, struct value *out);
/* loop.c */
int exec_for(struct run *r, const struct node *n);

/* call.c: anything callable. `c` has what was given. */
int call_value(struct run *r, struct value callee, struct call *c, struct value *out);
/* Binds the arguments to the builtin's parameters and runs it. */
int call_builtin(struct run *r, const struct builtin *b, struct call *c, struct value *out);
int call_builtin_or_fail(struct run *r, const char *what, struct value name,
                         const struct builtin *b, struct call *c, struct value *out);
/* Evaluates argument nodes into c; `caller`, unless NULL, is one more. */
int call_read_args(struct run *r, const struct node *args, const struct value *caller,
                   struct call *c);
/* *at is the keyword's index, or c->n_keywords when it was not given. */
int call_find_keyword(struct run *r, const struct call *c, struct value name, size_t *at);

/* access.c: value.name, value[key], value[a:b:c]; what is not there gives undefined. */
int access_attr(struct run *r, struct value v, struct value name, struct value *out);
int access_item(struct run *r, struct value v, struct value key, struct value *out);
int access_slice(struct run *r, struct value v, const struct value part[3], struct value *out);
/* "a.b.0" as filters take it: items first, attributes next. */
int access_path(struct run *r, struct value v, struct value path, struct value *out);

/* loop.c */
int loop_attr(struct run *r, struct value v, struct value name, struct value *out);

/* ops.c */
int ops_binary(struct run *r, enum node_op op, struct value a, struct value b, struct value *out);
int ops_compare(struct run *r, enum node_op op, struct value a, struct value b, bool *out);
int ops_negate(struct run *r, struct value v, struct value *out);
int ops_join(struct run *r, struct value a, struct value b, struct value *out); /* two texts */
/* An error when v is undefined: every use of it but a few. */
int ops_defined(struct run *r, struct value v);

/* show.c: values as text */
int show_put(struct run *r, struct value v);                     /* str() */
int show_put_repr(struct run *r, struct value v);                /* repr() */
int show_text(struct run *r, struct value v, struct value *out); /* str(); a text as it is */
int show_put_escaped(struct run *r, struct value text);          /* HTML */
#define SHOW_NUMBER_BYTES 40
int show_float(struct run *r, double f, char dst[SHOW_NUMBER_BYTES], size_t *n);

/* json.c */
int json_import(struct run *r, const json_t *j, struct value *out);
struct json_style {
    bool ascii, sort_keys;
    const char *indent; /* NULL: on one line */
    size_t indent_len;
    struct value item_separator, key_separator;
};
int json_export(struct run *r, struct value v, const struct json_style *style);

/* format.c: "%s %d" % values, and str.format */
int format_percent(struct run *r, struct value text, const struct list *values,
                   const struct dict *named, struct value *out);
int format_braces(struct run *r, struct call *c, struct value *out);

#endif
