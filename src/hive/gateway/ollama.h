/*
 * ollama.h - what the files that speak Ollama's API share. Source: Ollama's docs/api.md, as of
 * 2026. The handlers are those of routes.h.
 */
#ifndef RBEE_HIVE_GATEWAY_OLLAMA_H
#define RBEE_HIVE_GATEWAY_OLLAMA_H

#include "hive/download.h"
#include "hive/gateway/answer.h"

/* ---- ollama_models.c ---- */
void ollama_tags(struct hive *h, struct http_exchange *x, const char *id);
void ollama_ps(struct hive *h, struct http_exchange *x, const char *id);
void ollama_show(struct hive *h, struct http_exchange *x, const char *id);
void ollama_version(struct hive *h, struct http_exchange *x, const char *id);

/* ---- ollama_pull.c ---- */
void ollama_pull(struct hive *h, struct http_exchange *x, const char *id);

/* ---- ollama_say.c; each is owned by the caller, NULL: no memory ---- */
/* A model's "details"; a text that says nothing is "". */
json_t *ollama_details(const char *family, const char *size, const char *quant);
/* What can be asked of it, as far as its file says: `said` is inspect's object. */
json_t *ollama_capabilities(const json_t *said);
/* The file's numbers under the names that GGUF has for them. */
json_t *ollama_info(const json_t *said);
/* A line about a download that goes on. */
json_t *ollama_progress(const struct download_look *look);

#endif
