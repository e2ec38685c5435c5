/* responses.h - OpenAI's Responses requests brought to orders: answered from what they hold alone,
 * nothing is stored between them. */
#ifndef RBEE_HIVE_GATEWAY_RESPONSES_H
#define RBEE_HIVE_GATEWAY_RESPONSES_H

#include "hive/gateway/answer.h"

/* Fills a->order; its `echo` becomes what the response object repeats of the request. */
void responses_read(struct answer *a, struct fields *f);

#endif
