/* sandbox_internal.h - the two halves of sandbox.h's rules, for sandbox.c and its test. */
#ifndef RBEE_WORKER_SANDBOX_SANDBOX_INTERNAL_H
#define RBEE_WORKER_SANDBOX_SANDBOX_INTERNAL_H

#include <stdbool.h>

/* Needs no_new_privs. The ABI version whose rules hold from now on; 0 = none do. */
unsigned sandbox_landlock_enter(void);

/* Needs no_new_privs. False when this kernel or machine has no filters. */
bool sandbox_seccomp_enter(void);

#endif
