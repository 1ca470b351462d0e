/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/tally.c base/histogram.c */

/* Histograms, and counters with their windows of time. */

#include <stddef.h>
#include <stdlib.h>

#include "base/tally.h"
#include "tap.h"

static void test_buckets(void)
{
    unsigned int i, wrong = 0;
    apr_interval_time_t t;

    for (i = 0; i < CGI_HISTOGRAM_BUCKETS; i++) {
        t = cgi_histogram_from(i);
        wrong += cgi_histogram_bucket(t) != i ||
                 cgi_histogram_bucket(cgi_histogram_from(i + 1) - 1) != i ||
                 (i && cgi_histogram_from(i + 1) * 4 > t * 5);
    }
    tap_ok(!wrong, "buckets meet, and none is wider than a quarter");
    tap_ok(cgi_histogram_bucket(-5) == 0 && cgi_histogram_bucket(0) == 0 &&
               cgi_histogram_bucket(INT64_MAX) == CGI_HISTOGRAM_BUCKETS - 1,
           "what is out of range is in the first or the last");
    tap_ok(cgi_histogram_from(CGI_HISTOGRAM_BUCKETS) >
               apr_time_from_sec(24 * 3600),
           "a day has a bucket");
}

static int near(apr_interval_time_t got, apr_interval_time_t expected)
{
    apr_interval_time_t off = llabs(got - expected);

    if (off * 4 > expected) {
        printf("# got %ld, expected %ld\n", (long)got, (long)expected);
    }
    return off * 4 <= expected;
}

static void test_quantiles(void)
{
    cgi_histogram_t h;
    int i;

    memset(&h, 0, sizeof(h));
    tap_ok(cgi_histogram_quantile(&h, 500) == -1, "none of nothing");
    cgi_histogram_add(&h, 5000);
    tap_ok(near(cgi_histogram_quantile(&h, 500), 5000) &&
               near(cgi_histogram_quantile(&h, 990), 5000) &&
               near(cgi_histogram_quantile(&h, 0), 5000),
           "one time is all quantiles");
    memset(&h, 0, sizeof(h));
    for (i = 1; i <= 100000; i++) {
        cgi_histogram_add(&h, i * 10);
    }
    tap_ok(near(cgi_histogram_quantile(&h, 500), 500000), "p50");
    tap_ok(near(cgi_histogram_quantile(&h, 900), 900000), "p90");
    tap_ok(near(cgi_histogram_quantile(&h, 990), 990000), "p99");
    tap_ok(near(cgi_histogram_quantile(&h, 1000), 1000000), "the largest");
    tap_ok(cgi_histogram_count(&h) == 100000, "all are counted");
    /* 2^17 begins a bucket */
    tap_ok(cgi_histogram_below(&h, 131072) == 13107, "below a bound");
}

static void add(cgi_tally_t *t, cgi_result_e result, int ms, apr_time_t now)
{
    cgi_sample_t sample = {result, apr_time_from_msec(ms) / 2,
                           apr_time_from_msec(ms), 1, 10};

    cgi_tally_add(t, &sample, now);
}

static uint64_t minute(const cgi_tally_t *t, apr_time_t now)
{
    cgi_counts_t c;

    cgi_tally_minute(t, &c, now);
    return cgi_counts_requests(&c);
}

static uint64_t ten(const cgi_tally_t *t, apr_time_t now)
{
    cgi_counts_t c;

    cgi_tally_ten_minutes(t, &c, now);
    return cgi_counts_requests(&c);
}

#define S(n) (apr_time_from_sec(n) + 1)

