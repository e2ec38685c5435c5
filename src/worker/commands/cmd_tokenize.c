/*
 * cmd_tokenize.c - "tokenize" and "detokenize": text on stdin to ids on stdout, and back, byte for
 * byte. They need only the vocabulary of a file.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "worker/commands/commands.h"

/* Longest text, and longest list of ids as text. */
#define TEXT_MAX_BYTES (256u << 20)

/* Digits and sign of an int32, and its NUL. */
#define ID_TEXT_MAX 12

/* Ids on one line, separated by blanks. */
static int put_ids(struct buf *out, const int32_t *ids, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%" PRId32, i ? " " : "", ids[i]);
    buf_putc(out, '\n');
    return buf_failed(out) ? err_set(err, ERR_LIMIT, "%zu ids are too many to print", n) : 0;
}

static int tokenize(struct gguf_files *files, const struct buf *in, unsigned flags, struct buf *out,
                    struct err *err)
{
    struct engine_vocab *v;
    int32_t *ids = NULL;
    size_t n = 0;
    int rc = engine_vocab_open_files(files, &v, err);

    if (rc)
        return rc;
    rc = engine_vocab_tokenize(v, buf_str(in), in->len, flags, &ids, &n, err);
    if (!rc)
        rc = put_ids(out, ids, n, err);
    free(ids);
    engine_vocab_close(v);
    return rc;
}

/* One id at *text, which moves behind it. */
static int parse_id(const char **text, int32_t *id, struct err *err)
{
    char word[ID_TEXT_MAX];
    size_t len = 0;
    int64_t v;

    while ((*text)[len] && !isspace((unsigned char)(*text)[len]))
        len++;
    if (len < sizeof word) {
        memcpy(word, *text, len);
        word[len] = '\0';
        if (str_to_i64(word, &v) == 0 && v >= 0 && v <= INT32_MAX) {
            *id = (int32_t)v;
            *text += len;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "'%.*s' is no token id", (int)(len < 40 ? len : 40), *text);
}

int command_parse_ids(const char *text, int32_t **ids, size_t *n_ids, struct err *err)
{
    size_t n = 0, max = strlen(text) / 2 + 1;
    int32_t *list = malloc(max * sizeof *list);
    int rc = 0;

    if (!list)
        return err_no_memory(err, max * sizeof *list, "the token ids");
    for (;;) {
        while (isspace((unsigned char)*text))
            text++;
        if (!*text)
            break;
        rc = parse_id(&text, &list[n++], err);
        if (rc) {
            free(list);
            return rc;
        }
    }
    *ids = list;
    *n_ids = n;
    return 0;
}

/* A text would end there, and what is behind it be left out. */
static int refuse_nul(const struct buf *in, struct err *err)
{
    size_t len = strlen(buf_str(in));

    return len == in->len ? 0 : err_set(err, ERR_INVALID, "the ids hold a NUL at byte %zu", len);
}

static int detokenize(struct gguf_files *files, const struct buf *in, bool special, struct buf *out,
                      struct err *err)
{
    struct engine_vocab *v;
    int32_t *ids = NULL;
    size_t n = 0;
    int rc = engine_vocab_open_files(files, &v, err);

    if (rc)
        return rc;
    rc = refuse_nul(in, err);
    if (!rc)
        rc = command_parse_ids(buf_str(in), &ids, &n, err);
    if (!rc)
        rc = engine_vocab_detokenize(v, ids, n, special, out, err);
    free(ids);
    engine_vocab_close(v);
    return rc;
}

/* Both commands are: stdin, a conversion, stdout. */
struct conversion {
    const char *path, *sandbox;
    bool to_ids, special;
    unsigned flags;
};

static int convert(const struct conversion *c)
{
    struct gguf_files *files = NULL;
    struct err err = {0};
    struct buf in, out;
    int rc;

    buf_init(&in, TEXT_MAX_BYTES);
    buf_init(&out, TEXT_MAX_BYTES);
    rc = command_open_files(c->path, c->sandbox, NULL, &files, &err);
    if (!rc)
        rc = command_read_stdin(&in, &err);
    if (!rc)
        rc = c->to_ids ? tokenize(files, &in, c->flags, &out, &err)
                       : detokenize(files, &in, c->special, &out, &err);
    engine_files_close(files);
    if (!rc)
        rc = command_write(buf_str(&out), out.len, &err);
    buf_done(&in);
    buf_done(&out);
    return rc ? command_fail(&err) : CLI_DONE;
}

int cmd_tokenize(const struct cli_command *self, int argc, char **argv)
{
    bool add = false, parse = false;
    struct conversion c = {.to_ids = true};
    const struct cli_opt opts[] = {
        {"model", 'm', CLI_STR, &c.path, 0, 0, "FILE", "the GGUF file (needed)", NULL},
        COMMAND_SANDBOX_OPT(&c.sandbox),
        {"add-special", 0, CLI_FLAG, &add, 0, 0, NULL,
         "add BOS and EOS where the file asks for them", NULL},
        {"parse-special", 0, CLI_FLAG, &parse, 0, 0, NULL,
         "text that spells a control token becomes that token", NULL},
        {0}};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    if (!c.path)
        return command_usage(self, "--model FILE is needed");
    c.flags = (add ? ENGINE_ADD_SPECIAL : 0u) | (parse ? ENGINE_PARSE_SPECIAL : 0u);
    rc = command_check_words(self, NULL, c.sandbox);
    return rc == CLI_GO ? convert(&c) : rc;
}

int cmd_detokenize(const struct cli_command *self, int argc, char **argv)
{
    struct conversion c = {.to_ids = false};
    const struct cli_opt opts[] = {
        {"model", 'm', CLI_STR, &c.path, 0, 0, "FILE", "the GGUF file (needed)", NULL},
        COMMAND_SANDBOX_OPT(&c.sandbox),
        {"special", 0, CLI_FLAG, &c.special, 0, 0, NULL, "show control tokens, too", NULL},
        {0}};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    if (!c.path)
        return command_usage(self, "--model FILE is needed");
    rc = command_check_words(self, NULL, c.sandbox);
    return rc == CLI_GO ? convert(&c) : rc;
}
