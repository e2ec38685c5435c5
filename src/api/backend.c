/* backend.c - see backend.h. */
#include "api/backend.h"

#include <stddef.h>

#include "base/str.h"

bool backend_is_name(const char *name)
{
    static const char *const known[] = {"auto", "cpu", "cuda", "metal", "vulkan"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(name, known[i]))
            return true;
    return false;
}
