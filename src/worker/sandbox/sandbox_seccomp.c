/*
 * sandbox_seccomp.c - the filter of system calls: a list of what a worker calls once it serves.
 *
 * What is not in a list answers EPERM, not death: a newer C library may try a call that an older
 * one did not know, and copes without it. clone3 answers ENOSYS, since its flags lie in memory that
 * a filter cannot see; the C library then asks clone, whose flags are looked at: threads, no
 * processes. Calls that serving, computing and C libraries never need and intruders do end the
 * process.
 *
 * A filter is a program of the classic BPF machine: it loads a word of struct seccomp_data,
 * compares, and returns a verdict. The kernel notes which calls are allowed whatever their
 * arguments, and does not run it for those (5.11).
 *
 * Source: seccomp(2), the kernel's seccomp_filter.rst.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "worker/sandbox/sandbox_internal.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#if defined(MACHINE)

#define PROGRAM_MAX 512
#define X32_BIT     0x40000000u /* x86-64: calls of another ABI, under other numbers */

/* Headers may be older than kernels. */
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#define NAME_VMA 0x53564d41 /* PR_SET_VMA: the C library names its memory */

/* Allowed whatever the arguments. */
static const unsigned allowed[] = {
    /* threads, time */
    __NR_futex, __NR_sched_yield, __NR_sched_getaffinity, __NR_set_robust_list, __NR_exit,
    __NR_exit_group, __NR_gettid, __NR_getpid, __NR_getppid, __NR_nanosleep, __NR_clock_nanosleep,
    __NR_clock_gettime, __NR_clock_getres, __NR_gettimeofday, __NR_getrusage, __NR_getrandom,
    __NR_sysinfo, __NR_getcpu, __NR_restart_syscall,
#ifdef __NR_rseq
    __NR_rseq,
#endif
    /* memory */
    __NR_munmap, __NR_mremap, __NR_madvise, __NR_brk,
    /* descriptors that are there */
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_preadv, __NR_lseek,
    __NR_fstat, __NR_fadvise64, __NR_readahead, __NR_close, __NR_ppoll, __NR_epoll_pwait,
    __NR_epoll_ctl,
#ifdef __NR_epoll_pwait2
    __NR_epoll_pwait2,
#endif
#ifdef __NR_poll
    __NR_poll, __NR_epoll_wait, __NR_time,
#endif
    /* connections that come */
    __NR_accept, __NR_accept4, __NR_recvfrom, __NR_recvmsg, __NR_shutdown, __NR_getsockname,
    __NR_getpeername, __NR_getsockopt,
    /* signals to itself */
    __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack};

/* Nothing that serves, computes or is a C library asks for these. */
static const unsigned hostile[] = {
    __NR_execve,
    __NR_execveat,
    __NR_ptrace,
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_kcmp,
    __NR_pidfd_getfd,
    __NR_bpf,
    __NR_perf_event_open,
    __NR_userfaultfd,
    __NR_io_uring_setup,
    __NR_io_uring_enter,
    __NR_io_uring_register,
    __NR_add_key,
    __NR_request_key,
    __NR_keyctl,
    __NR_mount,
    __NR_umount2,
    __NR_pivot_root,
    __NR_chroot,
    __NR_open_tree,
    __NR_move_mount,
    __NR_fsopen,
    __NR_fsconfig,
    __NR_fsmount,
    __NR_fspick,
    __NR_setns,
    __NR_unshare,
    __NR_open_by_handle_at,
    __NR_init_module,
    __NR_finit_module,
    __NR_delete_module,
    __NR_kexec_load,
    __NR_reboot,
    __NR_swapon,
    __NR_swapoff,
    __NR_acct,
    __NR_quotactl,
    __NR_settimeofday,
    __NR_clock_settime,
    __NR_adjtimex,
    __NR_syslog,
#ifdef __NR_iopl
    __NR_iopl,
    __NR_ioperm,
    __NR_modify_ldt,
#endif
};

/* Allowed where the low 32 bits of an argument, masked, are a certain value. Kernels look at no
 * more than those bits of these arguments. A call may stand in several rows. */
struct condition {
    unsigned call, argument;
    uint32_t mask, value;
};

#define ALL_BITS 0xffffffffu
/* What a thread shares with its process, and what makes it something else. */
#define THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define NO_THREAD                                                                                  \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET | CLONE_VFORK | CLONE_PTRACE)

