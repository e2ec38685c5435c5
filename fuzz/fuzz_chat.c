/*
 * fuzz_chat.c - a conversation at the shell: a byte of flags, one that cuts what is typed, then
 * what is typed up to a form feed, and the answers to its messages as keeper_world.h has them; a
 * friendly hive and worker say the rest. Flags: 1 a person types (0x03 is Ctrl+C), 2 stdout is no
 * terminal, 4 the person has a line editor (0x1e ends a line, so that texts can be pasted), 8 the
 * hive is nobody's friend: all answers are the input's, 16 a turn may have LEAST bytes, 32 --quiet.
 * Files are in memory.
 *
 * What was typed is said, whole, once and in its order, as a message or a command; what begins with
 * a slash is no message; a worker gets a conversation that it can go on with; what is saved can be
 * loaded. No terminal gets a byte that moves its cursor, and the key is shown nowhere. However the
 * input is cut, all of it is the same.
 */
#include "keeper/ask/prompt.h"
#include "keeper/chat/chat.h"
#include "keeper/chat/chat_commands.h"
#include "keeper/chat/history.h"
#include "keeper/chat/turn.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper_world.h"
#include "memory_files.h"
#include "typing.h"

#define LEAST       64
#define KEY         "rbee-abcdefghijklmnopqrstuvwxyz"
#define FILE_PERMS  0600
#define HISTORY     "chat-history"
#define PIECE_WHOLE 65536
#define BLANKS      " \t\r\n\"\\" /* what turns may lose */

enum {
    FLAG_PERSON = 1,
    FLAG_PIPE = 2,
    FLAG_EDITOR = 4,
    FLAG_FOE = 8,
    FLAG_SMALL = 16,
    FLAG_QUIET = 32
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct {
    unsigned flags;
    struct buf handed; /* messages and commands, without BLANKS */
    char *last;        /* the newest of them; owned */
    bool bye;
} session;

/* ---- files, and how much there may be ---- */

void __real_buf_init(struct buf *b, size_t max);
void __wrap_buf_init(struct buf *b, size_t max);

/* What is saved is a conversation that can be loaded, for its owner only. */
static void check_written(const void *bytes, size_t n, mode_t mode)
{
    struct conversation talk;
    struct err err = {0};

    BUG_ON(mode != FILE_PERMS);
    if (conversation_parse(bytes, n, &talk, &err))
        BUG("what is saved cannot be loaded: %s", err.text);
    conversation_done(&talk);
}

static void make_files(void)
{
    static const char *const texts[][2] = {
        {"talk.json",
         "{\"rbee_chat\":1,\"model\":\"tiny\",\"system\":\"Be brief.\",\"settings\":{\"seed\":1},"
         "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
         "{\"role\":\"assistant\",\"content\":\"Hello\",\"cut\":true}]}"},
        {"s.json", "{\"type\":\"object\"}"},
        {"g.gbnf", "root ::= \"a\"+\n"}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_file(texts[i][0], texts[i][1], strlen(texts[i][1]));
}

void __wrap_buf_init(struct buf *b, size_t max)
{
    __real_buf_init(b, (session.flags & FLAG_SMALL) && max == PROMPT_MAX ? LEAST : max);
}

/* ---- what becomes of it ---- */

int __real_chat_turn(struct chat *c, const char *text, size_t n);
int __wrap_chat_turn(struct chat *c, const char *text, size_t n);
int __real_chat_command(struct chat *c, const char *line);
int __wrap_chat_command(struct chat *c, const char *line);

static void put_without_blanks(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!text[i] || !strchr(BLANKS, text[i]))
            buf_putc(out, text[i]);
}

static void hand(const char *text)
{
    put_without_blanks(&session.handed, text, strlen(text));
    free(session.last);
    session.last = str_dup(text);
}

/* Was it in quotes, or did it come as several lines, so that a slash begins a message? */
static bool may_be_literal(void)
{
    return memmem(typing.all, typing.n, TURN_QUOTES, strlen(TURN_QUOTES)) ||
           (typing.edited && memchr(typing.all, '\n', typing.n));
}

int __wrap_chat_turn(struct chat *c, const char *text, size_t n)
{
    BUG_ON(strlen(text) != n || !str_is_utf8(text, n) || strspn(text, " \t\r\n") == n);
    BUG_ON(text[0] == '/' && !may_be_literal());
    hand(text);
    return __real_chat_turn(c, text, n);
}

int __wrap_chat_command(struct chat *c, const char *line)
{
    int rc;

    BUG_ON(line[0] != '/');
    hand(line);
    rc = __real_chat_command(c, line);
    session.bye |= rc == CLI_DONE;
    return rc;
}

/* ---- the hive, and its worker ---- */

/* A system text or none, then in turns, the last what was typed just now. */
static void check_messages(const json_t *request)
{
    const json_t *all = json_object_get(request, "messages"), *m;
    size_t i, first = 0;

    BUG_ON(json_array_size(all) == 0);
    json_array_foreach(all, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role"));

        BUG_ON(!json_is_string(json_object_get(m, "content")) || json_object_get(m, "cut"));
        if (i == 0 && str_eq(role, "system"))
            first = 1;
        else
            BUG_ON(!str_eq(role, (i - first) % 2 ? "assistant" : "user"));
    }
    m = json_array_get(all, json_array_size(all) - 1);
    BUG_ON(!str_eq(json_string_value(json_object_get(m, "role")), "user"));
    BUG_ON(!str_eq(json_string_value(json_object_get(m, "content")), session.last));
}

/* It is asked with what the worker's own parser takes. */
static void check_request(const char *body, size_t n)
{
    json_t *request = json_loadb(body, n, 0, NULL);
    struct inference_request r;
    struct api_error e;

    check_messages(request);
    inference_request_init(&r);
    if (inference_request_parse(body, n, &r, &e, "fuzz"))
        BUG("the worker would not take it: %s", e.message);
    inference_request_done(&r);
    json_decref(request);
}

static struct said say(int status, const char *text)
{
    return (struct said){.status = status, .bytes = text, .n = strlen(text)};
}

static struct said friendly(const struct http_call_params *p, bool infer)
{
    if (infer)
        return say(200,
                   "data: {\"type\":\"token\",\"t\":\"Hi\",\"i\":0}\n\ndata: {\"type\":\"end\","
                   "\"tokens_out\":1,\"prompt_tokens\":9,\"stop_reason\":\"EOS\"}\n\n"
                   "data: [DONE]\n\n");
    if (str_ends(p->url, "/v1/workers/list"))
        return say(200, "{\"workers\":[{\"worker_id\":\"worker-a\",\"model_ref\":\"tiny\","
                        "\"backend\":\"cpu\",\"state\":\"idle\",\"slots_total\":4,\"slots_busy\":0,"
                        "\"url\":\"http://192.0.2.1:8081\"}]}");
    if (str_ends(p->url, "/v1/workers/worker-a"))
        return say(200, "{\"worker_id\":\"worker-a\",\"state\":\"idle\"}");
    if (str_ends(p->url, "/v1/ready"))
        return say(200, "{\"worker_id\":\"worker-a\",\"n_ctx\":4096,\"chat\":true}");
    return say(404, "{\"error\":{\"code\":\"MODEL_NOT_FOUND\",\"message\":\"there is none\"}}");
}

static struct said hive_says(const struct http_call_params *params)
{
    bool infer = str_eq(params->method, "POST") && str_ends(params->url, "/v1/inference");
    struct said a;

