/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A request that waits and holds no thread.
 *
 * The event MPM can wait for a connection's socket without a thread
 * (CONN_STATE_ASYNC_WAITIO), and knows no other descriptor. So the connection
 * is given, for as long as its request waits, one that becomes readable when
 * anything happens that the request waits for: an epoll set. The MPM then
 * runs the process_connection hooks in some thread. Ours is the first of
 * them, gives the connection its socket back, and the request goes on.
 */
#ifndef CGI_PARK_H
#define CGI_PARK_H

#include <poll.h>

#include "httpd.h"

/** Descriptors that one request may wait for. */
#define CGI_PARK_FDS 6

typedef struct cgi_park_t cgi_park_t;

/** What a parked request does next.
 * @param left 1: httpd has given the connection up, the request must end
 * @return as a handler; SUSPENDED: it is parked again */
typedef int cgi_park_next_t(void *baton, int left);

/**
 * Prepare a request for being parked.
 * @param next is called when there is something for it to do
 * @return NULL: it can't be, and waits in its thread
 */
cgi_park_t *cgi_park_make(request_rec *r, cgi_park_next_t *next, void *baton);

/**
 * Park it: the handler must now return SUSPENDED.
 * @param pfd CGI_PARK_FDS descriptors as for poll(), always in the same order
 * @param until by cgi_clock_now(), when to go on at the latest; 0: never
 * @return 0: it can't be parked: httpd is stopping, or descriptors are short,
 *         which the log says
 */
int cgi_park_leave(cgi_park_t *park, const struct pollfd *pfd,
                   apr_time_t until, apr_time_t now);

/** May one that was busy a moment ago stay in its thread, in case it soon is
 * again? Two more threads have to wake for one that is parked. A quarter of
 * the threads of a process may be used so.
 * @return 1: call cgi_park_stayed() after that */
int cgi_park_may_stay(void);
void cgi_park_stayed(void);

/** At start, in the parent: see what there is, and log if it does not do. */
void cgi_park_init(apr_pool_t *pconf, server_rec *s);

void cgi_park_register_hooks(void);

#endif /* CGI_PARK_H */
