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
    CGI_FAILED,  /* the request has: see cgi_failure_t */
    CGI_LEFT     /* the client has gone: nobody is there to be told */
} cgi_outcome_e;

typedef struct cgi_failure_t {
    int status; /* for the client, if it has seen nothing yet */
    int level;  /* APLOG_ERR; APLOG_INFO: no administrator need know; -1:
                   it is an answer, and not for the log */
    apr_status_t rv;
    const char *text; /* or NULL */
} cgi_failure_t;

/** Only the thread of the request touches it. */
typedef struct cgi_request_t {
    request_rec *r;
    conn_rec *c;
    const cgi_exec_options_t *options;
    int nph;               /* by options->nph, or by the script's name */
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

/** There are no means for another script now: the client may come again.
 * @return CGI_FAILED, with 503 */
cgi_outcome_e cgi_overload(cgi_request_t *q, apr_status_t rv,
                           const char *what);

/** The request is answered with a status of httpd's, and that is all. */
cgi_outcome_e cgi_answer(cgi_request_t *q, int status);

/** Send a response that is not the final one, 100 to 199, without fields. */
void cgi_request_interim(const cgi_request_t *q, int status);

/** Write a failure into the error log. */
void cgi_request_log(const cgi_request_t *q);

/** The client has gone: nothing more is written to it. */
void cgi_request_left(const cgi_request_t *q, int waited_for_place);

/** Bytes of a pipe that carries much, of either side. There is a limit for
 * all of a user's pipes, so not for any other. */
#define CGI_LARGE_PIPE (256 * 1024)

/** What a script reads on stdin, if not a file. */
#define CGI_STDIN_PIPE (-1)    /* what is passed on to it */
#define CGI_STDIN_NOTHING (-2) /* nothing */

#endif /* CGI_REQUEST_H */
