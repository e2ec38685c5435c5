/* test_base.c - the small tools everything else stands on. */
#include <pthread.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/utf8.h"
#include "base/uuid.h"

static void test_err__carries_code_and_sentence(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(err_set(&err, ERR_LIMIT, "%d is more than %d", 7, 5), ERR_LIMIT);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "7 is more than 5");
    err_prefix(&err, "file %s", "x");
    assert_string_equal(err.text, "file x: 7 is more than 5");
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void test_err__long_texts_are_cut_not_overrun(void **state)
{
    struct err err = {0};
    char *text = malloc(3 * ERR_TEXT_MAX);

    (void)state;
    memset(text, 'x', 3 * ERR_TEXT_MAX);
    text[3 * ERR_TEXT_MAX - 1] = '\0';
    err_set(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    free(text);
}

/* Of a file with a name of a kilobyte nobody was told what is wrong with it. */
static void test_err__a_long_text_leaves_room_for_the_reason(void **state)
{
    struct err err = {0};
    char name[ERR_TEXT_MAX], why[ERR_TEXT_MAX + 100];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xD0\xAF", 3);
    err_errno(&err, ERR_IO, ENOENT, "cannot open %s", name);
    assert_true(str_ends(err.text, "\xE2\x80\xA6: No such file or directory"));
    assert_true(str_starts(err.text, "cannot open \xD0\xAF"));
    assert_true(str_is_utf8(err.text, strlen(err.text)));
    err_prefix(&err, "%s", name);
    assert_true(str_starts(err.text, name + sizeof name - 20)); /* of both there is something */
    assert_non_null(strstr(err.text, "\xE2\x80\xA6: cannot open"));
    memset(why, 'x', sizeof why - 1);
    why[sizeof why - 1] = '\0';
    err_set(&err, ERR_IO, "short");
    err_prefix(&err, "%s", "before");
    assert_string_equal(err.text, "before: short");
    err_set(&err, ERR_IO, "%s", why);
    err_prefix(&err, "before");
    assert_true(str_starts(err.text, "before: xxx"));
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

/* A path of Cyrillic letters that was cut within one went into no JSON: the event that should have
 * told of the error was left out. */
static void test_err__texts_are_utf8_wherever_they_are_cut(void **state)
{
    struct err err = {0};

    (void)state;
    err_set(&err, ERR_IO, "%.4s|", "a\xD0\xAF\xD0\xAF");
    assert_string_equal(err.text, "a\xD0\xAF?|");
    err_errno(&err, ERR_IO, 5 /* EIO */, "%s", "mod\xE8les");
    assert_true(str_starts(err.text, "mod?les: "));
    err_set(&err, ERR_IO, "x");
    err_prefix(&err, "%.1s", "\xD0\xAF");
    assert_string_equal(err.text, "?: x");
}

static void test_err__full_disk_is_told_from_other_io(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(err_errno(&err, ERR_IO, 28 /* ENOSPC */, "cannot write %s", "f"),
                     ERR_NO_SPACE);
    assert_int_equal(err_errno(&err, ERR_IO, 5 /* EIO */, "cannot write %s", "f"), ERR_IO);
    assert_non_null(strstr(err.text, "cannot write f: "));
}

static void test_buf__grows_and_stays_terminated(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    assert_string_equal(buf_str(&b), "");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&b, "%d,", i), 0);
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(b.data), b.len);
    buf_drop(&b, 2);
    assert_true(str_starts(b.data, "1,2,"));
    buf_done(&b);
    assert_null(b.data);
}

static void test_buf__refuses_past_its_maximum_and_remembers(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_int_equal(buf_puts(&b, "1234"), 0);
    assert_int_equal(buf_putc(&b, '5'), -1);
    assert_string_equal(buf_str(&b), "1234");
    assert_true(buf_failed(&b));
    assert_int_equal(buf_puts(&b, ""), -1);
    assert_null(buf_take(&b));
    assert_int_equal(buf_put(&b, "12345", 5), -1);
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "ab"), 0);
    buf_done(&b);
}

