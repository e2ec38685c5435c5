/*
 * fuzz_upload.c - a piece of an upload: a byte of flags (1: the digest is the piece's own), then a
 * line each for the upload's id, the file and where the piece begins, and the piece. What is taken
 * leads to a plain name in the upload's folder; what is wrong is refused before a file is looked
 * for.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "hive/chores/upload_internal.h"
#include "hive/models/models_internal.h"
#include "lines.h"

#define MODELS "/nonexistent/models"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void check_place(const struct models *m, const char *id, const char *file)
{
    static const char folder[] = MODELS "/" UPLOAD_FOLDER "/";
    char *part = upload_part(m, id, file);
    const char *name;

    if (!part)
        return;
    BUG_ON(!is_digest(id) || !str_starts(part, folder) || !upload_is_part(m, part));
    BUG_ON(strncmp(part + sizeof folder - 1, id, 64) != 0 || part[sizeof folder + 63] != '/');
    name = part + sizeof folder + 64;
    BUG_ON(!str_eq(name, file) || !name[0] || name[0] == '.' || strchr(name, '/'));
    BUG_ON(strlen(name) < 6 || strcasecmp(name + strlen(name) - 5, ".gguf") != 0);
    free(part);
}

static void put(const struct models *m, const char *id, const char *file, uint64_t from,
                const char *bytes, size_t n, const char *said)
{
    bool good = n > 0 && manifest_is_plain(file) && is_digest(id) && is_digest(said) &&
                from <= INT64_MAX - n &&
                from / UPLOAD_PIECE_BYTES == (from + n - 1) / UPLOAD_PIECE_BYTES;
    struct err err = {0};
    int rc = upload_put(m, id, file, from, bytes, n, said, &err);

    BUG_ON(rc == 0 || !err.text[0]);
    BUG_ON(rc != ERR_INVALID && rc != ERR_NOT_FOUND);
    BUG_ON(rc == ERR_NOT_FOUND && !good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char dir[] = MODELS;
    const struct models m = {.dir = dir};
    char *id, *file, *from, said[SHA256_HEX_BYTES];
    unsigned char hash[SHA256_BYTES];
    uint64_t at;
    bool own;

    if (size < 1)
        return 0;
    own = data[0] & 1;
    data++, size--;
    id = take_line(&data, &size);
    file = take_line(&data, &size);
    from = take_line(&data, &size);
    check_place(&m, id, file);
    sha256_of((const char *)data, size, hash);
    sha256_hex(hash, said);
    if (str_to_u64(from, &at) == 0)
        put(&m, id, file, at, (const char *)data, size, own ? said : id);
    BUG_ON(upload_drop(&m, id, NULL, NULL) != ERR_NOT_FOUND);
    free(from);
    free(file);
    free(id);
    return 0;
}
