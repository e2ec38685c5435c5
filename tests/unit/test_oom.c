/*
 * What happens when memory runs out: parsers and containers with each of their allocations failing
 * in turn. None may crash, leak, or give half a result for a whole one.
 */
#include "oom.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "api/inference.h"
#include "api/json_whole.h"
#include "api/modelref.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "chat/template.h"
#include "config/config.h"
#include "engine/engine.h"
#include "grammar/grammar.h"
#include "jinja/jinja.h"
#include "net/http_client.h"
#include "net/http_parse.h"
#include "net/sse.h"
#include "random_model.h"
#include "worker/jobs/dialog.h"
#include "worker/sandbox/sources.h"

#define TEXT_MAX (1u << 20)

/* ---- base ---------------------------------------------------------------- */

static int fill_a_buf(void)
{
    char large[5000];
    struct buf b;
    int rc;

    memset(large, 'x', sizeof large);
    buf_init(&b, TEXT_MAX);
    buf_puts(&b, "a");
    buf_printf(&b, "%d %s", 7, "words");
    buf_put(&b, large, sizeof large);
    json_put_string(&b, "a\"b\n", 4);
    rc = buf_failed(&b) ? ERR_NO_MEMORY : 0;
    if (rc == 0 && b.len != 1 + 7 + sizeof large + 8)
        rc = OOM_WRONG;
    buf_done(&b);
    return rc;
}

static int make_texts(void)
{
    char *joined = path_join("/a", "b"), *printed = str_printf("%s-%d", "c", 1), *name = NULL;
    int rc = path_safe_component("../x y", &name, NULL);

    if (!joined || !printed)
        rc = ERR_NO_MEMORY;
    if (rc == 0 && (!str_eq(joined, "/a/b") || !str_eq(printed, "c-1")))
        rc = OOM_WRONG;
    free(joined);
    free(printed);
    free(name);
    return rc;
}

static void test_oom__base(void **state)
{
    (void)state;
    oom_run(fill_a_buf, false);
    oom_run(make_texts, false);
}

/* ---- config -------------------------------------------------------------- */

static char home[] = "/tmp/rbee-oom-XXXXXX";

static int read_config(void)
{
    struct err err = {0};
    struct config *c;
    int rc = config_open(home, &c, &err);

    if (rc)
        return rc;
    rc = config_set_flag(c, "hive", "slots", "3", &err);
    if (rc == 0 && (config_int(c, "hive", "slots") != 3 || config_int(c, "hive", "ctx") != 512 ||
                    config_n_nodes(c) != 2))
        rc = OOM_WRONG;
    config_close(c);
    return rc;
}

static void test_oom__config(void **state)
{
    static const char text[] = "[hive]\nctx = 512\nkv_type = q8_0\n"
                               "[nodes]\nbee1 = 10.0.0.1:8080\nbee2 = bee2.home.arpa\n";
    char *file;

    (void)state;
    assert_non_null(mkdtemp(home));
    file = path_join(home, "config.ini");
    assert_int_equal(path_write_file(file, text, sizeof text - 1, 0600, NULL), 0);
    oom_run(read_config, false);
    unlink(file);
    rmdir(home);
    free(file);
}

/* ---- HTTP ---------------------------------------------------------------- */

static int parse_request(void)
{
    static const char text[] = "POST /v1/a%20b?x=1&y=two HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct http_limits limits = http_limits_default();
    enum http_parse_step step = HTTP_PARSE_MORE;
    struct http_request req;
    struct http_parser p;
    size_t at = 0, used = 0;
    int rc = 0;

    http_request_init(&req, &limits);
    http_parse_begin(&p, &req, &limits);
    do {
        step = http_parse_put(&p, text + at, sizeof text - 1 - at, &used);
        at += used;
    } while (step == HTTP_PARSE_HEAD || (step == HTTP_PARSE_MORE && at < sizeof text - 1));
    if (step == HTTP_PARSE_REFUSED) /* of our making, not the client's: a status of the 500s */
        rc = p.fault.status >= 500 ? ERR_NO_MEMORY : OOM_WRONG;
    else if (step != HTTP_PARSE_WHOLE || !str_eq(req.path, "/v1/a b") || req.n_params != 2 ||
             req.body.len != 5 || memcmp(req.body.data, "abcde", 5) != 0)
        rc = OOM_WRONG;
    http_request_done(&req);
    return rc;
}

