/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGIStderr: files and programs that take stderr of scripts.
 */
#ifndef CGI_STDERRFILE_H
#define CGI_STDERRFILE_H

#include "cgi/cgi_exec.h"

/** Open all files and programs of the configuration, in the parent.
 * @return OK or a status, logged */
int cgi_stderr_open_all(apr_pool_t *pconf, apr_pool_t *plog, server_rec *s);

/** What scripts get as their stderr; to be duplicated. -1: a pipe to here */
int cgi_stderr_fd(const cgi_exec_dir_t *dir);

#endif /* CGI_STDERRFILE_H */
