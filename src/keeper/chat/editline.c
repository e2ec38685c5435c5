/*
 * editline.c - see editline.h. Sources: editline(3) of libedit 3.1; xterm's control sequences,
 * "Bracketed Paste Mode".
 *
 * libedit gets its characters from take_char, which waits for them in poll(2): so Ctrl+C ends a
 * line at once, SIGTERM finds the terminal's modes put back, a terminal that changed its size is
 * drawn anew, and one whose modes a shell changed while we were stopped gets ours again, all
 * without signal handlers of libedit's.
 */
#include "keeper/chat/editline.h"

#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/str.h"
#include "base/utf8.h"
#include "keeper/ask/prompt.h"
#include "keeper/node/keeper.h"
#include "keeper/shell/interrupt.h"

#define LOOK_MS 250
#define COLUMNS_MIN                                                                                \
    10 /* in fewer the library loses its way, and crashes on marks that join letters */
#define PASTE_ON    "\033[?2004h"
#define PASTE_OFF   "\033[?2004l"
#define PASTE_START "\033[200~"
#define PASTE_END   "\033[201~"

/* The library's functions that are used, under its own names. */
struct libedit {
    EditLine *(*el_init)(const char *, FILE *, FILE *, FILE *);
    void (*el_end)(EditLine *);
    void (*el_reset)(EditLine *);
    void (*el_resize)(EditLine *);
    const char *(*el_gets)(EditLine *, int *);
    int (*el_set)(EditLine *, int, ...);
    int (*el_source)(EditLine *, const char *);
    int (*el_insertstr)(EditLine *, const char *);
    History *(*history_init)(void);
    void (*history_end)(History *);
    int (*history)(History *, HistEvent *, int, ...);
};

struct editline {
    void *library; /* owned */
    struct libedit f;
    EditLine *el;     /* owned */
    History *history; /* owned */
    FILE *screen;     /* owned: stderr with a buffer */
    const char *prompt;
    struct winsize size;
    size_t at, n; /* of `typed`, what is not taken yet */
    char typed[4096];
};

/*
 * The one that is open: libedit's callbacks get an EditLine, and what belongs to it is told by a
 * function of the very library that was loaded. There is one terminal, and one thread.
 */
static struct editline *opened;

/* ---- the library ---- */
static bool load(struct editline *e)
{
    static const char *const names[] = {"libedit.so.2", "libedit.so.0", "libedit.so"};
    const struct {
        const char *name;
        void *place;
    } wanted[] = {
        {"el_init", &e->f.el_init},           {"el_end", &e->f.el_end},
        {"el_reset", &e->f.el_reset},         {"el_resize", &e->f.el_resize},
        {"el_gets", &e->f.el_gets},           {"el_set", &e->f.el_set},
        {"el_source", &e->f.el_source},       {"el_insertstr", &e->f.el_insertstr},
        {"history_init", &e->f.history_init}, {"history_end", &e->f.history_end},
        {"history", &e->f.history},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !e->library; i++)
        e->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && e->library; i++) {
        void *symbol = dlsym(e->library, wanted[i].name);

        if (!symbol)
            return false;
        memcpy(wanted[i].place, &symbol, sizeof symbol); /* POSIX: a function fits in a void * */
    }
    return e->library != NULL;
}

/* ---- characters ---- */
/* Can libedit work with the terminal as wide as it is now? It asks the same descriptor. */
static bool is_wide_enough(struct winsize *size)
{
    return ioctl(STDIN_FILENO, TIOCGWINSZ, size) != 0 || size->ws_col == 0 ||
           size->ws_col >= COLUMNS_MIN;
}

/* True when the size is another one. In a terminal made too narrow the lines are laid out as they
 * were. */
static bool take_size(struct editline *e)
{
    struct winsize size = e->size;

    if (!is_wide_enough(&size) || (size.ws_col == e->size.ws_col && size.ws_row == e->size.ws_row))
        return false;
    e->size = size;
    e->f.el_resize(e->el);
    return true;
}

/* After a stop (Ctrl+Z, fg) the terminal is as the shell wants it; libedit does not notice. */
static void look_after_terminal(struct editline *e)
{
    struct termios modes;

    if (take_size(e))
        e->f.el_set(e->el, EL_REFRESH);
    if (tcgetattr(STDIN_FILENO, &modes) == 0 && (modes.c_lflag & ICANON)) {
        e->f.el_set(e->el, EL_PREP_TERM, 0); /* or it believes that it has it */
        e->f.el_set(e->el, EL_PREP_TERM, 1);
        e->f.el_set(e->el, EL_REFRESH);
    }
}

