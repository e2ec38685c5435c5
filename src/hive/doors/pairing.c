/* pairing.c - see pairing.h. */
#include "hive/doors/pairing.h"

#include <stdlib.h>
#include <string.h>

#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/uuid.h"

#define FILE_NAME      "pairings"
#define FILE_MAX_BYTES 4096

/* ---- the list ---- */

static void take_out(struct pairings *p, size_t i)
{
    p->n--;
    memmove(&p->items[i], &p->items[i + 1], (p->n - i) * sizeof p->items[0]);
}

static void drop_old(struct pairings *p, int64_t now_s)
{
    for (size_t i = p->n; i-- > 0;)
        if (p->items[i].until_s <= now_s ||
            p->items[i].until_s > now_s + PAIRING_VALID_S + PAIRING_BACK_S)
            take_out(p, i);
}

bool pairings_add(struct pairings *p, const char *code, int64_t now_s)
{
    bool full;

    drop_old(p, now_s);
    full = p->n == PAIRINGS_MAX;
    if (full)
        take_out(p, 0);
    sha256_of(code, strlen(code), p->items[p->n].hash);
    p->items[p->n++].until_s = now_s + PAIRING_VALID_S;
    return full;
}

bool pairings_use(struct pairings *p, const char *code, int64_t now_s)
{
    unsigned char hash[SHA256_BYTES];
    size_t found = PAIRINGS_MAX;

    drop_old(p, now_s);
    sha256_of(code, strlen(code), hash);
    for (size_t i = 0; i < p->n; i++)
        found = sha256_same(p->items[i].hash, hash) ? i : found;
    if (found == PAIRINGS_MAX)
        return false;
    take_out(p, found);
    return true;
}

void pairings_parse(struct pairings *p, const char *text, size_t n)
{
    const char *end = text + n;

    p->n = 0;
    while (text < end && p->n < PAIRINGS_MAX) {
        size_t len = strcspn(text, "\n");
        char *until = len > 2 * SHA256_BYTES
                          ? str_ndup(text + 2 * SHA256_BYTES + 1, len - 2 * SHA256_BYTES - 1)
                          : NULL;

        if (until && text[2 * SHA256_BYTES] == ' ' && sha256_from_hex(text, p->items[p->n].hash) &&
            str_to_i64(until, &p->items[p->n].until_s) == 0)
            p->n++;
        free(until);
        text += len + 1;
    }
}

void pairings_put(const struct pairings *p, struct buf *out)
{
    char hex[SHA256_HEX_BYTES];

    for (size_t i = 0; i < p->n; i++)
        buf_printf(out, "%s %lld\n", sha256_hex(p->items[i].hash, hex),
                   (long long)p->items[i].until_s);
}

/* ---- the file ---- */

static int load(const char *path, struct pairings *p, struct err *err)
{
    struct err why = {0};
    char *text;
    size_t n;
    int rc = path_read_file(path, FILE_MAX_BYTES, &text, &n, &why);

    p->n = 0;
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return err_set(err, rc, "%s", why.text);
    pairings_parse(p, text, n);
    free(text);
    return 0;
}

static int save(const char *path, const struct pairings *p, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, FILE_MAX_BYTES);
    pairings_put(p, &text);
    rc = buf_failed(&text) ? err_no_memory(err, FILE_MAX_BYTES, "the open pairings")
                           : path_write_file(path, buf_str(&text), text.len, 0600, err);
    buf_done(&text);
    return rc;
}

static int use(struct pairings *p, const char *code, int64_t now_s, struct err *err)
{
    if (pairings_use(p, code, now_s))
        return 0;
    return err_set(err, ERR_DENIED,
                   "the pairing code is not one that is open: it is wrong, was used already, or is "
                   "over");
}

/* Uses the code or, with `closed`, adds it, while nobody else does. */
static int change(const char *home, const char *code, bool *closed, int wait_ms, int64_t now_s,
                  struct err *err)
{
    char *dir = path_join(home, "run"), *path = dir ? path_join(dir, FILE_NAME) : NULL;
    struct pairings p;
    struct dir_lock lock = DIR_LOCK_NONE;
    int rc = path ? 0 : err_no_memory(err, strlen(home), "a path");

    if (rc == 0)
        rc = path_make_dirs(dir, 0700, err);
    if (rc == 0)
        rc = dir_lock_take(dir, wait_ms, NULL, &lock, err);
    if (rc == 0)
        sweep_copies(path);
    if (rc == 0)
        rc = load(path, &p, err);
    if (rc == 0 && closed)
        *closed = pairings_add(&p, code, now_s);
    else if (rc == 0)
        rc = use(&p, code, now_s, err);
    if (rc == 0)
        rc = save(path, &p, err);
    if (rc == 0) /* else a power cut may bring a used code back */
        rc = dir_lock_sync(&lock, dir, err);
    dir_lock_release(&lock);
    free(path);
    free(dir);
    return rc;
}

int pairing_make(const char *home, char code[PAIRING_CODE_BYTES], int64_t now_s, bool *closed,
                 struct err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    bool unheard;

    random_bytes(code, PAIRING_CODE_BYTES);
    for (size_t i = 0; i < PAIRING_CODE_BYTES - 1; i++)
        code[i] = letters[(unsigned char)code[i] & 31];
    code[PAIRING_CODE_BYTES - 1] = '\0';
    return change(home, code, closed ? closed : &unheard, PAIRING_WAIT_MS, now_s, err);
}

/* The file is always a whole one: changes put another in its place. */
int pairing_look(const char *home, const char *code, int64_t now_s, struct err *err)
{
    char *path = str_printf("%s/run/" FILE_NAME, home);
    struct pairings p;
    int rc = path ? load(path, &p, err) : err_no_memory(err, strlen(home), "a path");

    free(path);
    return rc ? rc : use(&p, code, now_s, err);
}

int pairing_redeem(const char *home, const char *code, int64_t now_s, struct err *err)
{
    return change(home, code, NULL, PAIRING_WAIT_LOOP_MS, now_s, err);
}
