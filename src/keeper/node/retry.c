/* retry.c - see retry.h. */
#include "keeper/node/retry.h"

#include "keeper/shell/interrupt.h"

bool retry_may_pass(const struct client_last *last)
{
    if (last->rc)
        return last->rc == ERR_UNREACHABLE || last->rc == ERR_TIMEOUT || last->rc == ERR_IO;
    return last->status == 408 || last->status == 429 ||
           (last->status >= 500 && last->status != 501 && last->status != 505 &&
            last->status != 507);
}

int64_t retry_pause_ms(unsigned n_failed, int64_t retry_after_ms)
{
    int64_t pause_ms = (int64_t)RETRY_PAUSE_MS << (n_failed - 1);

    if (retry_after_ms > RETRY_AFTER_MAX_MS)
        retry_after_ms = RETRY_AFTER_MAX_MS;
    return retry_after_ms > pause_ms ? retry_after_ms : pause_ms;
}

bool retry_wait(struct keeper *k, unsigned n_failed, struct api_error *e)
{
    const struct client_last *last = client_last(k->client);

    if (n_failed >= RETRY_TRIES || !retry_may_pass(last))
        return false;
    if (n_failed == 2) {
        term_progress_end(&k->term);
        term_note(&k->term, "%s: %s; trying again, %d times at most.", k->node.name, e->message,
                  RETRY_TRIES - 2);
    }
    if (!interrupt_sleep_ms(retry_pause_ms(n_failed, last->retry_after_ms)))
        return false;
    api_error_done(e);
    return true;
}
