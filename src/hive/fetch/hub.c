/* hub.c - see hub.h: URLs and the answer's JSON. The choice is in hub_choose.c. */
#include "hive/fetch/hub.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/json_load.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"

#define URL_MAX           8192
#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53: numbers are read as doubles */

/* Percent-encodes all but unreserved characters (RFC 3986, 2.3); '/' stays when asked. */
static void put_escaped(struct buf *url, const char *text, bool keep_slash)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((isascii(*p) && isalnum(*p)) || strchr("-._~", *p) || (keep_slash && *p == '/'))
            buf_putc(url, (char)*p);
        else
            buf_printf(url, "%%%02X", *p);
    }
}

static void put_endpoint(struct buf *url, const char *endpoint)
{
    size_t n = strlen(endpoint);

    while (n > 0 && endpoint[n - 1] == '/')
        n--;
    buf_put(url, endpoint, n);
}

char *hub_api_url(const char *endpoint, const char *repo, const char *revision)
{
    struct buf url;

    buf_init(&url, URL_MAX);
    put_endpoint(&url, endpoint);
    buf_puts(&url, "/api/models/");
    put_escaped(&url, repo, true);
    buf_puts(&url, "/revision/");
    put_escaped(&url, revision ? revision : "main", false);
    buf_puts(&url, "?blobs=true");
    return buf_take(&url);
}

char *hub_file_url(const char *endpoint, const char *repo, const char *commit, const char *file)
{
    struct buf url;

    buf_init(&url, URL_MAX);
    put_endpoint(&url, endpoint);
    buf_putc(&url, '/');
    put_escaped(&url, repo, true);
    buf_puts(&url, "/resolve/");
    put_escaped(&url, commit, false);
    buf_putc(&url, '/');
    put_escaped(&url, file, true);
    return buf_take(&url);
}

/* ---- the answer ---- */

/* A path that stays inside the repository: no empty part, no "." or "..", no control bytes. */
static bool is_file_name(const char *name)
{
    for (const char *p = name;;) {
        size_t n = strcspn(p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p < 0x20 || *p == 0x7f || *p == '\\')
            return false;
    return true;
}

static uint64_t size_of(const json_t *object)
{
    double v = json_number_value(json_object_get(object, "size"));

    return v > 0 && v <= EXACT_INTEGER_MAX ? (uint64_t)v : 0;
}

static void take_sha256(const json_t *lfs, char dst[DIGEST_SHA256_BYTES])
{
    const char *text = json_string_value(json_object_get(lfs, "sha256"));
    size_t n = text ? strlen(text) : 0;

    dst[0] = '\0';
    if (n != DIGEST_SHA256_BYTES - 1)
        return;
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)text[i])) {
            dst[0] = '\0';
            return;
        }
        dst[i] = (char)tolower((unsigned char)text[i]);
    }
    dst[n] = '\0';
}

static bool is_candidate(const struct hub_file *f)
{
    return !quant_is_beside(f->name) && (!f->is_part || f->number == 1);
}

/* One entry of "siblings"; those that are no GGUF files are passed over, those whose names are too
 * long for a file here are counted. */
static int take_file(struct hub_repo *r, const json_t *entry, struct err *err)
{
    const char *name = json_string_value(json_object_get(entry, "rfilename"));
    const json_t *lfs = json_object_get(entry, "lfs");
    struct hub_file *f = &r->files[r->n_files];

    if (!name || !quant_is_gguf(name) || !is_file_name(name))
        return 0;
    if (path_safe_length(name) > PATH_COMPONENT_MAX) {
        r->n_too_long++;
        return 0;
    }
    *f = (struct hub_file){.name = str_dup(name)};
    if (!f->name)
        return err_no_memory(err, strlen(name), "a file's name");
    f->size_bytes = size_of(lfs) ? size_of(lfs) : size_of(entry);
    take_sha256(lfs, f->sha256);
    if (!quant_of_name(name, f->quant))
        f->quant[0] = '\0';
    f->is_part = quant_split_of_name(name, &f->number, &f->count, &f->stem);
    f->is_candidate = is_candidate(f);
    r->n_files++;
    return 0;
}

