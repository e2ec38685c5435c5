/*
 * ollama.h - what the files that speak Ollama's API share. Source: Ollama's docs/api.md, as of
 * 2026. The handlers are those of routes.h.
 */
#ifndef RBEE_HIVE_GATEWAY_OLLAMA_H
#define RBEE_HIVE_GATEWAY_OLLAMA_H

#include "base/sha256.h"
#include "hive/gateway/answer.h"
#include "hive/models/download.h"

/*
 * Of the API that is spoken, as clients compare it with what they need (Codex at least 0.13.4,
 * Copilot in VS Code 0.6.4). rbee's own is in /v1/health and in the Server header.
 */
#define OLLAMA_API_VERSION "0.13.5"

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
/*
 * What Ollama's programs take for a file's digest, 64 hex digits, of which they show the first 12
 * without counting: its SHA-256 where that is known; else it is made of what else tells one from
 * another, so that the same file has the same at the next look.
 */
char *ollama_digest(const char *sha256, const char *name, int64_t size_bytes, int64_t modified_ms,
                    char dst[SHA256_HEX_BYTES]);
/* A line about a download that goes on. */
json_t *ollama_progress(const struct download_look *look);

#endif
