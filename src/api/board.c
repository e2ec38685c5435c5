/*
 * board.c - see board.h. Linux: memfd and its seals. The memory cannot be shrunk once sealed, so
 * that a worker gone wrong cannot make its hive's reads fault.
 */
#include "api/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static int map_board(int fd, struct board **out, struct err *err)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *at = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, flags, fd, 0);

    if (at == MAP_FAILED)
        return err_errno(err, ERR_IO, errno, "cannot map a worker's board of %zu bytes",
                         sizeof(struct board));
    *out = at;
    return 0;
}

static void write_head(struct board *b)
{
    b->magic = BOARD_MAGIC;
    b->version = BOARD_VERSION;
}

int board_create(struct board **out, int *fd, struct err *err)
{
    int rc, made = memfd_create("rbee-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (made < 0)
        return err_errno(err, ERR_IO, errno, "cannot make a worker's board");
    if (ftruncate(made, sizeof(struct board)) ||
        fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        rc = err_errno(err, ERR_IO, errno, "cannot size a worker's board to %zu bytes",
                       sizeof(struct board));
        close(made);
        return rc;
    }
    rc = map_board(made, out, err);
    if (rc) {
        close(made);
        return rc;
    }
    write_head(*out);
    *fd = made;
    return 0;
}

int board_check_head(int fd, uint32_t magic, uint32_t version, size_t size_bytes, const char *what,
                     struct err *err)
{
    uint32_t head[2];
    struct stat st;

    if (fstat(fd, &st))
        return err_errno(err, ERR_INVALID, errno, "descriptor %d is not %s", fd, what);
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return err_set(err, ERR_INVALID, "descriptor %d is not %s", fd, what);
    if (head[0] != magic || head[1] != version)
        return err_set(err, ERR_CONFLICT,
                       "descriptor %d is %s of mark %08x, version %u; this worker knows mark %08x, "
                       "version %u: it is of another build than the rbee-hive that started it",
                       fd, what, head[0], head[1], magic, version);
    if (st.st_size < (off_t)size_bytes)
        return err_set(err, ERR_CONFLICT,
                       "descriptor %d has %lld bytes, %s of this build has %zu: the rbee-hive that "
                       "started this worker is of another build",
                       fd, (long long)st.st_size, what, size_bytes);
    return 0;
}

int board_attach(int fd, struct board **out, struct err *err)
{
    int rc = 0;

    if (fd >= 0)
        rc = board_check_head(fd, BOARD_MAGIC, BOARD_VERSION, sizeof(struct board), "a board", err);
    if (rc == 0)
        rc = map_board(fd, out, err);
    if (rc == 0 && fd < 0)
        write_head(*out);
    return rc;
}

void board_detach(struct board *b)
{
    if (b)
        munmap(b, sizeof *b);
}

const char *board_state_name(const struct board *b)
{
    switch (atomic_load_explicit(&b->state, memory_order_acquire)) {
    case BOARD_STARTING:
        return "starting";
    case BOARD_LOADING:
        return "loading";
    case BOARD_READY:
        return atomic_load(&b->slots_busy) ? "busy" : "idle";
    case BOARD_DRAINING:
        return "draining";
    default:
        return "failed";
    }
}

int64_t board_count(const _Atomic uint64_t *count)
{
    uint64_t n = atomic_load(count);

    return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

json_t *board_cancelled_json(const struct board *b)
{
    static const char *const phases[BOARD_N_PHASES] = {"queued", "prefill", "decode"};
    static const char *const causes[BOARD_N_CANCELS] = {"disconnect", "delete", "deadline"};
    json_t *out = json_object();

    for (int i = 0; i < BOARD_N_PHASES; i++) {
        json_t *row = json_object();

        for (int k = 0; k < BOARD_N_CANCELS; k++)
            json_object_set_new(row, causes[k], json_integer(board_count(&b->cancelled[i][k])));
        json_object_set_new(out, phases[i], row);
    }
    return out;
}

void board_fail(struct board *b, const char *code, const char *text)
{
    str_copy(b->error_code, sizeof b->error_code, code);
    str_copy(b->error_text, sizeof b->error_text, text);
    atomic_store_explicit(&b->state, BOARD_FAILED, memory_order_release);
}
