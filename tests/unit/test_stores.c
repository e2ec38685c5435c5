/* Tests of what brings models from the disk: src/hive/disk/place.c, stores*.c, manifest.c,
 * hub_token.c, export_dir.c, near.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/chores/export_dir.h"
#include "hive/chores/manifest.h"
#include "hive/chores/stores.h"
#include "hive/disk/file_mark.h"
#include "hive/disk/place.h"
#include "hive/fetch/hub_token.h"
#include "hive/workers/plan.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[256];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/rbee-stores-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "<dir>/<name>", overwritten every fourth call. */
static const char *in(const char *name)
{
    static char paths[4][512];
    static unsigned n;

    snprintf(paths[n % 4], sizeof paths[0], "%s/%s", dir, name);
    return paths[n++ % 4];
}

static void put(const char *name, const char *text)
{
    struct err err;

    if (path_write_file(in(name), text, strlen(text), 0644, &err))
        fail_msg("%s", err.text);
}

static void assert_holds(const char *name, const char *text)
{
    char *got;
    size_t n;

    assert_int_equal(path_read_file(in(name), MANIFEST_BYTES_MAX, &got, &n, NULL), 0);
    assert_string_equal(got, text);
    free(got);
}

static ino_t inode(const char *name)
{
    struct stat st;

    assert_int_equal(lstat(in(name), &st), 0);
    return st.st_ino;
}

/* ---- place ---- */

static void test_place__share_leaves_the_source_and_says_how(void **state)
{
    enum place_how how;

    (void)state;
    put("a", "bytes");
    assert_int_equal(place_file(in("a"), in("b"), PLACE_SHARE, NULL, &how, NULL), 0);
    assert_holds("a", "bytes");
    assert_holds("b", "bytes");
    if (how == PLACED_HARD_LINK)
        assert_int_equal(inode("a"), inode("b"));
    else
        assert_int_equal(how, PLACED_REFLINK);
    assert_int_equal(place_freed_by(in("b")), how == PLACED_HARD_LINK ? 0 : 5);
    unlink(in("a"));
    assert_holds("b", "bytes");
    assert_int_equal(place_freed_by(in("b")), 5);
}

static bool stop_at_once(void *arg, uint64_t n_more)
{
    *(uint64_t *)arg += n_more;
    return true;
}

static void test_place__copy_is_a_file_of_its_own_and_can_be_given_up(void **state)
{
    uint64_t copied = 0;
    struct place_watch watch = {.copied = stop_at_once, .arg = &copied};
    enum place_how how;
    int rc;

    (void)state;
    put("a", "bytes");
    assert_int_equal(place_file(in("a"), in("b"), PLACE_COPY, NULL, &how, NULL), 0);
    assert_true(how == PLACED_COPY || how == PLACED_REFLINK);
    assert_int_not_equal(inode("a"), inode("b"));
    assert_holds("b", "bytes");
    rc = place_file(in("a"), in("c"), PLACE_COPY, &watch, &how, NULL);
    assert_int_equal(rc, copied ? ERR_CANCELLED : 0); /* a reflink has nothing to stop */
    assert_int_equal(path_is_file(in("c")), rc == 0);
}

/* A model of 0600 was a file of 0644 once it was imported with --copy, or exported. */
static void test_place__a_copy_is_as_private_as_its_source(void **state)
{
    static const mode_t modes[][2] = {{0600, 0600}, {0640, 0640}, {0644, 0644},
                                      {0400, 0600}, {0777, 0666}, {0604, 0604}};
    mode_t mask = umask(0);

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        enum place_how how;
        struct stat st;

        put("a", "bytes");
        assert_int_equal(chmod(in("a"), modes[i][0]), 0);
        assert_int_equal(place_file(in("a"), in("b"), PLACE_COPY, NULL, &how, NULL), 0);
        assert_int_equal(stat(in("b"), &st), 0);
        assert_int_equal(st.st_mode & 0777, modes[i][1]);
        unlink(in("b"));
    }
    umask(mask);
}

static void test_place__move_and_what_is_there_already(void **state)
{
    enum place_how how;
    struct err err;

    (void)state;
    put("a", "bytes");
    put("b", "others");
    for (int wish = PLACE_SHARE; wish <= PLACE_MOVE; wish++)
        assert_int_equal(place_file(in("a"), in("b"), (enum place_wish)wish, NULL, &how, &err),
                         ERR_CONFLICT);
    assert_holds("b", "others");
    assert_int_equal(symlink("nowhere", in("dangling")), 0);
    assert_int_equal(place_file(in("a"), in("dangling"), PLACE_COPY, NULL, &how, NULL),
                     ERR_CONFLICT);
    assert_int_equal(place_freed_by(in("dangling")), 0);
    assert_int_equal(place_file(in("a"), in("c"), PLACE_MOVE, NULL, &how, NULL), 0);
    assert_int_equal(how, PLACED_MOVE);
    assert_false(path_is_file(in("a")));
    assert_holds("c", "bytes");
    assert_true(place_file(in("gone"), in("d"), PLACE_WHOLE, NULL, &how, &err) < 0);
    assert_false(path_is_file(in("d")));
}

