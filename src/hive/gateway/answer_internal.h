/* answer_internal.h - what the files behind answer.h share; for nobody else. */
#ifndef RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H
#define RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H

#include "hive/gateway/answer.h"

/* ---- answer_choice.c ---- */
void choice_init(struct choice *c, struct answer *a, unsigned index);
void choice_done(struct choice *c); /* its ask must have ended */
int choice_ask(struct choice *c, const char *url, const char *worker_id, struct api_error *e);
void choice_say_wrong(const struct choice *c, struct api_error *e); /* of one that is spoilt */

/* ---- answer.c ---- */
void answer_free(struct answer *a);        /* the exchange is another's, or no more */
void answer_cancel_asks(struct answer *a); /* nothing comes of workers any more */
/* So many bytes more are held of what was asked; false when all requests together hold too much,
 * *e says so then. */
bool answer_hold(struct answer *a, size_t n, struct api_error *e);
void answer_forget_held(struct answer *a); /* nothing is held */
/* All workers have what was asked: it is held no more. */
void answer_asked(struct answer *a);
void answer_begin(struct answer *a); /* the stream and its first events, unless they are out */
/* Looks for another worker; false when that has been tried enough, or text is out already. */
bool answer_try_another(struct answer *a, enum ask_left left);

/* ---- answer_end.c ---- */
/* Each ends the answer: for the caller it is no more. Those with an error take what *e holds. */
void answer_finish(struct answer *a);                    /* all its choices are over */
void answer_fail(struct answer *a, struct api_error *e); /* whatever is asked is cancelled */
void answer_fail_with(struct answer *a, struct api_error *e, int retry_after_s); /* none is */
void answer_fail_for_memory(struct answer *a);
void answer_say_too_large(struct api_error *e);
void answer_on_gone(struct http_exchange *x, void *arg); /* the exchange's word, see http_on_gone */
void answer_on_room(void *arg);                          /* the outlet's */

#endif
