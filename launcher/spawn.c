/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The launcher's way from a message to a process: what may run, as whom,
 * and the child's steps until it is the script.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_strings.h"

#include "launcher/launcher.h"

int launcher_is_warm, launcher_is_users;

static struct rlimit nofile; /* as inherited, given on to scripts */
static int nofile_raised;

void launcher_raise_descriptors(void)
{
    struct rlimit raised;

    if (!getrlimit(RLIMIT_NOFILE, &nofile) &&
        nofile.rlim_cur < nofile.rlim_max) {
        raised = nofile;
        raised.rlim_cur = raised.rlim_max;
        nofile_raised = !setrlimit(RLIMIT_NOFILE, &raised);
    }
}

/* In the child: this step failed. Does not return. */
static void child_fails(const int fds[CGI_FD_MAX], cgi_stage_e stage)
{
    launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, errno, stage);
    _exit(127);
}

/* In the child of a user's launcher, which has that user's rights only: may
 * it become this script? What is made of the message is this process's own. */
static void check(const cgi_wire_request_t *request, const int fds[CGI_FD_MAX],
                  cgi_wire_request_t *safe)
{
    const launcher_become_t *who;
    apr_pool_t *p;

    if (apr_pool_create(&p, NULL) ||
        !launcher_authorize(request, fds, safe, &who, p)) {
        errno = EPERM;
        child_fails(fds, CGI_STAGE_REFUSED);
    }
}

/* In the child: become the script. Does not return.
 * @param enter the cgroup of this entry; or NULL */
static void run_child(const cgi_wire_request_t *request,
                      const launcher_become_t *who, const int fds[CGI_FD_MAX],
                      const launcher_entry_t *enter)
{
    static const unsigned int resource[CGI_LIMIT_MAX] = {
        RLIMIT_CPU, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_NOFILE};
    cgi_wire_request_t safe;
    sigset_t none;
    int i, failed;

    setpgid(0, 0);
    if (enter && launcher_cgroup_enter(enter)) {
        child_fails(fds, CGI_STAGE_CGROUP);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (launcher_is_users) {
        check(request, fds, &safe);
        request = &safe;
    }
    if (nofile_raised) {
        setrlimit(RLIMIT_NOFILE, &nofile);
    }
    if (who && (failed = launcher_become(who, request->root))) {
        child_fails(fds, (cgi_stage_e)failed);
    }
    /* After the change of user, so that no worker can raise a limit. */
    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        if ((request->limits & (1u << i)) != 0 &&
            setrlimit(resource[i], &request->limit[i])) {
            child_fails(fds, CGI_STAGE_LIMIT);
        }
    }
    /* All other descriptors are close-on-exec. */
    if (dup2(fds[CGI_FD_STDIN], 0) < 0 || dup2(fds[CGI_FD_STDOUT], 1) < 0 ||
        dup2(fds[CGI_FD_STDERR], 2) < 0) {
        child_fails(fds, CGI_STAGE_MESSAGE);
    }
    if (chdir(request->dir)) {
        child_fails(fds, CGI_STAGE_DIR);
    }
    if (request->sandbox && launcher_sandbox_enter(request)) {
        child_fails(fds, CGI_STAGE_SANDBOX);
    }
    /* Said by the script's own process: once it runs, its worker knows of it
     * whatever becomes of the launcher. */
    launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_PROCESS, getpid(), 0);
    if (launcher_is_warm) {
        launcher_warm_become(request, fds[CGI_FD_CONTROL]);
    }
    execve(request->path, (char *const *)request->argv,
           (char *const *)request->env);
    child_fails(fds, CGI_STAGE_EXEC);
}

/* A pipe or a file; or /dev/null, or for stderr what httpd logs to. */
static int is_stream(const struct stat *st, int which)
{
    return S_ISFIFO(st->st_mode) || S_ISREG(st->st_mode) ||
           (S_ISCHR(st->st_mode) &&
            (st->st_rdev == makedev(1, 3) || which == CGI_FD_STDERR));
}

/* Whether a script of another user may have what a worker opened: a directory
 * would lead out of its root; a script that has a socket could hold a lease,
 * its own or another's, which no worker can give back then. */
