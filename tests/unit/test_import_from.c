/* Tests of lists of what is to be imported: src/hive/chores/import_from.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/chores/import.h"
#include "hive/chores/manifest.h"

#define SHA      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DEEP     3782 /* bytes of a path that the system still takes, with names behind it */
#define N_MODELS 9
#define N_FILES  512 /* of a model */

/* Of a cache: 1,000 files of a snapshot are looked at. */
#define N_SNAPSHOTS 5
#define N_FOLDERS   10
#define N_LINKS     95
#define N_OFFERED   (N_SNAPSHOTS * N_FOLDERS * N_LINKS)

static char dir[256], deep[DEEP + 1];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/rbee-import-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    memset(deep, 's', DEEP);
    memcpy(deep, dir, strlen(dir));
    for (size_t i = strlen(dir); i < DEEP - 1; i += 200)
        deep[i] = '/';
    return path_make_dirs(deep, 0700, NULL);
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
    return nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* N_MODELS of N_FILES files: half a MB. */
static void write_manifest(const char *folder)
{
    char *path = path_join(folder, MANIFEST_NAME);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("{\"rbee_manifest\":1,\"models\":[", f);
    for (unsigned i = 0; i < N_MODELS; i++) {
        fprintf(f, "%s{\"model_ref\":\"local:m%u\",\"commit\":\"c\",\"files\":[", i ? "," : "", i);
        for (unsigned k = 0; k < N_FILES; k++)
            fprintf(f, "%s{\"file\":\"a.gguf\",\"sha256\":\"%s\",\"size_bytes\":1}", k ? "," : "",
                    SHA);
        fputs("]}", f);
    }
    fputs("]}", f);
    assert_int_equal(fclose(f), 0);
    free(path);
}

/* Each file has the folder's path before its name: a request of 3.8 KB, for a list of 4 MB, held
 * 140 MiB for as long as the first file was hashed, and any number of them could. */
static void test_import_list__of_a_deep_folder_is_bounded(void **state)
{
    struct import_list list;
    struct err err = {0};

    (void)state;
    write_manifest(deep);
    assert_int_equal(import_list_folder(NULL, deep, PLACE_COPY, &list, &err), ERR_LIMIT);
    assert_null(list.items);
    assert_int_equal(list.n + list.n_bytes, 0);
    assert_non_null(strstr(err.text, "the first 9 models of the list take 18"));
    assert_non_null(strstr(err.text, "one import takes 16777216: divide them"));
    assert_non_null(strstr(err.text, "than one of 3782 bytes"));
}

static void test_import_list__of_the_same_models_under_a_short_path_is_taken(void **state)
{
    struct import_list list;
    struct err err = {0};
    size_t n_path = strlen(dir) + strlen("/a.gguf");

    (void)state;
    write_manifest(dir);
    assert_int_equal(import_list_folder(NULL, dir, PLACE_COPY, &list, &err), 0);
    assert_int_equal(list.n, N_MODELS);
    assert_true(list.n_bytes > N_MODELS * N_FILES * (sizeof(struct store_file) + n_path));
    assert_true(list.n_bytes < N_MODELS * N_FILES * (sizeof(struct store_file) + n_path + 64));
    import_list_done(&list);
    assert_int_equal(list.n_bytes, 0);
}

static void make_link(const char *to, const char *folder, char letter, unsigned i)
{
    char *path = str_printf("%s/%c%u%s", folder, letter, i, letter == 'f' ? ".gguf" : "");

    assert_int_equal(symlink(to, path), 0);
    free(path);
}

/* A cache with one file, which N_OFFERED names lead to: by links to it, in one folder that others
 * are links to, in one snapshot that others are links to. */
static void make_cache(void)
{
    char *repo = path_join(deep, "models--o--r"), *blob = path_join(repo, SHA);
    char *snapshots = path_join(repo, "snapshots"), *first = path_join(snapshots, "c0");
    char *folder = path_join(first, "d0");
    FILE *f;

    assert_int_equal(path_make_dirs(folder, 0700, NULL), 0);
    f = fopen(blob, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    for (unsigned i = 0; i < N_LINKS; i++)
        make_link("../../../" SHA, folder, 'f', i);
    for (unsigned i = 1; i < N_FOLDERS; i++)
        make_link("d0", first, 'd', i);
    for (unsigned i = 1; i < N_SNAPSHOTS; i++)
        make_link("c0", snapshots, 'c', i);
    free(folder);
    free(first);
    free(snapshots);
    free(blob);
    free(repo);
}

/* What does not fit is told as what was not looked at is, and can be had by its name. */
static void test_import_list__of_a_store_leaves_out_what_it_does_not_take(void **state)
{
    struct import_list list;
    struct err err = {0};

    (void)state;
    make_cache();
    setenv("HF_HUB_CACHE", deep, 1);
    assert_int_equal(import_list_store(NULL, STORE_HF_WORD, NULL, PLACE_COPY, &list, &err), 0);
    assert_true(list.n > N_OFFERED / 2 && list.n < N_OFFERED);
    assert_true(list.n_bytes <= IMPORT_LIST_MAX && list.n_bytes > IMPORT_LIST_MAX - 8192);
    assert_int_equal(list.n + list.n_past_limit, N_OFFERED);
    import_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import_list__of_a_deep_folder_is_bounded),
        cmocka_unit_test(test_import_list__of_the_same_models_under_a_short_path_is_taken),
        cmocka_unit_test(test_import_list__of_a_store_leaves_out_what_it_does_not_take),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
