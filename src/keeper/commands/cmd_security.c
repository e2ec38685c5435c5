/* cmd_security.c - `security verify`: is the security log as it was written? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "api/security_chain.h"
#include "base/clean.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"

#define LOG_FILE "logs/security.jsonl"
#define NO_LOG_HINT                                                                                \
    "A hive keeps one from its first start on: name it, or set RBEE_HOME to that hive's home."
#define KEPT_FILES 9 /* older ones that are looked for: FILE.1, FILE.2 ... */
#define TRIES      3 /* while a hive begins new files */

struct verifying {
    struct security_chain chain;
    uint64_t n_lines;
    unsigned n_files;
    char *since; /* owned: when the first line was written, where others stood before it */
};

/* "?" for a line without a time. */
static char *time_of(const char *line, size_t n)
{
    json_t *read = json_loadb(line, n, 0, NULL);
    const char *at = json_string_value(json_object_get(read, "at"));
    char *time = str_dup(at ? at : "?");

    json_decref(read);
    if (time)
        clean_line(time);
    return time;
}

/* The first line of all. */
static int verify_first(struct verifying *v, const char *line, size_t n, struct err *err)
{
    struct security_chain any = {.open = true};
    int rc = security_chain_check(&any, line, n, err);

    if (rc == 0 && !security_chain_is_first(line, n)) {
        if (!v->chain.open)
            return err_set(err, ERR_INVALID,
                           "those before it are not here, and a hive drops none as long as it has "
                           "less than %d files",
                           SECURITY_FILES_KEPT);
        v->since = time_of(line, n);
    }
    v->chain = any;
    return rc;
}

static int verify_line(struct verifying *v, const char *line, size_t n, struct err *err)
{
    return v->n_lines++ == 0 ? verify_first(v, line, n, err)
                             : security_chain_check(&v->chain, line, n, err);
}

/*
 * 0, or ERR_INVALID with file and line of the first that does not follow; ERR_NOT_FOUND. The first
 * line of all is taken at its word where the hive may have dropped those before it.
 */
static int verify_file(struct verifying *v, const char *path, bool may_be_cut, struct err *err)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    uint64_t number = 0;
    int rc = 0;

    if (!f)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot open %s",
                         path);
    if (v->n_lines == 0 && !may_be_cut)
        security_chain_begin(&v->chain);
    errno = 0;
    while (rc == 0 && (n = getline(&line, &room, f)) > 0) {
        number++;
        if (line[n - 1] == '\n')
            n--;
        rc = verify_line(v, line, (size_t)n, err);
        if (rc)
            err_prefix(err, "%s, line %llu", path, (unsigned long long)number);
    }
    if (rc == 0 && !feof(f)) /* what could not be read is not as it was written */
        rc = err_errno(err, ERR_IO, errno, "%s cannot be read behind line %llu", path,
                       (unsigned long long)number);
    v->n_files++;
    free(line);
    fclose(f);
    return rc;
}

/* The oldest first: each goes on where the one before it ends. */
static int verify_all(struct verifying *v, const char *path, struct err *err)
{
    int rc = 0;

    for (int i = KEPT_FILES; i > 0 && rc == 0; i--) {
        char *older = str_printf("%s.%d", path, i);

        if (!older)
            rc = err_no_memory(err, strlen(path), "a path");
        else if (path_is_file(older))
            rc = verify_file(v, older, i >= SECURITY_FILES_KEPT - 1, err);
        free(older);
    }
    return rc ? rc : verify_file(v, path, false, err);
}

/* Of the file that is written to: 0 where there is none. */
static ino_t file_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* A hive that begins a new file meanwhile moves the names: what was not yet read is another's. */
static int verify(struct verifying *v, const char *path, struct err *err)
{
    ino_t before;
    int rc;

    for (int i = 1;; i++) {
        free(v->since);
        *v = (struct verifying){.chain = {.open = true}};
        before = file_of(path);
        rc = verify_all(v, path, err);
        if (rc == 0 || i == TRIES || file_of(path) == before)
            return rc;
    }
}

static void tell(struct out *out, const struct verifying *v)
{
    out_printf(out, "%llu line%s in %u file%s %s written. The last has the SHA-256 %s.\n",
               (unsigned long long)v->n_lines, v->n_lines == 1 ? "" : "s", v->n_files,
               v->n_files == 1 ? "" : "s", v->n_lines == 1 ? "is as it was" : "are as they were",
               v->chain.last);
    if (v->since)
        out_printf(out, "The first line here is of %s; those before it are not here.\n", v->since);
}

int cmd_security_verify(const struct cli_command *self, int argc, char **argv)
{
    const struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {{0}};
    const char *word = NULL;
    struct keeper k = {.command = self->name};
    struct verifying v = {.chain = {.open = true}};
    struct err err = {0};
    char *path = NULL;
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_open(&k, self, &flags);
    if (rc != CLI_GO)
        return keeper_end(&k, rc);
    path = n ? str_dup(word) : path_join(config_home(k.config), LOG_FILE);
    rc = path ? verify(&v, path, &err) : err_no_memory(&err, 64, "a path");
    if (rc == 0)
        tell(&k.out, &v);
    else if (rc == ERR_NOT_FOUND)
        rc = keeper_fail_missing(&k, err.text, NO_LOG_HINT);
    else
        rc = keeper_fail_err(&k, rc == ERR_INVALID ? API_SECURITY_LOG_BROKEN : API_INTERNAL, &err);
    free(v.since);
    free(path);
    return keeper_end(&k, rc);
}
