/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGILimit: at most so many scripts at once, over all processes of httpd.
 *
 * The counters are in memory that httpd's parent makes before it starts its
 * workers, one set for each limit: places, of which a running script holds
 * one, and a queue for requests that wait for a place. Only workers look
 * into it, never the parent, which is root.
 *
 * What a process that was killed has left behind is found by the locks that
 * the kernel takes from it: every process holds one for as long as it lives.
 */
#ifndef CGI_LIMIT_H
#define CGI_LIMIT_H

#include "apr_pools.h"
#include "apr_tables.h"
#include "apr_time.h"

/** The most that max and queue can be. */
#define CGI_LIMIT_PLACES_MAX 10000
#define CGI_LIMIT_QUEUE_MAX 1000

/** One limit, as the configuration has it. Read only after start-up. */
typedef struct cgi_limit_t {
    int max;                  /* scripts at once; 0: no limit */
    int queue;                /* requests that may wait */
    apr_interval_time_t wait; /* how long, in microseconds */
    const char *where;        /* "FILE:LINE", for messages */
    int number;               /* set by cgi_limits_create() */
} cgi_limit_t;

/** All limits of one generation of workers. */
typedef struct cgi_limits_t cgi_limits_t;

/** What a request holds. Only its own thread touches it. */
typedef struct cgi_turn_t {
    cgi_limits_t *limits;
    const cgi_limit_t *limit; /* NULL: nothing is held */
    int place;                /* or -1 */
    int entry;                /* of the queue, or -1 */
    /** While waiting: readable when it is worth asking again; not to be
     * read or closed by the holder. */
    int wake_fd;
    /** While waiting: ask again after so long at the latest. */
    apr_interval_time_t again;
} cgi_turn_t;

typedef enum {
    CGI_TURN_RUN,    /* it has a place */
    CGI_TURN_WAIT,   /* it has an entry in the queue */
    CGI_TURN_REFUSED /* it has nothing: place and queue are full */
} cgi_turn_e;

/**
 * Make the counters. In the parent, before any worker is started; they live
 * as long as p does, in each process.
 * @param list of cgi_limit_t *, with a max above 0
 * @param processes so many workers may live at the same time
 * @return APR_SUCCESS, or an error of the system: no memory or descriptors
 */
apr_status_t cgi_limits_create(cgi_limits_t **limits,
                               const apr_array_header_t *list, int processes,
                               apr_pool_t *p);

/**
 * Begin to take part. In each worker process, by its first thread; again,
 * it does nothing.
 * @return APR_SUCCESS, or APR_ENOMEM: more processes than was said
 */
apr_status_t cgi_limits_join(cgi_limits_t *limits);

/** Would cgi_limit_enter() refuse a request now? Then it can be answered
 * before its body is read. @return 1 or 0 */
int cgi_limit_is_full(cgi_limits_t *limits, const cgi_limit_t *limit);

/** Ask for a place. @param turn is set, whatever it held */
cgi_turn_e cgi_limit_enter(cgi_turn_t *turn, cgi_limits_t *limits,
                           const cgi_limit_t *limit);

/** While waiting: ask again. @return CGI_TURN_RUN or CGI_TURN_WAIT */
cgi_turn_e cgi_limit_advance(cgi_turn_t *turn);

/** With a place: a launcher is asked to start the script. If this process is
 * killed, the script may run for another kill_ms milliseconds; 0: without
 * end. */
void cgi_limit_asked(cgi_turn_t *turn, unsigned int kill_ms);

/** With a place: the script runs as the process pid; 0: no launcher was asked
 * after all. */
void cgi_limit_started(cgi_turn_t *turn, pid_t pid);

/**
 * Give up place or entry, if there is one.
 * @param ended 1: the script has ended, or no launcher was asked; 0: it may
 *        still run: the place comes free when its process has gone, or when
 *        it must have been killed
 */
void cgi_limit_leave(cgi_turn_t *turn, int ended);

/** After CGI_TURN_REFUSED, or a wait that was too long.
 * @return an estimate: seconds until a place comes free */
int cgi_limit_retry_after(cgi_limits_t *limits, const cgi_limit_t *limit);

/** How many places are taken, and how many requests wait for one. */
void cgi_limit_usage(cgi_limits_t *limits, const cgi_limit_t *limit,
                     int *running, int *waiting);

/** Count a request that got no place.
 * @return how many there were since the last report, when a report is due:
 *         one in ten seconds; else 0 */
unsigned int cgi_limit_count_refused(cgi_limits_t *limits,
                                     const cgi_limit_t *limit);

#endif /* CGI_LIMIT_H */
