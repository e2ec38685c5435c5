/*
 * read.c - values from config.ini (by inih) and from the environment; see config.h.
 *
 * Refuses what is not in the table, with the line or the variable's name. One thread.
 */
#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"
#include "config/internal.h"

#define BOM    "\xef\xbb\xbf" /* the byte order mark of UTF-8 */
#define BLANKS " \t\r\n"

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
        if (str_eq(config_table[i].section, section))
            buf_printf(&keys, "%s%s", keys.len ? ", " : "", config_table[i].key);
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
    size_t i = config_find(section, key);

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
        r->failed = config_set_value(r->c, i, value, CONFIG_FROM_FILE, &r->err) != 0;
    else
        r->failed = config_check_value(&config_table[i], value, &r->err) != 0;
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

/* Blanks, and then perhaps a comment. */
static bool says_nothing(const char *p, const char *stop)
{
    while (p < stop && isspace((unsigned char)*p))
        p++;
    return p == stop || *p == ';' || *p == '#';
}

/*
 * Refuses what inih would pass over: it is silent about what stands behind a section's ']', and
 * takes a file whose lines end with carriage returns alone for one line, a comment perhaps. p is
 * the line's first byte that is not blank, `stop` is behind its last one.
 */
static int check_line(const char *p, const char *stop, size_t line, struct err *err)
{
    const char *end = memchr(p, ']', (size_t)(stop - p));

    if (memchr(p, '\0', (size_t)(stop - p)))
        return err_set(err, ERR_INVALID, "line %zu holds a NUL", line);
    if (stop - p > CONFIG_LINE_MAX)
        return err_set(err, ERR_INVALID,
                       "line %zu has %zu bytes, the limit is %d; a variable of the environment "
                       "(RBEE_HIVE_MODELS_DIR and so on) may hold a value of %d",
                       line, (size_t)(stop - p), CONFIG_LINE_MAX, CONFIG_VALUE_MAX - 1);
    if (p < stop && *p == '[' && !end)
        return err_set(err, ERR_INVALID, "line %zu begins a section, and lacks its ']'", line);
    if (p < stop && *p == '[' && !says_nothing(end + 1, stop))
        return err_set(err, ERR_INVALID,
                       "line %zu says more than its section: only a comment may stand behind ']', "
                       "and each KEY = VALUE has a line of its own",
                       line);
    return 0;
}

static bool has_stray_return(const char *p, const char *stop)
{
    const char *found = memchr(p, '\r', (size_t)(stop - p));

    return found && (found + 1 == stop || found[1] != '\n');
}

/*
 * A copy without the blanks that begin lines: inih would take an indented line for more of the
 * value before it. The copy begins with a byte order mark, as inih takes one off: what looks like
 * one further on is text here, as it is for edit.c. ERR_INVALID for a line that is longer than
 * inih's own buffer, for NULs, and for what inih would not look at.
 */
static int unindent(const char *text, size_t n, char **out, struct err *err)
{
    char *copy = malloc(n + sizeof BOM), *dst = copy;
    size_t line = 1;
    int rc = 0;

    if (!copy)
        return err_no_memory(err, n + sizeof BOM, "the config file");
    memcpy(dst, BOM, strlen(BOM));
    dst += strlen(BOM);
    for (const char *p = str_starts(text, BOM) ? text + strlen(BOM) : text; p < text + n; line++) {
        const char *end = memchr(p, '\n', (size_t)(text + n - p));
        const char *stop = end ? end + 1 : text + n;

        if (has_stray_return(p, stop))
            rc = err_set(err, ERR_INVALID,
                         "line %zu holds a carriage return that no line feed follows", line);
        while (p < stop && *p != '\n' && isspace((unsigned char)*p))
            p++;
        if (rc == 0)
            rc = check_line(p, end ? end : stop, line, err);
        if (rc) {
            free(copy);
            return rc;
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

int config_read_file(struct config *c, struct err *err)
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

void config_env_name(const struct config_option *o, char dst[CONFIG_ENV_NAME_MAX])
{
    snprintf(dst, CONFIG_ENV_NAME_MAX, "RBEE_%s_%s", o->section, o->key);
    for (char *p = dst; *p; p++)
        *p = (char)toupper((unsigned char)*p);
}

/* Blanks around a value are none of it, as in the file. */
static bool is_set(const char *value)
{
    return value && value[strspn(value, BLANKS)];
}

/* free(); NULL without memory. */
static char *without_blanks(const char *value)
{
    size_t n;

    value += strspn(value, BLANKS);
    n = strlen(value);
    while (n > 0 && strchr(BLANKS, value[n - 1]))
        n--;
    return str_ndup(value, n);
}

/* The variable that gives this option a value, by name; an empty one counts as not set. */
static const char *env_value(const struct config_option *o, char name[CONFIG_ENV_NAME_MAX])
{
    const char *value;

    config_env_name(o, name);
    value = getenv(name);
    if (is_set(value) || !o->env_alias)
        return is_set(value) ? value : NULL;
    str_copy(name, CONFIG_ENV_NAME_MAX, o->env_alias);
    value = getenv(name);
    return is_set(value) ? value : NULL;
}

static int take_value(struct config *c, size_t i, const char *given, struct err *err)
{
    char *value = without_blanks(given);
    int rc = value ? config_set_value(c, i, value, CONFIG_FROM_ENV, err)
                   : err_no_memory(err, strlen(given), "an option");

    free(value);
    return rc;
}

/* What another program is told in its own words counts as not said, until somebody uses it. */
static void take_foreign(struct config *c, size_t i, const char *value, const char *name)
{
    if (c->foreign.code)
        return;
    take_value(c, i, value, &c->foreign);
    err_prefix(&c->foreign, "the environment's %s", name);
}

int config_read_environment(struct config *c, struct err *err)
{
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++) {
        char name[CONFIG_ENV_NAME_MAX];
        const char *value = env_value(&config_table[i], name);
        int rc = value ? take_value(c, i, value, err) : 0;

        if ((rc == ERR_INVALID || rc == ERR_LIMIT) && !str_starts(name, "RBEE_")) {
            take_foreign(c, i, value, name);
        } else if (rc) {
            err_prefix(err, "the environment's %s", name);
            return rc;
        } else if (value) {
            c->values[i].alias = !str_starts(name, "RBEE_");
        }
    }
    return 0;
}
