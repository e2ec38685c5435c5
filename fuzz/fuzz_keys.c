/* fuzz_keys.c - the file of keys' hashes, and lines of the security log: text that others may have
 * touched. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/keys.h"
#include "api/security_chain.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_keys(const char *text, size_t n)
{
    static struct keys keys;

    if (keys_parse("keys", text, n, &keys, NULL))
        return;
    BUG_ON(keys.n > KEYS_MAX);
    for (size_t i = 0; i < keys.n; i++)
        BUG_ON(memchr(keys.items[i].name, '\0', KEYS_NAME_BYTES) == NULL);
    BUG_ON(keys_find(&keys, "not one of them") >= 0);
}

/* Each line is in memory of its own, so that a look past its end is seen. */
static void look_at_lines(const char *text, size_t n)
{
    struct security_chain c = {.open = true};

    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;
        char *line = malloc(len ? len : 1);

        BUG_ON(!line);
        memcpy(line, text, len);
        if (security_chain_check(&c, line, len, NULL) == 0)
            BUG_ON(strlen(c.last) != SHA256_HEX_BYTES - 1 || c.open);
        free(line);
        text += end ? len + 1 : len;
        n -= end ? len + 1 : len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size);

    BUG_ON(!text);
    if (!memchr(text, '\0', size))
        look_at_keys(text, size);
    look_at_lines((const char *)data, size);
    free(text);
    return 0;
}
