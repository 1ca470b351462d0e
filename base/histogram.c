/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "base/histogram.h"

/* All below 2^FIRST are in the first bucket. */
#define FIRST 6

unsigned int cgi_histogram_bucket(apr_interval_time_t t)
{
    unsigned int log, bucket;

    if (t < (1 << FIRST)) {
        return 0;
    }
    log = 63u - (unsigned int)__builtin_clzll((unsigned long long)t);
    bucket = 1 + (log - FIRST) * 4 + (unsigned int)(t >> (log - 2) & 3);
    return bucket < CGI_HISTOGRAM_BUCKETS ? bucket : CGI_HISTOGRAM_BUCKETS - 1;
}

apr_interval_time_t cgi_histogram_from(unsigned int bucket)
{
    if (!bucket) {
        return 0;
    }
    bucket--;
    return (apr_interval_time_t)(4 + bucket % 4) << (bucket / 4 + FIRST - 2);
}

uint64_t cgi_histogram_count(const cgi_histogram_t *h)
{
    uint64_t n = 0;
    int i;

    for (i = 0; i < CGI_HISTOGRAM_BUCKETS; i++) {
        n += h->bucket[i];
    }
    return n;
}

uint64_t cgi_histogram_below(const cgi_histogram_t *h, apr_interval_time_t t)
{
    uint64_t n = 0;
    unsigned int i;

    for (i = 0; i < CGI_HISTOGRAM_BUCKETS && cgi_histogram_from(i + 1) <= t;
         i++) {
        n += h->bucket[i];
    }
    return n;
}

apr_interval_time_t cgi_histogram_quantile(const cgi_histogram_t *h,
                                           unsigned int permille)
{
    uint64_t all = cgi_histogram_count(h), before = 0, rank;
    unsigned int i = 0;
    apr_interval_time_t from, to;

    if (!all) {
        return -1;
    }
    rank = (all * permille + 999) / 1000;
    rank = rank < 1 ? 1 : rank > all ? all : rank;
    while (before + h->bucket[i] < rank) {
        before += h->bucket[i++];
    }
    from = cgi_histogram_from(i);
    to = cgi_histogram_from(i + 1);
    /* As if those of a bucket were spread evenly over it. */
    return from + (apr_interval_time_t)((double)(to - from) *
                                        ((double)(rank - before) - 0.5) /
                                        (double)h->bucket[i]);
}
