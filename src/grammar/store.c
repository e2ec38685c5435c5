/* store.c - see store.h. A list in the order of use: the newest stands first. */
#include "grammar/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/compiled.h"
#include "grammar/schema.h"

enum kind { KIND_GBNF, KIND_SCHEMA };

struct key {
    enum kind kind;
    const char *text;
    size_t n;
};

struct kept {
    enum kind kind;
    char *text; /* owned */
    size_t n;
    struct grammar *grammar; /* a counted reference */
};

struct grammar_store {
    pthread_mutex_t lock; /* guards all below */
    struct kept list[GRAMMAR_STORE_MAX];
    uint32_t n, most;
    size_t most_bytes;
    uint64_t found, missed;
};

int grammar_store_create(struct grammar_store **out, struct err *err)
{
    struct grammar_store *s = calloc(1, sizeof *s);

    if (!s)
        return err_no_memory(err, sizeof *s, "the grammars kept");
    pthread_mutex_init(&s->lock, NULL);
    s->most = GRAMMAR_STORE_MAX;
    s->most_bytes = GRAMMAR_STORE_MAX_BYTES;
    *out = s;
    return 0;
}

static void drop_last(struct grammar_store *s)
{
    struct kept *last = &s->list[--s->n];

    grammar_free(last->grammar);
    free(last->text);
}

void grammar_store_free(struct grammar_store *s)
{
    if (!s)
        return;
    while (s->n)
        drop_last(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- under the lock ------------------------------------------------------ */

static size_t bytes_of(const struct grammar_store *s)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < s->n; i++)
        bytes += s->list[i].n + compiled_bytes(s->list[i].grammar);
    return bytes;
}

/* Grammars grow while they are used: so this is looked at whenever one is asked for. */
static void keep_within_limits(struct grammar_store *s)
{
    while (s->n > 1 && (s->n > s->most || bytes_of(s) > s->most_bytes))
        drop_last(s);
}

/* Moves entry i to the front. */
static struct kept *use(struct grammar_store *s, uint32_t i)
{
    struct kept used = s->list[i];

    memmove(s->list + 1, s->list, i * sizeof *s->list);
    s->list[0] = used;
    return &s->list[0];
}

/* A reference for the caller, or NULL. */
static struct grammar *find(struct grammar_store *s, const struct key *k)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const struct kept *x = &s->list[i];

        if (x->kind == k->kind && x->n == k->n && memcmp(x->text, k->text, k->n) == 0)
            return compiled_ref(use(s, i)->grammar);
    }
    return NULL;
}

/* Keeps another reference. Without memory for the text it is not kept. */
static void add(struct grammar_store *s, const struct key *k, const struct grammar *g)
{
    char *text = malloc(k->n + 1);

    if (!text)
        return;
    memcpy(text, k->text, k->n);
    if (s->n == GRAMMAR_STORE_MAX)
        drop_last(s);
    s->list[s->n] = (struct kept){k->kind, text, k->n, compiled_ref(g)};
    use(s, s->n++);
    keep_within_limits(s);
}

/* ---- asking -------------------------------------------------------------- */

static struct grammar *take(struct grammar_store *s, const struct key *k)
{
    struct grammar *g;

    pthread_mutex_lock(&s->lock);
    g = find(s, k);
    s->found += g != NULL;
    s->missed += g == NULL;
    keep_within_limits(s);
    pthread_mutex_unlock(&s->lock);
    return g;
}

/* Two threads may have made the same one: the first stays. */
static void put(struct grammar_store *s, const struct key *k, struct grammar **g)
{
    struct grammar *other;

    pthread_mutex_lock(&s->lock);
    other = find(s, k);
    if (other) {
        grammar_free(*g);
        *g = other;
    } else {
        add(s, k, *g);
    }
    pthread_mutex_unlock(&s->lock);
}

int grammar_store_gbnf(struct grammar_store *s, const char *text, size_t n_bytes,
                       const struct grammar_stop *stop, struct grammar **out, struct err *err)
{
    struct key k = {KIND_GBNF, text, n_bytes};
    int rc;

    *out = take(s, &k);
    if (*out)
        return 0;
    rc = grammar_from_gbnf(text, n_bytes, stop, out, err);
    if (rc == 0)
        put(s, &k, out);
    return rc;
}

int grammar_store_schema(struct grammar_store *s, const json_t *schema,
                         const struct grammar_stop *stop, struct grammar **out, struct err *err)
{
    char *text = schema_text(schema);
    struct key k = {KIND_SCHEMA, text, text ? strlen(text) : 0};
    int rc = 0;

    if (!text) /* nothing to look for; what is wrong with it, the reader says */
        return grammar_from_schema(schema, stop, out, err);
    *out = take(s, &k);
    if (!*out) {
        rc = grammar_from_schema(schema, stop, out, err);
        if (rc == 0)
            put(s, &k, out);
    }
    free(text);
    return rc;
}

void grammar_store_look(struct grammar_store *s, struct grammar_store_use *out)
{
    pthread_mutex_lock(&s->lock);
    *out = (struct grammar_store_use){s->n, bytes_of(s), s->found, s->missed};
    pthread_mutex_unlock(&s->lock);
}

void grammar_store_limit(struct grammar_store *s, uint32_t most, size_t most_bytes)
{
    pthread_mutex_lock(&s->lock);
    s->most = most < GRAMMAR_STORE_MAX ? most : GRAMMAR_STORE_MAX;
    s->most_bytes = most_bytes;
    keep_within_limits(s);
    pthread_mutex_unlock(&s->lock);
}
