/*
 * options.c - the table of options: every one there is, its default, and of what kind its
 * values are (values.c).
 *
 * One line an option: a new one needs no other change, but for the count in internal.h.
 */
#include <string.h>

#include "base/str.h"
#include "config/internal.h"

#define LEVELS "debug info warn error silent"

const struct config_option config_table[CONFIG_N_OPTIONS] = {
    {"keeper", "node", CONFIG_STR, "localhost", 0, 0, NULL, NULL,
     "the node that commands speak to when --node is not given"},
    {"hive", "addr", CONFIG_ADDR, "127.0.0.1:8080", 0, 0, NULL, NULL, "where rbee-hive listens"},
    {"hive", "tls", CONFIG_CHOICE, "auto", 0, 0, "auto on off", NULL,
     "whether the hive and its workers speak https: auto = where other machines reach them"},
    {"hive", "tls_cert", CONFIG_STR, "", 0, 0, NULL, NULL,
     "a PEM file with the certificate to show and those behind it; empty = the hive's own"},
    {"hive", "tls_key", CONFIG_STR, "", 0, 0, NULL, NULL,
     "a PEM file with its private key, mode 0600"},
    {"hive", "origins", CONFIG_ORIGINS, "", 0, 0, NULL, NULL,
     "web pages that may ask the hive, such as https://chat.example; several with blanks between"},
    {"hive", "worker", CONFIG_STR, "", 0, 0, NULL, NULL,
     "the worker's program; empty = beside rbee-hive, else in PATH"},
    {"hive", "keep_alive", CONFIG_DURATION, "5m", 0, 0, NULL, NULL,
     "how long an idle worker stays: a duration, 0 = not at all, -1 = for ever"},
    {"hive", "slots", CONFIG_INT, "0", 0, 64, NULL, NULL,
     "requests a worker decodes at once; 0 = the worker's own choice"},
    {"hive", "ctx", CONFIG_INT, "0", 0, 16777216, NULL, NULL,
     "positions a slot may hold; 0 = the worker's own choice"},
    {"hive", "threads", CONFIG_INT, "0", 0, 256, NULL, NULL,
     "threads a worker computes with; 0 = one for each usable core"},
    {"hive", "kv_type", CONFIG_CHOICE, "f16", 0, 0, "f16 q8_0", NULL,
     "how workers keep keys and values: f16, or q8_0 in half the memory"},
    {"hive", "memory_limit", CONFIG_INT, "0", 0, 1 << 24, NULL, NULL,
     "MiB of memory that all workers together may take; 0 = what the machine has"},
    {"hive", "prefix_cache", CONFIG_CHOICE, "on", 0, 0, "on off", NULL,
     "whether workers keep what they computed for prompts that begin the same: on or off"},
    {"hive", "speculate", CONFIG_CHOICE, "auto", 0, 0, "auto off", NULL,
     "whether workers guess tokens from what was written before, where it pays: auto or off"},
    {"hive", "sandbox", CONFIG_CHOICE, "auto", 0, 0, "auto required off", NULL,
     "whether workers give up their rights before they read a model: auto, required or off"},
    {"hive", "auto_pull", CONFIG_CHOICE, "off", 0, 0, "on off", NULL,
     "whether a request's hf: model that is not here is downloaded: on or off"},
    {"hive", "load_wait", CONFIG_DURATION, "60s", 0, 0, NULL, NULL,
     "how long a request waits for its model to be loaded before it is told to come again"},
    {"hive", "chat_template", CONFIG_PATH, "", 0, 0, NULL, NULL,
     "a file with the chat template of all models; empty = each model's own"},
    {"hive", "hf_endpoint", CONFIG_URL, "https://huggingface.co", 0, 0, NULL, "HF_ENDPOINT",
     "the hub that hf: models come from"},
    {"hive", "worker_port_first", CONFIG_INT, "8081", 1, 65535, NULL, NULL,
     "workers listen on the first free port from here up"},
    {"hive", "queue_timeout", CONFIG_DURATION, "60s", 1, 0, NULL, NULL,
     "how long a request may wait for a slot of its worker; -1 = for ever"},
    {"hive", "head_timeout", CONFIG_DURATION, "10s", 0, 0, NULL, NULL,
     "how long the head of a request may take; 0 or -1 = for ever"},
    {"hive", "body_timeout", CONFIG_DURATION, "30s", 0, 0, NULL, NULL,
     "how long its body may take from there; 0 or -1 = for ever"},
    {"hive", "write_timeout", CONFIG_DURATION, "60s", 0, 0, NULL, NULL,
     "a client that takes nothing of its answer for so long is cut off; 0 or -1 = never"},
    {"hive", "load_timeout", CONFIG_DURATION, "300s", 1, 0, NULL, NULL,
     "how long a worker may take to load its model; -1 = for ever"},
    {"hive", "health_interval", CONFIG_DURATION, "30s", 0, 0, NULL, NULL,
     "how often a worker is asked whether it is well; 0 or -1 = never"},
    {"hive", "stall_after", CONFIG_DURATION, "60s", 1, 0, NULL, NULL,
     "the least time without a step before a worker that has work counts as stuck; -1 = never"},
    {"hive", "download_stall", CONFIG_DURATION, "60s", 0, 0, NULL, NULL,
     "a download without a byte for so long is tried anew; 0 or -1 = never"},
    {"hive", "download_connections", CONFIG_INT, "4", 1, 16, NULL, NULL,
     "connections that a download shares its work among"},
    {"hive", "download_limit_rate", CONFIG_BYTES, "", 0, 0, NULL, NULL,
     "bytes a second of all downloads together, as 500k or 10m (a k is 1024); empty = no limit"},
    {"hive", "log_level", CONFIG_CHOICE, "info", 0, 0, LEVELS, NULL,
     "the least level that is logged: debug, info, warn, error or silent"},
    {"hive", "models_dir", CONFIG_PATH, "", 0, 0, NULL, NULL,
     "where models are kept; empty = models in rbee's home"},
};

size_t config_find(const char *section, const char *key)
{
    for (size_t i = 0; i < CONFIG_N_OPTIONS; i++)
        if (str_eq(config_table[i].section, section) && str_eq(config_table[i].key, key))
            return i;
    return CONFIG_N_OPTIONS;
}

size_t config_must_find(const char *section, const char *key)
{
    size_t i = config_find(section, key);

    if (i == CONFIG_N_OPTIONS)
        BUG("there is no option [%s] %s", section, key);
    return i;
}

const struct config_option *config_options(size_t *n)
{
    *n = CONFIG_N_OPTIONS;
    return config_table;
}
