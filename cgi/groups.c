/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <grp.h>

#include "apr_strings.h"

#include "cgi/cgi_exec.h"
#include "cgi/groups.h"

/* A user's groups, with gid as the first. @return how many; -1: nobody knows
 */
static int groups_of(apr_pool_t *p, const char *user, gid_t gid,
                     gid_t **groups)
{
    int n = 0;

    (void)getgrouplist(user, gid, NULL, &n);
    *groups = apr_palloc(p, (apr_size_t)n * sizeof(**groups));
    return getgrouplist(user, gid, *groups, &n) < 0 ? -1 : n;
}

const char *const *cgi_groups_further(apr_pool_t *p, const char *user,
                                      gid_t gid)
{
    const char **list;
    gid_t *groups;
    int i, n = 0, ngroups = user ? groups_of(p, user, gid, &groups) : -1;

    if (ngroups < 0) {
        return NULL;
    }
    list = apr_palloc(p, ((apr_size_t)ngroups + 1) * sizeof(*list));
    for (i = 0; i < ngroups; i++) {
        if (groups[i] != gid) {
            list[n++] = apr_psprintf(p, "%lu", (unsigned long)groups[i]);
        }
    }
    list[n] = NULL;
    return n ? list : NULL;
}

int cgi_exec_has_root_group(apr_pool_t *p, const char *user, gid_t gid)
{
    gid_t *groups;
    int i, n = groups_of(p, user, gid, &groups);

    for (i = 0; i < n && groups[i] != 0; i++) {
    }
    return n < 0 || i < n; /* nobody knows: refused */
}
