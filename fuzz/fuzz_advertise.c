/* fuzz_advertise.c - run/hive.json, by which a running hive is found: any bytes. What is taken is
 * an address as people may write it, and its own text says the same again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/doors/advertise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(const struct config_addr *addr)
{
    char text[CONFIG_HOST_MAX + 9];
    struct config_addr back;

    config_addr_text(addr, text, sizeof text);
    if (config_addr_parse(text, 1, &back, NULL))
        BUG("'%s' is no address", text);
    BUG_ON(!str_eq(back.host, addr->host) || back.port != addr->port || back.port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct advertise a, again;
    struct err err = {0};
    char *text;

    if (advertise_parse("hive.json", (const char *)data, size, &a, &err)) {
        BUG_ON(!err.text[0] || a.pin[0]);
        return 0;
    }
    check_addr(&a.addr);
    BUG_ON(a.pin[0] && !tls_is_pin(a.pin));
    text = advertise_text(&a);
    BUG_ON(!text || advertise_parse("hive.json", text, strlen(text), &again, NULL));
    BUG_ON(!str_eq(a.addr.host, again.addr.host) || a.addr.port != again.addr.port);
    BUG_ON(a.tls != again.tls || !str_eq(a.pin, again.pin));
    free(text);
    return 0;
}
