/*
 * schema.h - JSON Schema (draft 2020-12) as a grammar: what is supported, and what it means.
 *
 * The contract is one-sided: every text of the grammar is valid against the schema, but not every
 * valid text is one of the grammar. Members come in one order, numbers and blanks have bounds, and
 * characters that need no escape in enum, const, pattern and format have none.
 *
 * What is known:
 *
 * - any type: type (one or a list), nullable, enum, const, anyOf, oneOf, allOf, $ref, true, false
 * - objects: properties, required, additionalProperties; minProperties (1 at most) and
 *   maxProperties where no property has a name; propertyNames where it allows all
 * - arrays: items, prefixItems, minItems, maxItems; uniqueItems false
 * - strings: minLength, maxLength (in characters), pattern, format
 * - numbers: minimum, maximum, exclusiveMinimum, exclusiveMaximum
 * - said only: title, description, default, examples, $schema, $comment, deprecated, readOnly,
 *   writeOnly, contentEncoding, contentMediaType, discriminator; $id at the top; $defs and
 *   definitions, looked at when they are referred to
 *
 * Everything else is refused by its name and place, as "#/properties/a/not".
 *
 * What it means:
 *
 * - type: where it is missing, keywords of one type mean this type: {"properties": ...} is an
 *   object, not also any number. Without such keywords any JSON is meant.
 * - properties: come in the schema's order; those that are not required may be left out. Required
 *   ones without a schema follow, then additional ones, whose names are none of the others (but
 *   may repeat each other). Without additionalProperties an object with properties has no others;
 *   without both it has any.
 * - items: likewise: an array with prefixItems has no more items unless `items` says so.
 * - enum, const: beside `type`; beside keywords that would have to choose among the values they
 *   are refused.
 * - oneOf: means anyOf when no text of one branch can be valid for another: other types, other
 *   values, another value of a property that both require, or a property that one requires and
 *   the other never has. Branches of which this cannot be seen are refused.
 * - allOf, and $ref, anyOf, oneOf beside other keywords: all hold at once. Two patterns or formats
 *   are refused unless they are equal.
 * - $ref: "#" and "#/..."; recursion has no bound but GRAMMAR_MAX_DEPTH.
 * - pattern: see regex.h. Beside minLength or maxLength where the pattern's lengths are within
 *   them.
 * - format: date, time, date-time, duration, uuid, email, hostname, ipv4, ipv6, uri.
 * - integers: exact bounds; up to 18 digits where there is none.
 * - numbers: up to 18 digits before and SCHEMA_MAX_FRACTION behind the point, exponents of two
 *   digits; with bounds, which are exact, no exponents. Beside a bound that is not allowed they
 *   have 15 digits in all: with more they may be the bound for who reads them as doubles.
 * - blanks: between members and items one blank, or a line feed with up to SCHEMA_MAX_INDENT
 *   blanks or tabs; behind a colon one blank; nowhere else.
 */
#ifndef RBEE_GRAMMAR_SCHEMA_H
#define RBEE_GRAMMAR_SCHEMA_H

#include <jansson.h>

#define SCHEMA_MAX_INDENT   64
#define SCHEMA_MAX_FRACTION 15
#define SCHEMA_MAX_PARTS    1024 /* schemas that hold at once for one value */

/* A value of any kind as text, free(); NULL where there is no memory for all of it, of which
 * json_dumps says nothing. */
char *schema_text(const json_t *value);

#endif
