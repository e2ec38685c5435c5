/*
 * anthropic.h - Anthropic's requests brought to orders. Source: Anthropic's Messages API reference,
 * as of 2026.
 */
#ifndef RBEE_HIVE_GATEWAY_ANTHROPIC_H
#define RBEE_HIVE_GATEWAY_ANTHROPIC_H

#include "hive/gateway/order.h"

struct hive;
struct http_exchange;

/* model, system, messages, tools, tool_choice, thinking: what makes up the prompt. */
void anthropic_read_prompt(struct fields *f, struct order *o);

/* POST /v1/messages/count_tokens: a handler of routes.h. */
void anthropic_count(struct hive *h, struct http_exchange *x, const char *id);

#endif
