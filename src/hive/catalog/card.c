/* card.c - see card.h: a card in memory, and its way to the disk. */
#include "hive/catalog/card.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/modelref.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "hive/catalog/quant.h"

static bool is_local(const char *repo)
{
    return str_starts(repo, MODEL_REF_LOCAL_WORD);
}

/* <models>/local/<name> */
static int local_dir(const char *models_dir, const char *repo, char **out, struct err *err)
{
    char *safe = NULL;
    int rc = path_safe_component(repo + strlen(MODEL_REF_LOCAL_WORD), &safe, err);

    if (rc == 0 && !(*out = str_printf("%s/local/%s", models_dir, safe)))
        rc = err_no_memory(err, strlen(models_dir), "a path");
    free(safe);
    return rc;
}

int card_repo_dir(const char *models_dir, const char *repo, char **out, struct err *err)
{
    const char *slash = is_local(repo) ? NULL : strchr(repo, '/');
    char *org = slash ? str_ndup(repo, (size_t)(slash - repo)) : NULL;
    char *safe_org = NULL, *safe_repo = NULL;
    int rc = 0;

    *out = NULL;
    if (is_local(repo))
        return local_dir(models_dir, repo, out, err);
    if (!slash)
        return err_set(err, ERR_INVALID, "'%.100s' is no repository", repo);
    if (!org)
        return err_no_memory(err, strlen(repo), "a path");
    rc = path_safe_component(org, &safe_org, err);
    if (rc == 0)
        rc = path_safe_component(slash + 1, &safe_repo, err);
    if (rc == 0 && !(*out = str_printf("%s/hf/%s/%s", models_dir, safe_org, safe_repo)))
        rc = err_no_memory(err, strlen(models_dir), "a path");
    free(org);
    free(safe_org);
    free(safe_repo);
    return rc;
}

int card_create(const char *models_dir, const char *repo, const char *commit,
                const char *quantization, struct card **out, struct err *err)
{
    struct card *c = calloc(1, sizeof *c);
    char *above = NULL, *safe = NULL;
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "a model's card");
    rc = card_repo_dir(models_dir, repo, &above, err);
    if (rc == 0)
        rc = path_safe_component(commit, &safe, err);
    if (rc == 0) {
        c->dir = path_join(above, safe);
        c->n_root = strlen(models_dir);
        c->repo = str_dup(repo);
        c->commit = str_dup(commit);
        c->quantization = str_dup(quantization);
        if (!c->dir || !c->repo || !c->commit || !c->quantization)
            rc = err_no_memory(err, sizeof *c, "a model's card");
    }
    free(above);
    free(safe);
    if (rc) {
        card_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

static bool is_sha256(const char *text)
{
    return strlen(text) == DIGEST_SHA256_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == strlen(text);
}

/* Fills a row; on failure what was allocated stays in it for card_free. */
static int fill_file(struct card *c, struct card_file *f, const char *name, struct err *err)
{
    char *safe;
    int rc = path_safe_component(name, &safe, err);

    if (rc)
        return rc;
    if (sweep_is_copy(safe)) { /* a file of a model is not called so */
        free(safe);
        return err_set(
            err, ERR_INVALID,
            "a model's file cannot be called '%.200s': as a left-over of a write it would "
            "be swept away; give it another name",
            name);
    }
    f->name = str_dup(name);
    f->path = path_join(c->dir, safe);
    if (!c->path)
        c->path = str_printf("%s/%s" CARD_TAIL, c->dir, safe);
    free(safe);
    return f->name && f->path && c->path ? 0 : err_no_memory(err, strlen(name), "a file's name");
}

int card_add_noted_file(struct card *c, const char *name, uint64_t size_bytes, const char *sha256,
                        struct err *err)
{
    struct card_file *files;

    if (c->n_files == CARD_FILES_MAX)
        return err_set(err, ERR_LIMIT, "a model of more than %d files is not taken",
                       CARD_FILES_MAX);
    if (sha256[0] && !is_sha256(sha256))
        return err_set(err, ERR_INVALID, "the SHA-256 of '%.100s' is not 64 hex digits", name);
    files = realloc(c->files, (c->n_files + 1) * sizeof *files);
    if (!files)
        return err_no_memory(err, (c->n_files + 1) * sizeof *files, "the list of files");
    c->files = files;
    files[c->n_files] = (struct card_file){.size_bytes = size_bytes};
    str_copy(files[c->n_files].sha256, DIGEST_SHA256_BYTES, sha256);
    c->n_files++;
    return fill_file(c, &files[c->n_files - 1], name, err);
}

int card_add_file(struct card *c, const char *name, uint64_t size_bytes, const char *sha256,
                  struct err *err)
{
    if (!quant_is_gguf(name))
        return err_set(err, ERR_INVALID,
                       "a model's file cannot be called '%.200s': its name has to end in .gguf",
                       name);
    return card_add_noted_file(c, name, size_bytes, sha256, err);
}

bool card_has_ref(const struct card *c, const char *model_ref)
{
    for (size_t i = 0; i < c->n_refs; i++)
        if (str_eq(c->refs[i], model_ref))
            return true;
    return false;
}

const char *card_name(const struct card *c)
{
    return c->n_refs ? c->refs[0] : c->repo;
}

int card_add_ref(struct card *c, const char *model_ref, struct err *err)
{
    char *copy;

    if (card_has_ref(c, model_ref))
        return 0;
    if (c->n_refs == CARD_REFS_MAX)
        return err_set(err, ERR_LIMIT, "a model cannot have more than %d references",
                       CARD_REFS_MAX);
    copy = str_dup(model_ref);
    if (!copy)
        return err_no_memory(err, strlen(model_ref), "a model's reference");
    c->refs[c->n_refs++] = copy;
    return 0;
}

void card_drop_ref(struct card *c, const char *model_ref)
{
    for (size_t i = 0; i < c->n_refs; i++) {
        if (!str_eq(c->refs[i], model_ref))
            continue;
        free(c->refs[i]);
        c->refs[i] = c->refs[--c->n_refs];
        return;
    }
}

void card_free(struct card *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_refs; i++)
        free(c->refs[i]);
    for (size_t i = 0; i < c->n_files; i++) {
        free(c->files[i].name);
        free(c->files[i].path);
    }
    free(c->files);
    free(c->dir);
    free(c->path);
    free(c->repo);
    free(c->commit);
    free(c->quantization);
    free(c->origin);
    json_decref(c->more);
    free(c);
}

