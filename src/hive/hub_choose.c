/* hub_choose.c - which files of a repository a reference means; see hub.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/hub.h"

#define NAMES_SHOWN    12
#define SPLIT_TAIL_LEN 15 /* "-00001-of-00002" */
#define GGUF_TAIL_LEN  5  /* ".gguf" */
#define SPLIT_DIGITS   5

/* "…-00001-of-00003.gguf": its number and count, and the length of what stands before. */
static bool read_split(const char *name, unsigned *number, unsigned *count, size_t *stem)
{
    size_t n = strlen(name);
    const char *tail;
    int used = 0;

    if (n < SPLIT_TAIL_LEN + GGUF_TAIL_LEN + 1)
        return false;
    tail = name + n - SPLIT_TAIL_LEN - GGUF_TAIL_LEN;
    for (int i = 0; i < SPLIT_DIGITS; i++)
        if (!strchr("0123456789", tail[1 + i]) || !strchr("0123456789", tail[10 + i]))
            return false;
    if (sscanf(tail, "-%5u-of-%5u%n", number, count, &used) != 2 || used != SPLIT_TAIL_LEN)
        return false;
    *stem = n - SPLIT_TAIL_LEN - GGUF_TAIL_LEN;
    return true;
}

/* A file that may stand for a model: no later part, no projector, no importance matrix. */
static bool is_candidate(const struct hub_file *f)
{
    const char *base = path_base(f->name);
    unsigned number, count;
    size_t stem;

    if (strncasecmp(base, "mmproj", 6) == 0 || strcasestr(base, "imatrix"))
        return false;
    return !read_split(f->name, &number, &count, &stem) || number == 1;
}

/* Of two that fit equally well: the shorter name, then the earlier in the alphabet. */
static bool is_simpler(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);

    return n != m ? n < m : strcmp(a, b) < 0;
}

static const struct hub_file *find_quant(const struct hub_repo *r, const char *quant)
{
    const struct hub_file *best = NULL;

    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];

        if (is_candidate(f) && strcasecmp(f->quant, quant) == 0 &&
            (!best || is_simpler(f->name, best->name)))
            best = f;
    }
    return best;
}

/* How far from the default; files that the engine cannot read, or that do not tell, come last. */
static double distance(const struct hub_file *f)
{
    double bits = quant_bits(f->quant);

    return bits > 0 ? fabs(bits - quant_bits(QUANT_DEFAULT)) : 1000;
}

static const struct hub_file *find_nearest(const struct hub_repo *r)
{
    const struct hub_file *best = NULL;

    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];

        if (!is_candidate(f))
            continue;
        if (!best || distance(f) < distance(best) ||
            (distance(f) <= distance(best) && is_simpler(f->name, best->name)))
            best = f;
    }
    return best;
}

/* By its whole name, or by its last part when the folder is left out. */
static const struct hub_file *find_file(const struct hub_repo *r, const char *name)
{
    const struct hub_file *found = NULL;

    for (size_t i = 0; i < r->n_files; i++)
        if (str_eq(r->files[i].name, name))
            return &r->files[i];
    for (size_t i = 0; i < r->n_files; i++)
        if (strcasecmp(path_base(r->files[i].name), name) == 0)
            found = &r->files[i];
    return found;
}

/* Of the quantisations in the list the one whose size is nearest to the one asked for, or NULL. */
static const char *nearest_quant(const char *asked, const char *const *names)
{
    double want = quant_bits(asked), best_distance = INFINITY;
    const char *best = NULL;

    for (; want > 0 && *names; names++) {
        double bits = quant_bits(*names);

        if (bits > 0 && fabs(bits - want) < best_distance) {
            best_distance = fabs(bits - want);
            best = *names;
        }
    }
    return best;
}

/* The names that are there, for the person who asked for another one. */
static int not_there(const struct hub_repo *r, const struct model_ref *ref, struct err *err)
{
    const char *names[NAMES_SHOWN + 1], *near = NULL, *asked = ref->file ? ref->file : ref->quant;
    struct buf list;
    size_t n = 0;
    int rc;

    buf_init(&list, ERR_TEXT_MAX / 2);
    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];
        const char *name = ref->file || !f->quant[0] ? f->name : f->quant;

        if (!is_candidate(f) || n == NAMES_SHOWN)
            continue;
        buf_printf(&list, "%s%s", n ? ", " : "", name);
        names[n++] = name;
    }
    names[n] = NULL;
    if (ref->file)
        near = cli_nearest(ref->file, names);
    else if (ref->quant)
        near = nearest_quant(ref->quant, names);
    if (n == 0)
        rc = err_set(err, ERR_NOT_FOUND, "%.200s has no GGUF file", ref->repo);
    else
        rc = err_set(err, ERR_NOT_FOUND, "%.200s has no %.120s%s%s%s; there are: %s", ref->repo,
                     asked ? asked : "model", near ? " (did you mean " : "", near ? near : "",
                     near ? "?)" : "", buf_str(&list));
    buf_done(&list);
    return rc;
}

/* Finds part `number` of the split model that `first` begins. */
static const struct hub_file *find_part(const struct hub_repo *r, const char *first, size_t stem,
                                        unsigned number, unsigned count)
{
    for (size_t i = 0; i < r->n_files; i++) {
        unsigned n, c;
        size_t s;

        if (read_split(r->files[i].name, &n, &c, &s) && n == number && c == count && s == stem &&
            strncmp(r->files[i].name, first, stem) == 0)
            return &r->files[i];
    }
    return NULL;
}

static int put_parts(const struct hub_repo *r, const struct hub_file *first, struct hub_choice *out,
                     struct err *err)
{
    unsigned number = 1, count = 1;
    size_t stem;

    *out = (struct hub_choice){.quant = first->quant};
    if (!read_split(first->name, &number, &count, &stem)) {
        out->files[out->n_files++] = (size_t)(first - r->files);
        return 0;
    }
    if (count == 0 || count > CARD_FILES_MAX)
        return err_set(err, ERR_LIMIT, "%.200s says it is one of %u parts, the limit is %d",
                       first->name, count, CARD_FILES_MAX);
    for (unsigned i = 1; i <= count; i++) {
        const struct hub_file *part = find_part(r, first->name, stem, i, count);

        if (!part)
            return err_set(err, ERR_INVALID, "part %u of %u of %.200s is not in the repository", i,
                           count, first->name);
        out->files[out->n_files++] = (size_t)(part - r->files);
    }
    return 0;
}

int hub_choose(const struct hub_repo *r, const struct model_ref *ref, struct hub_choice *out,
               struct err *err)
{
    const struct hub_file *f;

    if (ref->file)
        f = find_file(r, ref->file);
    else if (ref->quant)
        f = find_quant(r, ref->quant);
    else if (!(f = find_quant(r, QUANT_DEFAULT)))
        f = find_nearest(r);
    if (!f)
        return not_there(r, ref, err);
    return put_parts(r, f, out, err);
}