/* ---- two at once, or one and a writer ---- */

static char bytes_of_copy[6 << 20];

static void put_large(const char *name)
{
    struct err err;

    memset(bytes_of_copy, 'x', sizeof bytes_of_copy);
    if (path_write_file(in(name), bytes_of_copy, sizeof bytes_of_copy, 0644, &err))
        fail_msg("%s", err.text);
}

static void assert_holds_large(const char *name)
{
    char *got;
    size_t n;

    assert_int_equal(path_read_file(in(name), 8 << 20, &got, &n, NULL), 0);
    assert_int_equal(n, sizeof bytes_of_copy);
    assert_memory_equal(got, bytes_of_copy, n);
    free(got);
}

/* Once, while the first one copies. */
struct meanwhile {
    bool gives_up, writes, puts, did;
    int rc;
};

static bool do_meanwhile(void *arg, uint64_t n_more)
{
    struct meanwhile *m = arg;
    uint64_t copied = 0;
    const struct place_watch watch = {.copied = stop_at_once, .arg = &copied};
    enum place_how how;

    (void)n_more;
    if (m->did)
        return false;
    m->did = true;
    if (m->writes) {
        const struct timespec times[2] = {{.tv_sec = 2000000000}, {.tv_sec = 2000000000}};
        FILE *f = fopen(in("a"), "r+");

        assert_non_null(f);
        fputs("other bytes", f);
        fflush(f);
        assert_int_equal(futimens(fileno(f), times), 0); /* a file's time has steps */
        fclose(f);
    } else if (m->puts) {
        put("b", "somebody else's");
    } else {
        m->rc = place_file(in("a"), in("b"), PLACE_COPY, m->gives_up ? &watch : NULL, &how, NULL);
    }
    return false;
}

static int copy_meanwhile(struct meanwhile *m)
{
    const struct place_watch watch = {.copied = do_meanwhile, .arg = m};
    enum place_how how;
    int rc;

    put_large("a");
    rc = place_file(in("a"), in("b"), PLACE_COPY, &watch, &how, NULL);
    if (how == PLACED_REFLINK)
        skip(); /* at once: nothing comes between */
    assert_true(m->did);
    return rc;
}

/* Two exports of one model into one folder wrote into one temporary file, each from its beginning,
 * and what the first one was told to be done was cut off by the second, which was given up. */
static void test_place__two_copies_to_one_place_are_two_files(void **state)
{
    struct meanwhile given_up = {.gives_up = true}, both = {0};

    (void)state;
    assert_int_equal(copy_meanwhile(&given_up), 0);
    assert_int_equal(given_up.rc, ERR_CANCELLED);
    assert_holds_large("b");
    assert_int_equal(unlink(in("b")), 0);
    assert_int_equal(copy_meanwhile(&both), ERR_CONFLICT); /* the other was done first */
    assert_int_equal(both.rc, 0);
    assert_holds_large("b");
}

/* It was renamed over. */
static void test_place__a_file_that_comes_meanwhile_stays(void **state)
{
    struct meanwhile m = {.puts = true};

    (void)state;
    assert_int_equal(copy_meanwhile(&m), ERR_CONFLICT);
    assert_holds("b", "somebody else's");
}

/* A download manager that wrote on into the file while it was imported: the copy got the digest
 * that had been taken before. */
static void test_place__a_copy_of_what_changed_gets_no_name(void **state)
{
    struct meanwhile m = {.writes = true};
    struct file_mark before;
    const struct place_watch watch = {.was = &before};
    enum place_how how;

    (void)state;
    assert_int_equal(copy_meanwhile(&m), ERR_CONFLICT);
    assert_false(path_is_file(in("b")));
    assert_true(file_mark_of(in("a"), &before)); /* and between its digest and the copy */
    put("a", "others");
    for (int wish = PLACE_SHARE; wish <= PLACE_COPY; wish++) {
        assert_int_equal(place_file(in("a"), in("b"), (enum place_wish)wish, &watch, &how, NULL),
                         ERR_CONFLICT);
        assert_int_equal(access(in("b"), F_OK), -1);
    }
    assert_int_equal(place_file(in("a"), in("b"), PLACE_COPY, NULL, &how, NULL), 0);
}

/* ---- to another disk ---- */

static bool is_other_disk;
static char steps[64]; /* 'f' a file is on the disk, 'd' a folder; 'r' a new name, 'u' none */

static void step(char what)
{
    size_t n = strlen(steps);

    if (n + 1 == sizeof steps) /* of the tests that do not look, and begin nothing anew */
        return;
    steps[n] = what;
    steps[n + 1] = '\0';
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (is_other_disk && str_eq(path_base(from), "a")) {
        errno = EXDEV;
        return -1;
    }
    step('r');
    return __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat st;

    step(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 'f');
    return __real_fsync(fd);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    step('u');
    return __real_unlink(path);
}

static bool has_no_links;

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    errno = EPERM;
    return has_no_links ? -1 : __real_link(from, to);
}

