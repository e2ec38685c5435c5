/* cmd_pair.c - `rbee-hive pair`: one more line by which another machine's keeper gets a key. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/advertise.h"
#include "hive/hive.h"
#include "hive/home.h"
#include "hive/pairing.h"

#define PROGRAM "rbee-hive"

static int make_line(const char *home, struct err *err)
{
    char code[PAIRING_CODE_BYTES], line[ADVERTISE_LINE_MAX];
    struct advertise a;
    int rc = advertise_read(home, &a, err);

    if (rc == ERR_NOT_FOUND || !home_is_locked(home)) /* one that was killed left its file */
        return err_set(err, ERR_NOT_FOUND,
                       "no hive that other machines can reach runs with the home %s; start it with "
                       "`rbee-hive daemon --addr 0.0.0.0:8080`",
                       home);
    if (rc == 0 && access_is_loopback(a.addr.host))
        rc = err_set(err, ERR_CONFLICT,
                     "the hive listens on %s, where other machines cannot reach it; start it with "
                     "--addr 0.0.0.0:8080",
                     a.addr.host);
    if (rc == 0 && !a.tls)
        rc =
            err_set(err, ERR_CONFLICT,
                    "the hive speaks no https ([hive] tls = off), so a key would cross the network "
                    "in the clear");
    if (rc == 0)
        rc = pairing_make(home, code, clock_unix_ms() / 1000, err);
    if (rc == 0)
        printf("%s\n", advertise_line(&a, code, line));
    return rc;
}

int cmd_pair(const struct cli_command *self, int argc, char **argv)
{
    const char *given = NULL;
    const struct cli_opt opts[] = {
        {"home", 0, CLI_STR, &given, 0, 0, "DIR", "the hive's folder (RBEE_HOME, ~/.rbee)", NULL},
        {0}};
    struct err err = {0};
    char *home = NULL;
    int rc = cli_parse(PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = given ? path_real(given, &home, &err) : path_rbee_home(&home, &err);
    if (rc == 0)
        rc = make_line(home, &err);
    if (rc)
        fprintf(stderr, "%s: %s\n", PROGRAM, err.text);
    free(home);
    return rc ? CLI_ERROR : CLI_DONE;
}
