/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"

#include "ap_mpm.h"
#include "http_core.h"
#include "http_log.h"
#include "unixd.h"

#include "cgi_exec.h"
#include "clock.h"
#include "launch.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine find each other's data by these names;
 * the number changes with the layout of the data. */
#define SHARED_KEY "cgi-exec-launchers-2"
#define RETAINED_KEY "cgi-exec-processes-2"

#define LAUNCHERS_MAX 4
/* One that lives for less than this many microseconds died of its start. */
#define QUICK_DEATH apr_time_from_sec(1)
#define QUICK_DEATHS_MAX 3

/* A launcher, of this generation or of an earlier one that still finishes.
 * Kept over restarts, so that the parent knows whose death it is told of. */
typedef struct process_t {
    apr_proc_t proc;
    int used;
    struct launchers_t *of; /* of this generation; or NULL */
    int slot;               /* there */
} process_t;

typedef struct retained_t {
    process_t process[64];
} retained_t;

typedef struct launchers_t {
    int queue[2]; /* launchers read 0, workers write 1 */
    const char *path;
    server_rec *s;
    apr_pool_t *pool;
    int identities; /* file with identities: privileged; or -1 */
    int n;
    struct {
        apr_time_t started;
        int quick_deaths;
        int wanted; /* 1: to be started by the monitor */
    } slot[LAUNCHERS_MAX];
} launchers_t;

static launchers_t *launchers;  /* this generation's, of both modules */
static launchers_t *privileged; /* this generation's, of this module */
static retained_t *retained;

/* access() alone would take a directory for a program. */
static int is_program(const char *path)
{
    struct stat st;

    return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

const char *cgi_launch_find(apr_pool_t *p, server_rec *s,
                            const char *configured)
{
    const char *beside = NULL, *installed = CGI_LAUNCHER_DIR "/cgi-launcher";
    Dl_info info;

    if (configured) {
        if (is_program(configured)) {
            return configured;
        }
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "CGILauncher must name the program cgi-launcher: "
                     "%s can't be executed",
                     configured);
        return NULL;
    }
    if (dladdr((void *)&launchers, &info) && info.dli_fname) {
        beside = apr_pstrcat(p, ap_make_dirstr_parent(p, info.dli_fname),
                             "cgi-launcher", NULL);
        if (is_program(beside)) {
            return beside;
        }
    }
    if (is_program(installed)) {
        return installed;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "the program cgi-launcher is missing or not executable: "
                 "looked for %s and %s; install it there, or name it with "
                 "CGILauncher",
                 beside ? beside : "(no path of this module)", installed);
    return NULL;
}

static process_t *free_process(void)
{
    size_t i;

    for (i = 0; i < sizeof(retained->process) / sizeof(process_t); i++) {
        if (!retained->process[i].used) {
            return &retained->process[i];
        }
    }
    return NULL;
}

static void maintain(int reason, void *data, apr_wait_t status);

const char *const *cgi_launch_groups(apr_pool_t *p, const char *user,
                                     gid_t gid)
{
    const char **list;
    gid_t *groups;
    int i, n = 0, ngroups = 0;

    if (!user) {
        return NULL;
    }
    (void)getgrouplist(user, gid, NULL, &ngroups);
    groups = apr_palloc(p, (apr_size_t)ngroups * sizeof(gid_t));
    if (getgrouplist(user, gid, groups, &ngroups) < 0) {
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

/* Words of a launcher's command line. */
static const char *const *make_argv(const launchers_t *l, apr_pool_t *p)
{
    apr_array_header_t *argv = apr_array_make(p, 16, sizeof(char *));
    gid_t gid = ap_unixd_config.group_id;
    const char *const *groups;

    APR_ARRAY_PUSH(argv, const char *) = l->path;
    if (l->identities >= 0) {
        APR_ARRAY_PUSH(argv, const char *) = "-i";
    }
    else if (!geteuid()) {
        APR_ARRAY_PUSH(argv, const char *) = "-u";
        APR_ARRAY_PUSH(argv, const char *) =
            apr_psprintf(p, "%lu", (unsigned long)ap_unixd_config.user_id);
        APR_ARRAY_PUSH(argv, const char *) = "-g";
        APR_ARRAY_PUSH(argv, const char *) =
            apr_psprintf(p, "%lu", (unsigned long)gid);
        groups = cgi_launch_groups(p, ap_unixd_config.user_name, gid);
        for (; groups && *groups; groups++) {
            APR_ARRAY_PUSH(argv, const char *) = "-g";
            APR_ARRAY_PUSH(argv, const char *) = *groups;
        }
        if (ap_unixd_config.suexec_enabled) {
            APR_ARRAY_PUSH(argv, const char *) = "-k";
        }
    }
    if (ap_unixd_config.chroot_dir) {
        APR_ARRAY_PUSH(argv, const char *) = "-r";
        APR_ARRAY_PUSH(argv, const char *) = ap_unixd_config.chroot_dir;
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

static apr_status_t spawn(launchers_t *l, int slot)
{
    apr_procattr_t *attr;
    apr_file_t *queue = NULL, *identities = NULL;
    apr_pool_t *p;
    process_t *process = free_process();
    apr_status_t rv;

    if (!process) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, l->s,
                     "can't start a launcher: too many of earlier restarts "
                     "still have scripts that run");
        return APR_ENOMEM;
    }
    apr_pool_create(&p, l->pool);
    memset(process, 0, sizeof(*process));
    if ((rv = apr_os_file_put(&queue, &l->queue[0], 0, p)) ||
        (rv = apr_procattr_create(&attr, p)) ||
        (rv = apr_procattr_child_in_set(attr, queue, NULL)) ||
        (l->identities >= 0 &&
         ((rv = apr_os_file_put(&identities, &l->identities, 0, p)) ||
          (rv = apr_procattr_child_out_set(attr, identities, NULL)))) ||
        (rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV)) ||
        (rv = apr_procattr_error_check_set(attr, 1)) ||
        (rv = apr_proc_create(&process->proc, l->path, make_argv(l, p), NULL,
                              attr, p))) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, l->s,
                     "can't start the launcher %s", l->path);
    }
    else {
        process->used = 1;
        process->of = l;
        process->slot = slot;
        l->slot[slot].started = cgi_clock_now();
        apr_proc_other_child_register(&process->proc, maintain, process, NULL,
                                      l->pool);
    }
    apr_pool_destroy(p);
    return rv;
}

