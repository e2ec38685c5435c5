/* models_internal.h - what the files behind models.h share; for nobody else. */
#ifndef RBEE_HIVE_MODELS_MODELS_INTERNAL_H
#define RBEE_HIVE_MODELS_MODELS_INTERNAL_H

#include <sys/queue.h>

#include "hive/catalog/at_work.h"
#include "hive/catalog/card.h"
#include "hive/catalog/catalog.h"
#include "hive/models/models.h"

struct models {
    struct catalog *catalog;
    struct downloads *downloads;
    struct at_work_list at_work;
    struct event_base *base;
    struct looks *looks;
    struct reach *reach;
    struct tasks *tasks;
    const struct config *config;
    void (*entered)(void *arg, const char *model_ref, const char *path); /* models.h */
    void *entered_arg;
    void (*whole)(const struct models *m, const struct card *card); /* models.h */
    char *dir, *endpoint, *token;                                   /* owned; token NULL = none */
    TAILQ_HEAD(, late) late; /* models_late.c's: whole, and not judged; the first is at work */
    struct admit *late_admit;
    struct event *late_timer;
    json_t *bad; /* models_bad.c's; NULL: none */
};

/* Enters a model whose files are in place. */
int models_enter(struct models *m, const char *model_ref, const struct card *card, struct err *err);

/* Under each of its references that the catalog does not have, or has at a place where it was
 * before the models folder moved; what fails is logged. *err is of one that could not enter. */
int models_enter_all(struct models *m, const struct card *card, struct err *err);

/* models_dir.c: may anything be brought into the folder of the models? ERR_UNREACHABLE: it does not
 * answer, or its disk seems not to be mounted. */
int models_check_dir(struct models *m, struct err *err);
/* Does it lie in the folder of the models? */
bool models_holds(const struct models *m, const char *path);

/* May the card's model enter? admit.h, with the verdict for the card; `arg` is the models. */
void models_judge(void *arg, struct card *card,
                  void (*done)(void *done_arg, const struct api_error *e), void *done_arg,
                  struct admit **out);
/* models_late.c: has a model judged once the loop runs, and entered. Takes the card over. */
void models_judge_late(struct models *m, struct card *card);
void models_late_stop(struct models *m);

/* Is the row's model here, all of it? ERR_NOT_FOUND, ERR_INVALID (it has another size),
 * ERR_UNREACHABLE; *err says what is wrong in half a sentence. */
int models_check_row(struct models *m, const struct catalog_row *row, struct err *err);
/*
 * models_bad.c: file i of the card is not what it should be, and stays under its name. It is no
 * file of a whole model as long as it stays as it is, and the card's model is out of use until it
 * enters anew.
 */
void models_note_bad(struct models *m, const struct card *card, size_t i, const char *why);
bool models_is_bad(struct models *m, const char *path);
/* card_is_complete, of files that are not bad. */
bool models_is_whole(struct models *m, const struct card *card);
/* Of a model, by its first file: out of use, though the catalog may list it. */
bool models_is_out(const struct models *m, const char *first_path);
void models_is_in(struct models *m, const char *first_path);

/* *e for what reach.h says, or for what else could not be looked at; -1. */
int models_away(const struct err *err, struct api_error *e);
/* The card of a downloaded or imported model (card_free), mended where it must be; *out NULL when
 * it is gone. -1 with *e as of models_away. */
int models_card(struct models *m, const char *canonical, struct card **out, struct api_error *e);

/*
 * models_mend.c: the card of a listed model, written anew from the catalog where it was gone or
 * could not be read; NULL: it cannot be made, or there is no such model on the disk. Of all of
 * them: `left` (may be NULL) is told those that are on the disk without one, wherever that is.
 */
struct card *models_mend(struct models *m, const char *canonical);
void models_mend_all(struct models *m, void (*left)(void *arg, const struct catalog_row *row),
                     void *arg);
/* card_check_names, for what the catalog lists, too: a damaged card vouches for nothing. */
int models_check_names(struct models *m, const struct card *card, struct err *err);
/* Why a listed model has none, and what to do: ERR_CONFLICT always. */
int models_say_cardless(struct models *m, const char *canonical, struct err *err);
/* card_check_age, of the card beside a listed model. */
int models_check_age(struct models *m, const char *canonical, struct err *err);

/* *e for a model that is not here, with the names that come near. */
void models_say_missing(struct models *m, const char *canonical, struct api_error *e);

/* card_sweep, unless a download or an import writes into the card's folder: what is being written
 * there would be swept, too. (download_active.c) */
void downloads_sweep(const struct downloads *ds, const struct card *card);
/* Is a download bringing files that are this card's, too (card_clash)? (download_active.c) */
bool downloads_write_to(const struct downloads *ds, const struct card *card);
/* The same, under another reference than this one, which its card forgets. (download_active.c) */
bool downloads_drop_ref(struct downloads *ds, const char *card_path, const char *model_ref);
/* The reference of the one that is under way for this reference, or brings the files of the
 * card at that path (may be NULL); NULL. (download_active.c) */
const char *downloads_under_way(const struct downloads *ds, const char *model_ref,
                                const char *card_path);

/*
 * A reference and its canonical spelling (free()); -1 with *e. A relative path is refused: it means
 * nothing here, since the hive stands in another folder.
 */
int models_parse(const char *text, struct model_ref *ref, char **canonical, struct api_error *e);

#endif
