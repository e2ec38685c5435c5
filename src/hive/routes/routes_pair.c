/* routes_pair.c - POST /v1/pair: a one-time code against a key. See pairing.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/doors/doors.h"
#include "hive/doors/pairing.h"
#include "hive/doors/security_log.h"
#include "hive/http/reply.h"
#include "hive/routes/routes.h"

/* The keeper's word for itself, as a key's name: what does not fit is left out. */
static void name_of(const json_t *body, char dst[KEYS_NAME_BYTES])
{
    const char *name = json_string_value(json_object_get(body, "name"));
    size_t n = 0;

    for (; name && *name && n < KEYS_NAME_BYTES - 1; name++)
        if ((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
            (*name >= '0' && *name <= '9') || *name == '-' || *name == '.')
            dst[n++] = *name;
    dst[n] = '\0';
    if (n == 0)
        str_copy(dst, KEYS_NAME_BYTES, "keeper");
}

#define HINT_LINE "`rbee-hive pair` on the hive's machine prints a new line"

/* The codes' rows speak of keys. */
static void fail_of_code(struct http_exchange *x, enum api_code code, const char *message,
                         const char *hint)
{
    struct api_error e;

    api_error_set(&e, code, REPLY_SRC, "%s", message);
    e.details = json_pack("{s:s}", "hint", hint);
    reply_error(x, 0, &e);
}

static void refuse(struct hive *h, struct http_exchange *x, const struct err *err)
{
    doors_note_failure(&h->doors, FAILED_CODE, http_peer(x));
    http_add_header(x, "WWW-Authenticate", "Bearer");
    fail_of_code(x, API_INVALID_API_KEY, err->text, HINT_LINE ".");
}

#define HINT_FULL                                                                                  \
    "On the hive's machine: `rbee-keeper keys list` shows the keys, `keys revoke` takes one "      \
    "away; "

/* Some of the reasons are nobody's fault, and can be helped. */
static void have_no_key(struct http_exchange *x, const struct err *err, bool code_used)
{
    struct api_error e;

    api_error_set(&e, err->code == ERR_BUSY ? API_QUEUE_TIMEOUT : API_INTERNAL, REPLY_SRC,
                  "a key could not be made: %s", err->text);
    if (err->code == ERR_LIMIT)
        e.details = json_pack("{s:s}", "hint",
                              code_used ? HINT_FULL "then `rbee-hive pair` prints a new line, for "
                                                    "this one is used."
                                        : HINT_FULL "then the same line works, in its hour.");
    else if (err->code == ERR_BUSY)
        e.details = json_pack("{s:s}", "hint",
                              "On the hive's machine `rbee-hive pair` prints a new line, for this "
                              "one is used.");
    reply_error(x, 0, &e);
}

/* A key in the file that opens the door before the answer is out; what does not is taken back. */
static int make_key(struct hive *h, const char *name, char key[ACCESS_KEY_MAX + 1],
                    unsigned char hash[SHA256_BYTES], struct err *err)
{
    char hex[SHA256_HEX_BYTES];
    struct keys_entry gone;
    int rc = keys_create(h->home, name, KEYS_WAIT_LOOP_MS, NULL, key, err);

    if (rc)
        return rc;
    sha256_of(key, strlen(key), hash);
    doors_reload(&h->doors);
    if (keys_find(&h->doors.keys, key) >= 0)
        return 0;
    keys_revoke(h->home, sha256_hex(hash, hex), KEYS_WAIT_LOOP_MS, NULL, &gone, NULL);
    return err_set(err, ERR_BUSY, "the hive cannot read its list of keys at the moment");
}

static void give_key(struct hive *h, struct http_exchange *x, const char *name)
{
    char key[ACCESS_KEY_MAX + 1], print[KEYS_PRINT_BYTES];
    unsigned char hash[SHA256_BYTES];
    struct err err = {0};

    if (make_key(h, name, key, hash, &err)) {
        have_no_key(x, &err, true);
    } else {
        keys_print(hash, print);
        security_log_event(h->doors.log, "pairing_used",
                           json_pack("{s:s, s:s}", "key", print, "name", name));
        reply_json(x, 200, json_pack("{s:s, s:s}", "key", key, "fingerprint", print));
    }
    explicit_bzero(key, sizeof key);
}

/* A stranger may be wrong with codes as little as with keys. Who is right does not wait: nobody
 * guesses a code, and a program with a wrong key may be behind the same address. */
static bool has_to_wait(struct hive *h, struct http_exchange *x)
{
    int wait_s = doors_wait_s(&h->doors, http_peer(x));
    char seconds[16], text[128];

    if (wait_s == 0)
        return false;
    snprintf(seconds, sizeof seconds, "%d", wait_s);
    doors_note_unheard(&h->doors, FAILED_CODE, http_peer(x));
    http_add_header(x, "Retry-After", seconds);
    snprintf(text, sizeof text,
             "Too many wrong codes or keys came from this address; it is listened to again in %d "
             "seconds.",
             wait_s);
    fail_of_code(x, API_TOO_MANY_FAILURES, text, "Wait so long; " HINT_LINE ".");
    return true;
}

static bool is_json(const char *type)
{
    return type && str_starts_nocase(type, "application/json") &&
           strchr("; \t", type[strlen("application/json")]);
}

/*
 * A page in a visitor's browser may send here without being asked beforehand; what it guesses would
 * be counted against the visitor. Keepers say that they send JSON, and are no pages.
 */
static bool is_of_page(struct http_exchange *x)
{
    if (http_header(x, "origin"))
        reply_fail(x, API_FORBIDDEN_HOST,
                   "a pairing is not for pages in a browser, of which this Origin tells");
    else if (!is_json(http_header(x, "content-type")))
        reply_fail(x, API_INVALID_REQUEST,
                   "a pairing is asked for with Content-Type: application/json");
    else
        return false;
    return true;
}

/* A list of keys that is full does not cost whoever has a code that code. */
static void use_code(struct hive *h, struct http_exchange *x, const char *code, const char *name)
{
    int64_t now_s = clock_unix_ms() / 1000;
    struct err err = {0};
    int rc = pairing_look(h->home, code, now_s, &err);

    if (rc == ERR_DENIED && has_to_wait(h, x))
        return;
    if (rc == 0 && keys_check_room(h->home, &err)) {
        have_no_key(x, &err, false);
        return;
    }
    if (rc == 0)
        rc = pairing_redeem(h->home, code, now_s, &err);
    if (rc == 0)
        give_key(h, x, name);
    else if (rc == ERR_DENIED)
        refuse(h, x, &err);
    else if (rc == ERR_BUSY)
        reply_fail(x, API_QUEUE_TIMEOUT, "%s", err.text);
    else
        reply_fail_of(x, &err);
}

static void pair(struct hive *h, struct http_exchange *x, const char *id)
{
    size_t n;
    const char *bytes = http_body(x, &n);
    json_t *body = json_load_bounded(bytes, n, 0, NULL);
    const char *code = json_string_value(json_object_get(body, "code"));
    char name[KEYS_NAME_BYTES];

    (void)id;
    if (!h->doors.tls || !h->doors.access.keys) {
        reply_fail(x, API_NOT_FOUND,
                   "there is nothing to pair with: this hive asks for no key, or "
                   "does not speak https");
    } else if (is_of_page(x)) {
        /* answered */
    } else if (!code) {
        reply_fail(x, API_INVALID_REQUEST,
                   "a pairing is asked for with {\"code\": TEXT, \"name\": "
                   "TEXT}");
    } else {
        name_of(body, name);
        use_code(h, x, code, name);
    }
    json_decref(body);
}

const struct route routes_pair[] = {{"POST", "/v1/pair", pair}, {0}};
