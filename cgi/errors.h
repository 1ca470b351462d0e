/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a script says on stderr: lines for the error log and for ScriptLog.
 */
#ifndef CGI_ERRORS_H
#define CGI_ERRORS_H

#include "base/errlines.h"
#include "cgi/request.h"
#include "cgi/scriptlog.h"

typedef struct cgi_errors_t {
    cgi_request_t *q;
    cgi_scriptlog_t *log;  /* NULL: no ScriptLog */
    cgi_errlines_t *lines; /* made when there is anything */
} cgi_errors_t;

void cgi_errors_init(cgi_errors_t *errors, cgi_request_t *q,
                     cgi_scriptlog_t *log);

/** Read once. @return bytes; 0: nothing now; -1: it is at its end */
int cgi_errors_read(cgi_errors_t *errors, int fd, apr_time_t now);

/** Log a line that has no end, and what was left out. */
void cgi_errors_end(cgi_errors_t *errors, apr_time_t now);

#endif /* CGI_ERRORS_H */
