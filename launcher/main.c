/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * cgi-launcher: starts CGI programs for httpd's workers, and ends them.
 *
 * httpd's parent starts it with the queue as descriptor 0. Each message on
 * the queue is one script to start (wire.h). The script gets the pipes that
 * came with the message; nothing passes through here. The control socket
 * that came along is the script's lease: when the worker closes it, for
 * whatever reason, the script's process group is ended.
 *
 * With -i it is the privileged launcher: it stays root, starts scripts with
 * the identities that httpd's parent gave it, and nothing else. With -i and an
 * interpreter it is a user's: it becomes that user, and starts scripts with
 * those of the identities that are his.
 *
 * It is small on purpose: fork() copies the page tables of the caller, and
 * those of a worker are large. It is single-threaded, and never waits for
 * anything but its poll set.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_hash.h"
#include "apr_ring.h"
#include "apr_time.h"

#include "base/procstat.h"
#include "base/version.h"
#include "launcher/launcher.h"

/* As the launcher finds it. */
#define QUEUE_FD 0
/* With -i: the identities, as a file to read. It stands where stdout would,
 * which a launcher has no use for. */
#define IDENTITIES_FD 1
/* A large message's memory goes back to the system, down to this. */
#define KEEP_FREE (64 * 1024)
/* Of the workers' user; more are left out. */
#define GROUPS_MAX 256

/* A worker closes the lease when it saw the end of the output; the script
 * is then about to exit. Only one that is not is ended. */
#define EXIT_GRACE apr_time_from_msec(50)

/* Between two looks at a group whose leader is gone. */
#define GROUP_POLL apr_time_from_msec(20)

/* So many pieces of 4 KiB are read of a script's last words. */
#define STDERR_READS 16

/* The longest wait for an event. */
#define WAIT_MAX apr_time_from_sec(3600)

/* What the poll set tells of, by what its pointers begin with. */
typedef enum { IS_QUEUE, IS_SIGNAL, IS_SCRIPT, IS_WORKER } event_e;

typedef enum {
    SCRIPT_RUNNING, /* lease held */
    SCRIPT_GRACE,   /* lease given back, SIGTERM at the deadline */
    SCRIPT_TERM     /* SIGTERM sent, SIGKILL at the deadline */
} script_state_e;

/* A process that has asked for scripts. */
typedef struct worker_t {
    event_e kind; /* first */
    pid_t pid;
    int pidfd; /* readable when it has ended */
} worker_t;

typedef struct script_t script_t;
struct script_t {
    event_e kind;                  /* first */
    APR_RING_ENTRY(script_t) link; /* in launcher.timed, by no order */
    pid_t pid;                     /* and process group */
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
    apr_pool_t *message_pool; /* cleared after each start */
    int epoll_fd, signal_fd;
    apr_hash_t *scripts;                       /* pid_t -> script_t */
    apr_hash_t *workers;                       /* pid_t -> worker_t */
    APR_RING_HEAD(timed_ring, script_t) timed; /* GRACE, TERM and foreign */
    int queue_open;
    unsigned int share; /* scripts that one worker may have; 0: any number */
} launcher;

static event_e is_queue = IS_QUEUE, is_signal = IS_SIGNAL,
               is_script = IS_SCRIPT;
static char inline_message[CGI_WIRE_INLINE_MAX];
static char stderr_buffer[BUFSIZ];
static int queue_fd = QUEUE_FD;
static launcher_warm_t warm;

