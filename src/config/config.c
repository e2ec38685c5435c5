/* config.c - a configuration's life and its values; see config.h. One thread. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/path.h"
#include "base/str.h"
#include "config/internal.h"

int config_set_value(struct config *c, size_t i, const char *value, enum config_source source,
                     struct err *err)
{
    char *copy;
    int rc = config_check_value(&config_table[i], value, err);

    if (rc)
        return rc;
    copy = str_dup(value);
    if (!copy)
        return err_no_memory(err, strlen(value), config_table[i].key);
    free(c->values[i].text);
    c->values[i] = (struct config_value){.text = copy, .source = source};
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
        rc = config_read_file(c, err);
    if (rc == 0)
        rc = config_read_environment(c, err);
    if (rc) {
        config_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

int config_check_foreign(const struct config *c, struct err *err)
{
    if (!c->foreign.code)
        return 0;
    return err_set(err, c->foreign.code, "%s", c->foreign.text);
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
    char flag[CONFIG_ENV_NAME_MAX];
    int rc = config_set_value(c, config_must_find(section, key), value, CONFIG_FROM_FLAG, err);

    if (rc) {
        flag_name(key, flag, sizeof flag);
        err_prefix(err, "%s", flag);
    }
    return rc;
}

/* ---- values ---- */

const char *config_text(const struct config *c, const char *section, const char *key)
{
    size_t i = config_must_find(section, key);

    return c->values[i].text ? c->values[i].text : config_table[i].fallback;
}

int64_t config_int(const struct config *c, const char *section, const char *key)
{
    int64_t v = 0;

    if (config_table[config_must_find(section, key)].kind != CONFIG_INT)
        BUG("[%s] %s is no number", section, key);
    BUG_ON(str_to_i64(config_text(c, section, key), &v));
    return v;
}

int64_t config_duration_ms(const struct config *c, const char *section, const char *key)
{
    int64_t ms = 0;

    if (config_table[config_must_find(section, key)].kind != CONFIG_DURATION)
        BUG("[%s] %s is no duration", section, key);
    BUG_ON(str_to_duration_ms(config_text(c, section, key), &ms));
    return ms;
}

enum config_source config_source_of(const struct config *c, const char *section, const char *key)
{
    return c->values[config_must_find(section, key)].source;
}

const char *config_source_text(const struct config *c, const char *section, const char *key,
                               char *dst, size_t dst_size)
{
    size_t i = config_must_find(section, key);
    char name[CONFIG_ENV_NAME_MAX];

    switch (c->values[i].source) {
    case CONFIG_FROM_DEFAULT:
        str_copy(dst, dst_size, "default");
        break;
    case CONFIG_FROM_FILE:
        str_copy(dst, dst_size, c->path);
        break;
    case CONFIG_FROM_ENV:
        config_env_name(&config_table[i], name);
        snprintf(dst, dst_size, "environment %s",
                 c->values[i].alias ? config_table[i].env_alias : name);
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
