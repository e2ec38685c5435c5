/* fingerprint.c - see fingerprint.h. */
#include "hive/fingerprint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hive/digest.h"
#include "hive/machine.h"
#include "version.h"

void fingerprint_make(const char *backend, const char *model_path, char dst[FINGERPRINT_BYTES])
{
    struct digest *d = digest_create();
    char hex[CARD_SHA256_BYTES] = "";
    struct machine machine;
    struct stat st = {0};

    machine_read(&machine);
    if (d && stat(model_path, &st) == 0) {
        digest_put(d, machine.features, strlen(machine.features) + 1);
        digest_put(d, model_path, strlen(model_path) + 1);
        digest_put(d, &st.st_size, sizeof st.st_size);
        digest_put(d, &st.st_mtim.tv_sec, sizeof st.st_mtim.tv_sec);
        digest_end(d, hex);
    }
    digest_free(d);
    snprintf(dst, FINGERPRINT_BYTES, "rbee-%s-%.16s-%.12s", RBEE_VERSION, backend, hex);
}
