/* sources.c - see sources.h. */
#include "worker/sandbox/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/path.h"
#include "jinja/jinja.h"

void sources_open(struct sources *s, const char *model_path, const char *chat_template)
{
    *s = (struct sources){.template_path = chat_template, .template_fd = -1};
    engine_files_open(model_path, &s->model, &s->model_err);
    if (!chat_template)
        return;
    /* O_NONBLOCK: a named pipe is refused, not waited for */
    s->template_fd = open(chat_template, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->template_fd < 0)
        err_errno(&s->template_err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                  "cannot open %s", chat_template);
}

void sources_close(struct sources *s)
{
    engine_files_close(s->model);
    if (s->template_fd >= 0)
        close(s->template_fd);
    s->model = NULL;
    s->template_fd = -1;
}

int sources_model(struct sources *s, struct engine_model **out, struct err *err)
{
    int rc;

    if (!s->model)
        return err_set(err, s->model_err.code, "%s", s->model_err.text);
    rc = engine_model_open_files(s->model, out, err);
    engine_files_close(s->model);
    s->model = NULL;
    if (rc == ERR_NOT_FOUND) /* a key or a tensor: the file itself was found before */
        rc = err->code = ERR_INVALID;
    return rc;
}

int sources_template(struct sources *s, char **text, size_t *n_bytes, struct err *err)
{
    *text = NULL;
    *n_bytes = 0;
    if (!s->template_path)
        return 0;
    if (s->template_fd < 0)
        return err_set(err, s->template_err.code, "%s", s->template_err.text);
    return path_read_open(s->template_fd, s->template_path, JINJA_MAX_TEMPLATE_BYTES, text, n_bytes,
                          err);
}
