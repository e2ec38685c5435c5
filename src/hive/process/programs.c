/* programs.c - see programs.h. No state. Linux: /proc/self/exe. */
#include "hive/process/programs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"

#define SOURCE_MARK "src/hive/meson.build" /* only a source tree of rbee has it */

/* A search: the answer, or the list of places where it is not. */
struct search {
    bool (*good)(const char *path);
    char *found;
    struct buf places;
    struct err no_folder; /* why the running program's folder is not among them; code 0 = it is */
};

static bool is_program(const char *path)
{
    return path_is_file(path) && access(path, X_OK) == 0;
}

/* Its path is told in JSON, which is UTF-8. */
static bool is_model(const char *path)
{
    return str_is_utf8(path, strlen(path)) && path_is_file(path) && access(path, R_OK) == 0;
}

/* In full: who is told may stand elsewhere. Taken over. */
static char *in_full(char *path)
{
    char *full = NULL;

    if (path && path[0] != '/' && path_real(path, &full, NULL) == 0) {
        free(path);
        return full;
    }
    return path;
}

/* Takes `path` over. */
static void look(struct search *s, char *path)
{
    if (!path)
        return;
    if (!s->found && s->good(path)) {
        s->found = path;
        return;
    }
    if (!s->found)
        buf_printf(&s->places, "%s%s", s->places.len ? ", " : "", path);
    free(path);
}

/* From the folder of the running program. */
static void look_near(struct search *s, const char *const *relative)
{
    char *dir;

    if (path_program_dir(&dir, &s->no_folder))
        return;
    for (; *relative && !s->found; relative++)
        look(s, path_join(dir, *relative));
    free(dir);
}

static void look_in_path(struct search *s, const char *program)
{
    const char *path = getenv("PATH");

    for (const char *p = path ? path : ""; *p && !s->found;) {
        size_t n = strcspn(p, ":");

        if (n > 0)
            look(s, str_printf("%.*s/%s", (int)n, p, program));
        p += n + (p[n] == ':');
    }
}

static int finish(struct search *s, const char *what, char **out, struct err *err)
{
    int rc = 0;

    if (s->found)
        *out = s->found;
    else
        rc = err_set(err, ERR_NOT_FOUND, "%s is not there; looked at: %s%s%s", what,
                     s->places.len ? buf_str(&s->places) : "no place at all",
                     s->no_folder.code ? "; not near this program: " : "", s->no_folder.text);
    buf_done(&s->places);
    return rc;
}

int programs_find_worker(const char *configured, char **out, struct err *err)
{
    static const char *const near[] = {WORKER_PROGRAM, "../worker/" WORKER_PROGRAM, NULL};
    struct search s = {.good = is_program};

    buf_init(&s.places, ERR_TEXT_MAX);
    if (configured[0]) {
        look(&s, str_dup(configured));
        return finish(&s, "the worker's program", out, err);
    }
    look_near(&s, near);
    look_in_path(&s, WORKER_PROGRAM);
    return finish(&s, "the worker's program", out, err);
}

/* The source tree that this program was built in: up to three folders up. What lies in a folder
 * `models` anywhere else is somebody's own. */
static void look_in_source(struct search *s)
{
    char *dir = NULL;

    if (s->found || path_program_dir(&dir, NULL))
        return;
    for (int i = 0; i < 3 && dir && !s->found; i++) {
        char *up = path_join(dir, ".."), *mark = up ? path_join(up, SOURCE_MARK) : NULL;

        if (mark && path_is_file(mark))
            look(s, path_join(up, "models/tiny.gguf"));
        free(mark);
        free(dir);
        dir = up;
    }
    free(dir);
}

int programs_find_tiny(char **out, struct err *err)
{
    static const char *const near[] = {"tiny.gguf", "../share/rbee/tiny.gguf", NULL};
    const char *told = getenv("RBEE_TINY");
    struct search s = {.good = is_model};

    buf_init(&s.places, ERR_TEXT_MAX);
    if (told && told[0])
        look(&s, in_full(str_dup(told)));
    else {
        look_near(&s, near);
        look_in_source(&s);
    }
    return finish(&s, "the bundled model tiny.gguf", out, err);
}
