/* err.c - see err.h. Owns nothing, may be called from any thread. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* What was cut in the middle of a character, or names a file in another encoding, goes into JSON
 * as it is. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    utf8_mend(err->text);
    return code;
}

#define CUT "\xe2\x80\xa6" /* an ellipsis */

/* ": why" behind the text, of which as much goes as it takes: a long path had left no room for what
 * was wrong with it. Of a long `why` there is at least half of all. */
static void put_behind(struct err *err, const char *why)
{
    size_t n = strlen(why), most = sizeof err->text / 2;
    size_t keep = sizeof err->text - sizeof ": " - sizeof CUT - (n < most ? n : most);
    size_t len = strlen(err->text);

    if (len > keep) {
        for (len = keep; len && ((unsigned char)err->text[len] & 0xc0) == 0x80;) /* a character */
            len--;
        memcpy(err->text + len, CUT, sizeof CUT);
        len += sizeof CUT - 1;
    }
    snprintf(err->text + len, sizeof err->text - len, ": %s", why);
    utf8_mend(err->text);
}

int err_errno(struct err *err, enum err_code code, int errno_value, const char *fmt, ...)
{
    va_list ap;

    if (errno_value == ENOSPC || errno_value == EDQUOT)
        code = ERR_NO_SPACE;
    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    put_behind(err, strerror(errno_value));
    return code;
}

int err_no_memory(struct err *err, size_t size_bytes, const char *what)
{
    return err_set(err, ERR_NO_MEMORY, "out of memory: %zu bytes for %s", size_bytes, what);
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    char old[ERR_TEXT_MAX];
    va_list ap;

    if (!err)
        return;
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    put_behind(err, old);
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_INVALID:
        return "invalid";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_LIMIT:
        return "limit";
    case ERR_NO_MEMORY:
        return "no memory";
    case ERR_IO:
        return "i/o";
    case ERR_NO_SPACE:
        return "no space";
    case ERR_BUSY:
        return "busy";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_DENIED:
        return "denied";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_UNREACHABLE:
        return "unreachable";
    }
    return "unknown";
}

_Noreturn void err_bug(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "BUG at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
