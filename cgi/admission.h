/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGILimit: the turn of one request, and what httpd's parent prepares for it.
 */
#ifndef CGI_ADMISSION_H
#define CGI_ADMISSION_H

#include "base/limit.h"
#include "cgi/request.h"

typedef struct cgi_admission_t {
    cgi_turn_t turn;
    apr_time_t until, again; /* while it waits for its turn */
} cgi_admission_t;

/** Refuse before the body is read what can't be admitted after. */
cgi_outcome_e cgi_admission_early(cgi_request_t *q);

/** Ask for a place. @return CGI_ENDED: it has one, or needs none;
 * CGI_WENT_ON: it waits */
cgi_outcome_e cgi_admission_enter(cgi_admission_t *a, cgi_request_t *q,
                                  apr_time_t now);

/** While it waits: ask again, if it is time to, or woken says so. */
cgi_outcome_e cgi_admission_step(cgi_admission_t *a, cgi_request_t *q,
                                 int woken, apr_time_t now);

/** Does it hold a place? */
int cgi_admission_holds(const cgi_admission_t *a);

/** A script is asked for, which ends kill_ms milliseconds after its lease at
 * the latest; and has started as pid, or not: 0. */
void cgi_admission_asked(cgi_admission_t *a, unsigned int kill_ms);
void cgi_admission_started(cgi_admission_t *a, pid_t pid);

/** Give up the place. @param ended 1: the script has ended, or never began */
void cgi_admission_leave(cgi_admission_t *a, cgi_request_t *q, int ended);

/** For the status page: all limits, of cgi_view_limit_t, and how much of them
 * is taken. */
apr_array_header_t *cgi_admission_limits(apr_pool_t *p);

/** Make the counters, unless the other module has. Run in the parent, at
 * post_config. @return APR_SUCCESS, or the error, logged */
apr_status_t cgi_admission_init(apr_pool_t *pconf, server_rec *s);

/** Begin to count. Run in each worker, at child_init. */
void cgi_admission_child_init(server_rec *s);

#endif /* CGI_ADMISSION_H */