static int are_fit(const int fds[CGI_FD_MAX])
{
    struct ucred maker;
    socklen_t len = sizeof(maker), type_len = sizeof(int);
    struct stat st;
    int i, flags, type;

    for (i = CGI_FD_STDIN; i <= CGI_FD_STDERR; i++) {
        flags = fcntl(fds[i], F_GETFL);
        if (flags < 0 || (flags & O_PATH) || fstat(fds[i], &st) ||
            !is_stream(&st, i)) {
            return 0;
        }
    }
    /* The queue itself is one, too, but made by root. */
    return !getsockopt(fds[CGI_FD_CONTROL], SOL_SOCKET, SO_TYPE, &type,
                       &type_len) &&
           type == SOCK_SEQPACKET &&
           !getsockopt(fds[CGI_FD_CONTROL], SOL_SOCKET, SO_PEERCRED, &maker,
                       &len) &&
           maker.uid != 0;
}

/* Whom a message may make a script of. @return 0: it is refused */
int launcher_authorize(const cgi_wire_request_t *request,
                       const int fds[CGI_FD_MAX], cgi_wire_request_t *safe,
                       const launcher_become_t **who, apr_pool_t *pool)
{
    const char *reason;

    *who = NULL;
    if (!launcher_has_identities()) {
        *safe = *request;
        return request->identity == 0;
    }
    *who = launcher_identity(request->identity);
    if (!*who) {
        fprintf(stderr, "cgi-launcher: refused: no identity %u\n",
                request->identity);
        return 0;
    }
    reason = cgi_identity_check((*who)->identity, request, safe, pool);
    if (!reason && !are_fit(fds)) {
        reason = "its descriptors are not those of a script";
    }
    if (reason) {
        fprintf(stderr, "cgi-launcher: refused, identity %u: %s\n",
                request->identity, reason);
    }
    return !reason;
}

/* ---- a child that borrows our memory ---- */

/* For a small program, the copy that fork() makes is a good part of the whole
 * start. Where the child has nothing to do but to become the script it
 * borrows our memory, as after vfork(), and we wait until it has given it
 * back. But execve() opens files of a script's owner: he can hold a lease on
 * one for 45 seconds, and a file system can hang for ever. So the child has
 * a timer that kills it. The kernel deletes the timer, and a signal of it
 * that waits, when execve() has opened all it needs: a child that is killed
 * by it has run nothing, and a fork() starts the script anew. That one may
 * hang as long as it likes.
 */

/* So long a child may have our memory: on a busy machine it waits for a
 * processor, too, and if we die then, its request is lost with it; */
#define BORROW_MS 200
/* so long the kernel may take to end it after that; one that hangs where no
 * signal arrives never comes back from there; */
#define KILLED_MS 50
/* and so long none is lent after it was too slow, so that scripts which hang
 * can't hold up others one after the other; or by a launcher that follows one
 * which was killed. */
#define NO_LENDING apr_time_from_sec(20)
/* Nothing else sends it. */
#define TOO_SLOW SIGRTMAX

/* As the kernel knows it by these calls. */
typedef struct kernel_time_t {
    long sec, nsec;
} kernel_time_t;

typedef struct borrowed_t {
    const cgi_wire_request_t *request;
    const launcher_become_t *who;
    const int *fds;
    const launcher_entry_t *enter; /* its cgroup; or NULL */
    volatile int armed; /* the child's timer runs; or -1: it has none */
} borrowed_t;

static apr_time_t no_lending_until;

/* The child runs on it, in our memory or in its own. */
static char child_stack[64 * 1024] __attribute__((aligned(64)));

/* Of a child that has become a script, AddressSanitizer still guards the
 * variables. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)0)
#endif

static int make_child(int (*run)(void *), int flags, borrowed_t *b, pid_t *pid,
                      int *lent)
{
    ASAN_UNPOISON_MEMORY_REGION(child_stack, sizeof(child_stack));
    return clone(run, child_stack + sizeof(child_stack),
                 flags | CLONE_PARENT_SETTID | SIGCHLD, b, pid, NULL, lent);
}

static int run_borrower(void *data)
{
    const kernel_time_t when[2] = {{0, 0}, {0, BORROW_MS * 1000000L}};
    borrowed_t *b = data;
    struct sigevent event;
    int timer;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = TOO_SLOW;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) ||
        syscall(SYS_timer_settime, timer, 0, when, NULL)) {
        b->armed = -1;
        _exit(127);
    }
    b->armed = 1;
    run_child(b->request, NULL, b->fds, NULL);
    return 127;
}

/* Has the timer killed it? It is about to be seen by waitid(), if so. */
static int was_too_slow(pid_t pid)
{
    const kernel_time_t ms = {0, 1000000};
    siginfo_t info;
    int i, never = 0;

    for (i = 0; i < KILLED_MS; i++) {
        memset(&info, 0, sizeof(info));
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) {
            return 0;
        }
        if (info.si_pid == pid) {
            return info.si_code == CLD_KILLED && info.si_status == TOO_SLOW;
        }
        (void)syscall(SYS_futex, &never, FUTEX_WAIT, 0, &ms, NULL, 0);
    }
    return 0;
}

