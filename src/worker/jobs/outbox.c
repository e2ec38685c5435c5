/* outbox.c - see outbox.h. */
#include "worker/jobs/outbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "net/post.h"
#include "worker/jobs/job.h"

#define OUTBOX_TEXT_MAX    (64u << 20) /* bytes waiting for a loop that does not come */
#define OUTBOX_FIRST_NOTES 64

struct outbox {
    struct post *post;
    struct post_item item; /* with `posted` it is on its way, or about to be */
    pthread_mutex_t lock;  /* guards filling and posted */
    struct outbox_batch filling;
    bool posted;               /* the loop has been woken and did not take yet */
    struct outbox_batch taken; /* the loop's */
};

static void clear_batch(struct outbox_batch *b)
{
    b->n_notes = 0;
    buf_clear(&b->bytes);
    b->ended = (struct job_list){0};
    b->stage = LOAD_NO_NEWS;
    b->has_load = false;
}

static void init_batch(struct outbox_batch *b)
{
    buf_init(&b->bytes, OUTBOX_TEXT_MAX);
    clear_batch(b);
}

int outbox_create(struct post *post, void (*deliver)(void *arg), void *arg, struct outbox **out,
                  struct err *err)
{
    struct outbox *o = calloc(1, sizeof *o);

    if (!o)
        return err_no_memory(err, sizeof *o, "the worker's outbox");
    o->post = post;
    o->item = (struct post_item){.fn = deliver, .arg = arg};
    pthread_mutex_init(&o->lock, NULL);
    init_batch(&o->filling);
    init_batch(&o->taken);
    *out = o;
    return 0;
}

static void done_batch(struct outbox_batch *b)
{
    free(b->notes);
    buf_done(&b->bytes);
}

void outbox_free(struct outbox *o)
{
    struct job *j;

    if (!o)
        return;
    post_withdraw(o->post, &o->item);
    while ((j = job_list_take(&o->filling.ended)))
        job_free(j);
    done_batch(&o->filling);
    done_batch(&o->taken);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* Under the lock: room for one more note. */
static struct outbox_note *add_note(struct outbox_batch *b)
{
    if (b->n_notes == b->cap_notes) {
        size_t cap = b->cap_notes ? 2 * b->cap_notes : OUTBOX_FIRST_NOTES;
        struct outbox_note *notes = realloc(b->notes, cap * sizeof *notes);

        if (!notes)
            return NULL;
        b->notes = notes;
        b->cap_notes = cap;
    }
    return &b->notes[b->n_notes];
}

int outbox_text(struct outbox *o, const struct outbox_note *note, const char *text,
                const char *scores)
{
    struct outbox_note *at;
    int rc = -1;

    pthread_mutex_lock(&o->lock);
    at = add_note(&o->filling);
    if (at && buf_reserve(&o->filling.bytes, note->n + note->n_scores) == 0) {
        *at = *note;
        at->at = o->filling.bytes.len;
        buf_put(&o->filling.bytes, text, note->n);
        buf_put(&o->filling.bytes, scores, note->n_scores);
        o->filling.n_notes++;
        rc = 0;
    }
    o->filling.bytes.failed = false; /* this job fails; the others' text goes on */
    pthread_mutex_unlock(&o->lock);
    return rc;
}

int outbox_started(struct outbox *o, struct job *j)
{
    return outbox_text(o, &(struct outbox_note){.job = j, .kind = NOTE_STARTED}, "", "");
}

void outbox_end(struct outbox *o, struct job *j)
{
    pthread_mutex_lock(&o->lock);
    job_list_put(&o->filling.ended, j);
    pthread_mutex_unlock(&o->lock);
}

void outbox_load(struct outbox *o, enum load_stage stage, const struct engine_load *load)
{
    pthread_mutex_lock(&o->lock);
    o->filling.stage = stage;
    if (load) {
        o->filling.load = *load;
        o->filling.has_load = true;
    }
    pthread_mutex_unlock(&o->lock);
}

static bool is_empty(const struct outbox_batch *b)
{
    return b->n_notes == 0 && !b->ended.first && b->stage == LOAD_NO_NEWS;
}

/* True when it is the caller who has to wake the loop. */
static bool must_wake(struct outbox *o)
{
    bool wake;

    pthread_mutex_lock(&o->lock);
    wake = !o->posted && !is_empty(&o->filling);
    o->posted = o->posted || wake;
    pthread_mutex_unlock(&o->lock);
    return wake;
}

void outbox_flush(struct outbox *o)
{
    if (must_wake(o))
        post_put(o->post, &o->item);
}

const struct outbox_batch *outbox_take(struct outbox *o)
{
    struct outbox_batch spare = o->taken;

    clear_batch(&spare);
    pthread_mutex_lock(&o->lock);
    o->taken = o->filling;
    o->filling = spare;
    o->posted = false;
    pthread_mutex_unlock(&o->lock);
    return &o->taken;
}
