/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * A worker that somebody has taken over, for forged.c and forged_user.c: it
 * holds the queue of a launcher, and sends what it likes. The process is root;
 * it is a worker by its effective ids, and root again to start launchers and
 * to look at them.
 */
#ifndef WORKER_H
#define WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_time.h"

#include "base/identity.h"
#include "t/unit/tap.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define WORKER 65534 /* nobody */
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FDS_MAX 16

static apr_pool_t *pool;

/** A launcher that runs, and its queue. */
static struct {
    pid_t pid;
    int queue; /* the workers' end */
} launcher;

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "Bail out! %s: %s\n", what, strerror(errno));
        exit(2);
    }
}

static void be_root(void)
{
    must(!seteuid(0) && !setegid(0), "becoming root");
}

static void be_worker(void)
{
    gid_t none = WORKER;

    must(!setgroups(1, &none) && !setegid(WORKER) && !seteuid(WORKER),
         "becoming a worker");
}

/** A file in memory. */
static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file");
    return fd;
}

#define FILES_LIMIT 300

/** Answer calls that older kernels do not have as those do. */
static void be_old_kernel(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

    must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
             !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program),
         "a filter");
}

/** 1: launchers are started as on an old kernel. */
static int old_kernel;

/** Start a launcher with words after its name, as httpd's parent does; its
 * stderr goes to log. Its limit of CPU seconds is 1000, that of descriptors
 * FILES_LIMIT, which it may raise. */
static inline void launcher_start(const char *program,
                                  const char *const *words, int identities,
                                  const char *log)
{
    const struct rlimit cpu = {1000, 1000}, files = {FILES_LIMIT, 1000};
    const char *argv[24] = {program};
    int pair[2], n;

    be_root();
    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
         "a queue");
    for (n = 0; words[n]; n++) {
        argv[n + 1] = words[n];
    }
    launcher.pid = fork();
    must(launcher.pid >= 0, "fork");
    if (!launcher.pid) {
        int err = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);

        dup2(pair[0], 0);
        dup2(identities < 0 ? open("/dev/null", O_WRONLY) : identities, 1);
        dup2(err, 2);
        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_NOFILE, &files);
        dup2(0, 20); /* something that httpd's parent has left open */
        if (old_kernel) {
            be_old_kernel();
        }
        execv(program, (char *const *)argv);
        _exit(126);
    }
    close(pair[0]);
    launcher.queue = pair[1];
    be_worker();
}

/** Has it ended within so many milliseconds? @return its status as of
 * waitpid(), or -1 */
static inline int launcher_ended(int ms)
{
    int status = -1;

    for (; ms >= 0; ms -= 10) {
        if (waitpid(launcher.pid, &status, WNOHANG) == launcher.pid) {
            return status;
        }
        usleep(10000);
    }
    return -1;
}

/** End it, whatever it does. */
static void launcher_kill(void)
{
    int status;

    be_root();
    kill(launcher.pid, SIGKILL);
    waitpid(launcher.pid, &status, 0);
    close(launcher.queue);
    be_worker();
}

/** A file of /proc, as root sees it: "/proc/PID/name". */
static const char *proc(pid_t pid, const char *name)
{
    char text[65536];
    size_t n = 0;
    FILE *file;

    be_root();
    file = fopen(apr_psprintf(pool, "/proc/%ld/%s", (long)pid, name), "r");
    if (file) {
        n = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
    }
    be_worker();
    text[n] = '\0';
    return apr_pstrdup(pool, text);
}

/** What follows a word in a text of lines, up to the end of its line. */
static const char *line_of(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    if (!at) {
        return "(none)";
    }
    at += strlen(word);
    at += strspn(at, " \t");
    return apr_pstrmemdup(pool, at, strcspn(at, "\n"));
}

/** Descriptors that the launcher has open. */
static inline int launcher_fds(void)
{
    char path[64];
    int n = 0, fd;

    be_root();
    for (fd = 0; fd < 1024; fd++) {
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)launcher.pid,
                 fd);
        n += !lstat(path, &st);
    }
    be_worker();
    return n;
}

