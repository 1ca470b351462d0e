/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The CGI variables of a request (RFC 3875, 4.1).
 */
#ifndef CGI_VARIABLES_H
#define CGI_VARIABLES_H

#include "cgi/input.h"
#include "cgi/request.h"

/** Complete r->subprocess_env, which is what the script gets. */
void cgi_variables_add(const cgi_request_t *q, const cgi_input_t *in);

#endif /* CGI_VARIABLES_H */
