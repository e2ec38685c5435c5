/*
 * table.h - rows and columns for people: cells cleaned (see clean.h), columns as wide as their
 * widest cell, two blanks between them, no blanks at a line's end.
 */
#ifndef RBEE_KEEPER_SHELL_TABLE_H
#define RBEE_KEEPER_SHELL_TABLE_H

#include <stddef.h>

#include "keeper/shell/out.h"

#define TABLE_COLUMNS_MAX 12
#define TABLE_ROWS_MAX    65536

struct table;

/* `heads` has n_columns texts. NULL when out of memory. */
struct table *table_create(const char *const *heads, size_t n_columns);
void table_free(struct table *t); /* NULL is fine */

/* Copies the cells; of one that is longer than 4096 bytes, its beginning. 0, or -1 when out of
 * memory or past TABLE_ROWS_MAX: the table says at its end how many rows it lacks. */
int table_add(struct table *t, const char *const *cells);

/* With no rows beyond the heads: prints `empty` instead. */
void table_print(const struct table *t, const char *empty, struct out *out);

#endif
