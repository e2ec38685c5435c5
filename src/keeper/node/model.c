/* model.c - see model.h. */
#include "keeper/node/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/modelref.h"
#include "base/str.h"

static int refuse(struct keeper *k, const struct err *err)
{
    struct api_error e;

    api_error_set(&e, API_INVALID_MODEL_REF, "keeper", "%s", err->text);
    if (strstr(err->text, "write ")) /* it names the forms itself, as the table's hint would */
        e.details = json_pack("{s:s}", "hint", "`rbee-keeper models list` shows what is there.");
    return keeper_fail(k, &e);
}

static bool is_relative(const struct model_ref *ref)
{
    return ref->kind == MODEL_REF_FILE && ref->path[0] != '/';
}

bool model_name_is_relative(const char *typed)
{
    struct model_ref ref;
    struct err err;
    bool is = model_ref_parse(typed, &ref, &err) == 0 && is_relative(&ref);

    model_ref_done(&ref);
    return is;
}

char *model_name_canonical(const char *typed)
{
    struct model_ref ref;
    struct err err;
    char *text = model_ref_parse(typed, &ref, &err) == 0 ? model_ref_text(&ref) : NULL;

    model_ref_done(&ref);
    return text;
}

/* The one that we stand in. */
static bool is_gone_folder(void)
{
    char *cwd = getcwd(NULL, 0);
    bool gone = !cwd && errno == ENOENT;

    free(cwd);
    return gone;
}

int model_name_read(struct keeper *k, const char *typed, struct model_name *out)
{
    struct model_ref ref;
    struct err err = {0};
    int rc = CLI_GO;

    *out = (struct model_name){0};
    if (model_ref_parse(typed, &ref, &err)) {
        rc = refuse(k, &err);
    } else if (is_relative(&ref) && !k->node.local) {
        rc = keeper_usage(k,
                          "the model's path '%.200s' is relative, but the node %.100s is another "
                          "machine; write the full path it has there",
                          typed, k->node.name);
    } else {
        out->remote = ref.kind == MODEL_REF_HF;
        out->text = model_ref_text(&ref);
        if (!out->text && is_relative(&ref) && is_gone_folder()) {
            err_set(&err, ERR_NOT_FOUND,
                    "the folder that '%.200s' begins in, the current one, was deleted", typed);
            rc = refuse(k, &err);
        } else if (!out->text) {
            err_no_memory(&err, MODEL_REF_MAX, "the model's name");
            rc = keeper_fail_err(k, API_INTERNAL, &err);
        } else if (!str_is_utf8(out->text, strlen(out->text))) { /* by the folder one stands in */
            err_set(&err, ERR_INVALID,
                    "the full path of '%.200s' is not UTF-8, so that no hive can be asked for it",
                    typed);
            rc = refuse(k, &err);
        } else if (strlen(out->text) > MODEL_REF_MAX) {
            err_set(&err, ERR_INVALID, "the full path of '%.200s' has %zu bytes, the limit is %d",
                    typed, strlen(out->text) - strlen("file://"), MODEL_REF_PATH_MAX);
            rc = refuse(k, &err);
        }
    }
    model_ref_done(&ref);
    return rc;
}

void model_name_done(struct model_name *m)
{
    free(m->text);
    m->text = NULL;
}
