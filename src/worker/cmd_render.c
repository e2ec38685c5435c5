/*
 * cmd_render.c - "render": a chat template with JSON variables from stdin, as text on stdout. The
 * template is a file of its own, or the one that a model's file carries (whether or not the model
 * could be run here).
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "jinja/jinja.h"
#include "worker/commands.h"

#define VARIABLES_MAX_BYTES (64u << 20)
#define INSPECT_MAX_BYTES   (8u << 20)

/* The template in a GGUF file; free() it. */
static int template_of_model(const char *path, char **text, struct err *err)
{
    json_error_t where;
    json_t *told = NULL, *value;
    struct buf out;
    int rc;

    buf_init(&out, INSPECT_MAX_BYTES);
    rc = engine_inspect(path, &out, err);
    if (!rc) {
        told = json_loadb(buf_str(&out), out.len, 0, &where);
        value = json_object_get(told, "chat_template");
        if (!json_is_string(value))
            rc = err_set(err, ERR_NOT_FOUND, "'%s' has no chat template", path);
        else if (!(*text = str_dup(json_string_value(value))))
            rc = err_no_memory(err, json_string_length(value), "the template");
    }
    json_decref(told);
    buf_done(&out);
    return rc;
}

static int read_variables(json_t **vars, struct err *err)
{
    json_error_t where;
    struct buf in;
    int rc;

    buf_init(&in, VARIABLES_MAX_BYTES);
    rc = command_read_stdin(&in, err);
    if (!rc) {
        *vars = json_loadb(buf_str(&in), in.len, JSON_ALLOW_NUL, &where);
        if (!*vars)
            rc = err_set(err, ERR_INVALID, "the variables are not JSON: line %d, column %d: %s",
                         where.line, where.column, where.text);
        else if (!json_is_object(*vars))
            rc = err_set(err, ERR_INVALID, "the variables are no JSON object");
    }
    buf_done(&in);
    return rc;
}

/* `now` 0 is the present moment, in the zone of this machine. */
static int render(const char *text, size_t n_bytes, const json_t *vars, int64_t now,
                  struct buf *out, struct err *err)
{
    struct jinja_program *program;
    struct jinja_options options;
    time_t present = (time_t)(clock_unix_ms() / 1000);
    int rc = jinja_compile(text, n_bytes, &program, err);

    if (rc)
        return rc;
    jinja_options_init(&options, now);
    if (now == 0)
        localtime_r(&present, &options.now);
    rc = jinja_render(program, vars, &options, out, err);
    jinja_free(program);
    return rc;
}

static int read_template(const char *file, const char *model, char **text, size_t *n_bytes,
                         struct err *err)
{
    int rc;

    if (file)
        return path_read_file(file, JINJA_MAX_TEMPLATE_BYTES, text, n_bytes, err);
    rc = template_of_model(model, text, err);
    *n_bytes = rc ? 0 : strlen(*text);
    return rc;
}

int cmd_render(const struct cli_command *self, int argc, char **argv)
{
    const char *file = NULL, *model = NULL;
    int64_t now = 0;
    const struct cli_opt opts[] = {
        {"template", 0, CLI_STR, &file, 0, 0, "FILE", "a file with a Jinja template", NULL},
        {"model", 'm', CLI_STR, &model, 0, 0, "FILE", "a GGUF file with a template in it", NULL},
        {"now", 0, CLI_INT, &now, 1, 1e11, "SECONDS", "the moment strftime_now shows, since 1970",
         NULL},
        {0}};
    struct err err = {0};
    json_t *vars = NULL;
    char *text = NULL;
    size_t n_bytes = 0;
    struct buf out;
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    if (!file == !model)
        return command_usage(self, "--template FILE or --model FILE is needed");
    buf_init(&out, JINJA_MAX_OUTPUT_BYTES);
    rc = read_template(file, model, &text, &n_bytes, &err);
    if (!rc)
        rc = read_variables(&vars, &err);
    if (!rc)
        rc = render(text, n_bytes, vars, now, &out, &err);
    if (!rc)
        rc = command_write(buf_str(&out), out.len, &err);
    buf_done(&out);
    free(text);
    json_decref(vars);
    return rc ? command_fail(&err) : CLI_DONE;
}