static int watch(int fd, unsigned int events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    return epoll_ctl(launcher.epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void unwatch(int fd)
{
    (void)epoll_ctl(launcher.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Give up the control socket, if there still is one. */
static void close_control(script_t *script)
{
    if (script->control_fd >= 0) {
        unwatch(script->control_fd);
        close(script->control_fd);
        script->control_fd = -1;
    }
}

/* The worker's last words may be the reading end of the script's stderr. A
 * script that is about to be ended is not to die of a closed pipe before its
 * trap of SIGTERM has run. */
static void take_stderr(script_t *script)
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
static void hold_stderr(script_t *script)
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
static void close_stderr(script_t *script)
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
        explicit_bzero(stderr_buffer, sizeof(stderr_buffer));
    }
}

static int is_timed(const script_t *script)
{
    return script->foreign || script->state != SCRIPT_RUNNING;
}

static void set_state(script_t *script, script_state_e state)
{
    if (!is_timed(script)) {
        APR_RING_INSERT_TAIL(&launcher.timed, script, script_t, link);
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

static void forget(script_t *script)
{
    close_control(script);
    close_stderr(script);
    if (is_timed(script)) {
        APR_RING_REMOVE(script, link);
    }
    clear_entry(script->entry, script->pid);
    apr_hash_set(launcher.scripts, &script->pid, sizeof(script->pid), NULL);
    free(script);
}

/* The group exists from the child's setpgid() on; before, its one process
 * can be reached by its own number. */
static void signal_group(const script_t *script, int sig)
{
    if (kill(-script->pid, sig) && errno == ESRCH && !script->reaped) {
        kill(script->pid, sig);
    }
    launcher_cgroup_signal(script->entry, sig);
}

static void begin_grace(script_t *script)
{
    take_stderr(script);
    close_control(script);
    set_state(script, SCRIPT_GRACE);
    script->deadline = launcher_now() + EXIT_GRACE;
}

static void begin_term(script_t *script)
{
    close_control(script);
    set_state(script, SCRIPT_TERM);
    script->deadline =
        script->kill_timeout ? launcher_now() + script->kill_timeout : 0;
    hold_stderr(script);
    signal_group(script, SIGTERM);
}

static int is_group_gone(const script_t *script)
{
    return kill(-script->pid, 0) && errno == ESRCH &&
           launcher_cgroup_is_empty(script->entry);
}

/* KILL was sent, or is not to be. What it can't reach in the group is left; in
 * a cgroup, it reaches all. */
static int is_over(const script_t *script)
{
    return !script->deadline &&
           (!script->kill_timeout || launcher_cgroup_is_empty(script->entry));
}

/* Nothing of the script is left to be ended. */
static int is_done(const script_t *script)
{
    return script->reaped && (is_group_gone(script) || is_over(script));
}

/* What a script has started goes with it, unless it has left the group, and
 * there is no cgroup that it could not leave. */
static void end_rest(script_t *script)
{
    if (!is_group_gone(script)) {
        begin_term(script);
        if (script->deadline) {
            return;
        }
    }
    forget(script);
}

static void on_exit_status(script_t *script, int status)
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

static void reap(void)
{
    script_t *script;
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        script = apr_hash_get(launcher.scripts, &pid, sizeof(pid));
        if (script) {
            on_exit_status(script, status);
        }
    }
}

/* A foreign script is looked at again and again: nobody tells of its end. Nor
 * of its worker's, unless that has claimed it. @return 1: it is forgotten */
static int look_at(script_t *script)
{
    if (!launcher_table_is_own(script->entry)) {
        forget(script); /* claimed, and another launcher took the claim */
        return 1;
    }
    if (!script->reaped && kill(script->pid, 0) && errno == ESRCH) {
        pid_t pid = script->pid;

        on_exit_status(script, CGI_STATUS_UNKNOWN);
        return !apr_hash_get(launcher.scripts, &pid, sizeof(pid));
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
static apr_interval_time_t run_timers(void)
{
    apr_time_t now, next = 0;
    script_t *script, *after;

    if (APR_RING_EMPTY(&launcher.timed, script_t, link)) {
        return -1;
    }
    now = launcher_now();
    APR_RING_FOREACH_SAFE(script, after, &launcher.timed, script_t, link)
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
static pid_t worker_of(int control_fd)
{
    struct ucred maker;
    socklen_t len = sizeof(maker);
    worker_t *worker;

    if (getsockopt(control_fd, SOL_SOCKET, SO_PEERCRED, &maker, &len) ||
        maker.pid <= 0) {
        return 0;
    }
    if (apr_hash_get(launcher.workers, &maker.pid, sizeof(maker.pid))) {
        return maker.pid;
    }
    if ((launcher_has_identities() && !is_of_httpd(maker.pid)) ||
        !(worker = calloc(1, sizeof(*worker)))) {
        return 0;
    }
    worker->kind = IS_WORKER;
    worker->pid = maker.pid;
    worker->pidfd = open_pidfd(control_fd, maker.pid);
    if (worker->pidfd < 0 || watch(worker->pidfd, EPOLLIN, worker)) {
        int gone = worker->pidfd < 0 && errno == ESRCH;

        if (worker->pidfd >= 0) {
            close(worker->pidfd);
        }
        free(worker);
        return gone ? 0 : maker.pid;
    }
    apr_hash_set(launcher.workers, &worker->pid, sizeof(worker->pid), worker);
    return maker.pid;
}

static void on_worker_end(worker_t *worker)
{
    apr_hash_index_t *hi;
    void *val;

    for (hi = apr_hash_first(NULL, launcher.scripts); hi;
         hi = apr_hash_next(hi)) {
        script_t *script;

        apr_hash_this(hi, NULL, NULL, &val);
        script = val;
        if (script->state == SCRIPT_RUNNING &&
            script->entry->worker == worker->pid) {
            begin_grace(script);
        }
    }
    apr_hash_set(launcher.workers, &worker->pid, sizeof(worker->pid), NULL);
    unwatch(worker->pidfd);
    close(worker->pidfd);
    free(worker);
}

static script_t *add_script(launcher_entry_t *entry, int foreign)
{
    script_t *script = calloc(1, sizeof(*script));

    if (script) {
        script->kind = IS_SCRIPT;
        script->entry = entry;
        script->foreign = foreign;
        script->kill_timeout = apr_time_from_msec((apr_time_t)entry->kill_ms);
        script->control_fd = script->stderr_fd = -1;
    }
    return script;
}

/* Its process is there: from now on it is looked after. */
static void look_after(script_t *script, int control_fd)
{
    script->pid = script->entry->pid;
    script->control_fd = control_fd;
    apr_hash_set(launcher.scripts, &script->pid, sizeof(script->pid), script);
    if (script->foreign) {
        APR_RING_INSERT_TAIL(&launcher.timed, script, script_t, link);
    }
    /* The end of the lease is a hang-up, which is always reported. */
    if (control_fd >= 0 && watch(control_fd, 0, script)) {
        close(control_fd);
        script->control_fd = -1;
        begin_term(script);
    }
}

/* What a launcher of this number has left behind. Workers claim theirs; until
 * then a script lives as long as its worker, which may be sending to a slow
 * client. */
static void take_over(void)
{
    launcher_entry_t *entry = NULL;
    script_t *script;

    while ((entry = launcher_table_next(entry))) {
        if (!launcher_table_is_own(entry)) {
            continue;
        }
        if (!launcher_table_is_alive(entry)) {
            clear_entry(entry, entry->pid);
        }
        else if ((script = add_script(entry, 1))) {
            look_after(script, -1);
        }
    }
}

/* A message may have waited for longer than its worker does. */
static int is_given_back(int control_fd)
{
    struct pollfd pfd = {.fd = control_fd, .events = 0};

    return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP);
}

/* A worker's script has lost its launcher: hold the lease for it. Or it may
 * have: a claim whose lease has ended already says that the script has. */
static void claim(pid_t pid, int fds[CGI_FD_MAX])
{
    pid_t worker = worker_of(fds[CGI_FD_CONTROL]);
    script_t *script = apr_hash_get(launcher.scripts, &pid, sizeof(pid));
    launcher_entry_t *entry;

    if (is_given_back(fds[CGI_FD_CONTROL])) {
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
        if (watch(script->control_fd, 0, script)) {
            script->control_fd = -1;
            begin_term(script);
            return;
        }
    }
    else {
        entry = launcher_table_claim(pid, worker);
        if (!entry || !launcher_table_is_alive(entry) ||
            !(script = add_script(entry, 1))) {
            launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_EXITED,
                          CGI_STATUS_UNKNOWN, 0);
            return;
        }
        look_after(script, fds[CGI_FD_CONTROL]);
    }
    launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_STARTED, pid, 0);
    fds[CGI_FD_CONTROL] = -1;
}

/* As many of a worker's scripts run, or are ending, as it may have. */
static int has_its_share(pid_t worker)
{
    apr_hash_index_t *hi;
    void *val;
    unsigned int n = 0;

    if (!launcher.share || apr_hash_count(launcher.scripts) < launcher.share) {
        return 0;
    }
    for (hi = apr_hash_first(NULL, launcher.scripts); hi;
         hi = apr_hash_next(hi)) {
        apr_hash_this(hi, NULL, NULL, &val);
        n += ((script_t *)val)->entry->worker == worker;
    }
    return n >= launcher.share;
}

/* Start the script of a message that arrived whole. */
static void start(cgi_wire_request_t *request, const launcher_become_t *who,
                  int fds[CGI_FD_MAX])
{
    pid_t worker = worker_of(fds[CGI_FD_CONTROL]);
    launcher_entry_t *entry = NULL;
    script_t *script = NULL;
    cgi_stage_e stage = CGI_STAGE_FORK;
    apr_status_t rv = APR_ENOMEM;

    if (!worker) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EPERM,
                      CGI_STAGE_REFUSED);
        return;
    }
    if (has_its_share(worker)) {
        rv = EAGAIN;
    }
    else if ((entry = launcher_table_add(worker, request->kill_ms)) &&
             (script = add_script(entry, 0))) {
        if (launcher_cgroup_make(entry)) {
            rv = errno;
            stage = CGI_STAGE_CGROUP;
        }
        else if (request->sandbox &&
                 launcher_sandbox_name_tmp(request, who,
                                           launcher_table_tmp(entry),
                                           launcher.message_pool)) {
            rv = errno;
        }
        else {
            rv = launcher_make_process(entry, request, who, fds);
        }
    }
    if (rv != APR_SUCCESS) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, rv, stage);
        if (entry) {
            launcher_cgroup_remove(entry);
            *launcher_table_tmp(entry)->path = '\0';
            entry->pid = 0;
        }
        free(script);
        return;
    }
    look_after(script, fds[CGI_FD_CONTROL]);
    launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_STARTED, entry->pid, 0);
    fds[CGI_FD_CONTROL] = -1;
}

