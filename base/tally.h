/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What has become of requests: counters and histograms, in memory that
 * processes share, and what they were a minute and ten minutes ago.
 *
 * Nothing is ever set back. The first who counts in a new slice of time keeps
 * a copy of what was counted before it: a window is a difference, so that
 * each request is in exactly one of two windows that follow each other.
 */
#ifndef CGI_TALLY_H
#define CGI_TALLY_H

#include <stdint.h>

#include "apr_time.h"

#include "base/histogram.h"

/** What became of a request. */
typedef enum {
    CGI_RESULT_OK,       /* the script has answered, whatever it said */
    CGI_RESULT_LEFT,     /* the client has gone, or did not go on */
    CGI_RESULT_TIMEOUT,  /* by CGITimeout */
    CGI_RESULT_KILLED,   /* the script was killed by a signal */
    CGI_RESULT_EXEC,     /* it could not be started */
    CGI_RESULT_HEADER,   /* no good header, or no whole response */
    CGI_RESULT_LIMIT,    /* no place by CGILimit */
    CGI_RESULT_OVERLOAD, /* no launcher, no process, no memory */
    CGI_RESULT_ENDED,    /* somebody has ended it from the status page */
    CGI_RESULT_OTHER,    /* another failure */
    CGI_RESULT_MAX
} cgi_result_e;

/** The name of a result: one word of a to z. */
const char *cgi_result_name(cgi_result_e result);

/** Is it a failure of the server's side? */
int cgi_result_is_error(cgi_result_e result);

/* What is counted atomically must not lie across two cache lines; 32-bit x86
 * alone would align it to 4 bytes. */
typedef struct cgi_counts_t {
    uint64_t result[CGI_RESULT_MAX];
    uint64_t bytes_in, bytes_out;  /* of bodies */
    uint64_t first_sum, total_sum; /* microseconds */
    cgi_histogram_t first;         /* to the first byte of the response */
    cgi_histogram_t total;         /* to its end */
} __attribute__((aligned(8))) cgi_counts_t;

/* Slices: those for a window of one minute, and of ten. */
#define CGI_TALLY_SHORT apr_time_from_sec(10)
#define CGI_TALLY_LONG apr_time_from_sec(60)
#define CGI_TALLY_SHORTS 7
#define CGI_TALLY_LONGS 11

typedef struct cgi_snapshot_t {
    uint32_t slice; /* its number, plus one; 0: being written, or empty */
    cgi_counts_t counts;
} cgi_snapshot_t;

/** In shared memory; zeroed, it is empty. */
typedef struct cgi_tally_t {
    cgi_counts_t counts;
    uint32_t last_short, last_long; /* slices that a copy was made for */
    cgi_snapshot_t shorts[CGI_TALLY_SHORTS];
    cgi_snapshot_t longs[CGI_TALLY_LONGS];
} cgi_tally_t;

/** How one request ended. Times in microseconds. */
typedef struct cgi_sample_t {
    cgi_result_e result;
    apr_interval_time_t first; /* -1: no byte of a response */
    apr_interval_time_t total;
    apr_off_t bytes_in, bytes_out;
} cgi_sample_t;

/** Count a request. Takes no lock. @param now of cgi_clock_now() */
void cgi_tally_add(cgi_tally_t *tally, const cgi_sample_t *sample,
                   apr_time_t now);

/** What was counted since the start. */
void cgi_tally_all(const cgi_tally_t *tally, cgi_counts_t *counts);

/** What was counted in the last minute (give or take ten seconds: from the
 * begin of a slice), and the last ten (give or take one). */
void cgi_tally_minute(const cgi_tally_t *tally, cgi_counts_t *counts,
                      apr_time_t now);
void cgi_tally_ten_minutes(const cgi_tally_t *tally, cgi_counts_t *counts,
                           apr_time_t now);

/** Requests that ended in each of the last minutes, the one that runs last.
 */
void cgi_tally_minutes(const cgi_tally_t *tally, uint64_t n[CGI_TALLY_LONGS],
                       apr_time_t now);

/** Add one's counts to another's. */
void cgi_counts_add(cgi_counts_t *to, const cgi_counts_t *from);

/** All that ended, and those of them that are errors. */
uint64_t cgi_counts_requests(const cgi_counts_t *counts);
uint64_t cgi_counts_errors(const cgi_counts_t *counts);

/** How many requests ended well and badly in each of the last ten minutes'
 * slices of ten seconds. */
#define CGI_PULSE_SLICES 60
typedef struct cgi_pulse_t {
    uint64_t slice[64]; /* number, good and bad ones, in one word */
} __attribute__((aligned(8))) cgi_pulse_t;

void cgi_pulse_add(cgi_pulse_t *pulse, int bad, apr_time_t now);

/** @param good, bad the slice that runs last */
void cgi_pulse_read(const cgi_pulse_t *pulse, uint32_t good[CGI_PULSE_SLICES],
                    uint32_t bad[CGI_PULSE_SLICES], apr_time_t now);

#endif /* CGI_TALLY_H */
