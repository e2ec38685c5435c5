/*
 * What a conversation at the shell is made of, without a terminal or a model: turns out of lines,
 * settings, files, the history, an answer's two kinds of text, and the figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/str.h"
#include "keeper/ask/answer.h"
#include "keeper/ask/figures.h"
#include "keeper/ask/prompt.h"
#include "keeper/ask/sampling.h"
#include "keeper/ask/settings.h"
#include "keeper/chat/conversation.h"
#include "keeper/chat/history.h"
#include "keeper/chat/turn.h"
#include "keeper/shell/count.h"

/* A folder of the test's own, gone with remove_folder. */
static char *make_folder(void)
{
    char *folder = str_dup("/tmp/rbee-chat-XXXXXX");

    assert_non_null(mkdtemp(folder));
    return folder;
}

static void remove_folder(char *folder, const char *const *files)
{
    for (; *files; files++) {
        char *path = path_join(folder, *files);

        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}

static void write_text(const char *path, const char *text)
{
    struct err err;

    assert_int_equal(path_write_file(path, text, strlen(text), 0644, &err), 0);
}

static char *read_text(const char *path)
{
    struct err err;
    char *text;
    size_t n;

    assert_int_equal(path_read_file(path, 1 << 20, &text, &n, &err), 0);
    return text;
}

/* ---- turns ---- */
static enum turn_step say(struct turn *t, const char *line)
{
    struct err err;

    return turn_line(t, line, strlen(line), &err);
}

static void assert_turn(struct turn *t, const char *text, bool literal)
{
    assert_string_equal(buf_str(&t->text), text);
    assert_int_equal(t->literal, literal);
    turn_clear(t);
}

static void test_turn__is_a_line(void **state)
{
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(say(&t, " hello "), TURN_READY);
    assert_turn(&t, " hello ", false);
    assert_int_equal(say(&t, ""), TURN_BLANK);
    assert_int_equal(say(&t, " \t"), TURN_BLANK);
    turn_done(&t);
}

static void test_turn__goes_on_behind_a_backslash(void **state)
{
    struct err err;
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(say(&t, "one\\"), TURN_MORE);
    assert_int_equal(say(&t, "\"\"\"two\\"), TURN_MORE);
    assert_int_equal(say(&t, "three"), TURN_READY);
    assert_turn(&t, "one\n\"\"\"two\nthree", false);
    assert_int_equal(say(&t, "one\\"), TURN_MORE);
    assert_int_equal(turn_over(&t, &err), TURN_READY);
    assert_turn(&t, "one\n", false);
    assert_int_equal(say(&t, "\\"), TURN_MORE);
    assert_int_equal(turn_over(&t, &err), TURN_BLANK);
    turn_done(&t);
}

static void test_turn__is_what_stands_between_quotes(void **state)
{
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(say(&t, "\"\"\"one\"\"\""), TURN_READY);
    assert_turn(&t, "one", true);
    assert_int_equal(say(&t, "\"\"\""), TURN_MORE);
    assert_int_equal(say(&t, "/one\\"), TURN_MORE);
    assert_int_equal(say(&t, ""), TURN_MORE);
    assert_int_equal(say(&t, "two \"\"\" more"), TURN_MORE);
    assert_int_equal(say(&t, "\"\"\""), TURN_READY);
    assert_turn(&t, "/one\\\n\ntwo \"\"\" more\n", true);
    assert_int_equal(say(&t, "\"\"\"\"\"\""), TURN_BLANK);
    assert_int_equal(t.state, TURN_FRESH);
    turn_done(&t);
}

static void test_turn__that_is_pasted_is_one(void **state)
{
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(say(&t, "/usr/bin\n/etc"), TURN_READY);
    assert_turn(&t, "/usr/bin\n/etc", true);
    assert_int_equal(say(&t, "\"\"\"a\nb\"\"\""), TURN_READY);
    assert_turn(&t, "a\nb", true);
    assert_int_equal(say(&t, "\"\"\"a\nb"), TURN_MORE);
    assert_int_equal(say(&t, "c\nd\"\"\""), TURN_READY);
    assert_turn(&t, "a\nb\nc\nd", true);
    turn_done(&t);
}

/* Lines behind the closing quotes were glued to the last one before them, and were lost without a
 * word when nothing stood between the quotes. */
static void test_turn__keeps_what_is_pasted_behind_the_quotes(void **state)
{
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(say(&t, "\"\"\"a\"\"\"\nrest"), TURN_READY);
    assert_turn(&t, "a\nrest", true);
    assert_int_equal(say(&t, "\"\"\"\na\n\"\"\"\nrest\nmore"), TURN_READY);
    assert_turn(&t, "a\nrest\nmore", true);
    assert_int_equal(say(&t, "\"\"\"\n\"\"\"\n/rest"), TURN_READY);
    assert_turn(&t, "/rest", true);
    assert_int_equal(say(&t, "\"\"\"\n\"\"\"\n \n"), TURN_BLANK);
    turn_done(&t);
}

static void test_turn__refuses_what_is_no_text(void **state)
{
    struct err err;
    struct turn t;

    (void)state;
    turn_init(&t);
    assert_int_equal(turn_line(&t, "a\xff", 2, &err), TURN_BAD);
    assert_non_null(strstr(err.text, "UTF-8"));
    assert_int_equal(say(&t, "\"\"\"open"), TURN_MORE);
    assert_int_equal(turn_line(&t, "a\0b", 3, &err), TURN_BAD);
    assert_non_null(strstr(err.text, "NUL"));
    assert_int_equal(t.state, TURN_FRESH); /* the quotes are forgotten, too */
    assert_int_equal(say(&t, "\"\"\"open"), TURN_MORE);
    assert_int_equal(turn_over(&t, &err), TURN_BAD);
    assert_non_null(strstr(err.text, "\"\"\""));
    turn_done(&t);
}

static void test_turn__has_a_limit(void **state)
{
    static char line[PROMPT_MAX / 2 + 1];
    struct err err;
    struct turn t;

    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\\';
    turn_init(&t);
    assert_int_equal(turn_line(&t, line, sizeof line, &err), TURN_MORE);
    assert_int_equal(turn_line(&t, line, sizeof line, &err), TURN_BAD);
    assert_non_null(strstr(err.text, "8388608"));
    assert_int_equal(say(&t, "short"), TURN_READY);
    turn_done(&t);
}

/* ---- settings ---- */
static void assert_settings(const json_t *settings, const char *text)
{
    json_t *wanted = json_loads(text, 0, NULL);

    assert_non_null(wanted);
    if (!json_equal(settings, wanted))
        fail_msg("%s, not %s", json_dumps(settings, JSON_COMPACT), text);
    json_decref(wanted);
}

static void test_settings__take_what_a_person_types(void **state)
{
    json_t *s = json_object();
    struct err err;

    (void)state;
    assert_int_equal(settings_set(s, "temperature", "0.25", &err), 0);
    assert_int_equal(settings_set(s, "top-k", "7", &err), 0);
    assert_int_equal(settings_set(s, "stop", "END", &err), 0);
    assert_int_equal(settings_set(s, "stop", "\"\\n\\n\"", &err), 0);
    assert_int_equal(settings_set(s, "logit_bias", "15=-2.5", &err), 0);
    assert_int_equal(settings_set(s, "logit_bias", "16=3", &err), 0);
    assert_int_equal(settings_set(s, "ignore_eos", "on", &err), 0);
    assert_int_equal(settings_set(s, "timeout", "5m", &err), 0);
    assert_int_equal(settings_set(s, "json_schema", "{\"type\":\"object\"}", &err), 0);
    assert_settings(s, "{\"temperature\":0.25,\"top_k\":7,\"stop\":[\"END\",\"\\n\\n\"],"
                       "\"logit_bias\":{\"15\":-2.5,\"16\":3.0},\"ignore_eos\":true,"
                       "\"timeout_seconds\":300.0,\"json_schema\":{\"type\":\"object\"}}");
    assert_int_equal(settings_set(s, "stop", "default", &err), 0);
    assert_null(json_object_get(s, "stop"));
    json_decref(s);
}

static void test_settings__are_judged_as_the_worker_does(void **state)
{
    static const char *const bad[][3] = {
        {"temperature", "3", "temperature must be a number from 0 to 2"},
        {"temperature", "warm", "temperature takes a number, not 'warm'"},
        {"top_p", "-0.1", "top_p"},
        {"top_k", "1.5", "top_k must be an integer"},
        {"max_tokens", "0", "max_tokens"},
        {"seed", "9007199254740992", "seed"},
        {"stop", "\"open", "in quotes"},
        {"logit_bias", "x=1", "logit_bias"},
        {"logit_bias", "1=1000", "-100 to 100"},
        {"json_schema", "{\"a\":", "not JSON"},
        {"json_schema", "/nowhere/schema", "/nowhere/schema"},
        {"grammar", "/nowhere/grammar", "/nowhere/grammar"},
        {"ignore_eos", "maybe", "on or off"},
        {"timeout", "soon", "a time"},
        {"temprature", "1", "did you mean temperature"},
        {"messages", "[]", "no setting 'messages'"},
    };
    json_t *s = json_object();
    struct err err;

    (void)state;
    assert_int_equal(settings_set(s, "temperature", "0.5", &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(settings_set(s, bad[i][0], bad[i][1], &err) < 0);
        if (!strstr(err.text, bad[i][2]))
            fail_msg("'%s' does not say '%s'", err.text, bad[i][2]);
        assert_settings(s, "{\"temperature\":0.5}");
    }
    json_decref(s);
}

static void test_settings__shown_with_their_defaults(void **state)
{
    json_t *s = json_pack("{s:f}", "top_p", 0.5);
    struct err err;
    struct buf text;

    (void)state;
    buf_init(&text, SETTINGS_TEXT_MAX);
    assert_int_equal(settings_show(s, NULL, &text, &err), 0);
    assert_non_null(strstr(buf_str(&text), "  top_p               0.5 "));
    assert_non_null(strstr(buf_str(&text), "  temperature         0.8 "));
    buf_clear(&text);
    assert_int_equal(settings_show(s, "top-p", &text, &err), 0);
    assert_null(strstr(buf_str(&text), "temperature"));
    assert_int_equal(settings_show(s, "nothing", &text, &err), ERR_INVALID);
    buf_done(&text);
    json_decref(s);
}

static void test_settings__make_a_request(void **state)
{
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "hi");
    json_t *s = json_pack("{s:f, s:[s]}", "temperature", 0.0, "stop", "END");
    struct inference_request r;
    struct err err;

    (void)state;
    inference_request_init(&r);
    assert_int_equal(settings_fill(s, messages, &r, &err), 0);
    assert_true(json_equal(r.messages, messages));
    assert_true(r.temperature == 0 && r.n_stop == 1);
    assert_string_equal(r.stop[0], "END");
    assert_int_equal(r.max_tokens, SETTINGS_MAX_TOKENS);
    assert_false(r.seed_given);
    assert_int_equal(strlen(r.job_id), 36);
    inference_request_done(&r);
    json_decref(s);
    json_decref(messages);
}

static void test_settings__of_the_command_line(void **state)
{
    struct sampling o;
    struct inference_request r;
    struct err err;
    json_t *s;

    (void)state;
    sampling_init(&o);
    o.max_tokens = SETTINGS_MAX_TOKENS;
    inference_request_init(&r);
    assert_int_equal(sampling_fill(&o, &r, &err), 0);
    s = settings_of(&r);
    assert_settings(s, "{}");
    json_decref(s);
    inference_request_done(&r);
    o.max_tokens = 256; /* the worker's default, but not a conversation's */
    o.temperature = 0.5;
    o.seed = 7;
    o.seed_given = o.ignore_eos = true;
    o.presence_penalty = 1;
    o.stop = (struct cli_list){.items = {"a", "b"}, .n = 2};
    o.logit_bias = (struct cli_list){.items = {"5=-100"}, .n = 1};
    assert_int_equal(sampling_fill(&o, &r, &err), 0);
    s = settings_of(&r);
    assert_settings(
        s, "{\"max_tokens\":256,\"temperature\":0.5,\"seed\":7,\"ignore_eos\":true,"
           "\"presence_penalty\":1.0,\"stop\":[\"a\",\"b\"],\"logit_bias\":{\"5\":-100.0}}");
    json_decref(s);
    inference_request_done(&r);
}

/* A talk that was kept with --temperature 0 went on with it, though --temperature 0.8 was given:
 * what is the default was taken for not given. */
static void test_settings__the_default_given_as_an_option_takes_one_back(void **state)
{
    static const char *const resumed =
        "{\"max_tokens\":50,\"temperature\":0.0,\"top_p\":0.5,\"top_k\":1,\"min_p\":0.5,"
        "\"repetition_penalty\":1.5,\"presence_penalty\":1.0,\"frequency_penalty\":1.0,"
        "\"timeout_seconds\":5.0,\"seed\":3}";
    struct sampling o;
    const struct cli_opt opts[] = {SAMPLING_OPTS(o), {0}};
    const struct cli_command chat = {.name = "chat"};
    char words[][32] = {"--max-tokens=2147483647",
                        "--temperature=0.8",
                        "--top-p=0.95",
                        "--top-k=40",
                        "--min-p=0.05",
                        "--repetition-penalty=1",
                        "--presence-penalty=0",
                        "--frequency-penalty=0",
                        "--timeout=0"};
    char *argv[sizeof words / sizeof words[0]];
    json_t *settings = json_loads(resumed, 0, NULL);
    struct err err;

    (void)state;
    sampling_init(&o);
    o.max_tokens = SETTINGS_MAX_TOKENS;
    assert_int_equal(settings_take(settings, &o, &err), 0);
    assert_settings(settings, resumed);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        argv[i] = words[i];
    assert_int_equal(
        cli_parse("rbee-keeper", &chat, opts, sizeof argv / sizeof argv[0], argv, NULL, 0, NULL),
        CLI_GO);
    assert_int_equal(settings_take(settings, &o, &err), 0);
    assert_settings(settings, "{\"seed\":3}");
    json_decref(settings);
}

/* With a grammar kept in the talk, --json-schema was "only one of json_schema and grammar may be
 * given..", with two full stops: options given win, so one takes the other's place. */
static void test_settings__a_form_given_as_an_option_takes_the_others_place(void **state)
{
    json_t *settings = json_loads("{\"grammar\":\"root ::= \\\"a\\\"\",\"top_k\":1}", 0, NULL);
    struct sampling o;
    struct err err;

    (void)state;
    sampling_init(&o);
    o.max_tokens = SETTINGS_MAX_TOKENS;
    o.json_schema = "{\"type\":\"object\"}";
    assert_int_equal(settings_take(settings, &o, &err), 0);
    assert_settings(settings, "{\"json_schema\":{\"type\":\"object\"},\"top_k\":1}");
    json_object_set_new(settings, "grammar", json_string("root ::= \"a\""));
    assert_int_equal(settings_check(settings, &err), ERR_INVALID);
    assert_string_equal(err.text, "only one of json_schema and grammar may be given");
    json_decref(settings);
}

static void test_sampling__refuses_what_no_worker_takes(void **state)
{
    struct sampling base, o;
    struct inference_request r;
    struct err err;

    (void)state;
    sampling_init(&base);
    inference_request_init(&r);
    o = base;
    o.timeout_ms = -1;
    assert_int_equal(sampling_fill(&o, &r, &err), ERR_INVALID);
    o = base;
    o.logit_bias = (struct cli_list){.items = {"5"}, .n = 1};
    assert_int_equal(sampling_fill(&o, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "15=-2.5"));
    inference_request_done(&r);
    o = base;
    o.json_schema = "[1]";
    assert_true(sampling_fill(&o, &r, &err) < 0); /* no object: a file's name, which is not there */
    assert_non_null(strstr(err.text, "--json-schema"));
    o.grammar = "x";
    assert_int_equal(sampling_fill(&o, &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "only one of"));
    inference_request_done(&r);
}

/* ---- files ---- */
static void fill(struct conversation *c)
{
    struct err err;

    assert_int_equal(conversation_init(c, &err), 0);
    c->model = str_dup("hf:org/repo:Q4_K_M");
    assert_int_equal(conversation_set_system(c, "Be brief.", &err), 0);
    assert_int_equal(settings_set(c->settings, "temperature", "0.5", &err), 0);
    assert_int_equal(conversation_add_user(c,
                                           "Gr\xc3\xbc\xc3\x9f"
                                           "e\n\"x\"",
                                           11, &err),
                     0);
    assert_int_equal(conversation_add_answer(c, "Hello", "hm", true, &err), 0);
}

static void test_conversation__comes_back_as_it_was_saved(void **state)
{
    static const char *const files[] = {"c.json", "c.json.tmp-4711", NULL};
    char *folder = make_folder(), *path = path_join(folder, files[0]),
         *left = path_join(folder, "c.json.rbee.tmp-4711"), /* by a keeper that was killed */
             *another = path_join(folder, files[1]);        /* by whatever program */
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    struct conversation c, again;
    struct stat st;
    struct err err;

    (void)state;
    fill(&c);
    assert_int_equal(path_write_file(left, "{}", 2, 0600, NULL), 0);
    assert_int_equal(path_write_file(another, "{}", 2, 0600, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, left, long_ago, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, another, long_ago, 0), 0);
    assert_int_equal(conversation_save(&c, path, &err), 0);
    assert_false(path_is_file(left));
    assert_true(path_is_file(another));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(conversation_load(path, &again, &err), 0);
    assert_string_equal(again.model, c.model);
    assert_string_equal(again.system_text, c.system_text);
    assert_true(json_equal(again.settings, c.settings));
    assert_true(json_equal(again.messages, c.messages));
    conversation_done(&again);
    conversation_drop(&c); /* one of ours may be written over */
    assert_int_equal(conversation_save(&c, path, &err), 0);
    assert_int_equal(conversation_load(path, &again, &err), 0);
    assert_int_equal(conversation_count(&again), 1);
    conversation_done(&again);
    conversation_done(&c);
    free(path);
    free(left);
    free(another);
    remove_folder(folder, files);
}

/* The link was replaced by a file of its own, and the one that it pointed to stayed as it was: to
 * whoever keeps conversations in another folder, /save had done nothing. */
static void test_conversation__is_saved_behind_a_link(void **state)
{
    static const char *const files[] = {"real.json", "link.json", NULL};
    char *folder = make_folder(), *real = path_join(folder, files[0]),
         *name = path_join(folder, files[1]);
    struct conversation c, again;
    struct stat st;
    struct err err;

    (void)state;
    fill(&c);
    assert_int_equal(conversation_save(&c, real, &err), 0);
    conversation_drop(&c);
    assert_int_equal(symlink(files[0], name), 0);
    assert_int_equal(conversation_save(&c, name, &err), 0);
    assert_int_equal(lstat(name, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(conversation_load(real, &again, &err), 0);
    assert_int_equal(conversation_count(&again), 1);
    conversation_done(&again);
    conversation_done(&c);
    free(real);
    free(name);
    remove_folder(folder, files);
}

static void test_conversation__is_sent_without_our_marks(void **state)
{
    struct conversation c;
    json_t *sent,
        *wanted = json_loads(
            "[{\"role\":\"system\",\"content\":\"Be brief.\"},"
            "{\"role\":\"user\",\"content\":\"Gr\\u00fc\\u00dfe\\n\\\"x\\\"\"},"
            "{\"role\":\"assistant\",\"content\":\"Hello\",\"reasoning_content\":\"hm\"}]",
            0, NULL);

    (void)state;
    fill(&c);
    sent = conversation_messages(&c);
    assert_true(json_equal(sent, wanted));
    assert_true(json_is_true(json_object_get(json_array_get(c.messages, 1), "cut")));
    json_decref(sent);
    json_decref(wanted);
    conversation_done(&c);
}

static void test_conversation__never_overwrites_anything_else(void **state)
{
    static const char *const files[] = {"notes", NULL};
    char *folder = make_folder(), *path = path_join(folder, files[0]), *text;
    struct conversation c;
    struct err err;

    (void)state;
    fill(&c);
    write_text(path, "important");
    assert_int_equal(conversation_save(&c, path, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "holds no conversation"));
    text = read_text(path);
    assert_string_equal(text, "important");
    assert_int_equal(conversation_save(&c, folder, &err), ERR_CONFLICT);
    assert_true(conversation_save(&c, "/nowhere/at/all", &err) < 0);
    free(text);
    conversation_done(&c);
    free(path);
    remove_folder(folder, files);
}

/* What was at the other end of a pipe heard no more: a file had its name. With root, /dev/null was
 * one. */
static void test_conversation__replaces_no_pipe(void **state)
{
    static const char *const files[] = {"link", "pipe", NULL};
    char *folder = make_folder(), *name = path_join(folder, files[0]),
         *pipe = path_join(folder, files[1]);
    const char *const places[] = {pipe, name};
    struct conversation c;
    struct stat st;
    struct err err;

    (void)state;
    fill(&c);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink(files[1], name), 0);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        assert_int_equal(conversation_save(&c, places[i], &err), ERR_CONFLICT);
        assert_non_null(strstr(err.text, "is no file"));
        assert_int_equal(stat(places[i], &st), 0);
        assert_true(S_ISFIFO(st.st_mode));
    }
    conversation_done(&c);
    free(name);
    free(pipe);
    remove_folder(folder, files);
}

static void test_conversation__refuses_a_bad_file_with_a_reason(void **state)
{
    static const char *const bad[][2] = {
        {"", "not JSON"},
        {"{\"rbee_chat\":1", "line 1"},
        {"[]", "no conversation of ours"},
        {"{\"messages\":[]}", "rbee_chat"},
        {"{\"rbee_chat\":2,\"messages\":[]}", "version 2"},
        {"{\"rbee_chat\":1}", "messages are not an array"},
        {"{\"rbee_chat\":1,\"messages\":[{}]}", "messages[0].role"},
        {"{\"rbee_chat\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"},7]}",
         "messages[1].role"},
        {"{\"rbee_chat\":1,\"messages\":[{\"role\":\"user\",\"content\":1}]}",
         "messages[0].content"},
        {"{\"rbee_chat\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\\u0000b\"}]}",
         "messages[0].content"},
        {"{\"rbee_chat\":1,\"messages\":[],\"model\":7}", "model"},
        {"{\"rbee_chat\":1,\"messages\":[],\"settings\":[]}", "settings"},
        {"{\"rbee_chat\":1,\"messages\":[],\"settings\":{\"temperature\":9}}", "from 0 to 2"},
        {"{\"rbee_chat\":1,\"messages\":[],\"settings\":{\"prompt\":\"x\"}}",
         "no setting 'prompt'"},
    };
    struct conversation c = {.model = NULL};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(conversation_parse(bad[i][0], strlen(bad[i][0]), &c, &err) < 0);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("'%s' does not say '%s'", err.text, bad[i][1]);
        assert_null(c.messages);
    }
    assert_int_equal(conversation_load("/nowhere/at/all", &c, &err), ERR_NOT_FOUND);
}

