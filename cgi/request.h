/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the parts of a request share, and how they tell what became of a step.
 *
 * A part does a step of its own work when it is told that something is ready,
 * and answers with a cgi_outcome_e. It logs no failure, ends nothing but
 * itself, and calls no other part: driver.c does.
 */
#ifndef CGI_REQUEST_H
#define CGI_REQUEST_H

#include "httpd.h"
#include "http_log.h"

#include "cgi/cgi_exec.h"

typedef enum {
    CGI_WENT_ON, /* as far as it could without waiting */
    CGI_ENDED,   /* this part has nothing more to do */
    CGI_FAILED,  /* the request has failed: see cgi_failure_t */
    CGI_LEFT     /* the client has gone: an answer would reach nobody */
} cgi_outcome_e;

typedef struct cgi_failure_t {
    int status; /* for the client, if it has seen nothing yet */
    int level;  /* APLOG_ERR; APLOG_INFO: no administrator need act; -1:
                   nothing is logged */
    apr_status_t rv;
    const char *text; /* or NULL */
} cgi_failure_t;

/** What CGIDebug shows of a request: see debug.h. */
typedef struct cgi_debug_t cgi_debug_t;

/** Only the thread of the request touches it. */
typedef struct cgi_request_t {
    request_rec *r;
    conn_rec *c;
    const cgi_exec_options_t *options;
    int nph;               /* by options->nph, or by the script's name */
    cgi_debug_t *debug;    /* what is answered instead; or NULL */
    cgi_failure_t failure; /* written by the part that answers CGI_FAILED */
} cgi_request_t;

/** `return cgi_fail(q, HTTP_..., rv, "...")`: something is wrong with the
 * script or with the server. @return CGI_FAILED */
cgi_outcome_e cgi_fail(cgi_request_t *q, int status, apr_status_t rv,
                       const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** The same for what the client did. */
cgi_outcome_e cgi_reject(cgi_request_t *q, int status, apr_status_t rv,
                         const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** The server can't start another script now. The client may try again later.
 * @return CGI_FAILED, with 503 */
cgi_outcome_e cgi_overload(cgi_request_t *q, apr_status_t rv,
                           const char *what);

/** Let httpd answer with its own page for a status, or with nothing more (OK).
 * Nothing is logged. @return CGI_FAILED */
cgi_outcome_e cgi_answer(cgi_request_t *q, int status);

/** Send a response that is not the final one, 100 to 199, without fields. */
void cgi_request_interim(const cgi_request_t *q, int status);

/** Write a failure into the error log. */
void cgi_request_log(const cgi_request_t *q);

/** The client has gone: log it, and write nothing more to the client. */
void cgi_request_left(const cgi_request_t *q, int waited_for_place);

/** Size in bytes of a pipe that carries much data. The kernel limits the sum
 * for all pipes of a user, so other pipes keep their size. */
#define CGI_LARGE_PIPE (256 * 1024)

/** What a script reads on stdin, if not a file. */
#define CGI_STDIN_PIPE (-1)    /* what is passed on to it */
#define CGI_STDIN_NOTHING (-2) /* nothing */

#endif /* CGI_REQUEST_H */
