/* run.c - the render's own: limits, memory, pieces of text, variables. See run.h. */
#include "jinja/run.h"

#include <stdarg.h>
#include <stdio.h>

#include "jinja/builtins.h"
#include "jinja/unicode.h"

#define BYTES_PER_STEP 16
#define CHARS_PER_STEP 4
#define NAMES_PER_STEP 16
#define FIRST_ITEMS    8
#define STEPS_AN_ASK   4096 /* 1 ms at most */

int run_fail(struct run *r, enum err_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX - 40];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(r->err, code, "template line %u: %s", (unsigned)r->line, text);
}

bool run_may_tell(const struct run *r, struct value v)
{
    return r->options->tell_values || v.own || arena_holds(&r->program->arena, v.u.s);
}

static int ask_to_go_on(struct run *r)
{
    const struct jinja_stop *stop = r->options->stop;

    r->ask_at = r->steps_left < STEPS_AN_ASK ? 0 : r->steps_left - STEPS_AN_ASK;
    if (stop && stop->is_asked(stop->arg))
        return run_fail(r, ERR_CANCELLED, "the rendering was given up");
    return 0;
}

int run_steps(struct run *r, size_t n)
{
    if (n < r->steps_left) {
        r->steps_left -= n;
        return r->steps_left < r->ask_at ? ask_to_go_on(r) : 0;
    }
    r->steps_left = 0;
    return run_fail(r, ERR_LIMIT, "the template took more than %llu steps",
                    (unsigned long long)r->options->max_steps);
}

int run_bytes(struct run *r, size_t n_bytes)
{
    return run_steps(r, n_bytes / BYTES_PER_STEP);
}

int run_chars(struct run *r, size_t n_bytes)
{
    return run_steps(r, n_bytes / CHARS_PER_STEP);
}

int run_enter(struct run *r)
{
    if (r->depth == r->options->max_depth)
        return run_fail(r, ERR_LIMIT, "the template went more than %u levels deep",
                        r->options->max_depth);
    r->depth++;
    return 0;
}

int run_no_memory(struct run *r, size_t n_bytes)
{
    if (!r->arena.over_max)
        return err_no_memory(r->err, n_bytes, "a value of the template");
    return run_fail(r, ERR_LIMIT, "the template needs more than %zu bytes of memory",
                    r->options->max_memory_bytes);
}

void *run_alloc(struct run *r, size_t n_bytes)
{
    void *p = arena_alloc(&r->arena, n_bytes);

    if (!p)
        run_no_memory(r, n_bytes);
    return p;
}

int run_grow(struct run *r, void **items, size_t item_bytes, size_t n, size_t *cap)
{
    size_t room = *cap ? *cap * 2 : FIRST_ITEMS;
    void *grown;

    if (n < *cap)
        return 0;
    if (room > r->options->max_memory_bytes / item_bytes) {
        r->arena.over_max = true;
        return run_no_memory(r, 0);
    }
    if (run_bytes(r, n * item_bytes))
        return ERR_LIMIT;
    grown = run_alloc(r, room * item_bytes);
    if (!grown)
        return r->err ? (int)r->err->code : ERR_NO_MEMORY;
    if (n)
        memcpy(grown, *items, n * item_bytes);
    *items = grown;
    *cap = room;
    return 0;
}

/* ---- pieces of text -------------------------------------------------------------------------- */

size_t run_mark(const struct run *r)
{
    return r->text.len;
}

int run_put(struct run *r, const char *s, size_t n)
{
    if (buf_put(&r->text, s, n) == 0)
        return run_bytes(r, n);
    if (n > r->text.max - r->text.len)
        return run_fail(r, ERR_LIMIT, "the template wrote more than %zu bytes",
                        r->options->max_output_bytes);
    return err_no_memory(r->err, n, "the template's output");
}

int run_puts(struct run *r, const char *s)
{
    return run_put(r, s, strlen(s));
}

int run_put_char(struct run *r, uint32_t code)
{
    char bytes[UNICODE_MAX_BYTES];

    return run_put(r, bytes, unicode_put(code, bytes));
}

int run_take(struct run *r, size_t mark, struct value *out)
{
    int rc = value_copy_text(r, buf_str(&r->text) + mark, r->text.len - mark, out);

    r->text.len = mark;
    if (r->text.data)
        r->text.data[mark] = '\0';
    return rc;
}

/* ---- variables ------------------------------------------------------------------------------- */

static struct value *find_in(struct scope *s, uint32_t name)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->vars[i].name == name)
            return &s->vars[i].value;
    return NULL;
}

int run_get(struct run *r, uint32_t name, struct value *out)
{
    struct value text = r->program->names[name];
    const struct builtin *global;
    size_t n_looked = 0;

    for (struct scope *s = r->scope; s; s = s->parent) {
        struct value *v = find_in(s, name);

        n_looked += s->n;
        if (v) {
            *out = *v;
            return run_steps(r, n_looked / NAMES_PER_STEP);
        }
    }
    *out = r->top[name];
    if (out->kind != VALUE_MISSING)
        return run_steps(r, n_looked / NAMES_PER_STEP);
    global = builtin_global(text.u.s, text.len);
    *out = global ? (struct value){.kind = VALUE_BUILTIN, .u.builtin = global}
                  : value_undefined(text.u.s, text.len);
    return run_steps(r, n_looked / NAMES_PER_STEP);
}

int run_set(struct run *r, uint32_t name, struct value v)
{
    struct scope *s = r->scope;
    struct value *known = s ? find_in(s, name) : &r->top[name];
    size_t cap;
    void *vars;
    int rc = run_steps(r, s ? s->n / NAMES_PER_STEP : 0);

    if (rc)
        return rc;
    if (known) {
        *known = v;
        return 0;
    }
    cap = s->cap;
    vars = s->vars;
    rc = run_grow(r, &vars, sizeof *s->vars, s->n, &cap);
    if (rc)
        return rc;
    s->vars = vars;
    s->cap = (uint32_t)cap;
    s->vars[s->n++] = (struct variable){.name = name, .value = v};
    return 0;
}

int run_open_scope(struct run *r, struct scope *parent, struct scope **old)
{
    struct scope *s = run_alloc(r, sizeof *s);

    if (!s)
        return ERR_LIMIT;
    s->parent = parent;
    *old = r->scope;
    r->scope = s;
    return 0;
}