int __real_symlink(const char *from, const char *to);
int __wrap_symlink(const char *from, const char *to);
int __wrap_symlink(const char *from, const char *to)
{
    errno = EPERM;
    return has_no_links ? -1 : __real_symlink(from, to);
}

/* FAT: "cannot link A to B: Operation not permitted", and not a word of what would do. */
static void test_place__says_what_to_do_where_there_are_no_links(void **state)
{
    struct err err = {0};
    enum place_how how;

    (void)state;
    put("a", "bytes");
    has_no_links = true;
    if (place_file(in("a"), in("b"), PLACE_SHARE, NULL, &how, &err) == 0)
        assert_int_equal(how, PLACED_REFLINK);
    else
        assert_non_null(strstr(err.text, "has no links, so "));
    assert_true(err.code == 0 || strstr(err.text, "--copy"));
    assert_int_equal(place_file(in("a"), in("c"), PLACE_COPY, NULL, &how, NULL), 0);
    has_no_links = false;
}

/* The folder was not synced between the new name and the end of the old one: a power cut could take
 * both, and at its next start the hive swept away the copy under its temporary name. */
static void test_place__the_only_copy_goes_once_the_disk_has_the_other(void **state)
{
    enum place_how how;

    (void)state;
    put("a", "bytes");
    steps[0] = '\0';
    is_other_disk = true;
    assert_int_equal(place_file(in("a"), in("b"), PLACE_MOVE, NULL, &how, NULL), 0);
    is_other_disk = false;
    assert_string_equal(steps, "frdu");
    assert_int_equal(how, PLACED_MOVE);
    assert_false(path_is_file(in("a")));
    assert_holds("b", "bytes");
}

/* ---- stores ---- */

static void test_stores__names_of_folders(void **state)
{
    static const struct {
        const char *folder, *repo;
    } all[] = {{"models--org--repo", "org/repo"},
               {"models--org--a--b", "org/a--b"},
               {"models--org", NULL},
               {"models--", NULL},
               {"models----repo", NULL},
               {"models--org--", NULL},
               {"datasets--org--repo", NULL},
               {"", NULL}};
    char *name;

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        name = store_hf_repo_of(all[i].folder);
        assert_true(str_eq(name, all[i].repo));
        free(name);
    }
    name = store_ollama_name("registry.ollama.ai", "library", "llama3", "8b");
    assert_string_equal(name, "llama3:8b");
    free(name);
    name = store_ollama_name("registry.ollama.ai", "ann", "x", "latest");
    assert_string_equal(name, "ann/x:latest");
    free(name);
    name = store_ollama_name("hf.co", "org", "repo", "Q4_0");
    assert_string_equal(name, "hf.co/org/repo:Q4_0");
    free(name);
}

#define MODEL_TYPE "\"mediaType\":\"application/vnd.ollama.image.model\""

static int parse(const char *text, struct store_ollama *out)
{
    return store_ollama_parse(text, strlen(text), out, NULL);
}

static void test_stores__manifests_of_ollama(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"layers\":3}",
        "{\"layers\":[1,null,[],\"x\"]}",
        "{\"layers\":[{\"mediaType\":\"application/"
        "vnd.ollama.image.template\",\"digest\":\"sha256:" SHA "\",\"size\":3}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:../../etc/passwd\",\"size\":3}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:" SHA "0\",\"size\":3}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha512:" SHA "\",\"size\":3}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:" SHA "\",\"size\":0}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:" SHA "\",\"size\":-5}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:" SHA
        "\",\"size\":9223372036854775807}]}",
        "{\"layers\":[{" MODEL_TYPE ",\"digest\":\"sha256:" SHA "\"}]}",
    };
    struct store_ollama said;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i], &said), ERR_INVALID);
    assert_int_equal(parse("{\"layers\":[{},{" MODEL_TYPE ",\"digest\":\"sha256:" SHA
                           "\",\"size\":41}]}",
                           &said),
                     0);
    assert_string_equal(said.sha256, SHA);
    assert_int_equal(said.size_bytes, 41);
    assert_int_equal(said.beside, 0);
}

/* A manifest of layers of these types; the i-th has 40 + i bytes. */
static int parse_layers(const char *const *types, size_t n, struct store_ollama *out)
{
    char text[4096] = "{\"layers\":[";

    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%s{\"mediaType\":\"application/vnd.ollama.image.%s\",\"digest\":\"sha256:" SHA
                 "\",\"size\":%zu}",
                 i ? "," : "", types[i], 40 + i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "]}");
    return parse(text, out);
}

/*
 * Only the first layer with a model was looked at: a base model and an adapter (what `ollama
 * create` makes of FROM and ADAPTER) came in as the base model, under the fine-tuned one's name and
 * without a word; so did one with a system's text, a template, parameters. Of two models it was the
 * first, Ollama runs the last.
 */
