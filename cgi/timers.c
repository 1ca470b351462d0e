/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The times of a request: how long anybody waits for anybody.
 */

#include "httpd.h"

#include "apr_atomic.h"

#include "http_connection.h"

#include "base/clock.h"
#include "cgi/exec_private.h"

CGI_EXEC_USE_LOG;

/* A client that closes its sending side may still want the answer; one that
 * is gone looks the same, until something is sent. A quick script is let
 * finish. */
#define CLIENT_GRACE apr_time_from_msec(500)
/* Where a hang-up can't be polled for, look this often. */
#define CLIENT_TICK apr_time_from_msec(250)
/* After the end of the response, so long for the last words on stderr. */
#define LINGER_MAX apr_time_from_sec(3)
/* Most scripts end right after their output: then their end is the one event
 * to wait for, for about twice as long as such scripts take here. */
#define HOLD_START_MIN apr_time_from_msec(1)
#define HOLD_START_MAX apr_time_from_msec(10)

/* From start to end of the scripts whose response went out in one piece, in
 * microseconds: a moving average. Threads may overwrite each other's update,
 * which does no harm. */
static volatile apr_uint32_t quick_time = 2000;

apr_time_t cgi_timers_hold(void)
{
    apr_time_t t = 2 * (apr_time_t)apr_atomic_read32(&quick_time);

    return t < HOLD_START_MIN   ? HOLD_START_MIN
           : t > HOLD_START_MAX ? HOLD_START_MAX
                                : t;
}

void cgi_timers_note_quick(apr_time_t t)
{
    apr_int32_t old = (apr_int32_t)apr_atomic_read32(&quick_time);

    if (t < 2 * HOLD_START_MAX) {
        apr_atomic_set32(&quick_time,
                         (apr_uint32_t)(old + ((apr_int32_t)t - old) / 8));
    }
}

/* Take the earlier of two times; 0 is none. */
static void earlier(apr_time_t *next, apr_time_t t)
{
    if (t && (!*next || t < *next)) {
        *next = t;
    }
}

/* first= counts from what the script was last given, and neither a piece of
 * the header nor stderr puts it off. Without it the header has to come as
 * everything else has: httpd's other CGI modules know one time only. */
static int first_counts(const cgi_exec_t *x)
{
    return x->phase == CGI_PHASE_HEADER && x->options->dir->first_timeout >= 0;
}

/* When the script has been silent for too long; 0: never. As long as the
 * script may be waiting for the client, Timeout holds, for the client. */
static apr_time_t silence_deadline(const cgi_exec_t *x)
{
    const cgi_exec_dir_t *dir = x->options->dir;
    apr_time_t since = x->last_activity;
    apr_interval_time_t t = dir->idle_timeout;

    if (x->body == CGI_BODY_FROM_CLIENT) {
        t = x->r->server->timeout;
    }
    else if (first_counts(x)) {
        t = dir->first_timeout;
        since = x->last_given;
    }
    else if (t < 0) {
        t = x->r->server->timeout;
    }
    return t ? since + t : 0;
}

static apr_time_t total_deadline(const cgi_exec_t *x)
{
    apr_interval_time_t t = x->options->dir->total_timeout;

    return t > 0 && x->phase != CGI_PHASE_QUEUE ? x->started + t : 0;
}

apr_time_t cgi_timers_next(const cgi_exec_t *x)
{
    apr_time_t next =
        x->phase == CGI_PHASE_QUEUE ? x->queue_again : silence_deadline(x);

    earlier(&next, total_deadline(x));
    earlier(&next, x->hold_until);
    earlier(&next, x->linger_until);
    earlier(&next, x->exit_by);
    if (x->phase == CGI_PHASE_HEADER) {
        earlier(&next, x->start_by);
    }
    if (x->gone_at) {
        earlier(&next, x->gone_at + CLIENT_GRACE);
    }
    /* A full read may be followed by more; if not, it is to be sent. */
    if (x->body_more || cgi_response_is_due(x)) {
        earlier(&next, x->started); /* now */
    }
    else if (x->client_fd < 0 || x->c->master) {
        earlier(&next, cgi_clock_now() + CLIENT_TICK);
    }
    return next;
}

int cgi_timers_step(cgi_exec_t *x)
{
    apr_time_t now = cgi_clock_now(), t;

    if (x->phase == CGI_PHASE_LINGER) {
        if (x->linger_until <= now && x->lingers) {
            x->phase = CGI_PHASE_DONE;
        }
        else if (x->linger_until <= now) {
            x->lingers = 1;
            x->linger_until = now + LINGER_MAX;
            cgi_response_push(x); /* the client need not wait */
        }
        return OK;
    }
    if (x->c->aborted) {
        return cgi_client_left(x);
    }
    if (x->gone_at && x->gone_at + CLIENT_GRACE <= now) {
        if (!cgi_response_probe(x)) {
            return cgi_client_left(x);
        }
        x->gone_at = 0; /* it takes what is sent, or a reset comes */
    }
    if (x->phase == CGI_PHASE_QUEUE) {
        return OK; /* cgi_admit_step() knows its own times */
    }
    if (x->hold_until <= now && !x->exit_by) {
        x->hold_until = 0;
    }
    if (x->phase == CGI_PHASE_HEADER && x->start_by && x->start_by <= now &&
        cgi_start_check(x) != OK) {
        return x->status;
    }
    if ((t = total_deadline(x)) != 0 && t <= now) {
        return cgi_fail(x, HTTP_GATEWAY_TIME_OUT, APR_TIMEUP,
                        "it has run for longer than CGITimeout total=");
    }
    if ((t = silence_deadline(x)) != 0 && t <= now) {
        if (x->body == CGI_BODY_FROM_CLIENT) {
            return cgi_reject(x, HTTP_REQUEST_TIME_OUT, APR_TIMEUP,
                              "the client does not send the rest of its body");
        }
        return cgi_fail(x, HTTP_GATEWAY_TIME_OUT, APR_TIMEUP,
                        first_counts(x)
                            ? "no header within CGITimeout first="
                            : "silent for longer than CGITimeout idle=");
    }
    return OK;
}
