/* curl_module.c - see curl_module.h. */
#include "net/curl_module.h"

__attribute__((visibility("default"))) const struct curl_module rbee_curl = {
    .version = CURL_MODULE_VERSION,
    .release = CURL_MODULE_RELEASE,
    .client_bytes = sizeof(struct http_client),
    .call_bytes = sizeof(struct http_call),
    .transport_bytes = sizeof(struct http_transport),
    .create = http_client_create_curl,
};
