/*
 * parse_block.c - statements. Source: the Jinja documentation, "List of Control Structures"; for
 * `generation`, Hugging Face's documentation of chat templates.
 */
#include <string.h>

#include "jinja/parser.h"

static int want_end(struct parser *p)
{
    if (p->t->kind != TOKEN_BLOCK_END)
        return parser_expected(p, "the end of the tag");
    p->t++;
    return 0;
}

/* "%}", a body, and "{% <end> %}". */
static int parse_whole_body(struct parser *p, uint32_t line, const char *end, struct node **out)
{
    const char *const words[] = {end, NULL};

    if (want_end(p) || parse_body(p, line, words, out))
        return -1;
    p->t += 2;
    return want_end(p);
}

static struct node *parse_branch(struct parser *p, bool condition)
{
    static const char *const words[] = {"endif", "elif", "else", NULL};
    struct node *n = parser_node(p, NODE_BRANCH);

    if (!n)
        return NULL;
    if (condition) {
        n->a = parse_tuple(p, true);
        if (!n->a)
            return NULL;
    }
    return want_end(p) || parse_body(p, n->line, words, &n->kids) ? NULL : n;
}

static struct node *parse_if(struct parser *p)
{
    struct node *n = parser_node(p, NODE_IF);
    struct node_list branches;
    bool condition = true;

    node_list_init(&branches);
    while (n) {
        struct node *branch = parse_branch(p, condition);

        if (!branch)
            return NULL;
        node_list_add(&branches, branch);
        p->t++; /* the block's begin; the word is one of those asked for */
        if (parser_skip_name(p, "endif"))
            break;
        if (!condition) {
            parser_expected(p, "'endif'");
            return NULL;
        }
        condition = parser_is_name(p, "elif");
        p->t++;
    }
    if (!n || want_end(p))
        return NULL;
    n->kids = branches.first;
    return n;
}

/* Between "for" and the end of its tag. */
static int parse_for_head(struct parser *p, struct node *n)
{
    n->a = parse_target(p, false);
    if (!n->a)
        return -1;
    if (!parser_skip_name(p, "in"))
        return parser_expected(p, "'in'");
    n->b = parse_tuple(p, true);
    if (!n->b)
        return -1;
    if (parser_skip_name(p, "if")) {
        n->c = parse_expression(p);
        if (!n->c)
            return -1;
    }
    if (parser_is_name(p, "recursive"))
        return parser_fail(p, ERR_UNSUPPORTED, "recursive loops are not supported");
    return want_end(p);
}

static struct node *parse_for(struct parser *p)
{
    static const char *const words[] = {"endfor", "else", NULL};
    struct node *n = parser_node(p, NODE_FOR);
    bool outer = p->in_loop;
    int rc;

    if (!n || parse_for_head(p, n))
        return NULL;
    p->in_loop = true;
    rc = parse_body(p, n->line, words, &n->kids);
    p->in_loop = outer;
    if (rc)
        return NULL;
    p->t++;
    if (parser_skip_name(p, "else"))
        return parse_whole_body(p, n->line, "endfor", &n->other) ? NULL : n;
    p->t++;
    return want_end(p) ? NULL : n;
}

static struct node *parse_set(struct parser *p)
{
    struct node *n = parser_node(p, NODE_SET), *filters;

    if (!n)
        return NULL;
    n->a = parse_target(p, true);
    if (!n->a)
        return NULL;
    if (parser_skip_sign(p, "=")) {
        n->b = parse_tuple(p, false);
        return !n->b || want_end(p) ? NULL : n;
    }
    n->kind = NODE_SET_BLOCK;
    if (parser_is_sign(p, "|")) {
        filters = parse_filters(p, NULL);
        if (!filters)
            return NULL;
        n->b = filters;
    }
    return parse_whole_body(p, n->line, "endset", &n->kids) ? NULL : n;
}

/* A body that is a function of its own: no loop around it can be left from inside. */
static int parse_function_body(struct parser *p, uint32_t line, const char *end, struct node **out)
{
    bool outer = p->in_loop;
    int rc;

    p->in_loop = false;
    rc = parse_whole_body(p, line, end, out);
    p->in_loop = outer;
    return rc;
}

