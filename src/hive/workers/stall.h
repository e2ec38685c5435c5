/*
 * stall.h - is a worker stuck, or only slow? Pure: what is seen goes in, a verdict comes out.
 *
 * The rule. A worker whose engine has jobs makes a step whenever a layer has been computed or a
 * pass has ended. Its silence is the time without a step, counted from look to look, and of that
 * only what it could have used:
 *
 * 1. At most STALL_LOOK_MS of a look: a hive that could not look (machine asleep, swapping, the
 * hive itself stopped) has not seen silence.
 * 2. Nothing while the worker is stopped by a signal, waits for a disk, or has read pages from one
 *    since the last look: it is waiting for somebody else. But a disk that has given nothing for
 *    STALL_DISK_MS (a file system whose server is gone) may never answer: from then on it counts.
 * 3. Of a worker that wants to run, only as much as it was given the processor for: one that is
 *    starved by others is slow.
 *
 * It is stuck when its silence reaches the floor ([hive] stall_after), and STALL_TIMES its own 99th
 * percentile of a pass's time. A chunk of a prompt may take a hundred times as long as a token, but
 * its layers are steps: a layer of the largest chunk (512 rows) takes 512 / n_layers times what a
 * pass with one row takes where arithmetic bounds both, at most 23 in any model large enough for
 * the floor not to decide alone. While that pace is not known and the worker computes, it is given
 * STALL_NEW_TIMES the floor.
 *
 * The threads that make texts into tokens are judged by the same rule, each for itself: a step is a
 * text that is done with, whose time nobody knows beforehand.
 *
 * Not seen here: a worker that loads ([hive] load_timeout), and one whose loop hangs (health
 * checks).
 */
#ifndef RBEE_HIVE_WORKERS_STALL_H
#define RBEE_HIVE_WORKERS_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define STALL_TIMES     25
#define STALL_NEW_TIMES 10
#define STALL_LOOK_MS   1000
#define STALL_DISK_MS   60000

/* What is seen of a worker at one moment. */
struct stall_look {
    int64_t now_ms;
    uint64_t steps;   /* any number that changes with each step */
    bool has_work;    /* its engine has jobs */
    uint32_t p99_ms;  /* of its passes; 0 = not known */
    bool stopped;     /* by a signal */
    bool on_disk;     /* one of its threads waits for a disk */
    bool runnable;    /* one of its threads has the processor, or wants it */
    uint64_t cpu_ms;  /* processor time so far, of all threads */
    uint64_t n_reads; /* pages that had to be read from a disk so far */
};

/* What is kept between looks; zeroed at first. */
struct stall {
    struct stall_look last;
    bool begun;
    int64_t silent_ms, busy_ms; /* the silence, and how much of it was spent computing */
    int64_t disk_ms;            /* how long it has waited for a disk that gave nothing */
};

enum stall_verdict { STALL_FINE, STALL_SILENT, STALL_STUCK };

/* SILENT: no step since the last look. floor_ms <= 0: never stuck. */
enum stall_verdict stall_judge(struct stall *s, const struct stall_look *look, int64_t floor_ms);

/* After how much silence the worker counts as stuck, as things are. */
int64_t stall_limit_ms(const struct stall *s, int64_t floor_ms);

#endif
