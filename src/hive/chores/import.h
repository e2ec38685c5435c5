/*
 * import.h - models that are on this machine's disk already become models of rbee: a file of the
 * user's, what other programs keep (stores.h), an exported folder (manifest.h).
 *
 * For each: its bytes are hashed and compared with the digest it is said to have; it is judged
 * (admit.h); it is brought into the models folder, if possible without a copy (place.h); then it
 * enters the catalog. One that fails is told, and the next one is taken. Loop thread only.
 */
#ifndef RBEE_HIVE_CHORES_IMPORT_H
#define RBEE_HIVE_CHORES_IMPORT_H

#include "hive/chores/stores.h"
#include "hive/disk/place.h"

struct hive;
struct http_exchange;
struct manifest_model;
struct reach;

struct import_item {
    struct store_model m; /* commit "" = the digest of its first file; owned */
    char *origin;         /* where it was: a path, "ollama:llama3:8b"; owned */
    enum place_wish wish;
};

#define IMPORT_LIST_MAX (16u << 20) /* bytes: 4 MiB of a manifest, under paths that people use */

struct import_list {
    struct import_item *items; /* owned */
    size_t n;
    size_t n_bytes;      /* what all of it takes in memory, about; IMPORT_LIST_MAX at most */
    size_t n_past_limit; /* of a store that holds more than are looked at, or than a list takes */
};
void import_list_done(struct import_list *l);

/* What makes a list in the loop takes its reach (NULL: all is touched): ERR_UNREACHABLE. A list
 * holds the full path of every file, so a small one in a deep folder may be large: ERR_LIMIT. */

/*
 * One file (all parts of a split model, which lie beside it), under the name `as` (NULL: the file's
 * own; of a link the link's). ERR_NOT_FOUND, ERR_INVALID.
 */
int import_list_file(struct reach *r, const char *path, const char *as, enum place_wish wish,
                     struct import_list *out, struct err *err);
/* One model of a manifest; its files lie in `dir`, under the names that the manifest gives. */
int import_list_model(const char *dir, const struct manifest_model *model, enum place_wish wish,
                      struct import_list *out, struct err *err);
/* The models of a folder with a manifest. ERR_INVALID, too, for a move of what a link in it leads
 * to elsewhere. */
int import_list_folder(struct reach *r, const char *dir, enum place_wish wish,
                       struct import_list *out, struct err *err);
/*
 * What a store holds; with `name` only that model (its name there). ERR_NOT_FOUND with near names.
 * What is more than a list takes is left out, and counted.
 */
int import_list_store(struct reach *r, const char *store, const char *name, enum place_wish wish,
                      struct import_list *out, struct err *err);

/*
 * Takes them in, and tells the exchange as a stream: {"stage":"hashing"|"placing",...bytes},
 * {"stage":"imported","model_ref","name","local_path","how","size_bytes","sha256","left_out"},
 * {"stage":"error","name","code","message"}, at last
 * {"stage":"complete","imported","failed"}. The list is taken over, and counts as what the server
 * holds of requests until the answer's end; where there is no room for it: 503. When the client has
 * left it lives on, uncounted, until the step at work has stopped.
 */
void import_run(struct hive *h, struct http_exchange *x, struct import_list *list);

#endif
