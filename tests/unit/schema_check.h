/*
 * schema_check.h - a validator of JSON against a schema, written from the draft's text alone, for
 * tests of what src/grammar makes of schemas. It knows the keywords that schema.h names, and
 * nothing of grammars.
 */
#ifndef RBEE_TESTS_SCHEMA_CHECK_H
#define RBEE_TESTS_SCHEMA_CHECK_H

#include <jansson.h>
#include <stdbool.h>

bool check_valid(const json_t *root, const json_t *schema, const json_t *value);

#endif
