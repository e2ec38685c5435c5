/*
 * fuzz_pair.c - POST /v1/pair, which anybody may send who reaches the hive: a byte of flags (1: it
 * does not speak https, 2: it asks for no key, 4: its list of keys is full, 8: lines that are none
 * stand in the file of codes, 16: there is the older file with a key, 32: one more fills the list),
 * then, a form feed between them, bodies, "~N" for N seconds that pass, and "@X" for another
 * address to ask from. Route, codes, keys, doors and the security log are the hive's, on files of
 * the target's.
 *
 * A code that is open gives one key, which opens the door before the answer is out, or stays open
 * where the list of keys is full; any other body gives none, and a sentence that is the same
 * whatever was sent. Who was wrong too often waits, also with the right code, which stays good. No
 * file and no answer but the one holds a secret.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/access_share.h"
#include "api/json_load.h"
#include "api/security_chain.h"
#include "base/clock.h"
#include "base/log.h"
#include "exchange.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/pairing.h"
#include "hive/doors/security_log.h"
#include "hive/hive.h"
#include "hive/routes/routes.h"
#include "scratch.h"

#define FORM_FEED '\f'
#define START_S   1800000000
#define LOG       "logs/" SECURITY_FILE
#define FILE_MAX  (1u << 20)
#define N_CODES   3
#define N_PEERS   4
#define REFILL_S  (FAILED_KEYS_REFILL_MS / 1000)
#define KEYS_TOLD 64 /* remembered of a run */

