/*
 * fuzz_upload_look.c - what an earlier life left of an upload's file: two bytes of the file's size,
 * a byte of how much of it is there, then the ledger's lines. '#' stands for a head that fits,
 * "=FROM TO" for a claim that is true, "~FROM TO" for one that is not, '!' for the bytes behind it
 * as they are; any other line is written with the sum that it should have.
 *
 * What is not missing afterwards is what the part's bytes bear out; a second look says the same; a
 * look at other bytes believes nothing.
 */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "hive/chores/upload_internal.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"
#include "lines.h"
#include "scratch.h"

#define SIZE_STEP      2 /* 131071 bytes at most: two of a ledger's smallest pieces */
#define SIZE_MAX_BYTES (1 + SIZE_STEP * 65535)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint8_t content[SIZE_MAX_BYTES], other[SIZE_MAX_BYTES];

/* ---- in the place of the work's frame ---- */

bool chore_stopped(const void *c)
{
    (void)c;
    return false;
}

bool chore_count(struct chore *c, uint64_t n_more)
{
    (void)c;
    (void)n_more;
    return false;
}

/* ---- what an earlier life left ---- */

static void put_summed(struct buf *out, const char *text)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_of(text, strlen(text), hash);
    buf_printf(out, "%.8s %s\n", sha256_hex(hash, hex), text);
}

static void put_claim(struct buf *out, const char *range, uint64_t size, bool is_true)
{
    char hex[DIGEST_SHA256_BYTES], text[160];
    unsigned long long from, to;

    if (sscanf(range, "%10llu %10llu", &from, &to) != 2 || from >= to || to > size)
        return;
    BUG_ON(digest_of(content + from, to - from, hex, NULL));
    if (!is_true)
        hex[0] = hex[0] == '0' ? '1' : '0';
    snprintf(text, sizeof text, "bytes %llu %llu %s", from, to, hex);
    put_summed(out, text);
}

static void put_line(struct buf *out, const char *line, uint64_t size)
{
    char head[80];

    snprintf(head, sizeof head, "rbee-ledger %d %llu %u", LEDGER_VERSION, (unsigned long long)size,
             PIECES_MIN_BYTES);
    if (line[0] == '#')
        put_summed(out, head);
    else if (line[0] == '=' || line[0] == '~')
        put_claim(out, line + 1, size, line[0] == '=');
    else if (line[0] == '!')
        buf_printf(out, "%s\n", line + 1);
    else
        put_summed(out, line);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    BUG_ON(fd < 0 || write(fd, bytes, n) != (ssize_t)n);
    close(fd);
}

/* ---- the looks ---- */

static uint64_t look(char *part, uint64_t size)
{
    struct upload_file f = {.part = part, .size_bytes = size};
    struct err err = {0};
    uint64_t missing, there;

    if (upload_look(&f, NULL, &err))
        BUG("a look failed: %s", err.text);
    missing = pieces_missing(f.pieces);
    BUG_ON(missing > size || path_file_size(part, &there, NULL) || there != size);
    pieces_free(f.pieces);
    return missing;
}

/* By the ledger and what the part should hold; nothing of it is read. */
static uint64_t borne_out(const char *part, uint64_t size, uint64_t there)
{
    struct ledger_found found = {0};
    struct ledger *l = NULL;
    uint64_t sum = 0;
    char *path = ledger_path(part);

    BUG_ON(!path || ledger_open(path, size, UPLOAD_PIECE_BYTES, &found, &l, NULL));
    for (size_t i = 0; i < found.n_claims; i++) {
        const struct ledger_claim *c = &found.claims[i];
        char hex[DIGEST_SHA256_BYTES];

        BUG_ON(digest_of(content + c->from, c->to - c->from, hex, NULL));
        if (c->to <= there && str_eq(hex, c->digest))
            sum += c->to - c->from;
    }
    ledger_close(l);
    ledger_found_done(&found);
    free(path);
    return sum;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < sizeof content; i++) {
        content[i] = (uint8_t)(i * 31 + i / 251);
        other[i] = content[i] ^ 0xff;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char part[SCRATCH_PATH_MAX], *ledger;
    uint64_t bytes, there, good, missing;
    struct buf text;

    if (size < 3)
        return 0;
    bytes = 1 + SIZE_STEP * (data[0] + 256u * data[1]);
    there = bytes * data[2] / 255; /* a part that is shorter is made longer, with zeros */
    scratch_path(part, "x.gguf");
    write_file(part, content, there);
    ledger = ledger_path(part);
    buf_init(&text, SIZE_MAX / 2);
    data += 3, size -= 3;
    while (size) {
        char *line = take_line(&data, &size);

        put_line(&text, line, bytes);
        free(line);
    }
    write_file(ledger, buf_str(&text), text.len);
    good = borne_out(part, bytes, there);
    missing = look(part, bytes);
    BUG_ON(missing > bytes - good);
    if (there == bytes)
        BUG_ON(missing != bytes - good);
    BUG_ON(look(part, bytes) != missing);
    write_file(part, other, bytes);
    BUG_ON(look(part, bytes) != bytes);
    buf_done(&text);
    unlink(part);
    unlink(ledger);
    free(ledger);
    return 0;
}
