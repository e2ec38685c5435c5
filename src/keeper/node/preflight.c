/* preflight.c - see preflight.h. */
#include "keeper/node/preflight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/uuid.h"
#include "keeper/shell/interrupt.h"
#include "version.h"

int64_t preflight_backoff_ms(unsigned i, uint64_t random)
{
    int64_t base = (int64_t)PREFLIGHT_BACKOFF_MS << i;

    return base / 2 + (int64_t)(random % (uint64_t)(base + 1));
}

/* Bytes of "major.minor" at the start of a version, 0 when there is none. */
static size_t line_bytes(const char *version)
{
    static const char digits[] = "0123456789";
    size_t major = strspn(version, digits), minor;

    if (major == 0 || version[major] != '.')
        return 0;
    minor = strspn(version + major + 1, digits);
    if (minor == 0 || (version[major + 1 + minor] != '.' && version[major + 1 + minor] != '\0'))
        return 0;
    return major + 1 + minor;
}

bool preflight_same_line(const char *a, const char *b)
{
    size_t n = line_bytes(a);

    return n > 0 && n == line_bytes(b) && memcmp(a, b, n) == 0;
}

int preflight_check(const char *url, const json_t *health, struct api_error *e)
{
    const char *version = keeper_text(health, "version", "");
    char *hint;

    if (preflight_same_line(version, RBEE_VERSION))
        return 0;
    if (line_bytes(version) == 0) {
        api_error_set(e, API_VERSION_MISMATCH, "keeper",
                      "what answers at %s does not say which rbee-hive it is; this is rbee-keeper "
                      "%s",
                      url, RBEE_VERSION);
        hint = str_printf("Is it a rbee-hive? Look with `curl %s/v1/health`.", url);
    } else {
        api_error_set(e, API_VERSION_MISMATCH, "keeper",
                      "rbee-keeper is version %s, the hive at %s is version %s", RBEE_VERSION, url,
                      version);
        hint = str_printf("Install the same major.minor version on both machines and restart the "
                          "rbee-hive at %s.",
                          url);
    }
    e->details = json_pack("{s:s*}", "hint", hint);
    free(hint);
    return -1;
}

/* Who speaks another protocol has answered. */
static bool may_try_again(const struct keeper *k)
{
    int rc = client_last(k->client)->rc;

    return !interrupt_seen() && (rc == ERR_UNREACHABLE || rc == ERR_TIMEOUT || rc == ERR_IO);
}

/* What a person who waited wants to know. */
static void add_tries(struct api_error *e)
{
    size_t len = strlen(e->message);

    snprintf(e->message + len, sizeof e->message - len, " (after %d tries)", PREFLIGHT_TRIES);
}

bool preflight_again(struct keeper *k, unsigned n_failed, struct api_error *e)
{
    if (!may_try_again(k))
        return false;
    if (n_failed >= PREFLIGHT_TRIES) {
        add_tries(e);
        return false;
    }
    if (e->code == API_CONNECTION_TIMEOUT)
        term_note(&k->term, "%s; trying again (%u of %d).", e->message, n_failed,
                  PREFLIGHT_TRIES - 1);
    if (!interrupt_sleep_ms(preflight_backoff_ms(n_failed - 1, random_u64())))
        return false;
    api_error_done(e);
    return true;
}

int preflight_run(struct keeper *k, struct api_error *e)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {.url = keeper_url(k, url, "/v1/health"),
                                   .timeout_ms = PREFLIGHT_TIMEOUT_MS};
    json_t *health = NULL;
    unsigned n_failed = 0;
    int rc;

    while (client_json(k->client, &ask, &health, e))
        if (!preflight_again(k, ++n_failed, e))
            return -1;
    rc = preflight_check(k->node.url, health, e);
    json_decref(health);
    return rc;
}
