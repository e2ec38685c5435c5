/* pair.c - see pair.h. */
#include "keeper/node/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/access.h"
#include "api/json_whole.h"
#include "base/str.h"

#define PAIR_MS         20000
#define HOST_NAME_BYTES 65
#define TEXT_BYTES      1024
#define TEXTS_MAX       64 /* read of standard input, to find a line */

static bool is_code(const char *code)
{
    size_t n = strlen(code);

    return n > 0 && n < PAIR_CODE_MAX && strspn(code, "abcdefghijklmnopqrstuvwxyz234567") == n;
}

/* Elsewhere a line without a code is one that was cut. */
static bool may_lack_code(const struct pair_line *line)
{
    return access_is_loopback(line->addr.host);
}

int pair_parse(const char *text, struct pair_line *out, struct err *err)
{
    const char *at = str_starts(text, PAIR_SCHEME) ? text + strlen(PAIR_SCHEME) : "";
    const char *pin = strchr(at, '/');
    size_t pin_bytes = pin ? strcspn(pin + 1, "/") : 0;
    const char *code = pin && pin[1 + pin_bytes] ? pin + 1 + pin_bytes + 1 : NULL;
    char host[CONFIG_HOST_MAX + 9] = "";
    int rc = 0;

    *out = (struct pair_line){0};
    if (pin && (size_t)(pin - at) < sizeof host && pin_bytes == TLS_PIN_BYTES - 1) {
        memcpy(host, at, (size_t)(pin - at));
        memcpy(out->pin, pin + 1, TLS_PIN_BYTES - 1);
        str_copy(out->code, sizeof out->code, code ? code : "");
        rc = config_addr_parse(host, CONFIG_DEFAULT_PORT, &out->addr, err);
    }
    if (rc)
        return rc;
    if (!tls_is_pin(out->pin) || (code ? !is_code(out->code) : !may_lack_code(out)))
        return err_set(err, ERR_INVALID,
                       "this is not a whole line of `rbee-hive pair`: rbee://HOST:PORT/, 64 hex "
                       "digits, a slash and a code of letters; copy it once more");
    return 0;
}

int pair_read(FILE *from, char dst[PAIR_LINE_MAX], struct err *err)
{
    char text[TEXT_BYTES];

    for (int i = 0; i < TEXTS_MAX && fgets(text, sizeof text, from); i++) {
        char *at = strstr(text, PAIR_SCHEME);

        if (!at)
            continue;
        at[strcspn(at, " \t\r\n'")] = '\0';
        if (str_copy(dst, PAIR_LINE_MAX, at))
            return 0;
        return err_set(err, ERR_LIMIT,
                       "the line on standard input is longer than one of `rbee-hive "
                       "pair`");
    }
    return err_set(err, ERR_NOT_FOUND, "there is no line of `rbee-hive pair` on standard input");
}

void pair_hide(char *argument)
{
    char *at = str_starts(argument, PAIR_SCHEME) ? argument + strlen(PAIR_SCHEME) : NULL;

    at = at ? strchr(at, '/') : NULL;
    if (at)
        memset(at + 1, 'x', strlen(at + 1));
}

/* {"code","name"} (free()), or NULL. */
static char *body_of(const struct pair_line *line)
{
    char host[HOST_NAME_BYTES] = "keeper", *text = NULL;
    json_t *body;

    if (gethostname(host, sizeof host - 1) != 0)
        str_copy(host, sizeof host, "keeper");
    body = json_pack("{s:s, s:s}", "code", line->code, "name", host);
    if (body)
        text = json_write(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* The hive's answer to *out. */
static int take(const json_t *answer, const struct pair_line *line, struct node_secret *out,
                char print[8], struct api_error *e)
{
    const char *key = keeper_text(answer, "key", "");

    *out = (struct node_secret){.tls = true};
    str_copy(out->pin, sizeof out->pin, line->pin);
    str_copy(print, 8, keeper_text(answer, "fingerprint", ""));
    if (key[0] && str_copy(out->key, sizeof out->key, key))
        return 0;
    api_error_set(e, API_INTERNAL, "keeper", "the hive's answer to the pairing holds no key");
    return -1;
}

int pair_exchange(const struct pair_line *line, struct node_secret *out, char print[8],
                  struct api_error *e)
{
    char url[KEEPER_URL_MAX], where[CONFIG_HOST_MAX + 9], *body = body_of(line);
    struct client_ask ask = {.method = "POST", .url = url, .body = body, .timeout_ms = PAIR_MS};
    struct client *client = NULL;
    json_t *answer = NULL;
    struct err err = {0};
    int rc = -1;

    snprintf(url, sizeof url, "https://%s/v1/pair",
             config_addr_text(&line->addr, where, sizeof where));
    if (!body || client_open(NULL, &client, &err) || client_set_pin(client, line->pin, &err))
        api_error_set(e, API_INTERNAL, "keeper", "the pairing cannot begin: %s", err.text);
    else if (client_json(client, &ask, &answer, e) == 0)
        rc = take(answer, line, out, print, e);
    json_decref(answer);
    client_close(client);
    free(body);
    return rc;
}
