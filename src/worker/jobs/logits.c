/* logits.c - see logits.h. The sum goes by way of the largest logit, so that nothing overflows. */
#include "worker/jobs/logits.h"

#include <math.h>

int logits_check(const float *logits, uint32_t n, uint64_t n_tokens, struct err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (isfinite(logits[i]))
            return 0;
    return err_set(err, ERR_INVALID,
                   "behind %llu tokens the model gives no numbers (NaN): its file is damaged, or "
                   "its values pass what half floats hold; `rbee-keeper models verify` reads it "
                   "again",
                   (unsigned long long)n_tokens);
}

double logits_log_sum(const float *logits, uint32_t n)
{
    double max = -INFINITY, sum = 0.0;

    for (uint32_t i = 0; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    if (isinf(max))
        return max;
    for (uint32_t i = 0; i < n; i++)
        sum += logits[i] > -INFINITY ? exp(logits[i] - max) : 0.0;
    return max + log(sum);
}
