/*
 * banned.h - included before everything else, by the build: names that may not be used at all.
 * Each has a checked sibling: buf.h and str.h for building text, str_to_* for numbers,
 * random_bytes, the _r functions for time. And names that mean more in newer C libraries, made to
 * mean it in all.
 */
#ifndef RBEE_BASE_BANNED_H
#define RBEE_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* C23's, which glibc 2.43 has for all of C: what is found in a const text is const. Without them
 * only those who build with such a library are told of a write to it. */
#ifndef strchr
#define FOUND_IN(T, s, call)                                                                       \
    _Generic(0 ? (s) : (void *)1, const void * : (const T *)(call), default : (call))
#define memchr(s, c, n)   FOUND_IN(void, s, memchr(s, c, n))
#define strchr(s, c)      FOUND_IN(char, s, strchr(s, c))
#define strrchr(s, c)     FOUND_IN(char, s, strrchr(s, c))
#define strpbrk(s, chars) FOUND_IN(char, s, strpbrk(s, chars))
#define strstr(s, what)   FOUND_IN(char, s, strstr(s, what))
#endif

#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat stpcpy strncat sprintf vsprintf gets strtok atoi atol atoll atof
#pragma GCC poison asctime ctime gmtime localtime tmpnam tempnam mktemp system popen

#endif
