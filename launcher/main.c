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

#include <errno.h>
#include <fcntl.h>
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
#include <sys/syscall.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_time.h"

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

static struct {
    apr_pool_t *pool;
    apr_pool_t *message_pool; /* cleared after each start */
    int epoll_fd, signal_fd;
    int queue_open;
    unsigned int share; /* scripts that one worker may have; 0: any number */
} launcher;

static launcher_event_e is_queue = LAUNCHER_QUEUE, is_signal = LAUNCHER_SIGNAL,
                        is_script = LAUNCHER_SCRIPT;
static char inline_message[CGI_WIRE_INLINE_MAX];
static int queue_fd = QUEUE_FD;
static launcher_warm_t warm;

/* Start the script of a message that arrived whole. */
static void start(cgi_wire_request_t *request, const launcher_become_t *who,
                  int fds[CGI_FD_MAX])
{
    pid_t worker = launcher_tend_worker(fds[CGI_FD_CONTROL]);
    launcher_entry_t *entry = NULL;
    launcher_script_t *script = NULL;
    cgi_stage_e stage = CGI_STAGE_FORK;
    apr_status_t rv = APR_ENOMEM;

    if (!worker) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EPERM,
                      CGI_STAGE_REFUSED);
        return;
    }
    /* As many run, or are ending, as one worker may have. */
    if (launcher.share && launcher_tend_count() >= launcher.share &&
        launcher_tend_count_of(worker) >= launcher.share) {
        rv = EAGAIN;
    }
    else if ((entry = launcher_table_add(worker, request->kill_ms)) &&
             (script = launcher_tend_new(entry, 0))) {
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
    launcher_tend_begin(script, fds[CGI_FD_CONTROL]);
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
        launcher_tend_claim(cgi_wire_claimed(data, size), fds);
    }
    else if (nfds <= CGI_FD_STDERR || (flags & (MSG_CTRUNC | MSG_TRUNC))) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EMFILE,
                      CGI_STAGE_MESSAGE);
    }
    else if (!data || cgi_wire_decode(&request, data, size, pool)) {
        launcher_note(fds[CGI_FD_CONTROL], CGI_NOTE_FAILED, EINVAL,
                      CGI_STAGE_MESSAGE);
    }
    else if (launcher_is_given_back(fds[CGI_FD_CONTROL])) {
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

static void close_queue(void)
{
    if (launcher.queue_open) {
        launcher_unwatch(queue_fd);
        launcher.queue_open = 0;
    }
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
        close_queue(); /* the last worker of this generation is gone */
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

static void on_signals(void)
{
    struct signalfd_siginfo info[4]; /* two signals, one of each waits */
    ssize_t n = read(launcher.signal_fd, info, sizeof(info));
    ssize_t i;

    for (i = 0; i < n / (ssize_t)sizeof(info[0]); i++) {
        if (info[i].ssi_signo == SIGTERM) {
            launcher_tend_end_all();
            close_queue();
        }
    }
    launcher_tend_reap();
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
        launcher_unwatch(queue_fd);
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

static launcher_event_e kind_of(const struct epoll_event *event)
{
    return *(const launcher_event_e *)event->data.ptr;
}

static void serve(void)
{
    struct epoll_event ready[16];
    int n, i;

    while (launcher.queue_open || launcher_tend_count()) {
        apr_interval_time_t wait = end_if_stale(launcher_tend_timers());

        if (!launcher.queue_open && !launcher_tend_count()) {
            break;
        }
        n = epoll_wait(launcher.epoll_fd, ready, 16,
                       wait < 0 ? -1 : (int)apr_time_as_msec(wait) + 1);
        /* Scripts first: a signal may forget one that has an event here. */
        for (i = 0; i < n; i++) {
            if (kind_of(&ready[i]) == LAUNCHER_SCRIPT) {
                launcher_tend_hang_up(ready[i].data.ptr);
                ready[i].data.ptr = &is_script; /* it may be forgotten now */
            }
        }
        for (i = 0; i < n; i++) {
            switch (kind_of(&ready[i])) {
            case LAUNCHER_WORKER:
                launcher_tend_worker_end(ready[i].data.ptr);
                break;
            case LAUNCHER_SIGNAL:
                on_signals();
                break;
            case LAUNCHER_QUEUE:
                on_queue();
                break;
            case LAUNCHER_SCRIPT:
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
        launcher_watch(launcher.signal_fd, EPOLLIN, &is_signal)) {
        launcher_die("watching signals");
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
    launcher_drop_privileges(uid, root, groups, ngroups, keep_kill);
    if (identities) {
        /* No script of its user's gets at its memory and descriptors. */
        prctl(PR_SET_DUMPABLE, 0);
    }
    if (launcher_is_users) {
        launcher_log_apart(); /* what is loaded may be that user's own */
    }

    launcher_raise_descriptors();
    launcher_open_log();

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
    launcher.epoll_fd = launcher_tend_open(launcher.pool);
    if (launcher.epoll_fd < 0) {
        launcher_die("creating the poll set");
    }
    reset_signals();
    /* One message is to wake one launcher, not all that read the queue. */
    if (launcher_watch(queue_fd, EPOLLIN | EPOLLEXCLUSIVE, &is_queue)) {
        launcher_die("watching the queue");
    }
    launcher.queue_open = 1;
    launcher_tend_left();
    if (warm.plugin) {
        serve_warm();
    }
    serve();
    return 0;
}