static void test_str__numbers_are_taken_whole_or_not_at_all(void **state)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "0x10", "1e3", "1.", "--1", "-", "99999999999999999999", "1\n"};
    int64_t i = 42;
    uint64_t u = 42;
    double d;

    (void)state;
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        assert_int_equal(str_to_i64(bad[n], &i), -1);
        assert_int_equal(str_to_u64(bad[n], &u), -1);
    }
    assert_int_equal(i, 42);
    assert_int_equal(u, 42);
    assert_int_equal(str_to_i64("-9223372036854775808", &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(str_to_u64("18446744073709551615", &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_f64("0.25", &d), 0);
    assert_true(d == 0.25);
    assert_int_equal(str_to_f64("-1e2", &d), 0);
    assert_true(d == -100);
    assert_int_equal(str_to_f64("nan", &d), -1);
    assert_int_equal(str_to_f64("inf", &d), -1);
    assert_int_equal(str_to_f64("0x1p3", &d), -1);
    assert_int_equal(str_to_f64("1e999", &d), -1);
    assert_int_equal(str_to_f64("1.5x", &d), -1);
}

static void test_str__durations_and_sizes(void **state)
{
    int64_t ms;
    uint64_t n;

    (void)state;
    assert_int_equal(str_to_duration_ms("5m", &ms), 0);
    assert_int_equal(ms, 300000);
    assert_int_equal(str_to_duration_ms("250ms", &ms), 0);
    assert_int_equal(ms, 250);
    assert_int_equal(str_to_duration_ms("7", &ms), 0);
    assert_int_equal(ms, 7000);
    assert_int_equal(str_to_duration_ms("-1", &ms), 0);
    assert_int_equal(ms, -1);
    assert_int_equal(str_to_duration_ms("5 m", &ms), -1);
    assert_int_equal(str_to_duration_ms("-2s", &ms), -1);
    assert_int_equal(str_to_duration_ms("18446744073709551615h", &ms), -1);
    /* The rest of 64 bits was taken, and sums with it were negative: a request that might wait for
     * ever was refused at once, a worker that had just been given work was killed as stuck. */
    assert_int_equal(str_to_duration_ms("9223372036854775807ms", &ms), -1);
    assert_int_equal(str_to_duration_ms("1000001h", &ms), -1);
    assert_int_equal(str_to_duration_ms(STR_DURATION_MAX_TEXT, &ms), 0);
    assert_true(ms == STR_DURATION_MAX_MS);
    assert_int_equal(str_to_bytes("4k", &n), 0);
    assert_int_equal(n, 4096);
    assert_int_equal(str_to_bytes("2GiB", &n), 0);
    assert_true(n == UINT64_C(2) << 30);
    assert_int_equal(str_to_bytes("4x", &n), -1);
}

/* As Go's programs write durations, Ollama's own among them: `ollama run --keepalive 10m` sends
 * "10m0s". */
static void test_str__reads_durations_of_go(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"10m0s", 600000}, {"1h0m0s", 3600000}, {"1h30m", 5400000},   {"1.5h", 5400000},
                {".5s", 500},      {"1.s", 1000},       {"-1m", -1},          {"-1ns", -1},
                {"+2ms", 2},       {"1ns", 1},          {"1500\xc2\xb5s", 2}, {"2s1h", 3602000},
                {"-0s", 0},        {"0.3s", 300}};
    static const char *const bad[] = {"",      "-",    "s",    ".s",     "1",       "5 m",
                                      "1h30",  "1e3s", "--1s", "1.2.3s", "1d",      "0x1s",
                                      "9e99h", "inf",  ".",    "-.s",    "1000001h"};
    char long_one[400];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ms = -7;
        if (str_to_go_duration_ms(good[i].text, &ms) || ms != good[i].ms)
            fail_msg("%s: %lld", good[i].text, (long long)ms);
    }
    ms = -7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *text = str_dup(bad[i]); /* on the heap, whose bounds sanitizers know */

        if (str_to_go_duration_ms(text, &ms) == 0)
            fail_msg("taken: %s", bad[i]);
        free(text);
    }
    memset(long_one, '9', sizeof long_one);
    memcpy(long_one + sizeof long_one - 2, "h", 2);
    assert_int_equal(str_to_go_duration_ms(long_one, &ms), -1); /* infinite, as a double */
    assert_int_equal(ms, -7);
}

static void test_utf8__what_is_none_is_mended(void **state)
{
    char text[] = "a\xc3\xa9\xf0\x9f\x90\x9d\xc3'\xff\xe2\x82";

    (void)state;
    utf8_mend(text);
    assert_string_equal(text, "a\xc3\xa9\xf0\x9f\x90\x9d?'???");
}

static size_t columns(const char *text)
{
    return utf8_columns(text, strlen(text));
}

