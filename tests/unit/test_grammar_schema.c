/*
 * JSON Schema: which texts the grammar of a schema has, what is refused by name, and with which
 * place. What is good and bad follows the draft's text (2020-12, core and validation) and schema.h.
 */
#include "grammar_rig.h"

#include <jansson.h>

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &e);

    if (!value)
        fail_msg("%s in %s", e.text, text);
    return value;
}

static struct grammar *compile(const char *text)
{
    json_t *schema = parse(text);
    struct grammar *g = NULL;
    struct err err = {0};

    if (grammar_from_schema(schema, NULL, &g, &err))
        fail_msg("%s\n  in: %s", err.text, text);
    json_decref(schema);
    return g;
}

struct sample {
    const char *schema;
    const char *good[9], *bad[9];
};

static void check_samples(const struct sample *samples, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const struct sample *s = &samples[k];
        struct grammar *g = compile(s->schema);

        for (size_t i = 0; i < 9 && s->good[i]; i++) {
            if (rig_match(g, s->good[i]) != 1)
                fail_msg("not accepted: %s by %s", s->good[i], s->schema);
        }
        for (size_t i = 0; i < 9 && s->bad[i]; i++) {
            if (rig_match(g, s->bad[i]) == 1)
                fail_msg("accepted: %s by %s", s->bad[i], s->schema);
        }
        grammar_free(g);
    }
}
#define CHECK(samples) check_samples(samples, sizeof(samples) / sizeof *(samples))

