/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The start of a script: its pipes, arguments and environment, the message
 * to the launcher; and what it means when the start fails.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "httpd.h"
#include "http_core.h"
#include "http_protocol.h"

#include "base/environment.h"
#include "cgi/debug.h"
#include "cgi/launchers.h"
#include "cgi/sandbox.h"
#include "cgi/script.h"
#include "cgi/stderrfile.h"
#include "cgi/warm.h"

CGI_EXEC_USE_LOG;

/* From SIGTERM to SIGKILL, as in httpd's other CGI modules. */
#define KILL_MS 3000
/* A launcher that died takes its unstarted script along: ask the next. */
#define ATTEMPTS_MAX 5

/* The script's path as this process sees it. */
static const char *script_file(const cgi_request_t *q)
{
    return q->options->root ? apr_pstrcat(q->r->pool, q->options->root,
                                          q->options->script, NULL)
                            : q->options->script;
}

const char *cgi_script_hashbang(const cgi_request_t *q)
{
    char line[256];
    ssize_t n;
    int fd = open(script_file(q), O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (n < 3 || line[0] != '#' || line[1] != '!') {
        return NULL;
    }
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return apr_pstrdup(q->r->pool, line + 2 + strspn(line + 2, " \t"));
}

/* Name the interpreter in the first line of a script, for the log. */
static const char *interpreter_of(const cgi_request_t *q)
{
    const char *start = cgi_script_hashbang(q), *end;

    if (!start) {
        return NULL;
    }
    end = start + strcspn(start, " \t\r");
    if (*end == '\r') { /* a common accident: it is part of the name */
        return apr_pstrcat(
            q->r->pool, apr_pstrndup(q->r->pool, start, (size_t)(end - start)),
            " followed by a carriage return", NULL);
    }
    return apr_pstrndup(q->r->pool, start, (size_t)(end - start));
}

/* In httpd's statuses. */
cgi_outcome_e cgi_script_start_failed(cgi_script_t *script, cgi_request_t *q)
{
    const char *interpreter;
    struct stat st;
    int err = script->fail_errno;

    switch (script->fail_stage) {
    case CGI_STAGE_FORK:
        return cgi_overload(q, err, "no process could be made");
    case CGI_STAGE_CGROUP:
        return cgi_overload(q, err, "CGICgroup: no cgroup for it");
    case CGI_STAGE_MESSAGE:
        if (err == EINVAL) {
            return cgi_overload(
                q, 0,
                "another version of cgi-launcher is installed: install the "
                "one that was built with this module, and restart httpd");
        }
        return cgi_overload(q, err, "the launcher is out of descriptors");
    case CGI_STAGE_LIMIT:
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "a limit of RLimitCPU, RLimitMEM, RLimitNPROC or "
                        "CGISandbox can't be set");
    case CGI_STAGE_REFUSED:
        return cgi_fail(q, HTTP_FORBIDDEN, err,
                        "the privileged launcher refuses it");
    case CGI_STAGE_ROOT:
        return cgi_fail(
            q, err == ENOENT ? HTTP_NOT_FOUND : HTTP_INTERNAL_SERVER_ERROR,
            err, "can't change the root directory to %s", q->options->root);
    case CGI_STAGE_USER:
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "can't become the route's user");
    case CGI_STAGE_DIR:
        if (q->options->work_dir && (err == ENOENT || err == ENOTDIR)) {
            return cgi_reject(q, HTTP_NOT_FOUND, err,
                              "there is no directory %s",
                              q->options->work_dir);
        }
        return cgi_fail(
            q, err == EACCES ? HTTP_FORBIDDEN : HTTP_INTERNAL_SERVER_ERROR,
            err, "can't change to its directory");
    case CGI_STAGE_SANDBOX:
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "CGISandbox: it can't be shut in; its error output "
                        "says why");
    case CGI_STAGE_EXEC:
        break;
    }
    if (script->suexec) {
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "suexec can't be executed: %s", SUEXEC_BIN);
    }
    interpreter = q->options->interpreter ? q->options->interpreter[0]
                                          : interpreter_of(q);
    switch (err) {
    case EACCES:
    case EPERM:
        if (interpreter && cgi_sandbox_is_on(q->options->dir) &&
            !access(script_file(q), X_OK) && !access(interpreter, X_OK)) {
            return cgi_fail(q, HTTP_FORBIDDEN, err,
                            "its interpreter %s can't be executed: CGISandbox "
                            "takes exec= for what is not in /usr or /bin",
                            interpreter);
        }
        if (interpreter && !access(script_file(q), X_OK)) {
            return cgi_fail(q, HTTP_FORBIDDEN, err,
                            "its interpreter %s can't be executed",
                            interpreter);
        }
        return cgi_fail(q, HTTP_FORBIDDEN, err,
                        "the script is not executable by the server");
    case ENOENT:
    case ENOTDIR:
        if (stat(script_file(q), &st)) {
            return cgi_fail(q, HTTP_NOT_FOUND, err, "the script has gone");
        }
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "its interpreter %s does not exist",
                        interpreter ? interpreter : "(dynamic loader)");
    case ENOEXEC:
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "not a program: a script needs a first line such as "
                        "#!/bin/sh");
    case E2BIG:
        return cgi_fail(q, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, err,
                        "its environment is larger than the system allows");
    case EAGAIN:
    case ENOMEM:
    case ENFILE:
    case EMFILE:
        return cgi_overload(q, err, "the system is out of resources");
    default:
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, err,
                        "can't be executed");
    }
}

