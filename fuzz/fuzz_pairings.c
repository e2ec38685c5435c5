/* fuzz_pairings.c - the file of open pairing codes, as any bytes: what is read of it, written and
 * read again, is the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/doors/pairing.h"

#define FILE_MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size);
    struct pairings p, again;
    struct buf written;

    BUG_ON(!text);
    pairings_parse(&p, text, size);
    BUG_ON(p.n > PAIRINGS_MAX);
    buf_init(&written, FILE_MAX_BYTES);
    pairings_put(&p, &written);
    BUG_ON(buf_failed(&written));
    pairings_parse(&again, buf_str(&written), written.len);
    BUG_ON(again.n != p.n);
    for (size_t i = 0; i < p.n; i++)
        BUG_ON(!sha256_same(p.items[i].hash, again.items[i].hash) ||
               p.items[i].until_s != again.items[i].until_s);
    BUG_ON(pairings_use(&p, "no code of this list", 0));
    buf_done(&written);
    free(text);
    return 0;
}
