/*
 * http_proxy.h - the proxy that the environment names for libcurl: is it one?
 *
 * What is said of it names the variable and never its value, which may hold a password: a '/' in
 * that, not written as %2F, makes an address of it that libcurl quotes in its error.
 */
#ifndef RBEE_NET_HTTP_PROXY_H
#define RBEE_NET_HTTP_PROXY_H

#include <stdbool.h>

/* For printf, of a variable's name. */
#define HTTP_PROXY_BAD                                                                             \
    "%s is no address of a proxy, http://[USER:PASSWORD@]HOST[:PORT]; in a password a / is "       \
    "written %%2F, # %%23, ? %%3F, @ %%40, %% %%25, a blank %%20"

/* The variable that libcurl takes for such URLs, when what it says is no proxy's address; NULL: it
 * is one, or none is named. */
const char *http_proxy_bad(bool https);

#endif
