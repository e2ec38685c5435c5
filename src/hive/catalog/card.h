/*
 * card.h - a small JSON file beside each downloaded model: what it is and where it came from.
 *
 * Written before the first byte is fetched or the first file is brought in, so that a download can
 * go on after any end of the hive, pinned to the same commit, and no file is in its place that no
 * card knows; kept afterwards, with the verdict on the file, so that the catalog can be made again
 * from the disk.
 * Folders and names are made of remote texts by path_safe_component only:
 * <models>/hf/<org>/<repo>/<commit>/<file>, its card <file>.json, an unfinished part <file>.part.
 * What was imported under a name of this machine lies in <models>/local/<name>/<digest>/; its
 * repository is "local:NAME", its commit the digest of the first file.
 */
#ifndef RBEE_HIVE_CATALOG_CARD_H
#define RBEE_HIVE_CATALOG_CARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "hive/catalog/catalog.h"
#include "hive/disk/digest.h"

#define CARD_VERSION   1   /* a later one is another's: it is neither read nor written over */
#define CARD_FILES_MAX 512 /* parts of a split model: as many as the engine reads */
#define CARD_REFS_MAX  64
#define CARD_BYTES_MAX (1u << 20)
#define CARD_TAIL      ".json" /* behind the path of the first file */
#define CARD_BAD_TAIL  ".bad"  /* of a file that `verify` found to be another, and set aside */

struct reach;
struct unlinked;

struct card_file {
    char *name;                       /* in the repository: "q4/x.gguf" */
    char *path;                       /* here, full */
    uint64_t size_bytes;              /* 0 = not known yet */
    char sha256[DIGEST_SHA256_BYTES]; /* "" = not known */
};

struct card {
    char *dir, *path; /* the model's folder, the card itself */
    size_t n_root;    /* bytes of them that are the models folder */
    char *repo, *commit, *quantization;
    char *origin; /* where an import took it from: "/home/ann/x.gguf", "ollama:x:8b"; else NULL */
    char *refs[CARD_REFS_MAX]; /* canonical references that mean this model */
    size_t n_refs;
    struct card_file *files;
    size_t n_files;
    struct catalog_verdict verdict; /* on the first file; judge "" = not judged yet */
    json_t *more; /* what else it says, which is not known here and written back; may be NULL */
};

/* An empty card for a commit; then card_add_file in order (the first gives the card its name). A
 * name that does not end in ".gguf" (quant.h) is refused (ERR_INVALID). */
int card_create(const char *models_dir, const char *repo, const char *commit,
                const char *quantization, struct card **out, struct err *err);
int card_add_file(struct card *c, const char *name, uint64_t size_bytes, const char *sha256,
                  struct err *err);
/* The same for what is noted already, here or in the catalog: an older version took any name. Still
 * refused is one that ends in ".tmp-" and digits: card_sweep would delete it. */
int card_add_noted_file(struct card *c, const char *name, uint64_t size_bytes, const char *sha256,
                        struct err *err);
/* Does nothing when it is there. */
int card_add_ref(struct card *c, const char *model_ref, struct err *err);
void card_drop_ref(struct card *c, const char *model_ref);
int card_set_origin(struct card *c, const char *origin, struct err *err);
void card_free(struct card *c);

/* What to call it: its first reference, or the repository. The card's own. */
const char *card_name(const struct card *c);
/* "hf:org/repo@commit", or the origin of what was imported; free(), NULL when out of memory. */
char *card_source(const struct card *c);

/* The card's text: free(), NULL when out of memory. And back: NULL when it is none, or without
 * memory; what it says is checked like anything from outside. */
char *card_text(const struct card *c);
struct card *card_parse(const char *models_dir, const char *text, size_t n);
/* In which version a card is written that can perhaps not be read; 0: it does not say.
 * ERR_NO_MEMORY. */
int card_text_version(const char *text, size_t n);

/*
 * One made anew of what the catalog knows; NULL when that does not lead to where the row's file is.
 * Of a split model only the first part's digest is known, and no part's size: card_measure takes
 * the sizes that are not known from the disk, and says whether all is there, of so many bytes.
 */
struct card *card_of_row(const char *models_dir, const struct catalog_row *row);
bool card_measure(struct card *c, uint64_t total_bytes);

/*
 * May the card lie there? ERR_CONFLICT where its folder or its name is another model's, on a file
 * system that folds case, or where a newer rbee's card lies.
 */
int card_check_place(const struct card *c, struct err *err);
/*
 * Models of one commit share a folder. A file of a, by its path, that is a file of b, or would lie
 * where one of b's has its part, ledger or card, or the other way round; NULL: there is none.
 */
const char *card_clash(const struct card *a, const struct card *b);
/* ERR_CONFLICT where that is so of two files of this card, or of it and another card on the disk
 * (not the one at its own path), or where a card in its folder is withheld, so that nobody knows;
 * else as card_scan. */
int card_check_names(struct reach *r, const char *models_dir, const struct card *c,
                     struct err *err);
/* Each card of the same repo, as card_scan has them, and then whether one in its folder, not its
 * own, is withheld: ERR_CONFLICT, after all were given. Else as card_scan. */
int card_scan_beside(struct reach *r, const char *models_dir, const struct card *c,
                     bool (*each)(void *arg, struct card *other), void *arg, struct err *err);