static void test_utf8__columns_are_those_of_a_terminal(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } known[] = {
        {"", 0},
        {"tiny.gguf", 9},
        {"t\xc3\xb6rt", 4},
        {"模型", 4},
        {"ｆｕｌｌ", 8},
        {"カ゚", 2},                                   /* a mark that joins */
        {"e\xcc\x81", 1},                            /* the same in Latin */
        {"한글", 4},                                 /* syllables, */
        {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 2}, /* and one in three parts */
        {"a\xe2\x80\x8b\xe2\x81\xa0z", 2},           /* nothing, and a joiner of words */
        {"🐝", 2},
        {"🇩🇪", 2},               /* a flag is two letters */
        {"❤", 1},                /* is text, */
        {"❤\xef\xb8\x8f", 2},    /* and so told to be an emoji */
        {"🐝\xef\xb8\x8f", 2},    /* which this is anyway */
        {"\xf0\x9f\xab\xbf", 2}, /* an emoji to come */
        {"\x80\xff", 2},         /* question marks */
        {"█…✓", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (columns(known[i].text) != known[i].n)
            fail_msg("%zu columns of '%s', not %zu", columns(known[i].text), known[i].text,
                     known[i].n);
}

static void test_utf8__a_text_is_cut_to_columns(void **state)
{
    static const char text[] = "a模e\xcc\x81🐝";
    static const size_t bytes[] = {0, 1, 1, 4, 7, 7, 11, 11};

    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        assert_int_equal(utf8_column_bytes(text, strlen(text), i), bytes[i]);
}

static void test_str__utf8_wholeness(void **state)
{
    (void)state;
    assert_true(str_is_utf8("a\xc3\xa9\xf0\x9f\x90\x9d", 7));
    assert_false(str_is_utf8("\xc0\x80", 2));         /* overlong NUL */
    assert_false(str_is_utf8("\xed\xa0\x80", 3));     /* a surrogate */
    assert_false(str_is_utf8("\xf4\x90\x80\x80", 4)); /* past U+10FFFF */
    assert_int_equal(str_utf8_whole("ab", 2), 2);
    assert_int_equal(str_utf8_whole("a\xc3", 2), 1);
    assert_int_equal(str_utf8_whole("a\xf0\x9f\x90", 4), 1);
    assert_int_equal(str_utf8_whole("a\xf0\x9f\x90\x9d", 5), 5);
    assert_int_equal(str_utf8_whole("a\xff", 2), 2); /* never a beginning: not held back */
    assert_int_equal(str_utf8_whole("\x80\x80\x80\x80", 4), 4);
    assert_int_equal(str_utf8_whole("", 0), 0);
}

static void test_path__components_are_harmless_and_distinct(void **state)
{
    static const char *const texts[] = {"",        ".",     "..",          "../../etc/passwd",
                                        "a/b",     "a%2Fb", "a b",         "%",
                                        ".hidden", "a\\b",  "caf\xc3\xa9", "hf:org/repo@main"};
    char *names[sizeof texts / sizeof texts[0]], *name, longest[PATH_COMPONENT_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(path_safe_component(texts[i], &names[i], NULL), 0);
        assert_null(strchr(names[i], '/'));
        assert_true(names[i][0] != '\0' && names[i][0] != '.');
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(names[i]);
    memset(longest, 'x', sizeof longest);
    longest[PATH_COMPONENT_MAX + 1] = '\0';
    assert_int_equal(path_safe_component(longest, &name, NULL), ERR_LIMIT);
    longest[PATH_COMPONENT_MAX] = '\0';
    assert_int_equal(path_safe_component(longest, &name, NULL), 0);
    free(name);
}

/* The limit is on the spelling, and what was told was the text's length: "a name of 77 bytes is too
 * long for a file (limit 200)". */
/* Of RBEE_HOME=' ' and '~/x', in quotes, folders of these names were made where one stood. */
static void test_path__home_is_a_full_path_or_told(void **state)
{
    char *home = NULL, *was = getenv("RBEE_HOME") ? str_dup(getenv("RBEE_HOME")) : NULL, *here;
    char *was_home = str_dup(getenv("HOME") ? getenv("HOME") : "/");
    struct err err;

    (void)state;
    setenv("HOME", "/home/ann", 1);
    setenv("RBEE_HOME", " \t", 1);
    assert_int_equal(path_rbee_home(NULL, &home, NULL), 0);
    assert_string_equal(home, "/home/ann/.rbee");
    free(home);
    setenv("RBEE_HOME", "~/x", 1);
    assert_int_equal(path_rbee_home(NULL, &home, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "RBEE_HOME is '~/x'"));
    assert_int_equal(path_rbee_home("~/y", &home, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "--home is '~/y'"));
    assert_int_equal(path_rbee_home("/full x", &home, NULL), 0);
    assert_string_equal(home, "/full x");
    free(home);
    setenv("RBEE_HOME", "rel", 1);
    assert_int_equal(path_rbee_home(NULL, &home, NULL), 0);
    here = realpath(".", NULL);
    assert_true(home[0] == '/' && str_starts(home, here) && str_ends(home, "/rel"));
    free(home);
    free(here);
    setenv("HOME", was_home, 1);
    if (was)
        setenv("RBEE_HOME", was, 1);
    else
        unsetenv("RBEE_HOME");
    free(was);
    free(was_home);
}

static void test_path__a_component_that_is_too_long_is_told_as_it_is_spelled(void **state)
{
    struct err err;
    char *name;

    (void)state;
    assert_int_equal(path_safe_length(""), 1);
    assert_int_equal(path_safe_length(".a.\xc3\xa4"), 3 + 1 + 1 + 6);
    assert_int_equal(path_safe_component("                                                  "
                                         "                         x",
                                         &name, &err),
                     ERR_LIMIT);
    assert_non_null(strstr(err.text, "a name of 76 bytes"));
    assert_non_null(strstr(err.text, "it has 226 with"));
    assert_non_null(strstr(err.text, "the limit is 200"));
}

/* A thread's number has a folder in /proc that no list of /proc shows: so it looks where a name
 * leads to what was put there under another spelling. Source: proc(5). */
static void *check_own_folder(void *arg)
{
    char name[64];

    snprintf(name, sizeof name, "/proc/%ld/comm", (long)syscall(SYS_gettid));
    *(int *)arg = path_check_spelling(name, strlen("/proc"), NULL);
    return NULL;
}

static void test_path__a_name_that_leads_elsewhere_is_noticed(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", *file, *deeper, *other;
    int of_thread = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, check_own_folder, &of_thread), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(of_thread, ERR_CONFLICT);
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "Ann");
    deeper = path_join(file, "x/y");
    assert_int_equal(path_check_spelling(deeper, strlen(dir), NULL), 0);
    assert_int_equal(path_make_dirs(file, 0700, NULL), 0);
    assert_int_equal(path_check_spelling(file, strlen(dir), NULL), 0);
    assert_int_equal(path_check_spelling(deeper, strlen(dir), NULL), 0);
    assert_int_equal(path_check_spelling(dir, strlen(dir), NULL), 0);
    assert_null(path_other_spelling(dir, "Ann"));
    assert_null(path_other_spelling(dir, "Anna"));
    assert_null(path_other_spelling(deeper, "x"));
    other = path_other_spelling(dir, "aNN");
    assert_string_equal(other, "Ann");
    rmdir(file);
    rmdir(dir);
    free(other);
    free(file);
    free(deeper);
}

/* A model's folders came again with the root of all models, on another disk than that had been. */
static void test_path__folders_are_made_in_what_is_there_only(void **state)
{
    char root[] = "/tmp/rbee-test-XXXXXX", *one, *two;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(root));
    one = path_join(root, "one");
    two = path_join(one, "two");
    assert_int_equal(path_make_dirs_in(two, strlen(one), 0700, &err), ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, one));
    assert_false(path_is_dir(one));
    assert_int_equal(path_make_dirs_in(two, strlen(root), 0700, NULL), 0);
    assert_int_equal(rmdir(two), 0);
    assert_int_equal(path_make_dirs_in(two, strlen(one), 0700, NULL), 0);
    assert_int_equal(rmdir(two), 0);
    assert_int_equal(rmdir(one), 0);
    assert_int_equal(rmdir(root), 0);
    free(one);
    free(two);
}

/* A bad disk for a moment was taken for a removed model, and what had come of it was deleted. */
static void test_path__gone_is_what_is_not_there_only(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", *path, *beyond;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = path_join(dir, "loop");
    beyond = path_join(path, "x");
    assert_true(path_is_gone(path));
    assert_true(path_is_gone(beyond));
    assert_int_equal(symlink("loop", path), 0); /* ELOOP: nobody can tell */
    assert_false(path_is_gone(path));
    assert_false(path_is_gone(beyond));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(path_write_file(path, "x", 1, 0600, NULL), 0);
    assert_false(path_is_gone(path));
    assert_true(path_is_gone(beyond));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    free(path);
    free(beyond);
}