/* A launcher died: queued requests wait for the next one. */
static void restart(launchers_t *l, int slot)
{
    if (cgi_clock_now() - l->slot[slot].started < QUICK_DEATH) {
        if (++l->slot[slot].quick_deaths >= QUICK_DEATHS_MAX) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, l->s,
                         "the launcher %s keeps dying; the next try follows "
                         "in some seconds",
                         l->path);
            l->slot[slot].wanted = 1;
            return;
        }
    }
    else {
        l->slot[slot].quick_deaths = 0;
    }
    if (spawn(l, slot) != APR_SUCCESS) {
        l->slot[slot].wanted = 1;
    }
}

static void maintain(int reason, void *data, apr_wait_t status)
{
    process_t *process = data;
    int state = AP_MPMQ_RUNNING;

    if (reason == APR_OC_REASON_RESTART) {
        /* A stop or restart that does not wait for requests: the scripts
         * end now, or their workers could not. */
        apr_proc_other_child_unregister(process);
        (void)apr_proc_kill(&process->proc, SIGTERM);
        return;
    }
    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    apr_proc_other_child_unregister(process);
    process->used = 0;
    if (!process->of || ap_mpm_query(AP_MPMQ_MPM_STATE, &state) ||
        state == AP_MPMQ_STOPPING) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, process->of->s,
                 "launcher (process %ld) ended unexpectedly (status %d), "
                 "starting another",
                 (long)process->proc.pid, (int)status);
    restart(process->of, process->slot);
}

static void start_wanted(launchers_t *l)
{
    int i;

    for (i = 0; l && i < l->n; i++) {
        if (l->slot[i].wanted) {
            l->slot[i].wanted = spawn(l, i) != APR_SUCCESS;
        }
    }
}

void cgi_launch_monitor(void)
{
    start_wanted(launchers);
    start_wanted(privileged);
}

/* Take over the launchers of earlier generations: they end by themselves
 * when their last worker has, and the MPM asks who they were. */
static void adopt_earlier(apr_pool_t *pconf)
{
    size_t i;

    retained = ap_retained_data_get(RETAINED_KEY);
    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
    }
    for (i = 0; i < sizeof(retained->process) / sizeof(process_t); i++) {
        process_t *process = &retained->process[i];

        if (process->used) {
            process->of = NULL;
            apr_proc_other_child_register(&process->proc, maintain, process,
                                          NULL, pconf);
        }
    }
}

/* Put a large message into an unlinked file in memory. */
static apr_status_t store(const void *data, apr_size_t size, int *fd)
{
    apr_size_t done = 0;

    *fd = memfd_create("cgi-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        return errno;
    }
    while (done < size) {
        ssize_t n = write(*fd, (const char *)data + done, size - done);

        if (n < 0) {
            apr_status_t rv = errno;

            close(*fd);
            *fd = -1;
            return rv;
        }
        done += (apr_size_t)n;
    }
    return APR_SUCCESS;
}

static apr_status_t close_queue(void *data)
{
    launchers_t *l = data;
    int i;

    for (i = 0; i < 2; i++) {
        if (l->queue[i] >= 0) {
            close(l->queue[i]);
            l->queue[i] = -1;
        }
    }
    if (l->identities >= 0) {
        close(l->identities);
    }
    return APR_SUCCESS;
}

static apr_status_t forget_launchers(void *unused)
{
    (void)unused;
    launchers = privileged = NULL;
    return APR_SUCCESS;
}

