/*
 * at_work.h - the folders in which a chore is at work on model files, for others to leave alone:
 * `models prune` deletes nothing there, and what is being taken in is neither taken in a second
 * time nor written to; nor is a model brought twice at once, or removed while it comes.
 *
 * A mark lives within the chore's own memory. Loop thread only.
 */
#ifndef RBEE_HIVE_CATALOG_AT_WORK_H
#define RBEE_HIVE_CATALOG_AT_WORK_H

#include <stdbool.h>
#include <sys/queue.h>

struct card;

struct at_work {
    LIST_ENTRY(at_work) link;
    char *dir;               /* owned; NULL = not at work */
    const struct card *card; /* the chore's: this model is being brought there; else NULL */
    char *model_ref;         /* owned; ... under this reference */
    bool takes;              /* the files are being taken away from there */
    bool looks;              /* they are being looked at: set by whoever has marked it */
};
LIST_HEAD(at_work_list, at_work);

/* `dir` is copied. Without memory for that nothing is marked. */
void at_work_begin(struct at_work_list *l, struct at_work *w, const char *dir, bool takes);
/* The card's model is brought to where that says, which stays as long as the mark. False without
 * memory: nothing is marked. */
bool at_work_bring(struct at_work_list *l, struct at_work *w, const struct card *card,
                   const char *model_ref);
/* Nothing happens when it is not at work (any more). */
void at_work_end(struct at_work *w);
/* Ends all: the list is about to go. */
void at_work_end_all(struct at_work_list *l);

bool at_work_is_at(const struct at_work_list *l, const char *dir);
bool at_work_takes(const struct at_work_list *l, const char *dir);
bool at_work_looks(const struct at_work_list *l, const char *dir);
/* Is a model being brought whose files that card names, too (card_clash; may be NULL), or one under
 * that reference? */
bool at_work_brings(const struct at_work_list *l, const struct card *card, const char *model_ref);

#endif