/* ---- history ---- */
/* A line too long within a text of several was left out, and the rest sent as if it had been all.
 */
static void test_turn__that_lacks_a_line_is_sent_to_nobody(void **state)
{
    struct turn t;
    struct err err;

    (void)state;
    turn_init(&t);
    assert_int_equal(turn_line(&t, "\"\"\"one", 6, &err), TURN_MORE);
    turn_spoil(&t);
    assert_int_equal(turn_line(&t, "/bye", 4, &err), TURN_MORE); /* no command */
    assert_int_equal(turn_line(&t, "two\"\"\"", 6, &err), TURN_BAD);
    assert_non_null(strstr(err.text, "none of it was sent"));
    assert_int_equal(turn_line(&t, "three", 5, &err), TURN_READY);
    assert_string_equal(buf_str(&t.text), "three");
    turn_clear(&t);
    assert_int_equal(turn_line(&t, "four\\", 5, &err), TURN_MORE);
    turn_spoil(&t);
    assert_int_equal(turn_line(&t, "five", 4, &err), TURN_READY);
    assert_string_equal(buf_str(&t.text), "five");
    turn_done(&t);
}

/* A link to a file elsewhere became a file of its own once there was too much in it. */
static void test_history__a_link_to_it_stays(void **state)
{
    static const char *const files[] = {"real", "link", NULL};
    char *folder = make_folder(), *real = path_join(folder, "real"),
         *link = path_join(folder, "link");
    struct history h;
    struct stat st;
    struct err err;
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 1100; i++)
        buf_printf(&text, "\"entry %d\"\n", i);
    assert_int_equal(path_write_file(real, buf_str(&text), text.len, 0600, &err), 0);
    assert_int_equal(symlink(real, link), 0);
    assert_int_equal(history_open(link, &h, &err), 0);
    assert_int_equal(h.n, 1000);
    history_close(&h);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(history_open(real, &h, &err), 0);
    assert_string_equal(h.items[0], "entry 100");
    history_close(&h);
    buf_done(&text);
    remove_folder(folder, files);
    free(real);
    free(link);
}

