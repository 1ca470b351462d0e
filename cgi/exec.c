/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Runs a request in its own thread: a loop around the driver with poll().
 */

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "cgi/driver.h"

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

    d->q.r = r;
    d->q.c = r->connection;
    d->q.options = options;
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
