/*
 * ollama.h - what the files that speak Ollama's API share. Source: Ollama's docs/api.md, as of
 * 2026. The handlers are those of routes.h.
 */
#ifndef RBEE_HIVE_GATEWAY_OLLAMA_H
#define RBEE_HIVE_GATEWAY_OLLAMA_H

#include "hive/gateway/answer.h"

/* ---- ollama_models.c ---- */
void ollama_tags(struct hive *h, struct http_exchange *x, const char *id);
void ollama_ps(struct hive *h, struct http_exchange *x, const char *id);
void ollama_show(struct hive *h, struct http_exchange *x, const char *id);
void ollama_version(struct hive *h, struct http_exchange *x, const char *id);

/* ---- ollama_pull.c ---- */
void ollama_pull(struct hive *h, struct http_exchange *x, const char *id);

#endif
