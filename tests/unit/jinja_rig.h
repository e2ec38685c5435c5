/* jinja_rig.h - renders small templates for tests and compares; failures show the template. */
#ifndef RBEE_TESTS_JINJA_RIG_H
#define RBEE_TESTS_JINJA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jinja/jinja.h"

#define RIG_NOW       1752148800 /* 2025-07-10T12:00:00Z */
#define RIG_MAX_BYTES (1u << 20)

struct jinja_case {
    const char *template;
    const char *expected;
};

/* What templates of `rig_check` can name. */
#define RIG_VARIABLES                                                                              \
    "{\"d\": {\"a\": 1, \"b\": 2}, \"l\": [1, 2, 3], \"s\": \"hello\", \"n\": null,"               \
    " \"schema\": {\"items\": {\"type\": \"int\"}},"                                               \
    " \"people\": [{\"name\": \"Ann\", \"age\": 30}, {\"name\": \"Bob\", \"age\": 20},"            \
    " {\"name\": \"Cy\", \"age\": 30}]}"

/* 0 and the text in `out`, or the code of what failed first, and its sentence in *err. */
static inline int rig_render(const char *template, const char *json, const struct jinja_options *o,
                             struct buf *out, struct err *err)
{
    json_t *vars = json_loads(json, JSON_ALLOW_NUL, NULL);
    struct jinja_options options;
    struct jinja_program *p;
    int rc;

    assert_non_null(vars);
    jinja_options_init(&options, RIG_NOW);
    rc = jinja_compile(template, strlen(template), &p, err);
    if (rc == 0) {
        rc = jinja_render(p, vars, o ? o : &options, out, err);
        jinja_free(p);
    }
    json_decref(vars);
    return rc;
}

static inline void rig_check_one(const char *template, const char *json, const char *expected)
{
    struct err err = {0};
    struct buf out;

    buf_init(&out, RIG_MAX_BYTES);
    if (rig_render(template, json, NULL, &out, &err))
        fail_msg("%s\n    fails: %s", template, err.text);
    if (strcmp(buf_str(&out), expected) != 0)
        fail_msg("%s\n    gives    \"%s\"\n    expected \"%s\"", template, buf_str(&out), expected);
    buf_done(&out);
}

static inline void rig_check(const struct jinja_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rig_check_one(cases[i].template, RIG_VARIABLES, cases[i].expected);
}

/* The template fails with `code` and a sentence that begins so. */
static inline void rig_check_error(const char *template, int code, const char *beginning)
{
    struct err err = {0};
    struct buf out;
    int rc;

    buf_init(&out, RIG_MAX_BYTES);
    rc = rig_render(template, RIG_VARIABLES, NULL, &out, &err);
    if (rc != code || strncmp(err.text, beginning, strlen(beginning)) != 0)
        fail_msg("%s\n    gives    %d \"%s\"\n    expected %d \"%s...\"", template, rc, err.text,
                 code, beginning);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

#define RIG_CHECK(cases) rig_check(cases, sizeof(cases) / sizeof *(cases))

#endif
