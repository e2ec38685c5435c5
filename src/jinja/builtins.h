/*
 * builtins.h - the functions, filters, tests and methods that templates can name.
 *
 * Each file below has one table, ended by a NULL name. Filters and tests are found when a template
 * is compiled, methods and globals when they are named. Arguments come bound (see struct builtin).
 */
#ifndef RBEE_JINJA_BUILTINS_H
#define RBEE_JINJA_BUILTINS_H

#include "jinja/value.h"

extern const struct builtin builtins_global[];       /* globals.c */
extern const struct builtin builtins_filter_text[];  /* filter_text.c */
extern const struct builtin builtins_filter_wrap[];  /* filter_wrap.c */
extern const struct builtin builtins_filter_value[]; /* filter_value.c */
extern const struct builtin builtins_filter_list[];  /* filter_list.c */
extern const struct builtin builtins_filter_pick[];  /* filter_pick.c */
extern const struct builtin builtins_filter_order[]; /* filter_order.c */
extern const struct builtin builtins_test[];         /* tests.c */
extern const struct builtin builtins_method_text[];  /* method_text.c */
extern const struct builtin builtins_method_split[]; /* method_split.c */
extern const struct builtin builtins_method_case[];  /* method_case.c */
extern const struct builtin builtins_method_list[];  /* method_list.c */
extern const struct builtin builtins_method_tuple[];
extern const struct builtin builtins_method_dict[];   /* method_dict.c */
extern const struct builtin builtins_method_loop[];   /* loop.c */
extern const struct builtin builtins_method_cycler[]; /* globals.c */

int global_strftime(struct run *r, struct call *c, struct value *out); /* strftime.c */

/* Each NULL when there is no such name. */
const struct builtin *builtin_global(const char *name, size_t len);
const struct builtin *builtin_filter(const char *name, size_t len);
const struct builtin *builtin_test(const char *name, size_t len);
/* A method of the kind of value that v is. */
const struct builtin *builtin_method(struct value v, const char *name, size_t len);

/* ---- for the files of builtins: reading bound arguments ------------------ */

/* A text, an integer, a truth; `fallback` where the argument was not given. ERR_INVALID. */
int arg_text(struct run *r, const struct call *c, size_t i, const char *fallback,
             struct value *out);
int arg_int(struct run *r, const struct call *c, size_t i, int64_t fallback, int64_t *out);
bool arg_truth(const struct call *c, size_t i, bool fallback);
bool arg_given(const struct call *c, size_t i); /* neither missing nor none */
/* str(self) of a filter on texts. */
int arg_self_text(struct run *r, const struct call *c, struct value *out);
/* What self holds, as a list of its own that may be changed. */
int arg_self_items(struct run *r, const struct call *c, struct list **out);

#endif
