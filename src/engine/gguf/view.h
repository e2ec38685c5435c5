/*
 * view.h - what a GGUF view is made of; for the files of this folder only.
 *
 * A view owns its parts. A part owns its mapping and its keys; names, strings and values point into
 * the mapping.
 */
#ifndef RBEE_ENGINE_GGUF_VIEW_H
#define RBEE_ENGINE_GGUF_VIEW_H

#include <time.h>

#include "engine/gguf/cursor.h"
#include "engine/gguf/gguf.h"

struct gguf_key {
    struct gguf_str name;
    enum gguf_value_type type;
    const uint8_t *bytes;    /* a scalar's bytes, unaligned */
    struct gguf_str str;     /* for GGUF_STRING */
    struct gguf_array array; /* for GGUF_ARRAY */
};

struct gguf_part {
    char *name; /* for messages */
    const uint8_t *bytes;
    uint64_t size_bytes;
    bool mapped; /* unmapped when closed; else the bytes are the caller's */
    int fd;      /* of a mapped file, to read it without the mapping; -1 = none could be had */
    struct timespec modified; /* of a mapped file, when it was mapped */
    uint32_t version;
    uint32_t n_keys;
    uint32_t n_tensors;
    struct gguf_key *keys;         /* in file order */
    const struct gguf_key **index; /* the same, sorted by name */
};

struct gguf {
    char *name;
    uint32_t n_parts, n_tensors;
    uint64_t file_bytes;
    struct gguf_part *parts;
    struct gguf_tensor *tensors;             /* of all parts, in file order */
    const struct gguf_tensor **tensor_index; /* the same, sorted by name */
};

/* Bytes order of names, the shorter first when one begins the other. */
int view_compare(const struct gguf_str *a, const struct gguf_str *b);

const struct gguf_key *view_find_key(const struct gguf_part *p, const char *key);

/*
 * Reads a part's header, keys and tensors from its bytes. Tensors are added to g->tensors. The part
 * is freed by view_done whatever the outcome.
 */
int view_read_part(struct gguf *g, uint32_t part, struct err *err);
void view_done(struct gguf_part *p);

/* Bytes of a value of fixed size, 0 for strings, arrays and unknown types. */
uint32_t view_type_bytes(uint32_t type);
const char *view_type_name(uint32_t type); /* "u32"; "?" when unknown */

/* A scalar integer or bool as 64 bits; false when the key holds something else. */
bool view_integer(const struct gguf_key *k, uint64_t *out, bool *negative);

#endif
