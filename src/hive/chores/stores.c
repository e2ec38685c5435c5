/* stores.c - see stores.h: what both stores need. */
#include "hive/chores/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/chores/stores_internal.h"
#include "hive/disk/reach.h"

void store_model_done(struct store_model *m)
{
    for (size_t i = 0; i < m->n_files; i++) {
        free(m->files[i].path);
        free(m->files[i].name);
    }
    free(m->files);
    free(m->store);
    free(m->name);
    free(m->model_ref);
    free(m->repo);
    free(m->commit);
    *m = (struct store_model){0};
}

static bool copy_file(const struct store_file *from, struct store_file *to)
{
    *to = *from;
    to->path = str_dup(from->path);
    to->name = str_dup(from->name);
    return to->path && to->name;
}

int store_model_copy(const struct store_model *m, struct store_model *out)
{
    bool ok;

    *out = (struct store_model){.store = str_dup(m->store),
                                .name = str_dup(m->name),
                                .model_ref = str_dup(m->model_ref),
                                .repo = str_dup(m->repo),
                                .commit = str_dup(m->commit),
                                .files = calloc(m->n_files, sizeof *out->files),
                                .beside = m->beside};
    str_copy(out->quant, sizeof out->quant, m->quant);
    ok = out->store && out->name && out->model_ref && out->repo && out->commit && out->files;
    for (size_t i = 0; i < m->n_files && ok; i++, out->n_files++)
        ok = copy_file(&m->files[i], &out->files[i]);
    if (!ok)
        store_model_done(out);
    return ok ? 0 : -1;
}

bool store_has_room(struct store_walk *w, const char *what)
{
    if (w->n_seen < STORE_MODELS_MAX || (w->scan->name && strstr(w->scan->name, what))) {
        w->n_seen++;
        return true;
    }
    w->scan->n_past_limit++;
    return false;
}

bool store_may_look(struct store_walk *w, const char *path)
{
    if (!w->enough && w->rc == 0)
        w->rc = reach_check(w->reach, path, w->err);
    return !w->enough && w->rc == 0;
}

/* A folder that this account may not come to is not "no folder". */
static int look_for(const char *dir, bool *is_there, struct err *err)
{
    struct stat st;

    *is_there = stat(dir, &st) == 0 && S_ISDIR(st.st_mode);
    if (*is_there || access(dir, F_OK) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    return err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot look into %s", dir);
}

int store_first_dir(struct reach *r, char *const *choices, size_t n, char **out, struct err *err)
{
    struct err why = {0};
    int rc = 0;

    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        bool asked = choices[i] && !*out && rc == 0, is_there = false;

        if (asked)
            rc = reach_check(r, choices[i], err);
        if (asked && rc == 0 && why.code == 0)
            look_for(choices[i], &is_there, &why);
        else if (asked && rc == 0)
            is_there = path_is_dir(choices[i]);
        if (is_there)
            *out = choices[i];
        else
            free(choices[i]);
    }
    if (rc == 0 && !*out && why.code)
        rc = err_set(err, why.code, "%s", why.text);
    return rc;
}

char *store_under(const char *variable, const char *name)
{
    const char *value = getenv(variable);

    if (!value || value[0] != '/')
        return NULL;
    return name[0] ? path_join(value, name) : str_dup(value);
}
