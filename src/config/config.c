/*
 * config.c - the table of options and where their values come from; see config.h.
 *
 * Owns the reading of config.ini (by inih) and of the environment. Refuses what it does not know.
 * One thread. Nothing is cached across calls of config_open.
 */
#include "config/config.h"

#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"
#include "config/internal.h"

#define ENV_NAME_MAX 64
#define LEVELS       "debug info warn error silent"

static const struct config_option options[CONFIG_N_OPTIONS] = {
    {"keeper", "node", CONFIG_STR, "localhost", 0, 0, NULL, NULL,
     "the node that commands speak to when --node is not given"},
    {"hive", "addr", CONFIG_ADDR, "127.0.0.1:8080", 0, 0, NULL, NULL, "where rbee-hive listens"},
    {"hive", "worker", CONFIG_STR, "", 0, 0, NULL, NULL,
     "the worker's program; empty = beside rbee-hive, else in PATH"},
    {"hive", "keep_alive", CONFIG_DURATION, "5m", 0, 0, NULL, NULL,
     "how long an idle worker stays: a duration, 0 = not at all, -1 = for ever"},
    {"hive", "slots", CONFIG_INT, "0", 0, 64, NULL, NULL,
     "requests a worker decodes at once; 0 = the worker's own choice"},
    {"hive", "ctx", CONFIG_INT, "0", 0, 16777216, NULL, NULL,
     "positions a slot may hold; 0 = the worker's own choice"},
    {"hive", "threads", CONFIG_INT, "0", 0, 1024, NULL, NULL,
     "threads a worker computes with; 0 = one for each usable core"},
    {"hive", "hf_endpoint", CONFIG_STR, "https://huggingface.co", 0, 0, NULL, "HF_ENDPOINT",
     "the hub that hf: models come from"},
    {"hive", "worker_port_first", CONFIG_INT, "8081", 1, 65535, NULL, NULL,
     "workers listen on the first free port from here up"},
    {"hive", "load_timeout", CONFIG_DURATION, "300s", 0, 0, NULL, NULL,
     "how long a worker may take to load its model; -1 = for ever"},
    {"hive", "health_interval", CONFIG_DURATION, "30s", 0, 0, NULL, NULL,
     "how often a worker is asked whether it is well; 0 or -1 = never"},
    {"hive", "download_stall", CONFIG_DURATION, "60s", 0, 0, NULL, NULL,
     "a download without a byte for so long is tried anew; -1 = never"},
    {"hive", "log_level", CONFIG_CHOICE, "info", 0, 0, LEVELS, NULL,
     "the least level that is logged: debug, info, warn, error or silent"},
    {"hive", "models_dir", CONFIG_STR, "", 0, 0, NULL, NULL,
     "where models are kept; empty = models in rbee's home"},
};

/* The row, or CONFIG_N_OPTIONS. */
static size_t find_option(const char *section, const char *key)
{
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++)
        if (str_eq(options[i].section, section) && str_eq(options[i].key, key))
            return i;
    return CONFIG_N_OPTIONS;
}

static size_t must_find(const char *section, const char *key)
{
    size_t i = find_option(section, key);

    if (i == CONFIG_N_OPTIONS)
        BUG("there is no option [%s] %s", section, key);
    return i;
}

