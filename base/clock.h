/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The clock of all timeouts: it goes on evenly whatever is done to the
 * system's time, and is the same for all processes.
 */
#ifndef CGI_CLOCK_H
#define CGI_CLOCK_H

#include <time.h>

#include "apr_time.h"

/** Microseconds of CLOCK_MONOTONIC: to be compared with each other only,
 * never 0. */
static inline apr_time_t cgi_clock_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return apr_time_from_sec((apr_time_t)ts.tv_sec) + ts.tv_nsec / 1000 + 1;
}

#endif /* CGI_CLOCK_H */
