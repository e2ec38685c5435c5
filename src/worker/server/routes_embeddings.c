/*
 * routes_embeddings.c - POST /v1/embeddings: texts to vectors. A job like an inference, of which as
 * many may wait; its answer is one JSON object.
 */
#include "base/uuid.h"
#include "net/http_server.h"
#include "worker/jobs/embedding.h"
#include "worker/jobs/job.h"
#include "worker/server/answer.h"
#include "worker/server/routes.h"
#include "worker/server/server.h"

static struct job *make_job(struct embedding *em)
{
    struct inference_request r;
    struct job *j;

    inference_request_init(&r);
    uuid_make(r.job_id);
    j = job_create(&r);
    inference_request_done(&r);
    if (!j) {
        embedding_free(em);
        return NULL;
    }
    j->kind = JOB_EMBEDDING;
    j->embedding = em;
    return j;
}

void route_embeddings(struct server *s, struct http_exchange *x, const char *rest)
{
    struct embedding *em;
    struct api_error e;
    size_t n;
    const char *body = http_body(x, &n);

    (void)rest;
    if (embedding_parse(body, n, s->o.model_ref, &em, &e, ANSWER_SRC))
        answer_error(x, &e);
    else
        route_admit(s, x, make_job(em));
}
