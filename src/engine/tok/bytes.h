/*
 * bytes.h - the printable alphabet in which byte-level BPE spells bytes.
 *
 * Each of the 256 bytes has a character of its own: the printable ones of Latin-1 stand for
 * themselves, the 68 others for U+0100 and up, in order. Source: the published GPT-2 encoder.
 */
#ifndef RBEE_ENGINE_TOK_BYTES_H
#define RBEE_ENGINE_TOK_BYTES_H

#include <stdint.h>

/* The code point that stands for a byte. */
uint32_t bytes_code(uint8_t byte);

/* The byte that a code point stands for, or -1. */
int bytes_of(uint32_t code);

/* The byte that a text "<0xHH>" of n bytes names, or -1. */
int bytes_named(const char *s, uint64_t n);

#endif
