/* fetch_disks.c - see fetch_disks.h. */
#include "hive/fetch/fetch_disks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "hive/fetch/fetch_thread.h"
#include "hive/fetch/rate.h"

struct disk {
    dev_t device;
    struct fetch_thread *thread;
};

struct fetch_disks {
    struct post *home;
    int64_t stall_ms;
    pthread_mutex_t lock; /* of `rate` */
    struct rate rate;     /* of all */
    struct disk all[FETCH_DISKS_MAX];
    size_t n;
};

int fetch_disks_create(struct post *home, uint64_t limit_per_sec, int64_t stall_ms,
                       struct fetch_disks **out, struct err *err)
{
    struct fetch_disks *disks = calloc(1, sizeof *disks);

    if (!disks)
        return err_no_memory(err, sizeof *disks, "the threads of downloads");
    disks->home = home;
    disks->stall_ms = stall_ms;
    pthread_mutex_init(&disks->lock, NULL);
    disks->rate = (struct rate){.per_sec = limit_per_sec, .lock = &disks->lock};
    *out = disks;
    return 0;
}

/* All are told before one is waited for: who waits for a dead disk keeps no other from its end. */
void fetch_disks_free(struct fetch_disks *disks)
{
    if (!disks)
        return;
    for (size_t i = 0; i < disks->n; i++)
        fetch_thread_stop(disks->all[i].thread);
    for (size_t i = 0; i < disks->n; i++)
        fetch_thread_free(disks->all[i].thread);
    pthread_mutex_destroy(&disks->lock);
    free(disks);
}

static const struct disk *find(const struct fetch_disks *disks, dev_t device)
{
    for (size_t i = 0; i < disks->n; i++)
        if (disks->all[i].device == device)
            return &disks->all[i];
    return disks->n == FETCH_DISKS_MAX ? &disks->all[0] : NULL;
}

int fetch_disks_thread(struct fetch_disks *disks, const char *dir, struct fetch_thread **out,
                       struct err *err)
{
    struct disk *added = &disks->all[disks->n];
    const struct disk *there;
    struct stat st;
    int rc;

    if (stat(dir, &st))
        return err_errno(err, ERR_IO, errno, "cannot look at %.300s", dir);
    there = find(disks, st.st_dev);
    if (there) {
        *out = there->thread;
        return 0;
    }
    rc = fetch_thread_create(disks->home, &disks->rate, disks->stall_ms, &added->thread, err);
    if (rc)
        return rc;
    added->device = st.st_dev;
    disks->n++;
    *out = added->thread;
    return 0;
}
