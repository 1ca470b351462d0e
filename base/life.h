/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Which processes of httpd live: each has a number and holds a lock on that
 * byte of a file in memory. The kernel takes the lock from it in any case of
 * death.
 */
#ifndef CGI_LIFE_H
#define CGI_LIFE_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_time.h"

typedef struct cgi_life_t {
    int fd; /* nobody may close another descriptor of this file: the kernel
               would take the lock away */
    int processes;       /* so many may live at the same time */
    apr_time_t *checked; /* shared: when process n - 1 was seen alive */
    uint32_t me;         /* number of this process; 0: has none yet */
} cgi_life_t;

/** Take a number. In each process that is forked, by its first thread.
 * @return APR_SUCCESS, or APR_ENOMEM: more processes than was said */
apr_status_t cgi_life_join(cgi_life_t *life);

/** Does a process live? The kernel is asked at most ten times a second.
 * @param process any number; what is out of range does not live */
int cgi_life_is_alive(const cgi_life_t *life, uint32_t process,
                      apr_time_t now);

#endif /* CGI_LIFE_H */