static bool take_data(void *arg, const char *data, size_t n)
{
    *(unsigned *)arg += n == 3 && memcmp(data, "abc", 3) == 0;
    return true;
}

static void take_comment(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static int read_events(void)
{
    static const char text[] = ": hello\n\ndata: abc\n\ndata: abc\n\n";
    unsigned n_seen = 0;
    struct sse_reader *r = sse_reader_create(take_data, take_comment, &n_seen);
    struct err err = {0};
    int rc = r ? 0 : ERR_NO_MEMORY;

    for (size_t i = 0; rc == 0 && i < sizeof text - 1; i++)
        rc = sse_reader_put(r, text + i, 1, &err);
    if (rc == 0 && n_seen != 2)
        rc = OOM_WRONG;
    sse_reader_free(r);
    return rc;
}

/* A server that answers each request with two bytes, and keeps the connection. */
static struct event_base *loop;
static uint16_t answers_at;
static unsigned n_taken;

static void answer_all(struct bufferevent *bev, void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);

    (void)arg;
    if (end.pos < 0)
        return;
    evbuffer_drain(in, evbuffer_get_length(in));
    bufferevent_write(bev, answer, sizeof answer - 1);
}

static void drop_it(struct bufferevent *bev, short what, void *arg)
{
    (void)what, (void)arg;
    bufferevent_free(bev);
    n_taken--;
}

static void take_it(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address,
                    int n, void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(loop, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)from, (void)address, (void)n, (void)arg;
    bufferevent_setcb(bev, answer_all, NULL, drop_it, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    n_taken++;
}

static struct evconnlistener *listen_for_calls(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    struct evconnlistener *l = evconnlistener_new_bind(loop, take_it, NULL, LEV_OPT_CLOSE_ON_FREE,
                                                       8, (struct sockaddr *)&at, (int)sizeof at);

    assert_non_null(l);
    assert_int_equal(getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&at, &n), 0);
    answers_at = ntohs(at.sin_port);
    return l;
}

#define NOTHING_YET 1

/* Where no answer had begun, nothing is said that could be laid at the server's door. */
static void note_call(void *arg, int rc, const struct http_response *r, const struct err *err)
{
    int *said = arg;
    bool ours = rc == ERR_BUSY || (rc == ERR_NO_MEMORY && r->status == 200);

    *said = rc == 0 || ours ? rc : OOM_WRONG;
    if (rc && err->code != rc)
        *said = OOM_WRONG;
    event_base_loopbreak(loop);
}

static int call_once(struct http_client *c)
{
    char url[64];
    int said = NOTHING_YET, rc;
    struct err err = {0};
    struct http_call_params p = {
        .url = url, .body_max = 100, .arg = &said, .on_done = note_call, .timeout_ms = 10000};

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", answers_at);
    rc = http_call_start(c, &p, NULL, &err);
    while (rc == 0 && said == NOTHING_YET)
        event_base_dispatch(loop);
    return rc ? rc : said;
}

/* The second on the first one's connection. */
static int call_twice(void)
{
    struct http_client *c = NULL;
    struct err err = {0};
    int rc = http_client_create_plain(loop, HTTP_NAMES_REFUSED, &c, &err);

    if (rc == 0)
        rc = call_once(c);
    if (rc == 0)
        rc = call_once(c);
    http_client_free(c);
    return rc;
}

/* A healthy worker was ended after three health checks that its hive had no memory to ask. */
static void test_oom__calls(void **state)
{
    struct evconnlistener *l;

    (void)state;
    loop = event_base_new();
    l = listen_for_calls();
    oom_run(call_twice, false);
    while (n_taken)
        event_base_loop(loop, EVLOOP_ONCE);
    evconnlistener_free(l);
    event_base_free(loop);
}

