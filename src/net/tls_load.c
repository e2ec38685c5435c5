/* tls_load.c - see tls.h: the module and its table, and what needs neither. */
#include "net/tls.h"

#include <string.h>

#include "net/module.h"

bool tls_is_pin(const char *text)
{
    return strlen(text) == TLS_PIN_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == TLS_PIN_BYTES - 1;
}

int tls_load(const struct tls **out, struct err *err)
{
    const struct tls *found =
        module_load(TLS_MODULE, TLS_SYMBOL, "TLS", "OpenSSL 3 and libevent-openssl", err);

    if (!found)
        return ERR_UNSUPPORTED;
    if (found->version != TLS_VERSION)
        return module_refuse(TLS_MODULE, err);
    *out = found;
    return 0;
}
