/* path.c - see path.h. No state. Linux: /proc/self/exe, setfsuid(2). */
#include "base/path.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"

#define LINKS_MAX 40 /* as the kernel: path_resolution(7) */

char *path_join(const char *dir, const char *name)
{
    return str_printf("%s%s%s", dir, str_ends(dir, "/") ? "" : "/", name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Of the folder one stands in, where it is relative: another program may stand elsewhere. */
static int home_in_full(const char *path, const char *said_by, char **out, struct err *err)
{
    char *here = NULL;

    if (path[0] == '~')
        return err_set(err, ERR_INVALID,
                       "%s is '%.200s': a shell makes a path of '~' where it is not quoted, rbee "
                       "does not; write the full path",
                       said_by, path);
    if (path[0] == '/')
        *out = str_dup(path);
    else if ((here = realpath(".", NULL)))
        *out = path_join(here, path);
    else
        return err_errno(err, ERR_IO, errno, "cannot find the folder that '%.200s' is in", path);
    free(here);
    return *out ? 0 : err_no_memory(err, PATH_MAX, "the home folder's name");
}

int path_rbee_home(const char *given, char **out, struct err *err)
{
    const char *rbee_home = getenv("RBEE_HOME"), *home = getenv("HOME");

    if (given)
        return home_in_full(given, "--home", out, err);
    if (rbee_home && rbee_home[strspn(rbee_home, " \t\r\n")])
        return home_in_full(rbee_home, "RBEE_HOME", out, err);
    if (home && home[0])
        *out = path_join(home, ".rbee");
    else
        return err_set(err, ERR_NOT_FOUND,
                       "neither RBEE_HOME nor HOME is set, so there is no home folder for rbee");
    return *out ? 0 : err_no_memory(err, PATH_MAX, "the home folder's name");
}

/* ---- what root makes in another's folder ---- */
static int stat_folder(const char *path, struct stat *st)
{
    size_t n = (size_t)(path_base(path) - path);
    char *folder = str_ndup(n ? path : ".", n ? n : 1);
    int rc = folder ? stat(folder, st) : -1;

    free(folder);
    return rc;
}

/*
 * Takes the name of the folder's owner, in this thread and for files only. Made by root it would be
 * root's, and the other locked out of his own home; given away afterwards, it could be another one
 * by then. True: end_as_owner gives the name back.
 */
static bool begin_as_owner(const char *path)
{
    struct stat folder;

    if (geteuid() != 0 || stat_folder(path, &folder) != 0 || folder.st_uid == 0)
        return false;
    setfsgid(folder.st_gid);
    setfsuid(folder.st_uid);
    return true;
}

static void end_as_owner(void)
{
    setfsuid(geteuid());
    setfsgid(getegid());
}

int path_open_made(const char *path, int flags, mode_t mode)
{
    bool as_owner = begin_as_owner(path);
    int fd = open(path, flags, mode);

    if (as_owner)
        end_as_owner();
    if (as_owner && fd < 0 && errno == EACCES) /* he may not write there himself */
        fd = open(path, flags, mode);
    return fd;
}

static int mkdir_made(const char *path, mode_t mode)
{
    bool as_owner = begin_as_owner(path);
    int rc = mkdir(path, mode);

    if (as_owner)
        end_as_owner();
    if (as_owner && rc != 0 && errno == EACCES)
        rc = mkdir(path, mode);
    return rc;
}

int path_make_dir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir_made(path, mode) == 0 || (errno == EEXIST && path_is_dir(path)))
        return 0;
    return err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot make the folder %s",
                     path);
}

/* Each that ends behind the first n_from bytes, which are less than the path has. */
static int make_dirs_from(const char *path, size_t n_from, mode_t mode, struct err *err)
{
    char *copy = str_dup(path);
    int rc = 0;

    if (!copy)
        return err_no_memory(err, strlen(path), "a path");
    for (char *p = copy + n_from; *p && rc == 0; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        rc = path_make_dir(copy, mode, err);
        *p = '/';
    }
    if (rc == 0)
        rc = path_make_dir(copy, mode, err);
    free(copy);
    return rc;
}

int path_make_dirs(const char *path, mode_t mode, struct err *err)
{
    return make_dirs_from(path, path[0] ? 1 : 0, mode, err);
}

int path_say_away(const char *dir, struct err *err)
{
    return err_set(err, ERR_UNREACHABLE,
                   "the folder %s is not there any more: is its disk mounted?", dir);
}

int path_make_dirs_in(const char *path, size_t n_root, mode_t mode, struct err *err)
{
    char *root = str_ndup(path, n_root);
    bool there = root && path_is_dir(root);

    if (root && !there)
        path_say_away(root, err);
    free(root);
    return !root    ? err_no_memory(err, n_root, "a path")
           : !there ? ERR_UNREACHABLE
                    : make_dirs_from(path, n_root + 1, mode, err);
}

bool path_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool path_is_gone(const char *path)
{
    struct stat st;

    return stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool path_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int path_file_size(const char *path, uint64_t *out, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read %s",
                         path);
    *out = (uint64_t)st.st_size;
    return 0;
}

int path_free_bytes(const char *path, uint64_t *out, struct err *err)
{
    struct statvfs vfs;

    if (statvfs(path, &vfs) != 0)
        return err_errno(err, ERR_IO, errno, "cannot ask for the free space at %s", path);
    if (vfs.f_blocks ==
        0) /* no size at all: some network and FUSE file systems, tmpfs with size=0 */
        return err_set(err, ERR_UNSUPPORTED, "the file system of %s does not tell its space", path);
    *out = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return 0;
}

