/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "base/tally.h"

/* A word of the pulse: 20 bits of a slice's number, 22 of each count. */
#define PULSE_BITS 22
#define PULSE_MAX ((1u << PULSE_BITS) - 1)
#define PULSE_NUMBER 0xfffffu

static const char *const names[CGI_RESULT_MAX] = {
    "ok",     "left",  "timeout",  "killed", "exec",
    "header", "limit", "overload", "ended",  "other"};

const char *cgi_result_name(cgi_result_e result)
{
    return (unsigned int)result < CGI_RESULT_MAX ? names[result] : "other";
}

int cgi_result_is_error(cgi_result_e result)
{
    return result != CGI_RESULT_OK && result != CGI_RESULT_LEFT &&
           result != CGI_RESULT_ENDED;
}

static void add(uint64_t *to, uint64_t n)
{
    __atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

/* The first of a slice keeps what was before it. */
static void keep(cgi_snapshot_t *ring, unsigned int size, uint32_t *last,
                 uint32_t slice, const cgi_counts_t *counts)
{
    uint32_t before = __atomic_load_n(last, __ATOMIC_RELAXED);
    cgi_snapshot_t *to = &ring[slice % size];

    if (before == slice ||
        !__atomic_compare_exchange_n(last, &before, slice, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    __atomic_store_n(&to->slice, 0, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    to->counts = *counts;
    __atomic_store_n(&to->slice, slice, __ATOMIC_RELEASE);
}

static uint32_t number(apr_time_t now, apr_interval_time_t length)
{
    return (uint32_t)(now / length) + 1;
}

void cgi_tally_add(cgi_tally_t *t, const cgi_sample_t *sample, apr_time_t now)
{
    cgi_counts_t *c = &t->counts;

    keep(t->shorts, CGI_TALLY_SHORTS, &t->last_short,
         number(now, CGI_TALLY_SHORT), c);
    keep(t->longs, CGI_TALLY_LONGS, &t->last_long, number(now, CGI_TALLY_LONG),
         c);
    add(&c->result[sample->result], 1);
    add(&c->total_sum, (uint64_t)sample->total);
    cgi_histogram_add(&c->total, sample->total);
    if (sample->first >= 0) {
        add(&c->first_sum, (uint64_t)sample->first);
        cgi_histogram_add(&c->first, sample->first);
    }
    if (sample->bytes_in) {
        add(&c->bytes_in, (uint64_t)sample->bytes_in);
    }
    if (sample->bytes_out) {
        add(&c->bytes_out, (uint64_t)sample->bytes_out);
    }
}

void cgi_tally_all(const cgi_tally_t *t, cgi_counts_t *counts)
{
    *counts = t->counts;
}

/* What had been counted when a slice began: nobody has counted between that
 * and the first copy that was made since. @return 0: nobody has since */
static int counted_before(const cgi_snapshot_t *ring, unsigned int size,
                          uint32_t slice, uint32_t now, cgi_counts_t *counts)
{
    for (; slice <= now; slice++) {
        const cgi_snapshot_t *from = &ring[slice % size];

        if (__atomic_load_n(&from->slice, __ATOMIC_ACQUIRE) == slice) {
            *counts = from->counts;
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&from->slice, __ATOMIC_RELAXED) == slice) {
                return 1;
            }
        }
    }
    return 0;
}

static void subtract_histogram(cgi_histogram_t *from, const cgi_histogram_t *h)
{
    int i;

    for (i = 0; i < CGI_HISTOGRAM_BUCKETS; i++) {
        from->bucket[i] -= h->bucket[i];
    }
}

static void subtract(cgi_counts_t *from, const cgi_counts_t *c)
{
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        from->result[i] -= c->result[i];
    }
    from->bytes_in -= c->bytes_in;
    from->bytes_out -= c->bytes_out;
    from->first_sum -= c->first_sum;
    from->total_sum -= c->total_sum;
    subtract_histogram(&from->first, &c->first);
    subtract_histogram(&from->total, &c->total);
}

static void window(const cgi_tally_t *t, const cgi_snapshot_t *ring,
                   unsigned int size, uint32_t slice, cgi_counts_t *counts)
{
    uint32_t first = slice > size - 1 ? slice - (size - 1) : 1;
    cgi_counts_t before;

    if (counted_before(ring, size, first, slice, &before)) {
        *counts = t->counts; /* after the copy: never less than that */
        subtract(counts, &before);
    }
    else {
        memset(counts, 0, sizeof(*counts));
    }
}

void cgi_tally_minute(const cgi_tally_t *t, cgi_counts_t *counts,
                      apr_time_t now)
{
    window(t, t->shorts, CGI_TALLY_SHORTS, number(now, CGI_TALLY_SHORT),
           counts);
}

void cgi_tally_ten_minutes(const cgi_tally_t *t, cgi_counts_t *counts,
                           apr_time_t now)
{
    window(t, t->longs, CGI_TALLY_LONGS, number(now, CGI_TALLY_LONG), counts);
}

void cgi_tally_minutes(const cgi_tally_t *t, uint64_t n[CGI_TALLY_LONGS],
                       apr_time_t now)
{
    uint32_t slice = number(now, CGI_TALLY_LONG), at;
    uint64_t after = cgi_counts_requests(&t->counts);
    cgi_counts_t before;
    int i;

    for (i = CGI_TALLY_LONGS - 1; i >= 0; i--) {
        at = slice - (uint32_t)(CGI_TALLY_LONGS - 1 - i);
        n[i] = 0;
        if (at >= 1 && at <= slice &&
            counted_before(t->longs, CGI_TALLY_LONGS, at, at, &before)) {
            n[i] = after - cgi_counts_requests(&before);
            after -= n[i];
        }
    }
}

void cgi_counts_add(cgi_counts_t *to, const cgi_counts_t *from)
{
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        to->result[i] += from->result[i];
    }
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->first_sum += from->first_sum;
    to->total_sum += from->total_sum;
    for (i = 0; i < CGI_HISTOGRAM_BUCKETS; i++) {
        to->first.bucket[i] += from->first.bucket[i];
        to->total.bucket[i] += from->total.bucket[i];
    }
}

