/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The status page: what a request tells it, and its place in httpd's life.
 * The facts are on a board (base/board.h) that both modules' copies of the
 * engine share; the driver alone writes what becomes of a request.
 */
#ifndef CGI_STATUS_H
#define CGI_STATUS_H

#include "base/board.h"
#include "cgi/request.h"

#define CGI_STATUS_HANDLER "cgi-status"

/** What a request is doing, for who looks at it from outside. */
typedef enum {
    CGI_STATE_READING,   /* the request body goes into a file */
    CGI_STATE_QUEUED,    /* waits for a place, by CGILimit */
    CGI_STATE_WAITING,   /* for the header of the response */
    CGI_STATE_SENDING,   /* the script's output goes to the client */
    CGI_STATE_FINISHING, /* the script is done, and not all is sent */
    CGI_STATE_LINGERING, /* the client has all */
    CGI_STATE_MAX
} cgi_state_e;

/** A request's. Only its own thread touches it. */
typedef struct cgi_status_t {
    cgi_board_t *board; /* NULL: it has not begun, or has ended */
    cgi_board_place_t place;
    apr_time_t begun, first; /* first: 0: nothing of a response yet */
    cgi_result_e result;
    apr_off_t bytes_in;
} cgi_status_t;

/** A request begins, and ends. Ended once more, nothing happens. */
void cgi_status_begin(cgi_status_t *status, const cgi_request_t *q,
                      apr_time_t now);
void cgi_status_end(cgi_status_t *status, apr_off_t bytes_out, apr_time_t now);

/** How far it is. @param pid of the script; 0: not known */
void cgi_status_progress(const cgi_status_t *status, cgi_state_e state,
                         pid_t pid, apr_off_t bytes_out);

/** Has somebody said on the page that it is to end? */
int cgi_status_is_unwanted(const cgi_status_t *status);

/** In microseconds, how often that must be asked; 0: nobody may say so. */
apr_interval_time_t cgi_status_interval(void);

/** Make the board, unless an earlier start or the other module has. In the
 * parent, at post_config, before the launchers. Without memory for it, that
 * is logged, and nothing is on the page. */
void cgi_status_init(server_rec *s);

/** Begin to take part. In each worker, at child_init. */
void cgi_status_child_init(server_rec *s);

/** What all processes share; NULL: there was no memory for it. */
cgi_board_t *cgi_status_board(void);

/** Answer SetHandler cgi-status, and add to mod_status's page. */
void cgi_status_register(void);

#endif /* CGI_STATUS_H */
