/* answer_internal.h - what the files behind answer.h share; for nobody else. */
#ifndef RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H
#define RBEE_HIVE_GATEWAY_ANSWER_INTERNAL_H

#include "hive/gateway/answer.h"

/* ---- answer_keep.c ---- */
void choice_init(struct choice *c, struct answer *a, unsigned index);
void choice_done(struct choice *c); /* its ask must have ended */
/* Keeps of an event what is needed later; the choice is spoilt when that cannot be. */
void choice_keep(struct choice *c, const struct event *e);
/* What its worker has begun to say counts as what is kept does: it may never end it. The choice is
 * spoilt when that is too much. */
void choice_hold_partial(struct choice *c);

/* ---- answer_choice.c ---- */
int choice_ask(struct choice *c, struct api_error *e);
void choice_say_wrong(const struct choice *c, struct api_error *e); /* of one that is spoilt */

/* ---- answer.c ---- */
void answer_free(struct answer *a); /* the exchange is another's, or no more */
/* So many bytes more are held of what was asked; false when all requests together hold too much,
 * *e says so then. */
bool answer_hold(struct answer *a, size_t n, struct api_error *e);
void answer_let_go(struct answer *a, size_t n); /* so many bytes fewer */
void answer_forget_held(struct answer *a);      /* nothing is held, but for what is kept */
/* So many bytes more are kept to the end; false when that is too much, as above. */
bool answer_keep(struct answer *a, size_t n);
/* Of an event that has not come whole `now` bytes are here, and `before` were, at the last word of
 * it; 0 always fits. */
bool answer_hold_partial(struct answer *a, size_t before, size_t now);
/* All workers have what was asked: it is held no more. */
void answer_asked(struct answer *a);
void answer_begin(struct answer *a); /* the stream and its first events, unless they are out */
void answer_find_worker(struct answer *a); /* and asks it; `a` may be no more */

/* ---- answer_ask.c ---- */
void answer_ask_worker(struct answer *a, const struct worker *w); /* `a` may be no more */
/* Asks of the choices that wait as many as there are places for; -1, and the answer has failed. */
int answer_ask_more(struct answer *a);
void answer_got_place(struct answer *a);  /* one of its choices did: something of it came */
void answer_place_free(struct answer *a); /* one of its choices has ended */
/* A choice got no place: it is asked later. False when this error has to be told; else *e is
 * done. */
bool answer_ask_later(struct answer *a, struct api_error *e);
/* The choice's worker is on its way out, or has died without a word of it: another one is asked,
 * for it and all that still wait. False when that has been tried enough: once, behind a death, as a
 * request that kills its worker must not kill three. True: `a` may be no more. */
bool answer_try_another(struct answer *a, const struct choice *c, enum ask_left left);
void answer_stop_deadline(struct answer *a);
void answer_cancel_asks(struct answer *a); /* nothing comes of workers any more, nor a worker */
void answer_drop_choices(struct answer *a);

/* ---- answer_end.c ---- */
/* Each ends the answer: for the caller it is no more. Those with an error take what *e holds. */
void answer_finish(struct answer *a);                    /* all its choices are over */
void answer_fail(struct answer *a, struct api_error *e); /* whatever is asked is cancelled */
void answer_fail_with(struct answer *a, struct api_error *e, int retry_after_s); /* the same */
void answer_fail_for_memory(struct answer *a);
void answer_end_early(void *arg); /* somebody asked for it (running.h) */
void answer_say_too_large(struct api_error *e);
void answer_on_gone(struct http_exchange *x, void *arg); /* the exchange's word, see http_on_gone */
void answer_on_room(void *arg);                          /* the outlet's */

#endif
