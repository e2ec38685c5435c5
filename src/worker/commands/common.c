/* common.c - what the worker's commands share; see commands.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/str.h"
#include "worker/commands/commands.h"
#include "worker/sandbox/look_around.h"

#define READ_BYTES 65536

int command_fail(const struct err *err)
{
    char text[ERR_TEXT_MAX];

    str_copy(text, sizeof text, err->text);
    clean_line(text);
    fprintf(stderr, "%s: %s\n", WORKER_PROGRAM, text);
    return CLI_ERROR;
}

int command_usage(const struct cli_command *self, const char *text)
{
    fprintf(stderr, "%s %s: %s. Try '%s %s --help'.\n", WORKER_PROGRAM, self->name, text,
            WORKER_PROGRAM, self->name);
    return CLI_USAGE;
}

int command_check_words(const struct cli_command *self, const char *kv_type, const char *sandbox)
{
    char text[ERR_TEXT_MAX];
    enum sandbox_mode mode;
    enum engine_kv kv;
    struct err err;

    if (command_kv_type(kv_type, &kv, &err) == 0 && sandbox_mode_from(sandbox, &mode, &err) == 0)
        return CLI_GO;
    str_copy(text, sizeof text, err.text);
    clean_line(text);
    return command_usage(self, text);
}

/* Whoever started the command may have made a descriptor one that does not block: waits until it
 * can be used. False where something else failed, also the wait, by a signal. */
static bool wait_for(int fd, short events)
{
    return errno == EAGAIN && poll(&(struct pollfd){.fd = fd, .events = events}, 1, -1) > 0;
}

int command_read_stdin(struct buf *in, struct err *err)
{
    char chunk[READ_BYTES];

    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

        if (n == 0)
            return 0;
        if (n < 0 && (errno == EINTR || wait_for(STDIN_FILENO, POLLIN)))
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "cannot read the standard input");
        if (buf_put(in, chunk, (size_t)n))
            return err_set(err, ERR_LIMIT, "the standard input has more than %zu bytes", in->max);
    }
}

static int write_out(const char *bytes, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, n);

        if (done < 0 && !wait_for(STDOUT_FILENO, POLLOUT))
            return err_errno(err, ERR_IO, errno, "cannot write to the standard output");
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

/* Or another such device, as /dev/null. isatty would ask for the terminal's modes, which the
 * sandbox does not let it. */
static bool is_terminal(void)
{
    struct stat st;

    return fstat(STDOUT_FILENO, &st) == 0 && S_ISCHR(st.st_mode);
}

int command_write(const char *bytes, size_t n, struct err *err)
{
    struct buf cleaned;
    int rc;

    if (!is_terminal())
        return write_out(bytes, n, err);
    buf_init(&cleaned, n + 1);
    rc = clean_put(&cleaned, bytes, n) ? err_no_memory(err, n, "what is to be shown")
                                       : write_out(buf_str(&cleaned), cleaned.len, err);
    buf_done(&cleaned);
    return rc;
}

int command_enclose(const char *sandbox, const struct sandbox_rules *given, struct err *err)
{
    struct sandbox_rules rules = given ? *given : (struct sandbox_rules){0};
    struct sandbox_level level;
    int rc = sandbox_mode_from(sandbox, &rules.mode, err);

    if (rc)
        return rc;
    look_around();
    return sandbox_enter(&rules, &level, err);
}

int command_open_files(const char *model_path, const char *sandbox,
                       const struct sandbox_rules *rules, struct gguf_files **out, struct err *err)
{
    int rc = engine_files_open(model_path, out, err);

    if (rc) {
        *out = NULL;
        return rc;
    }
    rc = command_enclose(sandbox, rules, err);
    if (rc) {
        engine_files_close(*out);
        *out = NULL;
    }
    return rc;
}

int command_open_model(const struct command_engine *o, struct engine_model **out, struct err *err)
{
    struct gguf_files *files;
    int rc = command_open_files(o->model_path, o->sandbox, NULL, &files, err);

    if (rc)
        return rc;
    rc = engine_model_open_files(files, out, err);
    engine_files_close(files);
    return rc;
}

int command_kv_type(const char *name, enum engine_kv *out, struct err *err)
{
    bool q8 = name && strcmp(name, "q8_0") == 0;

    if (name && !q8 && strcmp(name, "f16") != 0)
        return err_set(err, ERR_INVALID, "--kv-type is '%.32s'; there are f16 and q8_0", name);
    *out = q8 ? ENGINE_KV_Q8_0 : ENGINE_KV_F16;
    return 0;
}

int command_open_engine(const struct command_engine *o, const struct engine_model *m,
                        uint32_t n_slots, uint32_t n_batch, struct engine **out, struct err *err)
{
    struct engine_params p = {
        .n_slots = n_slots,
        .n_ctx = (uint32_t)o->n_ctx,
        .n_batch = n_batch,
        .n_threads = (unsigned)o->n_threads,
        .kernels = o->kernels,
        .in_place = o->in_place,
    };
    int rc = command_kv_type(o->kv_type, &p.kv_type, err);

    return rc ? rc : engine_create(m, &p, out, err);
}
