/*
 * banned.h - included before everything else, by the build: names that may not be used at all.
 * Each has a checked sibling: buf.h and str.h for building text, str_to_* for numbers,
 * random_bytes, the _r functions for time.
 */
#ifndef RBEE_BASE_BANNED_H
#define RBEE_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat stpcpy strncat sprintf vsprintf gets strtok atoi atol atoll atof
#pragma GCC poison asctime ctime gmtime localtime tmpnam tempnam mktemp system popen

#endif
