/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One request from start to end: a state machine over the readiness of the
 * client, the script's stdin, stdout and stderr, and the control socket.
 * step_*() act on one source each and never wait; cgi_exec_run() drives them
 * with poll(), in the request's thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "httpd.h"

#include "apr_portable.h"
#include "apr_strings.h"

#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"

#include "base/clock.h"
#include "cgi/compat.h"
#include "cgi/exec_private.h"
#include "cgi/launchers.h"

CGI_EXEC_USE_LOG;

/* A launcher that died takes its unstarted script along: ask the next. */
#define ATTEMPTS_MAX 5
/* After the end of stdout, so long for the exit status: of a script that is
 * about to end, and of one that perhaps runs on without stdout; */
#define EXIT_WAIT apr_time_from_msec(200)
#define EXIT_WAIT_SHORT apr_time_from_msec(1)
/* and so long for the last words on stderr, the first of it before the client
 * has got all. */
#define LINGER_QUIETLY apr_time_from_msec(1)
/* So many reads empty any pipe, whatever its size. */
#define READS_MAX 256

int cgi_poll_fd(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, 0) > 0 ? pfd.revents : 0;
}

void cgi_close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int finish(cgi_exec_t *x, int level, int status, apr_status_t rv,
                  const char *fmt, va_list args)
{
    const char *message = apr_pvsprintf(x->r->pool, fmt, args);
    int begun;

    ap_log_rerror(APLOG_MARK, level, rv, x->r, "%s: %s", x->options->script,
                  message);
    if (level == APLOG_ERR) {
        cgi_scriptlog_failed(x, status, message);
    }
    /* A redirect or a file comes at the end: nothing of it was sent. */
    begun = x->phase == CGI_PHASE_BODY && !x->redirect && !x->sendfile &&
            x->status == OK;
    x->status = status;
    if (begun) {
        cgi_response_abort(x);
        x->status = OK;
    }
    x->phase = CGI_PHASE_DONE;
    return status;
}

int cgi_fail(cgi_exec_t *x, int status, apr_status_t rv, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    status = finish(x, APLOG_ERR, status, rv, fmt, args);
    va_end(args);
    return status;
}

int cgi_reject(cgi_exec_t *x, int status, apr_status_t rv, const char *fmt,
               ...)
{
    va_list args;

    va_start(args, fmt);
    status = finish(x, APLOG_INFO, status, rv, fmt, args);
    va_end(args);
    return status;
}

int cgi_client_left(cgi_exec_t *x)
{
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, x->r,
                  x->phase == CGI_PHASE_QUEUE
                      ? "%s: the client has gone while it waited for a place"
                      : "%s: the client has gone, the script is ended",
                  x->options->script);
    x->c->aborted = 1;
    x->redirect = NULL;
    x->status = OK;
    x->phase = CGI_PHASE_DONE;
    return AP_FILTER_ERROR;
}

static void log_errline(void *baton, const char *line)
{
    cgi_exec_t *x = baton;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, x->r, "stderr from %s: %s",
                  x->options->script, line);
    cgi_scriptlog_stderr(x, line);
}

/* Read stderr once, where poll() has seen something. @return bytes */
static ssize_t step_stderr(cgi_exec_t *x)
{
    char buf[4096];
    ssize_t n = read(x->stderr_fd, buf, sizeof(buf));

    if (n > 0) {
        if (!x->errlines) {
            x->errlines = apr_palloc(x->r->pool, sizeof(*x->errlines));
            cgi_errlines_init(x->errlines, log_errline, x, cgi_clock_now());
        }
        cgi_errlines_add(x->errlines, buf, (apr_size_t)n, cgi_clock_now());
    }
    else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        cgi_close_fd(&x->stderr_fd);
    }
    return n;
}

/* Read what is in stderr now; no more of it, should somebody go on. */
static void drain_stderr(cgi_exec_t *x)
{
    int i;

    for (i = 0;
         i < READS_MAX && x->stderr_fd >= 0 && cgi_poll_fd(x->stderr_fd);
         i++) {
        (void)step_stderr(x);
    }
}