/* ---- in order ---- */

/* A name comes before what it is the beginning of. */
static int by_name(const void *x, const void *y)
{
    const struct hub_file *a = x, *b = y;

    return strcmp(a->name, b->name);
}

static void drop_doubles(struct hub_repo *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n_files; i++) {
        if (kept > 0 && str_eq(r->files[kept - 1].name, r->files[i].name))
            free(r->files[i].name);
        else
            r->files[kept++] = r->files[i];
    }
    r->n_files = kept;
}

/* By quantisation; of one the shorter name, then the earlier in the alphabet, which stands first.
 */
static int by_quant(const void *x, const void *y)
{
    const struct hub_file *a = *(struct hub_file *const *)x, *b = *(struct hub_file *const *)y;
    int order = strcmp(a->quant, b->quant);
    size_t n = strlen(a->name), m = strlen(b->name);

    if (order)
        return order;
    return n != m ? (n < m ? -1 : 1) : strcmp(a->name, b->name);
}

static int find_meant(struct hub_repo *r, struct err *err)
{
    struct hub_file **list = calloc(r->n_files + 1, sizeof(struct hub_file *));
    size_t n = 0;

    if (!list)
        return err_no_memory(err, r->n_files * sizeof *list, "the list of files");
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i].is_candidate && r->files[i].quant[0])
            list[n++] = &r->files[i];
    qsort(list, n, sizeof *list, by_quant);
    for (size_t i = 0; i < n; i++)
        list[i]->is_meant = i == 0 || !str_eq(list[i - 1]->quant, list[i]->quant);
    free(list);
    return 0;
}

static int put_in_order(struct hub_repo *r, struct err *err)
{
    qsort(r->files, r->n_files, sizeof *r->files, by_name);
    drop_doubles(r);
    return find_meant(r, err);
}

/* ---- the whole answer ---- */

static int take_all(struct hub_repo *r, const json_t *root, struct err *err)
{
    const char *commit = json_string_value(json_object_get(root, "sha"));
    json_t *siblings = json_object_get(root, "siblings"), *entry;
    size_t i, n = json_array_size(siblings);
    int rc = 0;

    if (!commit || !commit[0] || strlen(commit) >= sizeof r->commit || !json_is_array(siblings))
        return err_set(err, ERR_INVALID, "the hub's answer names no commit or no files");
    if (n > HUB_FILES_MAX)
        return err_set(err, ERR_LIMIT, "the repository has %zu files, more than %d are not taken",
                       n, HUB_FILES_MAX);
    str_copy(r->commit, sizeof r->commit, commit);
    r->files = calloc(n ? n : 1, sizeof *r->files);
    if (!r->files)
        return err_no_memory(err, n * sizeof *r->files, "the list of files");
    json_array_foreach(siblings, i, entry) if (rc == 0) rc = take_file(r, entry, err);
    return rc ? rc : put_in_order(r, err);
}

int hub_parse(const char *body, size_t n, struct hub_repo *out, struct err *err)
{
    json_error_t why;
    /* The hub's answers hold numbers past 64 bits; as reals they are no trouble. */
    json_t *root = json_load_bounded(body, n, JSON_DECODE_INT_AS_REAL, &why);
    int rc;

    *out = (struct hub_repo){0};
    if (!root && json_is_too_many(&why))
        return err_set(err, ERR_INVALID, "the hub's answer cannot be taken: %s", why.text);
    if (!root)
        return err_set(err, ERR_INVALID, "the hub's answer is no JSON (byte %d)", why.position);
    rc = take_all(out, root, err);
    json_decref(root);
    return rc;
}

void hub_repo_done(struct hub_repo *r)
{
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i].name);
    free(r->files);
    *r = (struct hub_repo){0};
}
