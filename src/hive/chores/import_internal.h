/* import_internal.h - what the files behind import.h share; for nobody else. */
#ifndef RBEE_HIVE_CHORES_IMPORT_INTERNAL_H
#define RBEE_HIVE_CHORES_IMPORT_INTERNAL_H

#include "hive/catalog/at_work.h"
#include "hive/catalog/card.h"
#include "hive/chores/chore.h"
#include "hive/chores/import.h"
#include "hive/disk/file_mark.h"

struct import {
    struct hive *h;
    struct import_list list;
    size_t i;                /* the item at work */
    struct card *card;       /* of it, once its digests are known */
    struct card *before;     /* what lay in the card's place: of a download that is not done */
    bool was_here;           /* the card and its files are there already */
    struct file_mark *marks; /* of its files, when they were hashed */
    bool *kept;              /* which of them lay in their places already, and stay */
    char **was;              /* owned: where the others were, links resolved */
    size_t n_placed;         /* how many those are */
    enum place_how how;
    struct at_work from, to; /* what is an upload's folder; where it is being brought to */
    unsigned n_imported, n_failed;
};

static inline struct import_item *import_item_of(const struct import *im)
{
    return &im->list.items[im->i];
}

/* Could its files lie here by their names? Asked before they are hashed. ERR_LIMIT, ERR_INVALID. */
int import_check_names(const struct import *im, struct err *err);

/*
 * The item's card, once its files are hashed. From here on the model is this import's to bring, or
 * is here. ERR_CONFLICT where a name of it is another model's, or another is at work on it.
 */
int import_make_card(struct import *im, struct err *err);
/* A download under the same name may have ended meanwhile: its model keeps the name. */
int import_settle_again(struct import *im, struct err *err);

/*
 * The item's card, then its files: from the first byte on there is somebody who vouches for what
 * lies there, so that a hive which is killed finds it at its next start. In the step's thread; on
 * failure all is as it was, but for what lay in a file's place and was not that file.
 */
int import_place(void *arg, struct chore *c, struct err *err);
/* All is as before the first n files were placed. What would have to be copied back to another disk
 * stays where it is without `may_copy`, and so does its card: on the loop nothing is copied, and
 * the next start lists it. */
void import_take_back(struct import *im, size_t n, bool may_copy);
/* It has entered the catalog: what was to be moved goes from where it was. False, and im->how says
 * what the move has become, where some of it stays; *err is of that. */
bool import_leave_sources(struct import *im, struct err *err);

#endif