static void test_history__is_kept_for_its_owner(void **state)
{
    static const char *const files[] = {"home/h", NULL};
    char *folder = make_folder(), *path = path_join(folder, files[0]),
         *home = path_join(folder, "home");
    struct history h;
    struct stat st;
    struct err err;

    (void)state;
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 0);
    assert_int_equal(history_add(&h, "one\ntwo", &err), 0);
    assert_int_equal(history_add(&h, "one\ntwo", &err), 0); /* the last again: once */
    assert_int_equal(history_add(&h, "/help", &err), 0);
    history_close(&h);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.items[0], "one\ntwo");
    assert_string_equal(h.items[1], "/help");
    history_close(&h);
    unlink(path);
    rmdir(home);
    free(home);
    free(path);
    remove_folder(folder, files);
}

static void test_history__passes_over_lines_that_are_none(void **state)
{
    static const char *const files[] = {"h", NULL};
    char *folder = make_folder(), *path = path_join(folder, files[0]);
    struct history h;
    struct err err;

    (void)state;
    write_text(path, "\"a\"\nrubbish\n{}\n\"\"\n\n\"b\"\n\"cut of");
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.items[1], "b");
    history_close(&h);
    free(path);
    remove_folder(folder, files);
}

/* A machine that lost its power leaves zeros in a file, or half a line at its end. The zeros hid
 * all that stood behind them; what was typed next became the rest of the half line, and both were
 * lost. */