enum {
    FLAG_PLAIN = 1,
    FLAG_KEYLESS = 2,
    FLAG_FULL = 4,
    FLAG_LITTER = 8,
    FLAG_OLDER = 16,
    FLAG_NEARLY = 32
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_unix_ms(void);
uint32_t revoke_end(struct http_server *s, const unsigned char hash[SHA256_BYTES]);

static const char *const peers[N_PEERS] = {"192.0.2.1:1", "192.0.2.2:65535", "[2001:db8::1]:443",
                                           "[::1]:2"};

/* What the target knows of the codes, beside the file. */
static struct {
    const char *text;
    int64_t until_s;
    bool used;
} codes[N_CODES];

static struct {
    int64_t now_s;
    unsigned peer;              /* who asks, of `peers` */
    int64_t debt_s[N_PEERS];    /* for what was wrong, until when */
    struct access_share *share; /* made once */
    char *keys[KEYS_TOLD];      /* given out in this run; owned */
    size_t n_keys, n_listed;    /* of them; in the file */
} world;

/* ---- in the place of the clock, the server and what ends requests ---- */

int64_t __wrap_clock_ms(void)
{
    return (world.now_s - START_S) * 1000 + 1;
}

int64_t __wrap_clock_unix_ms(void)
{
    return world.now_s * 1000;
}

const char *http_peer(const struct http_exchange *x)
{
    (void)x;
    return peers[world.peer];
}

/* As a keeper sends it. */
const char *http_header(const struct http_exchange *x, const char *name)
{
    (void)x;
    return str_eq(name, "content-type") ? "application/json" : NULL;
}

uint32_t revoke_end(struct http_server *s, const unsigned char hash[SHA256_BYTES])
{
    (void)s;
    (void)hash;
    BUG("a pairing revoked a key");
}

/* ---- the hive before the first request ---- */

static void write_text(const char *name, const struct buf *text)
{
    char path[SCRATCH_PATH_MAX];

    BUG_ON(path_write_file(scratch_path(path, name), buf_str(text), text->len, 0600, NULL));
}

/* The first two are open, the third is over at the very second of the start. */
static void write_codes(bool litter)
{
    static const char *const texts[N_CODES] = {"aaaabbbbccccddddeeee", "ffffgggghhhhiiiijjjj",
                                               "kkkkllllmmmmnnnnoooo"};
    static const int64_t good_for_s[N_CODES] = {PAIRING_VALID_S, 60, 0};
    struct pairings p = {.n = 0};
    char path[SCRATCH_PATH_MAX];
    struct buf text;

    for (size_t i = 0; i < N_CODES; i++) {
        codes[i].text = texts[i];
        codes[i].until_s = START_S + good_for_s[i];
        codes[i].used = false;
        sha256_of(texts[i], strlen(texts[i]), p.items[p.n].hash);
        p.items[p.n++].until_s = codes[i].until_s;
    }
    buf_init(&text, FILE_MAX);
    if (litter)
        buf_puts(&text, "no code\n\n0 0\n");
    pairings_put(&p, &text);
    BUG_ON(path_make_dirs(scratch_path(path, "run"), 0700, NULL));
    write_text("run/pairings", &text);
    buf_done(&text);
}

/* The list, and the key of the older file beside it. */
static void write_keys(size_t n, bool older)
{
    char path[SCRATCH_PATH_MAX];
    struct buf text;

    unlink(scratch_path(path, DOORS_KEY_FILE));
    buf_init(&text, FILE_MAX);
    buf_puts(&text, "the-key-of-an-older-file\n");
    if (older)
        write_text(DOORS_KEY_FILE, &text);
    buf_clear(&text);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%064zx %d key%zu\n", i + 1, START_S, i);
    write_text(KEYS_FILE, &text);
    buf_done(&text);
}

static void open_hive(struct hive *h, unsigned flags)
{
    static int any;
    char path[SCRATCH_PATH_MAX];
    struct doors *d = &h->doors;

    scratch_clear(scratch_path(path, "logs"));
    write_codes(flags & FLAG_LITTER);
    world.n_listed = flags & FLAG_FULL     ? KEYS_LISTED_MAX
                     : flags & FLAG_NEARLY ? KEYS_LISTED_MAX - 1
                                           : 1;
    write_keys(world.n_listed, flags & FLAG_OLDER);
    *h = (struct hive){.home = scratch_dir};
    *d = (struct doors){.home = scratch_dir, .share_fd = -1, .watch_fd = -1, .spare_fd = -1};
    d->tls = flags & FLAG_PLAIN ? NULL : (const struct tls *)(const void *)&any;
    d->access.keys = flags & FLAG_KEYLESS ? NULL : &d->keys;
    BUG_ON(doors_read_keys(d, NULL));
    BUG_ON(path_make_dirs(path, 0700, NULL) || security_log_open(path, &d->log, NULL));
    BUG_ON(doors_begin_failed(d, NULL));
    d->share = world.share;
}

static void close_hive(struct hive *h)
{
    doors_unwatch(&h->doors);
    security_log_close(h->doors.log);
    failed_keys_free(h->doors.failed);
    while (world.n_keys)
        free(world.keys[--world.n_keys]);
}

/* ---- one request ---- */

/* The code that opens now, of what stands in the body; N_CODES when it is none of them. */
static size_t find_open(const char *code)
{
    for (size_t i = 0; i < N_CODES; i++)
        if (!codes[i].used && codes[i].until_s > world.now_s && str_eq(codes[i].text, code))
            return i;
    return N_CODES;
}

/* Each wrong code is paid for with REFILL_S, and BURST of them are on credit. */
static bool has_to_wait(void)
{
    return world.debt_s[world.peer] - world.now_s > (FAILED_KEYS_BURST - 1) * REFILL_S;
}

static void note_wrong(void)
{
    int64_t *debt_s = &world.debt_s[world.peer];

    *debt_s = (*debt_s > world.now_s ? *debt_s : world.now_s) + REFILL_S;
}

/* What has to be answered, by the rules of pairing.h and doors.h written a second time. Takes the
 * code out when it opens. */
static int expected_status(const struct hive *h, const json_t *body)
{
    const char *code = json_string_value(json_object_get(body, "code"));
    size_t i = code ? find_open(code) : N_CODES;

    if (!h->doors.tls || !h->doors.access.keys)
        return 404;
    if (!code)
        return 400;
    if (i == N_CODES && has_to_wait())
        return 429;
    if (i == N_CODES) {
        note_wrong();
        return 401;
    }
    if (world.n_listed == KEYS_LISTED_MAX)
        return 500;
    codes[i].used = true;
    return 200;
}

static void check_name(const char *name)
{
    size_t n = strlen(name);

    BUG_ON(n == 0 || n >= KEYS_NAME_BYTES);
    BUG_ON(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != n);
}

/* The door is open to this key here, in the file and for the workers, and to one more than before.
 */
static void check_key(const struct hive *h, const json_t *reply, size_t n_before)
{
    const char *key = json_string_value(json_object_get(reply, "key"));
    int entry = key ? keys_find(&h->doors.keys, key) : -1;
    char print[KEYS_PRINT_BYTES];
    struct keys file;

    BUG_ON(entry < 0 || json_object_size(reply) != 2 || h->doors.keys.n != n_before + 1);
    keys_print(h->doors.keys.items[entry].hash, print);
    BUG_ON(!str_eq(print, json_string_value(json_object_get(reply, "fingerprint"))));
    check_name(h->doors.keys.items[entry].name);
    BUG_ON(!access_share_opens(world.share, key));
    BUG_ON(keys_load(h->home, &file, NULL) || keys_find(&file, key) < 0);
    BUG_ON(world.n_keys == KEYS_TOLD);
    world.n_listed++;
    world.keys[world.n_keys++] = str_dup(key);
}

/* Whatever was sent, the same bytes: nothing of it comes back, and wrong, used and over look alike.
 */
static void check_same(int status, const struct buf *reply)
{
    static char told[3][512]; /* 400, 401, 404 */
    char *before = status == 404 ? told[2] : told[status - 400];

    BUG_ON(reply->len >= sizeof told[0]);
    if (!before[0])
        memcpy(before, buf_str(reply), reply->len + 1);
    else if (!str_eq(before, buf_str(reply)))
        BUG("a refusal tells more than that: %s", buf_str(reply));
}

static void check_refusal(const struct hive *h, const struct http_exchange *x, const json_t *reply,
                          size_t n_before)
{
    const json_t *error = json_object_get(reply, "error");

    BUG_ON(!json_string_length(json_object_get(error, "message")));
    BUG_ON(!json_string_length(json_object_get(error, "code")));
    BUG_ON(h->doors.keys.n != n_before);
    BUG_ON(strstr(buf_str(&x->reply), "rbee's fault"));
    if (x->status == 400 || x->status == 401 || x->status == 404)
        check_same(x->status, &x->reply);
    for (size_t i = 0; i < N_CODES; i++)
        BUG_ON(strstr(buf_str(&x->reply), codes[i].text));
}

static void ask(struct hive *h, const char *text, size_t n)
{
    json_t *body = json_load_bounded(text, n, 0, NULL), *reply;
    size_t n_before = h->doors.keys.n;
    struct http_exchange x;
    int status;

    exchange_begin(&x, text, n);
    status = expected_status(h, body);
    routes_pair[0].handle(h, &x, NULL);
    reply = json_loadb(buf_str(&x.reply), x.reply.len, 0, NULL);
    if (x.status != status)
        BUG("status %d in the place of %d: %s", x.status, status, buf_str(&x.reply));
    if (status == 200)
        check_key(h, reply, n_before);
    else
        check_refusal(h, &x, reply, n_before);
    json_decref(reply);
    json_decref(body);
    exchange_done(&x);
}

static void take_piece(struct hive *h, const uint8_t *bytes, size_t n)
{
    char *text = str_ndup((const char *)bytes, n);

    BUG_ON(!text);
    if (text[0] == '~')
        world.now_s += strtoul(text + 1, NULL, 10) % (2 * PAIRING_VALID_S);
    else if (text[0] == '@' && n > 1)
        world.peer = bytes[1] % N_PEERS;
    else
        ask(h, text, n);
    free(text);
}

/* ---- afterwards ---- */

static void check_chain(const char *text)
{
    struct security_chain chain;
    struct err err = {0};

    security_chain_begin(&chain);
    for (size_t n; *text; text += n + 1) {
        n = strcspn(text, "\n");
        if (security_chain_check(&chain, text, n, &err))
            BUG("the security log: %s", err.text);
    }
}

static char *read_text(const char *name)
{
    char path[SCRATCH_PATH_MAX], *text = NULL;
    size_t n;

    BUG_ON(path_read_file(scratch_path(path, name), FILE_MAX, &text, &n, NULL));
    BUG_ON(strlen(text) != n);
    return text;
}

/* A keeper may call itself by the code that it has used. */
static bool is_name(const struct hive *h, const char *code)
{
    for (size_t i = 0; i < h->doors.keys.n; i++)
        if (strstr(h->doors.keys.items[i].name, code))
            return true;
    return false;
}

static void check_files(const struct hive *h)
{
    static const char *const names[] = {KEYS_FILE, "run/pairings", LOG};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *text = read_text(names[i]);

        for (size_t k = 0; k < N_CODES; k++)
            BUG_ON(strstr(text, codes[k].text) && !is_name(h, codes[k].text));
        for (size_t k = 0; k < world.n_keys; k++)
            BUG_ON(strstr(text, world.keys[k]));
        if (str_eq(names[i], LOG))
            check_chain(text);
        free(text);
    }
}