uint64_t cgi_counts_requests(const cgi_counts_t *counts)
{
    uint64_t n = 0;
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        n += counts->result[i];
    }
    return n;
}

uint64_t cgi_counts_errors(const cgi_counts_t *counts)
{
    uint64_t n = 0;
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        n += cgi_result_is_error((cgi_result_e)i) ? counts->result[i] : 0;
    }
    return n;
}

void cgi_pulse_add(cgi_pulse_t *pulse, int bad, apr_time_t now)
{
    const uint64_t slice = number(now, CGI_TALLY_SHORT);
    uint64_t *word = &pulse->slice[slice % 64];
    uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED), new;
    const unsigned int shift = bad ? PULSE_BITS : 0;

    do {
        new = old >> (2 * PULSE_BITS) == (slice & PULSE_NUMBER)
                  ? old
                  : (slice & PULSE_NUMBER) << (2 * PULSE_BITS);
        if ((new >> shift &PULSE_MAX) < PULSE_MAX) {
            new += (uint64_t)1 << shift;
        }
    } while (!__atomic_compare_exchange_n(word, &old, new, 1, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}

void cgi_pulse_read(const cgi_pulse_t *pulse, uint32_t good[CGI_PULSE_SLICES],
                    uint32_t bad[CGI_PULSE_SLICES], apr_time_t now)
{
    const uint64_t slice = number(now, CGI_TALLY_SHORT);
    uint64_t word;
    int i;

    for (i = 0; i < CGI_PULSE_SLICES; i++) {
        const uint64_t at = slice - (uint64_t)(CGI_PULSE_SLICES - 1 - i);

        word = __atomic_load_n(&pulse->slice[at % 64], __ATOMIC_RELAXED);
        if (word >> (2 * PULSE_BITS) != (at & PULSE_NUMBER)) {
            word = 0;
        }
        good[i] = (uint32_t)(word & PULSE_MAX);
        bad[i] = (uint32_t)(word >> PULSE_BITS & PULSE_MAX);
    }
}
