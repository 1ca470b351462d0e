/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How parts of a request fail, and what they share besides.
 */

#include <stdarg.h>

#include "apr_strings.h"

#include "http_protocol.h"

#include "cgi/compat.h"
#include "cgi/request.h"

CGI_EXEC_USE_LOG;

static void fail(cgi_request_t *q, int level, int status, apr_status_t rv,
                 const char *fmt, va_list args)
{
    q->failure.status = status;
    q->failure.level = level;
    q->failure.rv = rv;
    q->failure.text = apr_pvsprintf(q->r->pool, fmt, args);
}

cgi_outcome_e cgi_fail(cgi_request_t *q, int status, apr_status_t rv,
                       const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fail(q, APLOG_ERR, status, rv, fmt, args);
    va_end(args);
    return CGI_FAILED;
}

cgi_outcome_e cgi_reject(cgi_request_t *q, int status, apr_status_t rv,
                         const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fail(q, APLOG_INFO, status, rv, fmt, args);
    va_end(args);
    return CGI_FAILED;
}

cgi_outcome_e cgi_overload(cgi_request_t *q, apr_status_t rv, const char *what)
{
    apr_table_setn(q->r->err_headers_out, "Retry-After", "2");
    return cgi_fail(q, HTTP_SERVICE_UNAVAILABLE, rv, "can't be started: %s",
                    what);
}

cgi_outcome_e cgi_answer(cgi_request_t *q, int status)
{
    q->failure.status = status;
    q->failure.level = -1;
    q->failure.rv = APR_SUCCESS;
    q->failure.text = NULL;
    return CGI_FAILED;
}

void cgi_request_interim(const cgi_request_t *q, int status)
{
    request_rec *r = q->r;
    const char *final_line = r->status_line;
    int final = r->status;

    cgi_compat_send_interim(r, status, 0);
    r->status = final;
    r->status_line = final_line;
}

void cgi_request_log(const cgi_request_t *q)
{
    ap_log_rerror(APLOG_MARK, q->failure.level, q->failure.rv, q->r, "%s: %s",
                  q->options->script, q->failure.text);
}

void cgi_request_left(const cgi_request_t *q, int waited_for_place)
{
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, q->r,
                  waited_for_place
                      ? "%s: the client has gone while it waited for a place"
                      : "%s: the client has gone, the script is ended",
                  q->options->script);
    q->c->aborted = 1;
}
