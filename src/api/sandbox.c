/* sandbox.c - see sandbox.h. The number: why in bits 0-7, Landlock's version in 8-15, seccomp
 * in 16. */
#include "api/sandbox.h"

#include <stdio.h>

#define LANDLOCK_SHIFT 8
#define SECCOMP_BIT    (1u << 16)

uint32_t sandbox_pack(const struct sandbox_level *level)
{
    return (uint32_t)level->why | (level->landlock & 0xff) << LANDLOCK_SHIFT |
           (level->seccomp ? SECCOMP_BIT : 0);
}

struct sandbox_level sandbox_unpack(uint32_t packed)
{
    return (struct sandbox_level){.why = (enum sandbox_why)(packed & 0xff),
                                  .landlock = packed >> LANDLOCK_SHIFT & 0xff,
                                  .seccomp = packed & SECCOMP_BIT};
}

bool sandbox_is_full(const struct sandbox_level *level)
{
    return level->why == SANDBOX_ENTERED && level->landlock > 0 && level->seccomp;
}

const char *sandbox_text(const struct sandbox_level *level, char dst[SANDBOX_TEXT_BYTES])
{
    if (level->why == SANDBOX_UNTOLD)
        dst[0] = '\0';
    else if (level->why == SANDBOX_OFF)
        snprintf(dst, SANDBOX_TEXT_BYTES, "none (switched off)");
    else if (level->why == SANDBOX_SANITIZER)
        snprintf(dst, SANDBOX_TEXT_BYTES, "none (built with a sanitizer)");
    else if (sandbox_is_full(level))
        snprintf(dst, SANDBOX_TEXT_BYTES, "full (landlock %u + seccomp)", level->landlock);
    else if (level->seccomp)
        snprintf(dst, SANDBOX_TEXT_BYTES, "seccomp");
    else if (level->landlock)
        snprintf(dst, SANDBOX_TEXT_BYTES, "landlock %u", level->landlock);
    else
        snprintf(dst, SANDBOX_TEXT_BYTES, "none (the kernel has neither landlock nor seccomp)");
    return dst;
}
