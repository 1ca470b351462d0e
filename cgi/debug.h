/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGIDebug: instead of a script's response, a page that says what was decided,
 * what the script was given, and what it has said. The parts of a request
 * collect it here; none of their output goes to the client meanwhile. All
 * functions but the first do nothing with a debug of NULL.
 */
#ifndef CGI_DEBUG_H
#define CGI_DEBUG_H

#include "base/wire.h"
#include "cgi/request.h"
#include "cgi/script.h"

/** What is timed: the first time that it happens. In the order of the page. */
typedef enum {
    CGI_DEBUG_SPOOLED, /* the request body is in its file */
    CGI_DEBUG_ASKED,   /* a launcher was asked for the script */
    CGI_DEBUG_PROCESS, /* it has made a process */
    CGI_DEBUG_STARTED, /* which executes the script */
    CGI_DEBUG_FIRST,   /* the first byte on stdout */
    CGI_DEBUG_HEADER,  /* the header is complete */
    CGI_DEBUG_END,     /* stdout is at its end */
    CGI_DEBUG_EXITED,  /* the launcher has told the exit status */
    CGI_DEBUG_AT_MAX
} cgi_debug_at_e;

/** Does this request get the page? So it does if the expression of CGIDebug
 * admits it. @return NULL: no */
cgi_debug_t *cgi_debug_make(const cgi_request_t *q);

/** Something happens now. */
void cgi_debug_at(cgi_debug_t *debug, cgi_debug_at_e what);

/** What a launcher is asked for. Its strings must live as long as the
 * request. */
void cgi_debug_start(cgi_debug_t *debug, const cgi_wire_request_t *message);

/** The script has written to stdout, or to stderr. */
void cgi_debug_output(cgi_debug_t *debug, const char *data, apr_size_t len);
void cgi_debug_errors(cgi_debug_t *debug, const char *data, apr_size_t len);

/** Is there no room for more of stdout? */
int cgi_debug_is_full(const cgi_debug_t *debug);

/** The request is over: answer with the page. @param how the script ended
 * @return what a handler returns */
int cgi_debug_answer(cgi_debug_t *debug, const cgi_request_t *q,
                     const cgi_script_t *script, const char *how);

#endif /* CGI_DEBUG_H */
