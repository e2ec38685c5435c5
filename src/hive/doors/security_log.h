/*
 * security_log.h - <home>/logs/security.jsonl: what happened to keys and doors, chained line by
 * line (api/security_chain.h). Never a key, a prompt or an answer: keys are named by fingerprint,
 * and texts of strangers (a Host header, a keeper's name) are cut to SECURITY_TEXT_MAX bytes.
 *
 * Mode 0600. Past SECURITY_FILE_MAX the file becomes security.jsonl.1 and the chain goes on in a
 * new one; older ones move up, at most SECURITY_FILES_KEPT are kept. A line is written whole or not
 * at all; what cannot be written (a full disk) is said in the daemon's own log and does not stop
 * it. Where the file was moved or deleted the chain goes on in a new one; where none can be made,
 * in the one that was moved, or with lines that will be missed. Loop thread only.
 */
#ifndef RBEE_HIVE_DOORS_SECURITY_LOG_H
#define RBEE_HIVE_DOORS_SECURITY_LOG_H

#include <jansson.h>

#include "api/security_chain.h" /* SECURITY_FILES_KEPT */
#include "base/err.h"

#define SECURITY_FILE     "security.jsonl"
#define SECURITY_FILE_MAX (4u << 20)
#define SECURITY_TEXT_MAX 120

struct security_log;

/*
 * Goes on behind the last line that is there. A log whose chain is broken is not mended: the new
 * lines go on from its last line, and `rbee-keeper security verify` names the break.
 */
int security_log_open(const char *logs_dir, struct security_log **out, struct err *err);
void security_log_close(struct security_log *l); /* NULL is fine */

/* Takes `facts` (an object, or NULL) over. A NULL log does nothing. */
void security_log_event(struct security_log *l, const char *event, json_t *facts);

/* A stranger's text as one of the facts: cut, and only what is printable. */
json_t *security_text(const char *text);

#endif