static void test_oom__http(void **state)
{
    (void)state;
    oom_run(parse_request, false);
    oom_run(read_events, false);
}

/* jansson's copies and texts leave out what there was no memory for: a message went without its
 * text, a call without the names of its arguments. */
#define ORIGINAL "{\"a\": [1, {\"b\": \"c\"}], \"d\": {\"e\": [[]]}, \"f\": 1.5}"
static json_t *original;

static int copy_json(void)
{
    json_t *all = json_copy_all(original), *top = json_copy_top(original);
    struct buf text;
    int rc;

    buf_init(&text, TEXT_MAX);
    rc = json_put_value(&text, original, 0);
    if (!all || !top)
        rc = ERR_NO_MEMORY;
    if ((all && !json_equal(all, original)) || (top && !json_equal(top, original)) ||
        (rc == 0 && !str_eq(buf_str(&text), ORIGINAL)))
        rc = OOM_WRONG;
    buf_done(&text);
    json_decref(all);
    json_decref(top);
    return rc;
}

static void test_oom__copies_are_whole(void **state)
{
    (void)state;
    original = json_loads(ORIGINAL, 0, NULL);
    assert_non_null(original);
    oom_run(copy_json, false);
    json_decref(original);
    assert_null(json_copy_all(NULL));
    assert_null(json_copy_top(NULL));
}

/* ---- api ----------------------------------------------------------------- */

/* Longer than the place that jansson has for a text at first, and then. It lost letters of one. */
#define LONG_TEXT "a prompt of more than sixteen letters, of more than thirty-two, of more than 64"

static int parse_inference(void)
{
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"" LONG_TEXT "\"}],\"stop\":[\"a\",\"b\"],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
        "\"logit_bias\":{\"5\":1.5,\"7\":-2},\"max_tokens\":9,\"temperature\":0.5}";
    struct inference_request r;
    struct api_error e = {0};
    const json_t *text;
    int rc;

    inference_request_init(&r);
    rc = inference_request_parse(body, sizeof body - 1, &r, &e, "worker");
    text = json_object_get(json_array_get(r.messages, 0), "content");
    if (rc == 0 && (r.n_stop != 2 || r.n_logit_bias != 2 || json_array_size(r.tools) != 1 ||
                    !str_eq(json_string_value(text), LONG_TEXT) || r.max_tokens != 9))
        rc = OOM_WRONG;
    api_error_done(&e);
    inference_request_done(&r);
    return rc;
}

/* A request with mistakes: its answer may say less, but it is refused. */
static int refuse_inference(void)
{
    static const char body[] = "{\"prompt\":\"\",\"max_tokens\":-1,\"top_p\":7}";
    struct inference_request r;
    struct api_error e = {0};
    char *text = NULL;
    int rc;

    inference_request_init(&r);
    rc = inference_request_parse(body, sizeof body - 1, &r, &e, "worker");
    if (rc == 0)
        rc = OOM_WRONG;
    else if ((text = api_error_body(&e, "r")))
        rc = 0;
    free(text);
    api_error_done(&e);
    inference_request_done(&r);
    return rc;
}

static int parse_reference(void)
{
    struct model_ref r;
    struct err err = {0};
    int rc = model_ref_parse("hf:org/repo:Q4_K_M@v1", &r, &err);
    char *text = rc ? NULL : model_ref_text(&r);

    if (rc == 0 && !text)
        rc = ERR_NO_MEMORY;
    else if (rc == 0 && !str_eq(text, "hf:org/repo:Q4_K_M@v1"))
        rc = OOM_WRONG;
    free(text);
    model_ref_done(&r);
    return rc;
}

static void test_oom__api(void **state)
{
    (void)state;
    oom_run(parse_inference, false);
    oom_run(refuse_inference, true);
    oom_run(parse_reference, false);
}

