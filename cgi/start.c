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

#include "httpd.h"

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "base/clock.h"
#include "base/environment.h"
#include "cgi/exec_private.h"
#include "cgi/launchers.h"

CGI_EXEC_USE_LOG;

/* From SIGTERM to SIGKILL, as in httpd's other CGI modules. */
#define KILL_MS 3000
/* So long a launcher, or the next one, has for taking the message. */
#define START_MAX apr_time_from_sec(6)
/* More launchers of one script do not die. */
#define CLAIMS_MAX 20

/* The script's path as this process sees it. */
static const char *script_file(cgi_exec_t *x)
{
    return x->options->root ? apr_pstrcat(x->r->pool, x->options->root,
                                          x->options->script, NULL)
                            : x->options->script;
}

const char *cgi_start_hashbang(cgi_exec_t *x)
{
    char line[256];
    ssize_t n;
    int fd = open(script_file(x), O_RDONLY | O_NONBLOCK | O_CLOEXEC);

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
    return apr_pstrdup(x->r->pool, line + 2 + strspn(line + 2, " \t"));
}

/* Name the interpreter in the first line of a script, for the log. */
static const char *interpreter_of(cgi_exec_t *x)
{
    const char *start = cgi_start_hashbang(x), *end;

    if (!start) {
        return NULL;
    }
    end = start + strcspn(start, " \t\r");
    if (*end == '\r') { /* a common accident: it is part of the name */
        return apr_pstrcat(
            x->r->pool, apr_pstrndup(x->r->pool, start, (size_t)(end - start)),
            " followed by a carriage return", NULL);
    }
    return apr_pstrndup(x->r->pool, start, (size_t)(end - start));
}

/* Overload: the client may come again. */
int cgi_start_overload(cgi_exec_t *x, apr_status_t rv, const char *what)
{
    apr_table_setn(x->r->err_headers_out, "Retry-After", "2");
    return cgi_fail(x, HTTP_SERVICE_UNAVAILABLE, rv, "can't be started: %s",
                    what);
}

/* The script could not be started: say why, in httpd's statuses. */
int cgi_start_failed(cgi_exec_t *x)
{
    const char *interpreter;
    struct stat st;
    int err = x->fail_errno;

    switch (x->fail_stage) {
    case CGI_STAGE_FORK:
        return cgi_start_overload(x, err, "no process could be made");
    case CGI_STAGE_MESSAGE:
        if (err == EINVAL) {
            return cgi_start_overload(
                x, 0,
                "another version of cgi-launcher is installed: install the "
                "one that was built with this module, and restart httpd");
        }
        return cgi_start_overload(x, err,
                                  "the launcher is out of descriptors");
    case CGI_STAGE_LIMIT:
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "a limit of RLimitCPU, RLimitMEM or RLimitNPROC "
                        "can't be set");
    case CGI_STAGE_REFUSED:
        return cgi_fail(x, HTTP_FORBIDDEN, err,
                        "the privileged launcher refuses it");
    case CGI_STAGE_ROOT:
        return cgi_fail(
            x, err == ENOENT ? HTTP_NOT_FOUND : HTTP_INTERNAL_SERVER_ERROR,
            err, "can't change the root directory to %s", x->options->root);
    case CGI_STAGE_USER:
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "can't become the route's user");
    case CGI_STAGE_DIR:
        if (x->options->work_dir && (err == ENOENT || err == ENOTDIR)) {
            return cgi_reject(x, HTTP_NOT_FOUND, err,
                              "there is no directory %s",
                              x->options->work_dir);
        }
        return cgi_fail(
            x, err == EACCES ? HTTP_FORBIDDEN : HTTP_INTERNAL_SERVER_ERROR,
            err, "can't change to its directory");
    case CGI_STAGE_EXEC:
        break;
    }
    if (x->suexec) {
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "suexec can't be executed: %s", SUEXEC_BIN);
    }
    interpreter = x->options->interpreter ? x->options->interpreter[0]
                                          : interpreter_of(x);
    switch (err) {
    case EACCES:
    case EPERM:
        if (interpreter && !access(script_file(x), X_OK)) {
            return cgi_fail(x, HTTP_FORBIDDEN, err,
                            "its interpreter %s can't be executed",
                            interpreter);
        }
        return cgi_fail(x, HTTP_FORBIDDEN, err,
                        "the script is not executable by the server");
    case ENOENT:
    case ENOTDIR:
        if (stat(script_file(x), &st)) {
            return cgi_fail(x, HTTP_NOT_FOUND, err, "the script has gone");
        }
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "its interpreter %s does not exist",
                        interpreter ? interpreter : "(dynamic loader)");
    case ENOEXEC:
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "not a program: a script needs a first line such as "
                        "#!/bin/sh");
    case E2BIG:
        return cgi_fail(x, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, err,
                        "its environment is larger than the system allows");
    case EAGAIN:
    case ENOMEM:
    case ENFILE:
    case EMFILE:
        return cgi_start_overload(x, err, "the system is out of resources");
    default:
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, err,
                        "can't be executed");
    }
}

