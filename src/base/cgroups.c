/* cgroups.c - see cgroups.h. No state. */
#include "base/cgroups.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Longest line of the list that is looked at. */
#define LINE_BYTES (PATH_MAX + 256)

struct walk {
    const char *root, *controller;
    void (*each)(void *arg, const char *dir, bool v2);
    void *arg;
};

/* The folder base + group and its parents up to base; base alone when the name is too long. */
static void walk_up(const struct walk *w, const char *base, const char *group, bool v2)
{
    char dir[PATH_MAX];
    size_t base_len = strlen(base);
    char *slash;

    if (snprintf(dir, sizeof dir, "%s%s", base, group) < (int)sizeof dir)
        while (strlen(dir) > base_len && (slash = strrchr(dir, '/')) != NULL) {
            if (slash[1])
                w->each(w->arg, dir, v2);
            *slash = '\0';
        }
    w->each(w->arg, base, v2);
}

/* Is it an entry of the list, which has commas between them? */
static bool lists(const char *list, const char *controller)
{
    size_t n = strlen(controller);

    for (; *list; list += strcspn(list, ","), list += *list == ',') {
        if (strcspn(list, ",") == n && strncmp(list, controller, n) == 0)
            return true;
    }
    return false;
}

/* One line "number:controllers:group"; version 2 has no controllers. */
static void walk_line(const struct walk *w, char *line)
{
    char base[PATH_MAX];
    char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;

    if (!group)
        return;
    *list++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*list == '\0')
        walk_up(w, w->root, group, true);
    else if (lists(list, w->controller) &&
             snprintf(base, sizeof base, "%s/%s", w->root, list) < (int)sizeof base)
        walk_up(w, base, group, false);
}

void cgroups_each(const char *list, const char *root, const char *controller,
                  void (*each)(void *arg, const char *dir, bool v2), void *arg)
{
    struct walk w = {root, controller, each, arg};
    FILE *f = fopen(list, "re");
    char line[LINE_BYTES];

    while (f && fgets(line, sizeof line, f))
        walk_line(&w, line);
    if (f)
        fclose(f);
}

bool cgroups_number(const char *dir, const char *file, uint64_t *out)
{
    char path[PATH_MAX + 64];
    FILE *f;
    bool ok;

    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return false;
    f = fopen(path, "re");
    ok = f && fscanf(f, "%" SCNu64, out) == 1;
    if (f)
        fclose(f);
    return ok;
}