static void test_stores__what_ollama_has_beside_a_model_is_known(void **state)
{
    static const char *const words[] = {"projector", "system", "template", "params", "messages"};
    static const char *const adapted[] = {"model", "license", "adapter", "system"};
    static const char *const dressed[] = {"model",  "messages", "projector", "license", "params",
                                          "prompt", "template", "system",    "model"};
    struct store_model m = {.name = (char *)(uintptr_t) "pirate:latest"};
    struct store_ollama said;
    struct err err = {0};
    json_t *left_out;

    (void)state;
    assert_int_equal(parse_layers(adapted, 4, &said), 0);
    assert_int_equal(said.size_bytes, 40);
    m.beside = said.beside;
    assert_int_equal(store_check_parts(&m, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'pirate:latest' is a base model and an adapter (LoRA)"));

    assert_int_equal(parse_layers(dressed, 9, &said), 0);
    assert_int_equal(said.size_bytes, 48);
    m.beside = said.beside;
    assert_int_equal(store_check_parts(&m, &err), 0);
    left_out = store_left_out(&m);
    assert_int_equal(json_array_size(left_out), sizeof words / sizeof words[0]);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_string_equal(json_string_value(json_array_get(left_out, i)), words[i]);
    json_decref(left_out);
}

static bool note(void *arg, const struct store_model *m)
{
    char *all = arg;

    snprintf(all + strlen(all), 1024 - strlen(all), "%s|%s|%zu|%s\n", m->name, m->model_ref,
             m->n_files, m->files[0].sha256);
    return true;
}

/* A split model is one; half of one is none; a link that leaves the cache is not followed. */
static void test_stores__hf_cache(void **state)
{
    char all[1024] = "";
    struct store_scan scan = {.each = note, .arg = all};

    (void)state;
    path_make_dirs(in("hub/models--o--r/snapshots/c0/q"), 0755, NULL);
    path_make_dirs(in("hub/models--o--r/refs"), 0755, NULL);
    path_make_dirs(in("hub/models--o--r/blobs"), 0755, NULL);
    put("hub/models--o--r/refs/main", "c0\n");
    put("hub/models--o--r/blobs/" SHA, "one");
    put("secret.gguf", "not yours");
    assert_int_equal(symlink("../../../blobs/" SHA, in("hub/models--o--r/snapshots/c0/q/a.gguf")),
                     0);
    put("hub/models--o--r/snapshots/c0/x-00001-of-00002.gguf", "1");
    put("hub/models--o--r/snapshots/c0/x-00002-of-00002.gguf", "2");
    put("hub/models--o--r/snapshots/c0/y-00001-of-00002.gguf", "1");
    put("hub/models--o--r/snapshots/c0/mmproj-x.gguf", "p");
    put("hub/models--o--r/snapshots/c0/README.md", "r");
    assert_int_equal(symlink(in("secret.gguf"), in("hub/models--o--r/snapshots/c0/z.gguf")), 0);
    assert_int_equal(symlink("nowhere", in("hub/models--o--r/snapshots/c0/gone.gguf")), 0);
    scan.dir = in("hub");
    store_scan_hf(NULL, &scan, NULL);
    assert_string_equal(all, "o/r/q/a.gguf|hf:o/r:q/a.gguf|1|" SHA "\n"
                             "o/r/x-00001-of-00002.gguf|hf:o/r:x-00001-of-00002.gguf|2|\n");
    scan.dir = in("none");
    store_scan_hf(NULL, &scan, NULL);
}

/* An entry of the folder "many" that leads nowhere: folders would take some disks a while. */
static void put_repo(const char *kind, unsigned i)
{
    char name[64];

    snprintf(name, sizeof name, "many/%s--o--r%04u", kind, i);
    assert_int_equal(symlink("nowhere", in(name)), 0);
}

static void put_model(const char *repo)
{
    char name[128];

    snprintf(name, sizeof name, "many/%s/snapshots/c0", repo);
    path_make_dirs(in(name), 0755, NULL);
    snprintf(name, sizeof name, "many/%s/snapshots/c0/x.gguf", repo);
    put(name, "x");
}

/* The limit of 1,000 repositories was one of entries: "datasets--..." come before "models--...", so
 * that a cache with 1,000 of those had no model, and nobody was told that any was left out. */
static void test_stores__hf_cache_counts_repositories_of_models(void **state)
{
    char all[1024] = "";
    struct store_scan scan = {.each = note, .arg = all};

    (void)state;
    put_model("models--o--r");
    for (unsigned i = 0; i < STORE_MODELS_MAX; i++)
        put_repo("datasets", i);
    scan.dir = in("many");
    assert_int_equal(store_scan_hf(NULL, &scan, NULL), 0);
    assert_string_equal(all, "o/r/x.gguf|hf:o/r:x.gguf@c0|1|\n");
    assert_int_equal(scan.n_past_limit, 0);
}

static void test_stores__what_is_past_the_limit_is_counted_and_found_by_its_name(void **state)
{
    char all[1024] = "";
    struct store_scan scan = {.each = note, .arg = all};

    (void)state;
    put_model("models--o--s");
    for (unsigned i = 0; i < STORE_MODELS_MAX + 1; i++)
        put_repo("models", i);
    scan.dir = in("many");
    assert_int_equal(store_scan_hf(NULL, &scan, NULL), 0);
    assert_string_equal(all, "");
    assert_int_equal(scan.n_past_limit, 2);
    scan.name = "o/s/x.gguf";
    assert_int_equal(store_scan_hf(NULL, &scan, NULL), 0);
    assert_string_equal(all, "o/s/x.gguf|hf:o/s:x.gguf@c0|1|\n");
    assert_int_equal(scan.n_past_limit, 1);
}

/* ---- where an export goes ---- */

static void assert_goes(const char *to, int expected, const char *resolved)
{
    char *out = NULL;
    struct err err;

    assert_int_equal(export_dir_find(to, in("home"), in("elsewhere/models"), &out, &err), expected);
    if (expected == 0)
        assert_string_equal(out, resolved);
    else
        assert_null(out);
    if (expected == ERR_DENIED)
        assert_non_null(strstr(err.text, "a folder of the hive's own"));
    free(out);
}

/*
 * A model was exported into the hive's home, where its name decided what the hive took it for; and
 * the folders above were all made, so that a stick that was not plugged in was a folder of the
 * system's disk.
 */
static void test_export__goes_into_no_folder_of_the_hives_own(void **state)
{
    char *real = realpath(dir, NULL), *stick;

    (void)state;
    path_make_dirs(in("home/run"), 0755, NULL);
    path_make_dirs(in("elsewhere/models/hf"), 0755, NULL);
    path_make_dirs(in("stick"), 0755, NULL);
    assert_int_equal(symlink("../home", in("stick/in")), 0);
    assert_goes(in("home"), ERR_DENIED, NULL);
    assert_goes(in("home/"), ERR_DENIED, NULL);
    assert_goes(in("home/run"), ERR_DENIED, NULL);
    assert_goes(in("home/new"), ERR_DENIED, NULL);
    assert_goes(in("stick/in"), ERR_DENIED, NULL);
    assert_goes(in("stick/in/new//"), ERR_DENIED, NULL);
    assert_goes(in("stick/../home/new"), ERR_DENIED, NULL);
    assert_goes(in("elsewhere/models/hf"), ERR_DENIED, NULL);
    assert_goes(in("stick/gone/new"), ERR_NOT_FOUND, NULL);
    assert_false(path_is_dir(in("stick/gone")));
    assert_goes("/", 0, "/");
    assert_goes(in("elsewhere"), 0, stick = path_join(real, "elsewhere"));
    free(stick);
    assert_goes(in("home2/"), 0, stick = path_join(real, "home2"));
    free(stick);
    assert_goes(in("home/../stick/new"), 0, stick = path_join(real, "stick/new"));
    free(stick);
    free(real);
}

/* ---- the manifest ---- */

static json_t *named_entry(const char *ref, const char *file, const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:i, s:s}]}", "model_ref", ref, "commit", "c0",
                     "quantization", "Q4_0", "files", "file", file, "name", name, "size_bytes", 3,
                     "sha256", SHA);
}