/* Take in what the launcher has said. 0 at its end. */
static void step_control(cgi_exec_t *x)
{
    cgi_note_t note;
    ssize_t n;

    while ((n = recv(x->control_fd, &note, sizeof(note), MSG_DONTWAIT)) ==
           (ssize_t)sizeof(note)) {
        x->unclaimed = 0;
        switch (note.kind) {
        case CGI_NOTE_STARTED:
            x->pid = (pid_t)note.value;
            cgi_limit_started(&x->turn, x->pid);
            /* The note of a failed start may have come first. */
            if (x->body == CGI_BODY_START && !x->fail_errno) {
                x->body = CGI_BODY_FROM_CLIENT;
                x->body_more = 1;
            }
            break;
        case CGI_NOTE_FAILED:
            x->fail_errno = note.value;
            x->fail_stage = (cgi_stage_e)note.stage;
            break;
        case CGI_NOTE_EXITED:
            x->exited = 1;
            x->wait_status = note.value == CGI_STATUS_UNKNOWN ? 0 : note.value;
            x->status_unknown = note.value == CGI_STATUS_UNKNOWN;
            cgi_admit_leave(x);
            break;
        }
    }
    if (n == 0) {
        cgi_close_fd(&x->control_fd);
        (void)cgi_start_claim(x);
    }
}

static const char *how_ended(cgi_exec_t *x)
{
    if (!x->exited) {
        return x->control_fd < 0 ? "its launcher died" : "it still runs";
    }
    if (x->status_unknown) {
        return "its launcher died before it did";
    }
    if (WIFSIGNALED(x->wait_status)) {
        return apr_psprintf(x->r->pool, "it was killed by signal %d (%s)",
                            WTERMSIG(x->wait_status),
                            strsignal(WTERMSIG(x->wait_status)));
    }
    return apr_psprintf(x->r->pool, "its exit status was %d%s",
                        WEXITSTATUS(x->wait_status),
                        x->suexec ? ", or suexec's: see its log" : "");
}

/* The launcher died before the script began: nothing has been read from the
 * client and nothing came from the script, so the next launcher may try. */
static int start_again(cgi_exec_t *x)
{
    cgi_close_fd(&x->stdin_fd);
    cgi_close_fd(&x->stdout_fd);
    cgi_close_fd(&x->stderr_fd);
    cgi_close_fd(&x->control_fd);
    if (x->attempts >= ATTEMPTS_MAX) {
        return cgi_start_overload(x, 0, "launcher after launcher died");
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, x->r,
                  "%s: its launcher died before the start, asking another",
                  x->options->script);
    return cgi_start(x);
}

static int step_no_header(cgi_exec_t *x);

/* Let the end of the response wait for the script's. */
static void wait_for_exit(cgi_exec_t *x, apr_time_t t)
{
    x->exit_by = cgi_clock_now() + t;
    if (x->phase == CGI_PHASE_BODY && !x->streaming) {
        x->hold_until = x->exit_by;
    }
}

/* Has the script's process ended, or is it about to? proc(5): the state is
 * what follows the name, the flags are the seventh field from there. */
static int is_exiting(pid_t pid)
{
    char path[40], text[512], *at, state;
    unsigned int flags;
    ssize_t n;
    int fd;

    apr_snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 1;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')');
    return !at ||
           sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2 ||
           state == 'Z' || state == 'X' || (flags & 4); /* PF_EXITING */
}

/* What became of a script whose header was good. @return 1: it has crashed,
 * and nothing shows that its response is whole */
static int step_exited(cgi_exec_t *x)
{
    if (!x->exited || x->end_noted) {
        return 0;
    }
    x->end_noted = 1;
    if (!WIFSIGNALED(x->wait_status)) {
        if (WEXITSTATUS(x->wait_status)) {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, x->r, "%s: %s",
                          x->options->script, how_ended(x));
        }
        return 0;
    }
    if (x->phase == CGI_PHASE_BODY && x->status == OK && !x->redirect &&
        !x->sendfile && x->length_left &&
        !AP_STATUS_IS_HEADER_ONLY(x->r->status)) {
        return 1;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, x->r, "%s: after its response, %s",
                  x->options->script, how_ended(x));
    return 0;
}

