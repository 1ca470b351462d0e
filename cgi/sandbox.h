/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGISandbox: what a script may do.
 */
#ifndef CGI_SANDBOX_H
#define CGI_SANDBOX_H

#include "base/wire.h"
#include "cgi/request.h"

/**
 * Is each sandbox of the configuration possible: its directories, this
 * kernel, no suexec? At check_config.
 * @param identities some scripts run as other users, without suexec
 * @param in_roots some scripts may see another tree of files than we do
 * @return OK, or HTTP_INTERNAL_SERVER_ERROR, logged
 */
int cgi_sandbox_check(apr_pool_t *pconf, server_rec *s, int identities,
                      int in_roots);

/** What is said where both are configured. */
#define CGI_SANDBOX_NO_SUEXEC                                                 \
    "a script in a sandbox can't be run by suexec, which is a setuid program"

/** Is there a sandbox? */
int cgi_sandbox_is_on(const cgi_exec_dir_t *dir);

/** Put the sandbox of a request, if it has one, into its message: the rules,
 * with the script's own files, and the lower ones of its limits and those
 * that are there. */
void cgi_sandbox_add(const cgi_request_t *q, cgi_wire_request_t *message);

#endif /* CGI_SANDBOX_H */
