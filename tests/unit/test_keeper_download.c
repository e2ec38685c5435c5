/* How a download is watched whose progress breaks off: nothing is sent, and no time passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "keeper/models/download.h"
#include "keeper/node/contact.h"
#include "keeper/node/retry.h"
#include "keeper/shell/interrupt.h"

/* One look at the progress: how many bytes it tells, and how it ends. */
struct look {
    int64_t bytes;
    enum { BREAKS, UNKNOWN, BUSY, COMPLETE } end;
};

static struct {
    const struct look *looks;
    size_t n_looks, n_asks, n_pauses;
    bool cached;                /* when it is asked again */
    double mbps, shown_per_sec; /* what it says of the speed, and what the last line does */
    struct client_last last;
} hive;

/* GNU ld --wrap: the reserved names are its own. */
const struct client_last *__wrap_client_last(const struct client *c);
int __wrap_contact_json(struct keeper *k, const struct client_ask *ask, json_t **out,
                        struct api_error *e);
enum client_end __wrap_client_watch(struct client *c, const struct client_watch *w,
                                    struct api_error *e);
bool __wrap_interrupt_sleep_ms(int64_t ms);
void __wrap_term_progress(struct term *t, const struct progress *p);

void __wrap_term_progress(struct term *t, const struct progress *p)
{
    (void)t;
    hive.shown_per_sec = p->per_sec;
}

const struct client_last *__wrap_client_last(const struct client *c)
{
    (void)c;
    return &hive.last;
}

bool __wrap_interrupt_sleep_ms(int64_t ms)
{
    assert_true(ms > 0);
    hive.n_pauses++;
    return true;
}

int __wrap_contact_json(struct keeper *k, const struct client_ask *ask, json_t **out,
                        struct api_error *e)
{
    (void)k, (void)e;
    assert_string_equal(ask->url, "http://h:8080/v1/models/download");
    assert_string_equal(ask->body, "{\"model_ref\":\"hf:org/repo\"}");
    *out =
        hive.n_asks++ > 0 && hive.cached
            ? json_pack("{s:s, s:s}", "download_id", "cached", "local_path", "/m/x.gguf")
            : json_pack("{s:s, s:n}", "download_id", hive.n_asks > 1 ? "d2" : "d1", "local_path");
    return 0;
}

static void tell(const struct client_watch *w, json_t *event)
{
    w->on_event(w->arg, event, "", 0);
    json_decref(event);
}

enum client_end __wrap_client_watch(struct client *c, const struct client_watch *w,
                                    struct api_error *e)
{
    const struct look *look = &hive.looks[hive.n_looks++];

    (void)c;
    assert_non_null(strstr(w->url, hive.n_asks > 1 ? "progress?id=d2" : "progress?id=d1"));
    if (look->bytes)
        tell(w, json_pack("{s:s, s:I, s:i, s:f}", "stage", "downloading", "bytes_downloaded",
                          (json_int_t)look->bytes, "bytes_total", 1000, "speed_mbps", hive.mbps));
    hive.last = (struct client_last){.retry_after_ms = -1};
    switch (look->end) {
    case BREAKS:
        hive.last.rc = ERR_IO;
        api_error_set(e, API_CONNECTION_REFUSED, "keeper", "the stream broke off");
        return CLIENT_BROKEN;
    case UNKNOWN:
        hive.last.status = 404;
        api_error_set(e, API_NOT_FOUND, "hive", "there is no such download");
        return CLIENT_REFUSED;
    case BUSY:
        hive.last.status = 503;
        api_error_set(e, API_INTERNAL, "hive", "all connections are taken");
        return CLIENT_REFUSED;
    case COMPLETE:
        break;
    }
    tell(w, json_pack("{s:s, s:s}", "stage", "complete", "local_path", "/m/x.gguf"));
    return CLIENT_STOPPED;
}

