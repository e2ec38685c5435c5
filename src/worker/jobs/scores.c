/* scores.c - see scores.h. Sorts whole vocabularies: for tests, not for serving. */
#include "worker/jobs/scores.h"

#include <math.h>
#include <stdlib.h>

#include "worker/jobs/logits.h"

struct score {
    float logit;
    uint32_t id;
};

static int by_logit(const void *a, const void *b)
{
    const struct score *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* JSON has no infinities and no NaN. */
static void put_number(struct buf *out, double v)
{
    if (isfinite(v))
        buf_printf(out, "%.6f", v);
    else
        buf_puts(out, "null");
}

int scores_put(struct buf *out, uint32_t pos, int32_t token, const float *logits, uint32_t n_vocab,
               uint32_t n_top, struct err *err)
{
    struct score *all = malloc(n_vocab * sizeof *all);
    double sum = logits_log_sum(logits, n_vocab);

    if (!all)
        return err_no_memory(err, n_vocab * sizeof *all, "a token's scores");
    for (uint32_t i = 0; i < n_vocab; i++) /* a NaN has no place in an order: put it last */
        all[i] = (struct score){isnan(logits[i]) ? -INFINITY : logits[i], i};
    qsort(all, n_vocab, sizeof *all, by_logit);
    buf_printf(out, "{\"pos\":%u,\"token\":%d,\"logprob\":", pos, token);
    put_number(out, logits[token] - sum);
    buf_puts(out, ",\"top\":[");
    for (uint32_t i = 0; i < n_top && i < n_vocab; i++) {
        buf_printf(out, "%s[%u,", i ? "," : "", all[i].id);
        put_number(out, logits[all[i].id] - sum);
        buf_putc(out, ']');
    }
    buf_puts(out, "]}\n");
    free(all);
    return buf_failed(out) ? err_set(err, ERR_LIMIT, "scores pass %zu bytes", out->max) : 0;
}