/* ---- templates ----------------------------------------------------------- */

static json_t *vars; /* made beforehand: whoever renders has them */

static int render_template(void)
{
    static const char text[] =
        "{% macro f(x) %}<{{ x | upper }}>{% endmacro %}"
        "{% set ns = namespace(n=0) %}{% for m in messages if m.role %}{% set ns.n = ns.n + 1 %}"
        "{{ f(m.role) }}{{ m.content.split(' ')[::-1] | join('-') | trim }}{{ m | tojson }}"
        "{% endfor %}{{ ns.n }}{{ {'a': [1, 2.5, none]} | tojson }}";
    struct jinja_options options;
    struct jinja_program *p;
    struct err err = {0};
    struct buf out;
    int rc = jinja_compile(text, sizeof text - 1, &p, &err);

    if (rc)
        return rc;
    jinja_options_init(&options, 1);
    buf_init(&out, TEXT_MAX);
    rc = jinja_render(p, vars, &options, &out, &err);
    if (rc == 0 && strncmp(buf_str(&out), "<USER>c-b-a{\"role\"", 18) != 0)
        rc = OOM_WRONG;
    buf_done(&out);
    jinja_free(p);
    return rc;
}

static int talk(void)
{
    static const char text[] =
        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
        "{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}{% endfor %}";
    const struct chat_conversation c = {.messages = json_object_get(vars, "messages"),
                                        .tools = json_object_get(vars, "tools")};
    struct chat_template *t;
    struct err err = {0};
    struct buf out;
    bool thinking;
    int rc = chat_template_create(text, sizeof text - 1, "<s>", "</s>", &t, &err);

    if (rc)
        return rc;
    buf_init(&out, TEXT_MAX);
    rc = chat_template_render(t, &c, &out, &thinking, &err);
    if (rc == 0 && (!strstr(buf_str(&out), "a b c") || !strstr(buf_str(&out), "xyz")))
        rc = OOM_WRONG;
    buf_done(&out);
    chat_template_free(t);
    return rc;
}

static json_t *calls;     /* of one message, and their results */
static bool null_content; /* a text beside calls is a message before them */

/* Each call is its own message with its result behind it: none may be missing. */
static int tell_calls(void)
{
    const struct chat_abilities a = {.knows_system = true,
                                     .user_runs = true,
                                     .knows_tools = true,
                                     .knows_calls = true,
                                     .shows_calls = true,
                                     .null_content = null_content,
                                     .content_as_parts = true};
    struct err err = {0};
    json_t *made;
    int rc = chat_messages_make(calls, NULL, &a, &made, &err);
    char *text;

    if (rc)
        return rc;
    text = json_dumps(made, JSON_COMPACT);
    if (!text)
        rc = ERR_NO_MEMORY;
    else if (json_array_size(made) != 5u + null_content ||
             !strstr(text, "\"arguments\":{\"a\":1}") || !strstr(text, "\"arguments\":{\"b\":2}") ||
             !strstr(text, "[{\"type\":\"text\",\"text\":\"well\"}]"))
        rc = OOM_WRONG;
    free(text);
    json_decref(made);
    return rc;
}

/* Told as text, with names at the results: none may be missing either. */
static int tell_calls_as_text(void)
{
    const struct chat_abilities a = {.knows_system = true,
                                     .user_runs = true,
                                     .knows_tools = true,
                                     .knows_calls = true,
                                     .parallel_calls = true,
                                     .format = chat_format_of("<tool_call> arguments")};
    struct err err = {0};
    json_t *made;
    int rc = chat_messages_make(calls, NULL, &a, &made, &err);
    const char *text;

    if (rc)
        return rc;
    text = json_string_value(json_object_get(json_array_get(made, 1), "content"));
    if (json_array_size(made) != 4 || !text || !strstr(text, "{\"a\": 1}") ||
        !strstr(text, "{\"b\": 2}") || !json_object_get(json_array_get(made, 2), "name") ||
        !json_object_get(json_array_get(made, 3), "name"))
        rc = OOM_WRONG;
    json_decref(made);
    return rc;
}

