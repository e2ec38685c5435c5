/* hub_token.c - see hub_token.h. Source: huggingface_hub's environment variables, as of 2026. */
#include "hive/fetch/hub_token.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"

bool hub_token_trim(char *text)
{
    size_t start = strspn(text, " \t\r\n"), n = strlen(text + start);

    memmove(text, text + start, n + 1);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        text[--n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] > 0x7e)
            return false;
    return n > 0 && n <= HUB_TOKEN_MAX;
}

/* ERR_NOT_FOUND when the file is not there, or empty. */
static int read_file(const char *path, char **token, struct err *err)
{
    size_t n;
    int rc = path_read_file(path, 4 * HUB_TOKEN_MAX, token, &n, err);

    if (rc)
        return rc;
    if (hub_token_trim(*token))
        return 0;
    rc = (*token)[0]
             ? err_set(err, ERR_INVALID, "%s holds more than one word, which is no token", path)
             : err_set(err, ERR_NOT_FOUND, "%s is empty", path);
    free(*token);
    *token = NULL;
    return rc;
}

static int read_own(const char *path, char **token, struct err *err)
{
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)))
        return err_set(err, ERR_DENIED,
                       "others may read the token in %s (mode %o); run chmod 600 on it", path,
                       (unsigned)(st.st_mode & 0777));
    return read_file(path, token, err);
}

static char *under(const char *variable, const char *name)
{
    const char *value = getenv(variable);

    if (!value || !value[0])
        return NULL;
    return name[0] ? path_join(value, name) : str_dup(value);
}

/* The hub's own files: one that cannot be read is as if it were not there. */
static void look_at_hub(char **token, char **from)
{
    char *paths[] = {under("HF_TOKEN_PATH", ""), under("HF_HOME", "token"),
                     under("XDG_CACHE_HOME", "huggingface/token"),
                     under("HOME", ".cache/huggingface/token")};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] && !*token && read_file(paths[i], token, NULL) == 0)
            *from = paths[i];
        else
            free(paths[i]);
    }
}

static int take_told(const char *told, char **token, char **from, struct err *err)
{
    int rc = 0;

    *token = str_dup(told);
    *from = str_dup("environment HF_TOKEN");
    if (!*token || !*from)
        rc = err_no_memory(err, strlen(told), "a token");
    else if (!hub_token_trim(*token))
        rc = err_set(err, ERR_INVALID,
                     "HF_TOKEN in the environment is not one word of at most %d "
                     "printable characters, which a token is",
                     HUB_TOKEN_MAX);
    if (rc == 0)
        return 0;
    free(*token);
    free(*from);
    *token = *from = NULL;
    return rc;
}

int hub_token_find(const char *home, char **token, char **from, struct err *err)
{
    const char *told = getenv("HF_TOKEN");
    char *own;
    int rc;

    *token = *from = NULL;
    if (told && told[0])
        return take_told(told, token, from, err);
    own = path_join(home, HUB_TOKEN_FILE);
    if (!own)
        return err_no_memory(err, strlen(home), "a path");
    rc = read_own(own, token, err);
    if (rc == 0)
        *from = own;
    else
        free(own);
    if (rc == ERR_NOT_FOUND) {
        look_at_hub(token, from);
        rc = 0;
    }
    return rc;
}
