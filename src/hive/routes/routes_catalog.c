/* routes_catalog.c - /v1/models/...: verify, prune, import, export. The work is theirs. */
#include <stdlib.h>

#include "api/fields.h"
#include "api/modelref.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/chores/export.h"
#include "hive/chores/import.h"
#include "hive/chores/prune.h"
#include "hive/chores/verify.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/models.h"
#include "hive/routes/routes.h"

#define PATH_TEXT_MAX 4096

static void post_verify(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *ref = NULL, *body;
    struct api_error e = {0};
    struct fields f;
    size_t n;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    fields_text(&f, "model_ref", false, MODEL_REF_MAX, &ref);
    if (fields_end(&f, &e, REPLY_SRC))
        reply_error(x, 0, &e);
    else
        verify_run(h, x, ref);
    fields_done(&f);
}

static void get_prune(struct hive *h, struct http_exchange *x, const char *id)
{
    struct api_error e = {0};
    json_t *plan = NULL;

    (void)id;
    if (prune_plan(h->models, &plan, &e))
        reply_error(x, 0, &e);
    else
        reply_json(x, 200, plan);
}

static void post_prune(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *plan = NULL, *body;
    struct unlinked u = {0};
    struct api_error e = {0};
    json_t *done = NULL;
    struct fields f;
    size_t n;
    int rc;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    fields_text(&f, "plan", true, 64, &plan);
    rc = fields_end(&f, &e, REPLY_SRC);
    if (rc)
        reply_error(x, 0, &e);
    else if (prune_run(h->models, plan, &u, &done, &e))
        reply_error(x, e.code == API_INVALID_REQUEST ? 409 : 0, &e);
    else
        unlinked_reply(&u, h->tasks, x, 200, done);
    fields_done(&f);
}

static void post_export(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *ref = NULL, *dir = NULL, *body;
    struct api_error e = {0};
    struct fields f;
    size_t n;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    fields_text(&f, "model_ref", true, MODEL_REF_MAX, &ref);
    if (fields_text(&f, "dir", true, PATH_TEXT_MAX, &dir) && dir[0] != '/')
        fields_fail(&f, "dir", "a full path", "the hive stands in another folder");
    if (fields_end(&f, &e, REPLY_SRC) || models_reach(h->models, dir, &e))
        reply_error(x, 0, &e);
    else
        export_run(h, x, ref, dir);
    fields_done(&f);
}

/* ---- import ---- */

struct asked {
    const char *path, *store, *name, *as, *how;
    enum place_wish wish;
};

/* "share", "copy", "move"; false when it is another word. */
static bool read_wish(const char *how, enum place_wish *out)
{
    *out = PLACE_SHARE;
    if (!how || str_eq(how, "share"))
        return true;
    *out = str_eq(how, "copy") ? PLACE_COPY : PLACE_MOVE;
    return str_eq(how, "copy") || str_eq(how, "move");
}

static void read_fields(struct fields *f, struct asked *a)
{
    fields_text(f, "path", false, PATH_TEXT_MAX, &a->path);
    fields_text(f, "store", false, 32, &a->store);
    fields_text(f, "name", false, MODEL_REF_MAX, &a->name);
    fields_text(f, "as", false, MODEL_REF_LOCAL_MAX, &a->as);
    fields_text(f, "how", false, 16, &a->how);
    if (!a->path == !a->store)
        fields_fail(f, "path", "path or store", "one of them says what is to be imported");
    if (a->path && a->path[0] != '/')
        fields_fail(f, "path", "a full path", "the hive stands in another folder");
    if (a->store && !str_eq(a->store, STORE_HF_WORD) && !str_eq(a->store, STORE_OLLAMA_WORD))
        fields_fail(f, "store", STORE_HF_WORD " or " STORE_OLLAMA_WORD, "no other store is known");
    if (!read_wish(a->how, &a->wish))
        fields_fail(f, "how", "share, copy or move", "this is another word");
    if (a->store && a->wish == PLACE_MOVE)
        fields_fail(f, "how", "share or copy", "other programs' stores are only read");
    if (a->store && a->as)
        fields_fail(f, "as", "nothing with a store", "its models keep their names");
}