static json_t *entry(const char *ref, const char *file)
{
    return named_entry(ref, file, "q/x.gguf");
}

static void put_entry(const char *ref, const char *file, int expected)
{
    json_t *model = entry(ref, file);

    assert_int_equal(manifest_put(dir, model, NULL), expected);
    json_decref(model);
}

/* On a stick for other systems: no device of Windows', no dot at the end, no byte that FAT minds;
 * and two names only become one if they were. Source: Microsoft, "Naming Files, Paths, and
 * Namespaces". */
static void test_manifest__names_are_fit_for_any_stick(void **state)
{
    static const char *const names[][2] = {
        {"q4/Tale.Q4_K_M.gguf", "Tale.Q4_K_M.gguf"},
        {"CON.gguf", "%43ON.gguf"},
        {"%43ON.gguf", "%2543ON.gguf"},
        {"x/aux.gguf", "%61ux.gguf"},
        {"nul.tar.gguf", "%6Eul.tar.gguf"},
        {"Lpt9.gguf", "%4Cpt9.gguf"},
        {"com0.GGUF", "%63om0.GGUF"},
        {"console.gguf", "console.gguf"},
        {"com10.gguf", "com10.gguf"},
        {"x.CON.gguf", "x.CON.gguf"},
        {"a:b?.gguf", "a%3Ab%3F.gguf"},
        /* An older version took models of any name. */
        {"authorized_keys", "authorized_keys.gguf"},
        {"x/aux", "%61ux.gguf"},
        {"name.", "name..gguf"},
        {"nul.", "%6Eul..gguf"},
        {"end ", "end%20.gguf"},
        {"q/.gguf", "%2Egguf.gguf"},
    };
    char longest[PATH_COMPONENT_MAX + 1], *name;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(manifest_file_name(names[i][0], &name, NULL), 0);
        assert_string_equal(name, names[i][1]);
        assert_true(manifest_is_plain(name));
        free(name);
    }
    memset(longest, 'x', sizeof longest - 1);
    memcpy(longest + sizeof longest - 6, ".gguf", 6);
    assert_int_equal(manifest_file_name(longest, &name, NULL), 0);
    free(name);
    longest[sizeof longest - 2] = 'x';
    assert_int_equal(manifest_file_name(longest, &name, NULL), ERR_LIMIT);
}

