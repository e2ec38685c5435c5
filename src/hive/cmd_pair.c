/* cmd_pair.c - `rbee-hive pair`: one more line by which another machine's keeper gets a key; on a
 * loopback address the one by which another account's knows the certificate. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/disk/home.h"
#include "hive/doors/advertise.h"
#include "hive/doors/pairing.h"
#include "hive/hive.h"

#define PROGRAM "rbee-hive"

/* The hive of that home, if it speaks https: whoever has its line knows who answers, and nobody can
 * listen in. */
static int find_hive(const char *home, struct advertise *out, struct err *err)
{
    int rc = advertise_read(home, out, err);

    if (rc == ERR_NOT_FOUND || !home_is_locked(home)) /* one that was killed left its file */
        return err_set(err, ERR_NOT_FOUND,
                       "no hive that other machines can reach runs with the home %s; start it with "
                       "`rbee-hive daemon --addr 0.0.0.0:8080`",
                       home);
    if (rc == 0 && !out->tls && access_is_loopback(out->addr.host))
        rc = err_set(err, ERR_CONFLICT,
                     "the hive listens on %s, where other machines cannot reach it, and this one's "
                     "keepers need no line; start it with --addr 0.0.0.0:8080",
                     out->addr.host);
    if (rc == 0 && !out->tls)
        rc =
            err_set(err, ERR_CONFLICT,
                    "the hive speaks no https ([hive] tls = off), so a key would cross the network "
                    "in the clear");
    return rc;
}

/* No key is needed there, so no code is made. */
static int show_place(const struct advertise *a)
{
    char line[ADVERTISE_LINE_MAX];

    printf("%s\n", advertise_line(a, NULL, line));
    return cli_shown(PROGRAM) == CLI_DONE ? CLI_DONE : CLI_ERROR;
}

/* A code that nobody has seen is not left open. */
static int show_line(const char *home, const struct advertise *a, const char *code, bool closed)
{
    char line[ADVERTISE_LINE_MAX];

    printf("%s\n", advertise_line(a, code, line));
    if (closed)
        fprintf(stderr,
                "%s: %d lines are open at once: the oldest, which nobody has used, works no more\n",
                PROGRAM, PAIRINGS_MAX);
    if (cli_shown(PROGRAM) == CLI_DONE)
        return CLI_DONE;
    pairing_redeem(home, code, clock_unix_ms() / 1000, NULL); /* else it is over in an hour */
    return CLI_ERROR;
}

int cmd_pair(const struct cli_command *self, int argc, char **argv)
{
    const char *given = NULL;
    const struct cli_opt opts[] = {
        {"home", 0, CLI_STR, &given, 0, 0, "DIR", "the hive's folder (RBEE_HOME, ~/.rbee)", NULL},
        {0}};
    char *home = NULL, *real = NULL, code[PAIRING_CODE_BYTES];
    struct advertise a;
    bool closed = false, here;
    struct err err = {0};
    int rc = cli_parse(PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = path_rbee_home(given, &home, &err);
    if (rc == 0 && given && (rc = path_real(home, &real, &err)) == 0) {
        free(home);
        home = real;
    }
    if (rc == 0)
        rc = find_hive(home, &a, &err);
    here = rc == 0 && access_is_loopback(a.addr.host);
    if (rc == 0 && !here)
        rc = pairing_make(home, code, clock_unix_ms() / 1000, &closed, &err);
    if (rc)
        fprintf(stderr, "%s: %s\n", PROGRAM, err.text);
    rc = rc ? CLI_ERROR : here ? show_place(&a) : show_line(home, &a, code, closed);
    free(home);
    return rc;
}
