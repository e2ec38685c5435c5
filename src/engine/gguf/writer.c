/*
 * writer.c - collects keys, tensor descriptions and data in three buffers, then joins them.
 *
 * Little-endian GGUF version 3, alignment 32. What is wrong with a call (a size that does not fit
 * its shape) is the first failure, and finish reports it. Source: the GGUF specification.
 */
#include "engine/gguf/writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

#define ALIGNMENT    32
#define WRITER_MAX   ((size_t)1 << 40)
#define HEADER_BYTES 24

struct gguf_writer {
    struct buf keys, tensors, data;
    uint64_t n_keys, n_tensors;
    struct err first;
};

int gguf_writer_create(struct gguf_writer **out, struct err *err)
{
    struct gguf_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return err_no_memory(err, sizeof(*w), "a model file's writer");
    buf_init(&w->keys, WRITER_MAX);
    buf_init(&w->tensors, WRITER_MAX);
    buf_init(&w->data, WRITER_MAX);
    *out = w;
    return 0;
}

void gguf_writer_free(struct gguf_writer *w)
{
    if (!w)
        return;
    buf_done(&w->keys);
    buf_done(&w->tensors);
    buf_done(&w->data);
    free(w);
}

static void put_u32(struct buf *b, uint32_t v)
{
    buf_put(b, &v, sizeof(v));
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_put(b, &v, sizeof(v));
}

static void put_str(struct buf *b, const char *bytes, uint64_t n)
{
    put_u64(b, n);
    buf_put(b, bytes, n);
}

static void begin_key(struct gguf_writer *w, const char *key, enum gguf_value_type type)
{
    put_str(&w->keys, key, strlen(key));
    put_u32(&w->keys, (uint32_t)type);
    w->n_keys++;
}

static void begin_array(struct gguf_writer *w, const char *key, enum gguf_value_type type,
                        uint64_t n)
{
    begin_key(w, key, GGUF_ARRAY);
    put_u32(&w->keys, (uint32_t)type);
    put_u64(&w->keys, n);
}

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    begin_key(w, key, GGUF_U32);
    put_u32(&w->keys, v);
}

void gguf_writer_u64(struct gguf_writer *w, const char *key, uint64_t v)
{
    begin_key(w, key, GGUF_U64);
    put_u64(&w->keys, v);
}

void gguf_writer_f32(struct gguf_writer *w, const char *key, float v)
{
    begin_key(w, key, GGUF_F32);
    buf_put(&w->keys, &v, sizeof(v));
}

void gguf_writer_bool(struct gguf_writer *w, const char *key, bool v)
{
    begin_key(w, key, GGUF_BOOL);
    buf_putc(&w->keys, v ? 1 : 0);
}

void gguf_writer_str(struct gguf_writer *w, const char *key, const char *v)
{
    begin_key(w, key, GGUF_STRING);
    put_str(&w->keys, v, strlen(v));
}

void gguf_writer_strs(struct gguf_writer *w, const char *key, const struct gguf_str *v, uint64_t n)
{
    begin_array(w, key, GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++)
        put_str(&w->keys, v[i].bytes, v[i].len);
}

void gguf_writer_f32s(struct gguf_writer *w, const char *key, const float *v, uint64_t n)
{
    begin_array(w, key, GGUF_F32, n);
    buf_put(&w->keys, v, n * sizeof(*v));
}

void gguf_writer_i32s(struct gguf_writer *w, const char *key, const int32_t *v, uint64_t n)
{
    begin_array(w, key, GGUF_I32, n);
    buf_put(&w->keys, v, n * sizeof(*v));
}

static void pad(struct buf *b, size_t used)
{
    static const char zeros[ALIGNMENT];
    size_t over = used % ALIGNMENT;

    if (over)
        buf_put(b, zeros, ALIGNMENT - over);
}

/* The bytes a tensor of this shape has, or 0 when the shape is not possible. */
static uint64_t shape_bytes(const struct type_info *info, uint32_t n_dims, const uint64_t *dims)
{
    uint64_t n = 1, size_bytes;

    if (n_dims < 1 || n_dims > GGUF_MAX_DIMS || dims[0] % info->block_elems != 0)
        return 0;
    for (uint32_t i = 0; i < n_dims; i++) {
        if (__builtin_mul_overflow(n, dims[i], &n))
            return 0;
    }
    if (__builtin_mul_overflow(n / info->block_elems, info->block_bytes, &size_bytes))
        return 0;
    return size_bytes;
}

void gguf_writer_tensor(struct gguf_writer *w, const char *name, enum tensor_type type,
                        uint32_t n_dims, const uint64_t *dims, const void *data,
                        uint64_t size_bytes)
{
    const struct type_info *info = type_info((uint32_t)type);
    uint64_t wanted = info ? shape_bytes(info, n_dims, dims) : 0;

    if (wanted == 0 || wanted != size_bytes) {
        if (w->first.code == ERR_NONE)
            err_set(&w->first, ERR_INVALID,
                    "the tensor '%s' of type %d has %" PRIu64 " bytes of data, but its shape needs "
                    "%" PRIu64,
                    name, (int)type, size_bytes, wanted);
        return;
    }
    put_str(&w->tensors, name, strlen(name));
    put_u32(&w->tensors, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(&w->tensors, dims[i]);
    put_u32(&w->tensors, (uint32_t)type);
    put_u64(&w->tensors, w->data.len);
    buf_put(&w->data, data, size_bytes);
    pad(&w->data, w->data.len);
    w->n_tensors++;
}

static int join(struct gguf_writer *w, struct buf *all, struct err *err)
{
    if (w->first.code != ERR_NONE)
        return err_set(err, w->first.code, "%s", w->first.text);
    buf_put(all, "GGUF", 4);
    put_u32(all, 3);
    put_u64(all, w->n_tensors);
    put_u64(all, w->n_keys);
    buf_put(all, buf_str(&w->keys), w->keys.len);
    buf_put(all, buf_str(&w->tensors), w->tensors.len);
    if (w->n_tensors > 0)
        pad(all, all->len);
    buf_put(all, buf_str(&w->data), w->data.len);
    if (buf_failed(&w->keys) || buf_failed(&w->tensors) || buf_failed(&w->data) || buf_failed(all))
        return err_no_memory(err, HEADER_BYTES + w->keys.len + w->tensors.len + w->data.len,
                             "a model file");
    return 0;
}

int gguf_writer_bytes(struct gguf_writer *w, uint8_t **out, size_t *n_out, struct err *err)
{
    struct buf all;
    int rc;

    buf_init(&all, WRITER_MAX);
    rc = join(w, &all, err);
    if (rc == 0) {
        *n_out = all.len;
        *out = (uint8_t *)buf_take(&all);
    }
    buf_done(&all);
    return rc;
}

int gguf_writer_finish(struct gguf_writer *w, const char *path, struct err *err)
{
    struct buf all;
    int rc;

    buf_init(&all, WRITER_MAX);
    rc = join(w, &all, err);
    if (rc == 0)
        rc = path_write_file(path, buf_str(&all), all.len, 0644, err);
    buf_done(&all);
    return rc;
}
