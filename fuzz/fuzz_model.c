/*
 * fuzz_model.c - a model's files as any bytes: one of the number of parts (0..2 are one to three),
 * then the parts, all but the last behind two bytes of length.
 *
 * What `inspect` tells is JSON whatever the files hold, and it says "supported" of just those that
 * can be opened. What was opened runs: it decodes, or makes a vector, reads nothing past the file's
 * end, and gives the same bits again.
 */
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/gguf/files.h"
#include "engine/model/model.h"

#define PARTS_MAX   3
#define INSPECT_MAX ((size_t)16 << 20)
#define CTX         8
#define WORK_MAX    (1u << 22) /* numbers in all products, so that one run stays fast */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the files ---- */

static int make_file(const uint8_t *bytes, size_t n)
{
    int fd = memfd_create("model", MFD_CLOEXEC);

    BUG_ON(fd < 0 || (n && write(fd, bytes, n) != (ssize_t)n));
    return fd;
}

/* How many parts there are, in fds. */
static uint32_t make_files(const uint8_t *data, size_t size, int fds[PARTS_MAX])
{
    uint32_t n = 1 + data[0] % PARTS_MAX;

    data++, size--;
    for (uint32_t i = 0; i < n; i++) {
        size_t own = size;

        if (i + 1 < n) {
            own = size < 2 ? 0 : data[0] | (size_t)data[1] << 8;
            data += size < 2 ? size : 2;
            size -= size < 2 ? size : 2;
            own = own < size ? own : size;
        }
        fds[i] = make_file(data, own);
        data += own;
        size -= own;
    }
    return n;
}

/* ---- inspect ---- */

/* Is it said to be supported? */
static bool inspect(const int *fds, uint32_t n)
{
    struct gguf_file parts[PARTS_MAX];
    char name[] = "x.gguf";
    struct gguf_files files = {.path = name, .n = n, .parts = parts};
    struct err err = {0};
    bool supported = false;
    struct buf out;

    for (uint32_t i = 0; i < n; i++)
        parts[i] = (struct gguf_file){.path = name, .fd = dup(fds[i])};
    buf_init(&out, INSPECT_MAX);
    if (engine_inspect_files(&files, &out, &err)) {
        BUG_ON(!err.text[0]);
    } else {
        json_t *told = json_loadb(buf_str(&out), out.len, JSON_ALLOW_NUL, NULL);

        if (!json_is_object(told))
            BUG("inspect tells no JSON: %.300s", buf_str(&out));
        supported = json_is_true(json_object_get(told, "supported"));
        BUG_ON(!supported && !json_string_length(json_object_get(told, "reason")));
        json_decref(told);
    }
    for (uint32_t i = 0; i < n; i++)
        if (parts[i].fd >= 0)
            close(parts[i].fd);
    buf_done(&out);
    return supported;
}

/* ---- a pass ---- */

static bool is_small(const struct engine_model_info *info)
{
    return (uint64_t)info->n_layers * (info->n_embd + info->n_ff) < WORK_MAX / 256 &&
           info->n_params < WORK_MAX && (uint64_t)info->n_heads * info->head_dim < WORK_MAX / 256;
}

static void decode(struct engine *e, uint32_t n_vocab, float *out)
{
    struct engine_row rows[2];
    struct err err = {0};
    int seq = engine_seq_open(e, &err);

    BUG_ON(seq < 0);
    rows[0] = (struct engine_row){.token = 0, .seq = seq};
    rows[1] = (struct engine_row){.token = (int32_t)n_vocab - 1, .seq = seq, .want_logits = true};
    if (engine_n_ctx(e) < 2)
        rows[0] = rows[1];
    if (engine_decode(e, rows, engine_n_ctx(e) < 2 ? 1 : 2, &err))
        BUG("it does not decode: %s", err.text);
    memcpy(out, engine_logits(e, engine_n_ctx(e) < 2 ? 0 : 1), n_vocab * sizeof *out);
    engine_seq_close(e, seq);
}

static void embed(struct engine *e, uint32_t n_vocab, float *out)
{
    int32_t ids[2] = {0, (int32_t)n_vocab - 1};
    struct engine_text text = {
        .tokens = ids, .n = engine_n_ctx(e) < 2 ? 1 : 2, .normalize = true, .out = out};
    struct err err = {0};

    if (engine_embed(e, &text, 1, &err))
        BUG("it makes no vector: %s", err.text);
}

static bool same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

static void run(const struct engine_model *m, const char *kernels, enum engine_kv kv, float *out)
{
    struct engine_model_info info;
    struct engine_params p = {
        .n_slots = 1, .n_batch = 4, .n_threads = 1, .kernels = kernels, .kv_type = kv};
    struct err err = {0};
    struct engine *e;

    engine_model_info(m, &info);
    p.n_ctx = info.n_ctx_train < CTX ? info.n_ctx_train : CTX;
    if (engine_create(m, &p, &e, &err))
        BUG("there is no engine: %s", err.text);
    while (engine_tune(e))
        continue;
    if (info.embeds)
        embed(e, info.n_vocab, out);
    else
        decode(e, info.n_vocab, out);
    engine_free(e);
}

/* With the reference twice, and with the best set of this machine: the same bits. */
static void run_all(const struct engine_model *m)
{
    struct engine_model_info info;
    float *once, *again;
    size_t n;

    engine_model_info(m, &info);
    if (!is_small(&info))
        return;
    n = info.embeds ? info.n_embd : info.n_vocab;
    once = malloc(n * sizeof *once);
    again = malloc(n * sizeof *again);
    BUG_ON(!once || !again);
    run(m, "ref", ENGINE_KV_F16, once);
    run(m, "auto", ENGINE_KV_F16, again);
    BUG_ON(!same_bits(once, again, n));
    if (info.head_dim % QK == 0)
        run(m, "ref", ENGINE_KV_Q8_0, again);
    free(once);
    free(again);
}

/* In memory that ends where the file does, so that a sanitizer sees reads past it. */
static void open_memory(const uint8_t *bytes, size_t n, bool supported)
{
    struct engine_model *m = NULL;
    struct gguf *g;
    void *copy = NULL;
    int rc;

    BUG_ON(posix_memalign(&copy, 64, n ? n : 1));
    memcpy(copy, bytes, n);
    rc = gguf_open_memory(copy, n, "x.gguf", &g, NULL);
    if (rc == 0 && model_build(g, &m, NULL)) {
        gguf_close(g);
        m = NULL;
    }
    BUG_ON((m != NULL) != supported);
    if (m)
        run_all(m);
    engine_model_close(m);
    free(copy);
}

static void open_parts(const int *fds, uint32_t n, bool supported)
{
    struct engine_model *m = NULL;
    int rc = engine_model_open_fds(fds, n, "x.gguf", &m, NULL);

    BUG_ON((rc == 0) != supported);
    if (rc == 0)
        BUG_ON(engine_model_check(m, NULL) || engine_model_load(m, NULL, NULL, NULL));
    if (rc == 0 && n > 1)
        run_all(m);
    engine_model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[PARTS_MAX];
    uint32_t n;
    bool supported;

    if (size < 1)
        return 0;
    n = make_files(data, size, fds);
    supported = inspect(fds, n);
    open_parts(fds, n, supported);
    if (n == 1)
        open_memory(data + 1, size - 1, supported);
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
    return 0;
}
