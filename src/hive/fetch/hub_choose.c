/* hub_choose.c - which files of a repository a reference means; see hub.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/fetch/hub.h"

#define GGUF_TAIL_LEN 5 /* ".gguf" */

/* Of two that fit equally well: the shorter name, then the earlier in the alphabet. */
static bool is_simpler(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);

    return n != m ? n < m : strcmp(a, b) < 0;
}

static const struct hub_file *find_quant(const struct hub_repo *r, const char *quant)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i].is_meant && strcasecmp(r->files[i].quant, quant) == 0)
            return &r->files[i];
    return NULL;
}

/* A split model's other parts are about as large as its first. */
static double size_of(const struct hub_file *f)
{
    return (double)f->size_bytes * (f->is_part ? f->count : 1);
}

/* Bits of a weight for each byte of a file, by the first one of which both are known; 0: of none.
 */
static double bits_per_byte(const struct hub_repo *r)
{
    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];

        if (f->is_candidate && quant_bits(f->quant) > 0 && size_of(f) > 0)
            return quant_bits(f->quant) / size_of(f);
    }
    return 0;
}

/* How far from the default. A name that tells nothing is estimated by the size; files that the
 * engine cannot read, or that cannot be estimated, come last. */
static double distance(const struct hub_file *f, double per_byte)
{
    double bits = f->quant[0] ? quant_bits(f->quant) : size_of(f) * per_byte;

    return bits > 0 ? fabs(bits - quant_bits(QUANT_DEFAULT)) : 1000;
}

static const struct hub_file *find_nearest(const struct hub_repo *r)
{
    double per_byte = bits_per_byte(r), nearest = INFINITY;
    const struct hub_file *best = NULL;

    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];
        double d = distance(f, per_byte);

        if (!f->is_candidate || d > nearest ||
            (best && d >= nearest && !is_simpler(f->name, best->name)))
            continue;
        best = f;
        nearest = d;
    }
    return best;
}

/* The file of that last part of a name; *second is another one (NULL: there is none). */
static const struct hub_file *find_base(const struct hub_repo *r, const char *name,
                                        int (*compare)(const char *, const char *),
                                        const struct hub_file **second)
{
    const struct hub_file *first = NULL;

    *second = NULL;
    for (size_t i = 0; i < r->n_files && !*second; i++) {
        if (compare(path_base(r->files[i].name), name) != 0)
            continue;
        if (first)
            *second = &r->files[i];
        else
            first = &r->files[i];
    }
    return first;
}

/* By its whole name, or by its last part when the folder is left out, which must mean one file.
 * *out NULL: there is none. */
static int find_file(const struct hub_repo *r, const char *name, const struct hub_file **out,
                     struct err *err)
{
    const struct hub_file *second = NULL;

    *out = NULL;
    for (size_t i = 0; i < r->n_files && !*out; i++)
        if (str_eq(r->files[i].name, name))
            *out = &r->files[i];
    if (!*out)
        *out = find_base(r, name, strcmp, &second);
    if (!*out)
        *out = find_base(r, name, strcasecmp, &second);
    return second ? err_set(err, ERR_NOT_FOUND,
                            "%.120s is more than one file there, %.200s and %.200s: name the "
                            "folder, too",
                            name, (*out)->name, second->name)
                  : 0;
}

/* Of these quantisations the one whose size is nearest to the one asked for, or NULL. */
static const char *nearest_quant(const char *asked, const struct near *names)
{
    double want = quant_bits(asked), best_distance = INFINITY;
    const char *best = NULL;

    for (size_t i = 0; want > 0 && i < names->n; i++) {
        double bits = quant_bits(names->names[i]);

        if (bits > 0 && fabs(bits - want) < best_distance) {
            best_distance = fabs(bits - want);
            best = names->names[i];
        }
    }
    return best;
}

/* What a person may have meant: of quantisations the nearest in size, else the nearest name. */
static const char *nearest(const struct model_ref *ref, const struct near *names)
{
    const char *best = NULL;

    if (ref->quant)
        best = nearest_quant(ref->quant, names);
    if (!best)
        best = near_best(names, ref->file ? ref->file : ref->quant ? ref->quant : "");
    return best;
}