/* The end of stdout. Without a header, wait for the reason first. */
static int step_stdout_end(cgi_exec_t *x)
{
    cgi_close_fd(&x->stdout_fd);
    if (x->phase == CGI_PHASE_BODY && !x->streaming) {
        cgi_timers_note_quick(cgi_clock_now() - x->started);
    }
    if (x->control_fd >= 0 && !x->exited) {
        /* The exit status tells a crash from an end, and a place of CGILimit
         * is free before the client can ask for the next. It comes at once;
         * a script that runs on without stdout is not waited for. */
        wait_for_exit(x, x->phase == CGI_PHASE_HEADER || x->streaming ||
                                 x->turn.limit
                             ? EXIT_WAIT
                             : EXIT_WAIT_SHORT);
        return OK;
    }
    if (x->phase == CGI_PHASE_HEADER) {
        return step_no_header(x);
    }
    return cgi_response_end(x);
}

/* stdout has ended before the header has, and the launcher has nothing more
 * to say. */
static int step_no_header(cgi_exec_t *x)
{
    drain_stderr(x);
    if (x->fail_errno) {
        return cgi_start_failed(x);
    }
    if (x->control_fd < 0 && !x->exited && !x->pid && !x->head_len) {
        return start_again(x);
    }
    return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, 0, "%s; %s",
                    x->head_len ? "its header does not end with an empty line"
                                : "it has printed nothing",
                    how_ended(x));
}

/* There is something on stdout, or its end. */
static int step_stdout(cgi_exec_t *x, int hung_up)
{
    int rc = cgi_response_read(x, hung_up);

    if (rc == OK && x->stdout_fd < 0 && x->phase != CGI_PHASE_DONE) {
        return step_stdout_end(x);
    }
    return rc;
}

/* The launcher's last word: the script has exited, could not start, or the
 * launcher itself is gone. */
static int step_ended(cgi_exec_t *x)
{
    int rc, events, reads = 0;

    x->exit_by = x->hold_until = 0;
    /* A child of the script may hold stdout for ever, and write to it: what
     * is in the pipe now is what the script has said. */
    while (x->stdout_fd >= 0 && x->exited && x->phase < CGI_PHASE_LINGER) {
        events = cgi_poll_fd(x->stdout_fd);
        if (!events || ++reads > READS_MAX) {
            cgi_close_fd(&x->stdout_fd);
            break;
        }
        rc = cgi_response_read(x, events & POLLHUP);
        if (rc != OK) {
            return rc;
        }
    }
    if (x->stdout_fd >= 0) {
        return OK; /* no launcher any more, but a script */
    }
    if (x->phase == CGI_PHASE_HEADER) {
        return step_no_header(x);
    }
    if (x->phase == CGI_PHASE_BODY) {
        if (step_exited(x)) {
            return cgi_fail(x, HTTP_BAD_GATEWAY, 0,
                            "its response is cut off: %s", how_ended(x));
        }
        return cgi_response_end(x);
    }
    (void)step_exited(x); /* later than it was waited for */
    return OK;
}

/* Poll entries; the array below is in this order. */
enum {
    ON_CLIENT,
    ON_STDIN,
    ON_STDOUT,
    ON_STDERR,
    ON_CONTROL,
    ON_QUEUE,
    ON_MAX
};

static int client_events(const cgi_exec_t *x)
{
    if (x->client_fd < 0) {
        return -1;
    }
    if (x->client_gone) {
        return 0; /* a reset is told of anyway */
    }
    return x->body == CGI_BODY_FROM_CLIENT ? POLLIN | POLLRDHUP : POLLRDHUP;
}

static void watch(struct pollfd *pfd, int fd, int events)
{
    pfd->fd = events < 0 ? -1 : fd;
    pfd->events = (short)events;
    pfd->revents = 0;
}

