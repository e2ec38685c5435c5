/* settings.c - see settings.h. */
#include "keeper/ask/settings.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/cli.h"
#include "base/str.h"
#include "base/uuid.h"

#define NAME_MAX_BYTES 64

/* ---- the table ---- */
struct setting {
    const char *name;     /* the worker's */
    const char *fallback; /* its default, for people */
    const char *help;
    /* The value in JSON of what was typed; `now` is the one that stands, or NULL. */
    json_t *(*read)(const struct setting *s, const char *text, const json_t *now, struct err *err);
};

static json_t *refuse(const struct setting *s, const char *what, const char *text, struct err *err)
{
    err_set(err, ERR_INVALID, "%s takes %s, not '%.40s'", s->name, what, text);
    return NULL;
}

static json_t *read_number(const struct setting *s, const char *text, const json_t *now,
                           struct err *err)
{
    int64_t whole;
    double v;

    (void)now;
    if (str_to_i64(text, &whole) == 0)
        return json_integer(whole);
    if (str_to_f64(text, &v) == 0)
        return json_real(v);
    return refuse(s, "a number", text, err);
}

static json_t *read_switch(const struct setting *s, const char *text, const json_t *now,
                           struct err *err)
{
    bool on;

    (void)now;
    return str_to_bool(text, &on) == 0 ? json_boolean(on) : refuse(s, "on or off", text, err);
}

static json_t *read_seconds(const struct setting *s, const char *text, const json_t *now,
                            struct err *err)
{
    int64_t ms;

    (void)now;
    if (str_to_duration_ms(text, &ms) || ms < 0)
        return refuse(s, "a time such as 90 or 5m", text, err);
    return json_real((double)ms / 1000);
}

/* One more text; in quotes it is read as JSON, so that "\n" can be said. */
static json_t *read_stop(const struct setting *s, const char *text, const json_t *now,
                         struct err *err)
{
    json_t *list = now ? json_deep_copy(now) : json_array();
    json_t *item = text[0] == '"' ? json_loads(text, JSON_DECODE_ANY, NULL) : json_string(text);

    if (item && json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return refuse(s, "a text, or one in quotes as JSON has it", text, err);
}

static json_t *read_bias(const struct setting *s, const char *text, const json_t *now,
                         struct err *err)
{
    json_t *map = now ? json_deep_copy(now) : json_object();
    const char *mark = strchr(text, '=');
    char id[16];
    double bias;

    if (mark && (size_t)(mark - text) < sizeof id && str_to_f64(mark + 1, &bias) == 0) {
        memcpy(id, text, (size_t)(mark - text));
        id[mark - text] = '\0';
        if (json_object_set_new(map, id, json_real(bias)) == 0)
            return map;
    }
    json_decref(map);
    return refuse(s, "a token's id and a bias, such as 15=-2.5", text, err);
}

static json_t *read_schema(const struct setting *s, const char *text, const json_t *now,
                           struct err *err)
{
    json_t *schema = NULL;

    (void)s;
    (void)now;
    return sampling_schema(text, &schema, err) ? NULL : schema;
}

static json_t *read_grammar(const struct setting *s, const char *text, const json_t *now,
                            struct err *err)
{
    char *grammar = NULL;
    json_t *value;

    (void)s;
    (void)now;
    if (sampling_grammar(text, &grammar, err))
        return NULL;
    value = json_string(grammar);
    free(grammar);
    return value;
}

static const struct setting table[] = {
    {"temperature", "0.8", "0 to 2; 0 = always the likeliest token", read_number},
    {"top_p", "0.95", "nucleus sampling", read_number},
    {"top_k", "40", "of the K likeliest, 0 = all", read_number},
    {"min_p", "0.05", "least share of the likeliest", read_number},
    {"repetition_penalty", "1", "0 to 2; 1 = none", read_number},
    {"presence_penalty", "0", "-2 to 2: for tokens that were there already", read_number},
    {"frequency_penalty", "0", "-2 to 2: the same, for each time", read_number},
    {"logit_bias", "none", "ID=BIAS: a token likelier by -100 to 100; adds", read_bias},
    {"stop", "none", "end before this text; adds, up to 16", read_stop},
    {"max_tokens", "what fits", "tokens of an answer at most", read_number},
    {"ignore_eos", "off", "go on where the model would end", read_switch},
    {"seed", "random", "the same seed gives the same text", read_number},
    {"json_schema", "none", "FILE or JSON: the answer is JSON of this schema", read_schema},
    {"grammar", "none", "FILE: the answer is a text of this GBNF", read_grammar},
    {"timeout_seconds", "none", "end an answer after this time", read_seconds},
};
#define N_SETTINGS (sizeof table / sizeof table[0])

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (str_eq(table[i].name, name))
            return &table[i];
    return NULL;
}

