/* daemon_configure.c - what a hive begins from; see daemon_internal.h. */
#include "hive/daemon_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/disk/home.h"
#include "hive/disk/reach.h"
#include "hive/doors/advertise.h"
#include "hive/doors/certificate.h"

/* ---- the command line ---- */

int daemon_flags(const struct cli_command *self, int argc, char **argv, struct daemon_flags *f)
{
    const struct cli_opt opts[] = {
        {"addr", 'a', CLI_STR, &f->addr, 0, 0, "HOST:PORT",
         "where to listen (127.0.0.1:8080); port 0 = any free one", NULL},
        {"home", 0, CLI_STR, &f->home, 0, 0, "DIR", "rbee's folder (RBEE_HOME, ~/.rbee)", NULL},
        {"worker", 0, CLI_STR, &f->worker, 0, 0, "PATH", "the worker's program", NULL},
        {"keep-alive", 0, CLI_STR, &f->keep_alive, 0, 0, "TIME",
         "how long an idle worker stays (5m); 0 = not at all, -1 = for ever", NULL},
        {"slots", 0, CLI_STR, &f->slots, 0, 0, "N", "requests a worker decodes at once", NULL},
        {"ctx", 0, CLI_STR, &f->ctx, 0, 0, "N", "positions a slot may hold", NULL},
        {"threads", 0, CLI_STR, &f->threads, 0, 0, "N", "threads a worker computes with", NULL},
        {"worker-port-first", 0, CLI_STR, &f->worker_port_first, 0, 0, "PORT",
         "workers listen on the first free port from here up (8081)", NULL},
        {"log-level", 0, CLI_STR, &f->log_level, 0, 0, "LEVEL",
         "debug, info, warn, error or silent", NULL},
        {0}};

    return cli_parse(DAEMON_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

static int apply_flags(struct config *c, const struct daemon_flags *f, struct err *err)
{
    const struct {
        const char *key, *value;
    } all[] = {{"addr", f->addr},       {"worker", f->worker},
               {"slots", f->slots},     {"keep_alive", f->keep_alive},
               {"ctx", f->ctx},         {"worker_port_first", f->worker_port_first},
               {"threads", f->threads}, {"log_level", f->log_level}};
    int rc = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0] && rc == 0; i++)
        if (all[i].value)
            rc = config_set_flag(c, "hive", all[i].key, all[i].value, err);
    return rc;
}

int daemon_advise(int rc, struct err *err, const char *what)
{
    size_t n = strlen(err->text);

    if (rc)
        snprintf(err->text + n, sizeof err->text - n, "; %s", what);
    return rc;
}

/* ---- what it names ---- */

static int find_home(struct hive *h, const char *given, struct err *err)
{
    char *home = NULL;
    int rc = path_rbee_home(given, &home, err);

    if (rc == 0)
        rc = daemon_advise(home_make(home, &h->home, err), err,
                           "--home or RBEE_HOME names another place");
    free(home);
    return rc;
}

/* An automounter mounts it now, or its disks wake up. */
static int wait_for_dir(struct hive *h, const char *dir, struct err *err)
{
    if (reach_check(h->reach, dir, err) == 0)
        return 0;
    log_info("%s: the hive begins when it answers, or ends in %d s", err->text,
             REACH_START_MS / 1000);
    return reach_wait(h->reach, dir, REACH_START_MS, err);
}

/* Made if need be, and in full: its paths go to workers and keepers. */
static int find_models_dir(struct hive *h, struct err *err)
{
    const char *told = config_text(h->config, "hive", "models_dir");
    char *dir = told[0] ? str_dup(told) : path_join(h->home, "models");
    int rc = dir ? wait_for_dir(h, dir, err) : err_no_memory(err, strlen(h->home), "a path");

    if (rc == 0)
        rc = home_make_models(dir, &h->models_dir, err);
    free(dir);
    return rc;
}

/* Else each worker would fail at its start. */
static int check_template(struct hive *h, struct err *err)
{
    const char *path = config_text(h->config, "hive", "chat_template"), *why = NULL;
    char from[CONFIG_VALUE_MAX];
    int rc = path[0] ? wait_for_dir(h, path, err) : 0;

    if (rc || !path[0])
        return rc;
    if (access(path, R_OK) != 0)
        why = strerror(errno);
    else if (!path_is_file(path))
        why = "it is no regular file";
    if (!why)
        return 0;
    return err_set(err, ERR_INVALID,
                   "[hive] chat_template is %.400s (%.400s), which cannot be read: %s", path,
                   config_source_text(h->config, "hive", "chat_template", from, sizeof from), why);
}

/* One that cannot be locked is used all the same: models may lie on a disk that is only read. */
static int lock_models_dir(struct hive *h, struct err *err)
{
    struct err why = {0};
    int rc = home_lock_models(h->models_dir, &h->models_lock_fd, &why);

    if (rc == ERR_BUSY)
        return err_set(err, rc, "%s", why.text);
    if (rc)
        log_warn("%s: no other rbee-hive may use this folder of models while this one runs",
                 why.text);
    return 0;
}

/* Too long, too many, or twice, too: it stays so, and another start would not help. */
static bool is_written_wrong(int rc)
{
    return rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_CONFLICT;
}

static int read_options(struct hive *h, const struct daemon_flags *f, struct err *err)
{
    int rc = config_open(h->home, &h->config, err);

    if (rc == 0)
        rc = config_check_foreign(h->config, err);
    if (rc == 0)
        rc = apply_flags(h->config, f, err);
    if (rc == 0)
        rc = certificate_check_paths(config_text(h->config, "hive", "tls_cert"),
                                     config_text(h->config, "hive", "tls_key"), err);
    if (is_written_wrong(rc))
        h->exit_code = CLI_USAGE;
    return rc;
}

int daemon_configure(struct hive *h, const struct daemon_flags *f, struct err *err)
{
    enum log_level level = LOG_INFO;
    int rc = find_home(h, f->home, err);

    if (rc == 0)
        rc = read_options(h, f, err);
    if (rc)
        return rc;
    log_level_from(config_text(h->config, "hive", "log_level"), &level);
    log_init(DAEMON_PROGRAM, level);
    rc = check_template(h, err);
    if (rc == 0)
        rc = find_models_dir(h, err);
    if (rc == 0)
        rc = home_lock(h->home, &h->lock_fd, err);
    if (rc == 0) {
        home_sweep(h->home);
        advertise_remove(h->home); /* a killed one's: this one is not there */
    }
    return rc ? rc : lock_models_dir(h, err);
}

/* ---- where to listen ---- */

int daemon_resolve_addr(struct hive *h, struct err *err)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    char host[CONFIG_HOST_MAX];
    struct addrinfo *ai;
    int rc = config_addr_parse(config_text(h->config, "hive", "addr"), CONFIG_DEFAULT_PORT,
                               &h->addr, err);

    if (rc) {
        h->exit_code = CLI_USAGE;
        return rc;
    }
    rc = getaddrinfo(h->addr.host, NULL, &hints, &ai);
    if (rc)
        return err_set(err, ERR_INVALID,
                       "the address '%s' to listen on is not known: %s; --addr takes an address of "
                       "this machine, or a name of one",
                       h->addr.host, gai_strerror(rc));
    rc = getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(ai);
    if (rc)
        return err_set(err, ERR_INVALID, "the address '%s' cannot be used: %s", h->addr.host,
                       gai_strerror(rc));
    str_copy(h->addr.host, sizeof h->addr.host, host);
    return 0;
}
