/* fuzz_hub_token.c - a file with the hub's token, as any bytes: what is taken is one word that a
 * header can hold, and stands in the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/fetch/hub_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size), *token = str_dup(text);
    size_t n;

    BUG_ON(!text || !token);
    if (hub_token_trim(token)) {
        n = strlen(token);
        BUG_ON(n == 0 || n > HUB_TOKEN_MAX || !strstr(text, token));
        for (size_t i = 0; i < n; i++)
            BUG_ON(token[i] <= ' ' || token[i] > '~');
        BUG_ON(strspn(text, " \t\r\n") + n + strspn(strstr(text, token) + n, " \t\r\n") !=
               strlen(text));
    }
    free(token);
    free(text);
    return 0;
}