static const struct condition conditions[] = {
    {__NR_clone, 0, THREAD | NO_THREAD, THREAD},
    {__NR_mmap, 2, PROT_EXEC, 0},
    {__NR_mprotect, 2, PROT_EXEC, 0},
    /*
     * fstat is newfstatat with this flag and an empty path in C libraries such as glibc 2.36, and
     * they have no other way. A filter cannot see the path, and the kernel resolves one that is not
     * empty in spite of the flag; Landlock does not know stat. So whether a path is there, its
     * size, owner and times can be learnt; what is in it cannot.
     */
    {__NR_newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH},
    {__NR_sendto, 3, MSG_FASTOPEN, 0}, /* which connects */
    {__NR_sendmsg, 2, MSG_FASTOPEN, 0},
    {__NR_setsockopt, 1, ALL_BITS, SOL_SOCKET},
    {__NR_setsockopt, 1, ALL_BITS, IPPROTO_TCP},
    {__NR_ioctl, 1, ALL_BITS, FIONREAD},
    {__NR_ioctl, 1, ALL_BITS, FIONBIO},
    {__NR_ioctl, 1, ALL_BITS, SIOCOUTQ},
    {__NR_fcntl, 1, ALL_BITS, F_GETFD},
    {__NR_fcntl, 1, ALL_BITS, F_SETFD},
    {__NR_fcntl, 1, ALL_BITS, F_GETFL},
    {__NR_fcntl, 1, ALL_BITS, F_SETFL},
    {__NR_fcntl, 1, ALL_BITS, F_DUPFD_CLOEXEC},
    {__NR_prctl, 0, ALL_BITS, PR_SET_NAME},
    {__NR_prctl, 0, ALL_BITS, PR_GET_NAME},
    {__NR_prctl, 0, ALL_BITS, NAME_VMA},
};

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short n;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    BUG_ON(p->n == PROGRAM_MAX);
    p->at[p->n++] = (struct sock_filter){code, if_true, if_false, k};
}

static void put_load(struct program *p, size_t offset)
{
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_verdict(struct program *p, uint32_t verdict)
{
    put(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* The call's number is loaded before and behind each of these. */
static void put_list(struct program *p, const unsigned *calls, size_t n, uint32_t verdict)
{
    for (size_t i = 0; i < n; i++) {
        put(p, BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        put_verdict(p, verdict);
    }
}

static void put_condition(struct program *p, const struct condition *c)
{
    size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;

    put(p, BPF_JMP | BPF_JEQ | BPF_K, c->call, 0, 5);
    put_load(p, offsetof(struct seccomp_data, args) + 8 * c->argument + low);
    put(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, c->value, 0, 1);
    put_verdict(p, SECCOMP_RET_ALLOW);
    put_load(p, offsetof(struct seccomp_data, nr));
}

/* Signals, to this process alone: aborts, and what a thread of it asks of another. */
static void put_signals(struct program *p)
{
    const struct condition own[] = {{__NR_kill, 0, ALL_BITS, (uint32_t)getpid()},
                                    {__NR_tgkill, 0, ALL_BITS, (uint32_t)getpid()}};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        put_condition(p, &own[i]);
}

static void put_head(struct program *p)
{
    put_load(p, offsetof(struct seccomp_data, arch));
    put(p, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    put_verdict(p, SECCOMP_RET_KILL_PROCESS);
    put_load(p, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    put(p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    put_verdict(p, SECCOMP_RET_KILL_PROCESS);
#endif
}

static void make_program(struct program *p)
{
    static const unsigned unseen[] = {__NR_clone3};

    p->n = 0;
    put_head(p);
    put_list(p, allowed, sizeof allowed / sizeof allowed[0], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++)
        put_condition(p, &conditions[i]);
    put_signals(p);
    put_list(p, unseen, 1, SECCOMP_RET_ERRNO | ENOSYS);
    put_list(p, hostile, sizeof hostile / sizeof hostile[0], SECCOMP_RET_KILL_PROCESS);
    put_verdict(p, SECCOMP_RET_ERRNO | EPERM);
}

/*
 * All threads there are (TSYNC), and without the kernel's extra care about speculation
 * (SPEC_ALLOW), which before Linux 5.16 came with every filter and slows computing down: there is
 * no second party in this process to be guarded from the first.
 */
bool sandbox_seccomp_enter(void)
{
    struct program p;
    struct sock_fprog whole = {.filter = p.at};

    make_program(&p);
    whole.len = p.n;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &whole) == 0)
        return true;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}

#else

bool sandbox_seccomp_enter(void)
{
    return false;
}

#endif
