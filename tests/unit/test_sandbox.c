/*
 * The sandbox, tried from within: each attempt is made by a process of its own that has entered it
 * as a worker does, with a listening socket, a connection and a file open beforehand. What the
 * kernel lacks is skipped, saying so, and so is everything where a sanitizer keeps its rights.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/sandbox/sandbox.h"
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

/* What the attempts work with; made before the sandbox. */
struct rig {
    int file, listener, client, pipe_in, pipe_out;
    pid_t other; /* a process that is not ours */
    struct sockaddr_in at;
};

/* An attempt's exit code: 0 as it should be; else the test's line tells. */
enum { AS_WISHED, WAS_ALLOWED, OTHER_ERRNO, NO_SANDBOX = 99 };

static int refused_with(long rc, int wanted)
{
    return rc >= 0 ? WAS_ALLOWED : errno == wanted ? AS_WISHED : OTHER_ERRNO;
}

static int refused(long rc)
{
    return refused_with(rc, EPERM);
}

static int must(bool works)
{
    return works ? AS_WISHED : OTHER_ERRNO;
}

/* ---- files ---- */

static int try_open(struct rig *r)
{
    (void)r;
    return refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_create(struct rig *r)
{
    (void)r;
    return refused(open("/tmp/rbee-sandbox-test", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* A descriptor that is open for reading is no way to the same file for writing. */
static int try_reopen_by_descriptor(struct rig *r)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", r->file);
    return refused(open(path, O_RDWR | O_CLOEXEC));
}

static int try_environ_of_parent(struct rig *r)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/environ", (long)r->other);
    return refused(open(path, O_RDONLY | O_CLOEXEC));
}

static int try_unlink(struct rig *r)
{
    (void)r;
    return refused(unlink("/tmp/rbee-sandbox-test-no-such-file"));
}

static int try_list(struct rig *r)
{
    (void)r;
    return refused(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int try_open_by_io_uring(struct rig *r)
{
    char params[256] = {0};

    (void)r;
    return refused(syscall(SYS_io_uring_setup, 8, params));
}

static int can_read_what_is_open(struct rig *r)
{
    char bytes[4];
    struct stat st;

    return must(pread(r->file, bytes, sizeof bytes, 0) == 4 && fstat(r->file, &st) == 0 &&
                mmap(NULL, 4, PROT_READ, MAP_PRIVATE, r->file, 0) != MAP_FAILED);
}

/* ---- network ---- */

static int try_socket(struct rig *r)
{
    (void)r;
    return refused(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_unix_socket(struct rig *r)
{
    (void)r;
    return refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_connect(struct rig *r)
{
    return refused(connect(r->client, (struct sockaddr *)&r->at, sizeof r->at));
}

static int try_bind(struct rig *r)
{
    struct sockaddr_in any = {.sin_family = AF_INET};

    return refused(bind(r->client, (struct sockaddr *)&any, sizeof any));
}

/* TCP Fast Open connects by sending. */
static int try_connect_by_sending(struct rig *r)
{
    return refused(
        sendto(r->client, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&r->at, sizeof r->at));
}

static int can_accept(struct rig *r)
{
    int on = 1, waiting = 0, fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    return must(fd >= 0 && setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on) == 0 &&
                send(fd, "hi", 2, MSG_NOSIGNAL) == 2 && ioctl(fd, FIONREAD, &waiting) == 0 &&
                ioctl(fd, SIOCOUTQ, &waiting) == 0 && shutdown(fd, SHUT_RDWR) == 0 &&
                close(fd) == 0);
}

/* ---- processes ---- */

static int try_fork(struct rig *r)
{
    pid_t pid = fork();

    (void)r;
    if (pid == 0)
        _exit(0);
    return refused(pid);
}

static int try_fork_by_clone3(struct rig *r)
{
    uint64_t args[8] = {[4] = SIGCHLD};
    long pid = syscall(SYS_clone3, args, sizeof args);

    (void)r;
    if (pid == 0)
        _exit(0);
    return refused_with(pid, ENOSYS);
}

static int try_user_namespace(struct rig *r)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

    (void)r;
    if (pid == 0)
        _exit(0);
    return refused(pid);
}

static int try_exec(struct rig *r)
{
    char name[] = "true", *const argv[] = {name, NULL};

    (void)r;
    return refused(execve("/bin/true", argv, argv + 1));
}

static int try_ptrace(struct rig *r)
{
    return refused(ptrace(PTRACE_ATTACH, r->other, NULL, NULL));
}

static int try_read_memory_of_other(struct rig *r)
{
    return refused(syscall(SYS_process_vm_readv, r->other, NULL, 0, NULL, 0, 0));
}

static int try_kill(struct rig *r)
{
    return refused(kill(r->other, 0));
}

static int try_kill_by_tgkill(struct rig *r)
{
    return refused(syscall(SYS_tgkill, r->other, r->other, 0));
}

static int try_limits_of_other(struct rig *r)
{
    struct rlimit limit;

    return refused(prlimit(r->other, RLIMIT_CPU, NULL, &limit));
}

static int try_mount(struct rig *r)
{
    (void)r;
    return refused(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int try_bpf(struct rig *r)
{
    (void)r;
    return refused(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_to_open_the_filter_again(struct rig *r)
{
    (void)r;
    return refused(prctl(PR_SET_SECCOMP, 0));
}

static int try_to_be_dumpable(struct rig *r)
{
    (void)r;
    return refused(prctl(PR_SET_DUMPABLE, 1));
}

static int try_memory_to_execute(struct rig *r)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)r;
    return refused(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static void *note(void *arg)
{
    *(int *)arg = open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
    return NULL;
}

/* Threads start, and are in the sandbox as well. */
static int can_start_threads(struct rig *r)
{
    pthread_t thread;
    int seen = -1;

    (void)r;
    return must(pthread_create(&thread, NULL, note, &seen) == 0 &&
                pthread_join(thread, NULL) == 0 && seen == EPERM);
}

static int can_take_and_give_memory(struct rig *r)
{
    char *text = malloc(64u << 20), *more = realloc(text, 96u << 20);

    (void)r;
    if (!more)
        return OTHER_ERRNO;
    memset(more, 1, 96u << 20);
    free(more);
    return AS_WISHED;
}

static int can_write_and_poll(struct rig *r)
{
    char byte;

    return must(write(r->pipe_in, "x", 1) == 1 && read(r->pipe_out, &byte, 1) == 1);
}

/* A call that no kernel has yet: what a newer C library might try. */
static int unknown_calls_fail_softly(struct rig *r)
{
    (void)r;
    return refused(syscall(4000));
}

static int can_abort(struct rig *r)
{
    (void)r;
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* ---- what is gone ---- */

static int environment_is_empty(struct rig *r)
{
    (void)r;
    return must(getenv("PATH") == NULL && getenv("RBEE_TEST_SECRET") == NULL);
}

static int inherited_descriptors_are_closed(struct rig *r)
{
    return must(fcntl(r->pipe_in, F_GETFD) >= 0 && fcntl(77, F_GETFD) < 0 &&
                fcntl(78, F_GETFD) >= 0);
}

/* ---- the frame ---- */

static void make_rig(struct rig *r)
{
    socklen_t n = sizeof r->at;
    int fds[2];

    *r = (struct rig){.other = getppid()};
    r->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(r->listener, (struct sockaddr *)&r->at, sizeof r->at) || listen(r->listener, 4) ||
        getsockname(r->listener, (struct sockaddr *)&r->at, &n) || pipe2(fds, O_CLOEXEC))
        _exit(NO_SANDBOX);
    r->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r->pipe_out = fds[0];
    r->pipe_in = fds[1];
    setenv("RBEE_TEST_SECRET", "of 16 characters", 1);
    /* as if inherited: one that is named, one that is not */
    dup2(fds[0], 77);
    dup2(fds[0], 78);
}

static void call_in(const struct rig *r)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (const struct sockaddr *)&r->at, sizeof r->at))
        _exit(NO_SANDBOX);
}

static _Noreturn void be_worker(int (*attempt)(struct rig *r))
{
    const int keep[] = {78, -1};
    const struct sandbox_rules rules = {.keep = keep, .n_keep = 2, .file_max = SANDBOX_LOG_MAX};
    struct sandbox_level level;
    struct rig r;

    make_rig(&r);
    call_in(&r);
    if (sandbox_enter(&rules, &level, NULL) || !level.seccomp)
        _exit(NO_SANDBOX);
    _exit(attempt(&r));
}

/*
 * What this kernel lets this process have, asked without the program: a sandbox that forgot a lock,
 * or thought that the kernel has none, would else be skipped by its own word.
 */
static unsigned landlock_here(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* asks for the version */);

    return version > 0 ? (unsigned)version : 0;
}

/* A process that is not ours installs a filter that allows everything. */
static bool seccomp_here(void)
{
    int status;
    pid_t pid;

#if !defined(__x86_64__) && !defined(__aarch64__)
    return false; /* the program has no filter for it */
#endif
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog all = {.len = 1, .filter = &allow};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
            _exit(1);
        _exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &all) &&
              prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void need_seccomp(void)
{
    if (!SANITIZED && seccomp_here())
        return;
    print_message("# skipped: %s\n",
                  SANITIZED ? "built with a sanitizer" : "the kernel has no filters for us");
    skip();
}

static int end_of(int (*attempt)(struct rig *r))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        be_worker(attempt);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* An attempt whose test's state is the attempt: it must end with exit code 0. */
static void test_is_refused(void **state)
{
    int (*attempt)(struct rig * r) = *(int (**)(struct rig * r)) * state;
    int status;

    need_seccomp();
    status = end_of(attempt);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), AS_WISHED);
}

/* One that ends the process: by SIGSYS, not by anything it did itself. */
static void test_is_fatal(void **state)
{
    int (*attempt)(struct rig * r) = *(int (**)(struct rig * r)) * state;
    int status;

    need_seccomp();
    status = end_of(attempt);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void test_sandbox__an_abort_is_one(void **state)
{
    int status;

    (void)state;
    need_seccomp();
    status = end_of(can_abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_false(WCOREDUMP(status));
}

/* ---- Landlock alone: the second lock on the same doors ---- */

static int landlock_refuses_files(struct rig *r)
{
    (void)r;
    return refused_with(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
}

static int landlock_refuses_exec(struct rig *r)
{
    char name[] = "true", *const argv[] = {name, NULL};

    (void)r;
    return refused_with(execve("/bin/true", argv, argv + 1), EACCES);
}

static int landlock_refuses_tcp(struct rig *r)
{
    return refused_with(connect(r->client, (struct sockaddr *)&r->at, sizeof r->at), EACCES);
}

static int landlock_refuses_signals(struct rig *r)
{
    return refused_with(kill(r->other, 0), EPERM);
}

static _Noreturn void be_behind_landlock(int (*attempt)(struct rig *r))
{
    struct rig r;

    make_rig(&r);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || sandbox_landlock_enter() != landlock_here())
        _exit(NO_SANDBOX);
    _exit(attempt(&r));
}

static void check_landlock(unsigned version, int (*attempt)(struct rig *r))
{
    int status;
    pid_t pid;

    if (landlock_here() < version) {
        print_message("# skipped: Landlock's version here is %u, this takes %u\n", landlock_here(),
                      version);
        skip();
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_behind_landlock(attempt);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), AS_WISHED);
}

static void test_landlock__refuses_files(void **state)
{
    (void)state;
    check_landlock(1, landlock_refuses_files);
}

static void test_landlock__refuses_exec(void **state)
{
    (void)state;
    check_landlock(1, landlock_refuses_exec);
}

static void test_landlock__refuses_tcp(void **state)
{
    (void)state;
    check_landlock(4, landlock_refuses_tcp);
}

static void test_landlock__refuses_signals(void **state)
{
    (void)state;
    check_landlock(6, landlock_refuses_signals);
}

/* ---- limits, modes, texts ---- */

static void in_child(void (*body)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(OTHER_ERRNO);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), AS_WISHED);
}

#define FILE_MOST 4096

static void write_past_the_limit(void)
{
    char path[] = "/tmp/rbee-sandbox-XXXXXX", bytes[FILE_MOST] = {0};
    int fd = mkostemp(path, O_CLOEXEC);
    struct sandbox_rules rules = {.file_max = FILE_MOST};
    struct sandbox_level level;

    unlink(path);
    sandbox_enter(&rules, &level, NULL);
    _exit(must(write(fd, bytes, sizeof bytes) == FILE_MOST && write(fd, bytes, 1) == -1 &&
               errno == EFBIG));
}

static void test_sandbox__a_log_cannot_fill_the_disk(void **state)
{
    (void)state;
    need_seccomp();
    in_child(write_past_the_limit);
}

static void take_too_much(void)
{
    struct sandbox_rules rules = {.data_max = 64u << 20};
    struct sandbox_level level;
    void *little, *much;

    sandbox_enter(&rules, &level, NULL);
    little = malloc(16u << 20);
    much = malloc(128u << 20);
    _exit(must(little && !much && errno == ENOMEM));
}

static void test_sandbox__memory_has_an_end(void **state)
{
    (void)state;
    need_seccomp();
    in_child(take_too_much);
}

static void be_off(void)
{
    struct sandbox_rules rules = {.mode = SANDBOX_MODE_OFF};
    struct sandbox_level level;
    int rc = sandbox_enter(&rules, &level, NULL);

    _exit(must(rc == 0 && level.why == SANDBOX_OFF && open("/proc/self/exe", O_RDONLY) >= 0));
}

static void test_sandbox__off_takes_nothing(void **state)
{
    (void)state;
    in_child(be_off);
}

/* By default all that the kernel has: a lock less would go unnoticed. */
static void go_as_far_as_it_goes(void)
{
    struct sandbox_rules rules = {0};
    unsigned landlock = landlock_here();
    bool seccomp = seccomp_here();
    struct sandbox_level level;
    int rc = sandbox_enter(&rules, &level, NULL);

    if (SANITIZED)
        _exit(must(rc == 0 && level.why == SANDBOX_SANITIZER));
    _exit(must(rc == 0 && level.why == SANDBOX_ENTERED && level.landlock == landlock &&
               level.seccomp == seccomp));
}

static void test_sandbox__goes_as_far_as_the_kernel(void **state)
{
    (void)state;
    in_child(go_as_far_as_it_goes);
}

/* Required: whole where the kernel has both locks, else an error with the reason. */
static void be_required(void)
{
    bool whole = !SANITIZED && landlock_here() > 0 && seccomp_here();
    struct sandbox_rules rules = {.mode = SANDBOX_MODE_REQUIRED};
    struct sandbox_level level;
    struct err err = {0};
    int rc = sandbox_enter(&rules, &level, &err);

    if (whole)
        _exit(must(rc == 0 && sandbox_is_full(&level)));
    _exit(must(rc == ERR_UNSUPPORTED && !sandbox_is_full(&level) && strstr(err.text, "required") &&
               strstr(err.text, "auto")));
}

static void test_sandbox__required_is_all_or_nothing(void **state)
{
    (void)state;
    in_child(be_required);
}

static void test_sandbox__modes_have_names(void **state)
{
    enum sandbox_mode mode;
    struct err err = {0};

    (void)state;
    assert_int_equal(sandbox_mode_from(NULL, &mode, &err), 0);
    assert_int_equal(mode, SANDBOX_MODE_AUTO);
    assert_int_equal(sandbox_mode_from("off", &mode, &err), 0);
    assert_int_equal(mode, SANDBOX_MODE_OFF);
    assert_int_equal(sandbox_mode_from("required", &mode, &err), 0);
    assert_int_equal(mode, SANDBOX_MODE_REQUIRED);
    assert_int_equal(sandbox_mode_from("none", &mode, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "'none'"));
}

static void check_text(struct sandbox_level level, const char *text, bool full)
{
    struct sandbox_level back = sandbox_unpack(sandbox_pack(&level));
    char dst[SANDBOX_TEXT_BYTES];

    assert_string_equal(sandbox_text(&back, dst), text);
    assert_int_equal(sandbox_is_full(&back), full);
}

static void test_sandbox__levels_are_told_in_words(void **state)
{
    (void)state;
    check_text((struct sandbox_level){0}, "", false);
    check_text((struct sandbox_level){SANDBOX_ENTERED, 4, true}, "full (landlock 4 + seccomp)",
               true);
    check_text((struct sandbox_level){SANDBOX_ENTERED, 0, true}, "seccomp", false);
    check_text((struct sandbox_level){SANDBOX_ENTERED, 255, false}, "landlock 255", false);
    check_text((struct sandbox_level){SANDBOX_ENTERED, 0, false},
               "none (the kernel has neither landlock nor seccomp)", false);
    check_text((struct sandbox_level){SANDBOX_OFF, 0, false}, "none (switched off)", false);
    check_text((struct sandbox_level){SANDBOX_SANITIZER, 0, false}, "none (built with a sanitizer)",
               false);
}

/* A key in the environment is not to be read in /proc later. */
static void test_sandbox__a_variable_is_wiped(void **state)
{
    static char variable[] = "RBEE_TEST_KEY=of-16-characters";

    (void)state;
    putenv(variable);
    sandbox_forget("RBEE_TEST_KEY");
    assert_null(getenv("RBEE_TEST_KEY"));
    for (size_t i = 0; i < sizeof variable; i++)
        assert_int_equal(variable[i], 0);
    sandbox_forget("RBEE_TEST_KEY");
}

/* A test's state is a pointer to the attempt's address: functions do not fit into void *. */
#define ATTEMPT(frame, attempt)                                                                    \
    {                                                                                              \
#attempt, frame, NULL, NULL, &(int (*[])(struct rig *))                                    \
        {                                                                                          \
            attempt                                                                                \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ATTEMPT(test_is_refused, try_open),
        ATTEMPT(test_is_refused, try_create),
        ATTEMPT(test_is_refused, try_reopen_by_descriptor),
        ATTEMPT(test_is_refused, try_environ_of_parent),
        ATTEMPT(test_is_refused, try_unlink),
        ATTEMPT(test_is_refused, try_list),
        ATTEMPT(test_is_fatal, try_open_by_io_uring),
        ATTEMPT(test_is_refused, can_read_what_is_open),
        ATTEMPT(test_is_refused, try_socket),
        ATTEMPT(test_is_refused, try_unix_socket),
        ATTEMPT(test_is_refused, try_connect),
        ATTEMPT(test_is_refused, try_bind),
        ATTEMPT(test_is_refused, try_connect_by_sending),
        ATTEMPT(test_is_refused, can_accept),
        ATTEMPT(test_is_refused, try_fork),
        ATTEMPT(test_is_refused, try_fork_by_clone3),
        ATTEMPT(test_is_refused, try_user_namespace),
        ATTEMPT(test_is_fatal, try_exec),
        ATTEMPT(test_is_fatal, try_ptrace),
        ATTEMPT(test_is_fatal, try_read_memory_of_other),
        ATTEMPT(test_is_refused, try_kill),
        ATTEMPT(test_is_refused, try_kill_by_tgkill),
        ATTEMPT(test_is_refused, try_limits_of_other),
        ATTEMPT(test_is_fatal, try_mount),
        ATTEMPT(test_is_fatal, try_bpf),
        ATTEMPT(test_is_refused, try_to_open_the_filter_again),
        ATTEMPT(test_is_refused, try_to_be_dumpable),
        ATTEMPT(test_is_refused, try_memory_to_execute),
        ATTEMPT(test_is_refused, can_start_threads),
        ATTEMPT(test_is_refused, can_take_and_give_memory),
        ATTEMPT(test_is_refused, can_write_and_poll),
        ATTEMPT(test_is_refused, unknown_calls_fail_softly),
        ATTEMPT(test_is_refused, environment_is_empty),
        ATTEMPT(test_is_refused, inherited_descriptors_are_closed),
        cmocka_unit_test(test_sandbox__an_abort_is_one),
        cmocka_unit_test(test_landlock__refuses_files),
        cmocka_unit_test(test_landlock__refuses_exec),
        cmocka_unit_test(test_landlock__refuses_tcp),
        cmocka_unit_test(test_landlock__refuses_signals),
        cmocka_unit_test(test_sandbox__a_log_cannot_fill_the_disk),
        cmocka_unit_test(test_sandbox__memory_has_an_end),
        cmocka_unit_test(test_sandbox__goes_as_far_as_the_kernel),
        cmocka_unit_test(test_sandbox__off_takes_nothing),
        cmocka_unit_test(test_sandbox__required_is_all_or_nothing),
        cmocka_unit_test(test_sandbox__modes_have_names),
        cmocka_unit_test(test_sandbox__levels_are_told_in_words),
        cmocka_unit_test(test_sandbox__a_variable_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