static void test_history__loses_no_line_to_zeros_or_half_a_line(void **state)
{
    static const char *const files[] = {"h", NULL};
    static const char zeros[] = "\"a\"\n\0\0\0\n\"b\"\n\"half a l";
    char *folder = make_folder(), *path = path_join(folder, files[0]);
    struct history h;
    struct err err;

    (void)state;
    assert_int_equal(path_write_file(path, zeros, sizeof zeros - 1, 0600, &err), 0);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 2);
    assert_int_equal(history_add(&h, "c", &err), 0);
    assert_int_equal(history_add(&h, "d", &err), 0);
    history_close(&h);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 4);
    assert_string_equal(h.items[1], "b");
    assert_string_equal(h.items[2], "c");
    assert_string_equal(h.items[3], "d");
    history_close(&h);
    free(path);
    remove_folder(folder, files);
}

static int add_with_limit(struct history *h, const char *text, rlim_t file_bytes, struct err *err)
{
    struct rlimit before, few;
    int rc;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    few = (struct rlimit){file_bytes, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    rc = history_add(h, text, err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    return rc;
}

/*
 * On a disk that was full for a moment half of an entry was written: the next one was glued to it,
 * and lost with it, and the message ended with whatever error had been the last one before.
 */
static void test_history__loses_no_line_to_one_that_did_not_fit(void **state)
{
    char path[] = "/tmp/rbee-history-XXXXXX";
    struct history h;
    struct err err = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(history_add(&h, "first", &err), 0);
    errno = 0;
    assert_int_equal(add_with_limit(&h, "one that is longer than the room", 20, &err),
                     ERR_NO_SPACE);
    assert_non_null(strstr(err.text, strerror(ENOSPC)));
    assert_int_equal(history_add(&h, "second", &err), 0);
    assert_int_equal(history_add(&h, "third", &err), 0);
    history_close(&h);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.items[0], "first");
    assert_string_equal(h.items[1], "second");
    assert_string_equal(h.items[2], "third");
    history_close(&h);
    unlink(path);
}

static void test_history__is_cut_down_when_it_is_opened(void **state)
{
    static const char *const files[] = {"h", NULL};
    char *folder = make_folder(), *path = path_join(folder, files[0]), *text;
    struct buf all;
    struct history h;
    struct err err;

    (void)state;
    buf_init(&all, 1 << 20);
    for (int i = 0; i < HISTORY_MAX + 5; i++)
        buf_printf(&all, "\"%d\"\n", i);
    write_text(path, buf_str(&all));
    buf_done(&all);
    assert_int_equal(history_open(path, &h, &err), 0);
    assert_int_equal(h.n, HISTORY_MAX);
    assert_string_equal(h.items[0], "5");
    history_close(&h);
    text = read_text(path);
    assert_true(str_starts(text, "\"5\"\n\"6\"\n"));
    free(text);
    free(path);
    remove_folder(folder, files);
}

/* ---- answers ---- */
static void test_answer__keeps_both_texts_apart(void **state)
{
    struct answer a;

    (void)state;
    answer_init(&a, NULL, true);
    a.keep = true;
    answer_thought(&a, "hm", 2);
    answer_content(&a, "\n\nYes", 5);
    answer_content(&a, ".", 1);
    assert_string_equal(buf_str(&a.text), "\n\nYes.");
    assert_string_equal(buf_str(&a.thoughts), "hm");
    answer_clear(&a);
    assert_string_equal(buf_str(&a.text), "");
    answer_done(&a);
}

/* ---- figures ---- */
static void test_figures__say_what_an_answer_took(void **state)
{
    json_t *event = json_pack("{s:i, s:i, s:i, s:i, s:i, s:s}", "tokens_out", 20, "decode_time_ms",
                              400, "prompt_tokens", 57, "cached_tokens", 48, "prefill_time_ms", 12,
                              "stop_reason", "EOS");
    struct figures f = {.first_ms = 31};
    struct buf text;

    (void)state;
    buf_init(&text, FIGURES_LINE_MAX);
    figures_read(&f, event, 0);
    figures_line(&f, &text);
    assert_string_equal(
        buf_str(&text),
        "20 tokens, 50.0 tok/s, first token after 31 ms (the model ended its text)");
    buf_clear(&text);
    figures_more(&f, 4096, &text);
    assert_string_equal(buf_str(&text), "prompt 57 tokens, 48 of them cached, in 12 ms; "
                                        "context 77 of 4096 tokens");
    assert_int_equal(figures_used(&f, 76), 76);
    buf_done(&text);
    json_decref(event);
}

/* A worker's numbers are not the keeper's: their sum is not to overflow, nor a cast. */
static void test_figures__of_a_worker_that_cannot_count(void **state)
{
    const struct figures f = {.prompt_tokens = INT64_MAX, .tokens_out = INT64_MAX};

    (void)state;
    assert_int_equal(figures_used(&f, 4096), 4096);
    assert_int_equal(figures_used(&f, 0), INT64_MAX);
    assert_true(count_whole(-1e300) == 0);
    assert_true(count_whole(0.5) == 0);
    assert_true(count_whole(4096.9) == 4096);
    assert_true(count_whole(1e300) == UINT64_MAX);
    assert_true(count_whole(18446744073709551616.0) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turn__is_a_line),
        cmocka_unit_test(test_turn__goes_on_behind_a_backslash),
        cmocka_unit_test(test_turn__is_what_stands_between_quotes),
        cmocka_unit_test(test_turn__that_is_pasted_is_one),
        cmocka_unit_test(test_turn__keeps_what_is_pasted_behind_the_quotes),
        cmocka_unit_test(test_turn__refuses_what_is_no_text),
        cmocka_unit_test(test_turn__has_a_limit),
        cmocka_unit_test(test_settings__take_what_a_person_types),
        cmocka_unit_test(test_settings__are_judged_as_the_worker_does),
        cmocka_unit_test(test_settings__shown_with_their_defaults),
        cmocka_unit_test(test_settings__make_a_request),
        cmocka_unit_test(test_settings__of_the_command_line),
        cmocka_unit_test(test_settings__the_default_given_as_an_option_takes_one_back),
        cmocka_unit_test(test_settings__a_form_given_as_an_option_takes_the_others_place),
        cmocka_unit_test(test_sampling__refuses_what_no_worker_takes),
        cmocka_unit_test(test_conversation__comes_back_as_it_was_saved),
        cmocka_unit_test(test_conversation__is_saved_behind_a_link),
        cmocka_unit_test(test_conversation__is_sent_without_our_marks),
        cmocka_unit_test(test_conversation__never_overwrites_anything_else),
        cmocka_unit_test(test_conversation__replaces_no_pipe),
        cmocka_unit_test(test_conversation__refuses_a_bad_file_with_a_reason),
        cmocka_unit_test(test_turn__that_lacks_a_line_is_sent_to_nobody),
        cmocka_unit_test(test_history__a_link_to_it_stays),
        cmocka_unit_test(test_history__is_kept_for_its_owner),
        cmocka_unit_test(test_history__passes_over_lines_that_are_none),
        cmocka_unit_test(test_history__loses_no_line_to_zeros_or_half_a_line),
        cmocka_unit_test(test_history__loses_no_line_to_one_that_did_not_fit),
        cmocka_unit_test(test_history__is_cut_down_when_it_is_opened),
        cmocka_unit_test(test_answer__keeps_both_texts_apart),
        cmocka_unit_test(test_figures__say_what_an_answer_took),
        cmocka_unit_test(test_figures__of_a_worker_that_cannot_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