static void test_windows(void)
{
    cgi_tally_t *t = calloc(1, sizeof(*t));
    uint64_t n[CGI_TALLY_LONGS];
    cgi_counts_t c;

    add(t, CGI_RESULT_OK, 10, S(1000));
    add(t, CGI_RESULT_TIMEOUT, 2000, S(1001));
    tap_ok(minute(t, S(1002)) == 2 && ten(t, S(1002)) == 2,
           "counted at once in both windows");
    tap_ok(minute(t, S(1059)) == 2, "the last minute still has them");
    tap_ok(minute(t, S(1071)) == 0 && ten(t, S(1071)) == 2,
           "then only the last ten have them");
    add(t, CGI_RESULT_OK, 10, S(1100));
    tap_ok(minute(t, S(1100)) == 1 && ten(t, S(1100)) == 3,
           "what comes after a silence is apart from what was before");
    tap_ok(ten(t, S(1000 + 661)) == 1, "ten minutes are over for the first");
    tap_ok(ten(t, S(4000)) == 0 && minute(t, S(4000)) == 0,
           "and long after for all");
    cgi_tally_all(t, &c);
    tap_ok(cgi_counts_requests(&c) == 3 && cgi_counts_errors(&c) == 1 &&
               c.bytes_in == 3 && c.bytes_out == 30 &&
               c.total_sum == 2020000 && c.first_sum == 1010000,
           "since the start all are counted");
    /* the ring is used again, more than once */
    add(t, CGI_RESULT_LEFT, 10, S(4999));
    add(t, CGI_RESULT_LEFT, 10, S(5061));
    add(t, CGI_RESULT_KILLED, 10, S(5062));
    tap_ok(minute(t, S(5063)) == 2, "old copies are not taken for new ones");
    cgi_tally_minutes(t, n, S(5063));
    tap_ok(n[10] == 2 && n[9] == 1 && n[8] == 0 && n[0] == 0,
           "each minute for itself");
    cgi_tally_minute(t, &c, S(5063));
    tap_ok(c.result[CGI_RESULT_KILLED] == 1 &&
               cgi_histogram_count(&c.total) == 2 &&
               near(cgi_histogram_quantile(&c.total, 500), 10000),
           "results and times of the window alone");
    free(t);
}

static void test_early(void)
{
    cgi_tally_t *t = calloc(1, sizeof(*t));
    uint64_t n[CGI_TALLY_LONGS];

    add(t, CGI_RESULT_OK, 1, 1);
    cgi_tally_minutes(t, n, 2);
    tap_ok(minute(t, 2) == 1 && ten(t, 2) == 1 && n[10] == 1 && n[0] == 0,
           "right after the start of the machine");
    free(t);
}

static void test_pulse(void)
{
    uint32_t good[CGI_PULSE_SLICES], bad[CGI_PULSE_SLICES];
    cgi_pulse_t pulse;
    int i;

    memset(&pulse, 0, sizeof(pulse));
    for (i = 0; i < 5; i++) {
        cgi_pulse_add(&pulse, i == 0, S(2000));
    }
    cgi_pulse_add(&pulse, 0, S(2010));
    cgi_pulse_read(&pulse, good, bad, S(2011));
    tap_ok(good[59] == 1 && bad[59] == 0 && good[58] == 4 && bad[58] == 1 &&
               !good[57] && !good[0],
           "good and bad ones of a slice");
    cgi_pulse_read(&pulse, good, bad, S(2601));
    tap_ok(good[0] == 1 && !good[1] && !good[59], "the oldest goes last");
    cgi_pulse_read(&pulse, good, bad, S(2011 + 640));
    for (i = 0; i < CGI_PULSE_SLICES && !good[i] && !bad[i]; i++) {
    }
    tap_ok(i == CGI_PULSE_SLICES, "an old slice is not taken for a new one");
    cgi_pulse_add(&pulse, 1, S(2010 + 640));
    cgi_pulse_read(&pulse, good, bad, S(2011 + 640));
    tap_ok(!good[59] && bad[59] == 1, "a slice begins with nothing");
    pulse.slice[(2650 / 10 + 1) % 64] |= (uint64_t)((1 << 22) - 1) << 22;
    cgi_pulse_add(&pulse, 1, S(2010 + 640));
    cgi_pulse_read(&pulse, good, bad, S(2011 + 640));
    tap_ok(!good[59] && bad[59] == (1 << 22) - 1, "too many stay in place");
}

static void test_names(void)
{
    int i, k, wrong = 0;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        const char *name = cgi_result_name((cgi_result_e)i);

        wrong += !*name ||
                 strspn(name, "abcdefghijklmnopqrstuvwxyz") != strlen(name);
        for (k = 0; k < i; k++) {
            wrong += !strcmp(name, cgi_result_name((cgi_result_e)k));
        }
    }
    tap_ok(!wrong, "each result has a name of its own");
}

/* 32-bit x86 gives a uint64_t in a structure 4 bytes only. */
static void test_alignment(void)
{
    tap_ok(offsetof(cgi_snapshot_t, counts) % 8 == 0 &&
               sizeof(cgi_snapshot_t) % 8 == 0 &&
               offsetof(cgi_tally_t, shorts) % 8 == 0 &&
               sizeof(cgi_tally_t) % 8 == 0,
           "no counter lies across two lines of the cache");
}

int main(void)
{
    test_alignment();
    test_buckets();
    test_quantiles();
    test_windows();
    test_early();
    test_pulse();
    test_names();
    return tap_done();
}