static struct node *parse_macro(struct parser *p)
{
    struct node *n = parser_node(p, NODE_MACRO);
    int64_t name;

    if (!n)
        return NULL;
    n->value = value_text(p->t->s, p->t->len);
    name = parser_take_name(p);
    if (name < 0 || parse_params(p, &n->b))
        return NULL;
    n->name = (uint32_t)name;
    return parse_function_body(p, n->line, "endmacro", &n->kids) ? NULL : n;
}

static struct node *parse_call_block(struct parser *p)
{
    struct node *n = parser_node(p, NODE_CALL_BLOCK);

    if (!n || (parser_is_sign(p, "(") && parse_params(p, &n->b)))
        return NULL;
    n->a = parse_expression(p);
    if (!n->a)
        return NULL;
    if (n->a->kind != NODE_CALL) {
        parser_fail(p, ERR_INVALID, "a call block needs a call");
        return NULL;
    }
    return parse_function_body(p, n->line, "endcall", &n->kids) ? NULL : n;
}

static struct node *parse_filter_block(struct parser *p)
{
    struct node *n = parser_node(p, NODE_FILTER_BLOCK);

    if (!n)
        return NULL;
    n->b = parse_filter(p, NULL);
    if (n->b)
        n->b = parse_filters(p, n->b);
    return !n->b || parse_whole_body(p, n->line, "endfilter", &n->kids) ? NULL : n;
}

static struct node *parse_with(struct parser *p)
{
    struct node *n = parser_node(p, NODE_WITH);
    struct node_list sets;

    node_list_init(&sets);
    while (n && p->t->kind != TOKEN_BLOCK_END) {
        struct node *set = parser_node(p, NODE_SET);

        if (!set || (sets.first && parser_want_sign(p, ",")))
            return NULL;
        set->a = parse_target(p, false);
        if (!set->a || parser_want_sign(p, "="))
            return NULL;
        set->b = parse_expression(p);
        if (!set->b)
            return NULL;
        node_list_add(&sets, set);
    }
    if (!n)
        return NULL;
    n->b = sets.first;
    return parse_whole_body(p, n->line, "endwith", &n->kids) ? NULL : n;
}

static struct node *parse_generation(struct parser *p)
{
    struct node *n = parser_node(p, NODE_SCOPE);

    return !n || parse_function_body(p, n->line, "endgeneration", &n->kids) ? NULL : n;
}

static struct node *parse_jump(struct parser *p, enum node_kind kind)
{
    struct node *n = parser_node(p, kind);

    if (!p->in_loop) {
        parser_fail(p, ERR_INVALID, "break and continue need a loop around them");
        return NULL;
    }
    return !n || want_end(p) ? NULL : n;
}

static struct node *parse_break(struct parser *p)
{
    return parse_jump(p, NODE_BREAK);
}

static struct node *parse_continue(struct parser *p)
{
    return parse_jump(p, NODE_CONTINUE);
}

static const struct {
    const char *word;
    struct node *(*parse)(struct parser *p); /* behind the word */
} statements[] = {
    {"if", parse_if},           {"for", parse_for},
    {"set", parse_set},         {"macro", parse_macro},
    {"call", parse_call_block}, {"filter", parse_filter_block},
    {"with", parse_with},       {"generation", parse_generation},
    {"break", parse_break},     {"continue", parse_continue},
};

static struct node *parse_known(struct parser *p)
{
    static const char *const others[] = {"include", "import", "from",       "extends",
                                         "block",   "do",     "autoescape", "trans"};

    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (parser_skip_name(p, statements[i].word))
            return statements[i].parse(p);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!parser_is_name(p, others[i]))
            continue;
        err_set(p->err, ERR_UNSUPPORTED,
                "template line %u: the tag '%s' is not supported in chat templates",
                (unsigned)p->t->line, others[i]);
        return NULL;
    }
    parser_expected(p, "a tag's name");
    return NULL;
}

struct node *parse_statement(struct parser *p)
{
    struct node *n;

    p->t++; /* the block's begin */
    if (parser_enter(p))
        return NULL;
    n = parse_known(p);
    p->depth--;
    return n;
}