const struct config_option *config_options(size_t *n)
{
    *n = CONFIG_N_OPTIONS;
    return options;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *p = choices; n && *p;) {
        size_t len = strcspn(p, " ");

        if (len == n && strncmp(p, value, n) == 0)
            return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

static bool is_plain_text(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return false;
    return str_is_utf8(value, strlen(value));
}

/* Says in err what the option takes; the caller puts before it where the value stood. */
static int check_value(const struct config_option *o, const char *value, struct err *err)
{
    struct config_addr addr;
    int64_t number;

    if (strlen(value) >= CONFIG_VALUE_MAX)
        return err_set(err, ERR_LIMIT, "the value of %s has %zu bytes, the limit is %d", o->key,
                       strlen(value), CONFIG_VALUE_MAX - 1);
    if (!is_plain_text(value))
        return err_set(err, ERR_INVALID, "the value of %s holds bytes that are no text", o->key);
    switch (o->kind) {
    case CONFIG_STR:
        return 0;
    case CONFIG_INT:
        if (str_to_i64(value, &number) == 0 && number >= o->min && number <= o->max)
            return 0;
        return err_set(err, ERR_INVALID, "%s takes a whole number from %lld to %lld, not '%.80s'",
                       o->key, (long long)o->min, (long long)o->max, value);
    case CONFIG_DURATION:
        if (str_to_duration_ms(value, &number) == 0)
            return 0;
        return err_set(err, ERR_INVALID,
                       "%s takes a duration such as 30s, 5m, 0 or -1, not '%.80s'", o->key, value);
    case CONFIG_ADDR:
        return config_addr_parse(value, CONFIG_DEFAULT_PORT, &addr, err);
    case CONFIG_CHOICE:
        if (is_choice(o->choices, value))
            return 0;
        return err_set(err, ERR_INVALID, "%s takes one of: %s; not '%.80s'", o->key, o->choices,
                       value);
    }
    BUG("option %s has the kind %d", o->key, (int)o->kind);
}

static int set_value(struct config *c, size_t i, const char *value, enum config_source source,
                     struct err *err)
{
    char *copy;
    int rc = check_value(&options[i], value, err);

    if (rc)
        return rc;
    copy = str_dup(value);
    if (!copy)
        return err_no_memory(err, strlen(value), options[i].key);
    free(c->values[i].text);
    c->values[i] = (struct config_value){.text = copy, .source = source};
    return 0;
}

/* ---- the file ---- */

struct reading {
    struct config *c; /* NULL: nodes only */
    struct config_nodes *nodes;
    bool seen[CONFIG_N_OPTIONS];
    struct err err; /* the first thing wrong */
    bool failed;
};

/* Says which keys the section has: a misspelt one is then found at a glance. */
static void unknown_option(const char *section, const char *key, struct err *err)
{
    struct buf keys;

    buf_init(&keys, ERR_TEXT_MAX);
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++)
        if (str_eq(options[i].section, section))
            buf_printf(&keys, "%s%s", keys.len ? ", " : "", options[i].key);
    if (keys.len)
        err_set(err, ERR_INVALID, "there is no option '%.60s' in [%s]; there are: %s", key, section,
                buf_str(&keys));
    else
        err_set(err, ERR_INVALID,
                "there is no section [%.60s]; there are [keeper], [hive], [nodes]", section);
    buf_done(&keys);
}

static void take_option(struct reading *r, const char *section, const char *key, const char *value)
{
    size_t i = find_option(section, key);

    if (i == CONFIG_N_OPTIONS) {
        unknown_option(section, key, &r->err);
        r->failed = true;
        return;
    }
    if (r->seen[i]) {
        err_set(&r->err, ERR_INVALID, "%s is given twice in [%s]", key, section);
        r->failed = true;
        return;
    }
    r->seen[i] = true;
    if (r->c)
        r->failed = set_value(r->c, i, value, CONFIG_FROM_FILE, &r->err) != 0;
    else
        r->failed = check_value(&options[i], value, &r->err) != 0;
}

/* inih's callback: 0 marks the line as wrong; reading goes on, but only the first error counts. */
static int on_line(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;

    if (r->failed)
        return 0;
    if (str_eq(section, "nodes"))
        r->failed = config_nodes_put(r->nodes, key, value, &r->err) != 0;
    else
        take_option(r, section, key, value ? value : "");
    return r->failed ? 0 : 1;
}

/*
 * A copy without the blanks that begin lines: inih would take an indented line for more of the
 * value before it. ERR_LIMIT for a line that is longer than inih's own buffer, ERR_INVALID for
 * NULs.
 */
static int unindent(const char *text, size_t n, char **out, struct err *err)
{
    char *copy = malloc(n + 1), *dst = copy;
    size_t line = 1;

    if (!copy)
        return err_no_memory(err, n + 1, "the config file");
    for (const char *p = text; p < text + n; line++) {
        const char *end = memchr(p, '\n', (size_t)(text + n - p));
        const char *stop = end ? end + 1 : text + n;

        while (p < stop && (*p == ' ' || *p == '\t'))
            p++;
        if (stop - p >= INI_MAX_LINE - 1 || memchr(p, '\0', (size_t)(stop - p))) {
            free(copy);
            return err_set(err, ERR_INVALID, "line %zu is longer than %d bytes or holds a NUL",
                           line, INI_MAX_LINE - 2);
        }
        memcpy(dst, p, (size_t)(stop - p));
        dst += stop - p;
        p = stop;
    }
    *dst = '\0';
    *out = copy;
    return 0;
}

int config_parse_text(struct config *c, const char *path, const char *text, size_t n,
                      struct config_nodes *nodes, struct err *err)
{
    struct reading r = {.c = c, .nodes = nodes};
    char *plain = NULL;
    int line, rc = unindent(text, n, &plain, err);

    if (rc) {
        err_prefix(err, "%s", path);
        return rc;
    }
    line = ini_parse_string(plain, on_line, &r);
    free(plain);
    if (line == 0)
        return 0;
    if (!r.failed)
        return err_set(err, ERR_INVALID,
                       "%s, line %d: this is neither a [section], nor KEY = VALUE, nor a comment",
                       path, line);
    return err_set(err, r.err.code, "%s, line %d: %s", path, line, r.err.text);
}

