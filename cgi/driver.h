/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One request from start to end: a state machine over what its parts wait
 * for. The driver alone says in which phase a request is, starts the script,
 * logs a failure, cuts a response, and gives a place of CGILimit back.
 *
 *     cgi_driver_begin(d, now);
 *     while (d->phase != CGI_PHASE_DONE) {
 *         until = cgi_driver_wants(d, pfd, now);
 *         n = poll pfd until then
 *         cgi_driver_step(d, pfd, n, now);
 *     }
 *     status = cgi_driver_end(d, now);
 *
 * now is cgi_clock_now(). None of these waits for the script or the client;
 * doc/ARCHITECTURE.md names what can still block in httpd.
 */
#ifndef CGI_DRIVER_H
#define CGI_DRIVER_H

#include <poll.h>

#include "cgi/admission.h"
#include "cgi/client.h"
#include "cgi/errors.h"
#include "cgi/input.h"
#include "cgi/output.h"
#include "cgi/request.h"
#include "cgi/script.h"
#include "cgi/scriptlog.h"
#include "cgi/status.h"
#include "cgi/times.h"

/** Where a request is. It only moves forward. */
typedef enum {
    CGI_PHASE_SPOOL,  /* taking in the whole request body */
    CGI_PHASE_QUEUE,  /* waiting for a place, by CGILimit */
    CGI_PHASE_HEADER, /* waiting for the script's header block */
    CGI_PHASE_BODY,   /* sending the script's output on */
    CGI_PHASE_SEND,   /* the response is complete, and not all is sent */
    CGI_PHASE_LINGER, /* the last words on stderr */
    CGI_PHASE_DONE
} cgi_phase_e;

/** What is polled for, in this order. */
enum {
    CGI_ON_CLIENT,
    CGI_ON_STDIN,
    CGI_ON_STDOUT,
    CGI_ON_STDERR,
    CGI_ON_CONTROL,
    CGI_ON_PLACE,
    CGI_ON_MAX
};

typedef struct cgi_driver_t {
    cgi_request_t q;
    cgi_phase_e phase;
    int status; /* what the handler returns */
    cgi_client_t client;
    cgi_script_t script;
    cgi_input_t input;
    cgi_output_t output;
    cgi_admission_t admission;
    cgi_errors_t errors;
    cgi_times_t times;
    cgi_status_t shown;       /* on the status page */
    cgi_scriptlog_t *log;     /* NULL: no ScriptLog */
    apr_time_t started;       /* the script was asked for */
    apr_time_t active;        /* the script's last sign of life */
    apr_time_t given;         /* it got a byte of the body, or was started */
    apr_time_t taken;         /* the client took a byte, or could have */
    apr_interval_time_t tick; /* where that can't be polled for */
    int end_noted;            /* 1: the log knows how the script ended */
    int exit_late;            /* 1: its end was waited for once more */
    int lingers;              /* 1: the client was not kept waiting for it */
    int lingered;             /* 1: and nothing more is wanted of the script */
} cgi_driver_t;

/** @param d zeroed, but for q.r, q.c and q.options */
void cgi_driver_begin(cgi_driver_t *d, apr_time_t now);

/** What to wait for. @return until when, at the latest; 0: for ever */
apr_time_t cgi_driver_wants(cgi_driver_t *d, struct pollfd pfd[CGI_ON_MAX],
                            apr_time_t now);

/** Act on what is ready and on what is due.
 * @param n as poll() said: 0 if nothing is ready */
void cgi_driver_step(cgi_driver_t *d, const struct pollfd pfd[CGI_ON_MAX],
                     int n, apr_time_t now);

/** Waiting has failed: end the request. */
void cgi_driver_fail(cgi_driver_t *d, apr_status_t rv);

/** In any phase: let go of everything; the script does not outlive its
 * request. Once more, it does nothing.
 * @return OK or a status, for the handler */
int cgi_driver_end(cgi_driver_t *d, apr_time_t now);

#endif /* CGI_DRIVER_H */
