/*
 * path.h - files and folders. All texts returned are malloc'ed (free()).
 *
 * path_safe_component is the one function that makes a file name of a text from outside (a model's
 * reference, a hub's answer, a worker's id); nothing else may.
 */
#ifndef RBEE_BASE_PATH_H
#define RBEE_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PATH_COMPONENT_MAX 200

/* "a" + "b" -> "a/b"; NULL when out of memory. */
char *path_join(const char *dir, const char *name);

/* The part after the last slash; points into `path`. */
const char *path_base(const char *path);

/*
 * The home as --home gives it (NULL: not), else RBEE_HOME, blanks alone being none, else ~/.rbee; a
 * full path. ERR_INVALID for a '~' that no shell has made a path of; ERR_NOT_FOUND when nothing is
 * set.
 */
int path_rbee_home(const char *given, char **out, struct err *err);

/* mkdir, and mkdir -p. Existing folders are fine, an existing file is not. As path_open_made. */
int path_make_dir(const char *path, mode_t mode, struct err *err);
int path_make_dirs(const char *path, mode_t mode, struct err *err);
/* Those behind the first n_root bytes of it only: ERR_UNREACHABLE where that folder is not there,
 * as when its disk is not mounted. */
int path_make_dirs_in(const char *path, size_t n_root, mode_t mode, struct err *err);
/* Says that of a folder: ERR_UNREACHABLE. */
int path_say_away(const char *dir, struct err *err);
/* open(2) with O_CREAT: what root makes in another's folder is that other's. */
int path_open_made(const char *path, int flags, mode_t mode);

bool path_is_file(const char *path);
/* Nothing is there; not: nobody can tell (a bad disk, a stale handle, no right to look). */
bool path_is_gone(const char *path);
bool path_is_dir(const char *path);
int path_file_size(const char *path, uint64_t *out, struct err *err);
/* Bytes an unprivileged writer has left on the file system of `path`; ERR_UNSUPPORTED where that
 * does not tell. */
int path_free_bytes(const char *path, uint64_t *out, struct err *err);

/* Full path with links resolved; ERR_NOT_FOUND when it is not there. */
int path_real(const char *path, char **out, struct err *err);

/*
 * Turns any text into one harmless file name: letters, digits, '.', '_' and '-' stay, every other
 * byte becomes "%XX", a leading '.' too; never empty, never "." or "..", never a slash. Two texts
 * give one name only if equal. Texts whose name would pass PATH_COMPONENT_MAX give ERR_LIMIT.
 */
int path_safe_component(const char *text, char **out, struct err *err);
/* Bytes of that name, however long it is. */
size_t path_safe_length(const char *text);

/*
 * Some file systems (macOS's, exFAT) do not tell "Ann" from "ann": a name of one text then leads to
 * what was put there under another. path_other_spelling: an entry of the folder that differs from
 * `name` by the case of letters only (free()), or NULL. path_check_spelling: is each part of `path`
 * behind its first n_root bytes, as far as it is there, there under this very name? ERR_CONFLICT
 * with both names when it is not.
 */
char *path_other_spelling(const char *dir, const char *name);
int path_check_spelling(const char *path, size_t n_root, struct err *err);

/* A whole file of at most max_bytes, NUL-terminated (the NUL not counted in *n). ERR_INVALID for
 * what is no regular file; a pipe is not waited for. */
int path_read_file(const char *path, size_t max_bytes, char **out, size_t *n, struct err *err);
/* The same from a descriptor at the file's beginning, which stays the caller's. */
int path_read_open(int fd, const char *path, size_t max_bytes, char **out, size_t *n,
                   struct err *err);

/* All n bytes at that place of an open file: 0, or the errno that stopped it. */
int path_write_at(int fd, const void *bytes, size_t n, uint64_t offset);

/*
 * A new file beside `path`, for what is to be renamed to that: its descriptor, or -1 with errno,
 * and *temp its name (free(), NULL: no memory). It is held (sweep.h) until the descriptor is
 * closed. A name that is taken is left alone: whose it is may be writing.
 */
int path_create_beside(const char *path, mode_t mode, char **temp);
/*
 * Writes a temporary file beside it, fsyncs, renames: the old or the new content, never half. A
 * file that root writes anew keeps its owner, and a new one has its folder's. Who is killed leaves
 * the temporary one (sweep.h).
 */
int path_write_file(const char *path, const void *bytes, size_t n, mode_t mode, struct err *err);
/*
 * The same in two steps, for who cannot wait for the disk: the file is in its place when the first
 * returns; *fd is the second one's, which may be called from another thread and closes it. A power
 * cut between them may leave the file empty.
 */
int path_write_open(const char *path, const void *bytes, size_t n, mode_t mode, int *fd,
                    struct err *err);
int path_write_finish(int fd, const char *path, struct err *err);
/* The disk has the names in the folder, as they are now; in that of `path`. */
int path_sync_dir(const char *dir, struct err *err);
int path_sync_folder(const char *path, struct err *err);
/* The first step alone: what a power cut may take. */
int path_write_note(const char *path, const void *bytes, size_t n, mode_t mode, struct err *err);

/* The name to give these for a file of a person's, which may be a link: the file behind it, whether
 * that is there or not, so that the link stays. free(); NULL when out of memory. */
char *path_behind_link(const char *path);

/* The folder of the running program's own file ("/usr/bin"), to find its siblings. */
int path_program_dir(char **out, struct err *err);

#endif
