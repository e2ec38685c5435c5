/*
 * interrupt.h - Ctrl+C.
 *
 * The first SIGINT sets a flag that every wait of the keeper looks at, so that work is cancelled in
 * order; the second ends the process at once with CLI_INTERRUPTED. In a session (a conversation)
 * each piece of work is cancelled by itself, and it takes INTERRUPT_SESSION_END of them during one
 * to end the process. SIGTERM and its like end it at once, but for the moments in which the
 * terminal is not as the shell wants it: there they wait until it is. The variables here are the
 * only ones that a signal handler touches. A SIGINT that was ignored at the start stays ignored.
 */
#ifndef RBEE_KEEPER_SHELL_INTERRUPT_H
#define RBEE_KEEPER_SHELL_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* How long a wait may go on without a look at the flag. */
#define INTERRUPT_LOOK_MS 50

#define INTERRUPT_SESSION_END 4

/* Also ignores SIGPIPE: a closed stdout is a failed write (see out.h). Main thread, once. */
void interrupt_install(void);

/* From now on: see above. */
void interrupt_session(void);
/* The work that was cancelled is over; the next is not cancelled. */
void interrupt_clear(void);

/* Between the two SIGTERM, SIGHUP and SIGQUIT only set a flag, that who has the terminal looks at;
 * the second then ends the process as the signal would have. Those that are ignored stay so. So it
 * is with SIGTSTP (Ctrl+Z): take_stop, once the terminal is as the shell wants it, returns when the
 * process is to go on. */
void interrupt_put_off_end(void);
void interrupt_take_end(void);
bool interrupt_end_wanted(void);
bool interrupt_stop_wanted(void);
void interrupt_take_stop(void);

/* What is written to stdout's terminal is shown in a style, which is this: whatever ends or stops
 * the process puts the usual one back first. Not between the two above. */
#define INTERRUPT_STYLE "\033[2m"
void interrupt_styled(bool now_styled);

bool interrupt_seen(void);
bool interrupt_repeated(void);             /* more than once: a person who does not want to wait */
const volatile bool *interrupt_flag(void); /* for http_fetch's `stop` */

/* False when the sleep was ended by an interrupt. */
bool interrupt_sleep_ms(int64_t ms);

#endif