int path_real(const char *path, char **out, struct err *err)
{
    *out = realpath(path, NULL);
    if (*out)
        return 0;
    return err_errno(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno,
                     "cannot find %s", path);
}

static bool is_plain(unsigned char c, bool first)
{
    return isascii(c) && (isalnum(c) || c == '_' || c == '-' || (c == '.' && !first));
}

size_t path_safe_length(const char *text)
{
    size_t len = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        len += is_plain(*p, len == 0) ? 1 : 3;
    return len ? len : 1;
}

int path_safe_component(const char *text, char **out, struct err *err)
{
    char name[PATH_COMPONENT_MAX + 1];
    size_t len = path_safe_length(text);

    if (len > PATH_COMPONENT_MAX)
        return err_set(err, ERR_LIMIT,
                       "a name of %zu bytes is too long for a file: it has %zu with all but "
                       "letters, digits, '.', '_' and '-' written as %%XX, the limit is %d",
                       strlen(text), len, PATH_COMPONENT_MAX);
    len = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (is_plain(*p, len == 0))
            name[len++] = (char)*p;
        else
            len += (size_t)snprintf(name + len, 4, "%%%02X", *p);
    }
    if (len == 0)
        name[len++] = '%'; /* the empty text: no other text gives a lone '%' */
    *out = str_ndup(name, len);
    return *out ? 0 : err_no_memory(err, len, "a file name");
}

char *path_other_spelling(const char *dir, const char *name)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    char *other = NULL;

    while (d && !other && (entry = readdir(d)))
        if (strcasecmp(entry->d_name, name) == 0 && !str_eq(entry->d_name, name))
            other = str_dup(entry->d_name);
    if (d)
        closedir(d);
    return other;
}

/* Is the name there, and does the folder list it so? *there is false too where nobody can look. */
static int check_part(const char *dir, const char *name, bool *there, struct err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    bool listed = false;
    struct stat st;
    char *other;

    *there = d && fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    while (*there && !listed && (entry = readdir(d)))
        listed = str_eq(entry->d_name, name);
    if (d)
        closedir(d);
    if (!*there || listed)
        return 0;
    other = path_other_spelling(dir, name);
    err_set(err, ERR_CONFLICT,
            "%s in %s is there already as '%s', and the file system does not tell the two apart",
            name, dir, other ? other : "another name");
    free(other);
    return ERR_CONFLICT;
}

int path_check_spelling(const char *path, size_t n_root, struct err *err)
{
    char *dir = str_dup(path), *name = dir ? dir + n_root : NULL;
    bool there = true;
    int rc = dir ? 0 : err_no_memory(err, strlen(path), "a path");

    while (rc == 0 && there && *name == '/') {
        char *end = name + 1 + strcspn(name + 1, "/"), after = *end;

        *name = *end = '\0'; /* the folder; its entry behind it */
        rc = check_part(dir, name + 1, &there, err);
        *name = '/';
        *end = after;
        name = end;
    }
    free(dir);
    return rc;
}

static int read_all(int fd, const char *path, char *dst, size_t size, size_t *n, struct err *err)
{
    *n = 0;
    while (*n < size) {
        ssize_t got = read(fd, dst + *n, size - *n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, errno, "cannot read %s", path);
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return 0;
}

int path_read_open(int fd, const char *path, size_t max_bytes, char **out, size_t *n,
                   struct err *err)
{
    struct stat st;
    char *text;
    int rc;

    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, errno, "cannot examine %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    if ((uint64_t)st.st_size > max_bytes)
        return err_set(err, ERR_LIMIT, "%s has %lld bytes, more than the limit of %zu", path,
                       (long long)st.st_size, max_bytes);
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return err_no_memory(err, (size_t)st.st_size + 1, path);
    rc = read_all(fd, path, text, (size_t)st.st_size, n, err);
    if (rc) {
        free(text);
        return rc;
    }
    text[*n] = '\0';
    *out = text;
    return 0;
}

int path_read_file(const char *path, size_t max_bytes, char **out, size_t *n, struct err *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc;

    if (fd < 0)
        return err_errno(err,
                         errno == ENOENT   ? ERR_NOT_FOUND
                         : errno == EACCES ? ERR_DENIED
                                           : ERR_IO,
                         errno, "cannot open %s", path);
    rc = path_read_open(fd, path, max_bytes, out, n, err);
    close(fd);
    return rc;
}

/* Where the link leads, as a path from where `path` counts: free(); NULL, and errno, when it is
 * none. */
static char *read_link(const char *path)
{
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof to - 1);
    size_t n_dir = (size_t)(path_base(path) - path);

    if (n < 0)
        return NULL;
    to[n] = '\0';
    return to[0] == '/' ? str_dup(to) : str_printf("%.*s%s", (int)n_dir, path, to);
}

/* Its target may not be there yet: then the last link says where it is to be. */
char *path_behind_link(const char *path)
{
    char *real = realpath(path, NULL), *at, *next;

    if (real)
        return real;
    at = str_dup(path);
    for (int i = 0; at && i < LINKS_MAX && (next = read_link(at)); i++) {
        free(at);
        at = next;
    }
    return at;
}

int path_program_dir(char **out, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (n <= 0)
        return err_errno(err, ERR_IO, errno, "cannot read /proc/self/exe");
    self[n] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    *out = str_dup(self);
    return *out ? 0 : err_no_memory(err, (size_t)n, "the program's folder");
}