/* Ctrl+Z: the shell gets the terminal as it wants it, and we our line again. */
static void stop(struct editline *e)
{
    e->f.el_set(e->el, EL_PREP_TERM, 0);
    fputs(PASTE_OFF, e->screen);
    fflush(e->screen);
    interrupt_take_stop();
    e->f.el_set(e->el, EL_PREP_TERM, 1);
    fputs(PASTE_ON, e->screen);
    take_size(e);
    e->f.el_set(e->el, EL_REFRESH);
    fflush(e->screen);
}

/* More typed bytes behind what there is: 1, 0 at the end, -1 with errno. */
static int refill(struct editline *e)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t n;

    memmove(e->typed, e->typed + e->at, e->n - e->at);
    e->n -= e->at;
    e->at = 0;
    for (;;) {
        if (interrupt_seen() || interrupt_end_wanted()) {
            errno = EINTR;
            return -1;
        }
        if (interrupt_stop_wanted())
            stop(e);
        if (poll(&p, 1, LOOK_MS) <= 0) {
            look_after_terminal(e);
            continue;
        }
        n = read(STDIN_FILENO, e->typed + e->n, sizeof e->typed - e->n);
        if (n >= 0)
            break;
        if (errno != EINTR && errno != EAGAIN)
            return -1;
    }
    e->n += (size_t)n;
    return n > 0;
}

/* The next character's bytes, 1 to 4, in `c`; a byte that belongs to none is '?'. 0, -1 as refill.
 */
static int next_char(struct editline *e, char c[UTF8_MAX_BYTES])
{
    int len = 0;

    while (e->at == e->n || (len = utf8_len(e->typed + e->at, e->n - e->at)) == 0) {
        int more = refill(e);

        if (more <= 0)
            return more;
    }
    memcpy(c, len > 0 ? e->typed + e->at : "?", len > 0 ? (size_t)len : 1);
    len = len > 0 ? len : 1;
    e->at += (size_t)len;
    return len;
}

/* ---- what libedit calls ---- */
static int take_char(EditLine *el, wchar_t *out)
{
    char c[UTF8_MAX_BYTES];
    int len = next_char(opened, c);

    (void)el;
    if (len > 0)
        *out = (wchar_t)utf8_code(c, len);
    return len > 0 ? 1 : len;
}

static char *tell_prompt(EditLine *el)
{
    (void)el;
    return (char *)(uintptr_t)opened->prompt;
}

/* Terminals send a carriage return for a line feed; of other controls nothing is kept. */
static void put_pasted(struct buf *text, const char *c, int len)
{
    if (len == 1 && (c[0] == '\r' || c[0] == '\n'))
        buf_putc(text, '\n');
    else
        clean_put(text, c, (size_t)len);
}

static bool ends_paste(const struct buf *text)
{
    const size_t n = sizeof PASTE_END - 1;

    return text->len >= n && memcmp(text->data + text->len - n, PASTE_END, n) == 0;
}

/* The next character of a paste. False: it has no place, and of what came only enough stays for the
 * mark of the end to be seen. */
static bool add_pasted(struct buf *raw, const char *c, int len)
{
    const size_t n = sizeof PASTE_END - 1;

    if (raw->len < PROMPT_MAX + n && buf_put(raw, c, (size_t)len) == 0)
        return true;
    buf_drop(raw, raw->len > n ? raw->len - n : 0);
    buf_cut(raw, raw->len); /* no failure any more */
    buf_put(raw, c, (size_t)len);
    return false;
}

/* Reads up to the mark of the end, and puts it into `text` in our terms. False: it is too long. */
static bool read_paste(struct editline *e, struct buf *text)
{
    struct buf raw;
    char c[UTF8_MAX_BYTES];
    bool fits = true;
    int len;

    buf_init(&raw, PROMPT_MAX + sizeof PASTE_END + UTF8_MAX_BYTES);
    while (!ends_paste(&raw) && (len = next_char(e, c)) > 0)
        fits &= add_pasted(&raw, c, len);
    if (!fits)
        buf_clear(&raw);
    if (ends_paste(&raw))
        raw.len -= sizeof PASTE_END - 1;
    for (size_t i = 0; i < raw.len; i += (size_t)len) {
        len = utf8_len(raw.data + i, raw.len - i);
        len = len > 0 ? len : 1;
        put_pasted(text, raw.data + i, len);
    }
    buf_done(&raw);
    return fits && !buf_failed(text);
}

