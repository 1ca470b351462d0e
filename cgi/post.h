/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Messages from httpd to launchers, through the queue that these read.
 */
#ifndef CGI_POST_H
#define CGI_POST_H

#include "apr_pools.h"
#include "apr_time.h"

#include "base/wire.h"

/** Put data into a file in memory that has no name.
 * @param fd becomes its descriptor, which is the caller's to close
 * @return APR_SUCCESS, or an error of the system: then there is none */
apr_status_t cgi_post_store(const void *data, apr_size_t size, int *fd);

/** Queue one script. Never blocks for longer than the timeout.
 * @param queue the workers' end of the launchers' queue
 * @param fds by cgi_wire_fd_e, CGI_FD_CONTROL to CGI_FD_STDERR; they remain
 *        the caller's to close
 * @param timeout in microseconds, for room in the queue
 * @return APR_SUCCESS; APR_TIMEUP: no room; E2BIG: environment and arguments
 *         too large; another error of the system */
apr_status_t cgi_post_request(int queue, const cgi_wire_request_t *request,
                              const int fds[CGI_FD_MAX],
                              apr_interval_time_t timeout, apr_pool_t *p);

/** Queue the lease of a script that has lost its launcher. Never blocks.
 * @param control_fd the launcher's end of a new control socket, which remains
 *        the caller's to close
 * @return APR_SUCCESS: it is in the queue */
apr_status_t cgi_post_claim(int queue, pid_t pid, int control_fd);

#endif /* CGI_POST_H */