static void test_manifest__is_read_as_it_was_written(void **state)
{
    struct manifest m;

    (void)state;
    put_entry("hf:o/r:Q4_0", "x.gguf", 0);
    put_entry("local:y", "y.gguf", 0);
    put_entry("hf:o/r:Q4_0", "again.gguf", 0);
    assert_int_equal(manifest_read(dir, &m, NULL), 0);
    assert_int_equal(m.n_models, 2);
    assert_string_equal(m.models[0].model_ref, "hf:o/r:Q4_0");
    assert_string_equal(m.models[0].repo, "o/r");
    assert_string_equal(m.models[0].files[0].file, "again.gguf");
    assert_string_equal(m.models[0].files[0].name, "q/x.gguf");
    assert_string_equal(m.models[1].repo, "local:y");
    assert_int_equal(m.models[1].files[0].size_bytes, 3);
    manifest_done(&m);
}

/* So many entries, each with a source of so many bytes; the text that the list is then. */
static char *put_list(unsigned n_models, int n_source)
{
    json_t *models = json_array(), *root;
    char ref[32], source[MANIFEST_TEXT_MAX + 1], *text;

    for (unsigned i = 0; i < n_models; i++) {
        json_t *model;

        snprintf(ref, sizeof ref, "local:x%u", i);
        snprintf(source, sizeof source, "%0*d", n_source, 0);
        model = entry(ref, "x.gguf");
        json_object_set_new(model, "source", json_string(source));
        json_array_append_new(models, model);
    }
    root = json_pack("{s:i, s:o}", "rbee_manifest", MANIFEST_VERSION, "models", models);
    text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    put(MANIFEST_NAME, text);
    return text;
}

/* Neither limit was looked at: the 1,001st export went well, and nothing could be exported there,
 * or imported from there, any more. */
static void test_manifest__is_not_written_when_it_could_not_be_read(void **state)
{
    static const struct {
        unsigned n_models;
        const char *why;
    } full[] = {{MANIFEST_MODELS_MAX, "lists 1000 models, which is the most"},
                {520, "bytes, the limit is 4194304: export into another folder"}};
    char license[601];
    json_t *more = entry("local:more", "more.gguf"), *instead = entry("local:x7", "other.gguf");
    struct manifest m;
    struct err err;

    (void)state;
    snprintf(license, sizeof license, "%0600d", 0);
    json_object_set_new(more, "license", json_string(license));
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++) {
        char *text = put_list(full[i].n_models, 1);

        if (i == 1) { /* as long as it may be, but for some 500 bytes */
            int n_more = (int)((MANIFEST_BYTES_MAX - strlen(text)) / full[i].n_models);

            free(text);
            text = put_list(full[i].n_models, 1 + n_more);
        }
        assert_int_equal(manifest_check_put(dir, more, &err), ERR_LIMIT);
        assert_int_equal(manifest_put(dir, more, &err), ERR_LIMIT);
        assert_non_null(strstr(err.text, full[i].why));
        assert_holds(MANIFEST_NAME, text);
        assert_int_equal(manifest_check_put(dir, instead, NULL), 0);
        assert_holds(MANIFEST_NAME, text);
        assert_int_equal(manifest_put(dir, instead, NULL), 0);
        assert_int_equal(manifest_read(dir, &m, NULL), 0);
        assert_int_equal(m.n_models, full[i].n_models);
        manifest_done(&m);
        free(text);
    }
    json_decref(more);
    json_decref(instead);
}

/* The card of the one and the manifest that the other reads say the same of the model. */
static void test_manifest__of_a_card_says_all_that_is_known(void **state)
{
    char license[128], *text;
    struct manifest m;
    struct card *card;
    json_t *model;

    (void)state;
    memset(license, 'x', sizeof license);
    memcpy(license + sizeof license - 3, "\xe2\x82", 3); /* a euro sign that was cut */
    assert_int_equal(card_create(dir, "o/r", "c0", "Q4_0", &card, NULL), 0);
    assert_int_equal(card_add_file(card, "q/a b.gguf", 3, SHA, NULL), 0);
    model = manifest_model_json("hf:o/r:Q4_0", card, license, true);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(model, "files"), 0), "path")),
                        card->files[0].path);
    json_decref(model);
    model = manifest_model_json("hf:o/r:Q4_0", card, license, false);
    assert_null(json_object_get(json_array_get(json_object_get(model, "files"), 0), "path"));
    model = json_pack("{s:i, s:[o]}", "rbee_manifest", MANIFEST_VERSION, "models", model);
    text = json_dumps(model, 0);
    assert_int_equal(manifest_parse(text, strlen(text), &m, NULL), 0);
    assert_string_equal(m.models[0].model_ref, "hf:o/r:Q4_0");
    assert_string_equal(m.models[0].commit, "c0");
    assert_string_equal(m.models[0].quantization, "Q4_0");
    assert_string_equal(m.models[0].source, "hf:o/r@c0");
    assert_int_equal(strspn(m.models[0].license, "x"), sizeof license - 3);
    assert_int_equal(strlen(m.models[0].license), sizeof license - 3);
    assert_string_equal(m.models[0].files[0].name, "q/a b.gguf");
    assert_true(manifest_is_plain(m.models[0].files[0].file));
    assert_string_equal(m.models[0].files[0].sha256, SHA);
    manifest_done(&m);
    card_free(card);
    json_decref(model);
    free(text);
}

