/* verdicts.c - see verdicts.h. */
#include "hive/verdicts.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"

bool file_mark_of(const char *path, struct file_mark *out)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return false;
    *out = (struct file_mark){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return true;
}

bool file_mark_of_open(int fd, struct file_mark *out)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    *out = (struct file_mark){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return true;
}

bool verdict_key_of(const char *program, const char *model, struct verdict_key *out)
{
    return file_mark_of(program, &out->program) && file_mark_of(model, &out->model);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_mark_same_bytes(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->number == b->number && a->size_bytes == b->size_bytes &&
           same_time(&a->modified, &b->modified);
}

static bool same_file(const struct file_mark *a, const struct file_mark *b)
{
    return file_mark_same_bytes(a, b) && same_time(&a->changed, &b->changed);
}

static bool same_key(const struct verdict_key *a, const struct verdict_key *b)
{
    return same_file(&a->program, &b->program) && same_file(&a->model, &b->model);
}

static bool is_settled(const struct file_mark *m)
{
    int64_t changed_ms = (int64_t)m->changed.tv_sec * 1000 + m->changed.tv_nsec / 1000000;

    return changed_ms + VERDICTS_SETTLED_MS < clock_unix_ms();
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
    *settled = is_settled(&key.program) && is_settled(&key.model);
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
        !is_settled(&now.program) || !is_settled(&now.model))
        return;
    v->kept[i].key = *key;
    v->kept[i].facts = *facts;
    v->n_put++;
}