static int make_list(struct hive *h, const struct asked *a, struct import_list *list,
                     struct err *err)
{
    if (a->store)
        return import_list_store(h->reach, a->store, a->name, a->wish, list, err);
    if (!path_is_dir(a->path))
        return import_list_file(h->reach, a->path, a->as, a->wish, list, err);
    if (a->as)
        return err_set(err, ERR_INVALID,
                       "%s is a folder, whose models keep the names that its list gives them; a "
                       "name can be chosen for a file",
                       a->path);
    /* It may be on a stick: nothing refers to it afterwards. */
    return import_list_folder(h->reach, a->path, a->wish == PLACE_SHARE ? PLACE_WHOLE : a->wish,
                              list, err);
}

static enum api_code code_of(int rc)
{
    return rc == ERR_NOT_FOUND     ? API_MODEL_NOT_FOUND
           : rc == ERR_UNREACHABLE ? API_DISK_NOT_ANSWERING
           : rc == ERR_NO_MEMORY   ? API_INTERNAL
                                   : API_INVALID_REQUEST;
}

static void post_import(struct hive *h, struct http_exchange *x, const char *id)
{
    struct import_list list = {0};
    struct api_error e = {0};
    struct err err = {0};
    struct asked a = {0};
    struct fields f;
    const char *body;
    size_t n;
    int rc;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    read_fields(&f, &a);
    if (fields_end(&f, &e, REPLY_SRC) || (a.path && models_reach(h->models, a.path, &e)))
        reply_error(x, 0, &e);
    else if ((rc = make_list(h, &a, &list, &err)))
        reply_fail(x, code_of(rc), "%s", err.text);
    else
        import_run(h, x, &list);
    fields_done(&f);
}

static void add_found(json_t *rows, const struct import_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct store_model *m = &list->items[i].m;
        struct err refused = {0};
        uint64_t sum = 0;

        store_check_parts(m, &refused);
        for (size_t k = 0; k < m->n_files; k++)
            sum += m->files[k].size_bytes;
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:s*}", "store", m->store, "name",
                            m->name, "model_ref", m->model_ref, "quantization", m->quant,
                            "size_bytes", (json_int_t)sum, "path", m->files[0].path, "left_out",
                            store_left_out(m), "refused", refused.text[0] ? refused.text : NULL));
    }
}

/* What other programs keep here. */
static void get_import(struct hive *h, struct http_exchange *x, const char *id)
{
    static const char *const stores[] = {STORE_HF_WORD, STORE_OLLAMA_WORD};
    json_t *rows = json_array();
    struct import_list list;
    struct err err;
    size_t n_past_limit = 0;
    struct err unread = {0};
    int rc = 0;

    (void)id;
    for (size_t i = 0; i < sizeof stores / sizeof stores[0] && rc != ERR_UNREACHABLE; i++) {
        rc = import_list_store(h->reach, stores[i], NULL, PLACE_SHARE, &list, &err);
        if (rc == 0)
            add_found(rows, &list);
        else if (rc != ERR_NOT_FOUND && unread.code == 0)
            unread = err;
        n_past_limit += list.n_past_limit;
        import_list_done(&list);
    }
    if (rc != ERR_UNREACHABLE) {
        reply_json(x, 200,
                   json_pack("{s:o, s:I, s:s*}", "found", rows, "not_looked_at",
                             (json_int_t)n_past_limit, "unread", unread.code ? unread.text : NULL));
        return;
    }
    json_decref(rows);
    reply_fail(x, code_of(rc), "%s", err.text);
}

const struct route routes_catalog[] = {
    {"POST", "/v1/models/verify", post_verify},    {"GET", "/v1/models/prune", get_prune},
    {"POST", "/v1/models/prune", post_prune},      {"GET", "/v1/models/import", get_import},
    {"POST", "/v1/models/import", post_import},    {"POST", "/v1/models/export", post_export},
    {"GET", "/v1/models/files", routes_get_files}, {0},
};
