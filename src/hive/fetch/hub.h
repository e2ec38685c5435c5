/*
 * hub.h - what the Hugging Face hub's API says, and which of a repository's files is meant.
 *
 * Pure: text in, answers out; requests are download.c's. Everything in an answer comes from
 * outside: names are only names here, sizes and digests are checked before use. Source: the hub's
 * OpenAPI document and huggingface_hub's client (GET /api/models/{repo}/revision/{rev}?blobs=true;
 * GET /{repo}/resolve/{rev}/{file}), as of 2026.
 */
#ifndef RBEE_HIVE_FETCH_HUB_H
#define RBEE_HIVE_FETCH_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/modelref.h"
#include "base/err.h"
#include "hive/catalog/card.h"
#include "hive/catalog/quant.h"

#define HUB_ANSWER_MAX (16u << 20) /* bytes of an API answer */
#define HUB_FILES_MAX  10000       /* of a repository */

struct hub_file {
    char *name;
    uint64_t size_bytes;              /* 0 = not told */
    char sha256[DIGEST_SHA256_BYTES]; /* "" = not told */
    char quant[QUANT_NAME_BYTES];     /* "" = the name tells none */
    size_t stem;                      /* bytes of a part's name before "-00001-of-00003.gguf" */
    unsigned number, count;           /* 1 and 3 of that one */
    bool is_part;                     /* of a split model; else the three above say nothing */
    bool is_candidate; /* it may stand for a model: no later part, projector, importance matrix */
    bool is_meant;     /* the candidate that its quantisation's name means */
};

/* The GGUF files of a repository at one commit, in the order of their names, each once. */
struct hub_repo {
    char commit[128];
    struct hub_file *files;
    size_t n_files;
    size_t n_too_long; /* more of them, whose names no file here can have (path_safe_component) */
};

/* URLs, free(); NULL when out of memory. A NULL revision is "main". */
char *hub_api_url(const char *endpoint, const char *repo, const char *revision);
char *hub_file_url(const char *endpoint, const char *repo, const char *commit, const char *file);

/* ERR_INVALID when the answer is not what the hub sends. hub_repo_done in either case. Anybody may
 * put thousands of files into a repository: what is asked about each of them is found out here,
 * once.
 */
int hub_parse(const char *body, size_t n, struct hub_repo *out, struct err *err);
void hub_repo_done(struct hub_repo *r);

/* The files that are one model, all parts of a split one in order. Indices into the repository. */
struct hub_choice {
    size_t files[CARD_FILES_MAX];
    size_t n_files;
    const char *quant; /* of the first file; "" */
};

/*
 * What the reference means: the file it names, or the quantisation, or without one Q4_K_M, else the
 * nearest to it in size. ERR_NOT_FOUND with the names that are there, or with two files of which
 * either may be meant; ERR_LIMIT for a name that no file here can have; ERR_INVALID when parts of a
 * split model are missing.
 */
int hub_choose(const struct hub_repo *r, const struct model_ref *ref, struct hub_choice *out,
               struct err *err);
/* The model that begins with this candidate. ERR_INVALID as above. */
int hub_choose_from(const struct hub_repo *r, const struct hub_file *first, struct hub_choice *out,
                    struct err *err);

#endif