int cgi_script_is_waiting(const cgi_script_t *script)
{
    char c;

    return !script->pid && script->control_fd >= 0 &&
           recv(script->control_fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

int cgi_script_may_start_again(const cgi_script_t *script)
{
    return script->control_fd < 0 && !script->exited && !script->pid;
}

/* Reads as empty, for scripts without a body: one for the whole process. */
static int nothing_fd = -1;

void cgi_script_child_init(void)
{
    nothing_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int set_nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Words of the command line, and the program that is executed. */
static const char *const *make_argv(const cgi_request_t *q, const char **path)
{
    const cgi_exec_options_t *o = q->options;
    request_rec *r = q->r;
    const char *const *words = NULL;
    const char **argv;
    int i, n = 0, nwords = 0;
    int wanted = o->dir->query_args < 0 ? o->query_args : o->dir->query_args;

    *path = o->script;
    if (o->interpreter) {
        *path = o->interpreter[0];
        while (o->interpreter[n]) {
            n++;
        }
    }
    else if (wanted && r->method_number == M_GET) { /* HEAD is one too */
        words = cgi_environment_words(r->args, &nwords, r->pool);
    }
    argv = apr_palloc(r->pool, (size_t)(n + nwords + 2) * sizeof(*argv));
    for (i = 0; i < n; i++) {
        argv[i] = o->interpreter[i];
    }
    argv[n++] = o->interpreter ? o->script : apr_filepath_name_get(o->script);
    for (i = 0; i < nwords; i++) {
        argv[n++] = words[i];
    }
    argv[n] = NULL;
    return argv;
}

unsigned int cgi_script_kill_ms(const cgi_request_t *q)
{
    apr_interval_time_t t = q->options->dir->kill_timeout;

    return t < 0 ? KILL_MS : (unsigned int)apr_time_as_msec(t);
}

static void add_limit(cgi_wire_request_t *request, cgi_wire_limit_e which,
                      const struct rlimit *limit)
{
    if (limit) {
        request->limits |= 1u << which;
        request->limit[which] = *limit;
    }
}

static void make_request(const cgi_request_t *q, cgi_wire_request_t *request)
{
    core_dir_config *core = ap_get_core_module_config(q->r->per_dir_config);

    memset(request, 0, sizeof(*request));
    request->dir = q->options->work_dir
                       ? q->options->work_dir
                       : ap_make_dirstr_parent(q->r->pool, q->options->script);
    request->identity = q->options->identity;
    request->values = q->options->values;
    request->argv = make_argv(q, &request->path);
    request->env =
        cgi_environment_make(q->r->subprocess_env, getenv("TZ"), q->r->pool);
    request->kill_ms = cgi_script_kill_ms(q);
    add_limit(request, CGI_LIMIT_CPU, core->limit_cpu);
    add_limit(request, CGI_LIMIT_MEM, core->limit_mem);
    add_limit(request, CGI_LIMIT_NPROC, core->limit_nproc);
}

static void close_theirs(int theirs[CGI_FD_MAX], int stdin_fd)
{
    int i;

    if (stdin_fd != CGI_STDIN_PIPE) {
        theirs[CGI_FD_STDIN] = -1; /* not made for this script alone */
    }
    for (i = 0; i < CGI_FD_MAX; i++) {
        cgi_script_close(&theirs[i]);
    }
}

/* A pipe to here, or what CGIStderr says. @return 0, or -1 and errno */
static int make_stderr(cgi_script_t *script, const cgi_request_t *q,
                       int theirs[CGI_FD_MAX])
{
    int pair[2], fd = cgi_stderr_fd(q->options->dir);

    if (fd >= 0) {
        theirs[CGI_FD_STDERR] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return theirs[CGI_FD_STDERR] < 0 ? -1 : 0;
    }
    if (pipe2(pair, O_CLOEXEC)) {
        return -1;
    }
    script->stderr_fd = pair[0];
    theirs[CGI_FD_STDERR] = pair[1];
    return set_nonblocking(script->stderr_fd);
}

/* Make the pipes: ours into script, theirs into the array. None of ours
 * blocks: a script may open /proc/self/fd/1 and take back what poll() has
 * announced. Each end of a pipe has this flag for itself. */
static apr_status_t make_pipes(cgi_script_t *script, const cgi_request_t *q,
                               int stdin_fd, int theirs[CGI_FD_MAX])
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return errno;
    }
    script->control_fd = pair[0];
    theirs[CGI_FD_CONTROL] = pair[1];
    if (pipe2(pair, O_CLOEXEC)) {
        return errno;
    }
    script->stdout_fd = pair[0];
    theirs[CGI_FD_STDOUT] = pair[1];
    if (set_nonblocking(script->stdout_fd) || make_stderr(script, q, theirs)) {
        return errno;
    }
    if (stdin_fd != CGI_STDIN_PIPE) {
        theirs[CGI_FD_STDIN] =
            stdin_fd == CGI_STDIN_NOTHING ? nothing_fd : stdin_fd;
        return APR_SUCCESS;
    }
    if (pipe2(pair, O_CLOEXEC)) {
        return errno;
    }
    theirs[CGI_FD_STDIN] = pair[0];
    script->stdin_fd = pair[1];
    return set_nonblocking(script->stdin_fd) ? errno : APR_SUCCESS;
}

cgi_outcome_e cgi_script_start(cgi_script_t *script, cgi_request_t *q,
                               int stdin_fd)
{
    int theirs[CGI_FD_MAX] = {-1, -1, -1, -1, -1};
    cgi_wire_request_t request;
    cgi_outcome_e outcome;
    apr_status_t rv;

    if (script->attempts == ATTEMPTS_MAX) {
        return cgi_overload(q, 0, "launcher after launcher died");
    }
    if (script->attempts++) {
        cgi_script_close(&script->stdin_fd);
        cgi_script_close(&script->stdout_fd);
        cgi_script_close(&script->stderr_fd);
        cgi_script_close(&script->control_fd);
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, q->r,
                      "%s: its launcher died before the start, asking another",
                      q->options->script);
    }
    rv = make_pipes(script, q, stdin_fd, theirs);
    if (rv != APR_SUCCESS) {
        close_theirs(theirs, stdin_fd);
        return cgi_overload(q, rv, "no pipe could be made");
    }
    make_request(q, &request);
    if ((outcome = cgi_suexec_wrap(script, q, &request)) != CGI_WENT_ON) {
        close_theirs(theirs, stdin_fd);
        return outcome;
    }
    if (script->suexec && cgi_sandbox_is_on(q->options->dir)) {
        close_theirs(theirs, stdin_fd);
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, 0,
                        "CGISandbox: " CGI_SANDBOX_NO_SUEXEC);
    }
    cgi_sandbox_add(q, &request);
    cgi_debug_start(q->debug, &request);
    script->warm = cgi_warm_choose(script, q, &request);
    rv = cgi_launch_send(&request, theirs, q->r->server->timeout, script->warm,
                         q->r->pool);
    close_theirs(theirs, stdin_fd);
    if (rv == E2BIG) {
        return cgi_fail(q, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, rv,
                        "its environment is larger than the system allows");
    }
    if (rv != APR_SUCCESS) {
        return cgi_overload(q, rv, "the launchers do not take requests");
    }
    return CGI_WENT_ON;
}
