/* verdicts.c - see verdicts.h. */
#include "hive/catalog/verdicts.h"

#include <stdlib.h>

#include "base/str.h"

bool verdict_key_of(const char *program, const char *model, struct verdict_key *out)
{
    return file_mark_of(program, &out->program) && file_mark_of(model, &out->model);
}

static bool same_key(const struct verdict_key *a, const struct verdict_key *b)
{
    return file_mark_same(&a->program, &b->program) && file_mark_same(&a->model, &b->model);
}

static char *mark_text(const struct file_mark *m)
{
    return str_printf("%llu %llu %lld %lld.%09ld %lld.%09ld", (unsigned long long)m->device,
                      (unsigned long long)m->number, (long long)m->size_bytes,
                      (long long)m->modified.tv_sec, m->modified.tv_nsec,
                      (long long)m->changed.tv_sec, m->changed.tv_nsec);
}

char *verdict_key_text(const char *program, const char *model, bool *settled)
{
    struct verdict_key key;
    char *of_program, *of_model, *text = NULL;

    *settled = false;
    if (!verdict_key_of(program, model, &key))
        return NULL;
    *settled = file_mark_is_settled(&key.program) && file_mark_is_settled(&key.model);
    of_program = mark_text(&key.program);
    of_model = mark_text(&key.model);
    if (of_program && of_model)
        text = str_printf("%s %s %s", of_program, of_model, model);
    free(of_program);
    free(of_model);
    return text;
}

const struct model_facts *verdicts_find(const struct verdicts *v, const struct verdict_key *key)
{
    for (size_t i = 0; i < v->n_put && i < VERDICTS_MAX; i++)
        if (same_key(&v->kept[i].key, key))
            return &v->kept[i].facts;
    return NULL;
}

void verdicts_put(struct verdicts *v, const struct verdict_key *key, const char *program,
                  const char *model, const struct model_facts *facts)
{
    struct verdict_key now;
    size_t i = v->n_put % VERDICTS_MAX;

    if (!verdict_key_of(program, model, &now) || !same_key(&now, key) ||
        !file_mark_is_settled(&now.program) || !file_mark_is_settled(&now.model))
        return;
    v->kept[i].key = *key;
    v->kept[i].facts = *facts;
    v->n_put++;
}
