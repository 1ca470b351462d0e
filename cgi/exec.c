/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Runs a request: a loop around the driver with poll() in the thread of the
 * request, and without a thread while it waits for long. And what holds for
 * all scripts, whichever module has chosen them.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "apr_lib.h"

#include "http_protocol.h"

#include "base/clock.h"
#include "cgi/debug.h"
#include "cgi/driver.h"
#include "cgi/park.h"
#include "cgi/skin.h"

CGI_EXEC_USE_LOG;

/* So long a request keeps its thread in any case, without CGIPark; */
#define PARK_AFTER apr_time_from_msec(50)
/* and so long after each thing that has happened, */
#define STAY_MIN apr_time_from_msec(1)
/* or, if things happen as often as this, until the next: an event stream. */
#define STAY_LIVELY apr_time_from_msec(20)

#define PARKED (-2)

typedef char fds_fit[CGI_ON_MAX == CGI_PARK_FDS ? 1 : -1];

typedef struct {
    cgi_driver_t d;
    cgi_exec_options_t options;
    cgi_park_t *park;              /* NULL: it was never necessary */
    apr_time_t leave_at;           /* the thread; 0: never */
    apr_time_t waits_since;        /* for what happens next */
    struct pollfd pfd[CGI_ON_MAX]; /* what it waits for */
} exec_t;

static cgi_park_next_t go_on;

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

static int wait_until(struct pollfd *pfd, apr_time_t until, apr_time_t now)
{
    struct timespec ts, *timeout = NULL;

    if (until) {
        apr_time_t wait = until > now ? until - now : 0;

        ts.tv_sec = (time_t)apr_time_sec(wait);
        ts.tv_nsec = (long)apr_time_usec(wait) * 1000;
        timeout = &ts;
    }
    return ppoll(pfd, CGI_ON_MAX, timeout, NULL);
}

/* Wait for what the driver wants, in this thread as long as it may stay.
 * @return as poll(); PARKED: it has left the thread */
static int wait_for(exec_t *x)
{
    struct pollfd *pfd = x->pfd;
    apr_time_t now = cgi_clock_now();
    apr_time_t until = cgi_driver_wants(&x->d, pfd, now);
    apr_time_t leave = x->leave_at;
    apr_time_t least = now + STAY_MIN;
    int lively = now - x->waits_since < STAY_LIVELY, stays = 0, n;

    x->waits_since = now;
    if (leave && lively && leave < now + STAY_LIVELY && cgi_park_may_stay()) {
        stays = 1;
        least = now + STAY_LIVELY;
    }
    if (leave && leave < least) {
        leave = least;
    }
    if (!leave || (until && until <= leave)) {
        leave = 0;
    }
    n = wait_until(pfd, leave ? leave : until, now);
    if (stays) {
        cgi_park_stayed();
    }
    if (n || !leave) {
        return n;
    }
    if (!x->park) {
        x->park = cgi_park_make(x->d.q.r, go_on, x);
    }
    now = cgi_clock_now();
    if (x->park && cgi_park_leave(x->park, pfd, until, now)) {
        return PARKED;
    }
    x->leave_at = 0;
    return wait_until(pfd, until, now);
}

/* @return what the handler returns */
static int finish(exec_t *x)
{
    cgi_driver_t *d = &x->d;
    int status;

    apr_pool_cleanup_kill(d->q.r->pool, d, release);
    status = cgi_driver_end(d, cgi_clock_now());
    if (d->q.debug && !d->q.c->aborted) {
        return cgi_debug_answer(d->q.debug, &d->q, &d->script,
                                cgi_script_how_ended(&d->script, &d->q));
    }
    if (d->output.redirect && status == OK && !d->q.c->aborted) {
        status = cgi_output_redirect(&d->output);
    }
    return status == HTTP_FORBIDDEN && x->options.hide_forbidden
               ? HTTP_NOT_FOUND
               : status;
}

static void step(exec_t *x, int n)
{
    if (n >= 0) {
        cgi_driver_step(&x->d, x->pfd, n, cgi_clock_now());
    }
    else if (errno != EINTR) {
        cgi_driver_fail(&x->d, errno);
    }
}

static int run(exec_t *x)
{
    int n;

    while (x->d.phase != CGI_PHASE_DONE) {
        n = wait_for(x);
        if (n == PARKED) {
            return SUSPENDED;
        }
        step(x, n);
    }
    return finish(x);
}

/* It was parked. Times that count from each wait are those of the wait that
 * has just ended: the driver is told of that before it is asked again. */
static int go_on(void *baton, int left)
{
    exec_t *x = baton;

    if (left) {
        return finish(x);
    }
    step(x, poll(x->pfd, CGI_ON_MAX, 0));
    return run(x);
}

int cgi_exec_run(request_rec *r, const cgi_exec_options_t *options)
{
    exec_t *x = apr_pcalloc(r->pool, sizeof(*x));
    cgi_driver_t *d = &x->d;
    apr_interval_time_t after = options->dir->park_after;
    apr_time_t now = cgi_clock_now();
    const char *error;

    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info &&
        *r->path_info) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "%s: AcceptPathInfo is off, and the URL has path info",
                      options->script);
        return cgi_exec_explain(r, options,
                                "404: AcceptPathInfo is off, and the URL has "
                                "path info") == OK
                   ? OK
                   : HTTP_NOT_FOUND;
    }
    r->content_type = NULL;
    x->options = *options;
    d->q.r = r;
    d->q.c = r->connection;
    d->q.options = &x->options;
    d->q.nph = options->nph ||
               !strncmp(apr_filepath_name_get(options->script), "nph-", 4);
    d->q.debug = cgi_debug_make(&d->q);
    if (after != CGI_PARK_NEVER && !d->q.debug) {
        x->leave_at = now + (after < 0 ? PARK_AFTER : after);
    }
    if ((error = cgi_skin_begin(&d->q)) != NULL) {
        return cgi_exec_explain(r, options, error) == OK
                   ? OK
                   : HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(r->pool, d, release, apr_pool_cleanup_null);
    cgi_driver_begin(d, now);
    return run(x);
}
