/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The launcher's scripts from their start until nothing is left of them: who
 * holds their leases, when they get SIGTERM and SIGKILL, and what becomes of
 * those of a launcher that has died.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_ring.h"

#include "base/procstat.h"
#include "launcher/launcher.h"

/* A worker closes the lease when it saw the end of the output; the script
 * is then about to exit. Only one that is not is ended. */
#define EXIT_GRACE apr_time_from_msec(50)

/* Between two looks at a group whose leader is gone. */
#define GROUP_POLL apr_time_from_msec(20)

/* So many pieces of 4 KiB are read of a script's last words. */
#define STDERR_READS 16

/* The longest wait for an event. */
#define WAIT_MAX apr_time_from_sec(3600)

typedef enum {
    SCRIPT_RUNNING, /* lease held */
    SCRIPT_GRACE,   /* lease given back, SIGTERM at the deadline */
    SCRIPT_TERM     /* SIGTERM sent, SIGKILL at the deadline */
} script_state_e;

/* A process that has asked for scripts. */
struct launcher_worker_t {
    launcher_event_e kind; /* first */
    pid_t pid;
    int pidfd; /* readable when it has ended */
};

struct launcher_script_t {
    launcher_event_e kind;                  /* first */
    APR_RING_ENTRY(launcher_script_t) link; /* in all.timed, by no order */
    pid_t pid;                              /* and process group */
    launcher_entry_t *entry;
    script_state_e state;
    int foreign; /* 1: a dead launcher's, and no child of ours */
    int reaped;
    apr_interval_time_t kill_timeout;
    apr_time_t deadline; /* 0: none */
    int control_fd;
    int stderr_fd;    /* the end to read, which the worker left to us; or -1 */
    int holds_stderr; /* 1: nobody left it; it is open, and not to be read */
};

static struct {
    apr_pool_t *pool;
    int epoll_fd;
    apr_hash_t *scripts; /* pid_t -> launcher_script_t */
    apr_hash_t *workers; /* pid_t -> launcher_worker_t */
    APR_RING_HEAD(timed_ring, launcher_script_t)
    timed; /* GRACE, TERM and foreign */
} all;

int launcher_tend_open(apr_pool_t *pool)
{
    all.pool = pool;
    all.scripts = apr_hash_make(pool);
    all.workers = apr_hash_make(pool);
    APR_RING_INIT(&all.timed, launcher_script_t, link);
    return all.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
}

