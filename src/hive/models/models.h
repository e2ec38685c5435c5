/*
 * models.h - the models of this machine: finding them, fetching them, listing and removing them.
 *
 * The bundled one (tiny), files of the user's own, and what was downloaded into the models folder.
 * Ties together the catalog, the cards and the downloads. Loop thread only.
 */
#ifndef RBEE_HIVE_MODELS_MODELS_H
#define RBEE_HIVE_MODELS_MODELS_H

#include <jansson.h>
#include <stdbool.h>

#include "api/errors.h"
#include "api/modelref.h"
#include "hive/models/download.h"

struct card;
struct config;
struct event_base;
struct http_client;
struct models;
struct post;
struct reach;
struct tasks;
struct turns;
struct unlinked;

struct models_params {
    struct event_base *base;
    struct looks *looks;
    struct reach *reach;
    struct http_client *client;
    struct turns *hub_turns;
    struct post *post;            /* of the loop */
    struct tasks *tasks;          /* wait for the disk */
    const struct config *config;  /* [hive] worker: the program that judges new files */
    const char *dir;              /* of the models */
    const char *catalog;          /* path of models.db */
    const char *endpoint, *token; /* of the hub; token NULL = none */
    int64_t stall_ms;
    unsigned connections;   /* of a download; 0 = the default */
    uint64_t limit_per_sec; /* bytes of all downloads; 0 = none */
    /* A model came into the catalog: from now on the reference means the file at `path`. May be
     * NULL. */
    void (*entered)(void *arg, const char *model_ref, const char *path);
    void *entered_arg;
    /* At the start: of each model whose files are all on the disk. May be NULL. */
    void (*whole)(const struct models *m, const struct card *card);
};

/* Opens the catalog; a damaged one is set aside and made again, with a line in the log. */
int models_create(const struct models_params *params, struct models **out, struct err *err);
/* Ends all downloads; what has arrived is kept. Their watchers are told. */
void models_stop(struct models *m);
void models_free(struct models *m);

/*
 * May the loop touch what lies there (reach.h)? The folder of the models where path is NULL. -1
 * with *e as DISK_NOT_ANSWERING. To be asked before anything that looks into that folder.
 */
int models_reach(struct models *m, const char *path, struct api_error *e);
/* When a model's file was put there, Unix time; 0 when it is not there, or cannot be asked. */
int64_t models_file_ms(struct models *m, const char *path);

/*
 * The file of a reference that is here already. *canonical and *path: free(). -1 with *e as
 * INVALID_MODEL_REF, MODEL_NOT_FOUND or DISK_NOT_ANSWERING.
 */
int models_locate(struct models *m, const char *text, char **canonical, char **path,
                  struct api_error *e);
/* Where the catalog has a reference's (first) file, whether that is there and whole or not. *path:
 * free(). ERR_NOT_FOUND, ERR_INVALID. */
int models_row_path(struct models *m, const char *text, char **path);
/* Does the catalog keep it, so that it is rbee's to remove? Not the bundled one, nor a plain file.
 */
bool models_is_kept(const char *canonical);
/* A worker was started with it, or was at work with it, at that time. */
void models_used(struct models *m, const char *canonical, int64_t unix_ms);

/*
 * Makes sure that a model is here: *path is set (free()) when it is already, else *id names the
 * download, new or under way. A NULL wish is none.
 */
int models_download(struct models *m, const char *text, const struct download_wish *wish,
                    char **path, char id[DOWNLOAD_ID_BYTES], struct api_error *e);
/* By its id, also for a while after its end; NULL when there is none. */
struct download *models_find_download(struct models *m, const char *id);

/* Those under way, those that ended lately, and what an earlier life of the hive left unfinished:
 * {"downloads":[...]}; NULL when out of memory. */
json_t *models_downloads_json(struct models *m);

/* {"models":[...]}; NULL when out of memory. */
json_t *models_list_json(struct models *m);
/* One of them as in the list; NULL when it is neither bundled, a file, nor downloaded. */
json_t *models_json(struct models *m, const char *canonical, const char *path);

/*
 * Forgets a downloaded model and deletes its files, unless another reference names them; ends its
 * download and deletes what has arrived. The bundled model and files of one's own are refused.
 * *freed: bytes that the disk gets back once *u is closed; none for what was only linked. INTERNAL
 * when something could not be deleted; then *u may hold what could, as it may of models_discard.
 */
int models_remove(struct models *m, const char *text, struct unlinked *u, uint64_t *freed,
                  struct api_error *e);
/*
 * Ends a download and deletes what has arrived. Refused where the reference means a whole model by
 * now, or a later download is under way: they are not its own.
 */
int models_discard(struct models *m, struct download *d, struct unlinked *u, struct api_error *e);

#endif
