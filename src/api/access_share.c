/* access_share.c - see access_share.h. Linux: memfd, its seals, /proc/self/fd. */
#include "api/access_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/access.h"
#include "api/board.h"
#include "api/keys.h"
#include "base/str.h"

#define SHARE_MAGIC   0x6b657973u /* "keys" */
#define SHARE_VERSION 3
#define READ_TRIES    1000 /* a change takes a microsecond */
#define WORDS         (SHA256_BYTES / sizeof(uint64_t))
#define PEM_WORDS     (ACCESS_SHARE_PEM_MAX / sizeof(uint64_t))

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1: no new mapping may write */
#endif

struct access_share {
    uint32_t magic, version;
    char link_key[ACCESS_KEY_MAX + 1];
    char private_key[ACCESS_SHARE_PEM_MAX];
    _Atomic uint32_t changes; /* odd: a change is under way */
    _Atomic uint64_t certificate[PEM_WORDS];
    _Atomic uint32_t n;
    _Atomic uint64_t hashes[KEYS_MAX][WORDS];
};

/* ---- the hive's side ---- */

static void put_words(_Atomic uint64_t *to, const void *from, size_t n_bytes)
{
    for (size_t at = 0; at < n_bytes; at += sizeof *to) {
        uint64_t word = 0;

        memcpy(&word, (const char *)from + at,
               n_bytes - at < sizeof word ? n_bytes - at : sizeof word);
        atomic_store(&to[at / sizeof word], word);
    }
}

int access_share_renew(struct access_share *s, const char *certificate, struct err *err)
{
    size_t n = strlen(certificate);

    if (n >= sizeof s->certificate)
        return err_set(err, ERR_LIMIT, "the certificate has %zu bytes; it may have %zu", n,
                       sizeof s->certificate - 1);
    atomic_fetch_add(&s->changes, 1);
    put_words(s->certificate, certificate, n + 1); /* with its NUL */
    atomic_fetch_add(&s->changes, 1);
    return 0;
}

static int put_secrets(struct access_share *s, const struct access_secrets *secrets,
                       struct err *err)
{
    s->magic = SHARE_MAGIC;
    s->version = SHARE_VERSION;
    str_copy(s->link_key, sizeof s->link_key, secrets->link_key);
    if (!secrets->certificate)
        return 0;
    if (!str_copy(s->private_key, sizeof s->private_key, secrets->private_key))
        return err_set(err, ERR_LIMIT, "the private key has %zu bytes; it may have %zu",
                       strlen(secrets->private_key), sizeof s->private_key - 1);
    return access_share_renew(s, secrets->certificate, err);
}

/* The same memory by a descriptor that can only read. */
static int reader_of(int fd, int *out, struct err *err)
{
    char path[40];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *out = open(path, O_RDONLY | O_CLOEXEC);
    return *out >= 0 ? 0 : err_errno(err, ERR_IO, errno, "cannot share the keys with workers");
}

static int map_made(int fd, struct access_share **out, struct err *err)
{
    void *at = MAP_FAILED;

    if (ftruncate(fd, sizeof **out) == 0)
        at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return err_errno(err, ERR_IO, errno, "cannot map %zu bytes for the keys", sizeof **out);
    *out = at;
    /* Before Linux 5.1 the last seal is not known: the read-only descriptor has to do. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return 0;
}

int access_share_create(const struct access_secrets *secrets, struct access_share **out, int *fd,
                        struct err *err)
{
    int made = memfd_create("rbee-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    *out = NULL;
    if (made < 0)
        return err_errno(err, ERR_IO, errno, "cannot make memory for the keys");
    rc = map_made(made, out, err);
    if (rc == 0)
        rc = put_secrets(*out, secrets, err);
    if (rc == 0)
        rc = reader_of(made, fd, err);
    close(made);
    if (rc) {
        access_share_detach(*out);
        *out = NULL;
    }
    return rc;
}

void access_share_publish(struct access_share *s, const struct keys *k)
{
    atomic_fetch_add(&s->changes, 1);
    for (size_t i = 0; i < k->n; i++)
        put_words(s->hashes[i], k->items[i].hash, SHA256_BYTES);
    atomic_store(&s->n, (uint32_t)k->n);
    atomic_fetch_add(&s->changes, 1);
}

/* ---- the worker's side ---- */

int access_share_attach(int fd, struct access_share **out, struct err *err)
{
    struct access_share *s;
    int rc =
        board_check_head(fd, SHARE_MAGIC, SHARE_VERSION, sizeof *s, "a hive's list of keys", err);

    if (rc)
        return rc;
    s = mmap(NULL, sizeof *s, PROT_READ, MAP_SHARED, fd, 0);
    if (s == MAP_FAILED)
        return err_errno(err, ERR_IO, errno, "cannot map the hive's keys");
    *out = s;
    return 0;
}

void access_share_detach(struct access_share *s)
{
    if (s)
        munmap(s, sizeof *s);
}

struct access_secrets access_share_secrets(const struct access_share *s)
{
    return (struct access_secrets){.link_key = s->link_key,
                                   .private_key = s->private_key[0] ? s->private_key : NULL};
}

static void take_words(const _Atomic uint64_t *from, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word = atomic_load(&from[i]);

        memcpy((char *)to + i * sizeof word, &word, sizeof word);
    }
}

int access_share_certificate(const struct access_share *s, char **out, struct err *err)
{
    char *copy = malloc(sizeof s->certificate + 1);

    if (!copy)
        return err_no_memory(err, sizeof s->certificate, "a certificate");
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load(&s->changes);

        if (before % 2 != 0)
            continue;
        take_words(s->certificate, copy, PEM_WORDS);
        copy[sizeof s->certificate] = '\0';
        if (atomic_load(&s->changes) == before) {
            *out = copy;
            return 0;
        }
    }
    free(copy);
    return err_set(err, ERR_IO, "the hive is in the middle of a change of its certificate");
}

bool access_share_keys(const struct access_share *s, struct keys *out)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load(&s->changes), n = atomic_load(&s->n);

        if (before % 2 != 0 || n > KEYS_MAX)
            continue;
        for (size_t k = 0; k < n; k++) {
            unsigned char hash[SHA256_BYTES];

            take_words(s->hashes[k], hash, WORDS);
            memcpy(out->items[k].hash, hash, sizeof hash);
        }
        out->n = n;
        if (atomic_load(&s->changes) == before)
            return true;
    }
    out->n = 0;
    return false;
}

uint32_t access_share_changes(const struct access_share *s)
{
    return atomic_load(&s->changes);
}

bool access_share_opens(const struct access_share *s, const char *key)
{
    struct keys now;

    return access_share_keys(s, &now) && keys_find(&now, key) >= 0;
}
