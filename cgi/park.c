/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A request that waits and holds no thread.
 */

#include "cgi/cgi_exec.h"
#include "cgi/compat.h"
#include "cgi/park.h"

CGI_EXEC_USE_LOG;

#if CGI_COMPAT_PARK

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "apr_atomic.h"
#include "apr_portable.h"

#include "ap_mpm.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"
#include "scoreboard.h"

#include "base/clock.h"
#include "cgi/script.h"

/* The MPM closes what it has waited for as long as Timeout says. */
#define AGAIN(timeout) ((timeout) / 2)
/* With a shorter Timeout it might do so while threads are scarce. */
#define TIMEOUT_MIN apr_time_from_sec(1)
/* Seconds between two lines that say that parking does not work. */
#define COMPLAIN_EVERY 60

/* Ours of a connection. */
typedef struct {
    int inside;       /* 1: this thread runs what our hook has called */
    cgi_park_t *park; /* of its request, if that is to be or has been parked */
} connection_t;

struct cgi_park_t {
    request_rec *r;
    cgi_park_next_t *next;
    void *baton;
    connection_t *connection;
    int set_fd;       /* the epoll set; -1: none yet, or closed */
    int timer_fd;     /* a member of it */
    int client_fd;    /* while the connection has the set: its own socket */
    int away;         /* 1: the connection has the set */
    apr_time_t timer; /* when timer_fd becomes readable; 0: never */
    int member[CGI_PARK_FDS]; /* descriptors in the set; -1: none */
};

static int works;       /* this httpd can do all this */
static rlim_t fds_most; /* a descriptor above it must not be of the set */
static apr_uint32_t stays_most; /* threads for requests that may be parked */
static volatile apr_uint32_t stays;

static connection_t *connection_of(const conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &CGI_EXEC_MODULE_SYM);
}

/* ---- the set ---- */

/* One line a minute is enough. */
static void complain(const cgi_park_t *park, apr_status_t rv, const char *what)
{
    static volatile apr_uint32_t last;
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(cgi_clock_now());
    apr_uint32_t before = apr_atomic_read32(&last);

    if ((before && now - before < COMPLAIN_EVERY) ||
        apr_atomic_cas32(&last, now, before) != before) {
        return;
    }
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, rv, park->r,
                  "requests that wait keep their threads now: %s", what);
}

static int change_member(const cgi_park_t *park, int op, int fd, int events)
{
    struct epoll_event event;

    memset(&event, 0, sizeof(event));
    event.events = (unsigned int)events; /* epoll's are poll's, on Linux */
    return epoll_ctl(park->set_fd, op, fd, &event);
}

static int make_set(cgi_park_t *park)
{
    int i;

    park->set_fd = epoll_create1(EPOLL_CLOEXEC);
    park->timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    for (i = 0; i < CGI_PARK_FDS; i++) {
        park->member[i] = -1;
    }
    if (park->set_fd < 0 || park->timer_fd < 0 ||
        change_member(park, EPOLL_CTL_ADD, park->timer_fd, EPOLLIN)) {
        complain(park, errno, "no descriptors for them");
    }
    else if ((rlim_t)park->set_fd > fds_most ||
             (rlim_t)park->timer_fd > fds_most) {
        complain(park, 0,
                 "three quarters of the descriptors that a process may have "
                 "are taken; raise that (ulimit -n, LimitNOFILE=)");
    }
    else {
        return 1;
    }
    cgi_script_close(&park->set_fd);
    cgi_script_close(&park->timer_fd);
    return 0;
}

/* Change a member to what poll() would look at. A descriptor that has been
 * closed has left the set by itself, and its number may be another's now. */
static int set_member(cgi_park_t *park, int i, const struct pollfd *pfd)
{
    int fd = pfd->fd, *member = &park->member[i];

    if (*member >= 0 && *member != fd) {
        (void)change_member(park, EPOLL_CTL_DEL, *member, 0);
    }
    *member = fd;
    return fd < 0 || !change_member(park, EPOLL_CTL_MOD, fd, pfd->events) ||
           !change_member(park, EPOLL_CTL_ADD, fd, pfd->events);
}

