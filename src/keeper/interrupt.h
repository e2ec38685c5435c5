/*
 * interrupt.h - Ctrl+C.
 *
 * The first SIGINT sets a flag that every wait of the keeper looks at, so that work is cancelled in
 * order; the second ends the process at once with CLI_INTERRUPTED. The flag is the one variable
 * here that a signal handler may touch. A SIGINT that was ignored at the start stays ignored.
 */
#ifndef RBEE_KEEPER_INTERRUPT_H
#define RBEE_KEEPER_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* How long a wait may go on without a look at the flag. */
#define INTERRUPT_LOOK_MS 50

/* Also ignores SIGPIPE: a closed stdout is a failed write (see out.h). Main thread, once. */
void interrupt_install(void);

bool interrupt_seen(void);
const volatile bool *interrupt_flag(void); /* for http_fetch's `stop` */

/* False when the sleep was ended by an interrupt. */
bool interrupt_sleep_ms(int64_t ms);

#endif
