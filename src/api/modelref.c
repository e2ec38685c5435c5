/*
 * modelref.c - reads and spells model references; see modelref.h and the contract, section 4.
 *
 * Texts from outside only: nothing is looked up, no file is touched. Any thread.
 */
#include "api/modelref.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

#define REPO_PART_MAX 96 /* the hub's own limit for an owner's and a repository's name */
#define QUANT_MAX     32
#define FILE_PART_MAX 200
#define REVISION_MAX  200

#define FORMS                                                                                      \
    "write hf:org/repo, hf:org/repo:Q4_K_M, hf:org/repo:file.gguf, a path such as ./x.gguf, or "   \
    "tiny"

/* The text as it may be shown: it passed model_ref_parse's check for control bytes. */
static int refuse(struct err *err, const char *text, const char *why)
{
    return err_set(err, ERR_INVALID, "'%.120s' is no model reference: %s", text, why);
}

static bool is_word(const char *s, size_t n, const char *also, size_t max)
{
    if (n == 0 || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)s[i]) || (!isalnum((unsigned char)s[i]) && !strchr(also, s[i])))
            return false;
    return true;
}

static bool is_dots(const char *s, size_t n)
{
    return (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

/* "a/b/c": no part empty, none "." or "..", none too long, and each made of the given characters
 * (also == NULL: of any but control bytes, '\\', ':' and '@'). */
static bool is_relative(const char *s, const char *also, size_t part_max)
{
    for (;;) {
        size_t n = strcspn(s, "/");

        if (n == 0 || n > part_max || is_dots(s, n))
            return false;
        if (also && !is_word(s, n, also, part_max))
            return false;
        if (!also && strcspn(s, "\\:@") < n)
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool is_repo(const char *s)
{
    const char *slash = strchr(s, '/');
    size_t org_n, repo_n;

    if (!slash || strstr(s, ".."))
        return false;
    org_n = (size_t)(slash - s);
    repo_n = strlen(slash + 1);
    return is_word(s, org_n, "._-", REPO_PART_MAX) &&
           is_word(slash + 1, repo_n, "._-", REPO_PART_MAX) && !is_dots(s, org_n) &&
           !is_dots(slash + 1, repo_n);
}

static bool is_gguf_name(const char *s)
{
    size_t n = strlen(s);

    return n >= 5 && strcasecmp(s + n - 5, ".gguf") == 0;
}

static int set_text(char **dst, const char *s, struct err *err)
{
    *dst = str_dup(s);
    return *dst ? 0 : err_no_memory(err, strlen(s) + 1, "a model reference");
}

/* What stands behind "hf:org/repo:": a file's name or a quantisation. */
static int parse_choice(const char *text, const char *choice, struct model_ref *out,
                        struct err *err)
{
    if (is_gguf_name(choice)) {
        if (!is_relative(choice, NULL, FILE_PART_MAX))
            return refuse(err, text, "the file's name is empty, too long or leaves the repository");
        return set_text(&out->file, choice, err);
    }
    if (!is_word(choice, strlen(choice), "_-.", QUANT_MAX))
        return refuse(err, text,
                      "behind the second ':' stands a quantisation such as Q4_K_M, or a file whose "
                      "name ends in .gguf");
    if (set_text(&out->quant, choice, err))
        return ERR_NO_MEMORY;
    for (char *p = out->quant; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return 0;
}

/* `rest` is a copy of what follows "hf:" and is cut up here. */
static int parse_hf(const char *text, char *rest, struct model_ref *out, struct err *err)
{
    char *at = strrchr(rest, '@'), *colon;

    if (at)
        *at = '\0';
    colon = strchr(rest, ':');
    if (colon)
        *colon = '\0';
    if (!is_repo(rest))
        return refuse(err, text,
                      "behind hf: stand an owner and a repository, org/repo, of letters, digits, "
                      "'.', '_' and '-'");
    if (at && (!is_relative(at + 1, "._-+", REVISION_MAX) || strlen(at + 1) > REVISION_MAX))
        return refuse(err, text, "behind the '@' stands a revision: a branch, a tag or a commit");
    if (set_text(&out->repo, rest, err))
        return ERR_NO_MEMORY;
    if (at && !str_eq(at + 1, "main") && set_text(&out->revision, at + 1, err))
        return ERR_NO_MEMORY;
    return colon ? parse_choice(text, colon + 1, out, err) : 0;
}

/* A path must name something: "/", "./." and the like do not. */
static int parse_path(const char *text, const char *path, struct model_ref *out, struct err *err)
{
    if (strlen(path) > MODEL_REF_PATH_MAX)
        return err_set(err, ERR_INVALID, "the model's path has %zu bytes, the limit is %d",
                       strlen(path), MODEL_REF_PATH_MAX);
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");

        if (n > 0 && !(n == 1 && p[0] == '.'))
            return set_text(&out->path, path, err);
        p += n + (p[n] == '/');
    }
    return refuse(err, text, "the path names no file");
}

/* "llama3", "llama3:8b", "hf.co/org/repo:tag": parts of letters, digits, '.', '_', '-', ':'. */
static int parse_local(const char *text, struct model_ref *out, struct err *err)
{
    const char *name = text + strlen(MODEL_REF_LOCAL_WORD);

    out->kind = MODEL_REF_LOCAL;
    if (!is_relative(name, "._-:", MODEL_REF_LOCAL_MAX) || strlen(name) > MODEL_REF_LOCAL_MAX)
        return refuse(err, text,
                      "behind local: stands the name of something imported, of letters, digits, "
                      "'.', '_', '-' and ':'");
    return set_text(&out->repo, text, err);
}

static int parse_file_url(const char *text, struct model_ref *out, struct err *err)
{
    if (!str_starts(text, "file:///"))
        return refuse(err, text, "a file is named file:///full/path/x.gguf, without a host");
    return parse_path(text, text + strlen("file://"), out, err);
}

static int parse_unknown(const char *text, struct err *err)
{
    const char *colon = strchr(text, ':');

    if (colon)
        return err_set(err, ERR_INVALID,
                       "'%.120s' names the provider '%.*s', which is not known; " FORMS, text,
                       colon - text > 40 ? 40 : (int)(colon - text), text);
    if (is_gguf_name(text) && is_relative(text, NULL, FILE_PART_MAX))
        return err_set(err, ERR_INVALID,
                       "'%.120s' is no model reference; for the file of that name write ./%.120s",
                       text, text);
    if (is_repo(text))
        return err_set(err, ERR_INVALID, "'%.120s' is no model reference; did you mean hf:%.120s?",
                       text, text);
    return err_set(err, ERR_INVALID, "'%.120s' is no model reference; " FORMS, text);
}

static bool is_path(const char *text)
{
    return text[0] == '/' || str_starts(text, "./") || str_starts(text, "../") ||
           str_starts(text, "~/");
}

int model_ref_parse(const char *text, struct model_ref *out, struct err *err)
{
    size_t n = strlen(text);
    char *rest;
    int rc;

    *out = (struct model_ref){.kind = MODEL_REF_FILE};
    if (n == 0)
        return err_set(err, ERR_INVALID, "the model reference is empty; " FORMS);
    if (n > MODEL_REF_MAX)
        return err_set(err, ERR_INVALID, "the model reference has %zu bytes, the limit is %d", n,
                       MODEL_REF_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(err, ERR_INVALID,
                           "the model reference holds the control byte 0x%02x at offset %zu",
                           (unsigned char)text[i], i);
    if (!str_is_utf8(text, n))
        return err_set(err, ERR_INVALID, "the model reference is no UTF-8 text");
    if (str_eq(text, "tiny")) {
        out->kind = MODEL_REF_TINY;
        return 0;
    }
    if (str_starts(text, "file:"))
        return parse_file_url(text, out, err);
    if (is_path(text))
        return parse_path(text, text, out, err);
    if (str_starts(text, MODEL_REF_LOCAL_WORD))
        return parse_local(text, out, err);
    if (!str_starts(text, "hf:"))
        return parse_unknown(text, err);
    out->kind = MODEL_REF_HF;
    rest = str_dup(text + 3);
    if (!rest)
        return err_no_memory(err, n, "a model reference");
    rc = parse_hf(text, rest, out, err);
    free(rest);
    return rc;
}

void model_ref_done(struct model_ref *r)
{
    if (!r)
        return;
    free(r->path);
    free(r->repo);
    free(r->quant);
    free(r->file);
    free(r->revision);
    *r = (struct model_ref){.kind = r->kind};
}

/* Puts a path without "//" and "/./"; ".." stays, because a link may stand before it. */
static void put_path(struct buf *out, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n > 0 && !(n == 1 && path[0] == '.')) {
            buf_putc(out, '/');
            buf_put(out, path, n);
        }
        path += n + (path[n] == '/');
    }
}

static void put_file(struct buf *out, const char *path)
{
    char *cwd = NULL;
    const char *home = getenv("HOME");

    buf_puts(out, "file://");
    if (str_starts(path, "~/") && home && home[0] == '/') {
        put_path(out, home);
        path += 2;
    } else if (path[0] != '/') {
        cwd = getcwd(NULL, 0);
        if (cwd)
            put_path(out, cwd);
        else
            buf_lose(out); /* the folder is gone: it is no path from the root */
    }
    put_path(out, path);
    free(cwd);
}

char *model_ref_text(const struct model_ref *r)
{
    struct buf out;

    buf_init(&out, MODEL_REF_MAX + 2 * PATH_MAX);
    switch (r->kind) {
    case MODEL_REF_TINY:
        buf_puts(&out, "tiny");
        break;
    case MODEL_REF_FILE:
        put_file(&out, r->path);
        break;
    case MODEL_REF_LOCAL:
        buf_puts(&out, r->repo);
        break;
    case MODEL_REF_HF:
        buf_printf(&out, "hf:%s", r->repo);
        if (r->quant || r->file)
            buf_printf(&out, ":%s", r->quant ? r->quant : r->file);
        if (r->revision)
            buf_printf(&out, "@%s", r->revision);
        break;
    }
    return buf_take(&out);
}