static void test_path__files_are_written_whole(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", *deep, *file, *text;
    struct err err;
    struct stat st;
    size_t n;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    deep = path_join(dir, "a/b/c");
    assert_int_equal(path_make_dirs(deep, 0700, &err), 0);
    assert_int_equal(path_make_dirs(deep, 0700, &err), 0);
    file = path_join(deep, "f");
    assert_int_equal(path_write_file(file, "one", 3, 0600, &err), 0);
    assert_int_equal(path_write_file(file, "two!", 4, 0600, &err), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(path_read_file(file, 100, &text, &n, &err), 0);
    assert_int_equal(n, 4);
    assert_string_equal(text, "two!");
    free(text);
    assert_int_equal(path_write_open(file, "three", 5, 0600, &fd, &err), 0);
    assert_int_equal(path_read_file(file, 100, &text, &n, &err), 0);
    assert_string_equal(text, "three"); /* there for others, if not for the disk */
    free(text);
    assert_int_equal(path_write_finish(fd, file, &err), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(path_write_open(deep, "x", 1, 0600, &fd, &err), ERR_IO); /* a folder stays */
    assert_int_equal(path_read_file(file, 3, &text, &n, &err), ERR_LIMIT);
    assert_int_equal(path_read_file(deep, 3, &text, &n, &err), ERR_INVALID);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(path_read_file(file, 3, &text, &n, &err), ERR_NOT_FOUND);
    assert_int_equal(mkfifo(file, 0600), 0); /* whoever opened it waited for a writer, for ever */
    alarm(20);
    assert_int_equal(path_read_file(file, 3, &text, &n, &err), ERR_INVALID);
    alarm(0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(deep), 0); /* fails when a temporary file was left behind */
    free(deep);
    free(file);
    deep = path_join(dir, "a/b");
    rmdir(deep);
    free(deep);
    deep = path_join(dir, "a");
    rmdir(deep);
    free(deep);
    rmdir(dir);
}

static void assert_owner(const char *path, uid_t uid)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, uid);
}

/* `sudo rbee-keeper node add` in the home of another made what was not there root's, 0600: every
 * command of hers ended with 2 from then on. */
static void test_path__what_root_makes_is_the_folders_owners(void **state)
{
    char dir[] = "/tmp/rbee-path-XXXXXX";
    const uid_t nobody = 65534;
    char *home, *file, *roots, *log;
    struct err err;
    int fd;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chown(dir, nobody, nobody), 0);
    home = path_join(dir, "deep/home");
    file = path_join(home, "config.ini");
    log = path_join(home, "history");
    roots = path_join(home, "roots");
    assert_int_equal(path_make_dirs(home, 0700, &err), 0);
    assert_owner(home, nobody);
    assert_int_equal(path_write_file(file, "one", 3, 0600, &err), 0);
    assert_owner(file, nobody);
    fd = path_open_made(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_owner(log, nobody);
    assert_int_equal(chown(log, 0, 0), 0); /* what is root's already stays so, and can be opened */
    assert_int_equal(path_write_file(log, "two", 3, 0600, &err), 0);
    assert_owner(log, 0);
    fd = path_open_made(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(home, 0500), 0); /* she may make nothing in there, root may */
    assert_int_equal(path_write_file(roots, "three", 5, 0600, &err), 0);
    assert_int_equal(unlink(file) | unlink(log) | unlink(roots) | rmdir(home), 0);
    home[strlen(home) - strlen("/home")] = '\0';
    assert_int_equal(rmdir(home) | rmdir(dir), 0);
    free(home);
    free(file);
    free(log);
    free(roots);
}

/* A link whose target is not there yet was replaced by the file itself. */
static void test_path__behind_a_link_is_what_is_there_or_is_to_be(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX";
    char *one, *two, *there, *at;

    (void)state;
    assert_non_null(mkdtemp(dir));
    one = path_join(dir, "one"), two = path_join(dir, "two"), there = path_join(dir, "there");
    assert_int_equal(symlink("two", one), 0);
    assert_int_equal(symlink(there, two), 0);
    for (int i = 0; i < 2; i++) { /* not there yet; there */
        at = path_behind_link(one);
        assert_string_equal(at, there);
        free(at);
        assert_int_equal(path_write_file(there, "x", 1, 0600, NULL), 0);
    }
    assert_int_equal(unlink(there), 0);
    assert_int_equal(symlink("one", there), 0); /* round and round: some name, and an end */
    at = path_behind_link(one);
    assert_non_null(at);
    free(at);
    assert_int_equal(unlink(one), 0);
    at = path_behind_link(one);
    assert_string_equal(at, one);
    free(at);
    unlink(two);
    unlink(there);
    assert_int_equal(rmdir(dir), 0);
    free(one);
    free(two);
    free(there);
}

/*
 * Two containers with one home have the same process ids: both wrote into one temporary file, and
 * what one of them had half written was renamed into place by the other. A name that is taken is
 * left to whose it is.
 */
static void test_path__a_write_of_somebody_else_is_left_alone(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", theirs[128], *file, *text;
    struct err err;
    size_t n;

    (void)state;
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "f");
    snprintf(theirs, sizeof theirs, "%s.tmp-%ld", file, (long)getpid());
    assert_int_equal(path_write_file(theirs, "half", 4, 0600, &err), 0);
    assert_int_equal(path_write_file(file, "ours", 4, 0600, &err), 0);
    assert_int_equal(path_read_file(file, 100, &text, &n, &err), 0);
    assert_string_equal(text, "ours");
    free(text);
    assert_int_equal(path_read_file(theirs, 100, &text, &n, &err), 0);
    assert_string_equal(text, "half");
    free(text);
    assert_int_equal(unlink(theirs), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0); /* fails when a temporary file was left behind */
    free(file);
}

