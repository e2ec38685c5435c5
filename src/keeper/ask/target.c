/* target.c - see target.h. */
#include "keeper/ask/target.h"

#include "api/backend.h"
#include "base/str.h"

void target_init(struct target *t)
{
    *t = (struct target){.backend = "auto", .device = -1};
}

int target_check(const struct target *t, struct err *err)
{
    int64_t ms;

    if (!backend_is_name(t->backend))
        return err_set(err, ERR_INVALID,
                       "--backend takes auto, cpu, cuda, metal or vulkan, not '%.40s'", t->backend);
    if (t->keep_alive && str_to_duration_ms(t->keep_alive, &ms))
        return err_set(err, ERR_INVALID,
                       "--keep-alive takes a duration such as 5m, 0 or -1, not '%.40s'",
                       t->keep_alive);
    return 0;
}

void target_want(const struct target *t, struct pool_want *want)
{
    want->backend = t->backend;
    want->keep_alive = t->keep_alive;
    want->device = t->device;
    want->slots = t->slots;
    want->ctx = t->ctx;
}
