/* backend.h - the words for what a worker computes on, in commands and requests. Any thread. */
#ifndef RBEE_API_BACKEND_H
#define RBEE_API_BACKEND_H

#include <stdbool.h>

/* "auto", or a backend that there is somewhere: whether here, is another question. */
bool backend_is_name(const char *name);

#endif
