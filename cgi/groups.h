/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The groups of a user, as the system knows them. Run in the parent.
 */
#ifndef CGI_GROUPS_H
#define CGI_GROUPS_H

#include <sys/types.h>

#include "apr_pools.h"

/** The further groups of a user, as numbers, for an identity.
 * @param user a name the system knows, or NULL
 * @return the list, ended by NULL; or NULL: none
 */
const char *const *cgi_groups_further(apr_pool_t *p, const char *user,
                                      gid_t gid);

#endif /* CGI_GROUPS_H */
