/*
 * schema_name.c - names that are none of some given ones. The given names make a trie of characters
 * as JSON writes them; another name leaves it at some place, or ends where none of them does. On
 * the way along the trie \u is not allowed, so that no name can be written in another way.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar/schema_internal.h"
#include "grammar/chars.h"

#define MAX_NAME_BYTES 1024 /* of a name that another one may begin like */
#define SIMPLE_ESCAPES "\"\\/bfnrt"

struct name {
    const char *chars;
    size_t n;
};

/* The letter of a character's simple escape; 0: it has none. */
static char escape_of(uint32_t c)
{
    static const char chars[] = "\"\\/\b\f\n\r\t";
    const char *at = c && c < 0x80 ? strchr(chars, (int)c) : NULL;

    return at ? SIMPLE_ESCAPES[at - chars] : '\0';
}

static int by_chars(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = memcmp(x->chars, y->chars, x->n < y->n ? x->n : y->n);

    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

/* Any characters up to the end of the name. */
static uint32_t any_end(struct schema *s)
{
    uint32_t chars = rules_repeat(s->r, schema_shared(s, SHARED_CHAR), 0, RULES_NO_MAX);

    return schema_seq(s, chars, rules_texts(s->r, "\""), 0);
}

/* Characters that leave the trie here, as they are written: not those with which a name goes on. */
static uint32_t leaving(struct schema *s, const struct rules_range *taken, uint32_t n)
{
    struct rules_range *not_plain = calloc((size_t)n + 3, sizeof *not_plain);
    uint32_t alt = rules_alt(s->r);

    if (!not_plain) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for an object's names");
        return 0;
    }
    rules_work(s->r, 8ull * n);
    not_plain[0] = (struct rules_range){0, 0x1F};
    not_plain[1] = (struct rules_range){'"', '"'};
    not_plain[2] = (struct rules_range){'\\', '\\'};
    if (n)
        memcpy(not_plain + 3, taken, n * sizeof *taken);
    rules_add(s->r, alt, rules_class(s->r, not_plain, n + 3, true));
    for (const char *e = SIMPLE_ESCAPES; *e; e++) {
        bool free_ = true;

        for (uint32_t i = 0; i < n; i++)
            free_ &= escape_of(taken[i].lo) != *e;
        if (free_)
            rules_add(s->r, alt, schema_seq(s, rules_texts(s->r, "\\"), rules_text(s->r, e, 1), 0));
    }
    free(not_plain);
    return alt;
}

static uint32_t written(struct schema *s, uint32_t c)
{
    char text[UTF8_MAX_BYTES];
    const char escape[2] = {'\\', escape_of(c)};

    if (escape[1] && c != '/')
        return rules_text(s->r, escape, 2);
    return rules_text(s->r, text, utf8_encode(c, text));
}

static uint32_t avoid(struct schema *s, const struct name *names, size_t n, size_t depth);

/* The names from i on that go on with the same character, which is put in *c. */
static size_t run_of(const struct name *names, size_t n, size_t i, size_t depth, uint32_t *c)
{
    size_t len = utf8_decode(names[i].chars + depth, names[i].n - depth, c), end = i + 1;

    while (end < n && names[end].n - depth >= len &&
           memcmp(names[end].chars + depth, names[i].chars + depth, len) == 0)
        end++;
    return end;
}

/* The ways on along the trie, each with the character that leads there. */
static uint32_t going_on(struct schema *s, const struct name *names, size_t n, size_t depth,
                         struct rules_range *taken, uint32_t *n_taken, uint32_t alt)
{
    char bytes[UTF8_MAX_BYTES];
    uint32_t c = 0;

    for (size_t i = 0, end; i < n && !rules_failed(s->r); i = end) {
        end = run_of(names, n, i, depth, &c);
        taken[(*n_taken)++] = (struct rules_range){c, c};
        if (c < 0x20 && !escape_of(c))
            continue; /* is written \u00xx only, which is not allowed here */
        rules_add(s->r, alt,
                  schema_seq(s, written(s, c),
                             avoid(s, names + i, end - i, depth + utf8_encode(c, bytes)), 0));
    }
    return alt;
}

/* The rest of a name behind `depth` bytes that these names, sorted, share. */
static uint32_t avoid(struct schema *s, const struct name *names, size_t n, size_t depth)
{
    uint32_t alt = rules_alt(s->r), rule, n_taken = 0;
    bool ends = n && names[0].n == depth;
    struct rules_range *taken = calloc(n + 1, sizeof *taken);

    if (!taken) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for an object's names");
        return 0;
    }
    rules_work(s->r, n);
    going_on(s, names + ends, n - ends, depth, taken, &n_taken, alt);
    rules_add(s->r, alt, schema_seq(s, leaving(s, taken, n_taken), any_end(s), 0));
    if (!ends)
        rules_add(s->r, alt, rules_texts(s->r, "\""));
    free(taken);
    rule = rules_new(s->r);
    rules_define(s->r, rule, alt);
    return rules_call(s->r, rule);
}

static uint32_t no_name(struct schema *s)
{
    return schema_seq(s, schema_shared(s, SHARED_STRING), 0);
}

static uint32_t not_these(struct schema *s, const json_t *names)
{
    size_t n = 0;
    struct name *list = calloc(json_object_size(names), sizeof *list);
    uint32_t node;
    const char *key;
    size_t len;
    json_t *value;

    if (!list) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for an object's names");
        return 0;
    }
    json_object_keylen_foreach((json_t *)(uintptr_t)names, key, len, value) list[n++] =
        (struct name){key, len};
    qsort(list, n, sizeof *list, by_chars);
    for (size_t i = 0; i < n; i++) {
        if (list[i].n > MAX_NAME_BYTES)
            rules_fail(s->r, ERR_LIMIT,
                       "a property's name has %zu bytes; the most beside others is %d", list[i].n,
                       MAX_NAME_BYTES);
    }
    node = schema_seq(s, rules_texts(s->r, "\""), avoid(s, list, n, 0), 0);
    free(list);
    return node;
}

uint32_t schema_other_name(struct schema *s, const json_t *names)
{
    uint32_t name = json_object_size(names) ? not_these(s, names) : no_name(s);

    return schema_seq(s, name, rules_texts(s->r, ":"),
                      rules_repeat(s->r, rules_texts(s->r, " "), 0, 1), 0);
}