/* Take the descriptors out of a message; those that are not there are -1. */
static int take_descriptors(struct msghdr *msg, int fds[CGI_FD_MAX])
{
    struct cmsghdr *c;
    int n = 0;

    for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
        }
    }
    return n;
}

/* No worker holds the queue any more, and it is empty. A message of no bytes
 * reads like that, too. */
static int has_ended(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};
    int left = 0;

    return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLRDHUP)) &&
           !ioctl(fd, FIONREAD, &left) && !left;
}

/* What the next script must not find in the memory that it inherits. */
static void wipe(void *data, apr_size_t size)
{
    if (warm.plugin && data) {
        explicit_bzero(data, size);
    }
}

/* What a message needs there is not: it fails, not the launcher. */
static jmp_buf no_memory;

static int on_no_memory(int status)
{
    longjmp(no_memory, status);
    return status;
}

/* Whom a message may make a script of. That of a user's launcher is looked at
 * in the script's own process, which leaves nothing of it in the next one's
 * memory; no worker sends it a sandbox. @return 0: it is refused */
static int authorize(const cgi_wire_request_t *request,
                     const int fds[CGI_FD_MAX], cgi_wire_request_t *safe,
                     const launcher_become_t **who)
{
    if (launcher_is_users) {
        *safe = *request;
        *who = NULL;
        return !request->sandbox;
    }
    return launcher_authorize(request, fds, safe, who, launcher.message_pool);
}

