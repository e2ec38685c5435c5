/* fuzz_hub.c - the hub's answer about a repository: any bytes, then the choice of a file from it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/fetch/hub.h"
#include "net/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(const struct hub_repo *repo, const char *text)
{
    static struct hub_choice choice;
    struct model_ref ref;

    BUG_ON(model_ref_parse(text, &ref, NULL));
    if (hub_choose(repo, &ref, &choice, NULL) == 0) {
        BUG_ON(choice.n_files == 0 || choice.n_files > CARD_FILES_MAX);
        for (size_t i = 0; i < choice.n_files; i++)
            BUG_ON(choice.files[i] >= repo->n_files);
    }
    model_ref_done(&ref);
}

/* What is asked for it: nothing in a name of the hub's is more than a part of the path. */
static void check_url(const struct hub_repo *repo, const char *name)
{
    static const char begin[] = "https://hub.example/o/r/resolve/";
    char *text = hub_file_url("https://hub.example", "o/r", repo->commit, name);
    struct http_url url;

    BUG_ON(!text || !str_starts(text, begin) || http_url_parse(text, &url, NULL));
    BUG_ON(!str_eq(url.host, "hub.example"));
    for (const char *p = text + strlen(begin); *p; p++)
        BUG_ON(!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/", *p));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hub_repo repo;

    if (hub_parse((const char *)data, size, &repo, NULL) == 0) {
        choose(&repo, "hf:o/r");
        choose(&repo, "hf:o/r:Q4_0");
        choose(&repo, "hf:o/r:a.gguf");
        for (size_t i = 0; i < repo.n_files; i++)
            check_url(&repo, repo.files[i].name);
    }
    hub_repo_done(&repo);
    return 0;
}
