/* figures.c - see figures.h. */
#include "keeper/ask/figures.h"

#include "base/str.h"
#include "keeper/node/keeper.h"
#include "keeper/shell/count.h"

void figures_read(struct figures *f, const json_t *event, uint64_t n_texts)
{
    f->ended = true;
    f->tokens_out = keeper_number(event, "tokens_out", (int64_t)n_texts);
    f->prompt_tokens = keeper_number(event, "prompt_tokens", 0);
    f->cached_tokens = keeper_number(event, "cached_tokens", 0);
    f->reasoning_tokens = keeper_number(event, "reasoning_tokens", 0);
    f->decode_ms = keeper_number(event, "decode_time_ms", 0);
    f->prefill_ms = keeper_number(event, "prefill_time_ms", 0);
    f->queue_ms = keeper_number(event, "queue_time_ms", 0);
    f->context_full = json_is_true(json_object_get(event, "context_full"));
    str_copy(f->reason, sizeof f->reason, keeper_text(event, "stop_reason", ""));
}

static const char *reason_words(const struct figures *f)
{
    static const char *const words[][2] = {{"MAX_TOKENS", "the limit was reached"},
                                           {"EOS", "the model ended its text"},
                                           {"STOP_SEQUENCE", "a stop sequence came"},
                                           {"CANCELLED", "cancelled"}};

    if (f->context_full)
        return "the context is full";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (str_eq(words[i][0], f->reason))
            return words[i][1];
    return f->reason[0] ? f->reason : "ended";
}

void figures_line(const struct figures *f, struct buf *out)
{
    buf_printf(out, "%lld token%s", (long long)f->tokens_out,
               count_plural((uint64_t)f->tokens_out));
    if (f->tokens_out && f->decode_ms > 0)
        buf_printf(out, ", %.1f tok/s", (double)f->tokens_out * 1000 / (double)f->decode_ms);
    if (f->tokens_out)
        buf_printf(out, ", first token after %lld ms", (long long)f->first_ms);
    if (f->tokens_out && f->queue_ms >= FIGURES_QUEUED_MS)
        buf_printf(out, ", %.1f s of them waiting for a slot", (double)f->queue_ms / 1000);
    buf_printf(out, " (%s)", reason_words(f));
}

/* Prompt and answer are together no more than the context; an older worker's last token was one. */
int64_t figures_used(const struct figures *f, int64_t n_ctx)
{
    int64_t used;

    if (__builtin_add_overflow(f->prompt_tokens, f->tokens_out, &used))
        used = INT64_MAX; /* a worker that counts so does not count */

    return n_ctx > 0 && used > n_ctx ? n_ctx : used;
}

void figures_more(const struct figures *f, int64_t n_ctx, struct buf *out)
{
    buf_printf(out, "prompt %lld token%s, %lld of them cached, in %lld ms",
               (long long)f->prompt_tokens, count_plural((uint64_t)f->prompt_tokens),
               (long long)f->cached_tokens, (long long)f->prefill_ms);
    if (f->reasoning_tokens)
        buf_printf(out, "; %lld token%s of thoughts", (long long)f->reasoning_tokens,
                   count_plural((uint64_t)f->reasoning_tokens));
    buf_printf(out, "; context %lld", (long long)figures_used(f, n_ctx));
    if (n_ctx > 0)
        buf_printf(out, " of %lld", (long long)n_ctx);
    buf_puts(out, " tokens");
}
