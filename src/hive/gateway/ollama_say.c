/* ollama_say.c - models and downloads in Ollama's words; see ollama.h. Pure. */
#include <stdio.h>
#include <string.h>

#include "api/json_text.h"
#include "base/utf8.h"
#include "hive/gateway/ollama.h"
#include "hive/models/download.h"

json_t *ollama_details(const char *family, const char *size, const char *quant)
{
    json_t *families = family[0] ? json_pack("[s]", family) : json_array();

    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "parent_model", "", "format", "gguf",
                     "family", family, "families", families, "parameter_size", size,
                     "quantization_level", quant);
}

json_t *ollama_capabilities(const json_t *said)
{
    const char *template = json_text(said, "chat_template");
    json_t *out = json_array();

    if (strstr(json_text(said, "architecture"), "bert")) {
        json_array_append_new(out, json_string("embedding"));
        return out;
    }
    json_array_append_new(out, json_string("completion"));
    if (strstr(template, "tools") || json_text(said, "chat_template_tool_use")[0])
        json_array_append_new(out, json_string("tools"));
    if (strstr(template, "<think>") || strstr(template, "enable_thinking"))
        json_array_append_new(out, json_string("thinking"));
    return out;
}

json_t *ollama_info(const json_t *said)
{
    static const char *const names[][2] = {
        {"context_length", "context_length"}, {"embedding_length", "n_embd"},
        {"block_count", "n_layers"},          {"feed_forward_length", "n_ff"},
        {"attention.head_count", "n_heads"},  {"attention.head_count_kv", "n_kv_heads"},
        {"rope.freq_base", "rope_freq_base"}, {"vocab_size", "n_vocab"}};
    const char *arch = json_text(said, "architecture");
    json_t *out = json_pack("{s:s, s:O*, s:O*}", "general.architecture", arch,
                            "general.parameter_count", json_object_get(said, "n_params"),
                            "general.basename", json_object_get(said, "name"));
    char key[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *value = json_object_get(said, names[i][1]);

        snprintf(key, sizeof key, "%.60s.%s", arch, names[i][0]);
        utf8_mend(key); /* the cut may have gone through a character */
        if (value)
            json_object_set(out, key, value);
    }
    return out;
}

char *ollama_digest(const char *sha256, const char *name, int64_t size_bytes, int64_t modified_ms,
                    char dst[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_BYTES];
    struct sha256 s;
    char numbers[64];

    if (sha256_from_hex(sha256, digest))
        return sha256_hex(digest, dst);
    snprintf(numbers, sizeof numbers, "%lld %lld ", (long long)size_bytes, (long long)modified_ms);
    sha256_init(&s);
    sha256_put(&s, numbers, strlen(numbers));
    sha256_put(&s, name, strlen(name));
    sha256_end(&s, digest);
    return sha256_hex(digest, dst);
}

json_t *ollama_progress(const struct download_look *look)
{
    char digest[96], status[128], hex[SHA256_HEX_BYTES];

    if (!look->file[0])
        return json_pack("{s:s}", "status", "pulling manifest");
    snprintf(digest, sizeof digest, "sha256:%s",
             ollama_digest(look->sha256, look->file, 0, 0, hex));
    snprintf(status, sizeof status, "pulling %.100s", look->sha256[0] ? look->sha256 : look->file);
    utf8_mend(status); /* the cut may have gone through a character */
    return json_pack("{s:s, s:s, s:I, s:I}", "status", status, "digest", digest, "total",
                     (json_int_t)look->file_total, "completed", (json_int_t)look->file_done);
}
