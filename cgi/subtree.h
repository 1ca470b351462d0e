/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGICgroup, in httpd's parent: a cgroup for each generation of launchers, in
 * which they make one for each script (launcher/cgroup.c).
 */
#ifndef CGI_SUBTREE_H
#define CGI_SUBTREE_H

#include "httpd.h"

/** Is this a directory of a file system of cgroup version 2? */
int cgi_subtree_is_fit(const char *dir);

/** Take a CGICgroup for this httpd, and end what one that was killed has left
 * there. Run in the parent, at post_config.
 * @return APR_SUCCESS, or the error, logged */
apr_status_t cgi_subtree_open(const char *dir, server_rec *s);

/** Make a cgroup for launchers.
 * @param dir a CGICgroup that was opened
 * @param uid who may use it, -1: who made it
 * @return its path, in p; or NULL, logged */
const char *cgi_subtree_make(apr_pool_t *p, const char *dir, uid_t uid,
                             server_rec *s);

/** Kill all that is in a cgroup, and remove it. Waits at most a tenth of a
 * second. @param path NULL: there is none */
void cgi_subtree_remove(const char *path);

/** httpd ends: remove all that was made. */
void cgi_subtree_end(void);

#endif /* CGI_SUBTREE_H */