static void test_schema__types(void **state)
{
    static const struct sample samples[] = {
        {"true",
         {"1", "null", "{}", "[]", "\"x\"", "{\"a\": [1, {\"b\":null}]}", "-1.5e+10",
          "{\n  \"a\": 1\n}"},
         {"", "x", "{", "[1,]", "{\"a\"}", "01", "1.", "+1", " 1"}},
        {"{}", {"1", "true", "[[[]]]"}, {"tru", "[1 2]", "1 "}},
        {"{\"type\":\"null\"}", {"null"}, {"0", "\"null\""}},
        {"{\"type\":\"boolean\"}", {"true", "false"}, {"1", "True"}},
        {"{\"type\":\"object\"}",
         {"{}", "{ }", "{\"a\":1}", "{\"a\": 1, \"b\": {\"c\": []}}"},
         {"[]", "1", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{\"a\":  1}"}},
        {"{\"type\":\"array\"}",
         {"[]", "[1]", "[1, \"a\", null]", "[\n\t1,\n\t2\n]"},
         {"{}", "[,]", "[1,\n\n2]"}},
        {"{\"type\":\"string\"}",
         {"\"\"", "\"a b\"", "\"\\n\\\"\\\\\\/\\b\\f\\r\\t\"", "\"\\u00e9\\uD83D\\uDE00\"",
          "\"\xc3\xa9\xe2\x82\xac\""},
         {"a", "\"", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "\"\xff\"", "\"\xed\xa0\x80\"",
          "\"\\u0000\"", "\"\x1f\""}},
        {"{\"type\":\"integer\"}",
         {"0", "-1", "123456789012345678"},
         {"1.0", "01", "-", "1e5", "1234567890123456789"}},
        {"{\"type\":\"number\"}",
         {"0", "-1.5", "1e5", "1.25E-7", "-0"},
         {"1.", ".5", "1e", "1e100", "Infinity", "0x1"}},
        {"{\"type\":[\"string\",\"null\"]}", {"\"a\"", "null"}, {"1", "[]"}},
        {"{\"type\":[\"integer\",\"boolean\"]}", {"1", "true"}, {"\"1\"", "null", "1.5"}},
        {"{\"type\":\"string\",\"nullable\":true}", {"\"a\"", "null"}, {"1"}},
        {"{\"type\":\"string\",\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[],"
         "\"$schema\":\"x\","
         "\"$id\":\"y\",\"$comment\":\"c\",\"deprecated\":true,\"readOnly\":true,\"writeOnly\":"
         "false}",
         {"\"a\""},
         {"1"}},
        /* what pydantic says of bytes and of unions: refused, though it constrains no text */
        {"{\"type\":\"string\",\"contentEncoding\":\"base64\",\"contentMediaType\":\"image/png\"}",
         {"\"a\""},
         {"1"}},
        {"{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"}],"
         "\"discriminator\":{\"propertyName\":\"kind\",\"mapping\":{\"a\":\"#/$defs/a\"}}}",
         {"null", "true"},
         {"1", "{}"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__objects(void **state)
{
    static const struct sample samples[] = {
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
         "\"string\"}},"
         "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}",
         {"{\"a\":1,\"b\":\"x\"}", "{ \"a\": 1, \"b\": \"x\" }",
          "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
         {"{}", "{\"a\":1}", "{\"b\":\"x\",\"a\":1}", "{\"a\":1,\"b\":\"x\",\"c\":1}",
          "{\"a\":\"1\",\"b\":\"x\"}", "{\"a\":1,\"a\":1}"}},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"},\"c\":{"
         "\"type\":\"integer\"}}}",
         {"{}", "{\"a\":1}", "{\"b\":1}", "{\"c\":1}", "{\"a\":1,\"c\":2}",
          "{\"a\":1,\"b\":2,\"c\":3}"},
         {"{,\"b\":1}", "{\"c\":1,\"a\":1}", "{\"d\":1}", "1"}},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"}},\"required\":"
         "[\"b\"]}",
         {"{\"b\":1}", "{\"a\":1,\"b\":1}"},
         {"{}", "{\"a\":1}"}},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
         {"{}", "{\"x\":1}", "{\"x\":1,\"y\":2}"},
         {"{\"x\":\"1\"}", "{\"x\":1,}"}},
        {"{\"type\":\"object\",\"additionalProperties\":false}", {"{}"}, {"{\"a\":1}"}},
        {"{\"properties\":{\"ab\":{\"type\":\"integer\"},\"abc\":{\"type\":\"integer\"}},"
         "\"additionalProperties\":"
         "{\"type\":\"boolean\"}}",
         {"{\"ab\":1}", "{\"abc\":1}", "{\"a\":true}", "{\"abcd\":true}", "{\"\":true}",
          "{\"ab\":1,\"x\":true}", "{\"\\\\\":true}", "{\"b\\u0061\":true}"},
         {"{\"ab\":true}", "{\"abc\":true}", "{\"\\u0061b\":true}", "{\"a\\u0062\":true}",
          "{\"a\":1}"}},
        {"{\"properties\":{\"\xc3\xa9/"
         "\\\"\":{\"type\":\"integer\"}},\"additionalProperties\":true}",
         {"{\"\xc3\xa9/\\\"\":1}", "{\"\xc3\xa9\":\"\"}", "{\"\xc3\xa8/\\\"\":\"\"}",
          "{\"\xc3\xa9/\":\"\"}"},
         {"{\"\xc3\xa9/\\\"\":\"\"}", "{\"\xc3\xa9\\/\\\"\":\"\"}"}},
        {"{\"properties\":{\"a\":false,\"b\":true}}", {"{}", "{\"b\":[]}"}, {"{\"a\":1}"}},
        {"{\"properties\":{\"a\":false},\"additionalProperties\":true}",
         {"{}", "{\"b\":1}"},
         {"{\"a\":1}"}},
        {"{\"type\":\"object\",\"required\":[\"z\"]}",
         {"{\"z\":1}", "{\"z\":[],\"y\":2}"},
         {"{}", "{\"y\":2}"}},
        {"{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":2}",
         {"{\"a\":1}", "{\"a\":1,\"b\":2}"},
         {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}},
        /* zod 4 says it of every record, which was refused for it */
        {"{\"type\":\"object\",\"propertyNames\":{\"type\":\"string\",\"title\":\"k\"},"
         "\"additionalProperties\":{\"type\":\"integer\"}}",
         {"{}", "{\"x\":1}"},
         {"{\"x\":\"1\"}", "1"}},
        {"{\"propertyNames\":true}", {"{}", "{\"x\":[]}"}, {"1", "[]"}},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{"
         "\"type\":\"null\"}},"
         "\"required\":[\"b\"]}},\"required\":[\"a\"]}",
         {"{\"a\": {\"b\": null}}"},
         {"{\"a\":{}}", "{\"b\":null}"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__arrays(void **state)
{
    static const struct sample samples[] = {
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
         {"[]", "[1]", "[1, 2,3]"},
         {"[\"a\"]", "[1,]"}},
        {"{\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
         {"[1,2]", "[1,2,3]"},
         {"[]", "[1]", "[1,2,3,4]", "1"}},
        {"{\"type\":\"array\",\"maxItems\":0}", {"[]", "[ ]"}, {"[1]"}},
        {"{\"type\":\"array\",\"items\":false}", {"[]"}, {"[1]"}},
        {"{\"type\":\"array\",\"minItems\":1}", {"[1]", "[null,[]]"}, {"[]"}},
        {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":60,\"maxItems\":60}",
         {NULL},
         {"[]", "[null]"}},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
         {"[]", "[1]", "[1,\"a\"]"},
         {"[\"a\"]", "[1,2]", "[1,\"a\",1]"}},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"minItems\":2}",
         {"[1,\"a\"]"},
         {"[]", "[1]"}},
        {"{\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"null\"},\"maxItems\":3}",
         {"[]", "[1]", "[1,null,null]"},
         {"[null]", "[1,2]", "[1,null,null,null]"}},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"integer\"}],\"items\":true,"
         "\"maxItems\":1}",
         {"[]", "[1]"},
         {"[1,2]"}},
        {"{\"type\":\"array\",\"uniqueItems\":false,\"items\":{\"enum\":[1]}}", {"[1,1]"}, {"[2]"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__strings(void **state)
{
    static const struct sample samples[] = {
        {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
         {"\"ab\"", "\"abc\"", "\"\xc3\xa9\xe2\x82\xac\"", "\"\\n\\u0041\"", "\"\\ud83d\\ude00a\"",
          "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\""},
         {"\"\"", "\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""}},
        {"{\"type\":\"string\",\"minLength\":1}", {"\"a\""}, {"\"\""}},
        {"{\"type\":\"string\",\"maxLength\":0}", {"\"\""}, {"\"a\""}},
        {"{\"pattern\":\"^[a-c]+$\"}", {"\"a\"", "\"abc\""}, {"\"\"", "\"d\"", "\"ad\"", "1"}},
        /* no character but none: an array of ranges that was never made was sorted */
        {"{\"pattern\":\"^[^]$\"}", {"\"a\"", "\"\\n\""}, {"\"\"", "\"ab\""}},
        {"{\"pattern\":\"b+\"}", {"\"b\"", "\"abc\"", "\"bb\\n\""}, {"\"\"", "\"ac\""}},
        {"{\"pattern\":\"^a\"}", {"\"a\"", "\"ab\""}, {"\"ba\"", "\"\""}},
        {"{\"pattern\":\"a$\"}", {"\"a\"", "\"ba\""}, {"\"ab\"", "\"\""}},
        {"{\"pattern\":\"^(?:ab|c)(?<n>d?)\\\\.x*?$\"}",
         {"\"ab.\"", "\"cd.xx\""},
         {"\"d.\"", "\"abd\""}},
        {"{\"pattern\":\"^a$|^b\"}", {"\"a\"", "\"b\"", "\"bc\""}, {"\"ac\"", "\"\""}},
        {"{\"pattern\":\"^\\\\d{2}-\\\\w[\\\\w\\\\s]\\\\W$\"}",
         {"\"12-ab.\"", "\"00-_ \xc3\xa9\"", "\"00-_\\n-\""},
         {"\"1-ab.\"", "\"12-abc\"", "\"12-.b.\""}},
        {"{\"pattern\":\"^[^a\\\\n]{2}$\"}",
         {"\"bc\"", "\"\\\"\\\\\"", "\"\\t\xe2\x82\xac\""},
         {"\"ab\"", "\"b\\n\"", "\"b\"", "\"\n\n\""}},
        {"{\"pattern\":\"^\\\\x41\\\\u00e9\\\\u{1F600}\\\\/[\\\\]\\\\-]$\"}",
         {"\"A\xc3\xa9\xf0\x9f\x98\x80/-\"", "\"A\xc3\xa9\xf0\x9f\x98\x80/]\""},
         {"\"A\xc3\xa9\xf0\x9f\x98\x80/a\""}},
        {"{\"pattern\":\"^.$\"}",
         {"\"a\"", "\"\\t\"", "\"\xe2\x82\xac\""},
         {"\"\\n\"", "\"\"", "\"\xe2\x80\xa8\""}},
        {"{\"pattern\":\"^[a-z]+$\",\"minLength\":2,\"maxLength\":3}",
         {"\"ab\"", "\"abc\""},
         {"\"a\"", "\"abcd\""}},
        {"{\"pattern\":\"^[A-Z][a-z]*!$\",\"maxLength\":4}",
         {"\"A!\"", "\"Abc!\""},
         {"\"Abcd!\"", "\"!\""}},
        {"{\"pattern\":\"^\\\\d{4}$\",\"minLength\":1,\"maxLength\":9}", {"\"1234\""}, {"\"123\""}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__formats(void **state)
{
    static const struct sample samples[] = {
        {"{\"format\":\"date\"}",
         {"\"2024-02-29\"", "\"2023-12-31\"", "\"2000-02-29\"", "\"2025-04-30\""},
         {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-13-01\"", "\"2024-04-31\"", "\"24-01-01\"",
          "\"2024-1-1\""}},
        {"{\"type\":\"string\",\"format\":\"time\"}",
         {"\"12:00:00Z\"", "\"23:59:59.123+05:30\""},
         {"\"24:00:00Z\"", "\"12:00\"", "\"12:60:00Z\"", "\"12:00:00\""}},
        {"{\"format\":\"date-time\"}",
         {"\"2024-02-29T12:00:00Z\"", "\"1985-04-12T23:20:50.52-08:00\""},
         {"\"2024-02-29\"", "\"2024-02-29 12:00:00Z\"", "\"2023-02-29T12:00:00Z\""}},
        {"{\"format\":\"duration\"}",
         {"\"P1D\"", "\"PT5M\"", "\"P1Y2M3D\"", "\"P1DT2H\"", "\"P3W\""},
         {"\"P\"", "\"PT\"", "\"1D\"", "\"P1W2D\"", "\"P1M1Y\""}},
        {"{\"format\":\"uuid\"}",
         {"\"123e4567-e89b-12d3-a456-426614174000\""},
         {"\"123e4567e89b12d3a456426614174000\"", "\"123e4567-e89b-12d3-a456-42661417400g\""}},
        {"{\"format\":\"email\"}",
         {"\"a@example.org\"", "\"first.last+tag@mail.example.co.uk\""},
         {"\"a\"", "\"@example.org\"", "\"a@b\"", "\"a b@example.org\"", "\"a@-b.org\""}},
        {"{\"format\":\"hostname\"}",
         {"\"a\"", "\"www.example.org\""},
         {"\"\"", "\"-a\"", "\"a..b\"", "\"a_b\""}},
        {"{\"format\":\"ipv4\"}",
         {"\"0.0.0.0\"", "\"255.192.10.1\""},
         {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\"", "\"1.2.3.4.5\""}},
        {"{\"format\":\"ipv6\"}",
         {"\"::\"", "\"::1\"", "\"1:2:3:4:5:6:7:8\"", "\"2001:db8::1\"", "\"1::\"", "\"1::8\""},
         {"\":\"", "\"1:2\"", "\"1::2::3\"", "\"12345::\"", "\"1:2:3:4:5:6:7:8:9\""}},
        {"{\"format\":\"uri\"}",
         {"\"https://example.org\"", "\"http://a.b:80/c/d?e=f#g\""},
         {"\"example.org\"", "\"http:// a\"", "\"://a\""}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__numbers(void **state)
{
    static const struct sample samples[] = {
        {"{\"type\":\"integer\",\"minimum\":0}", {"0", "7", "123"}, {"-1", "-0", "00"}},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}",
         {"1", "9", "10", "99", "100"},
         {"0", "101", "-1", "1000", "010", "199"}},
        {"{\"type\":\"integer\",\"minimum\":-12,\"maximum\":345}",
         {"-12", "-1", "0", "345", "299", "340"},
         {"-13", "346", "350", "400", "-20", "-0"}},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":-5,\"exclusiveMaximum\":-2}",
         {"-4", "-3"},
         {"-5", "-2", "3", "-1"}},
        {"{\"type\":\"integer\",\"minimum\":1.5,\"maximum\":3.5}", {"2", "3"}, {"1", "4"}},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":1.5,\"exclusiveMaximum\":3.0}",
         {"2"},
         {"1", "3"}},
        {"{\"type\":\"integer\",\"minimum\":9223372036854775800}",
         {"9223372036854775800", "9223372036854775807"},
         {"9223372036854775799", "9223372036854775808"}},
        {"{\"type\":\"integer\",\"minimum\":-9223372036854775808,\"maximum\":-9223372036854775807}",
         {"-9223372036854775808", "-9223372036854775807"},
         {"-9223372036854775806", "0"}},
        {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
         {"0", "1", "0.5", "1.0", "0.0", "1.000"},
         {"-0.1", "1.1", "1.001", "2", "5e-1"}},
        {"{\"minimum\":-1.25,\"maximum\":0.5}",
         {"-1.25", "-1.2", "-1", "-0.99", "0.49", "0.5", "0", "-0.0"},
         {"-1.26", "-1.3", "0.51", "0.6", "1", "-2", "-1.250000001"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":0}",
         {"0.1", "1", "0.001", "100.5"},
         {"0", "0.0", "-1", "-0"}},
        {"{\"type\":\"number\",\"exclusiveMaximum\":0}", {"-0.1", "-1"}, {"0", "-0", "-0.0", "1"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":2.5,\"exclusiveMaximum\":2.75}",
         {"2.51", "2.6", "2.74", "2.749"},
         {"2.5", "2.75", "2.50", "2.750", "2.49", "2.76", "2", "3"}},
        /* 99.999999999999999 is 100.0 for who reads it as a double: all validators */
        {"{\"type\":\"number\",\"minimum\":99,\"exclusiveMaximum\":100}",
         {"99", "99.5", "99.0", "99.9999999999999"},
         {"100", "100.0", "99.999999999999999", "99.9999999999999999", "98.9"}},
        {"{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":1}",
         {"0", "0.5", "0.999999999999999"},
         {"1", "1.0", "3.8", "0.9999999999999999", "10", "18446744073709551615"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}",
         {"0.5", "0.000000000000001"},
         {"0", "1", "2.5"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":-1,\"maximum\":0}",
         {"-0.5", "0", "-0.999999999999999"},
         {"-1", "-2.9", "0.1"}},
        {"{\"type\":\"number\",\"exclusiveMaximum\":1}", {"-7", "0.5", "0"}, {"1", "3.8"}},
        {"{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":2}",
         {"0.5", "1", "1.99999999999999"},
         {"2", "3", "1.999999999999999"}},
        {"{\"type\":\"number\",\"exclusiveMaximum\":100}",
         {"0.123456789012345", "98.123456789012345", "99.9999999999999", "-7.5"},
         {"99.999999999999999", "100"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":16,\"exclusiveMaximum\":17}",
         {"16.0000000000001", "16.9999999999999"},
         {"16.000000000000001", "16", "17", "16.999999999999999"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":-100}",
         {"-99.9999999999999", "-98.123456789012345", "7"},
         {"-99.999999999999999", "-100"}},
        {"{\"type\":\"number\",\"minimum\":16,\"maximum\":100}",
         {"16.000000000000001", "99.999999999999999", "16", "100"}, /* are 16 and 100 */
         {"15.9", "100.1"}},
        {"{\"type\":\"number\",\"minimum\":99.5}",
         {"99.5", "99.50", "100", "1000.25", "99.6"},
         {"99.4", "99", "9.9", "-100"}},
        {"{\"type\":\"number\",\"minimum\":5,\"maximum\":5}", {"5", "5.0"}, {"5.01", "4.9"}},
        {"{\"type\":[\"integer\",\"string\"],\"minimum\":3}", {"3", "\"a\""}, {"2", "3.5"}},
    };

    (void)state;
    CHECK(samples);
}

/*
 * Members come in the schema's order. Where several schemas held for one object it was that of
 * their addresses: the same request was answered otherwise by a worker that had done something
 * else before.
 */
static void test_schema__order_is_not_that_of_memory(void **state)
{
    (void)state;
    for (int branch_first = 0; branch_first < 2; branch_first++) {
        static const char own[] = "{\"a\":{\"const\":1}}",
                          other[] = "[{\"properties\":{\"b\":{\"const\":2}},\"required\":[\"b\"]}]";
        json_t *branches = branch_first ? parse(other) : NULL, *schema = json_object();
        struct grammar *g = NULL;
        struct err err = {0};

        if (!branches)
            branches = parse(other);
        json_object_set_new(schema, "properties", parse(own));
        json_object_set_new(schema, "required", parse("[\"a\"]"));
        json_object_set_new(schema, "anyOf", branches);
        assert_int_equal(grammar_from_schema(schema, NULL, &g, &err), 0);
        assert_int_equal(rig_match(g, "{\"a\":1,\"b\":2}"), 1);
        assert_int_not_equal(rig_match(g, "{\"b\":2,\"a\":1}"), 1);
        grammar_free(g);
        json_decref(schema);
    }
}

static void test_schema__choices(void **state)
{
    static const struct sample samples[] = {
        {"{\"enum\":[\"a\",1,null,true,[1,\"x\"],{\"k\":{}}]}",
         {"\"a\"", "1", "null", "true", "[1,\"x\"]", "[1, \"x\"]", "{\"k\":{}}", "{\"k\": {}}"},
         {"\"b\"", "false", "[]"}},
        {"{\"const\":\"caf\xc3\xa9 \\\"x\\\"\"}", {"\"caf\xc3\xa9 \\\"x\\\"\""}, {"\"cafe\""}},
        {"{\"const\":0.1}", {"0.1"}, {"0.10000000000000001", "1"}},
        {"{\"type\":\"string\",\"enum\":[\"a\",1]}", {"\"a\""}, {"1"}},
        {"{\"type\":\"integer\",\"enum\":[1.0,1.5,2]}", {"2"}, {"1.5"}},
        {"{\"enum\":[1,2,3],\"allOf\":[{\"enum\":[2,3,4]},{\"const\":3}]}", {"3"}, {"1", "2", "4"}},
        {"{\"enum\":[1,[2]],\"const\":1.0}", {"1"}, {"2", "[2]"}},
        {"{\"allOf\":[{\"enum\":[1,[2]]},{\"enum\":[[2.0],3]}]}", {"[2]"}, {"1", "3"}},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}",
         {"\"a\"", "1"},
         {"null", "1.5"}},
        {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"anyOf\":[{\"required\":[\"a\"]}"
         ",{\"required\":[\"b\"]}]}",
         {"{\"a\":1}", "{\"b\":1}", "{\"a\":1,\"b\":2}"},
         {"{}", "{\"c\":1}"}},
        {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", {"\"a\"", "null"}, {"1"}},
        {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"},\"x\":{\"type\":\"integer\"}},"
         "\"required\":[\"k\",\"x\"]},"
         "{\"properties\":{\"k\":{\"const\":\"b\"},\"y\":{\"type\":\"integer\"}},\"required\":["
         "\"k\",\"y\"]}]}",
         {"{\"k\":\"a\",\"x\":1}", "{\"k\":\"b\",\"y\":1}"},
         {"{\"k\":\"a\",\"y\":1}", "{\"k\":\"c\",\"x\":1}"}},
        {"{\"oneOf\":[{\"properties\":{\"a\":{}},\"required\":[\"a\"]},{\"properties\":{\"b\":{}},"
         "\"required\":[\"b\"]}]}",
         {"{\"a\":1}", "{\"b\":1}"},
         {"{}", "{\"a\":1,\"b\":1}"}},
        {"{\"oneOf\":[{\"const\":1},{\"enum\":[2,3]}]}", {"1", "2", "3"}, {"4"}},
        /* a constant's type is known without `type` */
        {"{\"oneOf\":[{\"type\":\"object\"},{\"const\":1},{\"enum\":[null,\"a\"]},{\"type\":"
         "\"boolean\"}]}",
         {"{}", "1", "null", "\"a\"", "true"},
         {"2", "[]"}},
        /* Two closed objects once ended the worker: a macro of jansson's looked twice for what was
         * found once. */
        {"{\"oneOf\":[{\"properties\":{\"a\":{}},\"required\":[\"a\"],\"additionalProperties\":"
         "false},"
         "{\"properties\":{\"b\":{}},\"required\":[\"b\"],\"additionalProperties\":false}]}",
         {"{\"a\":1}", "{\"b\":1}"},
         {"{}", "{\"c\":1}"}},
        /* an open object that always has a, and a closed one that never does */
        {"{\"oneOf\":[{\"properties\":{\"a\":{}},\"required\":[\"a\"],\"additionalProperties\":"
         "true},{\"properties\":{\"b\":{}},\"additionalProperties\":false}]}",
         {"{\"a\":1}", "{\"a\":1,\"c\":2}", "{\"b\":1}", "{}"},
         {"{\"c\":1}", "{\"b\":1,\"c\":2}"}},
        /* one name of several is enough, in any list */
        {"{\"oneOf\":[{\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false},"
         "{\"allOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\",\"c\"]}],\"properties\":{\"a\":"
         "{},\"b\":{},\"c\":{}},\"additionalProperties\":true}]}",
         {"{\"a\":1,\"b\":2}", "{}", "{\"a\":1,\"b\":2,\"c\":3}"},
         {"{\"c\":1}", "{\"a\":1,\"c\":3}"}},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},"
         "{\"properties\":{\"b\":{\"type\":\"null\"},\"a\":{\"minimum\":5}}}]}",
         {"{\"a\":5}", "{\"a\":6,\"b\":null}"},
         {"{\"a\":4}", "{\"b\":null}", "{\"a\":5.5}"}},
        {"{\"allOf\":[{\"properties\":{\"a\":{}},\"additionalProperties\":false},{\"properties\":{"
         "\"b\":{}}}]}",
         {"{}", "{\"a\":1}"},
         {"{\"b\":1}", "{\"a\":1,\"b\":1}"}},
        {"{\"allOf\":[{\"type\":\"string\",\"minLength\":2},{\"maxLength\":3}]}",
         {"\"ab\"", "\"abc\""},
         {"\"a\"", "\"abcd\""}},
        {"{\"allOf\":[{\"type\":[\"string\",\"integer\"]},{\"type\":[\"number\",\"null\"]}]}",
         {"1"},
         {"\"a\"", "null", "1.5"}},
        {"{\"anyOf\":[{\"type\":\"string\"},false]}", {"\"a\""}, {"1"}},
        {"{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\","
         "\"items\":{\"const\":1}}]}}",
         {"[null,[1,1],[]]"},
         {"[1]", "[[null]]"}},
    };

    (void)state;
    CHECK(samples);
}

static void test_schema__references(void **state)
{
    static const struct sample samples[] = {
        {"{\"$defs\":{\"p\":{\"type\":\"integer\"}},\"type\":\"array\",\"items\":{\"$ref\":\"#/"
         "$defs/p\"}}",
         {"[1,2]"},
         {"[\"a\"]"}},
        {"{\"definitions\":{\"a/b~c "
         "d\":{\"type\":\"null\"}},\"$ref\":\"#/definitions/a~1b~0c%20d\"}",
         {"null"},
         {"1"}},
        {"{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"$ref\":\"#"
         "\"}},\"required\":[\"v\"]}",
         {"{\"v\":1}", "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}"},
         {"{\"next\":{\"v\":1}}", "{\"v\":1,\"next\":1}"}},
        {"{\"$ref\":\"#/$defs/"
         "tree\",\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"kids\":{\"type\":"
         "\"array\","
         "\"items\":{\"$ref\":\"#/$defs/"
         "tree\"}}},\"required\":[\"kids\"],\"additionalProperties\":false}}}",
         {"{\"kids\":[]}", "{\"kids\":[{\"kids\":[]},{\"kids\":[]}]}"},
         {"{}", "{\"kids\":[1]}"}},
        {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
         "n\",\"minimum\":3,"
         "\"description\":\"x\"}},\"required\":[\"a\"]}",
         {"{\"a\":3}"},
         {"{\"a\":2}", "{\"a\":\"3\"}"}},
        {"{\"$defs\":{\"l\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$"
         "ref\":\"#/$defs/l\"}}]}},"
         "\"$ref\":\"#/$defs/l\"}",
         {"null", "[[],[null,[null]]]"},
         {"[1]"}},
        {"{\"$defs\":{\"n\":{\"properties\":{\"x\":{\"allOf\":[{\"$ref\":\"#/$defs/"
         "n\"},{\"required\":[\"x\"]}]}}}},"
         "\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/n\"}]}",
         {"null", "{}"},
         {"{\"x\":{}}", "1"}},
        {"{\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"$ref\":\"#/prefixItems/0\"}}",
         {"[null,null]"},
         {"[null,1]"}},
    };

    (void)state;
    CHECK(samples);
}

static void check_refused(const char *text, int code, const char *message)
{
    json_t *schema = parse(text);
    struct grammar *g = NULL;
    struct err err = {0};
    int rc = grammar_from_schema(schema, NULL, &g, &err);

    if (rc != code || !str_starts(err.text, message))
        fail_msg("%s gave %d: %s", text, rc, err.text);
    assert_null(g);
    json_decref(schema);
}

static void test_schema__refuses_by_name_and_place(void **state)
{
    static const struct {
        const char *schema, *message;
    } cases[] = {
        {"{\"properties\":{\"a\":{\"not\":{}}}}",
         "the schema at #/properties/a/not: the keyword 'not' is not supported"},
        {"{\"items\":{\"anyOf\":[{},{\"multipleOf\":2}]}}",
         "the schema at #/items/anyOf/1/multipleOf: the keyword 'multipleOf' is not supported"},
        {"{\"properties\":{\"a/b~\":{\"foo\":1}}}",
         "the schema at #/properties/a~1b~0/foo: the keyword 'foo'"},
        {"{\"uniqueItems\":true}", "the schema at #/uniqueItems: 'uniqueItems' is not supported"},
        {"{\"if\":{},\"then\":{}}", "the schema at #/if: the keyword 'if' is not supported"},
        {"{\"patternProperties\":{}}", "the schema at #/patternProperties: the keyword"},
        {"{\"propertyNames\":{\"enum\":[\"a\"]}}",
         "the schema at #/propertyNames: 'propertyNames' is not supported but as"},
        {"{\"propertyNames\":{\"type\":\"integer\"}}", "the schema at #/propertyNames"},
        {"{\"propertyNames\":false}", "the schema at #/propertyNames"},
        {"{\"format\":\"iri\"}", "the schema at #/format: the format 'iri' is not supported"},
        {"{\"items\":{\"$id\":\"x\"}}",
         "the schema at #/items/$id: the keyword '$id' is not supported but at the top"},
        {"{\"$ref\":\"other.json\"}", "the schema at #/$ref: 'other.json' is not supported"},
        {"{\"enum\":[\"a\"],\"minLength\":1}",
         "the schema at #/minLength: 'minLength' beside 'enum' or 'const'"},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}",
         "the schema at #/oneOf: branches 0 and 1 of this oneOf may both hold"},
        {"{\"oneOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"b\":{}}}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        /* a closed object that may have all that an open one always has: {"a":1} is valid for both
         */
        {"{\"oneOf\":[{\"properties\":{\"a\":{}},\"required\":[\"a\"],\"additionalProperties\":"
         "true},{\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        /* ... also where the texts made for that one are strings */
        {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"a\":{}},\"required\":[\"a\"],"
         "\"additionalProperties\":true},{\"minLength\":1,\"properties\":{\"a\":{}},"
         "\"additionalProperties\":false}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        {"{\"oneOf\":[{\"const\":1},{\"type\":\"integer\"}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        {"{\"oneOf\":[{\"const\":1},{\"const\":1.0}]}", "the schema at #/oneOf: branches 0 and 1"},
        {"{\"oneOf\":[{\"const\":[1]},{\"const\":[1.0]}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        {"{\"oneOf\":[{\"const\":{\"a\":[1]}},{\"enum\":[2,{\"a\":[1.0]}]}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        {"{\"type\":\"number\",\"exclusiveMinimum\":9007199254740992}",
         "the schema at #/exclusiveMinimum: 'exclusiveMinimum' from 2^53 on is not supported"},
        {"{\"pattern\":\"[\\\\w--a]\"}",
         "the schema at #/pattern: in the pattern '[\\w--a]', 3 bytes into it: a '-' between"},
        {"{\"oneOf\":[{\"const\":1.0},{\"type\":\"integer\"}]}",
         "the schema at #/oneOf: branches 0 and 1"},
        {"{\"allOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}",
         "the schema at #/allOf/1/pattern: a second 'pattern' for the same value is not supported"},
        {"{\"pattern\":\"a\",\"format\":\"date\"}",
         "the schema at #/pattern: 'pattern' beside 'format'"},
        {"{\"pattern\":\"(?=a)\"}",
         "the schema at #/pattern: in the pattern '(?=a)', 1 bytes into it: look-around"},
        {"{\"pattern\":\"^(a$|b)$\"}",
         "the schema at #/pattern: in the pattern '^(a$|b)$', 3 bytes into it: a '$'"},
        {"{\"pattern\":\"\\\\bx\"}",
         "the schema at #/pattern: in the pattern '\\bx', 2 bytes into it: '\\b'"},
        {"{\"pattern\":\"(a)\\\\1\"}",
         "the schema at #/pattern: in the pattern '(a)\\1', 5 bytes into it: '\\1'"},
        {"{\"pattern\":\"(^a)\"}",
         "the schema at #/pattern: in the pattern '(^a)', 1 bytes into it: a '^'"},
        {"{\"pattern\":\"^a|b+$\",\"maxLength\":3}",
         "the schema at #/pattern: the pattern '^a|b+$' beside minLength"},
        {"{\"properties\":{\"a\":{}},\"minProperties\":1}",
         "the schema at #: 'minProperties' and 'maxProperties'"},
        /* {"a":1,"a":1} has one member for most readers: a random model wrote such objects */
        {"{\"properties\":{\"a\":{\"type\":\"object\",\"minProperties\":2}}}",
         "the schema at #/properties/a: a 'minProperties' of 2 is not supported; the most is 1"},
        {"{\"minLength\":1,\"allOf\":[{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"string\"}]}]}",
         "the schema at #: the schema refers to itself, or twice to the same, for one value"},
        {"{\"minimum\":1e30}",
         "the schema at #/minimum: a bound of a number with more than 18 digits"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].schema, ERR_UNSUPPORTED, cases[i].message);
}

static void test_schema__refuses_what_is_no_schema(void **state)
{
    static const struct {
        const char *schema, *message;
    } cases[] = {
        {"1", "a schema must be an object, true or false"},
        {"{\"type\":\"strin\"}", "the schema at #/type: 'type' must be null, boolean"},
        {"{\"type\":[]}", "the schema at #/type: 'type' must be"},
        {"{\"properties\":{\"a\":1}}",
         "the schema at #/properties: 'properties' must be an object of schemas"},
        {"{\"required\":\"a\"}", "the schema at #/required: 'required' must be a list of strings"},
        {"{\"items\":[{}]}", "the schema at #/items: 'items' must be a schema"},
        {"{\"propertyNames\":1}",
         "the schema at #/propertyNames: 'propertyNames' must be a schema"},
        {"{\"minItems\":-1}", "the schema at #/minItems: 'minItems' must be an integer from 0 on"},
        {"{\"maxLength\":1.5}",
         "the schema at #/maxLength: 'maxLength' must be an integer from 0 on"},
        {"{\"minimum\":\"1\"}", "the schema at #/minimum: 'minimum' must be a number"},
        {"{\"anyOf\":[]}", "the schema at #/anyOf: 'anyOf' must be a list of at least one schema"},
        {"{\"$ref\":\"#/$defs/x\"}", "the schema at #/$ref: there is no schema at '#/$defs/x'"},
        {"{\"$ref\":\"#\"}", "the schema refers to itself without end"},
        {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"string\"}]}",
         "the schema refers to itself without end"},
        {"{\"allOf\":[{\"$ref\":\"#\"}]}",
         "the schema at #: the schema refers to itself without end"},
        {"false", "the schema allows no value"},
        {"{\"enum\":[]}", "the schema allows no value"},
        /* found by random schemas: the least was forgotten where it is over the most */
        {"{\"type\":\"array\",\"minItems\":2,\"maxItems\":1}", "the schema allows no value"},
        {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":1}", "the schema allows no value"},
        {"{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", "the schema allows no value"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
         "the schema allows no value"},
        {"{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}",
         "the schema allows no value"},
        {"{\"pattern\":\"[\"}",
         "the schema at #/pattern: in the pattern '[', 1 bytes into it: a class has no ']'"},
        {"{\"pattern\":\"(a\"}",
         "the schema at #/pattern: in the pattern '(a', 2 bytes into it: a group has no ')'"},
        {"{\"pattern\":\"a**\"}",
         "the schema at #/pattern: in the pattern 'a**', 2 bytes into it: a repetition"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].schema, ERR_INVALID, cases[i].message);
}

static void test_schema__has_limits(void **state)
{
    json_t *deep = json_object(), *outer;
    struct grammar *g;
    struct err err = {0};

    (void)state;
    check_refused("{\"maxLength\":16777217}", ERR_LIMIT,
                  "the schema at #: minLength or maxLength is over");
    for (int i = 0; i < 256; i++) {
        outer = json_object();
        json_object_set_new(outer, "items", deep);
        deep = outer;
    }
    assert_int_equal(grammar_from_schema(deep, NULL, &g, &err), ERR_LIMIT);
    assert_string_equal(err.text, "the schema is nested deeper than 256");
    json_decref(deep);
    g = compile("{\"type\":\"string\",\"minLength\":16777216,\"maxLength\":16777216}");
    assert_int_equal(rig_match(g, "\"a"), 0);
    assert_int_equal(rig_match(g, "\"a\""), -1);
    grammar_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema__types),
        cmocka_unit_test(test_schema__objects),
        cmocka_unit_test(test_schema__arrays),
        cmocka_unit_test(test_schema__strings),
        cmocka_unit_test(test_schema__formats),
        cmocka_unit_test(test_schema__numbers),
        cmocka_unit_test(test_schema__order_is_not_that_of_memory),
        cmocka_unit_test(test_schema__choices),
        cmocka_unit_test(test_schema__references),
        cmocka_unit_test(test_schema__refuses_by_name_and_place),
        cmocka_unit_test(test_schema__refuses_what_is_no_schema),
        cmocka_unit_test(test_schema__has_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
