/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What runs now and what has run, in memory that all processes of httpd
 * share: a slot for each request, a tally for each script or route, and a
 * list of the launchers.
 *
 * httpd's parent makes it once, for as long as httpd runs, and reads nothing
 * from it: workers may be hostile. So those who read it take nothing for
 * granted: texts end where they should, numbers may be any. A request takes
 * no lock; only its own worker writes to its slot, except for the wish that
 * it end.
 */
#ifndef CGI_BOARD_H
#define CGI_BOARD_H

#include <sys/types.h>

#include "apr_pools.h"
#include "apr_tables.h"
#include "apr_time.h"

#include "base/tally.h"

/* Sizes of texts, with their NUL. */
#define CGI_BOARD_METHOD 16
#define CGI_BOARD_CLIENT 48
#define CGI_BOARD_HOST 64
#define CGI_BOARD_URI 128
#define CGI_BOARD_NAME 128

/** Launchers that the list has room for. */
#define CGI_BOARD_LAUNCHERS 64

/** One for all processes. */
typedef struct cgi_board_t cgi_board_t;

/** What a request says of itself at its begin. None is NULL; those that are
 * too long lose their begin (script) or their end (all others). */
typedef struct cgi_board_facts_t {
    const char *module;
    const char *script; /* path */
    const char *route;  /* its expression; or "" */
    const char *method, *uri, *host, *client;
} cgi_board_facts_t;

/** A request's place. Only its own thread touches it. */
typedef struct cgi_board_place_t {
    int slot; /* -1: it has none */
    int entry;
    uint64_t serial;
} cgi_board_place_t;

/** What changes while a request runs. */
typedef struct cgi_board_progress_t {
    int phase; /* a number of the caller's */
    pid_t pid; /* of the script; 0: not known */
    apr_off_t bytes_in, bytes_out;
} cgi_board_progress_t;

/**
 * Make it. In the parent, before any worker is started.
 * @param processes so many workers may live at the same time
 * @param slots so many requests are listed at the same time
 * @param entries so many scripts have a tally of their own
 * @param p it lives as long as the process, and so must p
 * @return APR_SUCCESS, or an error of the system: no memory or descriptors
 */
apr_status_t cgi_board_create(cgi_board_t **board, int processes, int slots,
                              int entries, apr_pool_t *p);

/** Begin to take part. In each worker, by its first thread; again, it does
 * nothing. @return APR_SUCCESS, or APR_ENOMEM: more processes than was said,
 * and this one's requests are counted and not listed */
apr_status_t cgi_board_join(cgi_board_t *board);

/** A request begins. place is set. */
void cgi_board_begin(cgi_board_t *board, cgi_board_place_t *place,
                     const cgi_board_facts_t *facts, apr_time_t now);

/** How far it is. */
void cgi_board_progress(cgi_board_t *board, const cgi_board_place_t *place,
                        const cgi_board_progress_t *progress);

/** Does somebody want it to end? */
int cgi_board_is_unwanted(const cgi_board_t *board,
                          const cgi_board_place_t *place);

/** It ends. place is empty then. */
void cgi_board_end(cgi_board_t *board, cgi_board_place_t *place,
                   const cgi_sample_t *sample, apr_time_t now);

/** The parent lists a launcher. @param n from 0, below CGI_BOARD_LAUNCHERS
 * @param pid 0: none @param started of cgi_clock_now() */
void cgi_board_list_launcher(cgi_board_t *board, int n, pid_t pid,
                             int privileged, int earlier, apr_time_t started);

/* ---- for the page; all that is returned is a copy, from p ---- */

/** A request that runs. Texts are as the slot had them, and end. */
typedef struct cgi_board_request_t {
    int slot;
    uint64_t serial;
    cgi_board_progress_t progress;
    apr_time_t begun;
    pid_t worker;
    char module[CGI_BOARD_METHOD], method[CGI_BOARD_METHOD];
    char client[CGI_BOARD_CLIENT], host[CGI_BOARD_HOST], uri[CGI_BOARD_URI];
    char script[CGI_BOARD_NAME], route[CGI_BOARD_NAME];
} cgi_board_request_t;

/** All that run now: of cgi_board_request_t. Clears what processes have left
 * behind that were killed; such requests have ended as others end, killed. */
apr_array_header_t *cgi_board_requests(cgi_board_t *board, apr_time_t now,
                                       apr_pool_t *p);

/** A script, or route, that has run. */
typedef struct cgi_board_entry_t {
    char module[CGI_BOARD_METHOD];
    char script[CGI_BOARD_NAME], route[CGI_BOARD_NAME];
    const cgi_tally_t *tally; /* in shared memory: for cgi_tally_...() */
} cgi_board_entry_t;

/** All that have run: of cgi_board_entry_t. One without module and script
 * stands for those that the board has no room for. */
apr_array_header_t *cgi_board_entries(cgi_board_t *board, apr_pool_t *p);

typedef struct cgi_board_launcher_t {
    pid_t pid;
    int privileged, earlier;
    apr_time_t started;
} cgi_board_launcher_t;

/** Of cgi_board_launcher_t. */
apr_array_header_t *cgi_board_launchers(const cgi_board_t *board,
                                        apr_pool_t *p);

const cgi_pulse_t *cgi_board_pulse(const cgi_board_t *board);

/** When the board was made. */
apr_time_t cgi_board_made(const cgi_board_t *board);

/** Let a request end. @return 1; 0: it has ended */
int cgi_board_unwant(cgi_board_t *board, int slot, uint64_t serial);

#endif /* CGI_BOARD_H */