/* Wait for the next event and act on it. */
static int step(cgi_exec_t *x)
{
    struct pollfd pfd[ON_MAX];
    struct timespec ts, *timeout = NULL;
    apr_time_t next = cgi_timers_next(x);
    int n, rc = OK;

    watch(&pfd[ON_CLIENT], x->client_fd, client_events(x));
    watch(&pfd[ON_STDIN], x->stdin_fd,
          x->body == CGI_BODY_TO_SCRIPT ? POLLOUT : 0);
    /* While small output is held back only its end is of interest. */
    watch(&pfd[ON_STDOUT], x->stdout_fd, x->hold_until ? 0 : POLLIN);
    watch(&pfd[ON_STDERR], x->stderr_fd, POLLIN);
    /* Notes can wait until the launcher hangs up, unless the body waits, or
     * a place is held for a process that is not known yet. */
    watch(&pfd[ON_CONTROL], x->control_fd,
          x->body == CGI_BODY_START || (x->turn.limit && !x->pid) ? POLLIN
                                                                  : 0);
    watch(&pfd[ON_QUEUE], x->phase == CGI_PHASE_QUEUE ? x->turn.wake_fd : -1,
          POLLIN);

    if (next) {
        apr_time_t wait = next - cgi_clock_now();

        if (wait < 0) {
            wait = 0;
        }
        ts.tv_sec = (time_t)apr_time_sec(wait);
        ts.tv_nsec = (long)apr_time_usec(wait) * 1000;
        timeout = &ts;
    }
    n = ppoll(pfd, ON_MAX, timeout, NULL);
    if (n < 0) {
        return errno == EINTR ? OK
                              : cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, errno,
                                         "can't wait for its output");
    }

    if (n == 0 && cgi_response_is_due(x)) {
        rc = cgi_response_flush(x);
    }
    if (pfd[ON_STDERR].revents && step_stderr(x) > 0) {
        x->last_activity = cgi_clock_now();
    }
    if (pfd[ON_STDOUT].revents && x->stdout_fd >= 0) {
        x->hold_until = 0;
        rc = step_stdout(x, pfd[ON_STDOUT].revents & POLLHUP);
    }
    if (rc == OK && x->phase != CGI_PHASE_DONE && pfd[ON_CONTROL].revents &&
        x->control_fd >= 0) {
        step_control(x);
        if (x->control_fd < 0) {
            rc = step_ended(x);
        }
    }
    if (rc == OK && x->phase < CGI_PHASE_LINGER &&
        (pfd[ON_STDIN].revents & (POLLERR | POLLHUP)) && x->stdin_fd >= 0) {
        cgi_close_fd(&x->stdin_fd); /* the script does not want the rest */
        x->discard = 1;
        if (x->body == CGI_BODY_TO_SCRIPT) {
            x->body = CGI_BODY_FROM_CLIENT;
            x->body_more = 1;
        }
    }
    if (rc == OK && x->phase < CGI_PHASE_LINGER) {
        if (pfd[ON_CLIENT].revents & (POLLERR | POLLHUP)) {
            return cgi_client_left(x);
        }
        if ((x->body == CGI_BODY_FROM_CLIENT &&
             (x->body_more || x->client_fd < 0 || pfd[ON_CLIENT].revents)) ||
            (x->body == CGI_BODY_TO_SCRIPT && pfd[ON_STDIN].revents)) {
            rc = cgi_body_step(x);
        }
        else if (pfd[ON_CLIENT].revents & POLLRDHUP) {
            x->client_gone = 1;
            x->gone_at = cgi_clock_now();
        }
    }
    if (rc == OK && x->phase == CGI_PHASE_QUEUE) {
        rc = cgi_admit_step(x, pfd[ON_QUEUE].revents != 0);
    }
    if (rc == OK && x->phase < CGI_PHASE_LINGER && x->exit_by &&
        x->exit_by <= cgi_clock_now()) {
        step_control(x);
        if (!x->exited && x->control_fd >= 0 && x->hold_until && x->pid &&
            !x->exit_late && is_exiting(x->pid)) {
            x->exit_late = 1;
            wait_for_exit(x, EXIT_WAIT);
        }
        else {
            rc = step_ended(x);
        }
    }
    if (rc == OK && x->phase != CGI_PHASE_DONE) {
        rc = cgi_timers_step(x);
    }
    return rc;
}

/* The response is complete; what is left is on stderr, until it ends or the
 * script exits. Mostly that has happened already. */
static void step_linger(cgi_exec_t *x)
{
    cgi_close_fd(&x->stdin_fd);
    cgi_close_fd(&x->stdout_fd);
    x->body = CGI_BODY_DONE;
    if (x->control_fd < 0) {
        drain_stderr(x);
    }
    if (x->control_fd < 0 ||
        (x->stderr_fd < 0 && cgi_stderr_fd(x->options->dir) < 0)) {
        x->phase = CGI_PHASE_DONE;
    }
    else if (!x->linger_until) {
        x->linger_until = cgi_clock_now() + LINGER_QUIETLY;
    }
}

