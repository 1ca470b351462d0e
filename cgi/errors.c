/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * stderr of a script.
 */

#include <errno.h>
#include <unistd.h>

#include "cgi/debug.h"
#include "cgi/errors.h"

CGI_EXEC_USE_LOG;

void cgi_errors_init(cgi_errors_t *errors, cgi_request_t *q,
                     cgi_scriptlog_t *log)
{
    errors->q = q;
    errors->log = log;
}

static void log_line(void *baton, const char *line)
{
    cgi_errors_t *errors = baton;
    const cgi_request_t *q = errors->q;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, q->r, "stderr from %s: %s",
                  q->options->script, line);
    cgi_scriptlog_stderr(errors->log, line);
}

int cgi_errors_read(cgi_errors_t *errors, int fd, apr_time_t now)
{
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    if (n > 0) {
        if (!errors->lines) {
            errors->lines =
                apr_palloc(errors->q->r->pool, sizeof(*errors->lines));
            cgi_errlines_init(errors->lines, log_line, errors, now);
        }
        cgi_errlines_add(errors->lines, buf, (apr_size_t)n, now);
        cgi_debug_errors(errors->q->debug, buf, (apr_size_t)n);
        return (int)n;
    }
    return n < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : -1;
}

void cgi_errors_end(cgi_errors_t *errors, apr_time_t now)
{
    if (errors->lines) {
        cgi_errlines_end(errors->lines, now);
        errors->lines = NULL;
    }
}