/** Its processor time, in clock ticks. */
static inline long launcher_ticks(void)
{
    const char *stat = strrchr(proc(launcher.pid, "stat"), ')');
    long user = -1, system = 0;

    must(stat && sscanf(stat,
                        ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld "
                        "%ld",
                        &user, &system) == 2,
         "the launcher's time");
    return user + system;
}

/* ---- messages ---- */

/** One message of the worker, and its side of it. */
typedef struct call_t {
    int fds[FDS_MAX]; /* sent along, of which there are nfds */
    int nfds;
    int control, out; /* ours */
} call_t;

/** Lease, empty stdin, stdout and stderr into one pipe: as a worker does. */
static call_t call_make(void)
{
    call_t call = {.nfds = CGI_FD_MESSAGE};
    int pair[2];

    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
         "a lease");
    call.control = pair[0];
    call.fds[CGI_FD_CONTROL] = pair[1];
    must(!pipe2(pair, O_CLOEXEC), "a pipe");
    call.out = pair[0];
    call.fds[CGI_FD_STDOUT] = pair[1];
    call.fds[CGI_FD_STDERR] = dup(pair[1]);
    call.fds[CGI_FD_STDIN] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return call;
}

/** Put another descriptor in the place of one. */
static void call_replace(call_t *call, int which, int fd)
{
    must(fd >= 0, "a descriptor");
    close(call->fds[which]);
    call->fds[which] = fd;
}

/** Send bytes with the call's descriptors, and close those.
 * @return 0, or errno */
static int call_send(call_t *call, const void *data, size_t size)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int[FDS_MAX]))];
    } control;
    struct iovec iov = {(void *)data, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *cmsg;
    int i, result;

    if (call->nfds > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen =
            (socklen_t)CMSG_SPACE((size_t)call->nfds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = (socklen_t)CMSG_LEN((size_t)call->nfds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), call->fds, (size_t)call->nfds * sizeof(int));
    }
    result = sendmsg(launcher.queue, &msg, MSG_NOSIGNAL) < 0 ? errno : 0;
    for (i = 0; i < call->nfds; i++) {
        close(call->fds[i]);
    }
    return result;
}

/** Send a request as a worker would. */
static int call_request(call_t *call, const cgi_wire_request_t *request)
{
    apr_size_t size;
    void *data;

    must(!cgi_wire_encode(request, pool, &data, &size), "a message");
    if (size <= CGI_WIRE_INLINE_MAX) {
        return call_send(call, data, size);
    }
    call->fds[call->nfds++] = file_of(data, size);
    return call_send(call, &size, sizeof(size));
}

/** The next note, waited for. @return its kind; 0: there
 * will be none, or none comes within 5 seconds */
static int call_note(const call_t *call, cgi_note_t *note)
{
    struct pollfd pfd = {.fd = call->control, .events = POLLIN};

    if (poll(&pfd, 1, 5000) != 1 ||
        read(call->control, note, sizeof(*note)) != (ssize_t)sizeof(*note)) {
        return 0;
    }
    return note->kind;
}

/** All output, until the last writer is gone or for 5 seconds; NUL becomes an
 * end of line. */
