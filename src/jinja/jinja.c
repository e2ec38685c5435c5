/* jinja.c - see jinja.h: programs and renders as a whole. */
#include "jinja/jinja.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "jinja/parser.h"
#include "jinja/run.h"

static void find_special_names(struct jinja_program *p)
{
    static const char *const names[N_SPECIAL_NAMES] = {"loop", "caller", "varargs", "kwargs"};

    for (int i = 0; i < N_SPECIAL_NAMES; i++)
        p->special[i] = program_find_name(p, names[i], strlen(names[i]));
}

static int compile(struct jinja_program *p, const char *text, size_t n_bytes, struct err *err)
{
    struct tokens tokens;
    struct parser parser = {.program = p, .err = err};
    int rc = lexer_run(text, n_bytes, &p->arena, &tokens, err);

    if (!rc) {
        parser.t = tokens.items;
        rc = parse_template(&parser);
    }
    find_special_names(p);
    tokens_done(&tokens);
    return rc;
}

int jinja_compile(const char *text, size_t n_bytes, struct jinja_program **out, struct err *err)
{
    struct jinja_program *p;
    struct err local = {0};

    if (n_bytes > JINJA_MAX_TEMPLATE_BYTES)
        return err_set(err, ERR_LIMIT, "the template has %zu bytes, more than %u", n_bytes,
                       JINJA_MAX_TEMPLATE_BYTES);
    if (!str_is_utf8(text, n_bytes))
        return err_set(err, ERR_INVALID, "the template is not well-formed UTF-8");
    p = calloc(1, sizeof *p);
    if (!p)
        return err_no_memory(err, sizeof *p, "a template");
    arena_init(&p->arena, JINJA_MAX_PROGRAM_BYTES);
    if (compile(p, text, n_bytes, &local)) {
        jinja_free(p);
        return err_set(err, local.code, "%s", local.text);
    }
    *out = p;
    return 0;
}

void jinja_free(struct jinja_program *p)
{
    if (!p)
        return;
    arena_done(&p->arena);
    free(p);
}

bool jinja_mentions(const struct jinja_program *p, const char *name)
{
    return program_find_name(p, name, strlen(name)) < p->n_names;
}

void jinja_options_init(struct jinja_options *o, int64_t now_unix_s)
{
    time_t now = (time_t)now_unix_s;

    *o = (struct jinja_options){
        .max_steps = JINJA_MAX_STEPS,
        .max_depth = JINJA_MAX_DEPTH,
        .max_memory_bytes = JINJA_MAX_MEMORY_BYTES,
        .max_output_bytes = JINJA_MAX_OUTPUT_BYTES,
    };
    gmtime_r(&now, &o->now);
}

/* The variables that the template names; the others are nothing to it. */
static int set_variables(struct run *r, const json_t *vars)
{
    const struct jinja_program *p = r->program;
    int rc = 0;

    r->top = run_alloc(r, (p->n_names + 1) * sizeof *r->top);
    if (!r->top)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; !rc && i < p->n_names; i++) {
        const json_t *j = json_object_getn(vars, p->names[i].u.s, p->names[i].len);

        if (j)
            rc = json_import(r, j, &r->top[i]);
    }
    return rc;
}

static int render(struct run *r, const json_t *vars)
{
    int rc = set_variables(r, vars);

    return rc ? rc : exec(r, r->program->body);
}

int jinja_render(const struct jinja_program *p, const json_t *vars,
                 const struct jinja_options *options, struct buf *out, struct err *err)
{
    struct jinja_options defaults;
    struct err local = {0};
    struct run r = {.program = p, .err = &local};

    if (!options) {
        jinja_options_init(&defaults, clock_unix_ms() / 1000);
        options = &defaults;
    }
    r.options = options;
    r.steps_left = r.ask_at = options->max_steps;
    arena_init(&r.arena, options->max_memory_bytes);
    buf_init(&r.text, options->max_output_bytes);
    if (render(&r, vars)) {
        err_set(err, local.code, "%s", local.text);
    } else if (buf_put(out, buf_str(&r.text), r.text.len)) {
        if (buf_is_over(out))
            err_set(&local, ERR_LIMIT, "the rendered text of %zu bytes is more than fits",
                    r.text.len);
        else
            err_no_memory(&local, r.text.len, "the rendered text");
        err_set(err, local.code, "%s", local.text);
    }
    buf_done(&r.text);
    arena_done(&r.arena);
    return local.code;
}
