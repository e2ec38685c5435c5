/* fingerprint.c - see fingerprint.h. */
#include "hive/machine/fingerprint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hive/disk/digest.h"
#include "hive/machine/machine.h"
#include "version.h"

static void put_text(struct digest *d, const char *text)
{
    digest_put(d, text, strlen(text) + 1);
}

/* False: it is not there. `is_program`: a package may give its files the time of its making, and
 * when they came is the disk's word. */
static bool put_file(struct digest *d, const char *path, bool is_program)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return false;
    digest_put(d, &st.st_size, sizeof st.st_size);
    digest_put(d, &st.st_mtim.tv_sec, sizeof st.st_mtim.tv_sec);
    if (is_program) {
        digest_put(d, &st.st_ctim.tv_sec, sizeof st.st_ctim.tv_sec);
        digest_put(d, &st.st_ctim.tv_nsec, sizeof st.st_ctim.tv_nsec);
    }
    return true;
}

static bool put_all(struct digest *d, const struct fingerprint_of *of)
{
    struct machine machine;

    machine_read(&machine);
    put_text(d, machine.features);
    put_text(d, of->kv_type);
    put_text(d, of->model_path);
    if (of->chat_template && of->chat_template[0]) {
        put_text(d, of->chat_template);
        put_file(d, of->chat_template, false);
    }
    return put_file(d, of->program, true) && put_file(d, of->model_path, false);
}

void fingerprint_make(const struct fingerprint_of *of, char dst[FINGERPRINT_BYTES])
{
    struct digest *d = digest_create();
    char hex[DIGEST_SHA256_BYTES] = "";

    if (d && put_all(d, of))
        digest_end(d, hex);
    digest_free(d);
    snprintf(dst, FINGERPRINT_BYTES, "rbee-%s-%.16s-%.12s", RBEE_VERSION, of->backend, hex);
}