static const char *call_output(const call_t *call)
{
    char text[65536];
    struct pollfd pfd = {.fd = call->out, .events = POLLIN};
    size_t i, n = 0;

    while (n < sizeof(text) - 1 && poll(&pfd, 1, 5000) == 1) {
        ssize_t got = read(call->out, text + n, sizeof(text) - 1 - n);

        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    for (i = 0; i < n; i++) {
        text[i] = (char)(text[i] ? text[i] : '\n');
    }
    return apr_pstrmemdup(pool, text, n);
}

static void call_close(const call_t *call)
{
    close(call->control);
    close(call->out);
}

static const char *stage_name(int stage)
{
    static const char *const names[] = {"message", "fork", "cgroup", "limit",
                                        "refused", "root", "user",   "dir",
                                        "sandbox", "exec"};

    return stage >= 0 && stage <= CGI_STAGE_EXEC ? names[stage] : "?";
}

/** What came of a call that was sent: its output; or "STAGE: error". */
static const char *call_result(const call_t *call)
{
    const char *result = "no answer";
    cgi_note_t note;
    int kind;

    do {
        kind = call_note(call, &note);
    } while (kind == CGI_NOTE_PROCESS || kind == CGI_NOTE_COLD ||
             kind == CGI_NOTE_STARTED); /* FAILED may come before or behind */
    if (kind == CGI_NOTE_EXITED) {
        result = call_output(call);
    }
    else if (kind == CGI_NOTE_FAILED) {
        result = apr_psprintf(pool, "%s: %s", stage_name(note.stage),
                              strerror(note.value));
    }
    call_close(call);
    return result;
}

/** The launcher and the directory of the command line. */
static const char *program, *dir;

#define UID 54321
#define GID 54322

/* ---- what is configured ---- */

/* Numbers of the identities. */
enum {
    CAT = 1, /* shows ids, limits and environment */
    GROUPS,  /* the same, with further groups */
    FDS,     /* shows descriptors */
    NAMED,   /* bin/\1, as the URL says */
    ROOTED,  /* the same in the root jails/%{host} */
    LONG,    /* the first, with a variable of long values */
    LAST = LONG
};

static const cgi_identity_var_t long_vars[] = {{"LONG", LIST("=a", "$0")},
                                               {"LONG", LIST("=b", "$0")},
                                               {"LONG", LIST("$0", "$0")},
                                               {NULL, NULL}};
static const cgi_identity_var_t vars[] = {
    {"OWN", LIST("=/srv/own")}, {"LD_OWN", LIST("=/srv/own")}, {NULL, NULL}};

static int identities_file(void)
{
    const char *in_bin = apr_pstrcat(pool, "=", dir, "/bin/", NULL);
    const char *data = apr_pstrcat(pool, "=", dir, "/data", NULL);
    const char *jails = apr_pstrcat(pool, "=", dir, "/jails/", NULL);
    const cgi_identity_t id[LAST] = {
        {.uid = UID,
         .gid = GID,
         .values = "",
         .script = LIST(data),
         .interpreter = LIST("/bin/cat", "/proc/self/status",
                             "/proc/self/limits", "/proc/self/environ"),
         .vars = vars},
        {.uid = UID,
         .gid = GID,
         .groups = LIST("101", "202"),
         .values = "",
         .script = LIST(data),
         .interpreter = LIST("/bin/cat", "/proc/self/status")},
        {.uid = UID,
         .gid = GID,
         .values = "",
         .script = LIST(data),
         .interpreter = LIST("/bin/ls", "-l", "/proc/self/fd")},
        {.uid = UID, .gid = GID, .values = "n", .script = LIST(in_bin, "$0")},
        {.uid = UID,
         .gid = GID,
         .values = "hn",
         .root = LIST(jails, "$0"),
         .script = LIST("=/bin/", "$1")},
        {.uid = UID,
         .gid = GID,
         .values = "n",
         .script = LIST(data),
         .interpreter =
             LIST("/bin/cat", "/proc/self/status", "/proc/self/environ"),
         .vars = long_vars},
    };
    apr_size_t size;
    void *bytes;

    cgi_identity_encode(id, LAST, pool, &bytes, &size);
    return file_of(bytes, size);
}

static void put(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(apr_pstrcat(pool, dir, "/", name, NULL), "w");

    must(file && fputs(text, file) >= 0 && !fclose(file) &&
             !chmod(apr_pstrcat(pool, dir, "/", name, NULL), mode),
         name);
}

static void files(void)
{
    static const char *const dirs[] = {"",      "/bin",   "/bin/sub",
                                       "/evil", "/jails", "/jails/a"};
    size_t i;

    for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        const char *path = apr_pstrcat(pool, dir, dirs[i], NULL);

        must((!mkdir(path, 0755) || errno == EEXIST) && !chmod(path, 0755),
             path);
    }
    put("data", "data\n", 0644);
    put("bin/show", "#!/bin/sh\necho \"$# $0 $(pwd)\"\n", 0755);
    put("bin/sub/show", "#!/bin/sh\necho \"sub $(pwd)\"\n", 0755);
    put("bin/private", "#!/bin/sh\necho private\n", 0700);
    put("bin/stay",
        "#!/bin/sh\ntrap '' TERM\necho here\n"
        "while :; do sleep 1; done\n",
        0755);
    put("bin/end", "#!/bin/sh\necho here\nexec sleep 60\n", 0755);
    put("bin/leave", "#!/bin/sh\n(trap '' TERM; sleep 1) >/dev/null 2>&1 &\n",
        0755);
    put("bin/held", "#!/bin/sh\necho held\n", 0755);
    put("evil/show", "#!/bin/sh\necho evil\n", 0755);
}

