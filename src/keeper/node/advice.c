/* advice.c - see advice.h. */
#include "keeper/node/advice.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define ADVICE_MAX (1u << 20)

static const char program[] = "`rbee-keeper ";

/* Those that have the option --node. */
static const char *const commands[] = {"models", "workers", "logs", "explain", "infer", "chat"};

/* Does a command that stands there, n bytes up to its closing backquote, act on a node? */
static bool is_for_a_node(const char *command, size_t n)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t len = strlen(commands[i]);

        if (n >= len && memcmp(command, commands[i], len) == 0 && (n == len || command[len] == ' '))
            return true;
    }
    return false;
}

/* Puts the command behind the opening backquote, without the closing one; where that is, or NULL:
 * there is none. */
static const char *put_command(struct buf *out, const char *command, const char *node)
{
    const char *end = strchr(command, '`');

    if (!end)
        return NULL;
    buf_put(out, command, (size_t)(end - command));
    if (is_for_a_node(command, (size_t)(end - command)))
        buf_printf(out, " --node %s", node);
    return end;
}

char *advice_at(const char *text, const char *node)
{
    const char *at;
    struct buf out;

    if (!node)
        return str_dup(text);
    buf_init(&out, ADVICE_MAX);
    while ((at = strstr(text, program))) {
        at += strlen(program);
        buf_put(&out, text, (size_t)(at - text));
        text = put_command(&out, at, node);
        if (!text) {
            text = at;
            break;
        }
    }
    buf_puts(&out, text);
    return buf_take(&out);
}
