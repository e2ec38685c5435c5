/*
 * stacks.h - SIGQUIT makes a thread write its stack to stderr, which is the worker's log.
 *
 * For a hive that is about to end a worker which makes no step any more: it sends the signal to
 * every thread by itself. A worker that is well goes on behind it. Each line is a program, an
 * offset and an address; `addr2line -fe llm-worker-rbee OFFSET` names the place.
 *
 * SIGBUS, which comes of a mapped file that was cut, says so there before it ends the process.
 *
 * The handlers call nothing but write() and what walks the stack, so that it works in a sandbox,
 * and under any lock that the thread may hold. Linux, glibc.
 */
#ifndef RBEE_WORKER_SANDBOX_STACKS_H
#define RBEE_WORKER_SANDBOX_STACKS_H

#define STACKS_DEPTH 48 /* calls shown of a thread */

/* Before other threads, and before a sandbox: what walks the stack is loaded here. */
void stacks_install(void);

#endif
