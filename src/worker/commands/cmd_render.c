/*
 * cmd_render.c - "render": a chat template with JSON variables from stdin, as text on stdout. The
 * template is a file of its own, or one that a model's file carries (whether or not the model could
 * be run here): its own for tools, if it has one and there are tools. Templates are programs of
 * strangers: they run in the sandbox.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "jinja/jinja.h"
#include "worker/commands/commands.h"

#define VARIABLES_MAX_BYTES (64u << 20)
#define INSPECT_MAX_BYTES   (8u << 20)

struct render {
    const char *file, *model, *sandbox; /* the options */
    int64_t now;                        /* seconds since 1970; 0 = the present moment */
    struct tm local;                    /* that moment in the zone of this machine */
    char *text;                         /* the template */
    size_t n_bytes;
    char *tool_text; /* the one that the model has for tools, or NULL */
    json_t *vars;
};

/* The template in what `inspect` tells of a model. */
static int take_template(struct render *r, const struct buf *told, struct err *err)
{
    json_error_t where;
    json_t *root = json_loadb(buf_str(told), told->len, 0, &where);
    const char *text = json_string_value(json_object_get(root, "chat_template"));
    const char *tool_text = json_string_value(json_object_get(root, "chat_template_tool_use"));
    int rc = 0;

    text = text ? text : tool_text;
    r->text = text ? str_dup(text) : NULL;
    r->tool_text = tool_text ? str_dup(tool_text) : NULL;
    if (!text)
        rc = err_set(err, ERR_NOT_FOUND, "'%s' has no chat template", r->model);
    else if (!r->text || (tool_text && !r->tool_text))
        rc = err_no_memory(err, told->len, "the template");
    else
        r->n_bytes = strlen(text);
    json_decref(root);
    return rc;
}

static int template_of_model(struct render *r, struct err *err)
{
    struct gguf_files *files;
    struct buf told;
    int rc = command_open_files(r->model, r->sandbox, NULL, &files, err);

    if (rc)
        return rc;
    buf_init(&told, INSPECT_MAX_BYTES);
    rc = engine_inspect_files(files, &told, err);
    engine_files_close(files);
    if (!rc)
        rc = take_template(r, &told, err);
    buf_done(&told);
    return rc;
}

/* Behind it the process is in the sandbox. */
static int read_template(struct render *r, struct err *err)
{
    int rc;

    if (r->model)
        return template_of_model(r, err);
    rc = path_read_file(r->file, JINJA_MAX_TEMPLATE_BYTES, &r->text, &r->n_bytes, err);
    return rc ? rc : command_enclose(r->sandbox, NULL, err);
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

static int render(const struct render *r, struct buf *out, struct err *err)
{
    struct jinja_program *program;
    struct jinja_options options;
    bool for_tools = r->tool_text && json_array_size(json_object_get(r->vars, "tools"));
    int rc = for_tools ? jinja_compile(r->tool_text, strlen(r->tool_text), &program, err)
                       : jinja_compile(r->text, r->n_bytes, &program, err);

    if (rc)
        return rc;
    jinja_options_init(&options, r->now);
    options.tell_values = true;
    if (r->now == 0)
        options.now = r->local;
    rc = jinja_render(program, r->vars, &options, out, err);
    jinja_free(program);
    return rc;
}

static int run(struct render *r, struct err *err)
{
    time_t present = (time_t)(clock_unix_ms() / 1000);
    struct buf out;
    int rc;

    localtime_r(&present, &r->local); /* the zone is a file */
    buf_init(&out, JINJA_MAX_OUTPUT_BYTES);
    rc = read_template(r, err);
    if (!rc)
        rc = read_variables(&r->vars, err);
    if (!rc)
        rc = render(r, &out, err);
    if (!rc)
        rc = command_write(buf_str(&out), out.len, err);
    buf_done(&out);
    free(r->text);
    free(r->tool_text);
    json_decref(r->vars);
    return rc;
}

int cmd_render(const struct cli_command *self, int argc, char **argv)
{
    struct render r = {0};
    const struct cli_opt opts[] = {
        {"template", 0, CLI_STR, &r.file, 0, 0, "FILE", "a file with a Jinja template", NULL},
        {"model", 'm', CLI_STR, &r.model, 0, 0, "FILE", "a GGUF file with a template in it", NULL},
        {"now", 0, CLI_INT, &r.now, 1, 1e11, "SECONDS", "the moment strftime_now shows, since 1970",
         NULL},
        COMMAND_SANDBOX_OPT(&r.sandbox),
        {0}};
    struct err err = {0};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    if (!r.file == !r.model)
        return command_usage(self, "--template FILE or --model FILE is needed");
    rc = command_check_words(self, NULL, r.sandbox);
    if (rc != CLI_GO)
        return rc;
    return run(&r, &err) ? command_fail(&err) : CLI_DONE;
}
