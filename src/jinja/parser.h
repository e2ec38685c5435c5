/*
 * parser.h - tokens to the tree of ast.h; what its files share.
 *
 * Precedence follows Jinja 3.1, not Python: "~" binds tighter than "+", a filter or a test belongs
 * to the operand before it (with a sign before that: -1|abs is 1), "**" goes left to right.
 * Recursion is bounded by JINJA_MAX_NESTING.
 */
#ifndef RBEE_JINJA_PARSER_H
#define RBEE_JINJA_PARSER_H

#include "base/err.h"
#include "jinja/ast.h"
#include "jinja/lexer.h"

struct parser {
    const struct token *t; /* the token at hand; the last one is TOKEN_END */
    struct jinja_program *program;
    unsigned depth;
    bool in_loop; /* break and continue have a loop to act on */
    struct err *err;
};

/* A list that nodes are appended to. */
struct node_list {
    struct node *first, **end;
};
void node_list_init(struct node_list *l);
void node_list_add(struct node_list *l, struct node *n);

/* The whole template; 0 and program->body, or negative. */
int parse_template(struct parser *p);

/* ---- parse_expr.c, parse_operand.c, parse_target.c: each gives NULL after an error ---- */

struct node *parse_expression(struct parser *p);
/* An operand with its sign; with what follows it as "|" or "is" only if asked for. */
struct node *parse_unary(struct parser *p, bool with_filters);
/* One expression, or a tuple of several. `plain` as above. */
struct node *parse_tuple(struct parser *p, bool plain);
/* "| name(args) | ..." applied to `to`, which may be NULL for a block's text. */
struct node *parse_filters(struct parser *p, struct node *to);
struct node *parse_filter(struct parser *p, struct node *to); /* one, behind its "|" */
/* What can be assigned to: a name, names in a tuple, with `ns` also a namespace's attribute. */
struct node *parse_target(struct parser *p, bool ns);
/* "(a, b=1)" of macros and call blocks; *out may become NULL for none. */
int parse_params(struct parser *p, struct node **out);

/* ---- statements ------------------------------------------------------------------------------ */

/* One "{% ... %}" with all that belongs to it (parse_block.c). */
struct node *parse_statement(struct parser *p);
/*
 * Statements up to "{%" and one of the words (the last is NULL), at which it stops; for no words,
 * up to the template's end. `line` is that of the block they are in.
 */
int parse_body(struct parser *p, uint32_t line, const char *const *words, struct node **out);

/* ---- parser.c: helpers ----------------------------------------------------------------------- */

struct node *parser_node(struct parser *p, enum node_kind kind);
/* A node on operands, of which none was given (NULL) after an error: then NULL, too. */
struct node *parser_make(struct parser *p, enum node_kind kind, uint32_t line, struct node *a,
                         struct node *b);
/* "template line N: expected <what> but found '<token>'"; the code. */
int parser_expected(struct parser *p, const char *what);
int parser_fail(struct parser *p, enum err_code code, const char *what);
/* What the program's arena did not give: over the most it may have, or out of memory. */
void parser_no_memory(struct parser *p, size_t n_bytes);
bool parser_is_name(const struct parser *p, const char *name);
bool parser_is_sign(const struct parser *p, const char *sign);
bool parser_skip_name(struct parser *p, const char *name);
bool parser_skip_sign(struct parser *p, const char *sign);
/* 0, or the error that `sign` was expected. */
int parser_want_sign(struct parser *p, const char *sign);
/* The index of the name token at hand, which is then behind; negative when it is none. */
int64_t parser_take_name(struct parser *p);
/* Guards recursion: 0, or ERR_LIMIT. Each success is paired with parser->depth--. */
int parser_enter(struct parser *p);

/* parse_literal.c: number and string tokens to constants. */
struct node *parse_number(struct parser *p);
struct node *parse_string(struct parser *p);

#endif