/* Make a queue and start n launchers that read it. */
static apr_status_t create(launchers_t **result, apr_pool_t *pconf,
                           server_rec *s, const char *path, int n,
                           int identities_fd)
{
    launchers_t *l = apr_pcalloc(pconf, sizeof(*l));
    int size = 1024 * 1024;
    apr_status_t rv = APR_SUCCESS;
    int i;

    l->path = path;
    l->s = s;
    l->pool = pconf;
    l->n = n;
    l->identities = identities_fd;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->queue)) {
        rv = errno;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't make the launcher's queue");
        return rv;
    }
    apr_pool_cleanup_register(pconf, l, close_queue, apr_pool_cleanup_null);
    /* A larger queue is welcome, a smaller one does no harm. */
    (void)setsockopt(l->queue[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    *result = l;
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = spawn(l, i);
    }
    return rv;
}

/* The launcher for scripts that run as others. It is one, and root. */
static apr_status_t create_privileged(apr_pool_t *pconf, server_rec *s,
                                      const char *path,
                                      const apr_array_header_t *identities)
{
    apr_status_t rv;
    apr_size_t size;
    void *data;
    int fd;

    cgi_identity_encode((const cgi_identity_t *)identities->elts,
                        identities->nelts, pconf, &data, &size);
    rv = store(data, size, &fd);
    /* A process of another module may inherit it: to read, at most. */
    if (rv == APR_SUCCESS &&
        fcntl(fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        rv = errno;
        close(fd);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't store the routes' users for the launcher");
        return rv;
    }
    return create(&privileged, pconf, s, path, 1, fd);
}

apr_status_t cgi_launch_init(apr_pool_t *pconf, server_rec *s,
                             const char *path,
                             const apr_array_header_t *identities)
{
    apr_status_t rv = APR_SUCCESS;
    void *shared = NULL;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    apr_pool_cleanup_register(pconf, NULL, forget_launchers,
                              apr_pool_cleanup_null);
    apr_pool_userdata_get(&shared, SHARED_KEY, pconf);
    launchers = shared;
    retained = ap_retained_data_get(RETAINED_KEY);
    if (!launchers) {
        adopt_earlier(pconf);
        rv = create(&launchers, pconf, s, path,
                    cpus < 1               ? 1
                    : cpus > LAUNCHERS_MAX ? LAUNCHERS_MAX
                                           : (int)cpus,
                    -1);
        apr_pool_userdata_setn(launchers, SHARED_KEY, NULL, pconf);
    }
    if (rv == APR_SUCCESS && identities) {
        rv = create_privileged(pconf, s, path, identities);
    }
    return rv;
}

static void close_reader(launchers_t *l)
{
    /* The other module's copy may have been here before. */
    if (l && l->queue[0] >= 0) {
        close(l->queue[0]);
        l->queue[0] = -1;
    }
    if (l && l->identities >= 0) {
        close(l->identities);
        l->identities = -1;
    }
}

void cgi_launch_child_init(void)
{
    close_reader(launchers);
    close_reader(privileged);
}

/* Send the datagram, waiting for room. */
static apr_status_t enqueue(const launchers_t *l, const struct msghdr *msg,
                            apr_interval_time_t timeout)
{
    apr_time_t until = 0;

    while (sendmsg(l->queue[1], msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        struct pollfd pfd = {.fd = l->queue[1], .events = POLLOUT};
        apr_time_t now = cgi_clock_now();

        /* ETOOMANYREFS: the launchers must take descriptors out first. */
        if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS) {
            return errno;
        }
        if (!until) {
            until = now + timeout;
        }
        if (now >= until) {
            return APR_TIMEUP;
        }
        if (errno == EAGAIN) {
            (void)poll(&pfd, 1, (int)apr_time_as_msec(until - now) + 1);
        }
        else {
            apr_sleep(apr_time_from_msec(1));
        }
    }
    return APR_SUCCESS;
}

apr_status_t cgi_launch_send(const cgi_wire_request_t *request,
                             const int fds[CGI_FD_MAX],
                             apr_interval_time_t timeout, apr_pool_t *p)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int[CGI_FD_MAX]))];
    } control;
    struct iovec iov;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
    struct cmsghdr *cmsg;
    int all[CGI_FD_MAX];
    unsigned int nfds = CGI_FD_MESSAGE;
    apr_size_t size;
    void *data;
    apr_status_t rv;

    memcpy(all, fds, sizeof(all));
    all[CGI_FD_MESSAGE] = -1;
    rv = cgi_wire_encode(request, p, &data, &size);
    if (rv == APR_SUCCESS && size > CGI_WIRE_INLINE_MAX) {
        rv = store(data, size, &all[CGI_FD_MESSAGE]);
        data = &size;
        iov.iov_len = sizeof(size);
        nfds++;
    }
    else {
        iov.iov_len = size;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    iov.iov_base = data;

    memset(&control, 0, sizeof(control));
    msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(cmsg), all, nfds * sizeof(int));
    rv = enqueue(request->identity ? privileged : launchers, &msg, timeout);
    if (all[CGI_FD_MESSAGE] >= 0) {
        close(all[CGI_FD_MESSAGE]);
    }
    return rv;
}