/* Bound to the mark that begins a paste. A line feed at its end waits for the person's Enter. */
static unsigned char take_paste(EditLine *el, int key)
{
    struct buf text;

    (void)key;
    buf_init(&text, PROMPT_MAX);
    if (!read_paste(opened, &text)) {
        fprintf(opened->screen,
                "\r\nThe paste has over %u bytes, or there is no memory for it: nothing of it was "
                "taken.\r\n",
                PROMPT_MAX);
        buf_clear(&text);
    }
    if (text.len && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    if (text.len && opened->f.el_insertstr(el, buf_str(&text)))
        fputs("\r\nThe paste did not fit: nothing of it was taken.\r\n", opened->screen);
    buf_done(&text);
    return CC_REFRESH;
}

/* ---- life ---- */
static void bind_keys(struct editline *e)
{
    static const char *const keys[][2] = {
        {"^W", "ed-delete-prev-word"},
        {"^R", "em-inc-search-prev"},
        {"\\e[3~", "ed-delete-next-char"},
        {"\\e[1~", "ed-move-to-beg"},
        {"\\e[4~", "ed-move-to-end"},
        {"\\e[H", "ed-move-to-beg"},
        {"\\e[F", "ed-move-to-end"},
        {"\\e[1;5D", "ed-prev-word"},
        {"\\e[1;5C", "em-next-word"},
        {"\\e[200~", "rbee-paste"},
        /* Commands of the library's own: on an unbalanced quote it crashes in them. */
        {"\\ex", "ed-unassigned"},
        {"\\eX", "ed-unassigned"},
    };

    e->f.el_set(e->el, EL_ADDFN, "rbee-paste", "take a pasted text", take_paste);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        e->f.el_set(e->el, EL_BIND, keys[i][0], keys[i][1], NULL);
    e->f.el_set(e->el, EL_BIND, "-a", ":", "ed-unassigned", NULL); /* of an .editrc's "bind -v" */
}

static void set_up(struct editline *e)
{
    e->f.el_set(e->el, EL_PROMPT, tell_prompt);
    e->f.el_set(e->el, EL_EDITOR, "emacs");
    e->f.el_set(e->el, EL_SIGNAL, 0);
    e->f.el_set(e->el, EL_HIST, e->f.history, e->history);
    e->f.el_source(e->el, NULL);
    e->f.el_set(e->el, EL_GETCFN, take_char);
    bind_keys(e);
}

static void set_up_history(struct editline *e, const struct history *history)
{
    HistEvent event;

    e->f.history(e->history, &event, H_SETSIZE, HISTORY_MAX);
    for (size_t i = 0; i < history->n; i++)
        editline_remember(e, history->items[i]);
}

static bool open_parts(struct editline *e)
{
    int fd = dup(STDERR_FILENO);

    e->screen = fd < 0 ? NULL : fdopen(fd, "w");
    if (!e->screen) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    e->history = e->f.history_init();
    e->el = e->history ? e->f.el_init(KEEPER_PROGRAM, stdin, e->screen, e->screen) : NULL;
    return e->el != NULL;
}

struct editline *editline_open(const struct history *history)
{
    struct editline *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    /* libedit asks the locale what a character is; ours are UTF-8's, whatever EUC or Big5 has. */
    if (!setlocale(LC_CTYPE, "") || !str_eq(nl_langinfo(CODESET), "UTF-8"))
        setlocale(LC_CTYPE, "C.UTF-8");
    opened = e;
    e->prompt = "";
    if (!is_wide_enough(&e->size) || !load(e) || !open_parts(e)) {
        editline_close(e);
        return NULL;
    }
    set_up_history(e, history);
    set_up(e);
    return e;
}

void editline_close(struct editline *e)
{
    if (!e)
        return;
    opened = NULL;
    if (e->el)
        e->f.el_end(e->el);
    if (e->history)
        e->f.history_end(e->history);
    if (e->screen)
        fclose(e->screen);
    free(e); /* the library stays: it and those behind it keep memory of their own until the end */
}

void editline_remember(struct editline *e, const char *text)
{
    HistEvent event;

    e->f.history(e->history, &event, H_ENTER, text);
}

enum editor_end editline_read(struct editline *e, const char *prompt, struct buf *line,
                              struct err *err)
{
    const char *text;
    int n = 0;

    e->prompt = prompt;
    interrupt_put_off_end();
    /* Before the prompt is seen: libedit would do it behind it, and a Ctrl+D in between was lost.
     */
    e->f.el_set(e->el, EL_PREP_TERM, 1);
    fputs(PASTE_ON, e->screen);
    take_size(e);
    errno = 0;
    text = e->f.el_gets(e->el, &n);
    if (!text)
        e->f.el_reset(e->el); /* the terminal's modes as they were */
    fputs(text ? PASTE_OFF : PASTE_OFF "\r\n", e->screen);
    fflush(e->screen);
    interrupt_take_end();
    if (!text && interrupt_seen())
        return EDITOR_INTERRUPTED;
    if (!text)
        return EDITOR_OVER;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (buf_put(line, text, (size_t)n)) {
        err_set(err, ERR_LIMIT, "a line is longer than %zu bytes", line->max);
        return EDITOR_FAILED;
    }
    return EDITOR_LINE;
}
