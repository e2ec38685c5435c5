/*
 * download.h - gets a model onto the node, with a progress line. Contract, sections 2.3 and 4.
 */
#ifndef RBEE_KEEPER_MODELS_DOWNLOAD_H
#define RBEE_KEEPER_MODELS_DOWNLOAD_H

#include "keeper/node/keeper.h"

#define DOWNLOAD_ASK_MS   60000 /* the hive asks the hub before it answers */
#define DOWNLOAD_STALL_MS 60000 /* without a byte from the hive; it sends comments meanwhile */
#define DOWNLOAD_SHOW_MS  500   /* without a word of the hive, until a line is shown anyway */

struct download {
    char name[256];  /* for people: the file's, once the hive has told it */
    char path[4096]; /* where the hive has it */
    char id[64];     /* the hive's, of the download */
    bool was_there;  /* nothing had to be fetched */
    bool verified;   /* its digest was compared */
    uint64_t bytes;  /* of the model, 0 = not told */
};

/* What may be wished of the transfer; all 0 is nothing. */
struct download_wish {
    uint64_t limit_rate; /* bytes a second */
    int64_t connections;
    bool background; /* do not watch: *d is then only begun */
};

/*
 * Asks for `model_ref` and watches until it is there. 0 with *d, or -1 with *e. An interrupt ends
 * the watching, not the download: the hive keeps what has arrived. A progress stream that breaks is
 * looked at again as retry.h has it, counted anew whenever more has come; a hive that was restarted
 * and knows nothing of the download any more is asked for it again.
 */
int download_run(struct keeper *k, const char *model_ref, struct download *d, struct api_error *e);

int download_run_as(struct keeper *k, const char *model_ref, const struct download_wish *wish,
                    struct download *d, struct api_error *e);

/* Bytes a second by what a hive tells of a download; 0 = it does not. */
double download_speed(const json_t *told);

/* The line that says it is there. */
void download_say(struct keeper *k, const struct download *d);

/* What a person calls a model: the reference without its provider and folders. */
const char *download_short_name(const char *model_ref);

#endif
