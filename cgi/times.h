/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The times of a request: a table of what is due when. All in microseconds of
 * cgi_clock_now(); 0 is never.
 */
#ifndef CGI_TIMES_H
#define CGI_TIMES_H

#include "apr_time.h"

typedef enum {
    CGI_AT_ONCE,   /* something can go on without any descriptor */
    CGI_AT_PIECE,  /* a small piece of the body is taken */
    CGI_AT_ASK,    /* httpd's filters are asked for more of the body */
    CGI_AT_TICK,   /* to look at what can't be polled */
    CGI_AT_PLACE,  /* CGILimit: to ask for a place again */
    CGI_AT_START,  /* a launcher must have taken the script */
    CGI_AT_HOLD,   /* small output is held back for its end until then */
    CGI_AT_EXIT,   /* stdout has ended: the exit status is due */
    CGI_AT_SILENT, /* the script, or the client, is silent for too long */
    CGI_AT_TAKEN,  /* the client must have taken some of the response */
    CGI_AT_TOTAL,  /* the script has run for too long */
    CGI_AT_GONE,   /* a client that has closed its side has gone */
    CGI_AT_NAME,   /* the number of the script's process is of interest */
    CGI_AT_WISH,   /* somebody may want the request to end */
    CGI_AT_LINGER, /* no more of stderr is waited for */
    CGI_AT_MAX
} cgi_at_e;

typedef struct cgi_times_t {
    apr_time_t at[CGI_AT_MAX];
} cgi_times_t;

/** The earliest of all; 0: none. */
apr_time_t cgi_times_next(const cgi_times_t *times);

/** Is this time set, and is it over? */
static inline int cgi_times_due(const cgi_times_t *times, cgi_at_e what,
                                apr_time_t now)
{
    /* 0 is the largest, less one */
    return (apr_uint64_t)times->at[what] - 1 < (apr_uint64_t)now;
}

/** How long a script's first output is held back in case the script ends at
 * once. In microseconds. */
apr_time_t cgi_times_hold(void);

/** A script has ended with its first output, so long after its start. */
void cgi_times_note_quick(apr_time_t t);

/** A launcher has been heard of a script that it has taken, by any request of
 * this process. */
void cgi_times_note_launcher(apr_time_t now);

/** When that was the last time, to the second; 0: never. */
apr_time_t cgi_times_launcher(void);

#endif /* CGI_TIMES_H */
