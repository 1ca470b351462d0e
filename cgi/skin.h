/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGISkin: a script's fragment of HTML becomes a page, by a template.
 */
#ifndef CGI_SKIN_H
#define CGI_SKIN_H

#include "cgi/request.h"

/** Before the script runs: read its template, make a nonce, and put a filter
 * in the way of its response.
 * @return NULL, or an English sentence: why the template can't be used,
 * for a page of CGIDebug; it is logged already */
const char *cgi_skin_begin(const cgi_request_t *q);

/** By its header, may the response become another page than what the script
 * prints? Then no condition of the request can be compared with its fields. */
int cgi_skin_may_wrap(const request_rec *r);

/** In register_hooks(). */
void cgi_skin_register(void);

#endif /* CGI_SKIN_H */
