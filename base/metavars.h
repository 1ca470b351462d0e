/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The names of CGI variables (RFC 3875, 4.1): which there are, whose they
 * are, and what a name becomes in a script's environment.
 */
#ifndef CGI_METAVARS_H
#define CGI_METAVARS_H

#include "apr.h"

/** A character of a name: letters, digits and _ as they are, others as _. */
char cgi_metavar_fold(char c);

/** Length of the part of text that a name can be made of. */
apr_size_t cgi_metavar_length(const char *text);

/** Do they become the same name? Without case, as httpd's tables are. */
int cgi_metavar_same(const char *a, const char *b);

/** The name of a variable that httpd sets itself for each request, however
 * name spells it; or NULL. */
const char *cgi_metavar_of_server(const char *name);

/** May a worker give a script of another user this variable?
 * @param len length of the name */
int cgi_metavar_is_harmless(const char *name, apr_size_t len);

#endif /* CGI_METAVARS_H */
