/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * For the setters of the engine's directives.
 */
#ifndef CGI_DIRECTIVES_H
#define CGI_DIRECTIVES_H

#include "cgi/cgi_exec.h"

/** The engine's part of a module's directory, for a directive to set. */
cgi_exec_dir_t *cgi_exec_dir_set(void *mconfig);

#endif /* CGI_DIRECTIVES_H */
