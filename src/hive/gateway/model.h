/*
 * model.h - from the `model` of a request to a worker that is ready.
 *
 * What names a model: its reference, in any spelling that the hive takes; `tiny`; of a downloaded
 * one also org/repo with or without ":QUANT", its file's name, and that without ".gguf"; any of
 * them with ":latest" behind, or without it where the reference has it (Ollama's models). The very
 * reference goes before all, the name as it was given before what ":latest" makes of it. Of models
 * that fit in other ways a worker that is there wins over one that would have to be started. No
 * name at all means the one model that is loaded. Which file a loaded model's reference means is
 * asked each time, as for any other. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_MODEL_H
#define RBEE_HIVE_GATEWAY_MODEL_H

#include "hive/hive.h"
#include "hive/workers/workers.h"

#define MODEL_POLL_MS     5  /* looks at a loading worker's board */
#define MODEL_RETRY_MAX_S 30 /* the most a client is told to wait before it asks again */

struct model_wait;

struct model_place {
    char *ref, *path; /* owned: canonical reference, file ("" while it is to be downloaded) */
};
void model_place_done(struct model_place *p);

/*
 * What `name` (NULL = none given) means. 0; -1 with *e: MODEL_NOT_FOUND with the names that come
 * near, INVALID_REQUEST when no name was given or it means several. With [hive] auto_pull an hf:
 * reference that is not here has an empty path.
 */
int model_find(struct hive *h, const char *name, struct model_place *out, struct api_error *e);

/* The name without what other programs put around it: "hf.co/org/repo:latest" is hf:org/repo.
 * free(); NULL when out of memory. */
char *model_plain_name(const char *name);

struct model_progress {
    bool downloading;
    uint64_t done, total; /* bytes when downloading, else layers */
    int64_t waited_ms;
    int64_t eta_s; /* of a download; -1 = nobody can say */
};

struct model_wait_params {
    struct hive *hive;
    bool keep_alive_given;
    int64_t keep_alive_ms;
    int64_t ctx_min; /* rather a worker with so many positions; 0 = any */
    bool patient;    /* waits as long as it takes; else [hive] load_wait */
    void *arg;
    /* Now and then while it is not ready; may be NULL. */
    void (*on_progress)(void *arg, const struct model_progress *p);
    /* Once, from within model_wait_start or from the loop: the worker, or an error (moved out or
     * freed behind the call) with the seconds to wait when asking again is the advice. */
    void (*on_ready)(void *arg, const struct worker *w, struct api_error *e, int retry_after_s);
};

/* Takes *place over. NULL when on_ready was called already. */
struct model_wait *model_wait_start(const struct model_wait_params *params,
                                    struct model_place *place);
void model_wait_cancel(struct model_wait *w); /* no callback comes; NULL is fine */

#endif