int card_set_origin(struct card *c, const char *origin, struct err *err)
{
    char *copy = str_dup(origin);

    if (!copy)
        return err_no_memory(err, strlen(origin), "a model's origin");
    free(c->origin);
    c->origin = copy;
    return 0;
}

bool card_is_in_folder(const struct card *c, const char *path)
{
    size_t n = strlen(c->dir);

    return strncmp(path, c->dir, n) == 0 && path[n] == '/';
}

bool card_is_local(const struct card *c)
{
    return is_local(c->repo);
}

char *card_source(const struct card *c)
{
    if (card_is_local(c))
        return str_dup(c->origin ? c->origin : c->repo);
    return str_printf("hf:%s@%s", c->repo, c->commit);
}

uint64_t card_total_bytes(const struct card *c)
{
    uint64_t total = 0;

    for (size_t i = 0; i < c->n_files; i++)
        if (__builtin_add_overflow(total, c->files[i].size_bytes, &total))
            return UINT64_MAX;
    return total;
}

bool card_same_files(const struct card *a, const struct card *b)
{
    bool same = a->n_files == b->n_files;

    for (size_t i = 0; same && i < a->n_files; i++)
        same = str_eq(a->files[i].sha256, b->files[i].sha256);
    return same;
}

bool card_is_verified(const struct card *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (!c->files[i].sha256[0])
            return false;
    return true;
}

/* One that was there already: a download of the same commit made it, or an earlier version. */
static void close_to_others(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) &&
        fchmod(fd, st.st_mode & 07700) != 0)
        log_warn("%s can be read by others: %s", dir, strerror(errno));
    close(fd);
}

int card_make_dir(const struct card *c, struct err *err)
{
    char *above = str_ndup(c->dir, (size_t)(path_base(c->dir) - c->dir));
    int rc = above ? path_make_dirs_in(above, c->n_root, 0755, err)
                   : err_no_memory(err, strlen(c->dir), "a path");

    if (rc == 0)
        rc = path_make_dirs_in(c->dir, c->n_root, c->origin ? 0700 : 0755, err);
    if (rc == 0 && c->origin)
        close_to_others(c->dir);
    free(above);
    return rc;
}

/* Where on this machine a model lay is nobody else's to read. */
static mode_t mode_of(const struct card *c)
{
    return c->origin && c->origin[0] == '/' ? 0600 : 0644;
}

/* fd NULL: the disk has it, too. */
static int put(const struct card *c, int *fd, struct err *err)
{
    char *text = card_text(c);
    int rc = text ? card_check_place(c, err) : err_no_memory(err, CARD_BYTES_MAX, "a card");

    if (rc == 0 && strlen(text) > CARD_BYTES_MAX)
        rc = err_set(err, ERR_LIMIT,
                     "what is to be noted of %.200s has %zu bytes, more than %u are not read again",
                     card_name(c), strlen(text), CARD_BYTES_MAX);
    if (rc == 0)
        rc = card_make_dir(c, err);
    if (rc == 0 && fd)
        rc = path_write_open(c->path, text, strlen(text), mode_of(c), fd, err);
    else if (rc == 0)
        rc = path_write_file(c->path, text, strlen(text), mode_of(c), err);
    free(text);
    return rc;
}

int card_save(const struct card *c, struct err *err)
{
    return put(c, NULL, err);
}

int card_save_open(const struct card *c, int *fd, struct err *err)
{
    return put(c, fd, err);
}