/* One that is set already and comes early enough does. */
static int set_timer(cgi_park_t *park, apr_time_t until, apr_time_t now)
{
    struct itimerspec at;

    if (park->timer > now && park->timer <= until) {
        return 1;
    }
    memset(&at, 0, sizeof(at));
    at.it_value.tv_sec = (time_t)apr_time_sec(until);
    at.it_value.tv_nsec = (long)apr_time_usec(until) * 1000;
    park->timer = until;
    return !timerfd_settime(park->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- the connection ---- */

/* Give the connection the set in place of its socket. */
static void go_away(cgi_park_t *park)
{
    conn_rec *c = park->r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);

    (void)apr_os_sock_get(&park->client_fd, socket);
    (void)apr_os_sock_put(&socket, &park->set_fd, c->pool);
    park->away = 1;
    c->cs->sense = CONN_SENSE_WANT_READ;
    c->cs->state = CONN_STATE_ASYNC_WAITIO;
}

static void come_back(cgi_park_t *park)
{
    conn_rec *c = park->r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);
    int fd = -1;

    if (!park->away) {
        return;
    }
    park->away = 0;
    (void)apr_os_sock_get(&fd, socket);
    if (fd == park->set_fd) {
        (void)apr_os_sock_put(&socket, &park->client_fd, c->pool);
    }
    else { /* the MPM has closed "the socket": that was the set */
        cgi_script_close(&park->client_fd);
        park->set_fd = -1;
        c->aborted = 1;
    }
}

/* The request has ended: as httpd goes on after a handler. */
static void answer(cgi_park_t *park, int status)
{
    request_rec *r = park->r;

    park->connection->park = NULL;
    if (status != OK) {
        r->status = HTTP_OK; /* or httpd takes it for an error in an error */
    }
    ap_die(status, r);
    ap_process_request_after_handler(r);
}

static void go_on(cgi_park_t *park)
{
    request_rec *r = park->r;
    int status;

    ap_update_child_status(r->connection->sbh, SERVER_BUSY_WRITE, r);
    if (ap_extended_status) {
        ap_time_process_request(r->connection->sbh, START_PREQUEST);
    }
    r->connection->cs->state = CONN_STATE_HANDLER;
    apr_thread_mutex_lock(r->invoke_mtx);
    status = park->next(park->baton, 0);
    apr_thread_mutex_unlock(r->invoke_mtx);
    if (status == SUSPENDED) {
        if (ap_extended_status) {
            ap_time_process_request(r->connection->sbh, STOP_PREQUEST);
        }
        go_away(park);
    }
    else {
        answer(park, status);
    }
}

/* End a request in order, so that its script ends and it is logged. */
static void give_up(cgi_park_t *park)
{
    request_rec *r = park->r;
    conn_rec *c = r->connection;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "httpd closes the connection of a request that waits");
    c->aborted = 1;
    apr_thread_mutex_lock(r->invoke_mtx);
    (void)park->next(park->baton, 1);
    apr_thread_mutex_unlock(r->invoke_mtx);
    answer(park, OK);
    c->cs->state = CONN_STATE_LINGER;
}

static int process_connection(conn_rec *c)
{
    connection_t *here = connection_of(c);
    int rc;

    if (!works || c->master || !c->cs || (here && here->inside)) {
        return DECLINED;
    }
    if (here && here->park) {
        come_back(here->park);
        go_on(here->park);
        return OK;
    }
    if (!here) {
        here = apr_pcalloc(c->pool, sizeof(*here));
        ap_set_module_config(c->conn_config, &CGI_EXEC_MODULE_SYM, here);
    }
    here->inside = 1;
    rc = ap_run_process_connection(c);
    here->inside = 0;
    if (here->park && c->cs->state == CONN_STATE_SUSPENDED) {
        go_away(here->park);
    }
    else if (here->park) { /* somebody between has not passed that on */
        give_up(here->park);
    }
    return rc;
}

/* Before the MPM does anything with a connection that it has waited for. If
 * that is not to process it, it gives it up: its own Timeout is over, or it
 * is about to close. */
static void resume_connection(conn_rec *c, request_rec *r)
{
    connection_t *here = connection_of(c);

    (void)r;
    if (here && here->park) {
        come_back(here->park);
        if (c->cs->state != CONN_STATE_PROCESSING) {
            give_up(here->park);
        }
    }
}

/* ---- a request ---- */

static apr_status_t forget(void *data)
{
    cgi_park_t *park = data;

    come_back(park);
    park->connection->park = NULL;
    cgi_script_close(&park->set_fd);
    cgi_script_close(&park->timer_fd);
    return APR_SUCCESS;
}

/* The MPM's listener ends with the last connection that it knows of, and it
 * does not know one that was accepted right before. Then nobody polls. */
static int is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS ||
           state == AP_MPMQ_STOPPING;
}

cgi_park_t *cgi_park_make(request_rec *r, cgi_park_next_t *next, void *baton)
{
    conn_rec *c = r->connection;
    connection_t *here = connection_of(c);
    cgi_park_t *park;

    /* httpd resumes neither a part of another request nor one that it has
     * redirected to itself. */
    if (!works || !here || !here->inside || here->park || r->main || r->prev ||
        c->clogging_input_filters || r->server->timeout < TIMEOUT_MIN ||
        c->base_server->timeout < TIMEOUT_MIN) {
        return NULL;
    }
    park = apr_pcalloc(r->pool, sizeof(*park));
    park->r = r;
    park->next = next;
    park->baton = baton;
    park->connection = here;
    park->set_fd = park->timer_fd = -1;
    apr_pool_cleanup_register(r->pool, park, forget, apr_pool_cleanup_null);
    return park;
}

