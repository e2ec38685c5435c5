/*
 * schema_internal.h - what the files behind schema.h share.
 *
 * A value is described by *parts*: schemas of the document all of which hold. To each set of parts
 * belongs one rule; its body is made later, from a list of rules to do, so that neither references
 * nor nesting cost stack. allOf and $ref add parts; anyOf and oneOf make one set for each branch;
 * what remains is taken together by the builders of the types.
 */
#ifndef RBEE_GRAMMAR_SCHEMA_INTERNAL_H
#define RBEE_GRAMMAR_SCHEMA_INTERNAL_H

#include <jansson.h>

#include "grammar/rules.h"
#include "grammar/schema.h"

/* Sets of types. An integer is a number without a fraction. */
#define TYPE_NULL     (1u << 0)
#define TYPE_BOOLEAN  (1u << 1)
#define TYPE_OBJECT   (1u << 2)
#define TYPE_ARRAY    (1u << 3)
#define TYPE_STRING   (1u << 4)
#define TYPE_INTEGER  (1u << 5)
#define TYPE_FRACTION (1u << 6)
#define TYPE_NUMBER   (TYPE_INTEGER | TYPE_FRACTION)
#define TYPE_ANY      ((1u << 7) - 1)

/* Keywords of a part that were seen to already. */
#define DONE_REF   (1u << 0)
#define DONE_ALLOF (1u << 1)
#define DONE_ANYOF (1u << 2)
#define DONE_ONEOF (1u << 3)

struct part {
    const json_t *schema; /* an object, true or false of the document */
    uint32_t done;
    uint32_t from; /* the part whose $ref or allOf named it, + 1; 0: none */
    bool checked;  /* by schema_check */
    bool open;     /* a branch of it, or of what it names, is among the parts */
};

struct parts {
    struct part *items; /* owned */
    uint32_t n, cap;
};

/* Rules that many schemas share; RULES_NONE until they are made. */
enum schema_shared {
    SHARED_BLANKS, /* between members */
    SHARED_VALUE,  /* any JSON */
    SHARED_STRING,
    SHARED_CHAR, /* of a string, escapes included */
    SHARED_NUMBER,
    SHARED_INTEGER,
    SHARED_OBJECT,
    SHARED_ARRAY,
    SHARED_N
};

struct schema_todo {
    struct parts parts;
    uint32_t rule;
};

struct schema {
    struct rules *r; /* failures are noted there */
    const json_t *root;
    json_t *known; /* sets of parts, as texts, with their rules */
    struct schema_todo *todo;
    uint32_t n_todo, cap_todo;
    uint32_t shared[SHARED_N];
    json_t *set_of; /* lists of values, by their place in memory, with the number of their set */
    struct schema_values **sets; /* owned */
    uint32_t n_sets, cap_sets;
};

/* Notes "the schema at #/...: ...", with the place of a value of the document and a keyword in it
 * (or NULL). */
int schema_fail(struct schema *s, enum err_code code, const json_t *where, const char *key,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* schema_check.c: is a schema one, with only what is supported? Notes why not. */
bool schema_check(struct schema *s, const json_t *schema);
/* The types that a keyword speaks of; 0 for those of all types. */
uint32_t schema_key_types(const char *key);
/* The types that `type` and `nullable` allow. */
uint32_t schema_types(const json_t *schema);
/* The type of a value: 1.0 is an integer. */
uint32_t schema_type_of(const json_t *value);
bool schema_says_nothing(const json_t *schema, uint32_t done);

/* schema_parts.c. A part is added once; `true` never. */
bool parts_add(struct schema *s, struct parts *p, struct part part);
void parts_done(struct parts *p);
/* The schema that $ref means; NULL and noted when there is none. */
const json_t *parts_resolve(struct schema *s, const json_t *from);
/* Adds what $ref and allOf name. */
bool parts_expand(struct schema *s, struct parts *p);
/* Some part is `false`. */
bool parts_impossible(const struct parts *p);
/* The value of a keyword in the first part that has it, from *i on; *i is then behind it. NULL:
 * none. */
const json_t *parts_next(const struct parts *p, const char *key, uint32_t *i);
/* The one value of a keyword; refused when parts differ in it. NULL: none. */
const json_t *parts_only(struct schema *s, const struct parts *p, const char *key);
/* The least and most that counts like minItems allow; false and noted when over GRAMMAR_MAX_REPEAT.
 */
bool parts_counts(struct schema *s, const struct parts *p, const char *min_key, const char *max_key,
                  uint32_t *min, uint32_t *max);
/* The types that all parts allow. */
uint32_t parts_types(const struct parts *p);

/* schema.c: calls of the rule for parts, which are taken. */
uint32_t schema_call(struct schema *s, struct parts *p);

/*
 * schema_values.c: the values of an array of the document (or, with `one`, a value as the only one)
 * as a set, made once; it belongs to the schema. NULL: noted. Where steps run out, nothing is in a
 * set, none is apart from another, and it is noted.
 */
struct schema_values;
const struct schema_values *schema_values(struct schema *s, const json_t *list, bool one);
void schema_values_done(struct schema *s);
/* Are two values equal? Numbers are by what they are, 1 and 1.0, within others, too. */
bool schema_same(const json_t *x, const json_t *y);
/* Is a value in it; is a text? */
bool schema_values_have(struct schema *s, const struct schema_values *set, const json_t *value);
bool schema_values_name(struct schema *s, const struct schema_values *set, const char *name);
/* Is no value in both? */
bool schema_values_apart(struct schema *s, const struct schema_values *x,
                         const struct schema_values *y);

/* schema_oneof.c: may branches i and j of a oneOf beside `base` both hold? Else it is noted. */
bool schema_exclusive(struct schema *s, const struct parts *base, const json_t *branches);

/* Bodies of rules for parts in which only keywords of types are left. */
uint32_t schema_value(struct schema *s, const struct parts *p);
uint32_t schema_object(struct schema *s, const struct parts *p);
uint32_t schema_array(struct schema *s, const struct parts *p);
uint32_t schema_string(struct schema *s, const struct parts *p);
uint32_t schema_number(struct schema *s, const struct parts *p, bool integer);
bool schema_has_choice(const struct parts *p);

/* schema_free.c: calls of shared rules. */
uint32_t schema_shared(struct schema *s, enum schema_shared which);

/* A node for a JSON text of a scalar; for a member's name with the colon behind it. */
uint32_t schema_scalar(struct schema *s, const json_t *value);
uint32_t schema_name(struct schema *s, const char *name, size_t n);
/* schema_name.c: any name but these, each a JSON string, and the colon. */
uint32_t schema_other_name(struct schema *s, const json_t *names);

/* seq(a, b ...), each a node; the last is 0. */
uint32_t schema_seq(struct schema *s, uint32_t first, ...);

/* schema_format.c: the pattern of a format, or NULL. */
const char *schema_format(const char *name);

#endif