static inline void start(void)
{
    int fd = identities_file();

    launcher_start(program, LIST("-i"), fd,
                   apr_pstrcat(pool, dir, "/log", NULL));
    close(fd);
}

/* ---- one request ---- */

/* A message that asks for something else in every way it can. */
static cgi_wire_request_t forged(unsigned int identity,
                                 const char *const *values)
{
    static const char *const none[] = {NULL};
    static const char *const argv[] = {"sh", "-c", "echo evil", NULL};
    const cgi_wire_request_t request = {.path = "/bin/sh",
                                        .dir = "/",
                                        .argv = argv,
                                        .env = none,
                                        .identity = identity,
                                        .values = values,
                                        .kill_ms = 300};

    return request;
}

static const char no_place[] = "fork: Resource temporarily unavailable";

static const char *ask_once(const cgi_wire_request_t *request)
{
    call_t call = call_make();

    must(!call_request(&call, request), "sending");
    return call_result(&call);
}

/* The same; where scripts of before, which the launcher has still to reap,
 * have all places of a small share, until there is one, 5 s at most. */
static const char *ask(const cgi_wire_request_t *request)
{
    const char *result = ask_once(request);
    int tries;

    for (tries = 0; tries < 500 && !strcmp(result, no_place); tries++) {
        usleep(10000);
        result = ask_once(request);
    }
    return result;
}

static const char *ask_for(unsigned int identity, const char *const *values)
{
    const cgi_wire_request_t request = forged(identity, values);

    return ask(&request);
}

static const char *in_dir(const char *format)
{
    return apr_psprintf(pool, format, dir, dir, dir);
}

/* The launcher still does its work, and is still the same process. */
static inline void works(const char *after)
{
    char name[256];

    snprintf(name, sizeof(name), "the launcher works after %s", after);
    tap_is(ask_for(NAMED, LIST("show")), in_dir("0 %s/bin/show %s/bin\n"),
           name);
}

/* The first word on a script: of its own process, or of the launcher. */
static int is_begun(call_t *call, cgi_note_t *note)
{
    int kind = call_note(call, note);

    return kind == CGI_NOTE_PROCESS || kind == CGI_NOTE_STARTED;
}

/* Start a script that says "here". @return its process */
static pid_t started(call_t *call, const char *name, unsigned int kill_ms)
{
    cgi_wire_request_t request = forged(NAMED, LIST(name));
    cgi_note_t note = {0};
    char here[5];
    int begun = 0, tries;

    request.kill_ms = kill_ms;
    for (tries = 0; tries < 500 && !begun; tries++) {
        *call = call_make();
        must(!call_request(call, &request), "sending");
        begun = is_begun(call, &note);
        if (!begun) {
            must(note.value == EAGAIN, "a script"); /* as ask() */
            call_close(call);
            usleep(10000);
        }
    }
    must(begun, "a place");
    must(read(call->out, here, 5) == 5, "its word");
    return note.value;
}

static int is_gone(pid_t pid, int ms)
{
    int gone = 0;

    be_root();
    for (; ms >= 0 && !gone; ms -= 10) {
        gone = kill(pid, 0) && errno == ESRCH;
        if (!gone) {
            usleep(10000);
        }
    }
    be_worker();
    return gone;
}

/* As main() begins, with the launcher's path and an empty directory. */
static void begin(int argc, char **argv)
{
    if (argc != 3 || geteuid()) {
        fprintf(stderr, "as root: %s LAUNCHER DIRECTORY\n", argv[0]);
        exit(2);
    }
    program = argv[1];
    dir = argv[2];
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(022);
}

#endif /* WORKER_H */
