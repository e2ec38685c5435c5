/* answer_internal.h - what the files behind answer.h share; for nobody else. */
#ifndef RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H
#define RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H

#include "hive/gateway/answer.h"

/* ---- answer_choice.c ---- */
void choice_init(struct choice *c, struct answer *a, unsigned index);
void choice_done(struct choice *c); /* its ask must have ended */
int choice_ask(struct choice *c, const char *url, const char *worker_id, struct api_error *e);

/* ---- answer.c ---- */
/* So many bytes more are held of what was asked; false when all requests together hold too much,
 * *e says so then. */
bool answer_hold(struct answer *a, size_t n, struct api_error *e);
/* All workers have what was asked: it is held no more. */
void answer_asked(struct answer *a);
void answer_begin(struct answer *a); /* the stream and its first events, unless they are out */
/* Each ends the answer: it is no more. */
void answer_finish(struct answer *a);
void answer_fail(struct answer *a, struct api_error *e); /* takes what *e holds */
/* Looks for another worker; false when that has been tried enough, or text is out already. */
bool answer_try_another(struct answer *a, enum ask_left left);

#endif
