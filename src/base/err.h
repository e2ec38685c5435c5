/*
 * err.h - how a function says what went wrong.
 *
 * Every function that can fail for a reason outside the program takes a `struct err *` as its last
 * argument and returns 0, or a negative `enum err_code`. The object belongs to the caller, may be
 * NULL, and is untouched on success. The text is one whole sentence with the names and both
 * numbers, fit to be shown to a person as it is; what to do about it is added at the edge, by the
 * error table of src/api. Libraries neither print nor exit.
 */
#ifndef RBEE_BASE_ERR_H
#define RBEE_BASE_ERR_H

#include <stddef.h>

/* The longest text an error carries, its terminating NUL included; longer ones are cut. */
#define ERR_TEXT_MAX 1024

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID = -1,     /* what came from outside is malformed: file, request, flag */
    ERR_UNSUPPORTED = -2, /* well formed, but nothing here can do it */
    ERR_NOT_FOUND = -3,   /* the named thing is not there */
    ERR_LIMIT = -4,       /* a named limit would be passed */
    ERR_NO_MEMORY = -5,   /* an allocation failed, or a memory plan does not fit */
    ERR_IO = -6,          /* the system refused: open, read, write, bind ... */
    ERR_NO_SPACE = -7,    /* the disk is full */
    ERR_BUSY = -8,        /* no slot, port or lock free at the moment */
    ERR_TIMEOUT = -9,     /* a deadline passed */
    ERR_CANCELLED = -10,  /* somebody asked for an end */
    ERR_DENIED = -11,     /* no permission, no key */
    ERR_CONFLICT = -12,   /* the state does not allow it: exists already, version differs */
    ERR_UNREACHABLE = -13 /* the other side does not answer */
};

struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX];
};

/*
 * Fills *err (when not NULL) and returns `code`, so that a failing function may say
 * `return err_set(err, ERR_INVALID, "...", ...)`.
 */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": <strerror(errno_value)>" added behind the text. ENOSPC becomes ERR_NO_SPACE. */
int err_errno(struct err *err, enum err_code code, int errno_value, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* For a failed allocation of `size_bytes`; `what` names it. Returns ERR_NO_MEMORY. */
int err_no_memory(struct err *err, size_t size_bytes, const char *what);

/* Puts "<text>: " before what *err already says; for the caller that knows the file's name. */
void err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The word for a code, such as "invalid"; never NULL. */
const char *err_code_name(enum err_code code);

/* A broken invariant of our own: prints where, and aborts. Never for what comes from outside. */
#define BUG(...) err_bug(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)                                                                               \
    do {                                                                                           \
        if (cond)                                                                                  \
            BUG("%s", #cond);                                                                      \
    } while (0)
_Noreturn void err_bug(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
