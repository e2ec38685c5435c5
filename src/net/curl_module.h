/*
 * curl_module.h - what librbee-curl.so exports: the transport that is libcurl, for programs that do
 * not link it.
 *
 * Program and module share structures (http_client_internal.h), so they have to be of one build: of
 * one release, as far as that has a number, and with structures of one size.
 */
#ifndef RBEE_NET_CURL_MODULE_H
#define RBEE_NET_CURL_MODULE_H

#include "net/http_client_internal.h"
#include "version.h"

#define CURL_MODULE         "librbee-curl.so"
#define CURL_MODULE_SYMBOL  "rbee_curl"
#define CURL_MODULE_VERSION 2
#define CURL_MODULE_RELEASE "rbee-curl " RBEE_VERSION

struct curl_module {
    unsigned version;
    char release[64];
    size_t client_bytes, call_bytes, transport_bytes;
    int (*create)(struct event_base *base, struct http_client **out, struct err *err);
};

#endif
