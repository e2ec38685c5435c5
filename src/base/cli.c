/* cli.c - see cli.h. Prints help to stdout, usage errors to stderr; holds both places, and stdin's.
 */
#include "base/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/cli_internal.h"
#include "base/str.h"
#include "version.h"

int cli_shown(const char *program)
{
    bool failed = ferror(stdout) != 0;
    struct err err = {0};

    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return CLI_DONE;
    err_errno(&err, ERR_IO, errno ? errno : EIO, "cannot write to standard output");
    fprintf(stderr, "%s: %s\n", program, err.text);
    return CLI_ERROR;
}

int cli_show_version(const char *program)
{
    printf("%s %s\n", program, RBEE_VERSION);
    return cli_shown(program);
}

static void show_commands(const char *program, const char *about,
                          const struct cli_command *commands)
{
    printf("%s %s - %s\n\nUsage: %s COMMAND [OPTIONS]\n\nCommands:\n", program, RBEE_VERSION, about,
           program);
    for (const struct cli_command *c = commands; c->name; c++)
        printf("  %-16s %s\n", c->name, c->summary);
    printf("\n'%s COMMAND --help' tells more about one; '%s --version' the version.\n", program,
           program);
}

/* How many of the words argv[1..] spell this command's name; 0 when they do not. */
static int words_matched(const char *name, int argc, char **argv)
{
    int n = 0;

    for (const char *p = name; *p;) {
        size_t len = strcspn(p, " ");

        if (n + 1 >= argc || strlen(argv[n + 1]) != len || strncmp(argv[n + 1], p, len) != 0)
            return 0;
        n++;
        p += len + (p[len] == ' ');
    }
    return n;
}

/*
 * Before anything is opened: standard descriptors that are closed (`>&-`) get a place holder, or a
 * file or a socket would take their number, and be read, or written to. To write to a closed stdout
 * stays an error.
 */
static void hold_places(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        // cppcheck-suppress leakReturnValNotUsed ; held on purpose until the process ends
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            return; /* without /dev/null there is nothing to hold a place with */
}

/* A parent may have blocked signals before it became this program; SIGTERM, or Ctrl+C, would never
 * come. */
static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int cli_main(const char *program, const char *about, const struct cli_command *commands,
             const struct cli_other *others, int argc, char **argv)
{
    const struct cli_command *best = NULL;
    int best_words = 0;

    hold_places();
    unblock_signals();
    if (argc < 2) {
        show_commands(program, about, commands);
        return CLI_USAGE;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
        show_commands(program, about, commands);
        return cli_shown(program);
    }
    if (str_eq(argv[1], "--version") || str_eq(argv[1], "-V"))
        return cli_show_version(program);
    for (const struct cli_command *c = commands; c->name; c++) {
        int n = words_matched(c->name, argc, argv);

        if (n > best_words) {
            best_words = n;
            best = c;
        }
    }
    if (!best)
        return cli_unknown_command(program, commands, others, argc, argv);
    return best->run(best, argc - 1 - best_words, argv + 1 + best_words);
}

static void show_help(const char *program, const struct cli_command *command,
                      const struct cli_opt *opts)
{
    printf("%s %s - %s\n\nUsage: %s %s%s%s%s\n", program, command->name, command->summary, program,
           command->name, opts && opts->name ? " [OPTIONS]" : "", command->args ? " " : "",
           command->args ? command->args : "");
    if (command->details)
        printf("\n%s\n", command->details);
    printf("\nOptions:\n");
    for (const struct cli_opt *o = opts; o && o->name; o++) {
        char left[CLI_WORD_MAX], letter[8] = "    ";

        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
        printf("  %-32s %s\n", left, o->help);
    }
    printf("  %-32s %s\n", "-h, --help", "this help");
}

/* The text has words as they were typed, or as a shell made them of files' names. */
static int usage_error(const char *program, const struct cli_command *command, const char *text)
{
    char shown[ERR_TEXT_MAX];

    str_copy(shown, sizeof shown, text);
    clean_line(shown);
    fprintf(stderr, "%s %s: %s. Try '%s %s --help'.\n", program, command->name, shown, program,
            command->name);
    return CLI_USAGE;
}