static void test_oom__calls_one_by_one(void **state)
{
    (void)state;
    calls = json_loads(
        "[{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": "
        "\"well\","
        " \"tool_calls\": [{\"id\": \"1\", \"function\": {\"name\": \"f\", \"arguments\":"
        " {\"a\":1}}}, {\"id\": \"2\", \"function\": {\"name\": \"f\", \"arguments\":"
        " {\"b\":2}}}]}, {\"role\": \"tool\", \"tool_call_id\": \"2\", \"content\": \"y\"},"
        " {\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"x\"}]",
        0, NULL);
    assert_non_null(calls);
    oom_run(tell_calls, true); /* jansson may write the text with less */
    null_content = true;
    oom_run(tell_calls, true);
    oom_run(tell_calls_as_text, true);
    json_decref(calls);
}

static void test_oom__templates(void **state)
{
    (void)state;
    vars =
        json_loads("{\"messages\": [{\"role\": \"user\", \"content\": \"a b c\"},"
                   " {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"1\","
                   " \"function\": {\"name\": \"f\", \"arguments\": \"{\\\"xyz\\\": 1}\"}}]}],"
                   " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]}",
                   0, NULL);
    assert_non_null(vars);
    oom_run(render_template, false);
    /* what is found out about a template by trying it may be less */
    oom_run(talk, false);
    json_decref(vars);
}

/* ---- grammars ------------------------------------------------------------ */

static int match(struct grammar *g, const char *text)
{
    static const struct grammar_token tokens[] = {{"{", 1}, {"\"a\"", 3}, {":", 1}, {"1", 1},
                                                  {"}", 1}, {"ab", 2},    {NULL, 0}};
    struct grammar_vocab *vocab = NULL;
    struct grammar_matcher *m = NULL;
    struct err err = {0};
    int rc = grammar_vocab_create(tokens, sizeof tokens / sizeof tokens[0], &vocab, &err);

    if (rc == 0)
        rc = grammar_matcher_create(g, vocab, &m, &err);
    if (rc == 0 && !grammar_matcher_mask(m))
        rc = grammar_matcher_why(m, &err);
    if (rc == 0)
        rc = grammar_matcher_put(m, text, strlen(text), &err);
    if (rc == 0 && !grammar_matcher_mask(m))
        rc = grammar_matcher_why(m, &err);
    if (rc == 0 && !grammar_matcher_may_end(m))
        rc = OOM_WRONG;
    grammar_matcher_free(m);
    grammar_vocab_free(vocab);
    return rc;
}

static int match_gbnf(void)
{
    static const char text[] = "root ::= \"ab\" item{2,3} [x-z]*\nitem ::= (\"c\" | \"d\")+ \",\"";
    struct grammar *g;
    struct err err = {0};
    int rc = grammar_from_gbnf(text, sizeof text - 1, NULL, &g, &err);

    if (rc)
        return rc;
    rc = match(g, "abcd,c,xyz");
    grammar_free(g);
    return rc;
}

static json_t *schema;

static int match_schema(void)
{
    struct grammar *g;
    struct err err = {0};
    int rc = grammar_from_schema(schema, NULL, &g, &err);

    if (rc)
        return rc;
    rc = match(g, "{\"a\":1}");
    grammar_free(g);
    return rc;
}

static void test_oom__grammars(void **state)
{
    (void)state;
    schema = json_loads("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"},"
                        " \"b\": {\"enum\": [\"x\", \"y\"]}, \"c\": {\"pattern\": \"^[a-c]{2}$\"}},"
                        " \"required\": [\"a\"], \"additionalProperties\": false}",
                        0, NULL);
    assert_non_null(schema);
    /* a table of tokens that only saves time may be missing */
    oom_run(match_gbnf, true);
    oom_run(match_schema, true);
    json_decref(schema);
}

/* ---- model files --------------------------------------------------------- */

