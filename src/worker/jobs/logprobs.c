/* logprobs.c - see logprobs.h. One look over the logits for their sum, one for the best. */
#include "worker/jobs/logprobs.h"

#include <math.h>

#include "worker/jobs/logits.h"

#define TOKEN_MAX_BYTES (1u << 16)
#define LEAST           (-9999.0) /* what JSON gets for minus infinity, as OpenAI does it */

struct likely {
    int32_t id[INFERENCE_TOP_LOGPROBS_MAX];
    uint32_t n;
};

/* Keeps the best so far in order; among equals the lower id, which came first, stays before. */
static void find_best(struct likely *best, uint32_t n_top, const float *logits, uint32_t n_vocab)
{
    best->n = 0;
    for (uint32_t i = 0; n_top && i < n_vocab; i++) {
        uint32_t at = best->n;

        if (isnan(logits[i]) || (at == n_top && !(logits[i] > logits[best->id[at - 1]])))
            continue;
        if (at == n_top)
            at--;
        else
            best->n++;
        for (; at > 0 && logits[i] > logits[best->id[at - 1]]; at--)
            best->id[at] = best->id[at - 1];
        best->id[at] = (int32_t)i;
    }
}

static void put_token(struct buf *out, const struct engine_model *m, int32_t id, double logprob)
{
    struct buf text;

    buf_init(&text, TOKEN_MAX_BYTES);
    if (engine_token_bytes(m, id, true, &text))
        buf_lose(out);
    buf_printf(out, "{\"id\":%d,\"t\":", id);
    json_put_string(out, buf_str(&text), text.len);
    buf_puts(out, ",\"bytes\":[");
    for (size_t i = 0; i < text.len; i++)
        buf_printf(out, "%s%u", i ? "," : "", (unsigned char)text.data[i]);
    buf_printf(out, "],\"logprob\":%.6f", isfinite(logprob) ? logprob : LEAST);
    buf_done(&text);
}

int logprobs_put(struct buf *out, const struct engine_model *m, uint32_t n_vocab,
                 const float *logits, int32_t token, uint32_t n_top)
{
    double sum = logits_log_sum(logits, n_vocab);
    struct likely best;

    find_best(&best, n_top, logits, n_vocab);
    if (out->len)
        buf_putc(out, ',');
    put_token(out, m, token, logits[token] - sum);
    if (engine_token_is_control(m, token))
        buf_puts(out, ",\"control\":true");
    buf_puts(out, ",\"top\":[");
    for (uint32_t i = 0; i < best.n; i++) {
        buf_puts(out, i ? "," : "");
        put_token(out, m, best.id[i], logits[best.id[i]] - sum);
        buf_putc(out, '}');
    }
    return buf_puts(out, "]}");
}
