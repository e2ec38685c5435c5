/*
 * sandbox.h - how far a worker gave up its rights (worker/sandbox/sandbox.h): one number on its
 * board, one text for people. Any thread; no state.
 */
#ifndef RBEE_API_SANDBOX_H
#define RBEE_API_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Why a level is what it is. */
enum sandbox_why {
    SANDBOX_UNTOLD = 0, /* nothing was decided yet */
    SANDBOX_ENTERED,    /* as far as the kernel goes */
    SANDBOX_OFF,        /* switched off */
    SANDBOX_SANITIZER   /* the program is built with a sanitizer, which needs those rights */
};

struct sandbox_level {
    enum sandbox_why why;
    unsigned landlock; /* the ABI version that rules; 0 = none */
    bool seccomp;
};

uint32_t sandbox_pack(const struct sandbox_level *level);
struct sandbox_level sandbox_unpack(uint32_t packed);

/* Nothing that the kernel could refuse is left out. */
bool sandbox_is_full(const struct sandbox_level *level);

/* "full (landlock 4 + seccomp)", "seccomp", "landlock 4", "none (switched off)"; "" when untold.
 * Returns dst. */
#define SANDBOX_TEXT_BYTES 64
const char *sandbox_text(const struct sandbox_level *level, char dst[SANDBOX_TEXT_BYTES]);

#endif
