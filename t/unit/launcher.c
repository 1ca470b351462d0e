/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What a worker and a launcher say to each other, without httpd. The launcher
 * is the one that was built beside this program; CGI_LAUNCHER in the
 * environment is another command, of words (scripts/emulated). */
/* link: base/wire.c */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/wire.h"
#include "tap.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WAIT_MS 30000 /* an emulator is slow */

static apr_pool_t *pool;
static int queue;

/* One script: what of it is ours. */
typedef struct call_t {
    int lease, in, out;
} call_t;

static void must(int ok, const char *what)
{
    if (!ok) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(2);
    }
}

static pid_t start_launcher(const char *command)
{
    int pair[2];
    pid_t pid;
    char **argv;

    must(!apr_tokenize_to_argv(command, &argv, pool), command);
    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
         "queue");
    pid = fork();
    must(pid >= 0, "fork");
    if (!pid) {
        dup2(pair[0], 0);
        execvp(argv[0], argv);
        _exit(126);
    }
    close(pair[0]);
    queue = pair[1];
    return pid;
}

static call_t call(const cgi_wire_request_t *request)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int[CGI_FD_MAX]))];
    } control;
    int lease[2], in[2], out[2], fds[CGI_FD_MAX], i;
    unsigned int n = CGI_FD_MESSAGE;
    struct iovec iov;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *cmsg;
    apr_size_t size;
    void *data;

    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lease) &&
             !pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC),
         "pipes");
    fds[CGI_FD_CONTROL] = lease[1];
    fds[CGI_FD_STDIN] = in[0];
    fds[CGI_FD_STDOUT] = out[1];
    fds[CGI_FD_STDERR] = dup(out[1]);
    must(!cgi_wire_encode(request, pool, &data, &size), "a message");
    iov.iov_base = data;
    iov.iov_len = size;
    if (size > CGI_WIRE_INLINE_MAX) {
        int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file");
        fds[n++] = fd;
        iov.iov_base = &size;
        iov.iov_len = sizeof(size);
    }
    memset(&control, 0, sizeof(control));
    msg.msg_control = &control;
    msg.msg_controllen = (socklen_t)CMSG_SPACE(n * sizeof(int));
    cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = (socklen_t)CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
    must(sendmsg(queue, &msg, MSG_NOSIGNAL) >= 0, "sending");
    for (i = 0; i < (int)n; i++) {
        close(fds[i]);
    }
    return (call_t){lease[0], in[1], out[0]};
}

/* All that can be read, as far as it fits. */
static const char *output(const call_t *c)
{
    static char text[4096];
    struct pollfd pfd = {.fd = c->out, .events = POLLIN};
    size_t n = 0;

    while (n < sizeof(text) - 1 && poll(&pfd, 1, WAIT_MS) == 1) {
        ssize_t got = read(c->out, text + n, sizeof(text) - 1 - n);

        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    text[n] = '\0';
    return text;
}

/* The first note that says how it ended. @return "exited N", "failed N at M"
 * or "none" */
static const char *ending(const call_t *c)
{
    struct pollfd pfd = {.fd = c->lease, .events = POLLIN};
    cgi_note_t note;

    while (poll(&pfd, 1, WAIT_MS) == 1 &&
           read(c->lease, &note, sizeof(note)) == (ssize_t)sizeof(note)) {
        if (note.kind == CGI_NOTE_EXITED) {
            return apr_psprintf(pool, "exited %d", note.value);
        }
        if (note.kind == CGI_NOTE_FAILED) {
            return apr_psprintf(pool, "failed %d at %d", note.value,
                                note.stage);
        }
    }
    return "none";
}

static void close_call(const call_t *c)
{
    close(c->in);
    close(c->out);
    close(c->lease);
}

static void talk(void)
{
    cgi_wire_request_t shell = {.path = "/bin/sh",
                                .dir = "/",
                                .argv = LIST("sh", "-c",
                                             "cat; echo \"$1 $NAME $(pwd)\";"
                                             "ulimit -n; exit 3",
                                             "-", "a\xff"),
                                .env = LIST("NAME=of it", "PATH=/bin"),
                                .limits = 1u << CGI_LIMIT_NOFILE};
    cgi_wire_request_t none = {.path = "/nowhere/none",
                               .dir = "/",
                               .argv = LIST("none"),
                               .env = LIST("A=b")};
    cgi_wire_request_t slow = {.path = "/bin/sh",
                               .dir = "/",
                               .argv = LIST("sh", "-c", "echo on; sleep 99"),
                               .env = LIST("PATH=/bin:/usr/bin"),
                               .kill_ms = 1000};
    const char *large[2] = {NULL, NULL};
    char *value = apr_palloc(pool, 100001), byte;
    call_t c;

    shell.limit[CGI_LIMIT_NOFILE].rlim_cur = 77;
    shell.limit[CGI_LIMIT_NOFILE].rlim_max = 77;
    c = call(&shell);
    must(write(c.in, "body\n", 5) == 5, "a body");
    close(c.in);
    tap_is(output(&c), "body\na\xff of it /\n77\n",
           "a script has body, argument, environment, directory and limit");
    tap_is(ending(&c), "exited 768", "its status is told");
    close(c.out);
    close(c.lease);

    c = call(&none);
    tap_is(ending(&c),
           apr_psprintf(pool, "failed %d at %d", ENOENT, CGI_STAGE_EXEC),
           "a program that is not there");
    close_call(&c);

    memset(value, 'x', 100000);
    memcpy(value, "LARGE=", 6);
    value[100000] = '\0';
    large[0] = value;
    shell = (cgi_wire_request_t){.path = "/bin/sh",
                                 .dir = "/",
                                 .argv = LIST("sh", "-c", "echo ${#LARGE}"),
                                 .env = large};
    c = call(&shell);
    tap_is(output(&c), "99994\n", "a message in a file");
    close_call(&c);

    /* Without a lease it ends, and what it has started. */
    c = call(&slow);
    must(read(c.out, &byte, 1) == 1, "output");
    close(c.lease);
    tap_is(output(&c), "n\n", "a script without its lease ends");
    close(c.in);
    close(c.out);
}

int main(int argc, const char *const *argv)
{
    const char *command = getenv("CGI_LAUNCHER");
    char *slash;
    int status;
    pid_t pid;

    apr_app_initialize(&argc, &argv, NULL);
    apr_pool_create(&pool, NULL);
    if (!command) {
        char *path = apr_pstrdup(pool, argv[0]);

        slash = strrchr(path, '/');
        path[slash ? slash - path : 0] = '\0';
        command = apr_pstrcat(pool, path, "/../../cgi-launcher", NULL);
        if (access(command, X_OK)) {
            puts("1..0 # skip no launcher was built");
            return 0;
        }
    }
    pid = start_launcher(command);
    talk();
    close(queue);
    tap_ok(waitpid(pid, &status, 0) == pid && status == 0,
           "without workers, the launcher ends");
    return tap_done();
}
