/* card_json.c - a card's text: written, and read back like anything from outside; see card.h. */
#include <limits.h>
#include <string.h>

#include <jansson.h>

#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "hive/catalog/card.h"

/* What card_parse knows; all else is kept as it is. */
static const char *const known[] = {"version", "repo", "commit", "quantization",
                                    "origin",  "refs", "files",  "verdict"};

/* The text up to where it was cut within a character. */
static json_t *text_json(const char *text)
{
    json_t *whole = json_stringn(text, str_utf8_whole(text, strlen(text)));

    return whole ? whole : json_string("");
}

/* NULL where there is none. */
static json_t *verdict_json(const struct catalog_verdict *v)
{
    return v->judge[0] ? json_pack("{s:o, s:o, s:o, s:o}", "judge", text_json(v->judge), "code",
                                   text_json(v->code), "message", text_json(v->message), "license",
                                   text_json(v->license))
                       : NULL;
}

static json_t *to_json(const struct card *c)
{
    json_t *files = json_array(), *refs = json_array(), *root;

    for (size_t i = 0; i < c->n_files; i++)
        json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "name", c->files[i].name, "size",
                                               (json_int_t)c->files[i].size_bytes, "sha256",
                                               c->files[i].sha256));
    for (size_t i = 0; i < c->n_refs; i++)
        json_array_append_new(refs, json_string(c->refs[i]));
    root = json_pack("{s:i, s:s, s:s, s:s, s:s*, s:o, s:o, s:o*}", "version", CARD_VERSION, "repo",
                     c->repo, "commit", c->commit, "quantization", c->quantization, "origin",
                     c->origin, "refs", refs, "files", files, "verdict", verdict_json(&c->verdict));
    if (root && c->more && json_object_update_missing(root, c->more)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* What is not known here may be nested as deeply as JSON may be: with blanks before each line it
 * would have many times its bytes. */
char *card_text(const struct card *c)
{
    unsigned n_failed = json_guard_n_failed();
    json_t *root = to_json(c);
    char *text = NULL;

    if (root && json_guard_n_failed() == n_failed) /* else a part of it may be missing */
        text = json_write(root, c->more ? JSON_COMPACT : JSON_INDENT(2));
    json_decref(root);
    return text;
}

static bool take_files(struct card *c, json_t *files)
{
    json_t *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        const char *name, *sha256;
        json_int_t size;

        if (json_unpack(file, "{s:s, s:I, s:s}", "name", &name, "size", &size, "sha256", &sha256) ||
            size < 0 || card_add_noted_file(c, name, (uint64_t)size, sha256, NULL))
            return false;
    }
    return c->n_files > 0;
}

static bool take_refs(struct card *c, json_t *refs)
{
    json_t *ref;
    size_t i;

    json_array_foreach(refs, i,
                       ref) if (!json_is_string(ref) ||
                                card_add_ref(c, json_string_value(ref), NULL)) return false;
    return true;
}

/* One that makes no sense is none: the file is judged again when it comes to that. */
static void take_verdict(struct catalog_verdict *v, json_t *verdict)
{
    const char *judge, *code, *message, *license;
    struct catalog_verdict told = {0};

    if (json_unpack(verdict, "{s:s, s:s, s:s, s:s}", "judge", &judge, "code", &code, "message",
                    &message, "license", &license) == 0 &&
        str_copy(told.judge, sizeof told.judge, judge) &&
        str_copy(told.code, sizeof told.code, code) &&
        str_copy(told.message, sizeof told.message, message) &&
        str_copy(told.license, sizeof told.license, license))
        *v = told;
}

/* Of a later rbee that had no reason to call it another version. */
static void take_more(struct card *c, json_t *root)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        json_object_del(root, known[i]);
    if (json_object_size(root))
        c->more = json_incref(root);
}

int card_text_version(const char *text, size_t n)
{
    json_error_t why = {0};
    json_t *root = json_load_bounded(text, n, 0, &why);
    json_int_t version = json_integer_value(json_object_get(root, "version"));

    if (!root && json_is_no_memory(&why))
        return ERR_NO_MEMORY;
    json_decref(root);
    return version < 0 ? 0 : version > INT_MAX ? INT_MAX : (int)version;
}

struct card *card_parse(const char *models_dir, const char *text, size_t n)
{
    const char *repo, *commit, *quantization, *origin = NULL;
    struct card *c = NULL;
    json_t *root = json_load_bounded(text, n, 0, NULL), *refs, *files;
    json_int_t version;

    if (json_unpack(root, "{s:I, s:s, s:s, s:s, s?s, s:o, s:o}", "version", &version, "repo", &repo,
                    "commit", &commit, "quantization", &quantization, "origin", &origin, "refs",
                    &refs, "files", &files) == 0 &&
        version == CARD_VERSION &&
        card_create(models_dir, repo, commit, quantization, &c, NULL) == 0 &&
        (!take_files(c, files) || !take_refs(c, refs) ||
         (origin && card_set_origin(c, origin, NULL)))) {
        card_free(c);
        c = NULL;
    }
    if (c) {
        take_verdict(&c->verdict, json_object_get(root, "verdict"));
        take_more(c, root);
    }
    json_decref(root);
    return c;
}
