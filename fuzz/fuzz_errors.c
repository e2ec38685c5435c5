/*
 * fuzz_errors.c - the body of another program's error: a byte of the status, then any bytes. What
 * is made of it is an error with a sentence, and JSON in the shape of every API.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/http/shape.h"

#define BODY_MAX 65536 /* of an answer, as shape_answer has it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shape(enum shape shape, const struct api_error *e)
{
    struct buf out;
    json_t *body;

    buf_init(&out, BODY_MAX);
    shape_error(shape, e, "id", &out);
    body = json_loadb(buf_str(&out), out.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(body))
        BUG("shape %d is no JSON: %.300s", (int)shape, buf_str(&out));
    json_decref(body);
    buf_done(&out);
}

static void check_again(const struct api_error *e, int status)
{
    char *body = api_error_body(e, "id");
    struct api_error again;

    BUG_ON(!body);
    api_error_parse(&again, status, body, strlen(body));
    BUG_ON(again.code != e->code || !str_eq(again.message, e->message));
    api_error_done(&again);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct api_error e;
    int status;

    if (size < 1)
        return 0;
    status = 300 + data[0];
    api_error_parse(&e, status, (const char *)data + 1, size - 1);
    BUG_ON(!e.message[0] || !str_is_utf8(e.message, strlen(e.message)));
    for (int shape = SHAPE_RBEE; shape <= SHAPE_OLLAMA; shape++)
        check_shape((enum shape)shape, &e);
    check_again(&e, status);
    api_error_done(&e);
    return 0;
}
