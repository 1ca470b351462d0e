/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * For the setters of the engine's directives.
 */
#ifndef CGI_DIRECTIVES_H
#define CGI_DIRECTIVES_H

#include "cgi/cgi_exec.h"

/** The engine's part of a module's directory, for a directive to set. */
cgi_exec_dir_t *cgi_exec_dir_set(cmd_parms *cmd, void *mconfig);

/** The engine's part of a server, for a directive to set that stands outside
 * of all sections and virtual hosts.
 * @return NULL, or httpd's sentence: it stands elsewhere */
const char *cgi_exec_server_set(cmd_parms *cmd, cgi_exec_server_t **server);

/** The longest time of a directive: in a message it is 32 bits of
 * milliseconds. */
#define CGI_TIME_MAX apr_time_from_sec(40 * 24 * 3600)

#endif /* CGI_DIRECTIVES_H */