/* What was open and not used is still there, once. */
static void check_left(const struct hive *h)
{
    for (size_t i = 0; i < N_CODES; i++) {
        int want = find_open(codes[i].text) == i ? 0 : ERR_DENIED;

        BUG_ON(pairing_redeem(h->home, codes[i].text, world.now_s, NULL) != want);
        BUG_ON(pairing_redeem(h->home, codes[i].text, world.now_s, NULL) != ERR_DENIED);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct access_secrets secrets = {"link", NULL, NULL};
    int fd;

    (void)argc;
    (void)argv;
    log_init("fuzz", LOG_SILENT);
    scratch();
    BUG_ON(access_share_create(&secrets, &world.share, &fd, NULL));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hive hive;

    if (size < 1)
        return 0;
    world.now_s = START_S;
    world.peer = 0;
    memset(world.debt_s, 0, sizeof world.debt_s);
    open_hive(&hive, data[0]);
    for (data++, size--; size;) {
        const uint8_t *end = memchr(data, FORM_FEED, size);
        size_t n = end ? (size_t)(end - data) : size;

        take_piece(&hive, data, n);
        n += end ? 1 : 0;
        data += n;
        size -= n;
    }
    check_files(&hive);
    check_left(&hive);
    close_hive(&hive);
    return 0;
}
