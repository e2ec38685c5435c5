/* cli_unknown.c - what may have been meant by a command or an option that is none, which the first
 * word of a group is, too; see cli.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/cli_internal.h"
#include "base/str.h"

#define CLI_NEAREST_MAX_DISTANCE 3
#define CLI_GUESSES_MAX          4
#define CLI_BEGINNING_MIN        2 /* letters that are enough to know a name by */

/* ---- names ---- */

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Edits that make b of a, two letters in each other's place being one (Damerau 1964; the restricted
 * form, with three rows of memory). Long words are never near.
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][CLI_WORD_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > CLI_WORD_MAX || m > CLI_WORD_MAX)
        return CLI_WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = min(above[j - 1] + (a[i - 1] != b[j - 1]), min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min(row[j], before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

/* The first of the names that begins with the word, NULL for none. */
static const char *begun(const char *word, const char *const *names)
{
    for (; *names && strlen(word) >= CLI_BEGINNING_MIN; names++)
        if (str_starts(*names, word))
            return *names;
    return NULL;
}

/* The first that ends with the word, from a blank or a hyphen on. */
static const char *ended(const char *word, const char *const *names)
{
    size_t n = strlen(word);

    for (; *names && n >= CLI_BEGINNING_MIN; names++) {
        size_t len = strlen(*names);

        if (len > n && strchr(" -", (*names)[len - n - 1]) && str_eq(*names + len - n, word))
            return *names;
    }
    return NULL;
}

const char *cli_nearest(const char *word, const char *const *names)
{
    const char *best = begun(word, names);
    size_t least = min(CLI_NEAREST_MAX_DISTANCE, strlen(word) / 3) + 1;

    if (best)
        return best;
    for (const char *const *name = names; *name; name++) {
        size_t d = distance(word, *name);

        if (d < least) {
            least = d;
            best = *name;
        }
    }
    return best ? best : ended(word, names);
}

/* ---- commands ---- */

/* What an unknown command may have meant. */
struct guesses {
    const char *names[CLI_GUESSES_MAX];
    size_t n;
};

static void guess(struct guesses *g, const char *name)
{
    if (name && g->n < CLI_GUESSES_MAX)
        g->names[g->n++] = name;
}

/* Is the command one of this group's, as "workers list" is of "workers"? */
static bool is_of(const struct cli_command *c, const char *group)
{
    return str_starts(c->name, group) && c->name[strlen(group)] == ' ';
}

/* What other programs call so, or whatever has this word as its second. */
static void guess_by_word(struct guesses *g, const struct cli_command *commands,
                          const struct cli_other *others, const char *word)
{
    for (const struct cli_other *o = others; o && o->word; o++)
        if (str_eq(o->word, word))
            guess(g, o->means);
    if (g->n)
        return;
    for (const struct cli_command *c = commands; c->name; c++) {
        const char *second = strchr(c->name, ' ');

        if (second && str_eq(second + 1, word))
            guess(g, c->name);
    }
}

/* What is spelt much like it: of a group the second word, as "list" is of "workers list". */
static void guess_by_letters(struct guesses *g, const struct cli_command *commands,
                             const char *group, const char *typed)
{
    const char *names[CLI_WORD_MAX + 1], *near;
    const struct cli_command *these[CLI_WORD_MAX];
    size_t n = 0;

    for (const struct cli_command *c = commands; c->name && n < CLI_WORD_MAX; c++) {
        if (group && !is_of(c, group))
            continue;
        these[n] = c;
        names[n++] = group ? c->name + strlen(group) + 1 : c->name;
    }
    names[n] = NULL;
    near = cli_nearest(typed, names);
    for (size_t i = 0; i < n; i++)
        if (names[i] == near)
            guess(g, these[i]->name);
}

static void say_guesses(const struct guesses *g)
{
    for (size_t i = 0; i < g->n; i++)
        fprintf(stderr, "%s'%s'",
                i == 0         ? " Did you mean "
                : i + 1 < g->n ? ", "
                               : " or ",
                g->names[i]);
    if (g->n)
        fputs("?", stderr);
}

static void show_group(FILE *to, const struct cli_command *commands, const char *group)
{
    for (const struct cli_command *c = commands; c->name; c++)
        if (is_of(c, group))
            fprintf(to, "  %-16s %s\n", c->name, c->summary);
}

static int help_of_group(const char *program, const struct cli_command *commands, const char *group)
{
    printf("Usage: %s %s COMMAND [OPTIONS]\n\nCommands:\n", program, group);
    show_group(stdout, commands, group);
    printf("\n'%s %s COMMAND --help' tells more about one.\n", program, group);
    return cli_shown(program);
}

#define SHOWN_MAX 101 /* bytes of a word that is shown, and the NUL */

/* The word as it was typed, fit for a terminal. */
static const char *shown(const char *word, char dst[SHOWN_MAX])
{
    str_copy(dst, SHOWN_MAX, word);
    clean_line(dst);
    return dst;
}

/* The first word is right, and the second is not, or is not there. */
static int unknown_in_group(const char *program, const struct cli_command *commands,
                            const char *group, const char *word)
{
    struct guesses g = {.n = 0};
    char room[SHOWN_MAX];

    if (!word) {
        fprintf(stderr, "%s: '%s' needs one more word:\n", program, group);
        show_group(stderr, commands, group);
        return CLI_USAGE;
    }
    if (str_eq(word, "--help") || str_eq(word, "-h") || str_eq(word, "help"))
        return help_of_group(program, commands, group);
    if (str_eq(word, "--version"))
        return cli_show_version(program);
    guess_by_letters(&g, commands, group, word);
    fprintf(stderr, "%s: there is no command '%s %s'", program, group, shown(word, room));
    if (g.n) {
        fprintf(stderr, ". Did you mean '%s'? Try '%s --help'.\n", g.names[0], program);
    } else {
        fputs("; there are:\n", stderr);
        show_group(stderr, commands, group);
    }
    return CLI_USAGE;
}

int cli_unknown_command(const char *program, const struct cli_command *commands,
                        const struct cli_other *others, int argc, char **argv)
{
    struct guesses g = {.n = 0};
    char both[2 * CLI_WORD_MAX], room[SHOWN_MAX];

    for (const struct cli_command *c = commands; c->name; c++)
        if (is_of(c, argv[1]))
            return unknown_in_group(program, commands, argv[1], argc > 2 ? argv[2] : NULL);
    guess_by_word(&g, commands, others, argv[1]);
    snprintf(both, sizeof both, "%s %s", argv[1], argc > 2 ? argv[2] : "");
    if (!g.n && argc > 2)
        guess_by_letters(&g, commands, NULL, both);
    if (!g.n)
        guess_by_letters(&g, commands, NULL, argv[1]);
    fprintf(stderr, "%s: there is no command '%s'.", program, shown(argv[1], room));
    say_guesses(&g);
    fprintf(stderr, " Try '%s --help'.\n", program);
    return CLI_USAGE;
}

/* ---- options ---- */

/* The first option whose argument is called so, as PORT is a part of HOST:PORT; NULL. */
static const struct cli_opt *takes(const struct cli_opt *opts, const char *word)
{
    size_t n = strlen(word);

    for (const struct cli_opt *o = opts; o && o->name; o++)
        for (const char *at = o->arg; at && n >= CLI_BEGINNING_MIN; at = strchr(at, ':')) {
            at += *at == ':';
            if (strcspn(at, ":") == n && strncasecmp(at, word, n) == 0)
                return o;
        }
    return NULL;
}

void cli_nearest_option(const struct cli_opt *opts, const char *word, char *dst, size_t dst_size)
{
    const char *names[CLI_WORD_MAX + 1], *near;
    const struct cli_opt *taker;
    size_t n = 0;

    for (const struct cli_opt *o = opts; o && o->name && n < CLI_WORD_MAX; o++)
        names[n++] = o->name;
    names[n] = NULL;
    near = cli_nearest(word, names);
    taker = near ? NULL : takes(opts, word);
    dst[0] = '\0';
    if (near)
        snprintf(dst, dst_size, "--%s", near);
    else if (taker)
        snprintf(dst, dst_size, "--%s %s", taker->name, taker->arg);
}
