/*
 * sampling.h - how an answer is to be made, as `infer` and `chat` take it from the command line.
 *
 * One list of options for both commands; ranges are those of the worker's fields
 * (api/inference.h). What a file or a text has to say (a schema, a grammar, a bias) is checked when
 * a request is filled.
 */
#ifndef RBEE_KEEPER_ASK_SAMPLING_H
#define RBEE_KEEPER_ASK_SAMPLING_H

#include "api/inference.h"
#include "base/cli.h"

#define SAMPLING_FILE_MAX (1u << 20) /* bytes of a schema or a grammar */

/* Which options were given of those that may be given with their default's value: to `infer` that
 * is nothing, a conversation that goes on may have had another. */
struct sampling_given {
    bool max_tokens, temperature, top_p, top_k, min_p, repetition_penalty, presence_penalty,
        frequency_penalty, timeout;
};

struct sampling {
    int64_t max_tokens, top_k, seed, timeout_ms;
    double temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
    struct cli_list stop, logit_bias;
    const char *json_schema, *grammar; /* a path; the first may be the JSON itself */
    bool seed_given, ignore_eos;
    struct sampling_given given;
};

/* clang-format off */
#define SAMPLING_OPTS(s)                                                                           \
    {"max-tokens", 'n', CLI_INT, &(s).max_tokens, 1, INFERENCE_MAX_TOKENS_MAX, "N",                \
     "tokens to generate at most (256; chat: what fits)", &(s).given.max_tokens},                  \
    {"temperature", 0, CLI_NUM, &(s).temperature, 0, 2, "T",                                       \
     "0 = always the likeliest (0.8)", &(s).given.temperature},                                    \
    {"top-p", 0, CLI_NUM, &(s).top_p, 0, 1, "P", "nucleus sampling (0.95)", &(s).given.top_p},     \
    {"top-k", 0, CLI_INT, &(s).top_k, 0, INT32_MAX, "K",                                           \
     "of the K likeliest, 0 = all (40)", &(s).given.top_k},                                        \
    {"min-p", 0, CLI_NUM, &(s).min_p, 0, 1, "P",                                                   \
     "least share of the likeliest (0.05)", &(s).given.min_p},                                     \
    {"repetition-penalty", 0, CLI_NUM, &(s).repetition_penalty, 0, 2, "R",                         \
     "1 = none (1)", &(s).given.repetition_penalty},                                               \
    {"presence-penalty", 0, CLI_NUM, &(s).presence_penalty, -2, 2, "R",                            \
     "for tokens that were there already (0)", &(s).given.presence_penalty},                       \
    {"frequency-penalty", 0, CLI_NUM, &(s).frequency_penalty, -2, 2, "R",                          \
     "the same, for each time (0)", &(s).given.frequency_penalty},                                 \
    {"logit-bias", 0, CLI_STRS, &(s).logit_bias, 0, 0, "ID=BIAS",                                  \
     "token ID likelier by -100 to 100; up to 16 times", 0},                                       \
    {"stop", 0, CLI_STRS, &(s).stop, 0, 0, "TEXT", "end before this text; up to 16 times", 0},     \
    {"ignore-eos", 0, CLI_FLAG, &(s).ignore_eos, 0, 0, NULL,                                       \
     "go on where the model would end", 0},                                                        \
    {"seed", 's', CLI_INT, &(s).seed, 0, (double)INFERENCE_SEED_MAX, "N",                          \
     "the same seed gives the same text", &(s).seed_given},                                        \
    {"json-schema", 0, CLI_STR, &(s).json_schema, 0, 0, "FILE|JSON",                               \
     "the answer is JSON that this schema describes", 0},                                          \
    {"grammar", 0, CLI_STR, &(s).grammar, 0, 0, "FILE", "the answer is a text of this GBNF", 0},   \
    {"timeout", 0, CLI_DURATION, &(s).timeout_ms, 0, 0, "TIME",                                    \
     "end an answer after this time: seconds, or 5m", &(s).given.timeout}
/* clang-format on */

/* The worker's defaults. */
void sampling_init(struct sampling *s);

/*
 * Copies the options into an initialised request, reading the files they name. ERR_INVALID,
 * ERR_NOT_FOUND, ERR_LIMIT with the option's name.
 */
int sampling_fill(const struct sampling *s, struct inference_request *r, struct err *err);

/*
 * A schema as a person gives it: JSON text (what begins with a brace, or true or false), else a
 * file's path. *out is owned by the caller. The same errors.
 */
int sampling_schema(const char *given, json_t **out, struct err *err);

/* A grammar's text; free(). */
int sampling_grammar(const char *path, char **out, struct err *err);

#endif
