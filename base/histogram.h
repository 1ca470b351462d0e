/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Histograms of times, in buckets that grow with the time: four for each
 * doubling, from 64 microseconds to a day and a half. What is read from one
 * is off by a quarter at most.
 */
#ifndef CGI_HISTOGRAM_H
#define CGI_HISTOGRAM_H

#include <stdint.h>

#include "apr_time.h"

#define CGI_HISTOGRAM_BUCKETS 128

typedef struct cgi_histogram_t {
    uint32_t bucket[CGI_HISTOGRAM_BUCKETS];
} cgi_histogram_t;

/** The bucket that a time belongs to. @param t microseconds; below 0 is 0 */
unsigned int cgi_histogram_bucket(apr_interval_time_t t);

/** Where a bucket begins, in microseconds.
 * @param bucket CGI_HISTOGRAM_BUCKETS: the end of the last */
apr_interval_time_t cgi_histogram_from(unsigned int bucket);

/** Count a time. May be shared by processes and threads. */
static inline void cgi_histogram_add(cgi_histogram_t *h, apr_interval_time_t t)
{
    __atomic_fetch_add(&h->bucket[cgi_histogram_bucket(t)], 1,
                       __ATOMIC_RELAXED);
}

/** How many times were counted. */
uint64_t cgi_histogram_count(const cgi_histogram_t *h);

/** How many of them are below t, where a bucket begins at t. */
uint64_t cgi_histogram_below(const cgi_histogram_t *h, apr_interval_time_t t);

/** The time that so many of a thousand do not exceed, in microseconds; -1: no
 * time was counted. */
apr_interval_time_t cgi_histogram_quantile(const cgi_histogram_t *h,
                                           unsigned int permille);

#endif /* CGI_HISTOGRAM_H */
