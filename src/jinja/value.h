/*
 * value.h - what templates compute with.
 *
 * A value is 16 bytes, passed by value; what it points to lies in the arena of its render (or of
 * its program, for constants) and is never freed alone. Lists, mappings and namespaces are shared
 * by whoever holds them, as in Python. Texts are well-formed UTF-8, not NUL-terminated.
 */
#ifndef RBEE_JINJA_VALUE_H
#define RBEE_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct run;
struct call;

enum value_kind {
    VALUE_MISSING,   /* an argument not given, a variable not set; never seen by a template */
    VALUE_UNDEFINED, /* s, len: the name that was not there, for messages */
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_BUILTIN, /* a global function */
    VALUE_METHOD,  /* a method of a value */
    VALUE_MACRO,
    VALUE_LOOP,
    VALUE_CYCLER,
    VALUE_JOINER
};

struct value {
    uint8_t kind;
    bool own;     /* of VALUE_UNDEFINED: the name is in words of ours */
    bool markup;  /* a text that `safe` or `escape` gave: "+" escapes what it is joined with */
    uint32_t len; /* bytes of a text */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;
        struct list *list; /* also of a tuple, and the choices of a cycler */
        struct dict *dict; /* also of a namespace */
        const struct builtin *builtin;
        struct method *method;
        struct macro *macro;
        struct loop *loop;
        struct joiner *joiner;
    } u;
};

struct list {
    struct value *items;
    size_t n, cap;
    size_t at;  /* of a cycler: the next choice */
    bool group; /* a tuple that groupby made: has .grouper and .list */
};

/* A mapping keeps the order in which keys came. */
struct dict {
    struct dict_entry *entries;
    size_t n, cap;
};

struct dict_entry {
    struct value key, value;
    uint64_t hash; /* of the key */
};

struct joiner {
    struct value separator;
    bool used;
};

/*
 * A function written in C: a global, a filter, a test or a method. `params` names its parameters,
 * separated by blanks, "?" behind those that may be left out; they are bound to call->args in that
 * order. NULL: it reads the arguments as they were given.
 */
struct builtin {
    const char *name;
    const char *params;
    int (*run)(struct run *r, struct call *c, struct value *out);
};

struct method {
    struct value self;
    const struct builtin *builtin;
};

struct keyword {
    struct value name, value;
};

#define CALL_MAX_PARAMS 6

struct call {
    const struct builtin *builtin; /* NULL for a macro */
    struct value self;             /* what a filter, test or method is applied to */
    const struct value *given;     /* by position */
    size_t n_given;
    const struct keyword *keywords;
    size_t n_keywords;
    struct value args[CALL_MAX_PARAMS]; /* bound; VALUE_MISSING where not given */
};

static inline struct value value_undefined(const char *name, size_t len)
{
    return (struct value){.kind = VALUE_UNDEFINED, .len = (uint32_t)len, .u.s = name};
}

/* What no name was asked for; `what` in our words, for ever. */
static inline struct value value_nothing(const char *what)
{
    struct value v = value_undefined(what, strlen(what));

    v.own = true;
    return v;
}

static inline struct value value_none(void)
{
    return (struct value){.kind = VALUE_NONE};
}

static inline struct value value_bool(bool b)
{
    return (struct value){.kind = VALUE_BOOL, .u.b = b};
}

static inline struct value value_int(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .u.i = i};
}

static inline struct value value_float(double f)
{
    return (struct value){.kind = VALUE_FLOAT, .u.f = f};
}

/* The bytes are not copied. */
static inline struct value value_text(const char *s, size_t len)
{
    return (struct value){.kind = VALUE_TEXT, .len = (uint32_t)len, .u.s = s};
}

static inline struct value value_list(struct list *l)
{
    return (struct value){.kind = VALUE_LIST, .u.list = l};
}

static inline struct value value_tuple(struct list *l)
{
    return (struct value){.kind = VALUE_TUPLE, .u.list = l};
}

static inline struct value value_dict(struct dict *d)
{
    return (struct value){.kind = VALUE_DICT, .u.dict = d};
}

static inline bool value_is_text(struct value v, const char *s)
{
    return v.kind == VALUE_TEXT && v.len == strlen(s) && memcmp(v.u.s, s, v.len) == 0;
}

static inline bool value_is_list(struct value v)
{
    return v.kind == VALUE_LIST || v.kind == VALUE_TUPLE;
}

/* bool counts as a number, as in Python. */
static inline bool value_is_number(struct value v)
{
    return v.kind == VALUE_INT || v.kind == VALUE_FLOAT || v.kind == VALUE_BOOL;
}

static inline bool value_is_callable(struct value v)
{
    return v.kind == VALUE_BUILTIN || v.kind == VALUE_METHOD || v.kind == VALUE_MACRO ||
           v.kind == VALUE_JOINER;
}

static inline double value_as_double(struct value v)
{
    return v.kind == VALUE_FLOAT ? v.u.f : v.kind == VALUE_INT ? (double)v.u.i : v.u.b;
}

/* Of a bool or an int. */
static inline int64_t value_as_int(struct value v)
{
    return v.kind == VALUE_INT ? v.u.i : v.u.b;
}

bool value_truth(struct value v);

/* "a string", "none", "a list": for messages. */
const char *value_kind_name(struct value v);

/* ---- made in a render's arena; 0, or negative with the error set in the run ------------------ */

/* A copy of the bytes. */
int value_copy_text(struct run *r, const char *s, size_t len, struct value *out);

int list_create(struct run *r, size_t room, struct list **out);
int list_append(struct run *r, struct list *l, struct value v);

int dict_create(struct run *r, struct dict **out);
/* A new key goes behind the others; ERR_INVALID for a key that cannot be one (list, mapping). */
int dict_set(struct run *r, struct dict *d, struct value key, struct value v);
/* *at is the entry's index, or d->n when there is none. */
int dict_find(struct run *r, const struct dict *d, struct value key, size_t *at);
void dict_remove(struct dict *d, size_t at);

/* Python's == and its order, as -1, 0 or 1; ERR_INVALID where kinds have no order. */
#define VALUE_UNORDERED 2 /* one is no number (NaN) */
int value_equal(struct run *r, struct value a, struct value b, bool *out);
int value_compare(struct run *r, struct value a, struct value b, int *out);
/* Python's `item in container`. */
int value_contains(struct run *r, struct value container, struct value item, bool *out);

/* What a for loop sees: items, keys, characters. The list may be the value's own. */
int value_items(struct run *r, struct value v, struct list **out);
/* Python's len(). */
int value_length(struct run *r, struct value v, size_t *out);

#endif
