/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Runs a request in its own thread: a loop around the driver with poll(). And
 * what holds for all scripts, whichever module has chosen them.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "apr_lib.h"

#include "http_protocol.h"

#include "base/clock.h"
#include "cgi/driver.h"

CGI_EXEC_USE_LOG;

void cgi_exec_forget_type(request_rec *r)
{
    ap_set_content_type(r, "application/x-httpd-cgi");
    r->content_encoding = NULL;
    r->content_languages = NULL;
}

/* Whatever happens to the request. */
static apr_status_t release(void *data)
{
    (void)cgi_driver_end(data, cgi_clock_now());
    return APR_SUCCESS;
}

/* Wait for what the driver wants. @return as poll() */
static int wait_for(cgi_driver_t *d, struct pollfd *pfd)
{
    apr_time_t now = cgi_clock_now();
    apr_time_t until = cgi_driver_wants(d, pfd, now);
    struct timespec ts, *timeout = NULL;

    if (until) {
        apr_time_t wait = until > now ? until - now : 0;

        ts.tv_sec = (time_t)apr_time_sec(wait);
        ts.tv_nsec = (long)apr_time_usec(wait) * 1000;
        timeout = &ts;
    }
    return ppoll(pfd, CGI_ON_MAX, timeout, NULL);
}

int cgi_exec_run(request_rec *r, const cgi_exec_options_t *options)
{
    cgi_driver_t *d = apr_pcalloc(r->pool, sizeof(*d));
    struct pollfd pfd[CGI_ON_MAX];
    int n, status;

    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info &&
        *r->path_info) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "%s: AcceptPathInfo is off, and the URL has path info",
                      options->script);
        return HTTP_NOT_FOUND;
    }
    r->content_type = NULL;
    d->q.r = r;
    d->q.c = r->connection;
    d->q.options = options;
    d->q.nph = options->nph ||
               !strncmp(apr_filepath_name_get(options->script), "nph-", 4);
    apr_pool_cleanup_register(r->pool, d, release, apr_pool_cleanup_null);
    cgi_driver_begin(d, cgi_clock_now());
    while (d->phase != CGI_PHASE_DONE) {
        n = wait_for(d, pfd);
        if (n >= 0) {
            cgi_driver_step(d, pfd, n, cgi_clock_now());
        }
        else if (errno != EINTR) {
            cgi_driver_fail(d, errno);
        }
    }
    apr_pool_cleanup_kill(r->pool, d, release);
    status = cgi_driver_end(d, cgi_clock_now());
    return d->output.redirect && status == OK && !d->q.c->aborted
               ? cgi_output_redirect(&d->output)
               : status;
}
