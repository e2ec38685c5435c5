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

int board_attach(int fd, struct board **out, struct err *err)
{
    struct stat st;
    int rc;

    if (fd >= 0) {
        if (fstat(fd, &st))
            return err_errno(err, ERR_INVALID, errno, "descriptor %d is no board", fd);
        if (st.st_size < (off_t)sizeof(struct board))
            return err_set(err, ERR_INVALID, "descriptor %d has %lld bytes, a board has %zu", fd,
                           (long long)st.st_size, sizeof(struct board));
    }
    rc = map_board(fd, out, err);
    if (rc)
        return rc;
    if (fd < 0) {
        write_head(*out);
    } else if ((*out)->magic != BOARD_MAGIC || (*out)->version != BOARD_VERSION) {
        rc = err_set(err, ERR_CONFLICT,
                     "descriptor %d holds a board of mark %08x, version %u; this worker knows mark "
                     "%08x, version %u",
                     fd, (*out)->magic, (*out)->version, BOARD_MAGIC, BOARD_VERSION);
        board_detach(*out);
        *out = NULL;
    }
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
