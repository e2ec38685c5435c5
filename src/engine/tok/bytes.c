/* bytes.c - see bytes.h. */
#include "engine/tok/bytes.h"

/*
 * The bytes that do not stand for themselves are three runs: 0..32, 127..160 and 173. They get
 * U+0100.. in this order.
 */
#define RUN1_END   33
#define RUN2_START 127
#define RUN2_END   161
#define RUN3       173
#define SHIFTED    256
#define N_SHIFTED  68

uint32_t bytes_code(uint8_t byte)
{
    if (byte < RUN1_END)
        return SHIFTED + byte;
    if (byte >= RUN2_START && byte < RUN2_END)
        return SHIFTED + RUN1_END + (uint32_t)(byte - RUN2_START);
    if (byte == RUN3)
        return SHIFTED + N_SHIFTED - 1;
    return byte;
}

int bytes_of(uint32_t code)
{
    if (code < SHIFTED)
        return bytes_code((uint8_t)code) == code ? (int)code : -1;
    code -= SHIFTED;
    if (code < RUN1_END)
        return (int)code;
    if (code < N_SHIFTED - 1)
        return (int)(code - RUN1_END + RUN2_START);
    return code == N_SHIFTED - 1 ? RUN3 : -1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int bytes_named(const char *s, uint64_t n)
{
    if (n != 6 || s[0] != '<' || s[1] != '0' || s[2] != 'x' || s[5] != '>' || hex(s[3]) < 0 ||
        hex(s[4]) < 0)
        return -1;
    return hex(s[3]) * 16 + hex(s[4]);
}