/* 0 with the model, or -1 with *e. */
static int run(const struct look *looks, struct api_error *e)
{
    struct keeper k = {.term = {.quiet = true}};
    struct download d;
    int rc;

    hive.looks = looks;
    hive.n_looks = hive.n_asks = hive.n_pauses = 0;
    snprintf(k.node.url, sizeof k.node.url, "http://h:8080");
    rc = download_run(&k, "hf:org/repo", &d, e);
    if (rc == 0)
        assert_string_equal(d.path, "/m/x.gguf");
    return rc;
}

/*
 * A download of hours on a Wi-Fi that drops out now and then: at the fourth time in its whole life
 * `pull` failed with "is rbee-hive running?", while the hive went on with it.
 */
static void test_download__may_break_as_often_as_it_goes_on(void **state)
{
    static const struct look looks[] = {{10, BREAKS}, {20, BREAKS}, {30, BREAKS}, {0, BREAKS},
                                        {30, BREAKS}, {40, BREAKS}, {50, BREAKS}, {0, BUSY},
                                        {60, BREAKS}, {70, BREAKS}, {80, BREAKS}, {0, COMPLETE}};
    struct api_error e = {0};

    (void)state;
    assert_int_equal(run(looks, &e), 0);
    assert_int_equal(hive.n_looks, 12);
    assert_int_equal(hive.n_pauses, 11);
    assert_int_equal(hive.n_asks, 1);
}

/* What it had told before is no progress. */
static void test_download__that_does_not_go_on_is_given_up(void **state)
{
    static const struct look looks[] = {{50, BREAKS}, {50, BREAKS}, {20, BREAKS}, {50, BREAKS},
                                        {0, BREAKS},  {50, BREAKS}, {0, BREAKS},  {0, COMPLETE}};
    struct api_error e = {0};

    (void)state;
    assert_int_equal(run(looks, &e), -1);
    assert_int_equal(e.code, API_CONNECTION_REFUSED);
    assert_int_equal(hive.n_looks, RETRY_TRIES);
    api_error_done(&e);
}

/* The hive was restarted: it has the bytes, and knows no more of who asked for them. */
static void test_download__of_a_restarted_hive_is_asked_for_again(void **state)
{
    static const struct look goes_on[] = {{10, BREAKS}, {0, UNKNOWN}, {10, BREAKS}, {20, COMPLETE}},
                             for_ever[] = {{10, BREAKS}, {0, UNKNOWN}, {0, UNKNOWN}, {0, COMPLETE}};
    struct api_error e = {0};

    (void)state;
    assert_int_equal(run(goes_on, &e), 0);
    assert_int_equal(hive.n_asks, 2);
    hive.cached = true; /* it came while nobody looked */
    assert_int_equal(run(goes_on, &e), 0);
    assert_int_equal(hive.n_looks, 2);
    hive.cached = false;
    assert_int_equal(run(for_ever, &e), -1);
    assert_int_equal(hive.n_asks, 2);
    assert_int_equal(e.code, API_NOT_FOUND);
    api_error_done(&e);
}

/*
 * A pull that went on where an earlier one had ended: from none to 28 MB of bytes within a second
 * was "69.6 MB/s", and still 34 a few seconds later, of 0.5 that came.
 */
static void test_download__is_as_fast_as_the_hive_says(void **state)
{
    static const struct look looks[] = {{900, BREAKS}, {910, COMPLETE}};
    struct api_error e = {0};

    (void)state;
    hive.mbps = 4;
    assert_int_equal(run(looks, &e), 0);
    assert_true(hive.shown_per_sec > 499999 && hive.shown_per_sec < 500001);
    hive.mbps = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_download__may_break_as_often_as_it_goes_on),
        cmocka_unit_test(test_download__that_does_not_go_on_is_given_up),
        cmocka_unit_test(test_download__of_a_restarted_hive_is_asked_for_again),
        cmocka_unit_test(test_download__is_as_fast_as_the_hive_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
