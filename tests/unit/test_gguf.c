/*
 * The GGUF reader, with files made here byte by byte: what the specification allows must be read as
 * it is, and each lie a file can tell must be refused with the offset at which it stands.
 *
 * Images are opened from heap copies of their exact size, so that a sanitizer sees any read past
 * their end.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/writer.h"

/* ---- a file made by hand ------------------------------------------------- */

struct image {
    uint8_t bytes[8192];
    size_t n;
};

static void put(struct image *im, const void *bytes, size_t n)
{
    assert_true(im->n + n <= sizeof(im->bytes));
    memcpy(im->bytes + im->n, bytes, n);
    im->n += n;
}

static void put_u32(struct image *im, uint32_t v)
{
    put(im, &v, sizeof(v));
}

static void put_u64(struct image *im, uint64_t v)
{
    put(im, &v, sizeof(v));
}

static void put_str(struct image *im, const char *s)
{
    put_u64(im, strlen(s));
    put(im, s, strlen(s));
}

static void put_header(struct image *im, uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    im->n = 0;
    put(im, "GGUF", 4);
    put_u32(im, version);
    put_u64(im, n_tensors);
    put_u64(im, n_keys);
}

static void put_key(struct image *im, const char *name, uint32_t type)
{
    put_str(im, name);
    put_u32(im, type);
}

static void put_tensor(struct image *im, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, uint64_t offset)
{
    put_str(im, name);
    put_u32(im, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(im, dims[i]);
    put_u32(im, type);
    put_u64(im, offset);
}

static void pad_to(struct image *im, size_t alignment)
{
    while (im->n % alignment != 0)
        put(im, "", 1);
}

static int open_image(const struct image *im, size_t n, struct gguf **g, uint8_t **copy,
                      struct err *err)
{
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    memcpy(*copy, im->bytes, n);
    *g = NULL;
    return gguf_open_memory(*copy, n, "made.gguf", g, err);
}

/* The image must be refused with this code, and a text that holds each of the words. */
static void refused(const struct image *im, int code, const char *word1, const char *word2)
{
    struct err err = {0};
    struct gguf *g;
    uint8_t *copy;
    int rc = open_image(im, im->n, &g, &copy, &err);

    if (rc == 0)
        gguf_close(g);
    free(copy);
    assert_int_equal(rc, code);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, word1) || !strstr(err.text, word2))
        fail_msg("'%s' lacks '%s' or '%s'", err.text, word1, word2);
    assert_non_null(strstr(err.text, "made.gguf"));
}

