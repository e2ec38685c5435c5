/*
 * modelref.h - the text that names a model.
 *
 *   hf:org/repo            hf:org/repo:Q4_K_M       hf:org/repo:file.gguf     @revision behind any
 *   file:///path/x.gguf    /path/x.gguf             ./x.gguf ../x.gguf ~/x.gguf
 *   local:NAME             what was imported under that name
 *   tiny
 *
 * Refused, with what the right form is: empty parts, more than one slash in org/repo, characters
 * beyond letters, digits, '.', '_', '-' there, "..", control bytes, file names with a slash that
 * climbs, names over the limits. A file inside a repository may lie in folders ("q4/x.gguf").
 */
#ifndef RBEE_API_MODELREF_H
#define RBEE_API_MODELREF_H

#include "base/err.h"

#define MODEL_REF_MAX        1024                /* bytes of a whole reference */
#define MODEL_REF_PATH_MAX   (MODEL_REF_MAX - 7) /* of a file's path: "file://" stands before it */
#define MODEL_REF_LOCAL_MAX  160                 /* of the name behind "local:" */
#define MODEL_REF_LOCAL_WORD "local:"

enum model_ref_kind { MODEL_REF_TINY, MODEL_REF_FILE, MODEL_REF_HF, MODEL_REF_LOCAL };

struct model_ref {
    enum model_ref_kind kind;
    char *path;     /* FILE: as given, without "file://"; may be relative */
    char *repo;     /* HF: "org/repo"; LOCAL: "local:NAME" */
    char *quant;    /* HF: "Q4_K_M", upper case, or NULL */
    char *file;     /* HF: "x.gguf", or NULL */
    char *revision; /* HF: or NULL, which means "main" */
};

/* ERR_INVALID with the sentence; *out is to be freed with model_ref_done in either case. */
int model_ref_parse(const char *text, struct model_ref *out, struct err *err);
void model_ref_done(struct model_ref *r);

/*
 * One spelling for one model (free()): "hf:org/repo:Q4_K_M@rev", "file:///abs/path", "tiny".
 * Relative paths are resolved against the current folder. NULL when out of memory.
 */
char *model_ref_text(const struct model_ref *r);

#endif