static int read_file(struct config *c, struct err *err)
{
    struct err local;
    char *text;
    size_t n;
    int rc = path_read_file(c->path, CONFIG_FILE_MAX, &text, &n, &local);

    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return err_set(err, rc, "%s", local.text);
    rc = config_parse_text(c, c->path, text, n, &c->nodes, err);
    free(text);
    return rc;
}

/* ---- the environment ---- */

static void env_name(const struct config_option *o, char dst[ENV_NAME_MAX])
{
    snprintf(dst, ENV_NAME_MAX, "RBEE_%s_%s", o->section, o->key);
    for (char *p = dst; *p; p++)
        *p = (char)toupper((unsigned char)*p);
}

/* The variable that gives this option a value, by name; an empty one counts as not set. */
static const char *env_value(const struct config_option *o, char name[ENV_NAME_MAX])
{
    const char *value;

    env_name(o, name);
    value = getenv(name);
    if ((value && value[0]) || !o->env_alias)
        return value && value[0] ? value : NULL;
    str_copy(name, ENV_NAME_MAX, o->env_alias);
    value = getenv(name);
    return value && value[0] ? value : NULL;
}

static int read_environment(struct config *c, struct err *err)
{
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++) {
        char name[ENV_NAME_MAX];
        const char *value = env_value(&options[i], name);
        int rc = value ? set_value(c, i, value, CONFIG_FROM_ENV, err) : 0;

        if (rc) {
            err_prefix(err, "the environment's %s", name);
            return rc;
        }
        if (value)
            c->values[i].alias = !str_starts(name, "RBEE_");
    }
    return 0;
}

/* ---- life ---- */

int config_open(const char *home, struct config **out, struct err *err)
{
    struct config *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "the configuration");
    c->home = str_dup(home);
    c->path = path_join(home, "config.ini");
    if (!c->home || !c->path)
        rc = err_no_memory(err, strlen(home), "the home folder's name");
    else
        rc = read_file(c, err);
    if (rc == 0)
        rc = read_environment(c, err);
    if (rc) {
        config_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void config_close(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++)
        free(c->values[i].text);
    free(c->nodes.items);
    free(c->home);
    free(c->path);
    free(c);
}

static void flag_name(const char *key, char *dst, size_t dst_size)
{
    snprintf(dst, dst_size, "--%s", key);
    for (char *p = dst; *p; p++)
        if (*p == '_')
            *p = '-';
}

int config_set_flag(struct config *c, const char *section, const char *key, const char *value,
                    struct err *err)
{
    char flag[ENV_NAME_MAX];
    int rc = set_value(c, must_find(section, key), value, CONFIG_FROM_FLAG, err);

    if (rc) {
        flag_name(key, flag, sizeof flag);
        err_prefix(err, "%s", flag);
    }
    return rc;
}

/* ---- values ---- */

const char *config_text(const struct config *c, const char *section, const char *key)
{
    size_t i = must_find(section, key);

    return c->values[i].text ? c->values[i].text : options[i].fallback;
}

int64_t config_int(const struct config *c, const char *section, const char *key)
{
    int64_t v = 0;

    if (options[must_find(section, key)].kind != CONFIG_INT)
        BUG("[%s] %s is no number", section, key);
    BUG_ON(str_to_i64(config_text(c, section, key), &v));
    return v;
}

int64_t config_duration_ms(const struct config *c, const char *section, const char *key)
{
    int64_t ms = 0;

    if (options[must_find(section, key)].kind != CONFIG_DURATION)
        BUG("[%s] %s is no duration", section, key);
    BUG_ON(str_to_duration_ms(config_text(c, section, key), &ms));
    return ms;
}

enum config_source config_source_of(const struct config *c, const char *section, const char *key)
{
    return c->values[must_find(section, key)].source;
}

const char *config_source_text(const struct config *c, const char *section, const char *key,
                               char *dst, size_t dst_size)
{
    size_t i = must_find(section, key);
    char name[ENV_NAME_MAX];

    switch (c->values[i].source) {
    case CONFIG_FROM_DEFAULT:
        str_copy(dst, dst_size, "default");
        break;
    case CONFIG_FROM_FILE:
        str_copy(dst, dst_size, c->path);
        break;
    case CONFIG_FROM_ENV:
        env_name(&options[i], name);
        snprintf(dst, dst_size, "environment %s", c->values[i].alias ? options[i].env_alias : name);
        break;
    case CONFIG_FROM_FLAG:
        flag_name(key, name, sizeof name);
        snprintf(dst, dst_size, "flag %s", name);
        break;
    }
    return dst;
}

const char *config_home(const struct config *c)
{
    return c->home;
}

const char *config_file_path(const struct config *c)
{
    return c->path;
}