static void put_everything(struct image *im, uint32_t version)
{
    static const uint64_t dims_a[] = {4, 2}, dims_b[] = {32};
    static const uint32_t types[] = {GGUF_U8,  GGUF_I8,  GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32,
                                     GGUF_F32, GGUF_U64, GGUF_I64, GGUF_F64, GGUF_BOOL};
    static const uint8_t widths[] = {1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 1};
    static const uint64_t minus_one = UINT64_MAX;
    float f = 0.5f, fs[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    double d = -0.25;
    uint8_t one = 1, block[18] = {0};

    put_header(im, version, 2, 14);
    for (size_t i = 0; i < sizeof(widths); i++) {
        char name[8] = "k.";

        name[2] = (char)('a' + i);
        put_key(im, name, types[i]);
        if (types[i] == GGUF_F32)
            put(im, &f, sizeof(f));
        else if (types[i] == GGUF_F64)
            put(im, &d, sizeof(d));
        else if (types[i] == GGUF_BOOL)
            put(im, &one, 1);
        else
            put(im, &minus_one, widths[i]);
    }
    put_key(im, "k.str", GGUF_STRING);
    put_str(im, "text");
    put_key(im, "k.strs", GGUF_ARRAY);
    put_u32(im, GGUF_STRING);
    put_u64(im, 2);
    put_str(im, "x");
    put_str(im, "");
    put_key(im, "k.ints", GGUF_ARRAY);
    put_u32(im, GGUF_I16);
    put_u64(im, 2);
    put(im, "\xff\xff\x02\x00", 4);
    put_tensor(im, "a.weight", TYPE_F32, 2, dims_a, 0);
    put_tensor(im, "b.weight", TYPE_Q4_0, 1, dims_b, 32);
    pad_to(im, 32);
    put(im, fs, sizeof(fs));
    put(im, block, sizeof(block));
}

/* ---- what is valid ------------------------------------------------------- */

static void check_everything(struct gguf *g)
{
    static const char *const unsigned_keys[] = {"k.a", "k.c", "k.e", "k.h"};
    static const uint64_t unsigned_values[] = {0xff, 0xffff, 0xffffffff, UINT64_MAX};
    const struct gguf_tensor *t;
    struct gguf_strings strings;
    struct gguf_array a;
    struct gguf_str s;
    uint64_t u;
    float f;
    bool b;

    assert_int_equal(gguf_n_keys(g), 14);
    assert_int_equal(gguf_n_tensors(g), 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gguf_get_u64(g, unsigned_keys[i], &u, NULL), 0);
        assert_int_equal(u, unsigned_values[i]);
    }
    assert_int_equal(gguf_get_f32(g, "k.g", &f, NULL), 0);
    assert_true(f == 0.5f);
    assert_int_equal(gguf_get_f32(g, "k.j", &f, NULL), 0);
    assert_true(f == -0.25f);
    assert_int_equal(gguf_get_bool(g, "k.k", &b, NULL), 0);
    assert_true(b);
    assert_int_equal(gguf_get_str(g, "k.str", &s, NULL), 0);
    assert_int_equal(s.len, 4);
    assert_memory_equal(s.bytes, "text", 4);
    assert_int_equal(gguf_get_array(g, "k.strs", GGUF_STRING, &a, NULL), 0);
    assert_int_equal(a.n, 2);
    strings = gguf_strings_of(&a);
    assert_true(gguf_strings_next(&strings, &s));
    assert_int_equal(s.len, 1);
    assert_true(gguf_strings_next(&strings, &s));
    assert_int_equal(s.len, 0);
    assert_false(gguf_strings_next(&strings, &s));
    assert_int_equal(gguf_get_array(g, "k.ints", GGUF_I32, &a, NULL), 0);
    assert_int_equal(gguf_array_int(&a, 0), -1);
    assert_int_equal(gguf_array_int(&a, 1), 2);
    t = gguf_find_tensor(g, "a.weight");
    assert_non_null(t);
    assert_int_equal(t->dims[0], 4);
    assert_int_equal(t->dims[1], 2);
    assert_int_equal(t->dims[2], 1);
    assert_int_equal(t->size_bytes, 32);
    memcpy(&f, (const uint8_t *)t->data + 28, sizeof(f));
    assert_true(f == 8);
    assert_int_equal(t->file_offset % 32, 0);
    t = gguf_find_tensor(g, "b.weight");
    assert_non_null(t);
    assert_int_equal(t->size_bytes, 18);
    assert_string_equal(t->type->name, "Q4_0");
    assert_null(gguf_find_tensor(g, "c.weight"));
}

