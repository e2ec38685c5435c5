/*
 * fuzz_jinja.c - chat templates: two bytes of length, JSON variables, and a template. Any bytes
 * must end in a text or an error that names its line or a limit, within small limits; two renders
 * of one program give the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "jinja/jinja.h"

#define MAX_STEPS        200000u
#define MAX_MEMORY_BYTES (16u << 20)
#define MAX_OUTPUT_BYTES (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int render(const struct jinja_program *p, const json_t *vars, struct buf *out)
{
    struct jinja_options o;
    struct err err = {0};
    int rc;

    jinja_options_init(&o, 1752148800);
    o.max_steps = MAX_STEPS;
    o.max_memory_bytes = MAX_MEMORY_BYTES;
    o.max_output_bytes = MAX_OUTPUT_BYTES;
    rc = jinja_render(p, vars, &o, out, &err);
    BUG_ON((rc == 0) != (err.text[0] == '\0'));
    BUG_ON(rc != (int)err.code);
    BUG_ON(rc && !strstr(err.text, "template line "));
    BUG_ON(rc && out->len);
    BUG_ON(!rc && !str_is_utf8(buf_str(out), out->len));
    return rc;
}

static void render_twice(const struct jinja_program *p, const char *json, size_t n)
{
    json_t *vars = json_loadb(json, n, JSON_ALLOW_NUL, NULL);
    struct buf one, two;

    buf_init(&one, MAX_OUTPUT_BYTES);
    buf_init(&two, MAX_OUTPUT_BYTES);
    BUG_ON(render(p, vars, &one) != render(p, vars, &two));
    BUG_ON(one.len != two.len || (one.len && memcmp(one.data, two.data, one.len) != 0));
    buf_done(&one);
    buf_done(&two);
    json_decref(vars);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jinja_program *p;
    struct err err = {0};
    size_t n;

    if (size < 2)
        return 0;
    n = (size_t)data[0] << 8 | data[1];
    if (n > size - 2)
        n = size - 2;
    if (jinja_compile((const char *)data + 2 + n, size - 2 - n, &p, &err)) {
        BUG_ON(err.text[0] == '\0');
        return 0;
    }
    render_twice(p, (const char *)data + 2, n);
    jinja_free(p);
    return 0;
}
