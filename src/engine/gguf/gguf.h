/*
 * gguf.h - a bounds-checked, read-only view of one GGUF file (v2 or v3), or of the parts of a split
 * one.
 *
 * The file is mapped read-only and never trusted: the header, every key, every string, every array
 * and every tensor's place is checked against the file's real size (fstat) with overflow-checked
 * arithmetic before the first use, and an error names the byte offset at which reading failed.
 * After gguf_open has returned 0, everything the getters hand out lies inside the mapping.
 *
 * Refused: big-endian files, versions other than 2 and 3, duplicate keys or tensors, dimensions of
 * 0, data that is not aligned, tensors beyond the end. An unknown tensor type is *not* refused here
 * (its size is then unknown and `data` NULL), so that `inspect` can still tell what a file holds.
 *
 * Source: the GGUF specification (ggml repository, docs/gguf.md). Once open, a view is immutable
 * and may be read by any number of threads. The caller keeps the file unchanged: rbee's own model
 * store never writes to a finished file.
 */
#ifndef RBEE_ENGINE_GGUF_GGUF_H
#define RBEE_ENGINE_GGUF_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/gguf/types.h"

/* Limits on what a file may claim; all far above any published model. */
#define GGUF_MAX_TENSORS     65536
#define GGUF_MAX_KEYS        65536
#define GGUF_MAX_KEY_BYTES   1024
#define GGUF_MAX_NAME_BYTES  256
#define GGUF_MAX_DIMS        4
#define GGUF_MAX_PARTS       512
#define GGUF_MAX_ARRAY_ELEMS (16u << 20)
#define GGUF_MAX_ALIGNMENT   (1u << 20)

enum gguf_value_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12
};

/* Bytes in the mapping; not NUL-terminated, may hold any byte. */
struct gguf_str {
    const char *bytes;
    uint64_t len;
};

struct gguf_tensor {
    struct gguf_str name;
    uint32_t n_dims;              /* 1..GGUF_MAX_DIMS */
    uint64_t dims[GGUF_MAX_DIMS]; /* dims[0] is the row length (contiguous); unused ones are 1 */
    uint32_t type_number;         /* as in the file */
    const struct type_info *type; /* NULL when the type is not supported */
    uint64_t size_bytes;          /* 0 when the type is not supported */
    uint64_t file_offset;         /* of the data, in its part's file */
    uint32_t part;                /* which part's file */
    const void *data;             /* in the mapping; NULL when the type is not supported */
};

struct gguf;

/*
 * Opens a file by path; for "x-00001-of-0000N.gguf" all N parts beside it. 0 or a negative code:
 * ERR_NOT_FOUND, ERR_IO, ERR_INVALID (text: which field, at which byte, both numbers),
 * ERR_UNSUPPORTED (big-endian, another version), ERR_LIMIT, ERR_NO_MEMORY. The view is freed with
 * gguf_close (NULL is fine).
 */
int gguf_open(const char *path, struct gguf **out, struct err *err);

/*
 * The same from files that are open already (files.h; a sandboxed process). The view takes the
 * descriptors over; `files` stays the caller's to close.
 */
struct gguf_files;
int gguf_open_files(struct gguf_files *files, struct gguf **out, struct err *err);

/*
 * The same from descriptors, in part order; `name` is for messages. The descriptors stay the
 * caller's and may be closed once this has returned.
 */
int gguf_open_fds(const int *fds, uint32_t n_fds, const char *name, struct gguf **out,
                  struct err *err);

/*
 * The same over bytes in memory (fuzzing, tests); the bytes must outlive the view, and a tensor's
 * data is only as well aligned as they are.
 */
int gguf_open_memory(const void *bytes, size_t n_bytes, const char *name, struct gguf **out,
                     struct err *err);

void gguf_close(struct gguf *g);

uint32_t gguf_version(const struct gguf *g);
uint64_t gguf_file_bytes(const struct gguf *g); /* of all parts together */
uint32_t gguf_n_parts(const struct gguf *g);
const char *gguf_name(const struct gguf *g); /* as opened; for messages */