/* A stick, and every hive that a model was pushed to, told in which folder of whose it had lain. */
static void test_manifest__names_no_folder_of_this_machine(void **state)
{
    static const char *const origins[][2] = {{"/home/ann/secret project/x.gguf", "x.gguf"},
                                             {"x.gguf", "x.gguf"},
                                             {"ollama:x", "ollama:x"}};

    (void)state;
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        struct card *card;
        json_t *model;

        assert_int_equal(card_create(dir, "local:x", SHA, "", &card, NULL), 0);
        assert_int_equal(card_add_file(card, "x.gguf", 3, SHA, NULL), 0);
        assert_int_equal(card_set_origin(card, origins[i][0], NULL), 0);
        model = manifest_model_json("local:x", card, "", false);
        assert_string_equal(json_string_value(json_object_get(model, "source")), origins[i][1]);
        json_decref(model);
        card_free(card);
    }
}

static int parse_one(json_t *model, struct err *err)
{
    json_t *root = json_pack("{s:i, s:[o]}", "rbee_manifest", 1, "models", model);
    char *text = json_dumps(root, 0);
    struct manifest m;
    int rc = manifest_parse(text, strlen(text), &m, err);

    manifest_done(&m);
    free(text);
    json_decref(root);
    return rc;
}

/*
 * A model was pushed under the name authorized_keys, with a line for sshd among its metadata, and
 * exported into ~/.ssh; one called hf-token or config.ini, into the hive's home, and the hive did
 * not start any more.
 */
static void test_manifest__takes_no_name_that_another_program_reads(void **state)
{
    static const char *const names[] = {"authorized_keys", "hf-token",    "config.ini", ".gguf",
                                        "q/x.gguf/keys",   "x.gguf.json", "xgguf"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(parse_one(named_entry("local:x", names[i], "x.gguf"), &err), ERR_INVALID);
        assert_int_equal(parse_one(named_entry("local:x", "x.gguf", names[i]), &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "ends in .gguf"));
        assert_false(manifest_is_plain(names[i]));
    }
    assert_int_equal(parse_one(named_entry("local:x", "X.GGUF", "q/X.GGUF"), &err), 0);
    assert_int_equal(parse_one(named_entry("local:x", "x.gguf", ""), &err), 0);
}

static void test_manifest__refuses_what_leaves_the_folder(void **state)
{
    static const char *const files[] = {"../x.gguf", "/etc/passwd", ".",    "..",  "",   "a/b.gguf",
                                        ".hidden",   "a\\b",        "a\nb", "a b", "C:x"};
    static const char *const refs[] = {"tiny", "file:///x.gguf", "./x.gguf", "local:../x", "hf:o"};
    struct manifest m;

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0] + sizeof refs / sizeof refs[0]; i++) {
        bool by_file = i < sizeof files / sizeof files[0];
        json_t *root =
            json_pack("{s:i, s:[o]}", "rbee_manifest", 1, "models",
                      by_file ? entry("local:x", files[i])
                              : entry(refs[i - sizeof files / sizeof files[0]], "x.gguf"));
        char *text = json_dumps(root, 0);

        assert_int_equal(manifest_parse(text, strlen(text), &m, NULL), ERR_INVALID);
        manifest_done(&m);
        free(text);
        json_decref(root);
    }
}

/* They go into the model's card: one past what is read of a card was a model whose files nobody
 * could remove. */
static void test_manifest__refuses_texts_that_are_too_long(void **state)
{
    static const char *const keys[] = {"source", "license", "quantization", "commit"};
    static char text[MANIFEST_TEXT_MAX + 2];
    struct manifest m;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *model = entry("local:x", "x.gguf"), *root;
        char *list;

        json_object_set_new(model, keys[i], json_string(text));
        root = json_pack("{s:i, s:[o]}", "rbee_manifest", 1, "models", model);
        list = json_dumps(root, 0);
        assert_int_equal(manifest_parse(list, strlen(list), &m, NULL), ERR_INVALID);
        manifest_done(&m);
        json_object_set_new(model, keys[i], json_string("short"));
        free(list);
        list = json_dumps(root, 0);
        assert_int_equal(manifest_parse(list, strlen(list), &m, NULL), 0);
        manifest_done(&m);
        free(list);
        json_decref(root);
    }
}

/* A list that makes no sense is somebody's: it is not written over. */
static void test_manifest__does_not_overwrite_what_it_does_not_understand(void **state)
{
    (void)state;
    put(MANIFEST_NAME, "{\"rbee_manifest\":7}");
    put_entry("local:y", "y.gguf", ERR_INVALID);
    assert_holds(MANIFEST_NAME, "{\"rbee_manifest\":7}");
}

