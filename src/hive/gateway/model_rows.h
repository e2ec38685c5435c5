/* model_rows.h - the models of this machine as OpenAI's clients read them: handlers of routes.h. */
#ifndef RBEE_HIVE_GATEWAY_MODEL_ROWS_H
#define RBEE_HIVE_GATEWAY_MODEL_ROWS_H

struct hive;
struct http_exchange;

/* GET /v1/models: {"object":"list","data":[…],"models":[…]}; "models" is rbee's own list. */
void model_rows_openai(struct hive *h, struct http_exchange *x, const char *id);
/* GET /v1/models/ID */
void model_rows_one(struct hive *h, struct http_exchange *x, const char *id);

#endif
