/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What text from a URL may do to the name of a file: nothing but choose a
 * name below the directory that the administrator wrote. Workers ask before
 * they start a script, and the privileged launcher asks again.
 */
#ifndef ROUTE_SAFE_H
#define ROUTE_SAFE_H

#include "apr_pools.h"

/** Which text a reference may bring in. */
typedef enum {
    ROUTE_NAMES_STRICT, /* segments of A-Z a-z 0-9 . _ -, none begins with
                           "." or "-" */
    ROUTE_NAMES_ANY     /* no "." or "..", no NUL, no end of line */
} route_names_e;

/**
 * Check text that was captured from a URL.
 * @return NULL, or why it is refused (a static string)
 */
const char *route_safe_text(const char *text, apr_size_t length,
                            route_names_e names);

/** Whether a path has a segment "." or "..". */
int route_safe_has_dots(const char *path);

/** Whether a name is one that route_safe_host() can make: one segment, in
 * which ":" stands for a dot at the beginning, and is in an address of IPv6 as
 * the brackets are. */
int route_safe_is_host(const char *name);

/**
 * The request's host as the name of a directory: lower case, without port,
 * a leading "." becomes ":", so that neither ".." nor a hidden name is
 * possible. "0" when there is none.
 * @param host may be NULL or ""
 * @return allocated from p; NULL when it can't be the name of a directory
 */
const char *route_safe_host(apr_pool_t *p, const char *host);

#endif /* ROUTE_SAFE_H */