static int model_fd;

static int open_model(void)
{
    static const char text[] = "abcd";
    struct engine_model *m;
    struct err err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    int rc = engine_model_open_fds(&model_fd, 1, "random", &m, &err);

    if (rc)
        return rc;
    rc = engine_tokenize(m, text, 4, 0, NULL, &ids, &n, &err);
    free(ids);
    engine_model_close(m);
    return rc;
}

static int make_engine(void)
{
    const struct engine_params params = {
        .n_slots = 2, .n_ctx = 64, .n_batch = 8, .n_threads = 2, .keep_prefixes = true};
    struct engine_row row = {.token = 1, .want_logits = true};
    struct engine_model *m;
    struct engine *e;
    struct err err = {0};
    int rc = engine_model_open_fds(&model_fd, 1, "random", &m, &err);

    if (rc)
        return rc;
    rc = engine_create(m, &params, &e, &err);
    if (rc == 0) {
        row.seq = engine_seq_open(e, &err);
        rc = row.seq < 0 ? row.seq : engine_decode(e, &row, 1, &err);
        engine_free(e);
    }
    engine_model_close(m);
    return rc;
}

static char *model_path;

static int inspect_model(void)
{
    struct err err = {0};
    struct buf out;
    int rc;

    buf_init(&out, TEXT_MAX);
    rc = engine_inspect(model_path, &out, &err);
    if (rc == 0 && !strstr(buf_str(&out), "\"supported\":true"))
        rc = OOM_WRONG;
    buf_done(&out);
    return rc;
}

static const struct random_model small = {.arch = "llama",
                                          .n_layers = 1,
                                          .n_embd = 32,
                                          .n_heads = 2,
                                          .n_kv_heads = 1,
                                          .head_dim = 16,
                                          .n_ff = 32,
                                          .n_ctx = 64,
                                          .types = (const enum tensor_type[]){TYPE_Q8_0, TYPE_F32},
                                          .n_types = 2,
                                          .seed = 1};

static void test_oom__models(void **state)
{
    (void)state;
    model_fd = random_model_fd(&small);
    assert_true(model_fd >= 0);
    model_path = str_printf("/proc/self/fd/%d", model_fd);
    oom_run(open_model, false);
    oom_run(make_engine, false);
    oom_run(inspect_model, false);
    free(model_path);
    close(model_fd);
}

static struct dialog *dialog;

static int tokenize_dialog(void)
{
    struct err err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    int rc = dialog_tokenize(dialog, "a b", 3, SIZE_MAX, NULL, &ids, &n, &err);

    if (rc == 0 && (n < 2 || ids[0] != RANDOM_MODEL_BOS || ids[1] == RANDOM_MODEL_BOS))
        rc = OOM_WRONG;
    free(ids);
    return rc;
}

/* None is given beside the model. */
int sources_template(struct sources *s, char **text, size_t *n_bytes, struct err *err)
{
    (void)s, (void)err;
    *text = NULL;
    *n_bytes = 0;
    return 0;
}

/* No memory for the BOS before a prompt: its tokens were freed there, and by whoever had asked. */
static void test_oom__dialogs(void **state)
{
    struct engine_model *m;
    struct err err;

    (void)state;
    assert_int_equal(random_model_open(&small, &m, &err), 0);
    assert_int_equal(dialog_create(m, NULL, &dialog, &err), 0);
    oom_run(tokenize_dialog, false);
    dialog_free(dialog);
    engine_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oom__base),      cmocka_unit_test(test_oom__config),
        cmocka_unit_test(test_oom__http),      cmocka_unit_test(test_oom__calls),
        cmocka_unit_test(test_oom__api),       cmocka_unit_test(test_oom__copies_are_whole),
        cmocka_unit_test(test_oom__templates), cmocka_unit_test(test_oom__calls_one_by_one),
        cmocka_unit_test(test_oom__grammars),  cmocka_unit_test(test_oom__models),
        cmocka_unit_test(test_oom__dialogs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
