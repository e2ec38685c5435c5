/*
 * fuzz_inspect.c - what a process that has read a model file says of it: a byte that tells how it
 * ended, one of its code, one of how long stderr is; then stderr and stdout. The verdict is good
 * only for a good end with a word of it, and tells why not in every other case.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/catalog/inspect_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_facts(const struct model_facts *f)
{
    const uint64_t all[] = {f->file_bytes,
                            f->weight_bytes,
                            f->packing_bytes,
                            f->tables_bytes,
                            f->kv_table_bytes_per_token,
                            f->context_length,
                            f->kv_bytes_per_token,
                            f->scratch_bytes,
                            f->kv_bytes_per_token_q8_0,
                            f->n_parts,
                            f->scratch_bytes_per_slot,
                            f->logits_bytes_per_slot,
                            f->scratch_bytes_per_position};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        BUG_ON(all[i] > INT64_MAX);
}

static void check_verdict(const struct inspect_result *result, bool ended_well)
{
    bool supported = json_is_true(json_object_get(result->json, "supported"));
    char *body;

    BUG_ON((result->error == NULL) != (ended_well && supported));
    check_facts(&result->facts);
    if (!result->error)
        return;
    BUG_ON(!result->error->message[0]);
    BUG_ON(!str_is_utf8(result->error->message, strlen(result->error->message)));
    body = api_error_body(result->error, "id");
    BUG_ON(!body);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int codes[] = {0, 0, 0, ERR_TIMEOUT, ERR_LIMIT};
    struct buf out, errors;
    struct capture_result r = {.out = &out, .errors = &errors};
    struct inspect_result result;
    struct api_error e = {0};
    size_t n;

    if (size < 3)
        return 0;
    r.rc = codes[data[0] % 5];
    r.end = (struct child_end){.by_signal = data[0] % 5 == 2, .code = data[0] % 5 ? data[1] : 0};
    n = data[2] < size - 3 ? data[2] : size - 3;
    buf_init(&errors, CAPTURE_ERRORS_MAX);
    buf_init(&out, INSPECT_JSON_MAX);
    buf_put(&errors, data + 3, n);
    buf_put(&out, data + 3 + n, size - 3 - n);
    inspect_read("/models/x.gguf", &r, &result, &e);
    BUG_ON(result.error && result.error != &e);
    check_verdict(&result, r.rc == 0 && !r.end.by_signal && r.end.code == 0);
    json_decref(result.json);
    api_error_done(&e);
    buf_done(&errors);
    buf_done(&out);
    return 0;
}
