/*
 * fuzz_embeddings.c - the body of POST /v1/embeddings: any bytes. What is refused is told as an
 * error of the table; what is accepted is texts and ids within the limits.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/str.h"
#include "worker/jobs/embedding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_input(const json_t *input)
{
    const json_t *id;
    int32_t token;
    size_t i;

    BUG_ON(!json_is_string(input) && json_array_size(input) == 0);
    json_array_foreach(input, i, id) BUG_ON(!fields_token_id(id, &token));
}

static void check_accepted(const struct embedding *em)
{
    BUG_ON(em->n_inputs < 1 || em->n_inputs > EMBEDDING_MAX_INPUTS || !em->inputs);
    for (uint32_t i = 0; i < em->n_inputs; i++)
        check_input(embedding_input(em, i));
    BUG_ON(em->n_inputs > 1 && em->n_inputs != json_array_size(em->input));
    BUG_ON(em->pooling > ENGINE_POOL_LAST || em->n_done || buf_failed(&em->answer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct embedding *em;
    struct api_error e = {0};
    char *body;

    if (embedding_parse((const char *)data, size, "tiny", &em, &e, "worker") == 0) {
        check_accepted(em);
        embedding_free(em);
        return 0;
    }
    body = api_error_body(&e, "id");
    BUG_ON(!body || e.code != API_INVALID_REQUEST || !e.message[0]);
    free(body);
    api_error_done(&e);
    return 0;
}
