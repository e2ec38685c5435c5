/* near.h - names that come near to a misspelt one, for errors that help. Pure; any thread. */
#ifndef RBEE_HIVE_CATALOG_NEAR_H
#define RBEE_HIVE_CATALOG_NEAR_H

#include <stddef.h>

#define NEAR_NAMES_MAX 64 /* looked at */
#define NEAR_SHOWN_MAX 5

struct near {
    char *names[NEAR_NAMES_MAX]; /* owned, each once */
    size_t n;
};

void near_add(struct near *near, const char *name);
/* The nearest few, the nearest first: "a, b, c"; "" when there is no name at all. */
void near_text(const struct near *near, const char *wanted, char *dst, size_t dst_size);
/* The nearest one, when few edits make it of `wanted` or of its last folder's part; else NULL. */
const char *near_best(const struct near *near, const char *wanted);
void near_done(struct near *near);

#endif