/* How to see that the client hangs up or sends more. */
static void find_client(cgi_exec_t *x)
{
    apr_pollfd_t pfd = {0};
    apr_os_sock_t sock;
    apr_os_file_t file;

    x->client_fd = -1;
    pfd.p = x->r->pool;
    if (cgi_compat_get_pollfd(x->c, &pfd) != APR_SUCCESS) {
        return;
    }
    if (pfd.desc_type == APR_POLL_SOCKET &&
        apr_os_sock_get(&sock, pfd.desc.s) == APR_SUCCESS) {
        x->client_fd = sock;
    }
    else if (pfd.desc_type == APR_POLL_FILE &&
             apr_os_file_get(&file, pfd.desc.f) == APR_SUCCESS) {
        x->client_fd = file;
    }
}

/* A script that still runs is ended: until then somebody must hold its stderr,
 * or what a shell says of it there kills it before its trap of SIGTERM. */
static void leave_stderr(cgi_exec_t *x)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct cmsghdr *cmsg;

    memset(&control, 0, sizeof(control));
    cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &x->stderr_fd, sizeof(int));
    (void)!sendmsg(x->control_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Whatever happens to the request, the script does not outlive it. */
static apr_status_t release(void *data)
{
    cgi_exec_t *x = data;

    if (x->errlines) {
        cgi_errlines_end(x->errlines, cgi_clock_now());
        x->errlines = NULL;
    }
    cgi_scriptlog_end(x);
    /* Large blocks do not come back with the connection, as small ones do. */
    if (x->head) {
        apr_bucket_free(x->head);
        x->head = NULL;
    }
    apr_brigade_cleanup(x->out_bb);
    if (x->body_bb) {
        apr_brigade_cleanup(x->body_bb);
    }
    if (x->control_fd >= 0 && !x->exited) {
        step_control(x); /* has it ended, who is it, is the launcher there? */
    }
    cgi_admit_leave(x);
    /* It may be that no launcher follows the one that died. */
    if (x->pid && (x->control_fd < 0 || x->unclaimed) && !x->exited &&
        !x->fail_errno && x->stdout_fd >= 0) {
        kill(-x->pid, x->control_fd < 0 ? SIGKILL : SIGTERM);
    }
    if (x->control_fd >= 0 && x->stderr_fd >= 0 && !x->exited) {
        leave_stderr(x);
    }
    cgi_close_fd(&x->stdin_fd);
    cgi_close_fd(&x->stdout_fd);
    cgi_close_fd(&x->stderr_fd);
    cgi_close_fd(&x->control_fd); /* the end of the lease */
    cgi_close_fd(&x->spool_fd);
    return APR_SUCCESS;
}

int cgi_exec_begin(cgi_exec_t *x)
{
    x->phase = CGI_PHASE_HEADER;
    x->started = x->last_activity = x->last_given = cgi_clock_now();
    x->hold_until = x->started + cgi_timers_hold();
    return cgi_start(x);
}

int cgi_exec_run(request_rec *r, const cgi_exec_options_t *options)
{
    cgi_exec_t *x = apr_pcalloc(r->pool, sizeof(*x));
    int rc;

    x->r = r;
    x->c = r->connection;
    x->options = options;
    x->phase = CGI_PHASE_HEADER;
    x->status = OK;
    x->control_fd = x->stdin_fd = x->stdout_fd = x->stderr_fd = -1;
    x->spool_fd = -1;
    x->length_left = -1;
    x->out_bb = apr_brigade_create(r->pool, x->c->bucket_alloc);
    apr_pool_cleanup_register(r->pool, x, release, apr_pool_cleanup_null);

    cgi_scriptlog_begin(x);
    if ((rc = cgi_response_init(x)) != OK || (rc = cgi_admit_early(x)) != OK ||
        (rc = cgi_body_init(x)) != OK) {
        apr_pool_cleanup_run(r->pool, x, release);
        return rc;
    }
    cgi_variables_add(x);
    find_client(x);
    rc = cgi_admit(x);
    while (rc == OK && x->phase != CGI_PHASE_DONE) {
        if (x->phase == CGI_PHASE_LINGER) {
            step_linger(x);
        }
        if (x->phase != CGI_PHASE_DONE) {
            rc = step(x);
        }
    }
    apr_pool_cleanup_run(r->pool, x, release);
    return x->redirect && x->status == OK ? cgi_response_redirect(x)
                                          : x->status;
}
