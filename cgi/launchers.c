/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "httpd.h"

#include "http_log.h"

#include "cgi/cgi_exec.h"
#include "cgi/launchers.h"
#include "cgi/post.h"
#include "cgi/warm.h"
#include "cgi/watch.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine find each other's launchers by this name;
 * the number changes with the layout of the data. */
#define SHARED_KEY "cgi-exec-launchers-6"

static cgi_launchers_t *launchers;  /* this generation's, of both modules;
                                       those with an interpreter are behind
                                       next_warm */
static cgi_launchers_t *privileged; /* this generation's, of this module;
                                       users' are behind next_warm */

/* For the privileged launcher, or those of a user: they know of his own
 * identities only. Scripts inherit their memory, and others' SetEnv is none of
 * his business. */
static apr_status_t store_identities(apr_pool_t *p, server_rec *s,
                                     const apr_array_header_t *identities,
                                     const cgi_warm_t *warm, int *fd)
{
    static const char *const nothing[] = {"=", NULL};
    apr_array_header_t *list = apr_array_copy(p, identities);
    apr_status_t rv;
    apr_size_t size;
    void *data;
    int i;

    for (i = 0; warm && i < list->nelts; i++) {
        cgi_identity_t *identity = &APR_ARRAY_IDX(list, i, cgi_identity_t);
        const cgi_identity_t none = {.uid = identity->uid,
                                     .values = "",
                                     .root = nothing,
                                     .script = nothing};

        if (!cgi_warm_is_for(warm, identity)) {
            *identity = none; /* numbers stay what they are */
        }
    }
    cgi_identity_encode((const cgi_identity_t *)list->elts, list->nelts, p,
                        &data, &size);
    rv = cgi_post_store(data, size, fd);
    /* A process of another module may inherit it: to read, at most. */
    if (rv == APR_SUCCESS &&
        fcntl(*fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        rv = errno;
        close(*fd);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't store the routes' users for the launcher");
    }
    return rv;
}

/* Launchers of a queue that is not the privileged one's. */
static int count_wanted(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus < 1                   ? 1
           : cpus > CGI_LAUNCHERS_MAX ? CGI_LAUNCHERS_MAX
                                      : (int)cpus;
}

/* Is an interpreter for scripts of httpd's own user, or, with identities, for
 * one that has any of them? */
static int is_wanted(const cgi_warm_t *warm,
                     const apr_array_header_t *identities)
{
    int i;

    for (i = 0; identities && i < identities->nelts; i++) {
        if (cgi_warm_is_for(
                warm, &APR_ARRAY_IDX(identities, i, const cgi_identity_t))) {
            return 1;
        }
    }
    return !identities && cgi_warm_is_for(warm, NULL);
}

/* The launchers with an interpreter, behind those without. */
static apr_status_t create_warm(cgi_launchers_t *behind, apr_pool_t *pconf,
                                server_rec *s, const char *path,
                                const apr_array_header_t *warm,
                                const apr_array_header_t *identities)
{
    apr_status_t rv = APR_SUCCESS;
    int i, fd = -1;

    path = cgi_warm_program(pconf, path);
    for (i = 0; !rv && warm && i < warm->nelts; i++) {
        const cgi_warm_t *w = APR_ARRAY_IDX(warm, i, const cgi_warm_t *);

        if (!is_wanted(w, identities)) {
            continue;
        }
        if (identities &&
            (rv = store_identities(pconf, s, identities, w, &fd))) {
            break;
        }
        rv = cgi_watch_create(&behind->next_warm, pconf, s, path,
                              count_wanted(), fd, w);
        behind = behind->next_warm;
    }
    return rv;
}

/* The launchers of both modules: without an interpreter, and with each. */
static apr_status_t create_shared(apr_pool_t *pconf, server_rec *s,
                                  const char *path,
                                  const apr_array_header_t *warm)
{
    apr_status_t rv =
        cgi_watch_create(&launchers, pconf, s, path, count_wanted(), -1, NULL);

    return rv ? rv : create_warm(launchers, pconf, s, path, warm, NULL);
}

/* The launcher for scripts that run as others, which is one, and root; and
 * those of users that have an interpreter. */
static apr_status_t create_privileged(apr_pool_t *pconf, server_rec *s,
                                      const char *path,
                                      const apr_array_header_t *identities,
                                      const apr_array_header_t *warm)
{
    int fd = -1;
    apr_status_t rv = store_identities(pconf, s, identities, NULL, &fd);

    if (rv == APR_SUCCESS) {
        rv = cgi_watch_create(&privileged, pconf, s, path, 1, fd, NULL);
    }
    return rv ? rv : create_warm(privileged, pconf, s, path, warm, identities);
}

/* What a service manager or a container has taken away. */
static void look_at_rights(server_rec *s)
{
    if (!geteuid() && !prctl(PR_CAPBSET_READ, CAP_KILL)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "httpd was started without the capability KILL: it can't "
                     "end launchers, nor scripts of other users");
    }
}

static apr_status_t forget_launchers(void *unused)
{
    (void)unused;
    launchers = privileged = NULL;
    return APR_SUCCESS;
}

apr_status_t cgi_launch_init(apr_pool_t *pconf, server_rec *s,
                             const char *path, const char *cgroup,
                             const apr_array_header_t *identities,
                             const apr_array_header_t *warm)
{
    apr_status_t rv = APR_SUCCESS;
    void *shared = NULL;

    apr_pool_cleanup_register(pconf, NULL, forget_launchers,
                              apr_pool_cleanup_null);
    cgi_watch_begin(pconf, s, cgroup);
    apr_pool_userdata_get(&shared, SHARED_KEY, pconf);
    launchers = shared;
    if (!launchers) {
        look_at_rights(s);
        cgi_watch_adopt(pconf);
        rv = create_shared(pconf, s, path, warm);
        apr_pool_userdata_setn(launchers, SHARED_KEY, NULL, pconf);
    }
    if (rv == APR_SUCCESS && identities) {
        rv = create_privileged(pconf, s, path, identities, warm);
    }
    return rv;
}

void cgi_launch_monitor(void)
{
    cgi_watch_tend(launchers);
    cgi_watch_tend(privileged);
    cgi_watch_tend_earlier();
}

void cgi_launch_child_init(void)
{
    /* The other module's copy may have been here before. */
    cgi_watch_close(launchers);
    cgi_watch_close(privileged);
    cgi_watch_close_earlier();
}

/* The launchers for an identity, or 0, with a CGIWarm, by its number from 1;
 * 0: those without. */
static const cgi_launchers_t *chosen(unsigned int identity, int warm)
{
    const cgi_launchers_t *l = identity ? privileged : launchers;

    while (l && warm != (l->warm ? l->warm->number : 0)) {
        l = l->next_warm;
    }
    return l;
}

int cgi_launch_is_warm(unsigned int identity, int warm)
{
    const cgi_launchers_t *l = chosen(identity, warm);
    int i, ready = 0;

    for (i = 0; l && i < l->n; i++) {
        ready |= __atomic_load_n(&l->ready[i], __ATOMIC_SEQ_CST);
    }
    return ready;
}

apr_status_t cgi_launch_send(const cgi_wire_request_t *request,
                             const int fds[CGI_FD_MAX],
                             apr_interval_time_t timeout, int warm,
                             apr_pool_t *p)
{
    return cgi_post_request(chosen(request->identity, warm)->queue[1], request,
                            fds, timeout, p);
}

apr_status_t cgi_launch_claim(pid_t pid, unsigned int identity, int warm,
                              int control_fd)
{
    return cgi_post_claim(chosen(identity, warm)->queue[1], pid, control_fd);
}
