/* admit.c - see admit.h. */
#include "hive/models/admit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "hive/catalog/inspect.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "hive/process/programs.h"
#include "version.h"

struct admit {
    struct admit_params p;
    char sha256[DIGEST_SHA256_BYTES];
    char judge[64];
    struct inspect *inspect;
};

/* Which program judges: another build of the same version is another judge. A package may give its
 * files the time of its making: when it came is the disk's word. */
static void judge_text(const char *program, char dst[64])
{
    struct stat st = {0};

    stat(program, &st);
    snprintf(dst, 64, "%s-%lld-%lld-%lld.%09ld", RBEE_VERSION, (long long)st.st_size,
             (long long)st.st_mtim.tv_sec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

/* The last word; the admission is no more. */
static void finish(struct admit *a, const struct api_error *e)
{
    const struct admit_params p = a->p;

    free(a);
    p.done(p.arg, e);
}

static void keep(const struct admit *a, const struct inspect_result *r)
{
    const char *license = json_string_value(json_object_get(r->json, "license"));
    struct catalog_verdict v = {0};
    struct err err;

    if (!r->judged)
        return;
    str_copy(v.judge, sizeof v.judge, a->judge);
    str_copy(v.license, sizeof v.license, license ? license : "");
    if (r->error) {
        str_copy(v.code, sizeof v.code, api_error_info(r->error->code)->code);
        str_copy(v.message, sizeof v.message, r->error->message);
    }
    if (a->p.verdict)
        *a->p.verdict = v;
    if (a->sha256[0] && catalog_put_verdict(a->p.models->catalog, a->sha256, &v, &err))
        log_warn("%s", err.text);
}

static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct admit *a = arg;

    keep(a, r);
    finish(a, r->error);
}

/* True when the verdict is known. */
static bool is_known(struct admit *a)
{
    struct catalog_verdict v = {0};
    struct api_error e = {0};

    if (!a->sha256[0] || catalog_get_verdict(a->p.models->catalog, a->sha256, &v, NULL) ||
        !str_eq(v.judge, a->judge))
        return false;
    if (a->p.verdict)
        *a->p.verdict = v;
    if (v.code[0])
        api_error_set(&e, api_code_from(v.code, NULL), REPLY_SRC, "%s", v.message);
    finish(a, v.code[0] ? &e : NULL);
    return true;
}

void admit_start(const struct admit_params *params, struct admit **out)
{
    struct admit *a = calloc(1, sizeof *a);
    struct api_error e = {0};
    struct err err = {0};
    char *program = NULL;

    *out = NULL;
    if (!a) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        params->done(params->arg, &e);
        return;
    }
    a->p = *params;
    str_copy(a->sha256, sizeof a->sha256, params->sha256);
    if (programs_find_worker(config_text(params->config, "hive", "worker"), &program, &err)) {
        api_error_set(&e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
        finish(a, &e);
        return;
    }
    judge_text(program, a->judge);
    if (!is_known(a)) {
        if (inspect_start(params->looks, program, config_text(params->config, "hive", "sandbox"),
                          params->path, on_inspected, a, &a->inspect, &e))
            finish(a, &e);
        else
            *out = a;
    }
    free(program);
    api_error_done(&e);
}

void admit_cancel(struct admit *a)
{
    if (!a)
        return;
    inspect_cancel(a->inspect);
    free(a);
}