int cgi_start_check(cgi_exec_t *x)
{
    char c;

    x->start_by = 0;
    if (x->pid || x->control_fd < 0 ||
        recv(x->control_fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
        errno != EAGAIN) {
        return OK;
    }
    return cgi_start_overload(x, APR_TIMEUP,
                              "no launcher takes the request: the program "
                              "cgi-launcher does not run, or all of them are "
                              "held up");
}

/* Reads as empty, for scripts without a body: one for the whole process. */
static int nothing_fd = -1;

void cgi_start_child_init(void)
{
    nothing_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int set_nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Words of the command line, and the program that is executed. */
static const char *const *make_argv(cgi_exec_t *x, const char **path)
{
    const cgi_exec_options_t *o = x->options;
    request_rec *r = x->r;
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

static void add_limit(cgi_wire_request_t *request, cgi_wire_limit_e which,
                      const struct rlimit *limit)
{
    if (limit) {
        request->limits |= 1u << which;
        request->limit[which] = *limit;
    }
}

static void make_request(cgi_exec_t *x, cgi_wire_request_t *request)
{
    core_dir_config *core = ap_get_core_module_config(x->r->per_dir_config);

    memset(request, 0, sizeof(*request));
    request->dir = x->options->work_dir
                       ? x->options->work_dir
                       : ap_make_dirstr_parent(x->r->pool, x->options->script);
    request->identity = x->options->identity;
    request->values = x->options->values;
    request->argv = make_argv(x, &request->path);
    request->env =
        cgi_environment_make(x->r->subprocess_env, getenv("TZ"), x->r->pool);
    request->kill_ms =
        x->options->dir->kill_timeout < 0
            ? KILL_MS
            : (unsigned int)apr_time_as_msec(x->options->dir->kill_timeout);
    add_limit(request, CGI_LIMIT_CPU, core->limit_cpu);
    add_limit(request, CGI_LIMIT_MEM, core->limit_mem);
    add_limit(request, CGI_LIMIT_NPROC, core->limit_nproc);
}

static void close_pairs(const cgi_exec_t *x, int theirs[CGI_FD_MAX])
{
    int i;

    if (x->stdin_fd < 0) {
        theirs[CGI_FD_STDIN] = -1; /* not made for this script alone */
    }
    for (i = 0; i < CGI_FD_MAX; i++) {
        cgi_close_fd(&theirs[i]);
    }
}

/* A pipe to here, or what CGIStderr says. @return 0, or -1 and errno */
static int make_stderr(cgi_exec_t *x, int theirs[CGI_FD_MAX])
{
    int pair[2], fd = cgi_stderr_fd(x->options->dir);

    if (fd >= 0) {
        theirs[CGI_FD_STDERR] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return theirs[CGI_FD_STDERR] < 0 ? -1 : 0;
    }
    if (pipe2(pair, O_CLOEXEC)) {
        return -1;
    }
    x->stderr_fd = pair[0];
    theirs[CGI_FD_STDERR] = pair[1];
    return set_nonblocking(x->stderr_fd);
}

/* Make the pipes: ours into x, theirs into the array. None of ours blocks: a
 * script may open /proc/self/fd/1 and take back what poll() has announced.
 * Each end of a pipe has this flag for itself. */
static apr_status_t make_pipes(cgi_exec_t *x, int theirs[CGI_FD_MAX])
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return errno;
    }
    x->control_fd = pair[0];
    theirs[CGI_FD_CONTROL] = pair[1];
    if (pipe2(pair, O_CLOEXEC)) {
        return errno;
    }
    x->stdout_fd = pair[0];
    theirs[CGI_FD_STDOUT] = pair[1];
    if (set_nonblocking(x->stdout_fd) || make_stderr(x, theirs)) {
        return errno;
    }
    if (x->body == CGI_BODY_DONE) {
        theirs[CGI_FD_STDIN] = x->spool_fd < 0 ? nothing_fd : x->spool_fd;
        return APR_SUCCESS;
    }
    if (pipe2(pair, O_CLOEXEC)) {
        return errno;
    }
    theirs[CGI_FD_STDIN] = pair[0];
    x->stdin_fd = pair[1];
    return set_nonblocking(x->stdin_fd) ? errno : APR_SUCCESS;
}

/* Ask a launcher for the script. */
int cgi_start(cgi_exec_t *x)
{
    int theirs[CGI_FD_MAX] = {-1, -1, -1, -1, -1};
    cgi_wire_request_t request;
    apr_status_t rv;
    int rc;

    x->attempts++;
    rv = make_pipes(x, theirs);
    if (rv != APR_SUCCESS) {
        close_pairs(x, theirs);
        return cgi_start_overload(x, rv, "no pipe could be made");
    }
    make_request(x, &request);
    if ((rc = cgi_suexec_wrap(x, &request)) != OK) {
        close_pairs(x, theirs);
        return rc;
    }
    cgi_limit_asked(&x->turn, request.kill_ms);
    rv = cgi_launch_send(&request, theirs, x->r->server->timeout, x->r->pool);
    close_pairs(x, theirs);
    if (rv != APR_SUCCESS) {
        cgi_limit_started(&x->turn, 0);
    }
    if (rv == E2BIG) {
        return cgi_fail(x, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, rv,
                        "its environment is larger than the system allows");
    }
    if (rv != APR_SUCCESS) {
        return cgi_start_overload(x, rv, "the launchers do not take requests");
    }
    x->start_by = cgi_clock_now() + START_MAX;
    return OK;
}

int cgi_start_claim(cgi_exec_t *x)
{
    int pair[2];
    apr_status_t rv;

    if (!x->pid || x->exited || x->fail_errno || x->claims++ == CLAIMS_MAX ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return 0;
    }
    rv = cgi_launch_claim(x->pid, x->options->identity, pair[1]);
    close(pair[1]);
    if (rv != APR_SUCCESS) {
        close(pair[0]);
        return 0;
    }
    x->control_fd = pair[0];
    x->unclaimed = 1;
    return 1;
}