static void test_gguf__reads_versions_2_and_3(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        struct image im;
        struct err err = {0};
        struct gguf *g;
        uint8_t *copy;

        put_everything(&im, version);
        if (open_image(&im, im.n, &g, &copy, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(gguf_version(g), version);
        assert_int_equal(gguf_file_bytes(g), im.n);
        assert_int_equal(gguf_n_parts(g), 1);
        assert_string_equal(gguf_name(g), "made.gguf");
        check_everything(g);
        gguf_close(g);
        free(copy);
    }
}

static void test_gguf__reads_back_what_the_writer_wrote(void **state)
{
    const struct gguf_str strs[] = {{"one", 3}, {"\0x", 2}};
    const float f32s[] = {0.5f, -1};
    const int32_t i32s[] = {-7, 9};
    const uint64_t dims[] = {32, 3};
    uint8_t blocks[3 * sizeof(struct block_q8_0)], *bytes;
    struct err err = {0};
    struct gguf_strings strings;
    struct gguf_writer *w;
    struct gguf_array a;
    struct gguf_str s;
    struct gguf *g;
    uint32_t u;
    uint64_t u64;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(blocks); i++)
        blocks[i] = (uint8_t)i;
    assert_int_equal(gguf_writer_create(&w, &err), 0);
    gguf_writer_u32(w, "u", 7);
    gguf_writer_u64(w, "v", 1ull << 40);
    gguf_writer_f32(w, "f", 1.5f);
    gguf_writer_bool(w, "b", false);
    gguf_writer_str(w, "s", "hello");
    gguf_writer_strs(w, "ss", strs, 2);
    gguf_writer_f32s(w, "fs", f32s, 2);
    gguf_writer_i32s(w, "is", i32s, 2);
    gguf_writer_tensor(w, "t", TYPE_Q8_0, 2, dims, blocks, sizeof(blocks));
    assert_int_equal(gguf_writer_bytes(w, &bytes, &n, &err), 0);
    gguf_writer_free(w);
    if (gguf_open_memory(bytes, n, "written", &g, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(gguf_get_u32(g, "u", &u, NULL), 0);
    assert_int_equal(u, 7);
    assert_int_equal(gguf_get_u64(g, "v", &u64, NULL), 0);
    assert_int_equal(u64, 1ull << 40);
    assert_int_equal(gguf_get_str(g, "s", &s, NULL), 0);
    assert_memory_equal(s.bytes, "hello", 5);
    assert_int_equal(gguf_get_array(g, "ss", GGUF_STRING, &a, NULL), 0);
    strings = gguf_strings_of(&a);
    assert_true(gguf_strings_next(&strings, &s) && gguf_strings_next(&strings, &s));
    assert_int_equal(s.len, 2);
    assert_int_equal(s.bytes[0], 0);
    assert_int_equal(gguf_get_array(g, "fs", GGUF_F32, &a, NULL), 0);
    assert_true(gguf_array_f32(&a, 1) == -1);
    assert_int_equal(gguf_get_array(g, "is", GGUF_I32, &a, NULL), 0);
    assert_int_equal(gguf_array_int(&a, 0), -7);
    assert_memory_equal(gguf_find_tensor(g, "t")->data, blocks, sizeof(blocks));
    gguf_close(g);
    free(bytes);
}

/* Strings are read where they lie, each time anew: one that claims more than the list has ends it.
 */
static void test_gguf__strings_of_a_file_that_is_written_over_end(void **state)
{
    const struct gguf_str strs[] = {{"one", 3}, {"two", 3}};
    struct gguf_strings strings;
    struct gguf_writer *w;
    struct gguf_array a;
    struct gguf_str s;
    struct gguf *g;
    uint8_t *bytes;
    size_t n;

    (void)state;
    assert_int_equal(gguf_writer_create(&w, NULL), 0);
    gguf_writer_strs(w, "ss", strs, 2);
    assert_int_equal(gguf_writer_bytes(w, &bytes, &n, NULL), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open_memory(bytes, n, "written over", &g, NULL), 0);
    assert_int_equal(gguf_get_array(g, "ss", GGUF_STRING, &a, NULL), 0);
    assert_int_equal(a.n_bytes, 2 * (8 + 3));
    strings = gguf_strings_of(&a);
    assert_true(gguf_strings_next(&strings, &s));
    bytes[a.bytes - bytes + 8 + 3] = 4; /* the second one's length */
    assert_false(gguf_strings_next(&strings, &s));
    gguf_close(g);
    free(bytes);
}

static void test_gguf__writer_reports_data_of_the_wrong_size(void **state)
{
    const uint64_t dims[] = {4};
    const float data[4] = {0};
    struct err err = {0};
    struct gguf_writer *w;
    uint8_t *bytes;
    size_t n;

    (void)state;
    assert_int_equal(gguf_writer_create(&w, &err), 0);
    gguf_writer_tensor(w, "t", TYPE_F32, 1, dims, data, 12);
    assert_int_equal(gguf_writer_bytes(w, &bytes, &n, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "12"));
    assert_non_null(strstr(err.text, "16"));
    gguf_writer_free(w);
}

static void test_gguf__opens_a_file_without_tensors(void **state)
{
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_header(&im, 3, 0, 1);
    put_key(&im, "only.key", GGUF_U8);
    put(&im, "\x05", 1); /* ends right here, without padding */
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    assert_true(gguf_has(g, "only.key"));
    assert_false(gguf_has(g, "only.ke"));
    gguf_close(g);
    free(copy);
}

static void test_gguf__opens_a_file_with_an_unsupported_tensor_type(void **state)
{
    static const uint64_t dims[] = {256};
    const struct gguf_tensor *t;
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_header(&im, 3, 1, 0);
    put_tensor(&im, "t", 16, 1, dims, 0);
    pad_to(&im, 32);
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    t = gguf_tensor_at(g, 0);
    assert_null(t->type);
    assert_null(t->data);
    assert_int_equal(t->size_bytes, 0);
    assert_int_equal(t->type_number, 16);
    assert_string_equal(type_public_name(16), "IQ2_XXS");
    assert_null(type_public_name(4711));
    gguf_close(g);
    free(copy);
}

/* Block sizes as the public format documents give them, in bits a weight. */
static void test_gguf__types_have_their_published_sizes(void **state)
{
    static const struct {
        const char *name;
        double bits;
    } published[] = {{"F32", 32},      {"F16", 16},      {"BF16", 16},    {"Q4_0", 4.5},
                     {"Q4_1", 5},      {"Q5_0", 5.5},    {"Q5_1", 6},     {"Q8_0", 8.5},
                     {"Q2_K", 2.625},  {"Q3_K", 3.4375}, {"Q4_K", 4.5},   {"Q5_K", 5.5},
                     {"Q6_K", 6.5625}, {"IQ4_NL", 4.5},  {"IQ4_XS", 4.25}};
    const struct type_info *all;
    uint32_t n, seen = 0;

    (void)state;
    all = type_all(&n);
    assert_int_equal(n, sizeof(published) / sizeof(published[0]));
    for (uint32_t i = 0; i < n; i++) {
        assert_ptr_equal(type_info((uint32_t)all[i].type), &all[i]);
        for (uint32_t j = 0; j < n; j++) {
            if (strcmp(all[i].name, published[j].name) == 0) {
                assert_true(all[i].block_bytes * 8.0 / all[i].block_elems == published[j].bits);
                seen++;
            }
        }
    }
    assert_int_equal(seen, n);
}

static void test_gguf__typed_reads_refuse_other_kinds_and_ranges(void **state)
{
    struct err err = {0};
    struct gguf_array a;
    struct gguf_str s;
    struct image im;
    struct gguf *g;
    uint8_t *copy;
    uint32_t u = 77;
    float f;
    bool b;

    (void)state;
    put_everything(&im, 3);
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    assert_int_equal(gguf_get_u32(g, "missing", &u, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(gguf_get_u32(g, "k.h", &u, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "18446744073709551615"));
    assert_int_equal(gguf_get_u32(g, "k.i", &u, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "-1"));
    assert_int_equal(gguf_get_u32(g, "k.str", &u, &err), ERR_INVALID);
    assert_int_equal(gguf_get_u32(g, "k.g", &u, &err), ERR_INVALID);
    assert_int_equal(u, 77);
    assert_int_equal(gguf_get_u32(g, "k.k", &u, &err), 0);
    assert_int_equal(u, 1);
    assert_int_equal(gguf_get_f32(g, "k.a", &f, &err), ERR_INVALID);
    assert_int_equal(gguf_get_bool(g, "k.a", &b, &err), ERR_INVALID);
    assert_int_equal(gguf_get_str(g, "k.strs", &s, &err), ERR_INVALID);
    assert_int_equal(gguf_get_array(g, "k.str", GGUF_STRING, &a, &err), ERR_INVALID);
    assert_int_equal(gguf_get_array(g, "k.ints", GGUF_STRING, &a, &err), ERR_INVALID);
    assert_int_equal(gguf_get_array(g, "k.ints", GGUF_F32, &a, &err), ERR_INVALID);
    gguf_close(g);
    free(copy);
}

static void test_gguf__values_are_shown_as_printable_text(void **state)
{
    char text[16];
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_header(&im, 3, 0, 4);
    put_key(&im, "a", GGUF_STRING);
    put_str(&im, "1234567890123\xC3\xA9zz"); /* a character of two bytes where the cut falls */
    put_key(&im, "b", GGUF_STRING);
    put_str(&im, "a\n\xff!");
    put_key(&im, "c", GGUF_ARRAY);
    put_u32(&im, GGUF_U8);
    put_u64(&im, 3);
    put(&im, "abc", 3);
    put_key(&im, "d", GGUF_I8);
    put(&im, "\xfe", 1);
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    gguf_value_text_at(g, 0, text, sizeof(text));
    assert_string_equal(text, "1234567890123\xC3\xA9");
    gguf_value_text_at(g, 0, text, 15);
    assert_string_equal(text, "1234567890123");
    gguf_value_text_at(g, 1, text, sizeof(text));
    assert_string_equal(text, "a ?!");
    gguf_value_text_at(g, 2, text, sizeof(text));
    assert_string_equal(text, "[3 x u8]");
    gguf_value_text_at(g, 3, text, sizeof(text));
    assert_string_equal(text, "-2");
    assert_int_equal(gguf_value_type_at(g, 3), GGUF_I8);
    gguf_close(g);
    free(copy);
}

/* ---- what is not --------------------------------------------------------- */

static void test_gguf__refuses_a_file_cut_at_any_byte(void **state)
{
    struct image im;

    (void)state;
    put_everything(&im, 3);
    for (size_t n = 0; n < im.n; n++) {
        struct err err = {0};
        struct gguf *g;
        uint8_t *copy;

        if (open_image(&im, n, &g, &copy, &err) != ERR_INVALID)
            fail_msg("cut to %zu of %zu bytes: %s", n, im.n, err.text);
        assert_non_null(strstr(err.text, "byte"));
        free(copy);
    }
}

/* Whatever single byte is changed, the file is refused or can be walked without harm. */
static void test_gguf__survives_any_byte_changed(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x08, 0x7f, 0x80, 0xff};
    struct image im;

    (void)state;
    put_everything(&im, 3);
    for (size_t at = 0; at < im.n; at++) {
        for (size_t v = 0; v < sizeof(values); v++) {
            uint8_t was = im.bytes[at], *copy;
            struct gguf *g;

            im.bytes[at] = values[v];
            if (open_image(&im, im.n, &g, &copy, NULL) == 0) {
                char text[64];

                for (uint32_t i = 0; i < gguf_n_keys(g); i++)
                    gguf_value_text_at(g, i, text, sizeof(text));
                for (uint32_t i = 0; i < gguf_n_tensors(g); i++) {
                    const struct gguf_tensor *t = gguf_tensor_at(g, i);

                    assert_true(t->file_offset + t->size_bytes <= im.n);
                }
                gguf_close(g);
            }
            free(copy);
            im.bytes[at] = was;
        }
    }
}

/* Who asked a hive for /etc/shadow as a model was told its first four bytes. */
static void test_gguf__tells_nothing_that_stands_in_another_programs_file(void **state)
{
    struct err err = {0};
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_header(&im, 3, 0, 0);
    memcpy(im.bytes, "root", 4);
    assert_int_equal(open_image(&im, im.n, &g, &copy, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "not a GGUF file"));
    assert_null(strcasestr(err.text, "726f6f74"));
    assert_null(strcasestr(err.text, "746f6f72"));
    assert_null(strstr(err.text, "root"));
    free(copy);
}

static void test_gguf__refuses_other_formats_and_versions(void **state)
{
    struct image im;

    (void)state;
    put_header(&im, 3, 0, 0);
    memcpy(im.bytes, "GGML", 4);
    refused(&im, ERR_INVALID, "byte 0", "not \"GGUF\"");
    put_header(&im, 1, 0, 0);
    refused(&im, ERR_UNSUPPORTED, "byte 4", "version 1");
    put_header(&im, 4, 0, 0);
    refused(&im, ERR_UNSUPPORTED, "byte 4", "version 4");
    put_header(&im, 0, 0, 0);
    refused(&im, ERR_UNSUPPORTED, "byte 4", "version 0");
    put_header(&im, 0x03000000, 0, 0);
    refused(&im, ERR_UNSUPPORTED, "byte 4", "big-endian");
    memcpy(im.bytes, "FUGG", 4);
    refused(&im, ERR_UNSUPPORTED, "byte 4", "big-endian");
}

static void test_gguf__refuses_counts_that_cannot_be(void **state)
{
    struct image im;

    (void)state;
    put_header(&im, 3, 0, UINT64_MAX);
    refused(&im, ERR_LIMIT, "18446744073709551615", "byte 16");
    put_header(&im, 3, UINT64_MAX, 0);
    refused(&im, ERR_LIMIT, "18446744073709551615", "byte 8");
    put_header(&im, 3, 0, 1000);
    refused(&im, ERR_INVALID, "1000 keys", "byte 16");
    put_header(&im, 3, 1000, 0);
    refused(&im, ERR_INVALID, "1000 tensors", "byte 8");
}

static void test_gguf__refuses_lengths_beyond_the_end(void **state)
{
    struct image im;

    (void)state;
    put_header(&im, 3, 0, 1); /* the key's name */
    put_u64(&im, UINT64_MAX);
    put_u64(&im, 0);
    refused(&im, ERR_INVALID, "byte 32", "18446744073709551615");
    put_header(&im, 3, 0, 1); /* a key of 1 byte, a string value */
    put_key(&im, "k", GGUF_STRING);
    put_u64(&im, UINT64_MAX - 8);
    refused(&im, ERR_INVALID, "byte 45", "the file ends at byte 45");
    put_header(&im, 3, 0, 1); /* an array of fixed-size elements, whose product would wrap */
    put_key(&im, "k", GGUF_ARRAY);
    put_u32(&im, GGUF_U64);
    put_u64(&im, (1ull << 61) + 1);
    put_u64(&im, 0);
    refused(&im, ERR_INVALID, "byte 37", "2305843009213693953");
    put_header(&im, 3, 0, 1); /* an array of strings, the last of which is cut */
    put_key(&im, "k", GGUF_ARRAY);
    put_u32(&im, GGUF_STRING);
    put_u64(&im, 2);
    put_str(&im, "");
    put_u64(&im, 1);
    refused(&im, ERR_INVALID, "byte 65", "string of the array");
}

static void test_gguf__refuses_names_over_the_limit(void **state)
{
    static const uint64_t dims[] = {1};
    char name[GGUF_MAX_KEY_BYTES + 2];
    struct image im;

    (void)state;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    put_header(&im, 3, 0, 1);
    put_key(&im, name, GGUF_U8);
    put(&im, "", 1);
    refused(&im, ERR_LIMIT, "byte 24", "1025");
    name[GGUF_MAX_NAME_BYTES + 1] = '\0';
    put_header(&im, 3, 1, 0);
    put_tensor(&im, name, TYPE_F32, 1, dims, 0);
    refused(&im, ERR_LIMIT, "byte 24", "257");
}

static void test_gguf__refuses_values_of_unknown_type(void **state)
{
    struct image im;

    (void)state;
    put_header(&im, 3, 0, 1);
    put_key(&im, "k", 13);
    put_u64(&im, 0);
    refused(&im, ERR_INVALID, "byte 33", "is 13");
    put_header(&im, 3, 0, 1); /* arrays of arrays */
    put_key(&im, "k", GGUF_ARRAY);
    put_u32(&im, GGUF_ARRAY);
    put_u64(&im, 1);
    put_u32(&im, GGUF_U8);
    put_u64(&im, 0);
    refused(&im, ERR_INVALID, "byte 37", "type 9");
    put_header(&im, 3, 0, 1);
    put_key(&im, "k", GGUF_BOOL);
    put(&im, "\x02", 1);
    refused(&im, ERR_INVALID, "byte 37", "is 2");
}

static void test_gguf__refuses_a_key_that_is_there_twice(void **state)
{
    struct image im;

    (void)state;
    put_header(&im, 3, 0, 3);
    for (int i = 0; i < 3; i++) {
        put_key(&im, i == 1 ? "other" : "same", GGUF_U8);
        put(&im, "", 1);
    }
    refused(&im, ERR_INVALID, "'same'", "twice");
}

static void test_gguf__refuses_a_tensor_that_is_there_twice(void **state)
{
    static const uint64_t dims[] = {8};
    struct image im;

    (void)state;
    put_header(&im, 3, 2, 0);
    put_tensor(&im, "same", TYPE_F32, 1, dims, 0);
    put_tensor(&im, "same", TYPE_F32, 1, dims, 0);
    pad_to(&im, 32);
    put(&im, im.bytes, 32);
    refused(&im, ERR_INVALID, "'same'", "twice");
}

/* One tensor of this shape at this offset, with 64 bytes of data. */
static void put_one_tensor(struct image *im, uint32_t type, uint32_t n_dims, const uint64_t *dims,
                           uint64_t offset)
{
    static const uint8_t data[64];

    put_header(im, 3, 1, 0);
    put_tensor(im, "t", type, n_dims, dims, offset);
    pad_to(im, 32);
    put(im, data, sizeof(data));
}

static void test_gguf__refuses_impossible_shapes(void **state)
{
    static const uint64_t none[] = {4, 0}, five[] = {1, 1, 1, 1, 1},
                          wraps[] = {1ull << 32, 1ull << 32}, much[] = {1ull << 62, 2},
                          bytes_wrap[] = {1ull << 62}, rows[] = {33};
    struct image im;

    (void)state;
    put_one_tensor(&im, TYPE_F32, 2, none, 0);
    refused(&im, ERR_INVALID, "dimension 1", "byte 45");
    put_one_tensor(&im, TYPE_F32, 5, five, 0);
    refused(&im, ERR_INVALID, "5 dimensions", "byte 33");
    put_one_tensor(&im, TYPE_F32, 0, five, 0);
    refused(&im, ERR_INVALID, "0 dimensions", "byte 33");
    put_one_tensor(&im, TYPE_F32, 2, wraps, 0);
    refused(&im, ERR_INVALID, "dimension 1", "4294967296");
    put_one_tensor(&im, TYPE_F32, 2, much, 0);
    refused(&im, ERR_INVALID, "dimension 1", "63 bits");
    put_one_tensor(&im, TYPE_F32, 1, bytes_wrap, 0);
    refused(&im, ERR_INVALID, "4611686018427387904 weights", "64 bits");
    put_one_tensor(&im, TYPE_Q4_0, 1, rows, 0);
    refused(&im, ERR_INVALID, "33 weights", "blocks of 32");
}

/* CVE-2026-7482's kind: a tensor that reaches past the file's end would give out foreign memory. */
static void test_gguf__rejects_offset_past_end(void **state)
{
    static const uint64_t fits[] = {16}, too_long[] = {17}, eight[] = {8};
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    put_one_tensor(&im, TYPE_F32, 1, fits, 0);
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    gguf_close(g);
    free(copy);
    put_one_tensor(&im, TYPE_F32, 1, too_long, 0);
    refused(&im, ERR_INVALID, "68 bytes", "end at byte 128");
    put_one_tensor(&im, TYPE_F32, 1, eight, 64);
    refused(&im, ERR_INVALID, "offset 64", "end at byte 128");
    put_one_tensor(&im, TYPE_F32, 1, eight, UINT64_MAX - 31);
    refused(&im, ERR_INVALID, "offset 18446744073709551584", "byte 128");
    put_one_tensor(&im, 16, 1, eight, 96); /* a type without a known size still has a place */
    refused(&im, ERR_INVALID, "offset 96", "byte 128");
    put_one_tensor(&im, TYPE_F32, 1, eight, 16);
    refused(&im, ERR_INVALID, "offset 16", "alignment 32");
}

static void put_alignment(struct image *im, uint32_t type, uint32_t v)
{
    put_header(im, 3, 0, 1);
    put_key(im, "general.alignment", type);
    if (type == GGUF_STRING)
        put_str(im, "32");
    else
        put_u32(im, v);
}

static void test_gguf__refuses_alignments_that_are_no_power_of_two(void **state)
{
    static const uint32_t bad[] = {0, 1, 4, 24, 33, GGUF_MAX_ALIGNMENT * 2, 0x80000001u};
    struct image im;
    struct gguf *g;
    uint8_t *copy;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_alignment(&im, GGUF_U32, bad[i]);
        refused(&im, ERR_INVALID, "general.alignment at byte 53", "power of two");
    }
    put_alignment(&im, GGUF_STRING, 0);
    refused(&im, ERR_INVALID, "general.alignment", "power of two");
    put_alignment(&im, GGUF_U32, 64);
    assert_int_equal(open_image(&im, im.n, &g, &copy, NULL), 0);
    gguf_close(g);
    free(copy);
}

/* ---- files and parts ----------------------------------------------------- */

static char *fresh_dir(void)
{
    char *dir = strdup("/tmp/rbee-test-gguf-XXXXXX");

    assert_non_null(dir);
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void write_part(const char *path, uint32_t no, uint32_t count, const char *tensor)
{
    const uint64_t dims[] = {2};
    const float data[] = {(float)no, 5};
    struct gguf_writer *w;
    struct err err = {0};

    assert_int_equal(gguf_writer_create(&w, &err), 0);
    gguf_writer_u32(w, "split.no", no);
    gguf_writer_u32(w, "split.count", count);
    gguf_writer_u32(w, "split.tensors.count", 2);
    gguf_writer_tensor(w, tensor, TYPE_F32, 1, dims, data, sizeof(data));
    if (gguf_writer_finish(w, path, &err) != 0)
        fail_msg("%s", err.text);
    gguf_writer_free(w);
}

static void test_gguf__joins_the_parts_of_a_split_file(void **state)
{
    char *dir = fresh_dir(), *one = path_join(dir, "m-00001-of-00002.gguf"),
         *two = path_join(dir, "m-00002-of-00002.gguf");
    struct err err = {0};
    struct gguf *g = NULL;
    float f;

    (void)state;
    write_part(one, 0, 2, "a");
    write_part(two, 1, 2, "b");
    if (gguf_open(one, &g, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(gguf_n_parts(g), 2);
    assert_int_equal(gguf_n_tensors(g), 2);
    assert_int_equal(gguf_find_tensor(g, "b")->part, 1);
    memcpy(&f, gguf_find_tensor(g, "b")->data, sizeof(f));
    assert_true(f == 1);
    gguf_close(g);

    write_part(two, 1, 2, "a"); /* the name of the first part's tensor again */
    assert_int_equal(gguf_open(one, &g, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "twice"));
    write_part(two, 0, 2, "b"); /* another file under the second's name */
    assert_int_equal(gguf_open(one, &g, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "split.no"));
    unlink(two);
    assert_int_equal(gguf_open(one, &g, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "m-00002-of-00002.gguf"));
    unlink(one);
    rmdir(dir);
    free(one);
    free(two);
    free(dir);
}

static void test_gguf__refuses_one_part_named_like_a_whole_file(void **state)
{
    char *dir = fresh_dir(), *path = path_join(dir, "renamed.gguf");
    struct err err = {0};
    struct gguf *g;

    (void)state;
    write_part(path, 0, 2, "a");
    assert_int_equal(gguf_open(path, &g, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "split.count"));
    unlink(path);
    rmdir(dir);
    free(path);
    free(dir);
}

static void test_gguf__refuses_what_is_no_regular_file(void **state)
{
    struct err err = {0};
    struct gguf *g;
    char *dir = fresh_dir(), *path = path_join(dir, "empty.gguf");

    (void)state;
    assert_int_equal(gguf_open("/nonexistent/x.gguf", &g, &err), ERR_NOT_FOUND);
    assert_int_equal(gguf_open(dir, &g, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "regular file"));
    assert_int_equal(gguf_open("/dev/null", &g, &err), ERR_INVALID);
    assert_int_equal(path_write_file(path, "", 0, 0600, &err), 0);
    assert_int_equal(gguf_open(path, &g, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "empty"));
    assert_int_equal(gguf_open_fds(NULL, 0, "none", &g, &err), ERR_LIMIT);
    unlink(path);
    rmdir(dir);
    free(path);
    free(dir);
}

static void set_modified(const char *path, time_t s)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/*
 * A model's file that was copied over went on in what was mapped, beside what was packed of the old
 * one: answers of neither. What changes no byte must not count: a name, a link, a mode, a reader.
 */
static void test_gguf__tells_when_a_part_was_written_to(void **state)
{
    char *dir = fresh_dir(), *one = path_join(dir, "m-00001-of-00002.gguf"),
         *two = path_join(dir, "m-00002-of-00002.gguf"), *moved = path_join(dir, "moved.gguf"),
         *link_to = path_join(dir, "link.gguf");
    const struct timespec read_now[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    struct gguf *g;
    struct err err;

    (void)state;
    write_part(one, 0, 2, "a");
    write_part(two, 1, 2, "b");
    set_modified(one, 1000);
    set_modified(two, 1000);
    assert_int_equal(gguf_open(one, &g, &err), 0);
    assert_int_equal(gguf_check(g, &err), 0);
    assert_int_equal(utimensat(AT_FDCWD, two, read_now, 0), 0);
    assert_int_equal(chmod(two, 0600), 0);
    assert_int_equal(link(two, link_to), 0);
    assert_int_equal(rename(two, moved), 0);
    write_part(two, 1, 2, "b"); /* another file at its place */
    assert_int_equal(gguf_check(g, &err), 0);

    set_modified(moved, 1001);
    assert_int_equal(gguf_check(g, &err), ERR_IO);
    assert_non_null(strstr(err.text, "m-00002-of-00002.gguf: the file was written to"));
    set_modified(moved, 1000);
    assert_int_equal(gguf_check(g, &err), 0);
    assert_int_equal(truncate(moved, 100), 0);
    set_modified(moved, 1000);
    assert_int_equal(gguf_check(g, &err), ERR_IO);
    assert_non_null(strstr(err.text, "has 100 bytes now, and had"));
    gguf_close(g);
    unlink(one);
    unlink(two);
    unlink(moved);
    unlink(link_to);
    rmdir(dir);
    free(one);
    free(two);
    free(moved);
    free(link_to);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf__reads_versions_2_and_3),
        cmocka_unit_test(test_gguf__reads_back_what_the_writer_wrote),
        cmocka_unit_test(test_gguf__strings_of_a_file_that_is_written_over_end),
        cmocka_unit_test(test_gguf__writer_reports_data_of_the_wrong_size),
        cmocka_unit_test(test_gguf__opens_a_file_without_tensors),
        cmocka_unit_test(test_gguf__opens_a_file_with_an_unsupported_tensor_type),
        cmocka_unit_test(test_gguf__types_have_their_published_sizes),
        cmocka_unit_test(test_gguf__typed_reads_refuse_other_kinds_and_ranges),
        cmocka_unit_test(test_gguf__values_are_shown_as_printable_text),
        cmocka_unit_test(test_gguf__refuses_a_file_cut_at_any_byte),
        cmocka_unit_test(test_gguf__survives_any_byte_changed),
        cmocka_unit_test(test_gguf__tells_nothing_that_stands_in_another_programs_file),
        cmocka_unit_test(test_gguf__refuses_other_formats_and_versions),
        cmocka_unit_test(test_gguf__refuses_counts_that_cannot_be),
        cmocka_unit_test(test_gguf__refuses_lengths_beyond_the_end),
        cmocka_unit_test(test_gguf__refuses_names_over_the_limit),
        cmocka_unit_test(test_gguf__refuses_values_of_unknown_type),
        cmocka_unit_test(test_gguf__refuses_a_key_that_is_there_twice),
        cmocka_unit_test(test_gguf__refuses_a_tensor_that_is_there_twice),
        cmocka_unit_test(test_gguf__refuses_impossible_shapes),
        cmocka_unit_test(test_gguf__rejects_offset_past_end),
        cmocka_unit_test(test_gguf__refuses_alignments_that_are_no_power_of_two),
        cmocka_unit_test(test_gguf__joins_the_parts_of_a_split_file),
        cmocka_unit_test(test_gguf__refuses_one_part_named_like_a_whole_file),
        cmocka_unit_test(test_gguf__refuses_what_is_no_regular_file),
        cmocka_unit_test(test_gguf__tells_when_a_part_was_written_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