/* By the name that a person typed; "timeout" is what the option is called. */
static const struct setting *find_typed(const char *typed, struct err *err)
{
    const char *names[N_SETTINGS + 1] = {NULL}, *near;
    char name[NAME_MAX_BYTES];
    const struct setting *s;

    str_copy(name, sizeof name, str_eq(typed, "timeout") ? "timeout_seconds" : typed);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : *p;
    s = find(name);
    if (s)
        return s;
    for (size_t i = 0; i < N_SETTINGS; i++)
        names[i] = table[i].name;
    near = cli_nearest(name, names);
    err_set(err, ERR_INVALID, "there is no setting '%.60s'%s%s%s; /set shows all", typed,
            near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return NULL;
}

/* ---- judging ---- */
/* A sentence of the API's is part of one here, which goes on or has its own full stop. */
static void drop_stop(char *text)
{
    size_t n = strlen(text);

    if (n > 0 && text[n - 1] == '.')
        text[n - 1] = '\0';
}

/* A request of these settings; `more` (stolen) is what it goes on from. */
static int parse(const json_t *settings, json_t *more, struct inference_request *r, struct err *err)
{
    char *text = NULL;
    struct api_error e;
    int rc = 0;

    if (more && json_object_update_missing(more, (json_t *)(uintptr_t)settings) == 0)
        text = json_write(more, JSON_COMPACT);
    json_decref(more);
    if (!text)
        return err_no_memory(err, 1, "the request");
    if (inference_request_parse(text, strlen(text), r, &e, "keeper")) {
        const json_t *first = json_array_get(json_object_get(e.details, "errors"), 0);
        const char *why = json_string_value(json_object_get(first, "message"));

        rc = err_set(err, ERR_INVALID, "%s", why ? why : e.message);
        if (err)
            drop_stop(err->text);
        api_error_done(&e);
    }
    free(text);
    return rc;
}

int settings_check(const json_t *settings, struct err *err)
{
    json_t *all = (json_t *)(uintptr_t)settings; /* jansson's loops want it so */
    struct inference_request r;
    const char *key;
    json_t *value;
    int rc;

    json_object_foreach(all, key, value) if (!find(key)) return err_set(
        err, ERR_INVALID, "there is no setting '%.60s'", key);
    inference_request_init(&r);
    rc = parse(settings, json_pack("{s:s}", "prompt", "x"), &r, err);
    inference_request_done(&r);
    return rc;
}

int settings_fill(const json_t *settings, json_t *messages, struct inference_request *r,
                  struct err *err)
{
    int rc = parse(settings, json_pack("{s:O}", "messages", messages), r, err);

    if (rc == 0 && !json_object_get(settings, "max_tokens"))
        r->max_tokens = SETTINGS_MAX_TOKENS;
    if (rc == 0 && !json_object_get(settings, "seed"))
        r->seed_given = false; /* the worker makes one */
    return rc;
}

json_t *settings_of(const struct inference_request *r)
{
    struct inference_request plain;
    char *text = inference_request_text(r), *plain_text;
    json_t *all = text ? json_loads(text, 0, NULL) : NULL, *defaults, *value;
    const char *key;
    void *next;

    inference_request_init(&plain);
    plain.max_tokens = SETTINGS_MAX_TOKENS;
    plain_text = inference_request_text(&plain);
    defaults = plain_text ? json_loads(plain_text, 0, NULL) : NULL;
    json_object_foreach_safe(
        all, next, key, value) if (!find(key) || json_equal(value, json_object_get(defaults, key)))
        json_object_del(all, key);
    if (!defaults) {
        json_decref(all);
        all = NULL;
    }
    json_decref(defaults);
    free(text);
    free(plain_text);
    return all;
}

static void forget_given(json_t *settings, const struct sampling *options)
{
    const struct sampling_given *given = &options->given;
    const struct {
        const char *name;
        bool given;
    } all[] = {
        {"max_tokens", given->max_tokens},
        {"temperature", given->temperature},
        {"top_p", given->top_p},
        {"top_k", given->top_k},
        {"min_p", given->min_p},
        {"repetition_penalty", given->repetition_penalty},
        {"presence_penalty", given->presence_penalty},
        {"frequency_penalty", given->frequency_penalty},
        {"timeout_seconds", given->timeout},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].given)
            json_object_del(settings, all[i].name);
    if (options->json_schema || options->grammar) { /* one takes the other's place */
        json_object_del(settings, "json_schema");
        json_object_del(settings, "grammar");
    }
}

int settings_take(json_t *settings, const struct sampling *options, struct err *err)
{
    struct inference_request r;
    json_t *others = NULL; /* than the defaults */
    int rc;

    inference_request_init(&r);
    rc = sampling_fill(options, &r, err);
    if (rc == 0) {
        forget_given(settings, options);
        others = settings_of(&r);
        if (!others || json_object_update(settings, others))
            rc = err_no_memory(err, 1, "the settings");
    }
    if (rc == 0)
        rc = settings_check(settings, err);
    json_decref(others);
    inference_request_done(&r);
    return rc;
}

int settings_set(json_t *settings, const char *name, const char *value, struct err *err)
{
    const struct setting *s = find_typed(name, err);
    json_t *was, *now;
    int rc;

    if (!s)
        return ERR_INVALID;
    if (str_eq(value, "default")) {
        json_object_del(settings, s->name);
        return 0;
    }
    was = json_incref(json_object_get(settings, s->name));
    now = s->read(s, value, was, err);
    if (!now) {
        json_decref(was);
        return ERR_INVALID;
    }
    json_object_set_new(settings, s->name, now);
    rc = settings_check(settings, err);
    if (rc && was)
        json_object_set(settings, s->name, was);
    else if (rc)
        json_object_del(settings, s->name);
    json_decref(was);
    return rc;
}

/* ---- showing ---- */
static void show_one(const json_t *settings, const struct setting *s, struct buf *out)
{
    const json_t *value = json_object_get(settings, s->name);
    char *text =
        value ? json_write(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    buf_printf(out, "  %-19s %-12s %s\n", s->name, text ? text : s->fallback, s->help);
    free(text);
}

int settings_show(const json_t *settings, const char *name, struct buf *out, struct err *err)
{
    const struct setting *s;

    if (name) {
        s = find_typed(name, err);
        if (s)
            show_one(settings, s, out);
        return s ? 0 : ERR_INVALID;
    }
    for (size_t i = 0; i < N_SETTINGS; i++)
        show_one(settings, &table[i], out);
    return 0;
}
