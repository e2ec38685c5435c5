/*
 * anthropic.h - how long a prompt is, as Anthropic's clients ask it. Source: Anthropic's Messages
 * API reference, as of 2026.
 */
#ifndef RBEE_HIVE_GATEWAY_ANTHROPIC_H
#define RBEE_HIVE_GATEWAY_ANTHROPIC_H

struct hive;
struct http_exchange;

/* POST /v1/messages/count_tokens: a handler of routes.h. */
void anthropic_count(struct hive *h, struct http_exchange *x, const char *id);

#endif