/* Act on a message of so many bytes and descriptors. */
static __attribute__((noinline)) void handle(apr_size_t size, int nfds,
                                             int flags, int fds[CGI_FD_MAX])
{
    cgi_wire_request_t request, safe;
    const launcher_become_t *who;
    apr_pool_t *pool = launcher.message_pool;
    void *data = inline_message;

    if (fds[CGI_FD_MESSAGE] >= 0 && size == sizeof(size)) {
        memcpy(&size, inline_message, sizeof(size));
        data = launcher_read_file(fds[CGI_FD_MESSAGE], size, pool);
    }
    if (nfds == 1 && cgi_wire_claimed(data, size)) {
        claim(cgi_wire_claimed(data, size), fds);
    }
    else if (nfds <= CGI_FD_STDERR || (flags & (MSG_CTRUNC | MSG_TRUNC))) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EMFILE,
                      CGI_STAGE_MESSAGE);
    }
    else if (!data || cgi_wire_decode(&request, data, size, pool)) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EINVAL,
                      CGI_STAGE_MESSAGE);
    }
    else if (is_given_back(fds[CGI_FD_CONTROL])) {
        /* nothing is to run any more: its worker has answered already */
    }
    else if (!authorize(&request, fds, &safe, &who)) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EPERM,
                      CGI_STAGE_REFUSED);
    }
    else {
        start(&safe, who, fds);
    }
    if (data != inline_message) {
        wipe(data, size);
    }
}

