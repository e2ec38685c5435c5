/*
 * cli.h - one table per command is its parser and its help.
 *
 * A program has a table of commands; a command a table of options. Values land in the caller's own
 * variables, checked by kind and range. "--name VALUE", "--name=VALUE", "-n VALUE" and flags;
 * "--" ends options. Unknown options, missing values and left-over words are usage errors, with the
 * nearest known name. --help and --version are understood everywhere.
 */
#ifndef RBEE_BASE_CLI_H
#define RBEE_BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Exit codes of all three programs. */
#define CLI_DONE        0
#define CLI_ERROR       1
#define CLI_USAGE       2
#define CLI_INTERRUPTED 130

enum cli_kind {
    CLI_FLAG,     /* bool *: true when given */
    CLI_STR,      /* const char **: into argv */
    CLI_INT,      /* int64_t *, within min..max */
    CLI_NUM,      /* double *, within min..max */
    CLI_DURATION, /* int64_t * in ms (see str_to_duration_ms); min 1: not 0 */
    CLI_STRS      /* struct cli_list *: may be given several times */
};

#define CLI_LIST_MAX 16
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t n;
};

struct cli_opt {
    const char *name; /* "max-tokens" */
    char letter;      /* 'n', or 0 */
    enum cli_kind kind;
    void *value;      /* where it goes; untouched when the option is not given */
    double min, max;  /* CLI_INT, CLI_NUM: both 0 = any */
    const char *arg;  /* "N", shown in the help; NULL for flags */
    const char *help; /* one line */
    bool *given;      /* set when the option was given; may be NULL */
};

/*
 * What a command's parse gave. The caller prints nothing itself: cli_parse has shown the help or
 * the usage error already when it returns something other than CLI_GO.
 */
#define CLI_GO (-1)

struct cli_command {
    const char *name;    /* "workers list": words as typed */
    const char *args;    /* "[NODE]" : left-over words, for the help; NULL = none allowed */
    const char *summary; /* one line for the list of commands */
    const char *details; /* more for its own --help; may be NULL */
    /* Gets itself and the words after its name; returns an exit code. */
    int (*run)(const struct cli_command *self, int argc, char **argv);
};

/* What other programs call something, and the command that does it here, or in another of ours. */
struct cli_other {
    const char *word;  /* "list" */
    const char *means; /* "models list" */
};

/*
 * Finds the command named by argv[1..] (longest name first) and runs it; shows the list for no
 * words, "help" or "--help", the version for "--version". An unknown word: CLI_USAGE with what it
 * may have meant. The tables end with a NULL name and a NULL word; `others` may be NULL. Before all
 * else the standard descriptors that are closed get a place holder, and signals that a parent has
 * blocked come again.
 */
int cli_main(const char *program, const char *about, const struct cli_command *commands,
             const struct cli_other *others, int argc, char **argv);

/*
 * Parses a command's words by its options (ending with a NULL name). Left-over words go to
 * words[0..*n_words), at most max_words. Returns CLI_GO, or the exit code to end with.
 */
int cli_parse(const char *program, const struct cli_command *command, const struct cli_opt *opts,
              int argc, char **argv, const char **words, size_t max_words, size_t *n_words);

/* The end of what a command was asked to print to stdout by stdio: CLI_DONE when all of it is out,
 * else CLI_ERROR, with a sentence on stderr. */
int cli_shown(const char *program);

/*
 * Of the names in a NULL-ended list the one that begins with `word`, else the nearest, of which no
 * more than three letters and a third of the word are wrong, else one that ends with it from a
 * blank or hyphen on, else NULL.
 */
const char *cli_nearest(const char *word, const char *const *names);

#endif
