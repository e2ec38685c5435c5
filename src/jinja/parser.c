/*
 * parser.c - the helpers of all parse_*.c, and what is not a statement of a template.
 */
#include "jinja/parser.h"

#include <string.h>

#include "jinja/jinja.h"

/* ---- helpers --------------------------------------------------------------------------------- */

void node_list_init(struct node_list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

void node_list_add(struct node_list *l, struct node *n)
{
    *l->end = n;
    l->end = &n->next;
}

int parser_fail(struct parser *p, enum err_code code, const char *what)
{
    return err_set(p->err, code, "template line %u: %s", (unsigned)p->t->line, what);
}

static int shown_bytes(uint32_t len)
{
    return len < 40 ? (int)len : 40;
}

int parser_expected(struct parser *p, const char *what)
{
    if (p->t->kind == TOKEN_END)
        return err_set(p->err, ERR_INVALID, "template line %u: expected %s but the template ends",
                       (unsigned)p->t->line, what);
    return err_set(p->err, ERR_INVALID, "template line %u: expected %s but found '%.*s'",
                   (unsigned)p->t->line, what, shown_bytes(p->t->len), p->t->s);
}

void parser_no_memory(struct parser *p, size_t n_bytes)
{
    if (p->program->arena.over_max)
        parser_fail(p, ERR_LIMIT, "the template needs too much memory to compile");
    else
        err_no_memory(p->err, n_bytes, "the template's program");
}

struct node *parser_node(struct parser *p, enum node_kind kind)
{
    struct node *n = arena_alloc(&p->program->arena, sizeof *n);

    if (!n) {
        parser_no_memory(p, sizeof *n);
        return NULL;
    }
    n->kind = (uint8_t)kind;
    n->line = p->t->line;
    return n;
}

struct node *parser_make(struct parser *p, enum node_kind kind, uint32_t line, struct node *a,
                         struct node *b)
{
    struct node *n;

    if (!a ||
        (!b && (kind == NODE_BINARY || kind == NODE_AND || kind == NODE_OR || kind == NODE_COND)))
        return NULL;
    n = parser_node(p, kind);
    if (!n)
        return NULL;
    n->line = line;
    n->a = a;
    n->b = b;
    return n;
}

static bool is_token(const struct token *t, enum token_kind kind, const char *text)
{
    return t->kind == kind && t->len == strlen(text) && memcmp(t->s, text, t->len) == 0;
}

bool parser_is_name(const struct parser *p, const char *name)
{
    return is_token(p->t, TOKEN_NAME, name);
}

bool parser_is_sign(const struct parser *p, const char *sign)
{
    return is_token(p->t, TOKEN_SIGN, sign);
}

bool parser_skip_name(struct parser *p, const char *name)
{
    bool is = parser_is_name(p, name);

    p->t += is;
    return is;
}

bool parser_skip_sign(struct parser *p, const char *sign)
{
    bool is = parser_is_sign(p, sign);

    p->t += is;
    return is;
}

int parser_want_sign(struct parser *p, const char *sign)
{
    char what[8] = "'";

    if (parser_skip_sign(p, sign))
        return 0;
    memcpy(what + 1, sign, strlen(sign));
    what[1 + strlen(sign)] = '\'';
    return parser_expected(p, what);
}

int parser_enter(struct parser *p)
{
    if (++p->depth <= JINJA_MAX_NESTING)
        return 0;
    return err_set(p->err, ERR_LIMIT, "template line %u: more than %d levels inside each other",
                   (unsigned)p->t->line, JINJA_MAX_NESTING);
}

uint32_t program_find_name(const struct jinja_program *p, const char *name, size_t len)
{
    uint32_t i = 0;

    while (i < p->n_names && (p->names[i].len != len || memcmp(p->names[i].u.s, name, len) != 0))
        i++;
    return i;
}

/* The index of a name, new or known. */
static int64_t intern(struct parser *p, const char *name, size_t len)
{
    struct jinja_program *g = p->program;
    uint32_t i = program_find_name(g, name, len);

    if (i < g->n_names)
        return i;
    if (g->n_names == JINJA_MAX_NAMES)
        return err_set(p->err, ERR_LIMIT, "template line %u: more than %d names",
                       (unsigned)p->t->line, JINJA_MAX_NAMES);
    if (!g->names)
        g->names = arena_alloc(&g->arena, JINJA_MAX_NAMES * sizeof *g->names);
    if (!g->names)
        return err_no_memory(p->err, JINJA_MAX_NAMES * sizeof *g->names, "the template's names");
    g->names[g->n_names] = value_text(name, len);
    return g->n_names++;
}

int64_t parser_take_name(struct parser *p)
{
    int64_t name;

    if (p->t->kind != TOKEN_NAME)
        return parser_expected(p, "a name");
    name = intern(p, p->t->s, p->t->len);
    p->t++;
    return name;
}

/* ---- a template ------------------------------------------------------------------------------ */

static bool at_end_word(const struct parser *p, const char *const *words)
{
    if (p->t->kind != TOKEN_BLOCK_BEGIN)
        return false;
    for (; *words; words++)
        if (is_token(p->t + 1, TOKEN_NAME, *words))
            return true;
    return false;
}

static struct node *parse_text(struct parser *p)
{
    struct node *n = parser_node(p, NODE_TEXT);

    if (n) {
        n->value = value_text(p->t->s, p->t->len);
        p->t++;
    }
    return n;
}

static struct node *parse_output(struct parser *p)
{
    struct node *n = parser_node(p, NODE_OUTPUT);

    p->t++;
    if (!n)
        return NULL;
    n->a = parse_tuple(p, false);
    if (!n->a)
        return NULL;
    if (p->t->kind != TOKEN_PRINT_END) {
        parser_expected(p, "the end of the tag");
        return NULL;
    }
    p->t++;
    return n;
}

static struct node *parse_piece(struct parser *p)
{
    switch (p->t->kind) {
    case TOKEN_TEXT:
        return parse_text(p);
    case TOKEN_PRINT_BEGIN:
        return parse_output(p);
    default:
        return parse_statement(p);
    }
}

int parse_body(struct parser *p, uint32_t line, const char *const *words, struct node **out)
{
    struct node_list list;

    node_list_init(&list);
    while (!at_end_word(p, words)) {
        struct node *n;

        if (p->t->kind == TOKEN_END) {
            if (!*words)
                break;
            return err_set(p->err, ERR_INVALID,
                           "template line %u: the block that begins here has no '%s'",
                           (unsigned)line, words[0]);
        }
        n = parse_piece(p);
        if (!n)
            return -1;
        node_list_add(&list, n);
    }
    *out = list.first;
    return 0;
}

int parse_template(struct parser *p)
{
    static const char *const none[] = {NULL};

    return parse_body(p, 1, none, &p->program->body);
}