/* ---- the token ---- */

static void assert_token(const char *text, int rc, const char *expected)
{
    char *token, *from;
    struct err err;

    put(HUB_TOKEN_FILE, text);
    assert_int_equal(chmod(in(HUB_TOKEN_FILE), 0600), 0);
    assert_int_equal(hub_token_find(dir, &token, &from, &err), rc);
    if (rc)
        assert_null(strstr(err.text, "hf_")); /* never shown */
    else
        assert_true(str_eq(token, expected));
    free(token);
    free(from);
}

static void test_token__files(void **state)
{
    static const char *const names[] = {"HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "XDG_CACHE_HOME",
                                        "HOME"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    assert_token("hf_abc", 0, "hf_abc");
    assert_token(" \n hf_abc \r\n", 0, "hf_abc");
    assert_token("", 0, NULL);
    assert_token("\n", 0, NULL);
    assert_token("hf_a hf_b", ERR_INVALID, NULL);
    assert_token("hf_a\r\nX-Evil: 1", ERR_INVALID, NULL);
    assert_token("hf_\xff", ERR_INVALID, NULL);
}

/* What the environment says was taken as it is: a line's end behind it made every request fail. */
static void test_token__of_the_environment(void **state)
{
    char *token, *from;
    struct err err;

    (void)state;
    setenv("HF_TOKEN", "hf_abc\n", 1);
    assert_int_equal(hub_token_find(dir, &token, &from, &err), 0);
    assert_string_equal(token, "hf_abc");
    free(token);
    free(from);
    setenv("HF_TOKEN", "hf_a hf_b", 1);
    assert_int_equal(hub_token_find(dir, &token, &from, &err), ERR_INVALID);
    assert_null(token);
    assert_null(from);
    assert_null(strstr(err.text, "hf_"));
    unsetenv("HF_TOKEN");
}

/* ---- names and guesses ---- */

static void test_near__the_best_is_near_or_none(void **state)
{
    struct near n = {0};

    (void)state;
    near_add(&n, "Q4_K_M");
    near_add(&n, "q4/tale.Q8_0.gguf");
    assert_string_equal(near_best(&n, "Q4KM"), "Q4_K_M");
    assert_string_equal(near_best(&n, "tale.Q8_1.gguf"), "q4/tale.Q8_0.gguf");
    assert_null(near_best(&n, "something"));
    assert_null(near_best(&n, ""));
    near_done(&n);
    assert_null(near_best(&n, "x"));
}

static void test_plan__a_rough_need_never_wraps(void **state)
{
    (void)state;
    assert_int_equal(plan_rough(0), PLAN_ROUGH_BYTES);
    assert_int_equal(plan_rough(4000), 5000 + (uint64_t)PLAN_ROUGH_BYTES);
    assert_true(plan_rough(UINT64_MAX) == UINT64_MAX);
    assert_true(plan_rough(UINT64_MAX / 5 * 4) >= UINT64_MAX / 5 * 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_place__says_what_to_do_where_there_are_no_links),
        TEST(test_place__share_leaves_the_source_and_says_how),
        TEST(test_place__copy_is_a_file_of_its_own_and_can_be_given_up),
        TEST(test_place__a_copy_is_as_private_as_its_source),
        TEST(test_place__move_and_what_is_there_already),
        TEST(test_place__two_copies_to_one_place_are_two_files),
        TEST(test_place__a_file_that_comes_meanwhile_stays),
        TEST(test_place__a_copy_of_what_changed_gets_no_name),
        TEST(test_place__the_only_copy_goes_once_the_disk_has_the_other),
        TEST(test_stores__names_of_folders),
        TEST(test_stores__manifests_of_ollama),
        TEST(test_stores__what_ollama_has_beside_a_model_is_known),
        TEST(test_stores__hf_cache),
        TEST(test_stores__hf_cache_counts_repositories_of_models),
        TEST(test_stores__what_is_past_the_limit_is_counted_and_found_by_its_name),
        TEST(test_export__goes_into_no_folder_of_the_hives_own),
        TEST(test_manifest__names_are_fit_for_any_stick),
        TEST(test_manifest__is_read_as_it_was_written),
        TEST(test_manifest__is_not_written_when_it_could_not_be_read),
        TEST(test_manifest__of_a_card_says_all_that_is_known),
        TEST(test_manifest__names_no_folder_of_this_machine),
        TEST(test_manifest__takes_no_name_that_another_program_reads),
        TEST(test_manifest__refuses_what_leaves_the_folder),
        TEST(test_manifest__refuses_texts_that_are_too_long),
        TEST(test_manifest__does_not_overwrite_what_it_does_not_understand),
        TEST(test_token__files),
        TEST(test_token__of_the_environment),
        TEST(test_near__the_best_is_near_or_none),
        TEST(test_plan__a_rough_need_never_wraps),
    };

    return cmocka_run_group_tests_name("stores", tests, NULL, NULL);
}
