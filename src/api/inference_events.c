/*
 * inference_events.c - the events of an answer as JSON text; see inference.h.
 *
 * The token event is written for every token by hand, without a tree; the others use the same
 * writer. Any thread; no state.
 */
#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "api/json_whole.h"
#include "base/clock.h"

static void put_text(struct buf *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}

int inference_event_started(struct buf *out, const struct inference_request *r, const char *model,
                            int64_t unix_ms)
{
    char when[CLOCK_ISO_BYTES];

    buf_puts(out, "{\"type\":\"started\",\"job_id\":");
    put_text(out, r->job_id);
    buf_puts(out, ",\"model\":");
    put_text(out, model);
    return buf_printf(out, ",\"started_at\":\"%s\",\"seed\":%llu}", clock_iso8601(unix_ms, when),
                      (unsigned long long)r->seed);
}

/* Decimal digits without printf: once a token. */
static void put_u64(struct buf *out, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(out, digits + at, sizeof digits - at);
}

int inference_event_token(struct buf *out, const char *text, size_t n, uint64_t i)
{
    static const char head[] = "{\"type\":\"token\",\"t\":", middle[] = ",\"i\":";

    buf_put(out, head, sizeof head - 1);
    json_put_string(out, text, n);
    buf_put(out, middle, sizeof middle - 1);
    put_u64(out, i);
    return buf_putc(out, '}');
}

static void put_scores(struct buf *out, const char *scores, size_t n)
{
    if (!n)
        return;
    buf_puts(out, ",\"logprobs\":[");
    buf_put(out, scores, n);
    buf_putc(out, ']');
}

/* Text of one kind, numbered, with or without scores. */
static int put_piece(struct buf *out, const char *head, const char *text, size_t n, uint64_t i,
                     const char *scores, size_t n_scores)
{
    buf_puts(out, head);
    json_put_string(out, text, n);
    buf_puts(out, ",\"i\":");
    put_u64(out, i);
    put_scores(out, scores, n_scores);
    return buf_putc(out, '}');
}

int inference_event_scored_token(struct buf *out, const char *text, size_t n, uint64_t i,
                                 const char *scores, size_t n_scores)
{
    return put_piece(out, "{\"type\":\"token\",\"t\":", text, n, i, scores, n_scores);
}

int inference_event_reasoning(struct buf *out, const char *text, size_t n, uint64_t i,
                              const char *scores, size_t n_scores)
{
    return put_piece(out, "{\"type\":\"reasoning\",\"t\":", text, n, i, scores, n_scores);
}

int inference_event_tool_call(struct buf *out, uint32_t index, const char *id, const char *name)
{
    buf_printf(out, "{\"type\":\"tool_call\",\"index\":%u,\"id\":", index);
    put_text(out, id);
    buf_puts(out, ",\"name\":");
    put_text(out, name);
    return buf_putc(out, '}');
}

int inference_event_tool_args(struct buf *out, uint32_t index, const char *text, size_t n)
{
    buf_printf(out, "{\"type\":\"tool_args\",\"index\":%u,\"t\":", index);
    json_put_string(out, text, n);
    return buf_putc(out, '}');
}

int inference_event_metrics(struct buf *out, double tokens_per_sec, uint64_t vram_bytes)
{
    return buf_printf(out, "{\"type\":\"metrics\",\"tokens_per_sec\":%.2f,\"vram_bytes\":%llu}",
                      tokens_per_sec, (unsigned long long)vram_bytes);
}

/* "MAX_TOKENS" ... */
static const char *stop_reason_text(enum stop_reason r)
{
    static const char *const names[STOP_N] = {"MAX_TOKENS", "EOS", "STOP_SEQUENCE", "CANCELLED",
                                              "ERROR"};

    BUG_ON((unsigned)r >= STOP_N);
    return names[r];
}

/* The fields that an end event and the answer without a stream have in common. */
int inference_end_fields(struct buf *out, const struct inference_end *end)
{
    buf_printf(out,
               "\"tokens_out\":%llu,\"decode_time_ms\":%lld,\"stop_reason\":\"%s\","
               "\"prompt_tokens\":%llu,\"cached_tokens\":%llu,\"prefill_time_ms\":%lld,"
               "\"queue_time_ms\":%lld",
               (unsigned long long)end->tokens_out, (long long)end->decode_time_ms,
               stop_reason_text(end->stop_reason), (unsigned long long)end->prompt_tokens,
               (unsigned long long)end->cached_tokens, (long long)end->prefill_time_ms,
               (long long)end->queue_time_ms);
    if (end->drafted)
        buf_printf(out, ",\"drafted\":%llu,\"accepted\":%llu", (unsigned long long)end->drafted,
                   (unsigned long long)end->accepted);
    if (end->tool_calls)
        buf_printf(out, ",\"tool_calls\":%llu", (unsigned long long)end->tool_calls);
    if (end->reasoning_tokens)
        buf_printf(out, ",\"reasoning_tokens\":%llu", (unsigned long long)end->reasoning_tokens);
    if (end->context_full)
        buf_puts(out, ",\"context_full\":true");
    if (end->stop_reason == STOP_SEQUENCE && end->stop_sequence_matched) {
        buf_puts(out, ",\"stop_sequence_matched\":");
        put_text(out, end->stop_sequence_matched);
    }
    return buf_failed(out) ? -1 : 0;
}

int inference_event_end(struct buf *out, const struct inference_end *end)
{
    buf_puts(out, "{\"type\":\"end\",");
    inference_end_fields(out, end);
    return buf_putc(out, '}');
}

static void put_details(struct buf *out, const json_t *details)
{
    char *text = details ? json_write(details, JSON_COMPACT) : NULL;

    if (text)
        buf_printf(out, ",\"details\":%s", text);
    free(text);
}

int inference_event_error(struct buf *out, const struct api_error *e)
{
    const struct api_error_info *info = api_error_info(e->code);

    buf_printf(out, "{\"type\":\"error\",\"code\":\"%s\",\"message\":", info->code);
    put_text(out, e->message);
    buf_printf(out, ",\"retriable\":%s", info->retriable ? "true" : "false");
    put_details(out, e->details);
    return buf_putc(out, '}');
}