/* @return 1: *pid is the child's process; 0: it was none, or too slow; -1 and
 * errno */
static int start_borrower(pid_t *pid, const cgi_wire_request_t *request,
                          const int fds[CGI_FD_MAX])
{
    static int *lent; /* cleared by the kernel when the child has given back */
    const kernel_time_t tick = {0, 5 * 1000000};
    borrowed_t b = {request, NULL, fds, NULL, 0};
    apr_time_t begun = launcher_now(), armed = 0, now = begun;

    if (!lent && !(lent = malloc(sizeof(*lent)))) {
        return 0;
    }
    __atomic_store_n(lent, 1, __ATOMIC_SEQ_CST);
    if (make_child(run_borrower, CLONE_VM | CLONE_CHILD_CLEARTID, &b, pid,
                   lent) < 0) {
        return -1;
    }
    while (__atomic_load_n(lent, __ATOMIC_SEQ_CST)) {
        (void)syscall(SYS_futex, lent, FUTEX_WAIT, 1, &tick, NULL, 0);
        now = launcher_now();
        if (b.armed && !armed) {
            armed = now;
        }
        if (armed && now - armed > apr_time_from_msec(BORROW_MS + KILLED_MS) &&
            __atomic_load_n(lent, __ATOMIC_SEQ_CST)) {
            lent = NULL; /* it is the child's now */
            return 0;
        }
    }
    if (b.armed < 0) {
        return 0;
    }
    return now - begun < apr_time_from_msec(BORROW_MS) || !was_too_slow(*pid);
}

static int run_forked(void *data)
{
    const borrowed_t *b = data;

    run_child(b->request, b->who, b->fds, b->enter);
    return 127;
}

/* A child that goes on with our memory: the C library must know that it is
 * one, and so must the interpreter's libraries (pthread_atfork). fork() can't
 * write the number into the list; the child does so before it is a script. */
static apr_status_t make_warm(launcher_entry_t *entry,
                              const cgi_wire_request_t *request,
                              const int fds[CGI_FD_MAX])
{
    pid_t launcher = getpid(), child = fork();

    if (child < 0) {
        return errno;
    }
    if (!child) {
        entry->pid = getpid();
        if (getppid() != launcher) {
            entry->pid = 0; /* the next launcher may have read the list */
            _exit(127);
        }
        run_child(request, NULL, fds, entry);
    }
    entry->pid = child;
    return APR_SUCCESS;
}

void launcher_stop_lending(void)
{
    no_lending_until = launcher_now() + NO_LENDING;
}

apr_status_t launcher_make_process(launcher_entry_t *entry,
                                   const cgi_wire_request_t *request,
                                   const launcher_become_t *who,
                                   const int fds[CGI_FD_MAX])
{
    borrowed_t b = {request, who, fds, NULL, 0};
    int made;

    if (launcher_is_warm) {
        return make_warm(entry, request, fds);
    }
    if (launcher_cgroup_is_on()) {
        made = launcher_cgroup_fork(entry, &entry->pid);
        if (!made) {
            run_child(request, who, fds, NULL);
        }
        if (made > 0 || errno != ENOSYS) {
            return made < 0 ? errno : APR_SUCCESS;
        }
        b.enter = entry;
    }
    else if (!who && !launcher_is_users && !request->limits &&
             !request->sandbox && launcher_now() >= no_lending_until) {
        made = start_borrower(&entry->pid, request, fds);
        if (made) {
            return made < 0 ? errno : APR_SUCCESS;
        }
        launcher_stop_lending();
    }
    /* As fork() does; it alone can't write the number for us. */
    return make_child(run_forked, 0, &b, &entry->pid, NULL) < 0 ? errno
                                                                : APR_SUCCESS;
}
