/* nodes.c - the list of machines in [nodes]: reading it, looking up, changing it on disk. */
#include "config/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"

static int check_name(const char *name, struct err *err)
{
    size_t n = strlen(name);

    if (strchr(name,
               '@')) /* an address with a password, in the name's place: it is not told again */
        return err_set(err, ERR_INVALID, "a node's name has no '@': give the name, then HOST:PORT");
    if (n == 0 || n >= CONFIG_NODE_NAME || !isalnum((unsigned char)name[0]))
        return err_set(err, ERR_INVALID,
                       "'%.80s' is no name for a node: 1 to %d letters, digits, '.', '_' or '-', "
                       "the first a letter or digit",
                       name, CONFIG_NODE_NAME - 1);
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)name[i]) ||
            (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])))
            return err_set(err, ERR_INVALID,
                           "'%.80s' is no name for a node: it may hold letters, digits, '.', '_' "
                           "and '-' only",
                           name);
    return 0;
}

/* Names are compared as host names are: without regard to case. */
static const struct config_node *find(const struct config_nodes *nodes, const char *name)
{
    for (size_t i = 0; i < nodes->n; i++)
        if (strcasecmp(nodes->items[i].name, name) == 0)
            return &nodes->items[i];
    return NULL;
}

int config_nodes_put(struct config_nodes *nodes, const char *name, const char *address,
                     struct err *err)
{
    struct config_node node = {0}, *items;
    int rc = check_name(name, err);

    if (rc == 0)
        rc = config_addr_parse(address, CONFIG_DEFAULT_PORT, &node.addr, err);
    if (rc)
        return rc;
    if (node.addr.port == 0)
        return err_set(err, ERR_INVALID, "the node '%s' has port 0, which nobody can call", name);
    if (find(nodes, name))
        return err_set(err, ERR_CONFLICT, "the node '%s' is there twice", name);
    if (nodes->n == CONFIG_NODES_MAX)
        return err_set(err, ERR_LIMIT, "there are %d nodes already, which is the limit",
                       CONFIG_NODES_MAX);
    items = realloc(nodes->items, (nodes->n + 1) * sizeof *items);
    if (!items)
        return err_no_memory(err, (nodes->n + 1) * sizeof *items, "the list of nodes");
    str_copy(node.name, sizeof node.name, name);
    nodes->items = items;
    nodes->items[nodes->n++] = node;
    return 0;
}

size_t config_n_nodes(const struct config *c)
{
    return c->nodes.n;
}

const struct config_node *config_node_at(const struct config *c, size_t i)
{
    BUG_ON(i >= c->nodes.n);
    return &c->nodes.items[i];
}

const struct config_node *config_node_find(const struct config *c, const char *name)
{
    return find(&c->nodes, name);
}

/* The file as it is now ("" when it is not there) and the permissions to keep. */
static int read_now(const char *path, char **text, size_t *n, mode_t *mode, struct err *err)
{
    struct stat st;

    *mode = 0600;
    *n = 0;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT)
            return err_errno(err, ERR_IO, errno, "cannot look at %s", path);
        *text = str_dup("");
        return *text ? 0 : err_no_memory(err, 1, "an empty text");
    }
    *mode = st.st_mode & 07777;
    return path_read_file(path, CONFIG_FILE_MAX, text, n, err);
}

static int write_back(const struct config *c, const char *text, mode_t mode, struct err *err)
{
    char *target;
    int rc = path_make_dirs(c->home, 0700, err);

    if (rc)
        return rc;
    target = path_behind_link(c->path);
    if (!target)
        return err_no_memory(err, strlen(c->path), "a path");
    sweep_copies(target);
    rc = path_write_file(target, text, strlen(text), mode, err);
    free(target);
    return rc;
}

/* One too many, or a file that would not be read any more. */
static int check_room(const struct config *c, const struct config_nodes *nodes, const char *name,
                      const char *text, struct err *err)
{
    size_t n = strlen(text);

    if (nodes->n >= CONFIG_NODES_MAX && !find(nodes, name))
        return err_set(err, ERR_LIMIT,
                       "%s lists %zu nodes, which is the most; `rbee-keeper node rm` makes room",
                       c->path, nodes->n);
    if (n > CONFIG_FILE_MAX)
        return err_set(err, ERR_LIMIT,
                       "%s would have %zu bytes with that line, more than %u are not read; "
                       "`rbee-keeper node rm` or an editor makes room",
                       c->path, n, CONFIG_FILE_MAX);
    return 0;
}

/*
 * Sets or removes one line, or only tries to. The file is read again, so that what another program
 * wrote in the meantime stays; the new text is parsed before it is written, so that what is on disk
 * can always be read.
 */
static int change(struct config *c, const char *name, const char *value, bool only_try,
                  struct err *err)
{
    struct config_nodes nodes = {0};
    char *old = NULL, *text = NULL;
    mode_t mode;
    size_t n;
    int rc = read_now(c->path, &old, &n, &mode, err);

    if (rc == 0)
        rc = config_parse_text(NULL, c->path, old, n, &nodes, err);
    if (rc)
        goto out;
    if (!value && !find(&nodes, name)) {
        rc = err_set(err, ERR_NOT_FOUND, "there is no node '%s' in %s", name, c->path);
        goto out;
    }
    text = config_edit_node(old, name, value);
    if (!text) {
        rc = err_no_memory(err, n, c->path);
        goto out;
    }
    rc = value ? check_room(c, &nodes, name, text, err) : 0;
    if (rc)
        goto out;
    free(nodes.items);
    nodes = (struct config_nodes){0};
    rc = config_parse_text(NULL, c->path, text, strlen(text), &nodes, err);
    if (rc == 0 && !(only_try && n == 0)) /* there may be no file */
        rc = write_back(c, only_try ? old : text, mode, err);
    if (rc == 0 && !only_try) {
        struct config_nodes before = c->nodes;

        c->nodes = nodes;
        nodes = before;
    }
out:
    free(nodes.items);
    free(old);
    free(text);
    return rc;
}

static int add(struct config *c, const char *name, const char *address, bool only_try,
               struct err *err)
{
    char text[CONFIG_HOST_MAX + 9];
    struct config_addr addr;
    int rc = check_name(name, err);

    if (rc == 0)
        rc = config_addr_parse(address, CONFIG_DEFAULT_PORT, &addr, err);
    if (rc)
        return rc;
    return change(c, name, config_addr_text(&addr, text, sizeof text), only_try, err);
}

int config_node_add(struct config *c, const char *name, const char *address, struct err *err)
{
    return add(c, name, address, false, err);
}

int config_node_try(struct config *c, const char *name, const char *address, struct err *err)
{
    return add(c, name, address, true, err);
}

int config_node_remove(struct config *c, const char *name, struct err *err)
{
    return change(c, name, NULL, false, err);
}
