/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The launchers as processes of httpd's parent: their start, their death, the
 * end of their generation. The parent only; cgi/launchers.h says which there
 * are, and what workers do with them.
 */
#ifndef CGI_WATCH_H
#define CGI_WATCH_H

#include "httpd.h"

#include "base/wire.h"
#include "cgi/warm.h"

/** The launchers of one generation of workers. Kept over restarts too: the
 * parent holds the readers' end of the queue until the last worker of the
 * generation has gone, so that none of them finds it closed. */
typedef struct cgi_launchers_t {
    struct cgi_launchers_t *next;
    int queue[2];     /* launchers read 0, workers write 1 */
    apr_pool_t *pool; /* of what follows */
    const char **argv;
    const char *cgroup; /* that of its scripts; or NULL */
    int identities;     /* file with identities: privileged, or, with an
                           interpreter, a user's; or -1 */
    int table;          /* memory in which launchers list the scripts that run:
                           what one of them leaves, the next one ends. Never read
                           here: the parent is root. */
    int earlier;        /* 1: of an earlier generation */
    int n;
    const cgi_warm_t *warm; /* with an interpreter; or NULL. What it points
                               to ends with the generation */
    struct cgi_launchers_t *next_warm; /* of the same generation */
    int *ready; /* by slot: it has loaded its interpreter. Shared with
                   launchers, which write to it, and workers */
    int ready_fd;
    int cold_at; /* where argv says whether there is to be none */
    struct {
        int cold; /* 1: the interpreter has ended a launcher */
        apr_time_t started;
        int quick_deaths, quick_kills;
        int wanted; /* 1: to be started by the monitor */
    } slot[CGI_LAUNCHERS_MAX];
} cgi_launchers_t;

/** Begin a generation, at post_config, in each module's copy of the engine.
 * @param pconf the generation's
 * @param cgroup where launchers make cgroups for scripts, opened; or NULL */
void cgi_watch_begin(apr_pool_t *pconf, server_rec *s, const char *cgroup);

/** Take over the launchers of earlier generations, which end by themselves
 * when their last worker has. Once for both modules. */
void cgi_watch_adopt(apr_pool_t *pconf);

/** Make a queue, and start launchers that read it. One that can't be started
 * at a restart is tried again later: no restart ends httpd for that.
 * @param result set once there is a queue; it lives until its workers have
 * gone
 * @param n launchers
 * @param identities_fd file with identities, or -1; it is the queue's now
 * @param warm their interpreter, or NULL
 * @return APR_SUCCESS, or the error, logged */
apr_status_t cgi_watch_create(cgi_launchers_t **result, apr_pool_t *pconf,
                              server_rec *s, const char *path, int n,
                              int identities_fd, const cgi_warm_t *warm);

/** At monitor: replace queues that a worker has shut, start launchers that
 * died too fast. For these and those behind next_warm. */
void cgi_watch_tend(cgi_launchers_t *l);

/** At monitor, once for both modules: forget the earlier generations that are
 * over. */
void cgi_watch_tend_earlier(void);

/** In a worker: close what only the parent needs, of these and those behind
 * next_warm. It may be called again. */
void cgi_watch_close(cgi_launchers_t *l);

/** The same of all earlier generations. */
void cgi_watch_close_earlier(void);

#endif /* CGI_WATCH_H */
