/* scheduler_load.c - the model, and all that is made of it: see scheduler_internal.h. */
#include "base/clock.h"
#include "base/log.h"
#include "worker/jobs/dialog.h"
#include "worker/jobs/intake_text.h"
#include "worker/sandbox/sources.h"
#include "worker/schedule/open_times.h"
#include "worker/schedule/scheduler_internal.h"

static void show_load(struct board *b, const struct engine_load *now)
{
    atomic_store(&b->layers_total, now->layers_total);
    atomic_store(&b->bytes_total, now->bytes_total);
    atomic_store(&b->layers_loaded, now->layers_loaded);
    atomic_store(&b->bytes_loaded, now->bytes_loaded);
    atomic_store(&b->last_activity_ms, clock_ms());
}

static bool load_progress(void *arg, const struct engine_load *now)
{
    struct scheduler *s = arg;
    bool stopping = scheduler_collect(s, 0);

    show_load(s->params.board, now);
    outbox_load(s->params.outbox, LOAD_GOING_ON, now);
    scheduler_sweep_wished(s);
    return !stopping;
}

/* What people are told when loading fails at the model (not at the engine). */
static enum api_code model_code(int rc)
{
    switch (rc) {
    case ERR_NOT_FOUND:
        return API_MODEL_NOT_FOUND;
    case ERR_INVALID:
    case ERR_LIMIT:
        return API_INVALID_MODEL_FILE;
    case ERR_UNSUPPORTED:
        return API_UNSUPPORTED_MODEL;
    case ERR_NO_MEMORY:
        return API_INSUFFICIENT_MEMORY;
    default:
        return API_WORKER_START_FAILED;
    }
}

static enum api_code engine_code(int rc)
{
    switch (rc) {
    case ERR_UNSUPPORTED:
        return API_BACKEND_UNAVAILABLE;
    case ERR_INVALID:
        return API_INVALID_REQUEST;
    case ERR_NO_MEMORY:
        return API_INSUFFICIENT_MEMORY;
    default:
        return API_WORKER_START_FAILED;
    }
}

static void note_facts(struct scheduler *s, const struct engine *e)
{
    engine_model_info(s->model, &s->facts.model);
    s->facts.n_ctx = engine_n_ctx(e);
    s->facts.n_batch = engine_n_batch(e);
    s->facts.n_slots = engine_n_slots(e);
    s->facts.n_threads = engine_n_threads(e);
    s->facts.kernels = engine_kernels(e);
    s->facts.chat = s->facts.tools = dialog_template(s->dialog, NULL) != NULL;
    atomic_store(&s->params.board->n_ctx, s->facts.n_ctx);
    atomic_store(&s->params.board->slots_total, s->facts.n_slots);
}

/* What runs all the same, and not as it should. */
static void warn(const struct scheduler *s, const struct engine *e)
{
    if (s->facts.model.lacks_pre_tokenizer)
        log_warn("the model's file does not say how texts are cut into words (tokenizer.ggml.pre "
                 "names none, or 'default'): '%s' is a guess, with which tokens may be wrong and "
                 "answers worse; get a newer file of this model, or convert it anew",
                 s->facts.model.pre_tokenizer);
    if (engine_is_unpacked(e))
        log_warn("the system gives no room for packed weights (vm.overcommit_memory, ulimit -v): "
                 "they are used as they lie in the file, which is slower");
}

static int look_at_files(void *arg, struct err *err)
{
    return engine_model_check(arg, err);
}

static void open_intakes(struct scheduler *s)
{
    const struct intake_model with = {s->model, s->dialog, s->lookout, s->facts.n_ctx};

    intake_open(s->intake, &with);
    intake_open(s->questions, &with);
}

int scheduler_load(struct scheduler *s, enum api_code *code, struct err *err)
{
    struct pass_options how = {s->params.engine.keep_prefixes, s->params.guess};
    struct engine *engine;
    int rc;

    timings_begin(&s->facts.load);
    rc = sources_model(s->params.sources, &s->model, err);
    *code = model_code(rc);
    if (rc)
        return rc;
    open_times_put(&s->facts.load, s->model);
    rc = dialog_create(s->model, s->params.sources, &s->dialog, err);
    *code = rc == ERR_NO_MEMORY ? API_INSUFFICIENT_MEMORY : API_WORKER_START_FAILED;
    if (rc)
        return rc;
    timings_phase(&s->facts.load, "template");
    rc = engine_create(s->model, &s->params.engine, &engine, err);
    *code = engine_code(rc);
    if (rc)
        return rc;
    scheduler_publish_engine(s, engine);
    note_facts(s, engine);
    warn(s, engine);
    rc = s->facts.model.embeds ? embed_pass_init(&s->embeds, engine, s->params.outbox, err)
                               : pass_init(&s->pass, engine, &how, s->params.outbox, err);
    if (rc == 0)
        rc = lookout_create(look_at_files, s->model, &s->lookout, err);
    if (rc)
        return rc;
    open_intakes(s);
    timings_phase(&s->facts.load, "engine");
    rc = engine_model_load(s->model, load_progress, s, err);
    timings_phase(&s->facts.load, "reading");
    *code = model_code(rc);
    return rc;
}
