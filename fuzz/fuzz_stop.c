/*
 * fuzz_stop.c - stop strings of a client in a text of a model: a byte that cuts, then up to 16
 * stop strings a line each behind their count, and the text. What is given out is the text up to
 * the first place where one of them is whole, the longest of those that end there; cut or not.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "base/buf.h"
#include "base/str.h"
#include "lines.h"
#include "worker/jobs/stopper.h"

#define TEXT_MAX 4096 /* so that one run stays fast */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the text ends, and which string it was; n_stops: none. */
static size_t expected(char *const *stops, size_t n_stops, const char *text, size_t n, size_t *end)
{
    for (size_t at = 1; at <= n; at++) {
        size_t best = n_stops, longest = 0;

        for (size_t i = 0; i < n_stops; i++) {
            size_t len = strlen(stops[i]);

            if (len <= at && len > longest && memcmp(text + at - len, stops[i], len) == 0) {
                longest = len;
                best = i;
            }
        }
        if (best < n_stops) {
            *end = at - longest;
            return best;
        }
    }
    *end = n;
    return n_stops;
}

static void run(char *const *stops, size_t n_stops, const char *text, size_t n, size_t piece)
{
    struct stopper *s;
    struct buf out;
    size_t end, want = expected(stops, n_stops, text, n, &end);
    int rc = 0;

    buf_init(&out, 2 * TEXT_MAX);
    BUG_ON(stopper_create(stops, n_stops, &s, NULL));
    for (size_t at = 0; at < n && rc == 0; at += piece)
        rc = stopper_put(s, text + at, n - at < piece ? n - at : piece, &out);
    BUG_ON(rc != (want < n_stops ? 1 : 0));
    if (rc == 0)
        BUG_ON(stopper_end(s, &out));
    else
        BUG_ON(!str_eq(stops[stopper_matched(s)], stops[want]));
    BUG_ON(out.len != end || memcmp(buf_str(&out), text, end) != 0);
    stopper_free(s);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *stops[INFERENCE_STOP_MAX];
    size_t n_stops = 0, n_asked, piece;

    if (size < 2 || size > TEXT_MAX)
        return 0;
    piece = 1u + data[0] % 32;
    n_asked = data[1] % (INFERENCE_STOP_MAX + 1);
    data += 2, size -= 2;
    while (n_stops < n_asked) {
        stops[n_stops] = take_line(&data, &size);
        if (!stops[n_stops][0] || strlen(stops[n_stops]) > INFERENCE_STOP_BYTES_MAX) {
            free(stops[n_stops]);
            break;
        }
        n_stops++;
    }
    run(stops, n_stops, (const char *)data, size, TEXT_MAX);
    run(stops, n_stops, (const char *)data, size, piece);
    while (n_stops)
        free(stops[--n_stops]);
    return 0;
}