int cgi_park_leave(cgi_park_t *park, const struct pollfd *pfd,
                   apr_time_t until, apr_time_t now)
{
    apr_interval_time_t timeout = park->r->server->timeout;
    apr_interval_time_t other = park->r->connection->base_server->timeout;
    apr_time_t again = now + AGAIN(timeout < other ? timeout : other);
    int i;

    if (park->set_fd < 0 && (is_stopping() || !make_set(park))) {
        return 0;
    }
    for (i = 0; i < CGI_PARK_FDS; i++) {
        if (!set_member(park, i, &pfd[i])) {
            complain(park, errno, "no room in an epoll set");
            return 0;
        }
    }
    if (!set_timer(park, until && until < again ? until : again, now)) {
        return 0;
    }
    park->connection->park = park;
    return 1;
}

int cgi_park_may_stay(void)
{
    if (apr_atomic_inc32(&stays) < stays_most) {
        return 1;
    }
    cgi_park_stayed();
    return 0;
}

void cgi_park_stayed(void)
{
    apr_atomic_dec32(&stays);
}

/* ---- at start ---- */

/* Does a set within a set wake, and can a socket's descriptor be exchanged?
 * @return NULL, or what can't be done */
static const char *try_it(apr_pool_t *p)
{
    const char *wrong = NULL;
    struct pollfd pfd = {.events = POLLIN};
    apr_socket_t *socket = NULL;
    cgi_park_t park;
    int fds[2], fd = -1;

    memset(&park, 0, sizeof(park));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        return "no sockets";
    }
    park.set_fd = epoll_create1(EPOLL_CLOEXEC);
    pfd.fd = epoll_create1(EPOLL_CLOEXEC);
    if (change_member(&park, EPOLL_CTL_ADD, fds[0], EPOLLIN) ||
        epoll_ctl(pfd.fd, EPOLL_CTL_ADD, park.set_fd,
                  &(struct epoll_event){.events = EPOLLIN}) ||
        poll(&pfd, 1, 0) || write(fds[1], "", 1) != 1 ||
        poll(&pfd, 1, 0) != 1) {
        wrong = "an epoll set does not work within another";
    }
    else if (apr_os_sock_put(&socket, &fds[0], p) != APR_SUCCESS ||
             apr_os_sock_put(&socket, &park.set_fd, p) != APR_SUCCESS ||
             apr_os_sock_get(&fd, socket) != APR_SUCCESS ||
             fd != park.set_fd) {
        wrong = "a socket's descriptor can't be exchanged";
    }
    cgi_script_close(&pfd.fd);
    cgi_script_close(&park.set_fd);
    cgi_script_close(&fds[0]);
    cgi_script_close(&fds[1]);
    return wrong;
}

void cgi_park_init(apr_pool_t *pconf, server_rec *s)
{
    struct rlimit limit;
    int can = 0, threads = 0;
    const char *wrong;

    works = 0;
    if (ap_mpm_query(AP_MPMQ_CAN_WAITIO, &can) != APR_SUCCESS || !can) {
        return; /* a thread or process for each connection is its design */
    }
    if ((wrong = try_it(pconf))) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "requests that wait keep their threads: %s", wrong);
        return;
    }
    fds_most =
        getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY
            ? RLIM_INFINITY
            : limit.rlim_cur / 4 * 3;
    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    stays_most = (apr_uint32_t)threads / 4;
    works = 1;
}

void cgi_park_register_hooks(void)
{
    ap_hook_process_connection(process_connection, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);
    ap_hook_resume_connection(resume_connection, NULL, NULL,
                              APR_HOOK_REALLY_FIRST);
}

#else /* an httpd whose MPM can't wait for more than the socket */

cgi_park_t *cgi_park_make(request_rec *r, cgi_park_next_t *next, void *baton)
{
    (void)r;
    (void)next;
    (void)baton;
    return NULL;
}

int cgi_park_leave(cgi_park_t *park, const struct pollfd *pfd,
                   apr_time_t until, apr_time_t now)
{
    (void)park;
    (void)pfd;
    (void)until;
    (void)now;
    return 0;
}

int cgi_park_may_stay(void)
{
    return 0;
}

void cgi_park_stayed(void)
{
}

void cgi_park_init(apr_pool_t *pconf, server_rec *s)
{
    (void)pconf;
    (void)s;
}

void cgi_park_register_hooks(void)
{
}

#endif
