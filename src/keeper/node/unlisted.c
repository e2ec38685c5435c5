/* unlisted.c - see unlisted.h. */
#include "keeper/node/unlisted.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "keeper/node/node.h"
#include "keeper/node/node_secrets.h"

static bool take_any(void *arg, const char *host)
{
    (void)arg;
    (void)host;
    return true;
}

/* The row of that place shows what the node is, unless https is typed and the row does not know. */
static bool is_asked_so(const struct node *n, struct node_secret *s)
{
    bool tls = s->tls;

    explicit_bzero(s, sizeof *s);
    return tls || !str_starts(n->url, "https://");
}

/* The one of the list that is spoken to as *n is, or NULL. */
static const struct config_node *in_list(const struct config *config, const struct node *n)
{
    const struct config_node *listed = config_node_find(config, node_listed_as(config, n));
    struct node_secret s;
    bool found;

    if (!listed)
        return NULL;
    node_secrets_find(config_home(config), listed->name, &found, &s, NULL);
    return is_asked_so(n, &s) ? listed : NULL;
}

/* localhost, which has a row of its own where the list has none of that name. */
static bool is_this_machines(const struct config *config, const struct node *n)
{
    struct config_addr at = {.host = "localhost", .port = CONFIG_DEFAULT_PORT};
    struct node_secret s;

    if (config_node_find(config, "localhost"))
        return false;
    node_secrets_own_hive(config_home(config), true, &at, &s, NULL);
    return node_same_place(&n->addr, &at) && is_asked_so(n, &s);
}

const char *unlisted_name(const struct config *config)
{
    const char *text = config_text(config, "keeper", "node");
    const struct config_node *listed = config_node_find(config, text);
    struct node n;

    if (!listed && strcasecmp(text, "localhost") == 0)
        return "localhost";
    if (!listed && node_resolve(config, text, take_any, NULL, &n, NULL) == 0) {
        listed = in_list(config, &n);
        if (!listed && is_this_machines(config, &n))
            return "localhost";
    }
    return listed ? listed->name : text;
}

const char *unlisted_node(const struct config *config)
{
    const char *name = unlisted_name(config);

    return strcasecmp(name, "localhost") == 0 || config_node_find(config, name) ? NULL : name;
}
