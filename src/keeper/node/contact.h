/*
 * contact.h - what commands ask of their node: patiently, and believed of a rbee-hive only.
 *
 * A call that gets no answer is made again as preflight.h does it, so each has to be one that may
 * be made twice. One that may not (contact_once) is made again only where nobody can have heard it:
 * what it did the first time, the second would report as an error. A hive that does not know the
 * path may be of another version: it is asked, and VERSION_MISMATCH is then the error. An answer
 * without what every hive puts into it is none: an empty object is no empty list. Main thread only.
 */
#ifndef RBEE_KEEPER_NODE_CONTACT_H
#define RBEE_KEEPER_NODE_CONTACT_H

#include "keeper/node/keeper.h"

/* client.h's calls: 0, or -1 with *e. */
int contact_json(struct keeper *k, const struct client_ask *ask, json_t **out, struct api_error *e);
int contact_text(struct keeper *k, const struct client_ask *ask, struct buf *body,
                 struct api_error *e);

/*
 * contact_json of what is not asked twice once it may have been heard, as what is gone cannot be
 * removed again. If its answer is lost then, *e says that it may be done, and that `look`, a
 * command line, shows whether it is.
 */
int contact_once(struct keeper *k, const struct client_ask *ask, const char *look, json_t **out,
                 struct api_error *e);

/* GET of a path of the node's, with KEEPER_LIST_MS, whose answer holds the array `key`. */
int contact_list(struct keeper *k, const char *path, const char *key, json_t **out,
                 struct api_error *e);

/* True when the answer has a `name` of that type; else *e says that no hive of ours gives it. */
bool contact_has(const struct keeper *k, const json_t *answer, const char *name, json_type type,
                 struct api_error *e);

/* The same for a stream that got no answer, begun at began_ms: see preflight_again. */
bool contact_again(struct keeper *k, unsigned n_failed, int64_t began_ms, struct api_error *e);

/* *e of a call that failed: another one where the node knows no such path and says, asked now, that
 * it is of another version. */
void contact_doubt(struct keeper *k, struct api_error *e);

/* keeper_fail for commands about a model: what a hive will not do with one, it refuses as a bad
 * request, though the command was right; not so where it names fields: these were typed. */
int contact_refused(struct keeper *k, struct api_error *e);

#endif
