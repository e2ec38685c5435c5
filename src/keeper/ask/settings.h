/*
 * settings.h - how a conversation's answers are to be made: a JSON object that holds those of the
 * worker's fields that are not at their default, under their names.
 *
 * Values are judged by the worker's own parser (api/inference.h), so a setting that is taken here
 * is taken there. Defaults are the worker's, but for max_tokens: an answer may be as long as the
 * context is.
 */
#ifndef RBEE_KEEPER_ASK_SETTINGS_H
#define RBEE_KEEPER_ASK_SETTINGS_H

#include <jansson.h>

#include "api/inference.h"
#include "base/buf.h"
#include "keeper/ask/sampling.h"

#define SETTINGS_MAX_TOKENS INFERENCE_MAX_TOKENS_MAX /* the default: what fits */
#define SETTINGS_TEXT_MAX   (17u << 20)

/* Those of a filled request that are not at their default; owned, NULL when out of memory. */
json_t *settings_of(const struct inference_request *r);

/* What the options of the command line say, over what stands: one that was given with its default's
 * value takes the setting back. ERR_INVALID, and sampling_fill's errors. */
int settings_take(json_t *settings, const struct sampling *options, struct err *err);

/* ERR_INVALID names the first that cannot be taken. */
int settings_check(const json_t *settings, struct err *err);

/*
 * "temperature", "0.5": as a person types them; '-' for '_' is fine in names. "default" for a value
 * takes a setting back; each stop and logit_bias adds to those before it. On an error (ERR_INVALID,
 * ERR_NOT_FOUND ...) nothing has changed.
 */
int settings_set(json_t *settings, const char *name, const char *value, struct err *err);

/* All there are, a line each; or the one called `name`, ERR_INVALID when there is none. */
int settings_show(const json_t *settings, const char *name, struct buf *out, struct err *err);

/* An initialised *r for these messages (borrowed), with a job_id of its own. */
int settings_fill(const json_t *settings, json_t *messages, struct inference_request *r,
                  struct err *err);

#endif