/* That alone. */
int card_check_beside(struct reach *r, const char *models_dir, const struct card *c,
                      struct err *err);
/* The folder. Of what was on this machine already it is this account's alone: a link to a file has
 * that file's mode, and the folder where it lay may be all that kept it from others. */
int card_make_dir(const struct card *c, struct err *err);
/* Makes the folder and writes the card, if it may lie there. ERR_LIMIT: past CARD_BYTES_MAX. */
int card_save(const struct card *c, struct err *err);
/* The same without the wait for the disk, which is for flush.h: *fd as of path_write_open. */
int card_save_open(const struct card *c, int *fd, struct err *err);
/* Removes what a killed hive left in the folder: half-written copies of cards and ledgers, and the
 * ledgers of files that are in their place. Not while anything is being written there. */
void card_sweep(const struct card *c);
/* Removes the card, and folders that become empty. 0, or the errno with which the card stayed. */
int card_remove(const struct card *c);
/* A file of a model, its unfinished part and that one's ledger, whatever there is of them; what is
 * large is put to *u (unlinked.h), what the disk gets back is added to *freed; both may be NULL.
 * ERR_DENIED, ERR_IO: something stays. */
int card_remove_file(const char *path, struct unlinked *u, uint64_t *freed, struct err *err);
/* Removes the files, the unfinished parts and their ledgers, the card, and folders that become
 * empty. A file that another card names, too, stays that one's. Where something cannot be deleted
 * the others go, and the card stays: the first error. When nothing went: ERR_NO_MEMORY, and
 * ERR_CONFLICT where a card beside it is withheld, so that nobody knows what that one names. */
int card_remove_all(struct reach *r, const char *models_dir, const struct card *c,
                    struct unlinked *u, uint64_t *freed, struct err *err);

bool card_has_ref(const struct card *c, const char *model_ref);
bool card_is_in_folder(const struct card *c, const char *path);
bool card_is_local(const struct card *c); /* it was imported under a name of this machine */
/* How many of its files' names are there, whatever is behind them. */
size_t card_n_there(const struct card *c);
/* Is this file there in its full size? ERR_NOT_FOUND, ERR_INVALID with both sizes. */
int card_check_file(const struct card *c, size_t i, struct err *err);
/* Every one is. */
bool card_is_complete(const struct card *c);
/* Has a file its name, and another size than it should have? *err names the first. */
bool card_is_cut(const struct card *c, struct err *err);
/* The files of both have the same digests, in the same order. */
bool card_same_files(const struct card *a, const struct card *b);
/* Every file had a digest to be compared with before it was put into its place. */
bool card_is_verified(const struct card *c);
uint64_t card_total_bytes(const struct card *c);
/* What the disk holds of them, in finished files and parts. */
uint64_t card_bytes_on_disk(const struct card *c);

/* When the model came, Unix ms: the card was last written then. Now, if there is none. */
int64_t card_arrived_ms(const struct card *c);

/* <models>/hf/<org>/<repo>, or <models>/local/<name>: free(). An error where a name cannot be one.
 */
int card_repo_dir(const char *models_dir, const char *repo, char **out, struct err *err);

/* May the loop look at the card and its files (reach.h)? Asked again behind every wait, before they
 * are touched. 0 or ERR_UNREACHABLE. */
int card_reach(struct reach *r, const struct card *c, struct err *err);

/* Where the card beside a model's first file lies; free(). */
char *card_path_beside(const char *file);
/* The card at that path; NULL when it cannot be read as one, or says that it belongs elsewhere. */
struct card *card_load(const char *models_dir, const char *path);
/* ERR_CONFLICT: what is there was written by a newer rbee, which alone knows what it says.
 * ERR_NO_MEMORY: nobody knows. */
int card_check_age(const char *path, struct err *err);
/* Something is there and cannot be read now (no descriptor, a bad disk, rights), or by this rbee:
 * it may be whole, and is not to be written over. *why says which. */
bool card_is_withheld(const char *path, struct err *why);

/*
 * The card that has this reference, or lies at this path (the other NULL); *out NULL: there is
 * none. Owned. ERR_UNREACHABLE: it may lie, or its files do, where nothing answers; ERR_IO,
 * ERR_NO_MEMORY as card_scan.
 */
int card_find(struct reach *r, const char *models_dir, const char *repo, const char *model_ref,
              const char *path, struct card **out, struct err *err);

/*
 * Each card under the models folder, or of one repository (repo not NULL); those that cannot be
 * read are passed over. `each` owns the card it gets, and returns false to stop. ERR_UNREACHABLE,
 * behind the others: of some, the card or its files are where nothing answers; ERR_IO,
 * ERR_NO_MEMORY: a folder could not be read now, or not to its end; *err is of the first. Folders
 * that are not for this account are passed over. Loop thread, but with a NULL reach.
 */
int card_scan(struct reach *r, const char *models_dir, const char *repo,
              bool (*each)(void *arg, struct card *c), void *arg, struct err *err);
/* The same, and the path of what should be a card and cannot be read as one. */
int card_scan_all(struct reach *r, const char *models_dir, const char *repo,
                  bool (*each)(void *arg, struct card *c),
                  void (*unreadable)(void *arg, const char *path), void *arg, struct err *err);

#endif