    if (infer)
        check_request(params->body, params->body_bytes ? params->body_bytes : strlen(params->body));
    a = world.left && (infer || (session.flags & FLAG_FOE)) ? next_said() : friendly(params, infer);
    typing.interrupted |= a.interrupt;
    return a;
}

/* ---- afterwards ---- */

static bool is_whole(const struct buf *handed, const struct buf *typed)
{
    return handed->len <= typed->len && memcmp(buf_str(handed), buf_str(typed), handed->len) == 0 &&
           (handed->len == typed->len || session.bye);
}

/* In its order, with gaps. */
static bool is_part(const struct buf *handed, const struct buf *typed)
{
    size_t at = 0;

    for (size_t i = 0; i < typed->len && at < handed->len; i++)
        at += typed->data[i] == handed->data[at];
    return at == handed->len;
}

/* What was typed was handed on, but for what was refused or taken back by Ctrl+C. */
static void check_handed(void)
{
    bool all = !typing.interrupted && !strstr(buf_str(&world.errors), "none of it was sent");
    const char *text = (const char *)typing.all;
    size_t bom = typing.n >= 3 && memcmp(text, PROMPT_BOM, 3) == 0 ? 3 : 0;
    struct buf typed;

    buf_init(&typed, SIZE_MAX / 2);
    if (typing.edited)
        for (size_t i = 0; i < typing.n; i++)
            put_without_blanks(&typed, text + i, text[i] != LINE_ENDS);
    else
        put_without_blanks(&typed, text + bom, typing.n - bom);
    if (all ? !is_whole(&session.handed, &typed) : !is_part(&session.handed, &typed))
        BUG("what was typed is not what was said: %.300s", buf_str(&session.handed));
    buf_done(&typed);
}

static void check_secret(const struct buf *text)
{
    BUG_ON(strstr(buf_str(text), KEY));
}

/* Word for word, or in quotes. */
static bool is_kept_as(const char *text, const char *kept)
{
    size_t n = strlen(text), quotes = strlen(TURN_QUOTES);

    return str_eq(kept, text) ||
           (strlen(kept) == n + 2 * quotes && str_starts(kept, TURN_QUOTES) &&
            str_ends(kept, TURN_QUOTES) && memcmp(kept + quotes, text, n) == 0);
}

/* The newest is what was handed on last. */
static void check_history(void)
{
    char path[SCRATCH_PATH_MAX];
    struct history h;

    BUG_ON(history_open(scratch_path(path, HISTORY), &h, NULL));
    if (session.last && strlen(session.last) + 2 * strlen(TURN_QUOTES) <= HISTORY_ENTRY_MAX)
        BUG_ON(h.n == 0 || !is_kept_as(session.last, h.items[h.n - 1]));
    history_close(&h);
}

static void check_code(int rc)
{
    BUG_ON(rc != CLI_DONE && rc != CLI_ERROR && rc != CLI_USAGE && rc != CLI_INTERRUPTED);
    BUG_ON((rc == CLI_ERROR || rc == CLI_USAGE) && world.errors.len == 0);
    BUG_ON(world.person && typing.began && rc != CLI_DONE);
}

static void check(int rc)
{
    check_code(rc);
    check_screen(&world.errors);
    if (world.tty)
        check_screen(&world.out);
    if (typing.began)
        check_handed();
    if (world.person)
        check_history();
}

/* ---- twice ---- */

static int run(void)
{
    const struct cli_command self = {.name = "chat", .args = "", .run = cmd_chat};
    char words[][16] = {"chat", "--model", "tiny", "--node", NODE, "--quiet"};
    char *argv[sizeof words / sizeof words[0]];
    int argc = 0, all = session.flags & FLAG_QUIET ? 6 : 5;

    for (; argc < all; argc++)
        argv[argc] = words[argc];
    return cmd_chat(&self, argc - 1, argv + 1);
}

static void begin(unsigned flags, size_t piece, const uint8_t *typed, size_t n)
{
    char path[SCRATCH_PATH_MAX];

    memset(&session, 0, sizeof session);
    memset(&typing, 0, sizeof typing);
    session.flags = flags;
    typing.piece = piece;
    typing.all = typing.at = typed;
    typing.n = typing.left = n;
    typing.has_editor = flags & FLAG_EDITOR;
    world.person = flags & FLAG_PERSON;
    world.tty = !(flags & FLAG_PIPE);
    world.now_ms = 1000;
    buf_init(&session.handed, SIZE_MAX / 2);
    buf_init(&world.out, OUT_MAX);
    buf_init(&world.errors, OUT_MAX);
    unlink(scratch_path(path, HISTORY));
    make_files();
    interrupt_clear();
}

static void end(void)
{
    forget_files();
    free(session.last);
    buf_done(&session.handed);
}

/* Returns the exit code; the outputs are the caller's. */
static int talk(unsigned flags, size_t piece, const uint8_t *typed, size_t n, const uint8_t *more,
                size_t n_more)
{
    int rc;

    begin(flags, piece, typed, n);
    world.at = more;
    world.left = n_more;
    world.inside = true;
    rc = run();
    world.inside = false;
    check(rc);
    end();
    return rc;
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(buf_str(a), buf_str(b), a->len) == 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setenv("RBEE_HOME", scratch(), 1) || setenv("RBEE_API_KEY", KEY, 1) ||
           setenv("TERM", "xterm", 1) || setenv("HOME", "/home", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *typed = data + 2, *end_of = size > 2 ? memchr(typed, FORM_FEED, size - 2) : NULL;
    const uint8_t *more = end_of ? end_of + 1 : data + size;
    size_t n, n_more = (size_t)(data + size - more);
    struct buf out, errors;
    int rc;

    if (size < 2)
        return 0;
    n = end_of ? (size_t)(end_of - typed) : size - 2;
    rc = talk(data[0], PIECE_WHOLE, typed, n, more, n_more);
    out = world.out;
    errors = world.errors;
    if (!memmem(data, size, KEY, strlen(KEY))) {
        check_secret(&out);
        check_secret(&errors);
    }
    BUG_ON(talk(data[0], 1u + data[1], typed, n, more, n_more) != rc);
    BUG_ON(!is_same(&out, &world.out) || !is_same(&errors, &world.errors));
    buf_done(&out);
    buf_done(&errors);
    buf_done(&world.out);
    buf_done(&world.errors);
    return 0;
}
