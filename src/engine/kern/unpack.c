/*
 * unpack.c - see unpack.h. Source: ggml's public block definitions (2023-2025). Keeps no state; any
 * thread. Every bit pattern of a block is some valid weight: nothing is refused here.
 */
#include "engine/kern/unpack.h"

#include <string.h>

#include "base/err.h"
#include "engine/kern/kern.h"

#define GROUPS (QK_K / QK) /* groups in a super-block */

const int8_t unpack_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

/* The levels of 16 bytes: low nibbles are weights 0..15, high nibbles 16..31. */
static void nibbles_split(const uint8_t *qs, struct unpack_group *g)
{
    for (int i = 0; i < QK / 2; i++) {
        g->q[i] = qs[i] & 15;
        g->q[i + QK / 2] = (int8_t)(qs[i] >> 4);
    }
}

/* Adds the fifth bits of Q5_0 and Q5_1. */
static void fifth_bits(const uint8_t *qh, struct unpack_group *g)
{
    for (int i = 0; i < QK; i++)
        g->q[i] = (int8_t)(g->q[i] | (qh[i / 8] >> (i % 8) & 1) << 4);
}

static void shift_levels(struct unpack_group *g, int offset)
{
    for (int i = 0; i < QK; i++)
        g->q[i] = (int8_t)(g->q[i] - offset);
}

static void set_scale(struct unpack_group *g, uint16_t d, int s0, int s1)
{
    g->d = kern_f16_to_f32(d);
    g->s[0] = s0;
    g->s[1] = s1;
    g->m[0] = g->m[1] = 0;
    g->dm = 0.0f;
}

static void set_min(struct unpack_group *g, float dm, int m0, int m1)
{
    g->dm = dm;
    g->m[0] = m0;
    g->m[1] = m1;
}

static void unpack_q4_0(const struct block_q4_0 *b, struct unpack_group *g)
{
    nibbles_split(b->qs, g);
    shift_levels(g, 8);
    set_scale(g, b->d, 1, 1);
}

static void unpack_q4_1(const struct block_q4_1 *b, struct unpack_group *g)
{
    nibbles_split(b->qs, g);
    set_scale(g, b->d, 1, 1);
    set_min(g, -kern_f16_to_f32(b->m), 1, 1);
}

static void unpack_q5_0(const struct block_q5_0 *b, struct unpack_group *g)
{
    nibbles_split(b->qs, g);
    fifth_bits(b->qh, g);
    shift_levels(g, 16);
    set_scale(g, b->d, 1, 1);
}

static void unpack_q5_1(const struct block_q5_1 *b, struct unpack_group *g)
{
    nibbles_split(b->qs, g);
    fifth_bits(b->qh, g);
    set_scale(g, b->d, 1, 1);
    set_min(g, -kern_f16_to_f32(b->m), 1, 1);
}

static void unpack_q8_0(const struct block_q8_0 *b, struct unpack_group *g)
{
    memcpy(g->q, b->qs, QK);
    set_scale(g, b->d, 1, 1);
}

static void unpack_iq4_nl(const struct block_iq4_nl *b, struct unpack_group *g)
{
    nibbles_split(b->qs, g);
    for (int i = 0; i < QK; i++)
        g->q[i] = unpack_iq4_values[g->q[i]];
    set_scale(g, b->d, 1, 1);
}

/* Two bits a weight: 128 weights in 32 bytes, the first 32 of them in the lowest bits. */
static void two_bits(const uint8_t *qs, size_t j, struct unpack_group *g)
{
    for (int i = 0; i < QK; i++)
        g->q[i] = qs[j / 4 * QK + i] >> (2 * (j % 4)) & 3;
}

static void unpack_q2_k(const struct block_q2_k *b, size_t j, struct unpack_group *g)
{
    const uint8_t *sc = b->scales + 2 * j;

    two_bits(b->qs, j, g);
    set_scale(g, b->d, sc[0] & 15, sc[1] & 15);
    set_min(g, kern_f16_to_f32(b->dmin), sc[0] >> 4, sc[1] >> 4);
}

/* Scale i of 16: four low bits in a nibble of bytes 0..7, two high bits in bytes 8..11. */
static int q3_scale(const uint8_t sc[12], size_t i)
{
    int low = sc[i % 8] >> (i < 8 ? 0 : 4) & 15;
    int high = sc[8 + i % 4] >> (2 * (i / 4)) & 3;

    return (low | high << 4) - 32;
}

static void unpack_q3_k(const struct block_q3_k *b, size_t j, struct unpack_group *g)
{
    two_bits(b->qs, j, g);
    for (int i = 0; i < QK; i++)
        g->q[i] = (int8_t)(g->q[i] - (b->hmask[i] >> j & 1 ? 0 : 4));
    set_scale(g, b->d, q3_scale(b->scales, 2 * j), q3_scale(b->scales, 2 * j + 1));
}

/* Scale and min j of 8 of Q4_K and Q5_K: the first four whole, the others in two pieces each. */
static void q4_scale(const uint8_t *sc, size_t j, int *scale, int *min)
{
    if (j < 4) {
        *scale = sc[j] & 63;
        *min = sc[j + 4] & 63;
    } else {
        *scale = (sc[j + 4] & 15) | sc[j - 4] >> 6 << 4;
        *min = sc[j + 4] >> 4 | sc[j] >> 6 << 4;
    }
}

