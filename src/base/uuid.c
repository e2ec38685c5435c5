/* uuid.c - see uuid.h. getrandom does not fail for small sizes once the kernel is up. */
#include "base/uuid.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/err.h"

void random_bytes(void *dst, size_t n)
{
    unsigned char *p = dst;

    while (n) {
        ssize_t got = getrandom(p, n < 256 ? n : 256, 0);

        if (got <= 0)
            BUG("getrandom gave no bytes");
        p += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof v);
    return v;
}

char *uuid_make(char dst[UUID_BYTES])
{
    unsigned char b[16];

    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(dst, UUID_BYTES,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return dst;
}

bool uuid_is_one(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;

    while (form[i] && (form[i] == '-' ? text[i] == '-'
                                      : (text[i] >= '0' && text[i] <= '9') ||
                                            (text[i] >= 'a' && text[i] <= 'f')))
        i++;
    return form[i] == '\0' && text[i] == '\0';
}