/* The same. Apart, so that no variable of a caller is lost by the jump.
 * @return 1: there is no memory for it */
static __attribute__((noinline)) int
handle_within_memory(apr_size_t size, int nfds, int flags, int fds[CGI_FD_MAX])
{
    if (setjmp(no_memory)) {
        return 1;
    }
    handle(size, nfds, flags, fds);
    return 0;
}

/* Take one message from the queue. */
static void receive(void)
{
    static int fds[CGI_FD_MAX];
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(CGI_FD_MAX * sizeof(int))];
    } control;
    struct iovec iov = {inline_message, sizeof(inline_message)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_LEN(sizeof(int[CGI_FD_MAX]))};
    ssize_t n;
    int i, nfds;

    n = recvmsg(queue_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            launcher_die("reading the queue");
        }
        return;
    }
    if (n == 0 && has_ended(queue_fd)) {
        /* the last worker of this generation is gone */
        unwatch(queue_fd);
        launcher.queue_open = 0;
        return;
    }
    for (i = 0; i < CGI_FD_MAX; i++) {
        fds[i] = -1;
    }
    nfds = take_descriptors(&msg, fds);
    if (handle_within_memory((apr_size_t)n, nfds, msg.msg_flags, fds)) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, ENOMEM,
                      CGI_STAGE_FORK);
    }
    wipe(inline_message, (apr_size_t)n);
    apr_pool_clear(launcher.message_pool);
    for (i = 0; i < CGI_FD_MAX; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static void end_all(void)
{
    apr_hash_index_t *hi;
    void *val;

    for (hi = apr_hash_first(launcher.pool, launcher.scripts); hi;
         hi = apr_hash_next(hi)) {
        apr_hash_this(hi, NULL, NULL, &val);
        if (((script_t *)val)->state != SCRIPT_TERM) {
            /* for the worker, which must not wait for one that traps it */
            launcher_note(((script_t *)val)->control_fd, CGI_NOTE_EXITED,
                          SIGTERM, 0);
            begin_term(val);
        }
    }
    if (launcher.queue_open) {
        unwatch(queue_fd);
        launcher.queue_open = 0;
    }
}

static void on_signals(void)
{
    struct signalfd_siginfo info[4]; /* two signals, one of each waits */
    ssize_t n = read(launcher.signal_fd, info, sizeof(info));
    ssize_t i;

    for (i = 0; i < n / (ssize_t)sizeof(info[0]); i++) {
        if (info[i].ssi_signo == SIGTERM) {
            end_all();
        }
    }
    reap();
}

/* An interpreter that is not up to date is for a successor to load anew, with
 * the scripts that run. The message at hand starts its script without it, more
 * are not taken; workers ask others from now on. A child that has not begun
 * ends when its launcher does: the last one gets time for that. */
#define STALE_FOR apr_time_from_sec(1)
static apr_time_t stale_since;

static void on_queue(void)
{
    if (launcher_is_warm && launcher_warm_is_stale()) {
        stale_since = launcher_now();
    }
    receive();
    if (stale_since && launcher.queue_open) {
        unwatch(queue_fd);
    }
}

/* @return the time to wait, which is no longer than what is left */
static apr_interval_time_t end_if_stale(apr_interval_time_t wait)
{
    apr_interval_time_t left;

    if (!stale_since) {
        return wait;
    }
    left = stale_since + STALE_FOR - launcher_now();
    if (left <= 0) {
        _exit(CGI_EXIT_STALE);
    }
    return wait < 0 || left < wait ? left : wait;
}

static event_e kind_of(const struct epoll_event *event)
{
    return *(const event_e *)event->data.ptr;
}

static void serve(void)
{
    struct epoll_event ready[16];
    int n, i;

    while (launcher.queue_open || apr_hash_count(launcher.scripts)) {
        apr_interval_time_t wait = end_if_stale(run_timers());

        if (!launcher.queue_open && !apr_hash_count(launcher.scripts)) {
            break;
        }
        n = epoll_wait(launcher.epoll_fd, ready, 16,
                       wait < 0 ? -1 : (int)apr_time_as_msec(wait) + 1);
        /* Scripts first: a signal may forget one that has an event here. */
        for (i = 0; i < n; i++) {
            if (kind_of(&ready[i]) == IS_SCRIPT) {
                begin_grace(ready[i].data.ptr);
                ready[i].data.ptr = &is_script; /* it may be forgotten now */
            }
        }
        for (i = 0; i < n; i++) {
            switch (kind_of(&ready[i])) {
            case IS_WORKER:
                on_worker_end(ready[i].data.ptr);
                break;
            case IS_SIGNAL:
                on_signals();
                break;
            case IS_QUEUE:
                on_queue();
                break;
            case IS_SCRIPT:
                break;
            }
        }
    }
}

/* Signals as if nobody had touched them: scripts inherit what is set here.
 * httpd's parent may ignore SIGPIPE and SIGXFSZ, and exec keeps that. What
 * the launcher wants to know of it reads from a descriptor. */
static void reset_signals(void)
{
    static const long zeros[8];
    long found[8] = {0};
    struct sigaction act;
    sigset_t wanted;
    int sig;

    memset(&act, 0, sizeof(act));
    sigemptyset(&act.sa_mask);
    act.sa_handler = SIG_DFL;
    for (sig = 1; sig < NSIG; sig++) {
        if (sigaction(sig, &act, NULL) && sig > SIGSYS &&
            !syscall(SYS_rt_sigaction, sig, NULL, found, NSIG / 8) &&
            (void (*)(int))found[0] == SIG_IGN) {
            /* Those that the C library keeps to itself can have been ignored
             * by whoever started httpd. Zeros are the kernel's SIG_DFL.
             * Before 2.34 threads have handlers for them from the start. */
            (void)syscall(SYS_rt_sigaction, sig, zeros, NULL, NSIG / 8);
        }
    }
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    launcher.signal_fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    /* httpd with prefork sends HUP to its whole process group. Launchers that
     * are meant get TERM besides. */
    sigaddset(&wanted, SIGHUP);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
    if (launcher.signal_fd < 0 ||
        watch(launcher.signal_fd, EPOLLIN, &is_signal)) {
        launcher_die("watching signals");
    }
}

/* Scripts that suexec has started belong to others. Of all that root may do,
 * only the right to end them is kept; no script inherits it over exec. */
static void keep_only_kill(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    memset(data, 0, sizeof(data));
    data[0].effective = data[0].permitted = 1u << CAP_KILL;
    if (syscall(SYS_capset, &header, data)) {
        /* root itself does not have it: scripts may outlive their request */
        memset(data, 0, sizeof(data));
        if (syscall(SYS_capset, &header, data)) {
            launcher_die("giving up root's rights");
        }
    }
}

/* As root: become the user that httpd's workers run as, or that of a CGIWarm.
 * The parent has looked up the groups: with no user database needed here, the
 * program can be linked statically, and is smaller for it. */
static void drop_privileges(const char *uid, const char *root,
                            const gid_t *groups, int ngroups, int keep_kill)
{
    if (root && (chdir(root) || chroot(root) || chdir("/"))) {
        launcher_die(root);
    }
    if (uid && ngroups) {
        uid_t u = (uid_t)strtoul(uid, NULL, 10);

        prctl(PR_SET_KEEPCAPS, keep_kill);
        if (setgroups((size_t)ngroups, groups) || setgid(groups[0]) ||
            setuid(u)) {
            launcher_die("becoming another user");
        }
        if (keep_kill) {
            keep_only_kill();
        }
    }
}

/* Nothing that an interpreter or its modules do with stdin reaches the queue;
 * what they print goes to the log. */
static void move_queue(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    queue_fd = fcntl(QUEUE_FD, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || queue_fd < 0 || dup2(fd, 0) < 0 ||
        (!launcher_is_users && dup2(2, 1) < 0)) {
        launcher_die("moving the queue");
    }
    close(fd);
}

/* The state that workers read, in memory that httpd's parent has made. */
static void map_ready(int fd, int number)
{
    int *all = mmap(NULL, sizeof(int) * CGI_LAUNCHERS_MAX,
                    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (all == MAP_FAILED) {
        launcher_die("reading the warm launchers' state");
    }
    warm.ready = &all[number];
}

static void serve_to_the_end(void)
{
    serve();
    exit(0);
}

/* While the interpreter starts, nobody takes messages. What waits was sent to
 * a launcher that has died: it is not to wait any longer. */
static void drain(void)
{
    struct pollfd pfd = {.fd = queue_fd, .events = POLLIN};

    while (launcher.queue_open && poll(&pfd, 1, 0) > 0) {
        receive();
    }
}

/* Serve with an interpreter; come back if there is none. */
static void serve_warm(void)
{
    const char *reason;

    drain();
    if (!warm.cold && launcher.queue_open &&
        (reason = launcher_warm_enter(&warm, serve_to_the_end))) {
        fprintf(stderr, "cgi-warm: CGIWarm %s: %s; scripts start without it\n",
                warm.program, reason);
    }
}

int main(int argc, char *argv[])
{
    const char *uid = NULL, *root = NULL, *cgroup = NULL;
    gid_t groups[GROUPS_MAX];
    int ngroups = 0;
    int c, type = 0, identities = 0, keep_kill = 0, number = 0, table = -1;
    int ready = -1, nmodules = 0;
    socklen_t len = sizeof(type);

    warm.modules = calloc((size_t)argc + 1, sizeof(*warm.modules));
    if (!warm.modules) {
        launcher_die("starting");
    }

    while ((c = getopt(argc, argv, "Vikon:u:g:r:t:w:c:d:m:p:s:x:")) != -1) {
        switch (c) {
        case 'V':
            puts("cgi-launcher/" CGI_VERSION);
            return 0;
        case 'i':
            identities = 1;
            break;
        case 'k':
            keep_kill = 1;
            break;
        case 'o':
            warm.watch = 1;
            break;
        case 'n':
            number = atoi(optarg);
            break;
        case 't':
            table = atoi(optarg);
            break;
        case 'u':
            uid = optarg;
            break;
        case 'g': /* the first is the primary one */
            if (ngroups < GROUPS_MAX) {
                groups[ngroups++] = (gid_t)strtoul(optarg, NULL, 10);
            }
            break;
        case 'w':
            launcher.share = (unsigned int)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            root = optarg;
            break;
        case 'c':
            warm.cold = atoi(optarg);
            break;
        case 'd':
            cgroup = optarg;
            break;
        case 'm':
            warm.modules[nmodules++] = optarg;
            break;
        case 'p':
            warm.plugin = optarg;
            break;
        case 's':
            ready = atoi(optarg);
            break;
        case 'x':
            warm.program = optarg;
            break;
        default:
            return 2;
        }
    }
    if (getsockopt(QUEUE_FD, SOL_SOCKET, SO_TYPE, &type, &len) ||
        type != SOCK_SEQPACKET) {
        fprintf(stderr, "cgi-launcher is started by httpd, not by hand\n");
        return 2;
    }
    if (number < 0 || number >= CGI_LAUNCHERS_MAX ||
        (warm.plugin &&
         (!launcher_warm_enter || !warm.program || ready < 0))) {
        return 2;
    }
    launcher_is_users = identities && warm.plugin;
    if (warm.plugin) {
        map_ready(ready, number);
    }
    if (launcher_table_open(table, number)) {
        launcher_stop_lending();
    }
    launcher_close_inherited();
    fcntl(QUEUE_FD, F_SETFD, FD_CLOEXEC);
    if (warm.plugin) {
        move_queue();
    }
    /* Ctrl-C at a terminal is for httpd's parent only; and no script of
     * another user is to type on the terminal of root. */
    setsid();
    if (cgroup) {
        launcher_cgroup_open(cgroup);
    }
    if (identities) {
        launcher_wall_in();
    }
    drop_privileges(uid, root, groups, ngroups, keep_kill);
    if (identities) {
        /* No script of its user's gets at its memory and descriptors. */
        prctl(PR_SET_DUMPABLE, 0);
    }
    if (launcher_is_users) {
        launcher_log_apart(); /* what is loaded may be that user's own */
    }

    launcher_raise_descriptors();
    setvbuf(stderr, stderr_buffer, _IOLBF,
            sizeof(stderr_buffer)); /* lines of scripts go there, too */

    apr_initialize();
    apr_pool_create(&launcher.pool, NULL);
    apr_pool_create_ex(&launcher.message_pool, launcher.pool, on_no_memory,
                       NULL);
    apr_allocator_max_free_set(apr_pool_allocator_get(launcher.pool),
                               KEEP_FREE);
    if (identities) {
        launcher_read_identities(IDENTITIES_FD, launcher.pool);
        dup2(2, IDENTITIES_FD);
    }
    if (launcher_is_users) {
        launcher_keep_own(groups, ngroups);
    }
    launcher.scripts = apr_hash_make(launcher.pool);
    launcher.workers = apr_hash_make(launcher.pool);
    APR_RING_INIT(&launcher.timed, script_t, link);
    launcher.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (launcher.epoll_fd < 0) {
        launcher_die("creating the poll set");
    }
    reset_signals();
    /* One message is to wake one launcher, not all that read the queue. */
    if (watch(queue_fd, EPOLLIN | EPOLLEXCLUSIVE, &is_queue)) {
        launcher_die("watching the queue");
    }
    launcher.queue_open = 1;
    take_over();
    if (warm.plugin) {
        serve_warm();
    }
    serve();
    return 0;
}
