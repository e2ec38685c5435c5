/* contact.c - see contact.h. */
#include "keeper/node/contact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "keeper/node/preflight.h"
#include "version.h"

#define CONNECTED_MS (PREFLIGHT_TIMEOUT_MS + 1000) /* longer than a connection is waited for */

void contact_doubt(struct keeper *k, struct api_error *e)
{
    struct api_error why = {0};
    json_t *health = NULL;

    if (e->code != API_NOT_FOUND && e->code != API_METHOD_NOT_ALLOWED)
        return;
    if (keeper_get(k, "/v1/health", &health, &why) == 0 &&
        preflight_check(k->node.url, health, &why)) {
        api_error_done(e);
        *e = why;
        why = (struct api_error){0};
    }
    api_error_done(&why);
    json_decref(health);
}

/* Whoever was connected and got no answer in time would have it begun anew. */
bool contact_again(struct keeper *k, unsigned n_failed, int64_t began_ms, struct api_error *e)
{
    return clock_ms() - began_ms <= CONNECTED_MS && preflight_again(k, n_failed, e);
}

/* It was sent, and no answer came of it. Not behind a handshake of TLS that came to nothing. */
static bool may_be_heard(const struct keeper *k)
{
    const struct client_last *last = client_last(k->client);

    return last->sent &&
           (last->rc == ERR_UNREACHABLE || last->rc == ERR_TIMEOUT || last->rc == ERR_IO);
}

/* Its request may be done, though *e says that the line broke. */
static void say_lost(struct api_error *e, const char *look)
{
    size_t len = strlen(e->message);
    char *hint = str_printf("`%s` shows whether it was done.", look);

    snprintf(e->message + len, sizeof e->message - len,
             "; its answer was lost, and what was asked for may be done all the same");
    json_decref(e->details);
    e->details = hint ? json_pack("{s:s}", "hint", hint) : NULL;
    free(hint);
}

/* client_json, or client_text where there is a `body`. `look` as of contact_once, or NULL. */
static int call(struct keeper *k, const struct client_ask *ask, const char *look, json_t **out,
                struct buf *body, struct api_error *e)
{
    struct client_ask mine = *ask;
    unsigned n_failed = 0;

    mine.once = look != NULL;
    mine.connect_timeout_ms = PREFLIGHT_TIMEOUT_MS;
    for (;;) {
        int64_t began_ms = clock_ms();

        if (body)
            buf_clear(body);
        if ((body ? client_text(k->client, &mine, body, e)
                  : client_json(k->client, &mine, out, e)) == 0)
            return 0;
        if (look && may_be_heard(k)) {
            say_lost(e, look);
            return -1;
        }
        if (!contact_again(k, ++n_failed, began_ms, e))
            break;
    }
    contact_doubt(k, e);
    return -1;
}

int contact_json(struct keeper *k, const struct client_ask *ask, json_t **out, struct api_error *e)
{
    return call(k, ask, NULL, out, NULL, e);
}

int contact_once(struct keeper *k, const struct client_ask *ask, const char *look, json_t **out,
                 struct api_error *e)
{
    return call(k, ask, look, out, NULL, e);
}

int contact_text(struct keeper *k, const struct client_ask *ask, struct buf *body,
                 struct api_error *e)
{
    return call(k, ask, NULL, NULL, body, e);
}

int contact_list(struct keeper *k, const char *path, const char *key, json_t **out,
                 struct api_error *e)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {.url = keeper_url(k, url, "%s", path),
                                   .timeout_ms = KEEPER_LIST_MS};

    if (contact_json(k, &ask, out, e))
        return -1;
    if (contact_has(k, *out, key, JSON_ARRAY, e))
        return 0;
    json_decref(*out);
    *out = NULL;
    return -1;
}

bool contact_has(const struct keeper *k, const json_t *answer, const char *name, json_type type,
                 struct api_error *e)
{
    const json_t *value = json_object_get(answer, name);

    if (value && json_typeof(value) == type)
        return true;
    client_foreign(e, k->node.url, "its answer has no \"%s\" as one of rbee-hive %s has", name,
                   RBEE_VERSION);
    return false;
}

int contact_refused(struct keeper *k, struct api_error *e)
{
    bool typed = json_object_get(e->details, "errors") != NULL;
    int rc = keeper_fail(k, e);

    return rc == CLI_USAGE && !typed ? CLI_ERROR : rc;
}
