/* sandbox.c - see sandbox.h. The order matters: each step still needs what the later ones take. */
#include "worker/sandbox/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "worker/sandbox/sandbox_internal.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

int sandbox_mode_from(const char *name, enum sandbox_mode *out, struct err *err)
{
    *out = SANDBOX_MODE_AUTO;
    if (!name || str_eq(name, "auto"))
        return 0;
    *out = str_eq(name, "off") ? SANDBOX_MODE_OFF : SANDBOX_MODE_REQUIRED;
    if (*out == SANDBOX_MODE_OFF || str_eq(name, "required"))
        return 0;
    return err_set(err, ERR_INVALID, "--sandbox is '%.32s'; there are auto, off and required",
                   name);
}

/* ---- what was inherited -------------------------------------------------- */

static bool is_kept(const struct sandbox_rules *rules, int fd)
{
    for (size_t i = 0; i < rules->n_keep; i++)
        if (rules->keep[i] == fd)
            return true;
    return fd <= STDERR_FILENO;
}

/*
 * What this process opened itself is closed by exec; what it inherited has come through one. So the
 * flag tells the two apart.
 */
static void close_inherited(const struct sandbox_rules *rules)
{
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (!d)
        return;
    while ((entry = readdir(d))) {
        int64_t fd;

        if (str_to_i64(entry->d_name, &fd) == 0 && !is_kept(rules, (int)fd) &&
            fcntl((int)fd, F_GETFD) == 0)
            close((int)fd);
    }
    closedir(d);
}

void sandbox_forget(const char *variable)
{
    size_t n = strlen(variable);

    for (char **v = environ; v && *v; v++) {
        if (strncmp(*v, variable, n) == 0 && (*v)[n] == '=') {
            char *text = *v;

            unsetenv(variable);
            explicit_bzero(text, strlen(text));
            return;
        }
    }
}

/* /proc shows the memory in which the process got its environment: it is wiped. The time zone is
 * kept for templates that ask for the date. */
static void forget_environment(void)
{
    const char *zone = getenv("TZ");
    char *kept = zone ? str_dup(zone) : NULL;

    for (char **v = environ; v && *v; v++)
        explicit_bzero(*v, strlen(*v));
    clearenv();
    if (kept)
        setenv("TZ", kept, 1);
    free(kept);
}

/* ---- limits -------------------------------------------------------------- */

/* Never above what it is. */
static void limit(int what, uint64_t most)
{
    struct rlimit now, wanted = {.rlim_cur = most, .rlim_max = most};

    if (getrlimit(what, &now) || (now.rlim_max != RLIM_INFINITY && now.rlim_max <= most))
        return;
    setrlimit(what, &wanted);
}

/* A write past a file's limit fails, and kills nobody. Descriptors are not limited: those who come
 * need one each. Nor is the number of processes, which the kernel counts by user. */
static void limit_resources(const struct sandbox_rules *rules)
{
    limit(RLIMIT_CORE, 0);
    if (rules->file_max) {
        signal(SIGXFSZ, SIG_IGN);
        limit(RLIMIT_FSIZE, rules->file_max);
    }
    if (rules->data_max)
        limit(RLIMIT_DATA, rules->data_max);
    if (rules->cpu_s)
        limit(RLIMIT_CPU, rules->cpu_s);
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &head, none);
}

/* ---- all of it ----------------------------------------------------------- */

static void enter(const struct sandbox_rules *rules, struct sandbox_level *out)
{
    *out = (struct sandbox_level){.why = SANDBOX_ENTERED};
    close_inherited(rules);
    forget_environment();
    umask(S_IRWXG | S_IRWXO);
    limit_resources(rules);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    drop_capabilities();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return;
    out->landlock = sandbox_landlock_enter();
    out->seccomp = sandbox_seccomp_enter();
}

int sandbox_enter(const struct sandbox_rules *rules, struct sandbox_level *out, struct err *err)
{
    char text[SANDBOX_TEXT_BYTES];

    if (rules->mode == SANDBOX_MODE_OFF)
        *out = (struct sandbox_level){.why = SANDBOX_OFF};
    else if (SANITIZED)
        *out = (struct sandbox_level){.why = SANDBOX_SANITIZER};
    else
        enter(rules, out);
    if (rules->mode != SANDBOX_MODE_REQUIRED || sandbox_is_full(out))
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "a full sandbox is required, but this one is: %s; it takes a kernel with seccomp "
        "and Landlock (Linux 5.13, switched on), or --sandbox auto to go without",
        sandbox_text(out, text));
}
