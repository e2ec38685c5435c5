/* fuzz_places.c - where something is, as a person or a hub writes it: a pairing line, an address,
 * an URL. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "base/str.h"
#include "config/config.h"
#include "keeper/node/pair.h"
#include "net/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const char *host, size_t room)
{
    BUG_ON(memchr(host, '\0', room) == NULL || host[0] == '\0' || strpbrk(host, "/?#@ \r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size);
    struct config_addr addr = {0};
    struct pair_line line;
    struct http_url url;

    BUG_ON(!text);
    if (pair_parse(text, &line, NULL) == 0) {
        check_host(line.addr.host, sizeof line.addr.host);
        BUG_ON(!tls_is_pin(line.pin) || strchr(line.code, '/'));
        BUG_ON(!line.code[0] && !access_is_loopback(line.addr.host));
    }
    if (config_addr_parse(text, 8080, &addr, NULL) == 0)
        check_host(addr.host, sizeof addr.host);
    if (http_url_parse(text, &url, NULL) == 0) {
        check_host(url.host, sizeof url.host);
        BUG_ON(strlen(url.place) < strcspn(url.host, "%") || strchr(url.place, '%'));
        BUG_ON(url.target_bytes < 0 || url.target < text ||
               url.target + url.target_bytes > text + strlen(text));
    }
    free(text);
    return 0;
}
