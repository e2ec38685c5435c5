/* embed.h - the routes of embed.c; each is a handler of routes.h. */
#ifndef RBEE_HIVE_GATEWAY_EMBED_H
#define RBEE_HIVE_GATEWAY_EMBED_H

struct hive;
struct http_exchange;

void embed_openai(struct hive *h, struct http_exchange *x, const char *id); /* /v1/embeddings */
void embed_ollama(struct hive *h, struct http_exchange *x, const char *id); /* /api/embed */
void embed_ollama_old(struct hive *h, struct http_exchange *x,
                      const char *id); /* /api/embeddings */
void embed_tokenize(struct hive *h, struct http_exchange *x, const char *id);
void embed_detokenize(struct hive *h, struct http_exchange *x, const char *id);

#endif