static bool in_range(const struct cli_opt *o, double v)
{
    return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

/* Stores the value; on refusal writes why to `why` and returns -1. */
static int store(const struct cli_opt *o, const char *text, char *why, size_t why_size)
{
    struct cli_list *list;
    int64_t i;
    double d;

    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        return 0;
    case CLI_STR:
        *(const char **)o->value = text;
        return 0;
    case CLI_INT:
        if (str_to_i64(text, &i) == 0 && in_range(o, (double)i)) {
            *(int64_t *)o->value = i;
            return 0;
        }
        snprintf(why, why_size, "--%s takes a whole number", o->name);
        break;
    case CLI_NUM:
        if (str_to_f64(text, &d) == 0 && in_range(o, d)) {
            *(double *)o->value = d;
            return 0;
        }
        snprintf(why, why_size, "--%s takes a number", o->name);
        break;
    case CLI_DURATION:
        if (str_to_duration_ms(text, &i) == 0 && (i != 0 || o->min == 0)) {
            *(int64_t *)o->value = i;
            return 0;
        }
        snprintf(why, why_size,
                 "--%s takes a duration such as 30s, 5m or -1, at most " STR_DURATION_MAX_TEXT
                 ", not '%.40s'",
                 o->name, text);
        return -1;
    case CLI_STRS:
        list = o->value;
        if (list->n < CLI_LIST_MAX) {
            list->items[list->n++] = text;
            return 0;
        }
        snprintf(why, why_size, "--%s may be given %d times at most", o->name, CLI_LIST_MAX);
        return -1;
    }
    if (o->min != 0 || o->max != 0) {
        size_t len = strlen(why);

        snprintf(why + len, why_size - len,
                 o->kind == CLI_INT ? " from %.0f to %.0f" : " from %.10g to %.10g", o->min,
                 o->max);
    }
    snprintf(why + strlen(why), why_size - strlen(why), ", not '%.40s'", text);
    return -1;
}

static const struct cli_opt *find_opt(const struct cli_opt *opts, const char *name, size_t len)
{
    for (const struct cli_opt *o = opts; o && o->name; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const struct cli_opt *find_letter(const struct cli_opt *opts, char letter)
{
    for (const struct cli_opt *o = opts; o && o->name; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

static int unknown_option(const char *program, const struct cli_command *command,
                          const struct cli_opt *opts, const char *word)
{
    char why[256], bare[CLI_WORD_MAX], near[2 * CLI_WORD_MAX] = "";

    if (str_starts(word, "--")) {
        str_copy(bare, sizeof bare, word + 2);
        bare[strcspn(bare, "=")] = '\0';
        cli_nearest_option(opts, bare, near, sizeof near);
    }
    /* What stands behind "=" may be a key. */
    snprintf(why, sizeof why, "there is no option '%.*s'%s%s%s",
             (int)strcspn(word, "=") < 60 ? (int)strcspn(word, "=") : 60, word,
             near[0] ? " (did you mean '" : "", near, near[0] ? "'?)" : "");
    return usage_error(program, command, why);
}

/* One option at argv[*i]; *i moves over its value. CLI_GO or an exit code. */
static int parse_option(const char *program, const struct cli_command *command,
                        const struct cli_opt *opts, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *text = NULL;
    const struct cli_opt *o;
    char why[256];

    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");

        o = find_opt(opts, word + 2, len);
        if (word[2 + len] == '=')
            text = word + 2 + len + 1;
    } else {
        o = word[2] ? NULL : find_letter(opts, word[1]);
    }
    if (!o)
        return unknown_option(program, command, opts, word);
    if (o->kind == CLI_FLAG && text) {
        snprintf(why, sizeof why, "--%s takes no value", o->name);
        return usage_error(program, command, why);
    }
    if (o->kind != CLI_FLAG && !text) {
        if (*i + 1 >= argc) {
            snprintf(why, sizeof why, "--%s needs a value", o->name);
            return usage_error(program, command, why);
        }
        text = argv[++*i];
    }
    if (store(o, text, why, sizeof why))
        return usage_error(program, command, why);
    if (o->given)
        *o->given = true;
    return CLI_GO;
}

int cli_parse(const char *program, const struct cli_command *command, const struct cli_opt *opts,
              int argc, char **argv, const char **words, size_t max_words, size_t *n_words)
{
    bool options_over = false;
    size_t n = 0;

    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        char why[256];
        int rc = CLI_GO;

        if (options_over || word[0] != '-' || word[1] == '\0') {
            if (n == max_words) {
                snprintf(why, sizeof why, "'%.60s' is one word too many", word);
                return usage_error(program, command, why);
            }
            words[n++] = word;
        } else if (str_eq(word, "--")) {
            options_over = true;
        } else if (str_eq(word, "--help") || str_eq(word, "-h")) {
            show_help(program, command, opts);
            return cli_shown(program);
        } else if (str_eq(word, "--version")) {
            return cli_show_version(program);
        } else {
            rc = parse_option(program, command, opts, argc, argv, &i);
        }
        if (rc != CLI_GO)
            return rc;
    }
    if (n_words)
        *n_words = n;
    return CLI_GO;
}
