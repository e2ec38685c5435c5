/* machines.c - see machines.h. */
#include "keeper/node/machines.h"

#include <stdio.h>

#include "base/str.h"
#include "keeper/node/preflight.h"
#include "version.h"

#define PROBE_MS 3000 /* a machine that takes longer is shown as not answering */

void machine_set(const struct config *config, struct machine *m, const char *name,
                 const struct config_addr *addr, bool tls)
{
    struct config_addr at = {.host = "localhost", .port = CONFIG_DEFAULT_PORT};
    const char *home = config_home(config);
    bool found = false;

    *m = (struct machine){0};
    at = addr ? *addr : at;
    str_copy(m->name, sizeof m->name, name);
    /* What cannot be read is said when the node is spoken to; here it only does not answer. */
    node_secrets_find(home, name, &found, &m->secret, NULL);
    if (!found)
        node_secrets_own_hive(home, !addr, &at, &m->secret, NULL);
    config_addr_text(&at, m->where, sizeof m->where);
    snprintf(m->url, sizeof m->url, "%s://%s/v1/health", m->secret.tls || tls ? "https" : "http",
             m->where);
}

const char *machine_verdict(const struct client_probe *p, char *dst, size_t dst_size)
{
    const char *version = keeper_text(p->answer, "version", NULL);

    if (!p->answer && p->error.code == API_VERSION_MISMATCH)
        return "answers, but is no rbee-hive";
    if (!p->answer)
        return p->error.message[0] ? api_error_info(p->error.code)->code : "no answer";
    if (!version)
        return "answers, but is no rbee-hive";
    if (preflight_same_line(version, RBEE_VERSION))
        return "alive";
    snprintf(dst, dst_size, "alive, but this keeper is %s", RBEE_VERSION);
    return dst;
}

bool machines_probe(struct keeper *k, const struct machine *machines, struct client_probe *probes,
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        probes[i] =
            (struct client_probe){.url = machines[i].url,
                                  .pin = machines[i].secret.pin[0] ? machines[i].secret.pin : NULL,
                                  .connect_timeout_ms = PROBE_MS};
    return client_probe_all(k->client, probes, n, PROBE_MS);
}

void machines_done(struct client_probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_decref(probes[i].answer);
        api_error_done(&probes[i].error);
    }
}