/* The names that are there, for the person who asked for another one. */
static int not_there(const struct hub_repo *r, const struct model_ref *ref, struct err *err)
{
    const char *asked = ref->file ? ref->file : ref->quant ? ref->quant : "model", *best;
    char list[ERR_TEXT_MAX / 2], also[200] = "";
    struct near names = {0};
    int rc;

    for (size_t i = 0; i < r->n_files; i++) {
        const struct hub_file *f = &r->files[i];

        if (f->is_candidate)
            near_add(&names, ref->file || !f->quant[0] ? f->name : f->quant);
    }
    near_text(&names, asked, list, sizeof list);
    best = nearest(ref, &names);
    if (r->n_too_long)
        snprintf(also, sizeof also,
                 "; left out: %zu GGUF file%s whose names are longer than a file's can be here (%d "
                 "bytes, with %%XX for all but letters, digits, '.', '_' and '-')",
                 r->n_too_long, r->n_too_long > 1 ? "s" : "", PATH_COMPONENT_MAX);
    if (names.n == 0)
        rc = err_set(err, ERR_NOT_FOUND, "%.200s has no GGUF file%s%s", ref->repo,
                     r->n_too_long ? " that can be kept" : "", also);
    else
        rc =
            err_set(err, ERR_NOT_FOUND, "%.200s has no %.120s%s%.200s%s; there %s: %s%s", ref->repo,
                    asked, best ? " (did you mean " : "", best ? best : "", best ? "?)" : "",
                    names.n > NEAR_SHOWN_MAX ? "are, among others" : "are", list, also);
    near_done(&names);
    return rc;
}

static int name_order(const void *name, const void *file)
{
    return strcmp(name, ((const struct hub_file *)file)->name);
}

/* Part `number` of the split model that `first` begins: its name is the first's but for that. */
static const struct hub_file *find_part(const struct hub_repo *r, const struct hub_file *first,
                                        unsigned number)
{
    char name[PATH_COMPONENT_MAX + 1];

    str_copy(name, sizeof name, first->name);
    snprintf(name + first->stem, sizeof name - first->stem, "-%05u-of-%05u%s", number, first->count,
             first->name + strlen(first->name) - GGUF_TAIL_LEN);
    return bsearch(name, r->files, r->n_files, sizeof *r->files, name_order);
}

int hub_choose_from(const struct hub_repo *r, const struct hub_file *first, struct hub_choice *out,
                    struct err *err)
{
    out->quant = first->quant;
    out->n_files = 0;
    if (!first->is_part) {
        out->files[out->n_files++] = (size_t)(first - r->files);
        return 0;
    }
    if (first->count == 0 || first->count > CARD_FILES_MAX)
        return err_set(err, ERR_LIMIT, "%.200s says it is one of %u parts, the limit is %d",
                       first->name, first->count, CARD_FILES_MAX);
    for (unsigned i = 1; i <= first->count; i++) {
        const struct hub_file *part = find_part(r, first, i);

        if (!part)
            return err_set(err, ERR_INVALID, "part %u of %u of %.200s is not in the repository", i,
                           first->count, first->name);
        out->files[out->n_files++] = (size_t)(part - r->files);
    }
    return 0;
}

int hub_choose(const struct hub_repo *r, const struct model_ref *ref, struct hub_choice *out,
               struct err *err)
{
    const struct hub_file *f = NULL;
    char *safe;
    int rc = ref->file ? find_file(r, ref->file, &f, err) : 0;

    if (rc)
        return rc;
    if (!f && ref->file && path_safe_length(ref->file) > PATH_COMPONENT_MAX)
        return path_safe_component(ref->file, &safe, err);
    if (ref->quant)
        f = find_quant(r, ref->quant);
    else if (!ref->file && !(f = find_quant(r, QUANT_DEFAULT)))
        f = find_nearest(r);
    if (!f)
        return not_there(r, ref, err);
    return hub_choose_from(r, f, out, err);
}
