/* method_case.c - methods of strings about their letters. Source: as method_text.c. */
#include "jinja/builtins.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

static int method_upper(struct run *r, struct call *c, struct value *out)
{
    return text_recase(r, c->self, TEXT_UPPER, out);
}

static int method_lower(struct run *r, struct call *c, struct value *out)
{
    return text_recase(r, c->self, TEXT_LOWER, out);
}

static int method_title(struct run *r, struct call *c, struct value *out)
{
    return text_recase(r, c->self, TEXT_TITLE, out);
}

static int method_capitalize(struct run *r, struct call *c, struct value *out)
{
    return text_recase(r, c->self, TEXT_CAPITALIZE, out);
}

static int method_swapcase(struct run *r, struct call *c, struct value *out)
{
    return text_recase(r, c->self, TEXT_SWAP, out);
}

/* ---- what all characters are; an empty text is nothing ------------------- */

static int all(struct run *r, struct value v, bool (*is)(uint32_t), struct value *out)
{
    bool every = v.len != 0;

    for (size_t at = 0, n; every && at < v.len; at += n)
        every = is(unicode_at(v.u.s + at, &n));
    *out = value_bool(every);
    return run_steps(r, v.len);
}

static bool alnum(uint32_t code)
{
    return unicode_alpha(code) || unicode_digit(code);
}

static bool ascii(uint32_t code)
{
    return code < 0x80;
}

static int method_isdigit(struct run *r, struct call *c, struct value *out)
{
    return all(r, c->self, unicode_digit, out);
}

static int method_isalpha(struct run *r, struct call *c, struct value *out)
{
    return all(r, c->self, unicode_alpha, out);
}

static int method_isalnum(struct run *r, struct call *c, struct value *out)
{
    return all(r, c->self, alnum, out);
}

static int method_isspace(struct run *r, struct call *c, struct value *out)
{
    return all(r, c->self, unicode_space, out);
}

static int method_isascii(struct run *r, struct call *c, struct value *out)
{
    int rc = all(r, c->self, ascii, out);

    if (c->self.len == 0)
        *out = value_bool(true);
    return rc;
}

/* Some letter has the case, and none the other one: what the tests "upper" and "lower" ask. */
static int test(struct run *r, struct call *c, const char *name, struct value *out)
{
    return call_builtin(r, builtin_test(name, strlen(name)), c, out);
}

static int method_isupper(struct run *r, struct call *c, struct value *out)
{
    return test(r, c, "upper", out);
}

static int method_islower(struct run *r, struct call *c, struct value *out)
{
    return test(r, c, "lower", out);
}

const struct builtin builtins_method_case[] = {
    {"upper", "", method_upper},           {"lower", "", method_lower},
    {"casefold", "", method_lower},        {"title", "", method_title},
    {"capitalize", "", method_capitalize}, {"swapcase", "", method_swapcase},
    {"isdigit", "", method_isdigit},       {"isdecimal", "", method_isdigit},
    {"isnumeric", "", method_isdigit},     {"isalpha", "", method_isalpha},
    {"isalnum", "", method_isalnum},       {"isspace", "", method_isspace},
    {"isascii", "", method_isascii},       {"isupper", "", method_isupper},
    {"islower", "", method_islower},       {0},
};
