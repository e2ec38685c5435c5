/* cmd_node.c - `node add` and `node rm`: changes of the keeper's list of machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/node/machines.h"
#include "keeper/node/pair.h"
#include "keeper/shell/interrupt.h"

#define LOCK_WAIT_MS 10000 /* for another command that changes the same files */

/* ---- add ---- */

static void warn_if_silent(struct keeper *k, const char *name, const struct config_addr *addr)
{
    struct client_probe p;
    struct machine m;
    char text[128];

    machine_set(k->config, &m, name, addr, false);
    if (!machines_probe(k, &m, &p, 1) || interrupt_seen()) {
        machines_done(&p, 1);
        return;
    }
    if (p.answer)
        out_printf(&k->out, "%s is %s (%s, %s).\n", name, m.where,
                   machine_verdict(&p, text, sizeof text), keeper_text(p.answer, "version", "?"));
    else
        term_note(&k->term, "Added, but %s does not answer at %s yet: %s", name, m.where,
                  p.error.message);
    machines_done(&p, 1);
}

/* The lock under which the files of this home are changed. */
static int lock_home(const char *home, struct dir_lock *lock, struct err *err)
{
    int rc = path_make_dirs(home, 0700, err);

    *lock = DIR_LOCK_NONE;
    return rc ? rc : dir_lock_take(home, LOCK_WAIT_MS, interrupt_flag(), lock, err);
}

/* The secret, then the address; when that fails the secret that was there before is back. */
static int set_both(struct keeper *k, const char *name, const char *address,
                    const struct node_secret *secret, struct err *err)
{
    const char *home = config_home(k->config);
    struct node_secret before;
    bool found;
    int rc = node_secrets_find(home, name, &found, &before, err);

    if (rc == 0)
        rc = config_node_try(k->config, name, address, err);
    if (rc == 0)
        rc = node_secrets_put(home, name, secret, err);
    if (rc == 0) {
        rc = config_node_add(k->config, name, address, err);
        if (rc)
            node_secrets_put(home, name, found ? &before : NULL, NULL);
    }
    explicit_bzero(&before, sizeof before);
    return rc;
}

/* One that cannot be read counts: to remove it says what is wrong. */
static bool has_secret(const char *home, const char *name)
{
    struct node_secret secret;
    bool found = false;
    bool has = node_secrets_find(home, name, &found, &secret, NULL) != 0 || found;

    explicit_bzero(&secret, sizeof secret);
    return has;
}

/* A node whose line somebody deleted in an editor is known by its secret still. */
static int remove_line(struct keeper *k, const char *name, struct err *err)
{
    int rc = config_node_remove(k->config, name, err);

    return rc == ERR_NOT_FOUND && has_secret(config_home(k->config), name) ? 0 : rc;
}

/* Of both files the disk has the new names: a power cut brings back no key that was taken away, and
 * takes none whose code is used. The configuration may be a link into another folder. */
static int sync_both(const struct keeper *k, const struct dir_lock *lock, struct err *err)
{
    char *file = path_behind_link(config_file_path(k->config));
    int rc = file ? dir_lock_sync(lock, config_home(k->config), err)
                  : err_no_memory(err, strlen(config_file_path(k->config)), "a path");

    if (rc == 0 && path_is_file(file))
        rc = path_sync_folder(file, err);
    free(file);
    return rc;
}

/*
 * Two files are changed, and at no moment between may an address stand without its secret: what is
 * asked then would go out without TLS, with a key. So a secret is written before its address, and
 * removed behind it. Under the home's lock: keepers that add at once lost each other's lines.
 */
static int change(struct keeper *k, const char *name, const char *address,
                  const struct node_secret *secret, struct err *err)
{
    const char *home = config_home(k->config);
    struct dir_lock lock;
    int rc = lock_home(home, &lock, err);

    if (rc == 0 && secret)
        rc = set_both(k, name, address, secret, err);
    else if (rc == 0)
        rc = address ? config_node_add(k->config, name, address, err) : remove_line(k, name, err);
    if (rc == 0 && !secret)
        rc = node_secrets_put(home, name, NULL, err);
    if (rc == 0)
        rc = sync_both(k, &lock, err);
    dir_lock_release(&lock);
    return rc;
}

static int fail(struct keeper *k, int rc, const struct err *err)
{
    if (rc == ERR_INVALID)
        return keeper_usage(k, "%s", err->text);
    return keeper_fail_err(k, rc == ERR_LIMIT ? API_INVALID_REQUEST : API_INTERNAL, err);
}

/* Remembers address and secret; without a secret an older one of that name goes. */
static int remember(struct keeper *k, const char *name, const char *address,
                    const struct node_secret *secret)
{
    struct err err = {0};
    int rc = change(k, name, address, secret, &err);

    return rc ? fail(k, rc, &err) : 0;
}

/* A name that cannot be kept, one too many, or files that cannot be written, must not cost the
 * code, which works once. */
