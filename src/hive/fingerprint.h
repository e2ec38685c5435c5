/*
 * fingerprint.h - a text that says which program computes with which weights on what: where it is
 * the same, the same request with the same seed gives the same tokens.
 */
#ifndef RBEE_HIVE_FINGERPRINT_H
#define RBEE_HIVE_FINGERPRINT_H

#define FINGERPRINT_BYTES 64

/*
 * "rbee-0.1.0-cpu-" and 12 hex digits, made of the processor's features (which choose the kernels)
 * and the model file's path, size and time. Reads /proc: once a worker, not once a request.
 */
void fingerprint_make(const char *backend, const char *model_path, char dst[FINGERPRINT_BYTES]);

#endif
