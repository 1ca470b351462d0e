/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What is due when, for how long output is held back, and when a launcher was
 * heard last.
 */

#include "apr_atomic.h"

#include "cgi/times.h"

/* Most scripts end right after their output: then their end is the one event
 * to wait for, for about twice as long as such scripts take here. */
#define HOLD_START_MIN apr_time_from_msec(1)
#define HOLD_START_MAX apr_time_from_msec(10)

/* From start to end of the scripts whose response went out in one piece, in
 * microseconds: a moving average. Threads may overwrite each other's update,
 * which does no harm. */
static volatile apr_uint32_t quick_time = 2000;

apr_time_t cgi_times_hold(void)
{
    apr_time_t t = 2 * (apr_time_t)apr_atomic_read32(&quick_time);

    return t < HOLD_START_MIN   ? HOLD_START_MIN
           : t > HOLD_START_MAX ? HOLD_START_MAX
                                : t;
}

void cgi_times_note_quick(apr_time_t t)
{
    apr_int32_t old = (apr_int32_t)apr_atomic_read32(&quick_time);

    if (t < 2 * HOLD_START_MAX) {
        apr_atomic_set32(&quick_time,
                         (apr_uint32_t)(old + ((apr_int32_t)t - old) / 8));
    }
}

/* In seconds, for which 32 bits last. */
static volatile apr_uint32_t launcher_heard;

void cgi_times_note_launcher(apr_time_t now)
{
    apr_atomic_set32(&launcher_heard, (apr_uint32_t)apr_time_sec(now));
}

apr_time_t cgi_times_launcher(void)
{
    return apr_time_from_sec(apr_atomic_read32(&launcher_heard));
}

apr_time_t cgi_times_next(const cgi_times_t *times)
{
    apr_uint64_t next = (apr_uint64_t)0 - 1; /* of never, less one */
    int i;

    for (i = 0; i < CGI_AT_MAX; i++) {
        apr_uint64_t at = (apr_uint64_t)times->at[i] - 1;

        next = at < next ? at : next;
    }
    return (apr_time_t)(next + 1);
}
