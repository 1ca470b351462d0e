/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A script's environment and arguments (RFC 3875, 4).
 */
#ifndef CGI_ENVIRONMENT_H
#define CGI_ENVIRONMENT_H

#include "apr_tables.h"

/** A variable's name as it is in a script's environment: of letters, digits
 * and _, not beginning with a digit; others become _. */
const char *cgi_environment_name(const char *name, apr_pool_t *p);

/**
 * Make the environment of a script from httpd's table of variables.
 *
 * Names become those of cgi_environment_name(), as in httpd's other CGI
 * modules. Where such a name meets that of another variable, the one that was
 * spelled so wins: a SetEnv of REQUEST-METHOD can't stand in for
 * REQUEST_METHOD.
 *
 * @param tz value for TZ when vars has none, or NULL
 * @return NAME=value strings ended by NULL, allocated from p; an entry may
 *         share memory with nothing in vars
 */
const char *const *cgi_environment_make(const apr_table_t *vars,
                                        const char *tz, apr_pool_t *p);

/**
 * The words of an indexed query (RFC 3875, 4.4 and 7.2): split at +, then
 * percent-decoded, with a backslash before each character that a shell
 * would act on. Empty words are words.
 *
 * @param query as in the URL, may be NULL
 * @param n *n gets the number of words: 0 when the query is empty, has an
 *        unencoded =, or holds anything that can't be passed (a NUL, a bad
 *        escape, too many words)
 * @return the words, allocated from p
 */
const char *const *cgi_environment_words(const char *query, int *n,
                                         apr_pool_t *p);

#endif /* CGI_ENVIRONMENT_H */
