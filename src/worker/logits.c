/* logits.c - see logits.h. By way of the largest logit, so that nothing overflows. */
#include "worker/logits.h"

#include <math.h>

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
