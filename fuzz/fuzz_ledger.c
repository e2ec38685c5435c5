/* fuzz_ledger.c - the ledger of an unfinished file, as any bytes on the disk. First two bytes: the
 * file's size in 64 KiB. What is read must lie within the file and within pieces, and overlap
 * nowhere; what is appended afterwards must be read back. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"

#define UNIT (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ledger_found *f, uint64_t size)
{
    BUG_ON(f->piece_bytes == 0);
    for (size_t i = 0; i < f->n_claims; i++) {
        const struct ledger_claim *c = &f->claims[i];

        BUG_ON(c->from >= c->to || c->to > size ||
               (strlen(c->digest) != DIGEST_SHA256_BYTES - 1 &&
                strlen(c->digest) != DIGEST_XXH3_BYTES - 1));
        BUG_ON(c->from / f->piece_bytes != (c->to - 1) / f->piece_bytes);
        for (size_t k = 0; k < i; k++)
            BUG_ON(c->from < f->claims[k].to && f->claims[k].from < c->to);
    }
}

static void append(struct ledger *l, const struct ledger_found *before, uint64_t size)
{
    struct ledger_claim c = {.from = 0,
                             .to = size < before->piece_bytes ? size : before->piece_bytes};

    memset(c.digest, 'a', sizeof c.digest - 1);
    BUG_ON(ledger_add(l, &c, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger_found found = {0}, again = {0};
    struct ledger *l = NULL;
    char path[64];
    uint64_t bytes;
    int fd;

    if (size < 2 || (fd = memfd_create("ledger", MFD_CLOEXEC)) < 0)
        return 0;
    bytes = (1 + data[0] + 256u * data[1]) * (uint64_t)UNIT;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data + 2, size - 2) == (ssize_t)size - 2 &&
        ledger_open(path, bytes, UNIT, &found, &l, NULL) == 0) {
        check(&found, bytes);
        if (found.known) {
            append(l, &found, bytes);
            ledger_close(l);
            l = NULL;
            BUG_ON(ledger_open(path, bytes, UNIT, &again, &l, NULL) != 0 || !again.known);
            check(&again, bytes);
            BUG_ON(again.n_claims == 0 || again.claims[again.n_claims - 1].from != 0);
        }
    }
    ledger_close(l);
    ledger_found_done(&found);
    ledger_found_done(&again);
    close(fd);
    return 0;
}
