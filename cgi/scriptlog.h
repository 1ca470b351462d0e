/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * ScriptLog. All of these do nothing with a log of NULL.
 */
#ifndef CGI_SCRIPTLOG_H
#define CGI_SCRIPTLOG_H

#include "cgi/request.h"

typedef struct cgi_scriptlog_t cgi_scriptlog_t;

/** Begin to collect an entry. @return NULL: there is no ScriptLog */
cgi_scriptlog_t *cgi_scriptlog_make(cgi_request_t *q);

/** Take a part of the request body. */
void cgi_scriptlog_body(cgi_scriptlog_t *log, const char *data,
                        apr_size_t len);

/** Take a line of stderr. */
void cgi_scriptlog_stderr(cgi_scriptlog_t *log, const char *line);

/** The request has failed, as its failure says.
 * @param whole 1: the script ran but printed no valid header: the entry gets
 *        request, output and stderr
 * @param head what the script has printed as a header, head_len bytes; must
 *        live until cgi_scriptlog_end() */
void cgi_scriptlog_failed(cgi_scriptlog_t *log, int whole, const char *head,
                          apr_size_t head_len);

/** The request is over: write the entry to the log. */
void cgi_scriptlog_end(cgi_scriptlog_t *log);

#endif /* CGI_SCRIPTLOG_H */
