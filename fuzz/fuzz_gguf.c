/*
 * Any bytes as a GGUF file: opening must refuse them or give a view all of whose parts can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_key(const struct gguf *g, const char *key, uint64_t *sum)
{
    struct gguf_array a;
    struct gguf_str s;
    uint64_t u;
    float f;
    bool b;

    if (gguf_get_u64(g, key, &u, NULL) == 0)
        *sum += u;
    if (gguf_get_f32(g, key, &f, NULL) == 0)
        *sum += f > 0;
    if (gguf_get_bool(g, key, &b, NULL) == 0)
        *sum += b;
    if (gguf_get_str(g, key, &s, NULL) == 0 && s.len > 0)
        *sum += (uint8_t)s.bytes[0] + (uint8_t)s.bytes[s.len - 1];
    if (gguf_get_array(g, key, GGUF_STRING, &a, NULL) == 0) {
        struct gguf_strings strings = gguf_strings_of(&a);

        for (uint64_t i = 0; i < a.n; i++) {
            if (!gguf_strings_next(&strings, &s))
                abort();
            *sum += s.len ? (uint8_t)s.bytes[s.len - 1] : 0;
        }
        if (gguf_strings_next(&strings, &s))
            abort();
    }
    if (gguf_get_array(g, key, GGUF_I32, &a, NULL) == 0 && a.n > 0)
        *sum += (uint64_t)gguf_array_int(&a, a.n - 1);
    if (gguf_get_array(g, key, GGUF_F32, &a, NULL) == 0 && a.n > 0)
        *sum += gguf_array_f32(&a, a.n - 1) > 0;
}

static void read_keys(const struct gguf *g, uint64_t *sum)
{
    char name[GGUF_MAX_KEY_BYTES + 1], text[64];

    for (uint32_t i = 0; i < gguf_n_keys(g); i++) {
        struct gguf_str key = gguf_key_at(g, i);

        memcpy(name, key.bytes, key.len);
        name[key.len] = '\0';
        if (strlen(name) == key.len && !gguf_has(g, name))
            abort();
        read_key(g, name, sum);
        gguf_value_text_at(g, i, text, sizeof(text));
        *sum += (uint8_t)text[0] + (uint64_t)gguf_value_type_at(g, i);
    }
}

static void read_tensors(const struct gguf *g, uint64_t *sum)
{
    char name[GGUF_MAX_NAME_BYTES + 1];

    for (uint32_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        const uint8_t *data = t->data;

        memcpy(name, t->name.bytes, t->name.len);
        name[t->name.len] = '\0';
        if (strlen(name) == t->name.len && gguf_find_tensor(g, name) != t)
            abort();
        if (data && t->size_bytes > 0)
            *sum += data[0] + data[t->size_bytes - 1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    volatile uint64_t kept;
    uint64_t sum = 0;
    struct gguf *g;

    if (gguf_open_memory(data, size, "fuzz", &g, &err) != 0) {
        if (err.code == ERR_NONE || err.text[0] == '\0')
            abort();
        return 0;
    }
    read_keys(g, &sum);
    read_tensors(g, &sum);
    kept = sum;
    (void)kept;
    gguf_close(g);
    return 0;
}
