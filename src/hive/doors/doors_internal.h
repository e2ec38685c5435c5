/* doors_internal.h - what the files behind doors.h share; for nobody else. */
#ifndef RBEE_HIVE_DOORS_DOORS_INTERNAL_H
#define RBEE_HIVE_DOORS_DOORS_INTERNAL_H

#include "hive/doors/doors.h"

#define DOORS_KEY_FILE  "api-key"
#define DOORS_LINK_PATH "/v1/workers/ready" /* all that a worker asks of its hive */
#define DOORS_PAIR_PATH "/v1/pair"

/* The file of hashes, and the key of the older file beside it, at a start: both or an error. */
int doors_read_keys(struct doors *d, struct err *err);

/* A key is there that was not before. */
void doors_tell_created(struct doors *d, const struct keys_entry *key);

/* What the file is like now; ERR_UNREACHABLE when it lies where nobody answers (reach.h), with *out
 * as it was. */
int doors_look(const struct doors *d, const char *name, struct doors_seen *out, struct err *err);
bool doors_seen_same(const struct doors_seen *a, const struct doors_seen *b);

/* As doors_note_failure, of a request from elsewhere. */
void doors_note_forbidden(struct doors *d, const struct access_ask *ask, const char *peer);
int doors_begin_failed(struct doors *d, struct err *err);
/* All that was not told yet of strangers is, if the start was; nobody is counted any more. */
void doors_end_failed(struct doors *d);

void doors_unwatch(struct doors *d);

/* Strangers may hold all descriptors just when a file is to be read: one is kept for that, let go
 * before, and taken again behind it. */
void doors_free_spare(struct doors *d);
void doors_keep_spare(struct doors *d);

/* doors_certificate.c, for one of the user's own, and nothing to do with the hive's: which files
 * it is, before they are read; what it says, at the start. */
void doors_mark_certificate(struct doors *d);
void doors_take_certificate(struct doors *d, const char *chain);
void doors_unwatch_certificate(struct doors *d);

/* That key opened the door just now. */
void doors_note_use(struct doors *d, const struct keys_entry *key);
/* Those that are gone leave their places to others. */
void doors_forget_used(struct doors *d);
/* Writes run/keys-used when it is time for it, or `now`. */
void doors_note_used(struct doors *d, bool now);

#endif