/* 64 weights in 32 bytes: the first 32 in the low nibbles. */
static void nibbles_of_64(const uint8_t *qs, size_t j, struct unpack_group *g)
{
    for (int i = 0; i < QK; i++)
        g->q[i] = qs[j / 2 * QK + i] >> (4 * (j % 2)) & 15;
}

static void unpack_q4_k(const struct block_q4_k *b, size_t j, struct unpack_group *g)
{
    int scale, min;

    q4_scale(b->scales, j, &scale, &min);
    nibbles_of_64(b->qs, j, g);
    set_scale(g, b->d, scale, scale);
    set_min(g, kern_f16_to_f32(b->dmin), min, min);
}

static void unpack_q5_k(const struct block_q5_k *b, size_t j, struct unpack_group *g)
{
    int scale, min;

    q4_scale(b->scales, j, &scale, &min);
    nibbles_of_64(b->qs, j, g);
    for (int i = 0; i < QK; i++)
        g->q[i] = (int8_t)(g->q[i] | (b->qh[i] >> j & 1) << 4);
    set_scale(g, b->d, scale, scale);
    set_min(g, kern_f16_to_f32(b->dmin), min, min);
}

/* 128 weights in 64 bytes of ql (groups 0, 1 low nibbles, 2, 3 high) and 32 of qh (2 bits each). */
static void unpack_q6_k(const struct block_q6_k *b, size_t j, struct unpack_group *g)
{
    const uint8_t *ql = b->ql + j / 4 * 64 + j % 2 * QK;
    const uint8_t *qh = b->qh + j / 4 * QK;

    for (int i = 0; i < QK; i++) {
        int low = ql[i] >> (j % 4 < 2 ? 0 : 4) & 15;
        int high = qh[i] >> (2 * (j % 4)) & 3;
        g->q[i] = (int8_t)((low | high << 4) - 32);
    }
    set_scale(g, b->d, b->scales[2 * j], b->scales[2 * j + 1]);
}

static void unpack_iq4_xs(const struct block_iq4_xs *b, size_t j, struct unpack_group *g)
{
    int low = b->scales_l[j / 2] >> (4 * (j % 2)) & 15;
    int high = b->scales_h >> (2 * j) & 3;
    int scale = (low | high << 4) - 32;

    nibbles_split(b->qs + j * (QK / 2), g);
    for (int i = 0; i < QK; i++)
        g->q[i] = unpack_iq4_values[g->q[i]];
    set_scale(g, b->d, scale, scale);
}

/* Copies a block to an aligned place and unpacks group j of it. */
#define UNPACK(name, ...)                                                                          \
    do {                                                                                           \
        struct block_##name b;                                                                     \
        memcpy(&b, (const uint8_t *)row + block * sizeof b, sizeof b);                             \
        unpack_##name(__VA_ARGS__);                                                                \
    } while (0)

void unpack_group(enum tensor_type type, const void *row, size_t group, struct unpack_group *out)
{
    size_t block = group, j = 0;

    if (type_info(type)->block_elems == QK_K) {
        block = group / GROUPS;
        j = group % GROUPS;
    }
    switch (type) {
    case TYPE_Q4_0:
        UNPACK(q4_0, &b, out);
        break;
    case TYPE_Q4_1:
        UNPACK(q4_1, &b, out);
        break;
    case TYPE_Q5_0:
        UNPACK(q5_0, &b, out);
        break;
    case TYPE_Q5_1:
        UNPACK(q5_1, &b, out);
        break;
    case TYPE_Q8_0:
        UNPACK(q8_0, &b, out);
        break;
    case TYPE_Q2_K:
        UNPACK(q2_k, &b, j, out);
        break;
    case TYPE_Q3_K:
        UNPACK(q3_k, &b, j, out);
        break;
    case TYPE_Q4_K:
        UNPACK(q4_k, &b, j, out);
        break;
    case TYPE_Q5_K:
        UNPACK(q5_k, &b, j, out);
        break;
    case TYPE_Q6_K:
        UNPACK(q6_k, &b, j, out);
        break;
    case TYPE_IQ4_NL:
        UNPACK(iq4_nl, &b, out);
        break;
    case TYPE_IQ4_XS:
        UNPACK(iq4_xs, &b, j, out);
        break;
    default:
        BUG("type %d has no groups", (int)type);
    }
}

bool unpack_is_quantised(enum tensor_type type)
{
    return type != TYPE_F32 && type != TYPE_F16 && type != TYPE_BF16;
}

struct unpack_form unpack_form(enum tensor_type type)
{
    switch (type) {
    case TYPE_Q4_1:
    case TYPE_Q5_1:
    case TYPE_Q4_K:
    case TYPE_Q5_K:
        return (struct unpack_form){.has_min = true};
    case TYPE_Q2_K:
        return (struct unpack_form){.halves = true, .has_min = true};
    case TYPE_Q3_K:
    case TYPE_Q6_K:
        return (struct unpack_form){.halves = true};
    default:
        return (struct unpack_form){0};
    }
}