/* What a killed writer left lay there for ever, with the keys in it. */
static void test_sweep__takes_copies_of_that_file_and_nothing_else(void **state)
{
    static const char *const gone[] = {"f.tmp-1", "f.tmp-0123456789", "f.rbee.tmp-1"};
    static const char *const stay[] = {"f",        "f.tmp-",   "f.tmp-1x",     "f.tmp-1.gguf",
                                       "xf.tmp-1", "f2.tmp-1", "f.other.tmp-1"};
    const size_t n_gone = sizeof gone / sizeof gone[0], n_stay = sizeof stay / sizeof stay[0];
    char dir[] = "/tmp/rbee-test-XXXXXX", path[128];

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < n_gone + n_stay; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i < n_gone ? gone[i] : stay[i - n_gone]);
        assert_int_equal(path_write_file(path, "x", 1, 0600, NULL), 0);
    }
    snprintf(path, sizeof path, "%s/f", dir);
    sweep_copies(path);
    for (size_t i = 0; i < n_stay; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, stay[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void make_old(const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = time(NULL) - SWEEP_OLD_S - 60}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static char told[256];

static void on_ended(const char *path)
{
    str_copy(told, sizeof told, path);
}

/* In a folder of a person's, where another may be exporting to, too: a killed export's copy, as
 * large as the model, stayed for ever. */
static void test_sweep__leaves_what_is_being_written(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", *path, *held, *left, *swept;
    int fd, other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = path_join(dir, "f");
    fd = path_create_beside(path, 0600, &held);
    other = path_create_beside(path, 0600, &left);
    assert_true(fd >= 0 && other >= 0);
    close(other); /* its writer has ended, and has not renamed it */
    make_old(held);
    sweep_abandoned(path, on_ended);
    assert_true(path_is_file(left)); /* it may be another machine's, which knows no locks of ours */
    make_old(left);
    sweep_abandoned(path, on_ended);
    assert_true(path_is_file(held));
    assert_false(path_is_file(left));
    assert_string_equal(told, left);
    close(fd);

    /* between its making and its being held */
    swept = sweep_name(path, 7);
    fd = open(swept, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    make_old(swept);
    sweep_abandoned(path, NULL);
    assert_false(path_is_file(swept));
    assert_false(path_is_file(held));
    assert_false(sweep_hold(fd));
    close(fd);
    assert_int_equal(rmdir(dir), 0);
    free(path);
    free(held);
    free(left);
    free(swept);
}

/*
 * Many programs write to "NAME.tmp-" and digits, and hold no lock: in the folder that a model was
 * exported to, or a conversation saved in, their files were deleted, even while they were written.
 */
static void test_sweep__leaves_other_programs_files(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", theirs[64], link[64], *path, *ours;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = path_join(dir, "f");
    snprintf(theirs, sizeof theirs, "%s/f.tmp-20261127", dir);
    snprintf(link, sizeof link, "%s/f.rbee.tmp-1", dir);
    assert_int_equal(path_write_file(theirs, "x", 1, 0600, NULL), 0);
    assert_int_equal(symlink(theirs, link), 0);
    make_old(theirs);
    told[0] = '\0';
    sweep_abandoned(path, on_ended);
    assert_string_equal(told, "");
    assert_int_equal(unlink(theirs), 0);
    assert_int_equal(unlink(link), 0);
    ours = sweep_name(path, 1);
    assert_string_equal(ours, link);
    free(ours);
    free(path);
    assert_int_equal(rmdir(dir), 0);
}

/* A name may have NAME_MAX bytes, and a copy's tail is within them, too. */
static void test_sweep__copies_of_files_with_long_names(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", name[NAME_MAX + 1], *path, *temp;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i + 1 < NAME_MAX; i += 2)
        memcpy(name + i, "\xc3\xa9", 3);
    path = path_join(dir, name);
    assert_int_equal(path_write_file(path, "x", 1, 0600, NULL), 0);
    fd = path_create_beside(path, 0600, &temp);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(utf8_valid(temp, strlen(temp)), strlen(temp));
    assert_true(sweep_is_copy(temp));
    sweep_copies(path);
    assert_false(path_is_file(temp));
    assert_int_equal(unlink(path), 0);
    free(path);
    free(temp);
    assert_int_equal(rmdir(dir), 0);
}

static void test_uuid__is_version_4_and_never_twice(void **state)
{
    char a[UUID_BYTES], b[UUID_BYTES];

    (void)state;
    uuid_make(a);
    uuid_make(b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_string_not_equal(a, b);
}

/* One that a client sends stands in logs and answers. */
static void test_uuid__is_told_from_other_texts(void **state)
{
    static const char *const others[] = {"",
                                         "6b1b2e66-5b0e-4b3c-9d7a-1f2e3d4c5b6",
                                         "6b1b2e66-5b0e-4b3c-9d7a-1f2e3d4c5b6aa",
                                         "6b1b2e66-5b0e-4b3c-9d7a-1f2e3d4c5b6A",
                                         "6b1b2e66x5b0e-4b3c-9d7a-1f2e3d4c5b6a",
                                         "6b1b2e66-5b0e-4b3c-9d7a-1f2e3d4c5b\n\n"};
    char a[UUID_BYTES];

    (void)state;
    assert_true(uuid_is_one(uuid_make(a)));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(uuid_is_one(others[i]));
}

static void test_clock__iso_form(void **state)
{
    char text[CLOCK_ISO_BYTES];

    (void)state;
    assert_string_equal(clock_iso8601(1769860800123, text), "2026-01-31T12:00:00.123Z");
    /* There is no room for a year of five digits, and a time no calendar knows was read from
     * memory that nobody had written. */
    assert_string_equal(clock_iso8601(CLOCK_ISO_MAX_MS, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso8601(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso8601(-1, text), "1970-01-01T00:00:00.000Z");
    assert_int_equal(clock_unix_ms_of(&(struct timespec){.tv_sec = 3, .tv_nsec = 4500000}), 3004);
    assert_int_equal(clock_unix_ms_of(&(struct timespec){.tv_sec = -1}), 0);
    assert_true(clock_unix_ms_of(&(struct timespec){.tv_sec = INT64_MAX}) == CLOCK_ISO_MAX_MS);
    assert_true(clock_unix_ms_of(&(struct timespec){.tv_sec = CLOCK_ISO_MAX_MS / 1000}) ==
                CLOCK_ISO_MAX_MS - 999);
}

/* A server may say when instead of how long (RFC 9110, 10.2.3): that was passed over, and it was
 * asked again at once. */
static void test_retry_after__is_seconds_or_a_date(void **state)
{
    const int64_t now_ms = INT64_C(784111777) * 1000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const char *const none[] = {"",
                                       "soon",
                                       "-1",
                                       "1.5",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 CET",
                                       "Sun, 06 Now 1994 08:49:37 GMT",
                                       "Sun, 00 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 GMT,"};

    (void)state;
    assert_int_equal(retry_after_ms("9", now_ms, 60000), 9000);
    assert_int_equal(retry_after_ms("18446744073709551615", now_ms, 60000), 60000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:46 GMT", now_ms, 60000), 9000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:46 GMT", now_ms + 250, 60000), 8750);
    assert_int_equal(retry_after_ms("Mon, 07 Nov 1994 00:00:00 GMT", now_ms, 60000), 60000);
    assert_int_equal(retry_after_ms("Sat, 05 Nov 1994 08:49:37 GMT", now_ms, 60000), 0);
    assert_int_equal(retry_after_ms("Fri, 31 Dec 9999 23:59:60 GMT", now_ms, 60000), 60000);
    assert_int_equal(retry_after_ms("Sat, 01 Jan 0000 00:00:00 GMT", now_ms, 60000), 0);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(retry_after_ms(none[i], now_ms, 60000), -1);
}

static void test_clock__goes_on(void **state)
{
    int64_t before = clock_ms();

    (void)state;
    clock_sleep_ms(20);
    assert_true(clock_ms() - before >= 19); /* whole milliseconds: one may be missing */
}

static const struct cli_command cli_self = {"test", "[WORD]", "tests", NULL, NULL};

/* ---- the log ---- */

static char heard[1 << 18];

/* Adds what was written to a terminal or a pipe meanwhile. */
static void hear(int fd)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    size_t len = strlen(heard);

    while (poll(&in, 1, 1) > 0) {
        ssize_t n = read(fd, heard + len, sizeof heard - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
        heard[len] = '\0';
    }
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* All that the lines told together. A terminal has room in between, for a while. */
static size_t sum_told(const char *text)
{
    unsigned long long n;
    size_t sum = 0;

    for (const char *p = text; (p = strstr(p, "warn  t: ")); p++)
        if (sscanf(p, "warn t: %llu line", &n) == 1)
            sum += n;
    return sum;
}

/* Lines to a standard error that nobody reads; then it is read, and the next line tells. */
static void check_lost(int reader, int writer, size_t line_bytes)
{
    enum { N_LINES = 3000, TRIES = 1000 };
    int kept = dup(STDERR_FILENO);
    size_t n_behind = 0, n_lost;

    heard[0] = '\0';
    assert_true(dup2(writer, STDERR_FILENO) >= 0);
    log_init("t", LOG_INFO);
    for (int i = 0; i < N_LINES; i++)
        log_info("line%0*d", (int)line_bytes, i);
    while (!strstr(heard, "t: behind") && n_behind < TRIES) {
        hear(reader);
        log_info("behind");
        n_behind++;
        hear(reader);
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    log_init("t", LOG_SILENT); /* the terminal is let go of */
    assert_non_null(strstr(heard, " of the log were lost"));
    assert_non_null(strstr(strstr(heard, " of the log were lost"), "t: behind"));
    n_lost = N_LINES - count(heard, "line0");
    assert_in_range(n_lost, 1, N_LINES - 1);
    assert_true(sum_told(heard) >= n_lost);
}

/*
 * A hive started as `rbee-hive daemon 2>&1 | less`, or in a terminal that Ctrl+S had stopped or
 * whose ssh hung, answered nobody any more, not even SIGTERM: its loop waited for its log. A pipe
 * takes whole lines; a terminal that is nearly full takes a part of one, and has one free byte to
 * say that it takes some.
 */
static void test_log__a_standard_error_that_takes_no_more_holds_up_nobody(void **state)
{
    int ends[2], master, slave;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    check_lost(ends[0], ends[1], 90);
    close(ends[0]);
    close(ends[1]);
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip();
    for (size_t bytes = 40; bytes < 1500; bytes = 2 * bytes + 1) {
        slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        assert_true(slave >= 0);
        check_lost(master, slave, bytes);
        close(slave);
    }
    close(master);
}

static void test_cli__values_land_in_their_variables(void **state)
{
    bool flag = false, given = false;
    const char *text = "old", *words[2];
    int64_t n = 7, ms = 0;
    double t = 0;
    struct cli_list list = {.n = 0};
    const struct cli_opt opts[] = {
        {.name = "flag", .letter = 'f', .kind = CLI_FLAG, .value = &flag},
        {.name = "text", .kind = CLI_STR, .value = &text, .given = &given},
        {.name = "n", .letter = 'n', .kind = CLI_INT, .value = &n, .min = 1, .max = 10},
        {.name = "temp", .kind = CLI_NUM, .value = &t, .max = 2},
        {.name = "keep", .kind = CLI_DURATION, .value = &ms},
        {.name = "stop", .kind = CLI_STRS, .value = &list},
        {0}};
    static const char *const line[] = {"-f",     "--text=a=b", "w1",     "--n", "3",
                                       "--keep", "-1",         "--stop", "x",   "--stop=y",
                                       "--temp", "0.5",        "--",     "--w2"};
    char typed[14][32], *argv[14];
    size_t n_words = 0;

    (void)state;
    for (size_t i = 0; i < 14; i++) {
        assert_true(str_copy(typed[i], sizeof typed[i], line[i]));
        argv[i] = typed[i];
    }
    assert_int_equal(cli_parse("p", &cli_self, opts, 14, argv, words, 2, &n_words), CLI_GO);
    assert_true(flag && given);
    assert_string_equal(text, "a=b");
    assert_int_equal(n, 3);
    assert_int_equal(ms, -1);
    assert_true(t == 0.5);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[1], "y");
    assert_int_equal(n_words, 2);
    assert_string_equal(words[1], "--w2");
}

static void test_cli__refusals_change_nothing(void **state)
{
    int64_t n = 7;
    bool flag = false;
    const char *words[1];
    const struct cli_opt opts[] = {{.name = "n", .kind = CLI_INT, .value = &n, .min = 1, .max = 10},
                                   {.name = "flag", .kind = CLI_FLAG, .value = &flag},
                                   {0}};
    static const char *const lines[][3] = {
        {"--n", "11"}, {"--n", "x"}, {"--n"},      {"--m", "1"}, {"a", "b"},    {"--flag=yes"},
        {"-z"},        {"--n="},     {"--n", "0"}, {"-nn", "1"}, {"--n", "1.0"}};
    size_t n_words;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char typed[3][32], *argv[3];
        int argc = 0;

        while (argc < 3 && lines[i][argc]) {
            assert_true(str_copy(typed[argc], sizeof typed[argc], lines[i][argc]));
            argv[argc] = typed[argc];
            argc++;
        }
        assert_int_equal(cli_parse("p", &cli_self, opts, argc, argv, words, 1, &n_words),
                         CLI_USAGE);
    }
    assert_int_equal(n, 7);
    assert_false(flag);
}

static void test_cli__names_what_was_nearly_typed(void **state)
{
    static const char *const names[] = {"infer", "workers list", "models rm", NULL};

    (void)state;
    assert_string_equal(cli_nearest("infre", names), "infer");
    assert_string_equal(cli_nearest("worker list", names), "workers list");
    assert_null(cli_nearest("zzzzzzz", names));
}

static void expect_clean(const char *text, size_t n, const char *want)
{
    struct buf b;

    buf_init(&b, 1024);
    assert_int_equal(clean_put(&b, text, n), 0);
    assert_string_equal(buf_str(&b), want);
    buf_done(&b);
}

static void expect_line(const char *text, const char *want)
{
    char line[64];
    struct buf b;

    buf_init(&b, sizeof line);
    assert_int_equal(clean_put_line(&b, text, strlen(text)), 0);
    assert_string_equal(buf_str(&b), want);
    assert_true(str_copy(line, sizeof line, text));
    clean_line(line);
    assert_string_equal(line, want);
    buf_done(&b);
}

static void test_clean__lets_no_control_character_through(void **state)
{
    (void)state;
    expect_clean("a\tb\nc", 5, "a\tb\nc");
    expect_clean("\x1b]0;title\x07", 10, "?]0;title?");
    expect_clean("one\r\ntwo", 8, "one\ntwo");
    expect_clean("\xc2\x9b"
                 "31m \xc3\xa9\xe2\x9c\x93\xf0\x9f\x90\x9d",
                 15, "?31m \xc3\xa9\xe2\x9c\x93\xf0\x9f\x90\x9d");
    expect_clean("x\0y\x7f", 4, "x?y?");
    expect_clean("\xff\xc3", 2, "??"); /* never UTF-8, and cut off */
    expect_line("a\nb\tc\x1b", "a b c?");
    expect_line("one\r\ntwo", "one two");
    expect_line("\x1b]0;title\x07 \xc2\x9b"
                "31m \xc3\xa9\xe2\x9c\x93\xf0\x9f\x90\x9d\x7f\xff",
                "?]0;title? ?31m \xc3\xa9\xe2\x9c\x93\xf0\x9f\x90\x9d??");
}

/* A template's words, or a file's name: an error's line in a log set the title of the terminal. */
static void test_log__lines_hold_no_control_character(void **state)
{
    int ends[2], before = dup(STDERR_FILENO);
    char line[256];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_true(before >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    log_init("rbee", LOG_INFO); /* which looks anew where it writes to */
    log_error("one\ntwo \x1b]0;title\x07\x7f");
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    log_init("rbee", LOG_INFO);
    n = read(ends[0], line, sizeof line - 1);
    assert_true(n > 0);
    line[n] = '\0';
    assert_non_null(strstr(line, " rbee: one two ?]0;title??\n"));
    close(ends[0]);
    close(ends[1]);
    close(before);
}

/* `infer --temp 1` was answered with "did you mean '--top-p'?", three letters of four being wrong;
 * `daemon --port` with '--home', and `rbee-keeper list` with 'chat'. */
static void test_cli__what_is_far_is_not_named_and_what_was_begun_is(void **state)
{
    static const char *const names[] = {"home", "top-p", "temperature", "max-tokens", "seed", NULL};

    (void)state;
    assert_string_equal(cli_nearest("temp", names), "temperature");
    assert_null(cli_nearest("port", names));
    assert_null(cli_nearest("sane", names));
    assert_null(cli_nearest("x", names));
    assert_null(cli_nearest("", names));
    assert_string_equal(cli_nearest("tokens", names), "max-tokens");
    assert_string_equal(cli_nearest("sede", names), "seed"); /* two letters that changed places */
    assert_string_equal(cli_nearest("temprature", names), "temperature");
}

static int run_nothing(const struct cli_command *self, int argc, char **argv)
{
    (void)self;
    (void)argc;
    (void)argv;
    return CLI_DONE;
}

/* A worker by hand whose parent had SIGTERM and SIGINT blocked could be ended by SIGKILL only. */
static void test_cli__signals_that_a_parent_blocked_come(void **state)
{
    static const struct cli_command commands[] = {{"infer", NULL, "ask", NULL, run_nothing}, {0}};
    char program[] = "p", word[] = "infer", *argv[] = {program, word, NULL};
    sigset_t blocked, before, now;

    (void)state;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    assert_int_equal(cli_main("p", "tests", commands, NULL, 2, argv), CLI_DONE);
    sigprocmask(SIG_SETMASK, &before, &now);
    assert_false(sigismember(&now, SIGTERM));
    assert_false(sigismember(&now, SIGINT));
}

/* What cli_main says of the words; free it. */
static char *said_of(const char *first, const char *second)
{
    static const struct cli_command commands[] = {
        {"infer", NULL, "ask", NULL, run_nothing},
        {"chat", NULL, "talk", NULL, run_nothing},
        {"workers list", NULL, "show workers", NULL, run_nothing},
        {"workers stop", NULL, "end workers", NULL, run_nothing},
        {"models list", NULL, "show models", NULL, run_nothing},
        {"models pull", NULL, "get models", NULL, run_nothing},
        {0}};
    static const struct cli_other others[] = {
        {"ls", "models list"}, {"run", "chat"}, {"run", "infer"}, {0}};
    char program[] = "p", one[32], two[32] = "", *argv[] = {program, one, two, NULL};
    char *text = calloc(1, 4096);
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO), rc;

    assert_non_null(file);
    str_copy(one, sizeof one, first);
    str_copy(two, sizeof two, second ? second : "");
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    rc = cli_main("p", "tests", commands, others, second ? 3 : 2, argv);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    assert_true(fread(text, 1, 4095, file) > 0);
    fclose(file);
    assert_int_equal(rc, CLI_USAGE);
    return text;
}

/* Who comes from another program types its words: they were answered with a far one, or none. */
static void test_cli__an_unknown_command_is_answered_with_what_was_meant(void **state)
{
    static const struct {
        const char *first, *second, *says;
    } typed[] = {
        {"ls", NULL, "p: there is no command 'ls'. Did you mean 'models list'? Try 'p --help'.\n"},
        {"run", "tiny", "'run'. Did you mean 'chat' or 'infer'? "},
        {"list", NULL, "'list'. Did you mean 'workers list' or 'models list'? "},
        {"pull", "tiny", "'pull'. Did you mean 'models pull'? "},
        {"model", "list", "'model'. Did you mean 'models list'? "},
        {"chta", NULL, "'chta'. Did you mean 'chat'? "},
        {"zzz", NULL, "p: there is no command 'zzz'. Try "},
        {"models", "lsit", "'models lsit'. Did you mean 'models list'? "},
        {"models", "stop", "'models stop'; there are:\n  models list      show models\n"},
        {"workers", NULL, "'workers' needs one more word:\n  workers list "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        char *text = said_of(typed[i].first, typed[i].second);

        if (!strstr(text, typed[i].says))
            fail_msg("of '%s' it says: %s", typed[i].first, text);
        free(text);
    }
}

/* A file system without a size (/proc is one, some of FUSE are) counted as full: downloads were
 * refused before they began. */
static void test_path__no_size_is_no_full_disk(void **state)
{
    uint64_t n = 7;
    struct err err = {0};

    (void)state;
    assert_int_equal(path_free_bytes("/proc", &n, &err), ERR_UNSUPPORTED);
    assert_int_equal(n, 7);
    assert_string_equal(err.text, "the file system of /proc does not tell its space");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path__no_size_is_no_full_disk),
        cmocka_unit_test(test_err__carries_code_and_sentence),
        cmocka_unit_test(test_err__long_texts_are_cut_not_overrun),
        cmocka_unit_test(test_err__a_long_text_leaves_room_for_the_reason),
        cmocka_unit_test(test_err__texts_are_utf8_wherever_they_are_cut),
        cmocka_unit_test(test_err__full_disk_is_told_from_other_io),
        cmocka_unit_test(test_buf__grows_and_stays_terminated),
        cmocka_unit_test(test_buf__refuses_past_its_maximum_and_remembers),
        cmocka_unit_test(test_str__reads_durations_of_go),
        cmocka_unit_test(test_str__numbers_are_taken_whole_or_not_at_all),
        cmocka_unit_test(test_str__durations_and_sizes),
        cmocka_unit_test(test_utf8__what_is_none_is_mended),
        cmocka_unit_test(test_utf8__columns_are_those_of_a_terminal),
        cmocka_unit_test(test_utf8__a_text_is_cut_to_columns),
        cmocka_unit_test(test_str__utf8_wholeness),
        cmocka_unit_test(test_path__components_are_harmless_and_distinct),
        cmocka_unit_test(test_path__home_is_a_full_path_or_told),
        cmocka_unit_test(test_path__a_component_that_is_too_long_is_told_as_it_is_spelled),
        cmocka_unit_test(test_path__a_name_that_leads_elsewhere_is_noticed),
        cmocka_unit_test(test_path__folders_are_made_in_what_is_there_only),
        cmocka_unit_test(test_path__gone_is_what_is_not_there_only),
        cmocka_unit_test(test_path__files_are_written_whole),
        cmocka_unit_test(test_path__what_root_makes_is_the_folders_owners),
        cmocka_unit_test(test_path__behind_a_link_is_what_is_there_or_is_to_be),
        cmocka_unit_test(test_path__a_write_of_somebody_else_is_left_alone),
        cmocka_unit_test(test_sweep__takes_copies_of_that_file_and_nothing_else),
        cmocka_unit_test(test_sweep__leaves_what_is_being_written),
        cmocka_unit_test(test_sweep__leaves_other_programs_files),
        cmocka_unit_test(test_sweep__copies_of_files_with_long_names),
        cmocka_unit_test(test_uuid__is_version_4_and_never_twice),
        cmocka_unit_test(test_uuid__is_told_from_other_texts),
        cmocka_unit_test(test_clock__iso_form),
        cmocka_unit_test(test_retry_after__is_seconds_or_a_date),
        cmocka_unit_test(test_clock__goes_on),
        cmocka_unit_test(test_log__a_standard_error_that_takes_no_more_holds_up_nobody),
        cmocka_unit_test(test_cli__values_land_in_their_variables),
        cmocka_unit_test(test_cli__refusals_change_nothing),
        cmocka_unit_test(test_cli__names_what_was_nearly_typed),
        cmocka_unit_test(test_clean__lets_no_control_character_through),
        cmocka_unit_test(test_log__lines_hold_no_control_character),
        cmocka_unit_test(test_cli__what_is_far_is_not_named_and_what_was_begun_is),
        cmocka_unit_test(test_cli__signals_that_a_parent_blocked_come),
        cmocka_unit_test(test_cli__an_unknown_command_is_answered_with_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