int launcher_watch(int fd, unsigned int events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    return epoll_ctl(all.epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void launcher_unwatch(int fd)
{
    (void)epoll_ctl(all.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Give up the control socket, if there still is one. */
static void close_control(launcher_script_t *script)
{
    if (script->control_fd >= 0) {
        launcher_unwatch(script->control_fd);
        close(script->control_fd);
        script->control_fd = -1;
    }
}

/* The worker's last words may be the reading end of the script's stderr. A
 * script that is about to be ended is not to die of a closed pipe before its
 * trap of SIGTERM has run. */
static void take_stderr(launcher_script_t *script)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_LEN(sizeof(int))};
    struct cmsghdr *c;
    ssize_t n;
    int tries = 0;

    do {
        n = recvmsg(script->control_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        /* said once, when the worker has left notes of ours unread */
    } while (n < 0 && errno == ECONNRESET && !tries++);
    if (n > 0 && (c = CMSG_FIRSTHDR(&msg)) && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&script->stderr_fd, CMSG_DATA(c), sizeof(int));
    }
}

/* The same where the worker has no last words, because httpd stops: the pipe
 * has an end to read again. What comes into it may be another's to read. */
static void hold_stderr(launcher_script_t *script)
{
    char name[64];
    struct stat st;

    if (script->stderr_fd >= 0 || script->reaped) {
        return;
    }
    (void)snprintf(name, sizeof(name), "/proc/%ld/fd/2", (long)script->pid);
    if (!stat(name, &st) && S_ISFIFO(st.st_mode)) {
        script->stderr_fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        script->holds_stderr = 1;
    }
}

/* What it has said since, as much as fits into the pipe, goes to the log; no
 * line of it can be taken for another's. A launcher that is not the workers'
 * own user reads from nothing that a worker opened. */
static void close_stderr(launcher_script_t *script)
{
    char buf[4096];
    ssize_t n, i;
    int reads, byte, begun = 0;

    if (script->stderr_fd < 0) {
        return;
    }
    if (!script->holds_stderr && !launcher_has_identities() &&
        !fcntl(script->stderr_fd, F_SETFL, O_NONBLOCK)) {
        for (reads = 0; reads < STDERR_READS &&
                        (n = read(script->stderr_fd, buf, sizeof(buf))) > 0;
             reads++) {
            for (i = 0; i < n; i++) {
                if (!begun) {
                    fprintf(stderr,
                            "cgi-launcher: last words of process %ld: ",
                            (long)script->pid);
                }
                begun = buf[i] != '\n';
                byte = (unsigned char)buf[i];
                fputc((byte < ' ' && begun) || byte == 127 ? '?' : byte,
                      stderr);
            }
        }
        if (begun) {
            fputc('\n', stderr);
        }
    }
    close(script->stderr_fd);
    script->stderr_fd = -1;
    if (launcher_is_warm) {
        explicit_bzero(buf, sizeof(buf));
        launcher_wipe_log();
    }
}

static int is_timed(const launcher_script_t *script)
{
    return script->foreign || script->state != SCRIPT_RUNNING;
}

static void set_state(launcher_script_t *script, script_state_e state)
{
    if (!is_timed(script)) {
        APR_RING_INSERT_TAIL(&all.timed, script, launcher_script_t, link);
    }
    script->state = state;
}

/* The script that an entry is of has ended: nothing of it stays. */
static void clear_entry(launcher_entry_t *entry, pid_t pid)
{
    launcher_tmp_t *tmp;

    if (entry->pid == pid && launcher_table_is_own(entry)) {
        launcher_cgroup_remove(entry);
        tmp = launcher_table_tmp(entry);
        launcher_sandbox_remove_tmp(launcher_identity(tmp->identity), tmp);
        launcher_table_remove(entry, pid);
    }
}

static void forget(launcher_script_t *script)
{
    close_control(script);
    close_stderr(script);
    if (is_timed(script)) {
        APR_RING_REMOVE(script, link);
    }
    clear_entry(script->entry, script->pid);
    apr_hash_set(all.scripts, &script->pid, sizeof(script->pid), NULL);
    free(script);
}

/* The group exists from the child's setpgid() on; before, its one process
 * can be reached by its own number. */
static void signal_group(const launcher_script_t *script, int sig)
{
    if (kill(-script->pid, sig) && errno == ESRCH && !script->reaped) {
        kill(script->pid, sig);
    }
    launcher_cgroup_signal(script->entry, sig);
}

static void begin_grace(launcher_script_t *script)
{
    take_stderr(script);
    close_control(script);
    set_state(script, SCRIPT_GRACE);
    script->deadline = launcher_now() + EXIT_GRACE;
}

static void begin_term(launcher_script_t *script)
{
    close_control(script);
    set_state(script, SCRIPT_TERM);
    script->deadline =
        script->kill_timeout ? launcher_now() + script->kill_timeout : 0;
    hold_stderr(script);
    signal_group(script, SIGTERM);
}

static int is_group_gone(const launcher_script_t *script)
{
    return kill(-script->pid, 0) && errno == ESRCH &&
           launcher_cgroup_is_empty(script->entry);
}

/* KILL was sent, or is not to be. What it can't reach in the group is left; in
 * a cgroup, it reaches all. */
static int is_over(const launcher_script_t *script)
{
    return !script->deadline &&
           (!script->kill_timeout || launcher_cgroup_is_empty(script->entry));
}

/* Nothing of the script is left to be ended. */
static int is_done(const launcher_script_t *script)
{
    return script->reaped && (is_group_gone(script) || is_over(script));
}

/* What a script has started goes with it, unless it has left the group, and
 * there is no cgroup that it could not leave. */
static void end_rest(launcher_script_t *script)
{
    if (!is_group_gone(script)) {
        begin_term(script);
        if (script->deadline) {
            return;
        }
    }
    forget(script);
}

static void on_exit_status(launcher_script_t *script, int status)
{
    script->reaped = 1;
    switch (script->state) {
    case SCRIPT_RUNNING:
        launcher_note(script->control_fd, CGI_NOTE_EXITED, status, 0);
        end_rest(script);
        break;
    case SCRIPT_GRACE:
        end_rest(script);
        break;
    case SCRIPT_TERM:
        /* The rest of its group has until the deadline. */
        if (is_done(script)) {
            forget(script);
        }
        break;
    }
}

void launcher_tend_reap(void)
{
    launcher_script_t *script;
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        script = apr_hash_get(all.scripts, &pid, sizeof(pid));
        if (script) {
            on_exit_status(script, status);
        }
    }
}

/* A foreign script is looked at again and again: nobody tells of its end. Nor
 * of its worker's, unless that has claimed it. @return 1: it is forgotten */
static int look_at(launcher_script_t *script)
{
    if (!launcher_table_is_own(script->entry)) {
        forget(script); /* claimed, and another launcher took the claim */
        return 1;
    }
    if (!script->reaped && kill(script->pid, 0) && errno == ESRCH) {
        pid_t pid = script->pid;

        on_exit_status(script, CGI_STATUS_UNKNOWN);
        return !apr_hash_get(all.scripts, &pid, sizeof(pid));
    }
    if (script->state == SCRIPT_RUNNING && script->control_fd < 0) {
        if (script->entry->ended) {
            begin_grace(script);
        }
        else if (kill(script->entry->worker, 0) && errno == ESRCH) {
            begin_term(script);
        }
    }
    return 0;
}

/* Act on deadlines; return the time until the next one, or -1. */
apr_interval_time_t launcher_tend_timers(void)
{
    apr_time_t now, next = 0;
    launcher_script_t *script, *after;

    if (APR_RING_EMPTY(&all.timed, launcher_script_t, link)) {
        return -1;
    }
    now = launcher_now();
    APR_RING_FOREACH_SAFE(script, after, &all.timed, launcher_script_t, link)
    {
        if (script->foreign && look_at(script)) {
            continue;
        }
        if (script->foreign && (!next || now + GROUP_POLL < next)) {
            next = now + GROUP_POLL;
        }
        if (!script->deadline && !script->reaped) {
            continue;
        }
        /* A number is another's as soon as its group is gone. Nobody comes
         * around all numbers between two looks. */
        if (is_done(script)) {
            forget(script);
            continue;
        }
        if (script->deadline && script->deadline <= now) {
            if (script->state == SCRIPT_GRACE) {
                begin_term(script);
            }
            else {
                signal_group(script, SIGKILL);
                script->deadline = 0;
                if (is_done(script)) {
                    forget(script);
                    continue;
                }
            }
        }
        if (script->reaped && (!next || now + GROUP_POLL < next)) {
            next = now + GROUP_POLL;
        }
        if (script->deadline && (!next || script->deadline < next)) {
            next = script->deadline;
        }
    }
    if (!next) {
        return -1;
    }
    return next <= now ? 0 : next - now > WAIT_MAX ? WAIT_MAX : next - now;
}

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* @return -1 and ESRCH: it has ended; -1 and another error: an old kernel */
static int open_pidfd(int control_fd, pid_t pid)
{
    int fd;
    socklen_t len = sizeof(fd);

    if (!getsockopt(control_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &len)) {
        return fd;
    }
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    return -1;
#endif
}

/* A worker of httpd is a child of its parent, as we are; or with -X that
 * itself. Others have no business with root, and would have shares of their
 * own. proc(5): what follows the state. */
static int is_of_httpd(pid_t pid)
{
    char buf[CGI_PROCSTAT_SIZE];
    const char *fields = cgi_procstat_read(pid, buf);
    long parent;

    if (!fields) {
        return 1; /* no /proc: can't be told */
    }
    parent = strlen(fields) > 3 ? strtol(fields + 3, NULL, 10) : -1;
    return pid == getppid() || parent == getppid();
}

/* The process that made a control socket. A lease ends with it, too: somebody
 * else may have been given its end. @return 0: it has ended, or is unknown */
pid_t launcher_tend_worker(int control_fd)
{
    struct ucred maker;
    socklen_t len = sizeof(maker);
    launcher_worker_t *worker;

    if (getsockopt(control_fd, SOL_SOCKET, SO_PEERCRED, &maker, &len) ||
        maker.pid <= 0) {
        return 0;
    }
    if (apr_hash_get(all.workers, &maker.pid, sizeof(maker.pid))) {
        return maker.pid;
    }
    if ((launcher_has_identities() && !is_of_httpd(maker.pid)) ||
        !(worker = calloc(1, sizeof(*worker)))) {
        return 0;
    }
    worker->kind = LAUNCHER_WORKER;
    worker->pid = maker.pid;
    worker->pidfd = open_pidfd(control_fd, maker.pid);
    if (worker->pidfd < 0 || launcher_watch(worker->pidfd, EPOLLIN, worker)) {
        int gone = worker->pidfd < 0 && errno == ESRCH;

        if (worker->pidfd >= 0) {
            close(worker->pidfd);
        }
        free(worker);
        return gone ? 0 : maker.pid;
    }
    apr_hash_set(all.workers, &worker->pid, sizeof(worker->pid), worker);
    return maker.pid;
}

void launcher_tend_worker_end(launcher_worker_t *worker)
{
    apr_hash_index_t *hi;
    void *val;

    for (hi = apr_hash_first(NULL, all.scripts); hi; hi = apr_hash_next(hi)) {
        launcher_script_t *script;

        apr_hash_this(hi, NULL, NULL, &val);
        script = val;
        if (script->state == SCRIPT_RUNNING &&
            script->entry->worker == worker->pid) {
            begin_grace(script);
        }
    }
    apr_hash_set(all.workers, &worker->pid, sizeof(worker->pid), NULL);
    launcher_unwatch(worker->pidfd);
    close(worker->pidfd);
    free(worker);
}

launcher_script_t *launcher_tend_new(launcher_entry_t *entry, int foreign)
{
    launcher_script_t *script = calloc(1, sizeof(*script));

    if (script) {
        script->kind = LAUNCHER_SCRIPT;
        script->entry = entry;
        script->foreign = foreign;
        script->kill_timeout = apr_time_from_msec((apr_time_t)entry->kill_ms);
        script->control_fd = script->stderr_fd = -1;
    }
    return script;
}

/* Its process is there: from now on it is looked after. */
void launcher_tend_begin(launcher_script_t *script, int control_fd)
{
    script->pid = script->entry->pid;
    script->control_fd = control_fd;
    apr_hash_set(all.scripts, &script->pid, sizeof(script->pid), script);
    if (script->foreign) {
        APR_RING_INSERT_TAIL(&all.timed, script, launcher_script_t, link);
    }
    /* The end of the lease is a hang-up, which is always reported. */
    if (control_fd >= 0 && launcher_watch(control_fd, 0, script)) {
        close(control_fd);
        script->control_fd = -1;
        begin_term(script);
    }
}

/* What a launcher of this number has left behind. Workers claim theirs; until
 * then a script lives as long as its worker, which may be sending to a slow
 * client. */
void launcher_tend_left(void)
{
    launcher_entry_t *entry = NULL;
    launcher_script_t *script;

    while ((entry = launcher_table_next(entry))) {
        if (!launcher_table_is_own(entry)) {
            continue;
        }
        if (!launcher_table_is_alive(entry)) {
            clear_entry(entry, entry->pid);
        }
        else if ((script = launcher_tend_new(entry, 1))) {
            launcher_tend_begin(script, -1);
        }
    }
}

/* A message may have waited for longer than its worker does. */
int launcher_is_given_back(int control_fd)
{
    struct pollfd pfd = {.fd = control_fd, .events = 0};

    return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP);
}

