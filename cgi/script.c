/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A script while it runs: what its launcher says, and its end.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/procstat.h"
#include "cgi/debug.h"
#include "cgi/launchers.h"
#include "cgi/script.h"

CGI_EXEC_USE_LOG;

/* More launchers of one script do not die. */
#define CLAIMS_MAX 20

void cgi_script_init(cgi_script_t *script)
{
    script->control_fd = script->stdin_fd = -1;
    script->stdout_fd = script->stderr_fd = -1;
}

void cgi_script_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

int cgi_script_is_ready(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, 0) > 0;
}

int cgi_script_unread(int fd)
{
    int n;

    return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

int cgi_script_claim(cgi_script_t *script, const cgi_request_t *q)
{
    int pair[2];
    apr_status_t rv;

    if (!script->pid || script->exited || script->fail_errno ||
        script->claims++ == CLAIMS_MAX ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return 0;
    }
    rv = cgi_launch_claim(script->pid, q->options->identity, script->warm,
                          pair[1]);
    close(pair[1]);
    if (rv != APR_SUCCESS) {
        close(pair[0]);
        return 0;
    }
    script->control_fd = pair[0];
    script->unclaimed = 1;
    return 1;
}

int cgi_script_listen(cgi_script_t *script, const cgi_request_t *q)
{
    cgi_note_text_t told;
    const cgi_note_t *note = &told.note;
    int said = 0;
    ssize_t n;

    if (script->control_fd < 0) {
        return 0;
    }
    while ((n = recv(script->control_fd, &told, sizeof(told), MSG_DONTWAIT)) >=
           (ssize_t)sizeof(*note)) {
        script->unclaimed = 0;
        switch (note->kind) {
        case CGI_NOTE_PROCESS:
            script->pid = (pid_t)note->value;
            said |= CGI_SAID_PROCESS;
            cgi_debug_at(q->debug, CGI_DEBUG_PROCESS);
            break;
        case CGI_NOTE_STARTED:
            script->pid = (pid_t)note->value;
            said |= CGI_SAID_PROCESS | CGI_SAID_STARTED;
            cgi_debug_at(q->debug, CGI_DEBUG_STARTED);
            break;
        case CGI_NOTE_FAILED:
            script->fail_errno = note->value;
            script->fail_stage = (cgi_stage_e)note->stage;
            break;
        case CGI_NOTE_EXITED:
            script->exited = 1;
            script->status_unknown = note->value == CGI_STATUS_UNKNOWN;
            script->wait_status = script->status_unknown ? 0 : note->value;
            said |= CGI_SAID_EXITED;
            cgi_debug_at(q->debug, CGI_DEBUG_EXITED);
            break;
        case CGI_NOTE_COLD:
            ap_log_rerror(APLOG_MARK, APLOG_TRACE1, 0, q->r,
                          "%s: not run warm: %.*s", q->options->script,
                          (int)(n - (ssize_t)sizeof(*note)), told.text);
            break;
        }
    }
    if (n == 0) {
        cgi_script_close(&script->control_fd);
        if (!cgi_script_claim(script, q)) {
            said |= CGI_SAID_END;
        }
    }
    return said;
}

cgi_end_e cgi_script_end(const cgi_script_t *script)
{
    if (!script->exited) {
        return CGI_END_UNKNOWN;
    }
    return WIFSIGNALED(script->wait_status)   ? CGI_END_CRASH
           : WEXITSTATUS(script->wait_status) ? CGI_END_STATUS
                                              : CGI_END_ZERO;
}

const char *cgi_script_how_ended(const cgi_script_t *script, cgi_request_t *q)
{
    if (!script->exited) {
        return script->control_fd < 0 ? "its launcher died" : "it still runs";
    }
    if (script->status_unknown) {
        return "its launcher died before it did";
    }
    if (WIFSIGNALED(script->wait_status)) {
        return apr_psprintf(q->r->pool, "it was killed by signal %d (%s)",
                            WTERMSIG(script->wait_status),
                            strsignal(WTERMSIG(script->wait_status)));
    }
    return apr_psprintf(q->r->pool, "its exit status was %d%s",
                        WEXITSTATUS(script->wait_status),
                        script->suexec ? ", or suexec's: see its log" : "");
}

void cgi_script_log_end(const cgi_script_t *script, cgi_request_t *q)
{
    int crash = cgi_script_end(script) == CGI_END_CRASH;

    ap_log_rerror(APLOG_MARK, crash ? APLOG_ERR : APLOG_INFO, 0, q->r,
                  "%s: %s%s", q->options->script,
                  crash ? "after its response, " : "",
                  cgi_script_how_ended(script, q));
}

/* proc(5): the state is what follows the name, the flags are the seventh
 * field from there. */
int cgi_script_is_exiting(const cgi_script_t *script)
{
    char buf[CGI_PROCSTAT_SIZE], state;
    const char *fields = cgi_procstat_read(script->pid, buf);
    unsigned int flags;

    return !fields ||
           sscanf(fields, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2 ||
           state == 'Z' || state == 'X' || (flags & 4); /* PF_EXITING */
}

/* A script that still runs is ended: until then somebody must hold its stderr,
 * or what a shell says of it there kills it before its trap of SIGTERM. */
static void leave_stderr(const cgi_script_t *script)
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
    memcpy(CMSG_DATA(cmsg), &script->stderr_fd, sizeof(int));
    (void)!sendmsg(script->control_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The launcher may have been killed before it has seen the end of the lease:
 * the next one learns of it by a claim with nobody behind it. */
static void tell_end(const cgi_script_t *script, const cgi_request_t *q)
{
    int pair[2];

    if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        close(pair[0]);
        (void)cgi_launch_claim(script->pid, q->options->identity, script->warm,
                               pair[1]);
        close(pair[1]);
    }
}

void cgi_script_release(cgi_script_t *script, const cgi_request_t *q)
{
    int leased = script->control_fd >= 0 && script->pid && !script->exited &&
                 !script->fail_errno;

    /* It may be that no launcher follows the one that died. */
    if (script->pid && (script->control_fd < 0 || script->unclaimed) &&
        !script->exited && !script->fail_errno && script->stdout_fd >= 0) {
        kill(-script->pid, script->control_fd < 0 ? SIGKILL : SIGTERM);
    }
    if (script->control_fd >= 0 && script->stderr_fd >= 0 && !script->exited) {
        leave_stderr(script);
    }
    cgi_script_close(&script->stdin_fd);
    cgi_script_close(&script->stdout_fd);
    cgi_script_close(&script->stderr_fd);
    cgi_script_close(&script->control_fd); /* the end of the lease */
    if (leased) {
        tell_end(script, q);
    }
}
