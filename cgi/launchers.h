/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * httpd's side of the launchers: start, watch and restart them in the
 * parent, talk to them in the workers.
 */
#ifndef CGI_LAUNCHERS_H
#define CGI_LAUNCHERS_H

#include "httpd.h"

#include "base/identity.h"
#include "base/wire.h"

/** Start this generation's launchers, unless the other module has; and the
 * privileged one and users', when this module has identities. Run in the
 * parent, at post_config.
 * @param pconf this generation; its launchers live until its workers have gone
 * @param cgroup where they make cgroups for scripts, opened; or NULL
 * @param identities of the configuration, or NULL
 * @param warm interpreters of the configuration, cgi_warm_t *, or NULL
 * @return APR_SUCCESS, or the error, logged
 */
apr_status_t cgi_launch_init(apr_pool_t *pconf, server_rec *s,
                             const char *path, const char *cgroup,
                             const apr_array_header_t *identities,
                             const apr_array_header_t *warm);

/** Has a launcher of a CGIWarm its interpreter loaded? For workers; a launcher
 * may end just then, and its scripts start cold.
 * @param identity of the scripts, or 0
 * @param warm number of the CGIWarm, from 1 */
int cgi_launch_is_warm(unsigned int identity, int warm);

/** Drop what only the parent needs. Run in each worker, at child_init. */
void cgi_launch_child_init(void);

/** Ask for launchers that died too fast to be started again. Run in the
 * parent, at monitor. */
void cgi_launch_monitor(void);

/**
 * Queue one script: for one with an interpreter when warm is the number of a
 * CGIWarm, not 0; else, when it has an identity, for the privileged launcher.
 * Never blocks for longer than the timeout.
 * @param fds by cgi_wire_fd_e, CGI_FD_CONTROL to CGI_FD_STDERR; they remain
 *        the caller's to close
 * @param timeout in microseconds, for room in the queue
 * @return APR_SUCCESS: the launcher will answer over the control socket, or
 *         its end of that will be closed; APR_TIMEUP: no room; E2BIG:
 *         environment and arguments too large; another error of the system
 */
apr_status_t cgi_launch_send(const cgi_wire_request_t *request,
                             const int fds[CGI_FD_MAX],
                             apr_interval_time_t timeout, int warm,
                             apr_pool_t *p);

/**
 * A script has lost its launcher: give its lease to the next one. Never
 * blocks.
 * @param identity as in its request
 * @param warm as it was sent
 * @param control_fd the launcher's end of a new control socket, which remains
 *        the caller's to close
 * @return APR_SUCCESS: it is in the queue
 */
apr_status_t cgi_launch_claim(pid_t pid, unsigned int identity, int warm,
                              int control_fd);

#endif /* CGI_LAUNCHERS_H */