/* A worker's script has lost its launcher: hold the lease for it. Or it may
 * have: a claim whose lease has ended already says that the script has. */
void launcher_tend_claim(pid_t pid, int fds[CGI_FD_MAX])
{
    pid_t worker = launcher_tend_worker(fds[CGI_FD_CONTROL]);
    launcher_script_t *script = apr_hash_get(all.scripts, &pid, sizeof(pid));
    launcher_entry_t *entry;

    if (launcher_is_given_back(fds[CGI_FD_CONTROL])) {
        launcher_table_end(pid, worker);
        return;
    }
    if (script &&
        (!script->foreign || script->state != SCRIPT_RUNNING ||
         script->control_fd >= 0 || script->entry->worker != worker)) {
        return; /* no honest worker */
    }
    if (script) {
        script->control_fd = fds[CGI_FD_CONTROL];
        if (launcher_watch(script->control_fd, 0, script)) {
            script->control_fd = -1;
            begin_term(script);
            return;
        }
    }
    else {
        entry = launcher_table_claim(pid, worker);
        if (entry && !launcher_table_is_alive(entry)) {
            clear_entry(entry, pid);
            entry = NULL;
        }
        if (!entry || !(script = launcher_tend_new(entry, 1))) {
            launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_EXITED,
                          CGI_STATUS_UNKNOWN, 0);
            return;
        }
        launcher_tend_begin(script, fds[CGI_FD_CONTROL]);
    }
    launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_STARTED, pid, 0);
    fds[CGI_FD_CONTROL] = -1;
}

unsigned int launcher_tend_count(void)
{
    return apr_hash_count(all.scripts);
}

unsigned int launcher_tend_count_of(pid_t worker)
{
    apr_hash_index_t *hi;
    void *val;
    unsigned int n = 0;

    for (hi = apr_hash_first(NULL, all.scripts); hi; hi = apr_hash_next(hi)) {
        apr_hash_this(hi, NULL, NULL, &val);
        n += ((launcher_script_t *)val)->entry->worker == worker;
    }
    return n;
}

void launcher_tend_hang_up(launcher_script_t *script)
{
    begin_grace(script);
}

void launcher_tend_end_all(void)
{
    apr_hash_index_t *hi;
    void *val;

    for (hi = apr_hash_first(all.pool, all.scripts); hi;
         hi = apr_hash_next(hi)) {
        launcher_script_t *script;

        apr_hash_this(hi, NULL, NULL, &val);
        script = val;
        if (script->state != SCRIPT_TERM) {
            /* for the worker, which must not wait for one that traps it */
            launcher_note(script->control_fd, CGI_NOTE_EXITED, SIGTERM, 0);
            begin_term(script);
        }
    }
}