/* Tensors of all parts, in file order. */
uint32_t gguf_n_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, uint32_t i);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name); /* or NULL */
uint32_t gguf_tensor_number(const struct gguf *g, const struct gguf_tensor *t);     /* i of it */

/*
 * Copies n bytes of the view, from `at` on, out of the file: read, not touched in the mapping, so
 * that a file cut short meanwhile, or a disk that fails, is no signal. 0, or an errno: ENODATA past
 * the file's end. Any thread.
 */
int gguf_copy(const struct gguf *g, const void *at, size_t n, void *dst);
/* ERR_IO: what gguf_copy said, of weights, as a sentence. */
int gguf_unreadable(const struct gguf *g, int why, struct err *err);
/*
 * Asks the system whether the files are as they were when they were opened, by their sizes and the
 * times of their last writes: 0, or ERR_IO and which is not. What it cannot tell counts as
 * unchanged. Any thread.
 */
int gguf_check(const struct gguf *g, struct err *err);
/* Has the system begin to read these bytes from the disk, without waiting for them. */
void gguf_expect(const struct gguf *g, const void *at, size_t n);
/* Lets go of the mapping's pages that hold nothing but these bytes; they can still be read. */
void gguf_release(const struct gguf *g, const void *at, size_t n);

/* Keys (of the first part). */
uint32_t gguf_n_keys(const struct gguf *g);
struct gguf_str gguf_key_at(const struct gguf *g, uint32_t i);
bool gguf_has(const struct gguf *g, const char *key);

/*
 * Typed reads of a key. Each returns 0; ERR_NOT_FOUND when the key is absent; ERR_INVALID when it
 * holds another kind of value or one out of the asked type's range. Any integer width will do for
 * the integer readers; bools read as 0 and 1; the float reader takes F32 and F64.
 */
int gguf_get_u32(const struct gguf *g, const char *key, uint32_t *out, struct err *err);
int gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out, struct err *err);
int gguf_get_f32(const struct gguf *g, const char *key, float *out, struct err *err);
int gguf_get_bool(const struct gguf *g, const char *key, bool *out, struct err *err);
int gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *out, struct err *err);

/*
 * An array: element type and count; with the functions below numbers are read by index, strings in
 * their order. Asked for any integer type (or float type), an array of any other integer (float)
 * type will do as well: out->elem_type is the one in the file.
 */
struct gguf_array {
    enum gguf_value_type elem_type;
    uint64_t n;
    const uint8_t *bytes; /* unaligned: read with the functions */
    uint64_t n_bytes;
};
int gguf_get_array(const struct gguf *g, const char *key, enum gguf_value_type elem_type,
                   struct gguf_array *out, struct err *err);
float gguf_array_f32(const struct gguf_array *a, uint64_t i);
int64_t gguf_array_int(const struct gguf_array *a, uint64_t i); /* any integer type */

/*
 * The strings of an array, one after another from the first on: nothing is kept for those that
 * nobody asks for. False behind the last one, and before it when the file has been written over
 * since it was opened.
 */
struct gguf_strings {
    const uint8_t *at, *end;
};
struct gguf_strings gguf_strings_of(const struct gguf_array *a);
bool gguf_strings_next(struct gguf_strings *s, struct gguf_str *out);

/* Bytes of memory that the view has for itself: its tables, none of the mapping. */
uint64_t gguf_memory_bytes(const struct gguf *g);

/* Value type of key i, and its value as short text for people (arrays as "[n x type]"). */
enum gguf_value_type gguf_value_type_at(const struct gguf *g, uint32_t i);
void gguf_value_text_at(const struct gguf *g, uint32_t i, char *dst, size_t dst_size);

/* Bytes from a file, cut and made printable ASCII, for messages. Returns dst. */
#define GGUF_SHOWN_BYTES 100
char *gguf_show(struct gguf_str s, char dst[GGUF_SHOWN_BYTES]);

#endif
