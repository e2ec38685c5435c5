/*
 * pre.c - see pre.h. Reads the table of pre_table.c; PCRE2 does the matching.
 *
 * "\s" in the published patterns means Unicode's White_Space, which is not PCRE2's: it is spelled
 * out when a pattern is compiled.
 */
#include "engine/tok/pre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

#define PATTERN_MAX_BYTES 8192

/* Unicode's White_Space property, as members of a character class. Source: PropList.txt */
#define WHITE_SPACE                                                                                \
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"        \
    "\\x{205f}\\x{3000}"

/* Writes the pattern with each \s and \S spelled out, inside a class or as one. */
static void spell_spaces(const char *pattern, struct buf *out)
{
    bool in_class = false;

    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && (p[1] == 's' || p[1] == 'S')) {
            BUG_ON(in_class && p[1] == 'S');
            buf_puts(out, in_class      ? WHITE_SPACE
                          : p[1] == 's' ? "[" WHITE_SPACE "]"
                                        : "[^" WHITE_SPACE "]");
            p++;
        } else if (*p == '\\') {
            buf_put(out, p, 2);
            p++;
        } else {
            if (*p == '[')
                in_class = true;
            else if (*p == ']')
                in_class = false;
            buf_putc(out, *p);
        }
    }
}

static int compile(const char *pattern, pcre2_code **out, struct err *err)
{
    struct buf spelled;
    PCRE2_SIZE at = 0;
    int number = 0;

    buf_init(&spelled, PATTERN_MAX_BYTES);
    spell_spaces(pattern, &spelled);
    if (buf_failed(&spelled)) {
        buf_done(&spelled);
        return err_no_memory(err, PATTERN_MAX_BYTES, "a pre-tokeniser's pattern");
    }
    *out = pcre2_compile((PCRE2_SPTR)spelled.data, spelled.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                         &number, &at, NULL);
    buf_done(&spelled);
    if (!*out && number == PCRE2_ERROR_NOMEMORY)
        return err_no_memory(err, strlen(pattern), "a pre-tokeniser's pattern");
    if (!*out)
        BUG("pattern '%s': PCRE2 error %d at byte %zu", pattern, number, (size_t)at);
    /* without machine code (no memory that is both written and run) matching is only slower */
    (void)pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return 0;
}

/* Finds `name` among the blank-separated names; its place, or NULL. */
static const char *find_name(const char *names, struct gguf_str name)
{
    for (const char *p = names; *p;) {
        size_t len = strcspn(p, " ");

        if (len == name.len && memcmp(p, name.bytes, len) == 0)
            return p;
        p += len;
        p += *p == ' ';
    }
    return NULL;
}

static int unknown_name(struct gguf_str name, struct err *err)
{
    char shown[GGUF_SHOWN_BYTES], known[ERR_TEXT_MAX - 2 * GGUF_SHOWN_BYTES];
    size_t n = 0;

    for (const struct pre_def *d = pre_defs; d->names && n < sizeof(known); d++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, " %s", d->names);
    return err_set(err, ERR_UNSUPPORTED, "the pre-tokeniser '%s' is unknown; known are:%s",
                   gguf_show(name, shown), known);
}

int pre_create(struct pre *p, struct gguf_str name, struct err *err)
{
    int rc = 0;

    for (p->def = pre_defs; p->def->names; p->def++) {
        if (find_name(p->def->names, name))
            break;
    }
    if (!p->def->names)
        return unknown_name(name, err);
    p->name = str_ndup(name.bytes, name.len);
    if (!p->name)
        return err_no_memory(err, name.len + 1, "a pre-tokeniser's name");
    while (rc == 0 && p->n_stages < PRE_MAX_STAGES && p->def->stages[p->n_stages]) {
        rc = compile(p->def->stages[p->n_stages], &p->codes[p->n_stages], err);
        p->n_stages++;
    }
    return rc;
}

void pre_done(struct pre *p)
{
    for (uint32_t i = 0; i < p->n_stages; i++)
        pcre2_code_free(p->codes[i]);
    free(p->name);
}

void pre_work_done(struct pre_work *w)
{
    for (uint32_t i = 0; i < PRE_MAX_STAGES; i++)
        pcre2_match_data_free(w->match[i]);
}

struct split {
    const struct pre *pre;
    struct pre_work *work;
    int (*word)(void *arg, const char *bytes, size_t n);
    void *arg;
    struct err *err;
};

/* The next match of a stage's pattern behind `from`; 0, or PCRE2's error. */
static int next_match(const struct split *s, uint32_t stage, const char *text, size_t n,
                      size_t from, size_t *start, size_t *end)
{
    const pcre2_code *code = s->pre->codes[stage];
    pcre2_match_data *match = s->work->match[stage];
    uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int rc = pcre2_match(code, (PCRE2_SPTR)text, n, from, options, match, NULL);

    /* the machine code's stack is small; the interpreter's memory is on the heap */
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, (PCRE2_SPTR)text, n, from, options | PCRE2_NO_JIT, match, NULL);
    if (rc < 0)
        return rc;
    *start = pcre2_get_ovector_pointer(match)[0];
    *end = pcre2_get_ovector_pointer(match)[1];
    return 0;
}

/* Cuts n well-formed bytes by the stage's pattern, and gives the pieces to the next. */
static int split_stage(const struct split *s, uint32_t stage, const char *text, size_t n)
{
    size_t at = 0, start = 0, end = 0;
    int rc = 0;

    if (n == 0)
        return 0;
    if (stage == s->pre->n_stages)
        return s->word(s->arg, text, n);
    while (at < n && rc == 0) {
        int found = next_match(s, stage, text, n, at, &start, &end);

        if (found == PCRE2_ERROR_NOMATCH)
            return split_stage(s, stage + 1, text + at, n - at);
        if (found != 0)
            return err_set(s->err, ERR_LIMIT,
                           "the pre-tokeniser %s gave up at byte %zu of %zu (PCRE2 error %d)",
                           s->pre->name, at, n, found);
        rc = split_stage(s, stage + 1, text + at, start - at);
        if (rc == 0)
            rc = split_stage(s, stage + 1, text + start, end - start);
        at = end;
    }
    return rc;
}

/* How many of the n bytes, from the first, begin no well-formed character. */
static size_t broken_bytes(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && utf8_len(text + i, n - i) <= 0)
        i++;
    return i;
}

int pre_split(const struct pre *p, struct pre_work *w, const char *text, size_t n,
              int (*word)(void *arg, const char *bytes, size_t n), void *arg, struct err *err)
{
    struct split s = {p, w, word, arg, err};
    int rc = 0;

    for (uint32_t i = 0; i < p->n_stages; i++) {
        if (!w->match[i])
            w->match[i] = pcre2_match_data_create(1, NULL);
        if (!w->match[i])
            return err_no_memory(err, sizeof(void *), "a pre-tokeniser's match");
    }
    while (n > 0 && rc == 0) {
        size_t good = utf8_valid(text, n), bad = broken_bytes(text + good, n - good);

        rc = split_stage(&s, 0, text, good);
        if (rc == 0 && bad > 0)
            rc = word(arg, text + good, bad);
        text += good + bad;
        n -= good + bad;
    }
    return rc;
}
