/* What system_fingerprint is made of: whatever may change the texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "hive/machine/fingerprint.h"

static char dir[] = "/tmp/rbee-fingerprint-XXXXXX";

/* A file of so many bytes whose time is t. */
static char *file(const char *name, size_t n, time_t t)
{
    const struct timespec times[2] = {{.tv_sec = t}, {.tv_sec = t}};
    char *path = path_join(dir, name), bytes[64] = {0};

    assert_true(n < sizeof bytes);
    assert_int_equal(path_write_file(path, bytes, n, 0600, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return path;
}

static void same(const struct fingerprint_of *of, const char *as)
{
    char now[FINGERPRINT_BYTES];

    fingerprint_make(of, now);
    assert_string_equal(now, as);
}

/* And what it is now goes to `was`. */
static void changed(const struct fingerprint_of *of, char was[FINGERPRINT_BYTES])
{
    char now[FINGERPRINT_BYTES];

    fingerprint_make(of, now);
    assert_string_not_equal(now, was);
    memcpy(was, now, sizeof now);
}

/* Until a file that is changed now has another time of its change than one of before. */
static void wait_a_tick(void)
{
    char *path = file("t.jinja", 11, 1001);
    struct stat before, now;

    assert_int_equal(stat(path, &before), 0);
    do {
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(stat(path, &now), 0);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    free(path);
}

/*
 * It stayed the same with another type of the cache, another template, and another build of the
 * worker under the hive that ran on, though each of them changes the texts.
 */
static void test_fingerprint__changes_with_what_changes_texts(void **state)
{
    char *model = file("m.gguf", 20, 1000), *program = file("worker", 30, 1000);
    char *template = file("t.jinja", 10, 1000), was[FINGERPRINT_BYTES];
    struct fingerprint_of of = {
        .backend = "cpu", .program = program, .model_path = model, .kv_type = "f16"};

    (void)state;
    fingerprint_make(&of, was);
    assert_memory_equal(was, "rbee-", 5);
    assert_int_equal(strlen(strrchr(was, '-') + 1), 12);
    same(&of, was);
    of.chat_template = "";
    same(&of, was);
    of.kv_type = "q8_0";
    changed(&of, was);
    of.chat_template = template;
    changed(&of, was);
    free(file("t.jinja", 11, 1000));
    changed(&of, was);
    free(file("t.jinja", 11, 1001));
    changed(&of, was);
    free(file("worker", 30, 1001));
    changed(&of, was);
    free(file("worker", 31, 1001));
    changed(&of, was);
    wait_a_tick();
    free(file("worker", 31, 1001)); /* as large, and of the package's time: another build */
    changed(&of, was);
    free(file("m.gguf", 20, 1001));
    changed(&of, was);
    same(&of, was);
    free(model);
    free(program);
    free(template);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int clean_up(void **state)
{
    static const char *const names[] = {"m.gguf", "worker", "t.jinja"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = path_join(dir, names[i]);

        unlink(path);
        free(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprint__changes_with_what_changes_texts),
    };

    return cmocka_run_group_tests(tests, set_up, clean_up);
}
