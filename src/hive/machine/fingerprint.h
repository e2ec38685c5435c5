/*
 * fingerprint.h - a text that says which program computes with which weights on what: where it is
 * the same, the same request with the same seed gives the same tokens.
 */
#ifndef RBEE_HIVE_MACHINE_FINGERPRINT_H
#define RBEE_HIVE_MACHINE_FINGERPRINT_H

#define FINGERPRINT_BYTES 64

struct fingerprint_of {
    const char *backend;
    const char *program;    /* of the worker, as it lies on the disk: of another build than ... */
    const char *model_path; /* ... this hive, perhaps */
    const char *chat_template; /* a file in place of the model's own; NULL or "": none */
    const char *kv_type;
};

/*
 * "rbee-0.1.0-cpu-" and 12 hex digits, made of the processor's features (which choose the kernels),
 * the type of the cache, and size and time of the worker's program (the time when it came, too),
 * the model's file and the template, the last two with their paths. Without those digits where the
 * program or the model cannot be looked at. Reads /proc: once a worker, not once a request.
 */
void fingerprint_make(const struct fingerprint_of *of, char dst[FINGERPRINT_BYTES]);

#endif