static int check_place(struct keeper *k, const char *name, const char *address)
{
    const char *home = config_home(k->config);
    struct err err = {0};
    struct dir_lock lock;
    int rc = lock_home(home, &lock, &err);

    if (rc == 0)
        rc = config_node_try(k->config, name, address, &err);
    if (rc == 0)
        rc = node_secrets_touch(home, &err);
    dir_lock_release(&lock);
    return rc ? fail(k, rc, &err) : 0;
}

/* Of a hive on a loopback address: its certificate is all there is to know. */
static int add_keyless(struct keeper *k, const char *name, const char *where,
                       const struct pair_line *line)
{
    struct node_secret secret = {.tls = true};
    int rc;

    str_copy(secret.pin, sizeof secret.pin, line->pin);
    rc = remember(k, name, where, &secret);
    if (rc == 0)
        term_ok(&k->term, "Paired: the hive is known by its certificate, and asks for no key.");
    return rc;
}

static int add_paired(struct keeper *k, const char *name, const char *link)
{
    char where[CONFIG_HOST_MAX + 9], print[8];
    struct node_secret secret;
    struct pair_line line;
    struct api_error e;
    struct err err = {0};
    int rc;

    if (pair_parse(link, &line, &err))
        return keeper_usage(k, "%s", err.text);
    config_addr_text(&line.addr, where, sizeof where);
    if (!line.code[0])
        return add_keyless(k, name, where, &line);
    rc = check_place(k, name, where);
    if (rc)
        return rc;
    if (pair_exchange(&line, &secret, print, &e)) {
        k->node = (struct node){0}; /* it is another one that said it */
        return keeper_fail(k, &e);
    }
    rc = remember(k, name, where, &secret);
    explicit_bzero(&secret, sizeof secret);
    if (rc == 0)
        term_ok(&k->term, "Paired: the key %s was made for this keeper.", print);
    return rc;
}

static int add(struct keeper *k, const char *name, const char *place)
{
    const struct node_secret by_authority = {.tls = true};

    if (str_starts(place, PAIR_SCHEME))
        return add_paired(k, name, place);
    if (str_starts(place, "https://"))
        return remember(k, name, place + strlen("https://"), &by_authority);
    return remember(k, name, place, NULL);
}

/* On a terminal a person is about to paste it. */
static int read_link(char link[PAIR_LINE_MAX], struct err *err)
{
    struct term term;

    term_init(&term, false);
    if (isatty(STDIN_FILENO))
        term_note(&term, "Paste the line that `rbee-hive pair` has printed:");
    return pair_read(stdin, link, err);
}

/* A pairing's code is in the process list no longer than it takes to read it: *place is a copy of
 * it then. Before the interrupt handler is there: Ctrl+C ends a waiting read. */
static int take_link(int argc, char **argv, const char **place, char link[PAIR_LINE_MAX],
                     struct err *err)
{
    const char *given = *place;

    if (str_eq(given, "-") || str_starts(given, PAIR_SCHEME))
        *place = link;
    if (str_eq(given, "-"))
        return read_link(link, err);
    if (*place == link && !str_copy(link, PAIR_LINE_MAX, given))
        str_copy(link, PAIR_LINE_MAX, PAIR_SCHEME); /* too long to be one: pair_parse says so */
    for (int i = 0; i < argc; i++)
        if (argv[i] == given)
            pair_hide(argv[i]);
    return 0;
}

int cmd_node_add(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {.node = "localhost"};
    const struct cli_opt opts[] = {{0}};
    const char *words[2];
    const struct config_node *added;
    struct keeper k = {.command = self->name};
    char link[PAIR_LINE_MAX] = PAIR_SCHEME;
    struct err err = {0};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, words, 2, &n);

    if (rc != CLI_GO)
        return rc;
    if (n < 2)
        return keeper_usage(&k, "give a name and a host, such as 'bee2 192.168.1.20'");
    if (strcasecmp(words[0], "localhost") == 0) /* names know no case */
        return keeper_usage(&k, "'localhost' is this machine and cannot be another");
    if (take_link(argc, argv, &words[1], link, &err))
        return keeper_usage(&k, "%s", err.text);
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = add(&k, words[0], words[1]);
    if (rc == 0 && (added = config_node_find(k.config, words[0])) != NULL)
        warn_if_silent(&k, words[0], &added->addr);
    explicit_bzero(link, sizeof link);
    return keeper_end(&k, rc);
}

/* ---- rm ---- */

int cmd_node_rm(const struct cli_command *self, int argc, char **argv)
{
    const struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {{0}};
    const char *word = NULL;
    struct keeper k = {.command = self->name};
    struct err err = {0};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    if (n == 0)
        return keeper_usage(&k, "name a node");
    rc = keeper_open(&k, self, &flags);
    if (rc == CLI_GO) {
        rc = change(&k, word, NULL, NULL, &err);
        if (rc == ERR_NOT_FOUND)
            rc = keeper_fail_missing(&k, err.text, "`rbee-keeper node list` shows them.");
        else if (rc)
            rc = keeper_fail_err(&k, API_INTERNAL, &err);
        else
            out_printf(&k.out, "Removed the node %s.\n", word);
    }
    return keeper_end(&k, rc);
}
