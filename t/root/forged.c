/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * What a worker that somebody has taken over can make the privileged launcher
 * do (C22, L3): run what is configured, as it is configured, and no more.
 * forged.t runs this as root with the launcher's path and an empty directory.
 */
/* link: base/identity.c base/wire.c base/metavars.c base/safe.c */

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "worker.h"

static int quiet_fds; /* descriptors of a launcher that has nothing to do */

/* ---- what runs ---- */

static void ids(void)
{
    const char *text = ask_for(CAT, NULL);

    tap_is(line_of(text, "\nUid:"), "54321\t54321\t54321\t54321",
           "the route's user, with no way back");
    tap_is(line_of(text, "\nGid:"), "54322\t54322\t54322\t54322",
           "the route's group");
    tap_is(line_of(text, "\nGroups:"), "54322 ",
           "no further groups for a number");
    tap_is(line_of(text, "\nCapPrm:"), "0000000000000000",
           "no rights of root's: permitted");
    tap_is(line_of(text, "\nCapEff:"), "0000000000000000",
           "no rights of root's: effective");
    tap_is(line_of(text, "\nSigBlk:"), "0000000000000000",
           "no signal is blocked");
    tap_is(line_of(ask_for(GROUPS, NULL), "\nGroups:"), "101 202 54322 ",
           "the further groups of a name");
}

static void what(void)
{
    static const unsigned int numbers[] = {0, LAST + 1, 77, 1u << 31,
                                           0xffffffffu};
    static const char *const names[] = {"..",
                                        ".",
                                        "../evil/show",
                                        "sub/../../evil/show",
                                        "",
                                        "./show",
                                        "sub/./show",
                                        ".hidden",
                                        "-x",
                                        "show\n",
                                        "show x",
                                        "sub/..",
                                        "/..",
                                        "..//evil/show"};
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        tap_ok(!strcmp(ask_for(numbers[i], LIST("show")),
                       "refused: Operation not permitted"),
               "identity %u is refused", numbers[i]);
    }
    tap_is(ask_for(NAMED, LIST("show")), in_dir("0 %s/bin/show %s/bin\n"),
           "path, directory and words of a message do not count");
    tap_is(ask_for(NAMED, LIST("sub/show")), in_dir("sub %s/bin/sub\n"),
           "a name below");
    tap_is(ask_for(NAMED, LIST("none")), "exec: No such file or directory",
           "a file that there is not");
    tap_is(ask_for(NAMED, LIST("private")), "exec: Permission denied",
           "what the user may not execute");
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *result = ask_for(NAMED, LIST(names[i]));
        int good = !strcmp(result, "refused: Operation not permitted") ||
                   (!*names[i] && !strncmp(result, "exec: ", 6));

        tap_ok(good, "a name that is none (%d)", (int)i);
        if (!good) {
            printf("# %s\n", result);
        }
    }
    tap_is(ask_for(NAMED, LIST("show", "show")),
           "refused: Operation not permitted", "a value too many");
    tap_is(ask_for(NAMED, NULL), "refused: Operation not permitted",
           "a value too few");
    tap_is(ask_for(CAT, LIST("x")), "refused: Operation not permitted",
           "a value where there is none");
}

static void roots(void)
{
    static const char *const hosts[] = {"",    ".", "..",  "../evil", "a/..",
                                        "a/b", "/", "a\n", ".a",      "a b"};
    size_t i;

    for (i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        tap_ok(!strcmp(ask_for(ROOTED, LIST(hosts[i], "show")),
                       "refused: Operation not permitted"),
               "a host that is none (%d)", (int)i);
    }
    tap_is(ask_for(ROOTED, LIST("none", "show")),
           "root: No such file or directory", "a root that there is not");
    tap_is(ask_for(ROOTED, LIST("a", "show")),
           "dir: No such file or directory",
           "in a root, what is outside can't be reached");
}

static const char *big_text(size_t size)
{
    char *text = apr_pcalloc(pool, size + 1);

    memset(text, 'a', size);
    return text;
}

static const char *const *many_of(const char *entry, int n)
{
    const char **list = apr_pcalloc(pool, ((size_t)n + 1) * sizeof(*list));

    while (n) {
        list[--n] = entry;
    }
    return list;
}

static void environment(void)
{
    cgi_wire_request_t request = forged(CAT, NULL);
    apr_time_t begun;
    const char *text;
    long rss;

    request.env = LIST("REQUEST_METHOD=GET", "LD_PRELOAD=/evil.so",
                       "BASH_ENV=/evil", "PATH=/evil", "SCRIPT_FILENAME=/evil",
                       "OWN=/evil", "LD_OWN=/srv/own", "TZ=/evil");
    text = ask(&request);
    tap_is(line_of(text, "\nREQUEST_METHOD="), "GET", "a variable of CGI");
    tap_is(line_of(text, "\nPATH="), "/bin", "PATH is the launcher's");
    tap_is(line_of(text, "SCRIPT_FILENAME="), in_dir("%s/data"),
           "so is SCRIPT_FILENAME");
    tap_ok(!strstr(text, "evil") && !strstr(text, "LD_"),
           "what orders a program about does not arrive");
    request = forged(LONG, LIST(big_text(100000)));
    request.env = many_of("LONG=x", 16384);
    begun = apr_time_now();
    text = ask(&request);
    tap_ok(strstr(text, "Name:") && !strstr(text, "LONG="),
           "a variable that can't be, many times");
    tap_ok(apr_time_now() - begun < apr_time_from_sec(2),
           "is looked at in no time");
    rss = atol(line_of(proc(launcher.pid, "status"), "VmHWM:"));
    tap_ok(rss > 0 && rss < 32 * 1024, "and in no space (%ld KB)", rss);
    request.env = many_of("LONG=x", 16385);
    tap_is(ask(&request), "refused: Operation not permitted",
           "more variables than any request has");
    request = forged(CAT, NULL);
    request.env = LIST("OWN=/srv/own");
    tap_is(line_of(ask(&request), "\nOWN="), "/srv/own",
           "a variable of SetEnv, with its value");
}

static void one_limit(int which, rlim_t soft, rlim_t hard, const char *line,
                      const char *expected, const char *name)
{
    cgi_wire_request_t request = forged(CAT, NULL);
    const char *text;

    request.limits = 1u << which;
    request.limit[which].rlim_cur = soft;
    request.limit[which].rlim_max = hard;
    text = ask(&request);
    if (line) {
        text = line_of(text, line);
        text = apr_pstrmemdup(pool, text, strlen(expected));
    }
    tap_is(text, expected, name);
}

static void limits(void)
{
    const char *text = ask_for(CAT, NULL);

    one_limit(CGI_LIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY, NULL,
              "limit: Operation not permitted", "no limit is raised");
    one_limit(CGI_LIMIT_CPU, 5, 1001, NULL, "limit: Operation not permitted",
              "not by one second");
    one_limit(CGI_LIMIT_CPU, 6, 5, NULL, "limit: Invalid argument",
              "a limit that is none");
    one_limit(CGI_LIMIT_CPU, 5, 1000, "Max cpu time",
              "5                    1000", "a limit is lowered");
    tap_ok(atoi(line_of(text, "Max open files")) == FILES_LIMIT,
           "the launcher's own limit of descriptors is not the script's");
}

static void descriptors(void)
{
    cgi_wire_request_t request = forged(FDS, NULL);
    const char **many = apr_pcalloc(pool, 4000 * sizeof(*many));
    const char *text = ask(&request), *at;
    int i, n = 0;

    for (at = text; (at = strstr(at, " -> ")); at++) {
        n++;
    }
    tap_ok(n == 4 && strstr(text, " 3 -> /proc/"),
           "a script has descriptors 0 to 2 (and ls its directory)");
    if (n != 4) {
        printf("# %s\n", text);
    }
    for (i = 0; i < 3999; i++) {
        many[i] = "HTTP_X=a value that makes this message a large one";
    }
    request.env = many;
    n = 0;
    for (at = text = ask(&request); (at = strstr(at, " -> ")); at++) {
        n++;
    }
    tap_ok(n == 4, "so it has when the message came in a file");
}

/* ---- descriptors that are none of a script's ---- */

/* Send a good request with one other descriptor. @return what came of it, or
 * "nothing ran" when no note can */
static const char *with_descriptor(int which, int fd)
{
    const cgi_wire_request_t request = forged(NAMED, LIST("show"));
    call_t call = call_make();
    const char *output;

    call_replace(&call, which, fd);
    must(!call_request(&call, &request), "sending");
    if (which != CGI_FD_CONTROL) {
        return call_result(&call);
    }
    output = call_output(&call);
    call_close(&call);
    return *output ? output : "nothing ran";
}

static void strange_descriptors(void)
{
    static const char refused[] = "refused: Operation not permitted";
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int pair[2];

    tap_is(with_descriptor(CGI_FD_STDIN, open("/", flags)), refused,
           "a directory as stdin, which would lead out of a root");
    tap_is(with_descriptor(CGI_FD_STDOUT, open("/", flags)), refused,
           "as stdout");
    tap_is(with_descriptor(CGI_FD_STDERR, open("/", O_PATH | O_CLOEXEC)),
           refused, "a path as stderr");

    tap_is(with_descriptor(CGI_FD_CONTROL, dup(launcher.queue)), "nothing ran",
           "the queue itself as lease");
    must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "sockets");
    tap_is(with_descriptor(CGI_FD_STDIN, pair[0]), refused,
           "a socket as stdin, which can hold a lease for ever");
    close(pair[1]);
    tap_is(with_descriptor(CGI_FD_STDIN, open("/dev/zero", O_RDONLY)), refused,
           "a device as stdin");
    must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "sockets");
    tap_is(with_descriptor(CGI_FD_CONTROL, pair[0]), "nothing ran",
           "another kind of socket as lease");
    close(pair[1]);
    must(!pipe(pair), "a pipe");
    tap_is(with_descriptor(CGI_FD_CONTROL, pair[1]), "nothing ran",
           "a pipe as lease");
    close(pair[0]);
    tap_is(with_descriptor(CGI_FD_CONTROL, file_of("", 0)), "nothing ran",
           "a file as lease");
    works("strange descriptors");
}

/* ---- messages that are none ---- */

static void send_bytes(const void *data, size_t size, int nfds)
{
    call_t call = call_make();

    while (call.nfds > nfds) {
        close(call.fds[--call.nfds]);
    }
    while (call.nfds < nfds) {
        call.fds[call.nfds++] = dup(call.out);
    }
    must(!call_send(&call, data, size), "sending");
    call_close(&call);
}

/* A message in a file: what comes of it. */
static const char *in_file(int fd, size_t size)
{
    call_t call = call_make();

    must(fd >= 0, "a file");
    call.fds[call.nfds++] = fd;
    must(!call_send(&call, &size, sizeof(size)), "sending");
    return call_result(&call);
}

static void garbage(void)
{
    const cgi_wire_request_t request = forged(NAMED, LIST("show"));
    call_t many = call_make();
    unsigned char *bytes;
    apr_size_t size, i;
    void *data;
    int nfds, round;

    for (nfds = 0; nfds <= FDS_MAX; nfds++) {
        send_bytes("", 0, nfds);
    }
    works("messages of no bytes");

    must(!cgi_wire_encode(&request, pool, &data, &size), "a message");
    for (nfds = 0; nfds < 4; nfds++) {
        send_bytes(data, size, nfds);
    }
    for (nfds = 6; nfds <= FDS_MAX; nfds++) {
        send_bytes(data, size, nfds);
    }
    works("messages with too few or too many descriptors");
    while (many.nfds < 6) {
        many.fds[many.nfds++] = dup(many.out);
    }
    must(!call_send(&many, data, size), "sending");
    tap_is(call_result(&many), "message: Too many open files",
           "one with too many does not run");

    for (i = 0; i < size; i++) {
        send_bytes(data, i, 4);
    }
    works("all beginnings of a message");

    srand(1);
    for (round = 0; round < 1000; round++) {
        bytes = apr_pmemdup(pool, data, size);
        for (i = 0; i < 3; i++) {
            bytes[(size_t)rand() % size] = (unsigned char)rand();
        }
        send_bytes(bytes, size, rand() % 7);
    }
    works("messages with changed bytes");
}

static void files_of_messages(void)
{
    static const char wrong[] = "message: Invalid argument";
    const cgi_wire_request_t request = forged(NAMED, LIST("show"));
    const char *path = apr_pstrcat(pool, dir, "/message", NULL);
    char *big = apr_pcalloc(pool, CGI_WIRE_MAX);
    unsigned int counts[2];
    apr_size_t size;
    void *data;
    int pair[2], fd;
    long rss;

    must(!cgi_wire_encode(&request, pool, &data, &size), "a message");
    tap_is(in_file(file_of(data, size), size),
           in_dir("0 %s/bin/show %s/bin\n"), "a small message in a file");
    tap_is(in_file(file_of(data, size), size + 1), wrong,
           "a file that is too short");
    tap_is(in_file(file_of(data, size), CGI_WIRE_MAX + 1), wrong,
           "a size beyond the largest");
    tap_is(in_file(file_of(data, size), ~(size_t)0), wrong,
           "a size beyond all");
    tap_is(in_file(open("/dev/zero", O_RDONLY | O_CLOEXEC), size), wrong,
           "a device as message");
    must(!pipe2(pair, O_CLOEXEC), "a pipe");
    tap_is(in_file(pair[0], size), wrong,
           "a pipe as message, with nothing in it");
    close(pair[1]);
    be_root();
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size, path);
    be_worker();
    tap_is(in_file(fd, size), wrong,
           "a file of a file system, which can let a reader wait");

    /* as many strings as bytes: the lists of them are larger than it */
    memcpy(big, data, size);
    counts[0] = CGI_WIRE_MAX;
    memcpy(big + 4, counts, 4);
    counts[0] = 1;
    counts[1] = CGI_WIRE_MAX - 83;
    memcpy(big + 8, counts, 8);
    (void)in_file(file_of(big, CGI_WIRE_MAX), CGI_WIRE_MAX);
    works("a message that is as large as can be");
    rss = atol(line_of(proc(launcher.pid, "status"), "RssAnon:"));
    tap_ok(rss > 0 && rss < 4096, "and it keeps no memory of it");
}

/* Within some seconds, the launcher has no script and no descriptor left. */
static void is_quiet(const char *of)
{
    const char *children = "?";
    int i, fds = -1;

    for (i = 0; i < 500 && (*children || fds != quiet_fds); i++) {
        usleep(10000);
        fds = launcher_fds();
        children = proc(launcher.pid, apr_psprintf(pool, "task/%ld/children",
                                                   (long)launcher.pid));
    }
    tap_is(children, "", apr_psprintf(pool, "no script is left %s", of));
    tap_ok(fds == quiet_fds, "no descriptor is left %s", of);
}

/* Requests whose worker does not wait for anything. */
static void flood(void)
{
    const cgi_wire_request_t request = forged(NAMED, LIST("show"));
    int i;

    for (i = 0; i < 200; i++) {
        call_t call = call_make();

        must(!call_request(&call, &request), "sending");
        call_close(&call);
    }
    works("200 requests that nobody waits for");
    is_quiet("of all those requests");
}

/* ---- leases and ends ---- */

static void leases(void)
{
    call_t call;
    pid_t pid = started(&call, "end", 5000);
    long ticks;

    errno = 0;
    tap_ok(kill(pid, SIGTERM) && errno == EPERM,
           "a worker can't end a script of another user");
    call_close(&call);
    tap_ok(is_gone(pid, 2000), "it gives its lease back: the script ends");

    pid = started(&call, "stay", 300);
    call_close(&call);
    tap_ok(is_gone(pid, 3000), "so does one that traps SIGTERM");

    pid = started(&call, "stay", 0xffffffff);
    call_close(&call);
    usleep(300000);
    ticks = launcher_ticks();
    usleep(500000);
    tap_ok(launcher_ticks() - ticks < 10,
           "waiting for 49 days does not keep the launcher busy");
    be_root();
    kill(-pid, SIGKILL);
    be_worker();
    tap_ok(is_gone(pid, 2000), "(that script is ended)");
}

/* A worker gives its end of a lease to somebody else, and ends. */
static void passed_on(void)
{
    pid_t pids[2] = {0, 0}, worker; /* script; holder of the lease */
    int pair[2], status;

    must(!pipe2(pair, O_CLOEXEC), "a pipe");
    worker = fork();
    must(worker >= 0, "fork");
    if (!worker) {
        call_t call;

        pids[0] = started(&call, "end", 300);
        pids[1] = fork();
        if (!pids[1]) {
            sleep(30);
            _exit(0);
        }
        _exit(write(pair[1], pids, sizeof(pids)) != (ssize_t)sizeof(pids));
    }
    must(waitpid(worker, &status, 0) == worker &&
             read(pair[0], pids, sizeof(pids)) == (ssize_t)sizeof(pids),
         "another worker");
    tap_ok(is_gone(pids[0], 3000),
           "a lease that was passed on ends with the worker that made it");
    be_root();
    kill(pids[1], SIGKILL);
    be_worker();
    close(pair[0]);
    close(pair[1]);
    works("a lease that was passed on");
}

/* Claim a process as one's script. @return the answer */
static const char *claimed(pid_t pid)
{
    call_t call = call_make();
    cgi_wire_claim_t claim;
    cgi_note_t note = {0};
    int kind;

    while (call.nfds > 1) {
        close(call.fds[--call.nfds]);
    }
    cgi_wire_claim(&claim, pid);
    must(!call_send(&call, &claim, sizeof(claim)), "sending");
    kind = call_note(&call, &note);
    call_close(&call);
    return !kind                      ? "none"
           : kind == CGI_NOTE_STARTED ? "started"
           : kind == CGI_NOTE_EXITED && note.value == CGI_STATUS_UNKNOWN
               ? "gone"
               : "?";
}

static void claims(void)
{
    call_t call;
    pid_t pid = started(&call, "end", 300);

    tap_is(claimed(1), "gone", "the first process of all is nobody's script");
    tap_is(claimed(getpid()), "gone", "nor is the worker itself");
    tap_is(claimed(launcher.pid), "gone", "nor is the launcher");
    tap_is(claimed(pid), "none", "a script that has its launcher");
    tap_ok(!is_gone(pid, 300), "and none of them is ended for it");
    call_close(&call);
    tap_ok(is_gone(pid, 2000), "(that script is ended)");
    works("claims");
}

/* The owner of a script holds a lease on it: starting it waits until he has
 * given it back, for 45 seconds. Others do not wait with it. */
static void held(void)
{
    cgi_wire_request_t request = forged(0, NULL);
    cgi_wire_request_t other = forged(0, NULL);
    const char *path = apr_pstrcat(pool, dir, "/bin/held", NULL);
    call_t call;
    cgi_note_t note = {0};
    apr_time_t begun;
    int fd, ms;

    signal(SIGIO, SIG_IGN);
    launcher_start(program, LIST("-u", "65534", "-g", "65534"), -1,
                   apr_pstrcat(pool, dir, "/log", NULL));
    other.argv = LIST("sh", "-c", "echo other");
    tap_is(ask(&other), "other\n", "a launcher of the workers' user");
    be_root();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && !fcntl(fd, F_SETLEASE, F_WRLCK), "a lease");
    be_worker();
    request.path = path;
    request.argv = LIST("held");
    call = call_make();
    begun = apr_time_now();
    must(!call_request(&call, &request), "sending");
    tap_is(ask(&other), "other\n", "a script whose start is held up");
    ms = (int)apr_time_as_msec(apr_time_now() - begun);
    tap_ok(ms < 1500, "does not hold up another (%d ms)", ms);
    be_root();
    must(!fcntl(fd, F_SETLEASE, F_UNLCK), "no lease");
    close(fd);
    be_worker();
    tap_is(call_result(&call), "held\n", "and runs, once, when it can");
    begun = apr_time_now();
    /* held for good: it ends with its request */
    be_root();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && !fcntl(fd, F_SETLEASE, F_WRLCK), "a lease");
    be_worker();
    call = call_make();
    must(!call_request(&call, &request), "sending");
    tap_ok(is_begun(&call, &note), "one that is held");
    call_close(&call);
    tap_ok(is_gone(note.value, 3000), "ends with its request");
    close(fd);
    launcher_kill();
}

/* In a container, root often has no CAP_SYS_PTRACE, which it takes to trace a
 * process that has other rights. */
static int may_trace(void)
{
    return prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 1;
}

/* Kill the launcher as soon as it has made the script's process, which has
 * not run yet. @return that process */
static pid_t kill_at_fork(call_t *call, const cgi_wire_request_t *request)
{
    const long options =
        PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    unsigned long pid = 0;
    int status;

    be_root();
    must(!ptrace(PTRACE_SEIZE, launcher.pid, 0, options), "tracing");
    be_worker();
    must(!call_request(call, request), "sending");
    must(waitpid(launcher.pid, &status, __WALL) == launcher.pid &&
             WIFSTOPPED(status) && status >> 16,
         "a process is made");
    be_root();
    must(!ptrace(PTRACE_GETEVENTMSG, launcher.pid, 0, &pid), "its number");
    launcher_kill();
    be_root();
    must(waitpid((pid_t)pid, &status, __WALL) == (pid_t)pid &&
             !ptrace(PTRACE_DETACH, (pid_t)pid, 0, 0),
         "letting it run");
    be_worker();
    return (pid_t)pid;
}

/* A script runs, and there is no launcher to say so. */
static void killed_at_fork(void)
{
    cgi_wire_request_t request = forged(0, NULL);
    cgi_note_t note;
    int limited;

    request.argv = LIST("sh", "-c", "echo here");
    request.limit[CGI_LIMIT_CPU].rlim_cur = 5;
    request.limit[CGI_LIMIT_CPU].rlim_max = 5;
    if (!may_trace()) {
        printf("# skipped: this root may trace nobody\n");
        return;
    }
    for (limited = 0; limited < 2; limited++) {
        call_t call = call_make();
        pid_t pid;

        request.limits = limited ? 1u << CGI_LIMIT_CPU : 0;
        launcher_start(program, LIST("-u", "65534", "-g", "65534"), -1,
                       apr_pstrcat(pool, dir, "/log", NULL));
        pid = kill_at_fork(&call, &request);
        tap_ok(call_note(&call, &note) == CGI_NOTE_PROCESS &&
                   note.value == pid,
               "the launcher is killed at the fork: the worker knows the "
               "script's process");
        tap_is(call_output(&call), "here\n", "which runs");
        tap_ok(!call_note(&call, &note), "and no more is said of it");
        call_close(&call);
    }
}

static void ends(void)
{
    cgi_wire_request_t request = forged(NAMED, LIST("leave"));
    call_t call;
    pid_t pid;
    int i, status;

    for (i = 0; i < 2; i++) {
        /* its child is there for a second more, and has 60, or for ever */
        request.kill_ms = i ? 0 : 60000;
        tap_is(ask(&request), "", "a script that leaves a process behind");
        close(launcher.queue);
        status = launcher_ended(5000);
        tap_ok(status == 0, "the queue is closed: the launcher ends, as soon "
                            "as all processes of its scripts have");
        if (status) {
            launcher_kill();
        }
        start();
    }
    pid = started(&call, "stay", 300);
    close(launcher.queue);
    tap_ok(launcher_ended(300) < 0, "it does not end before its scripts");
    be_root();
    kill(launcher.pid, SIGTERM);
    be_worker();
    tap_ok(launcher_ended(3000) == 0, "SIGTERM ends it");
    tap_ok(is_gone(pid, 0), "and its scripts");
    call_close(&call);
}

/* ---- shares ---- */

/* A process of its own that asks as a worker does, below us or further down.
 * @return the answer's first letter */
static char asked_below(int depth)
{
    char answer = '?';
    int pair[2];
    pid_t child;

    must(!pipe(pair), "a pipe");
    child = fork();
    if (!child) {
        if (depth > 1) {
            answer = asked_below(depth - 1);
        }
        else {
            answer = *ask_for(NAMED, LIST("show"));
        }
        _exit(write(pair[1], &answer, 1) != 1);
    }
    must(child > 0 && waitpid(child, NULL, 0) == child &&
             read(pair[0], &answer, 1) == 1,
         "an answer");
    close(pair[0]);
    close(pair[1]);
    return answer;
}

static void shares(void)
{
    struct rlimit space = {RLIM_INFINITY, RLIM_INFINITY};
    cgi_wire_request_t request = forged(NAMED, LIST("show"));
    call_t calls[3];
    pid_t pids[3];
    int fd = identities_file();
    int i;

    launcher_start(program, LIST("-i", "-w", "3"), fd,
                   apr_pstrcat(pool, dir, "/log", NULL));
    close(fd);
    for (i = 0; i < 3; i++) {
        pids[i] = started(&calls[i], "stay", 300);
    }
    tap_is(ask_once(&request), no_place, "a worker has its share of scripts");
    tap_ok(asked_below(1) == '0', "another worker has its own");
    tap_ok(asked_below(2) == 'r', "a process that a worker has made has none");
    call_close(&calls[2]);
    tap_ok(is_gone(pids[2], 3000), "one of them ends");
    tap_is(ask(&request), in_dir("0 %s/bin/show %s/bin\n"),
           "another can start");
    call_close(&calls[0]);
    call_close(&calls[1]);
    tap_ok(is_gone(pids[0], 3000) && is_gone(pids[1], 3000),
           "so do the others");

    space.rlim_cur =
        1024ul *
        (strtoul(line_of(proc(launcher.pid, "status"), "VmSize:"), NULL, 10) +
         4096);
    be_root();
    must(!prlimit(launcher.pid, RLIMIT_AS, &space, NULL), "a limit");
    be_worker();
    request.env = many_of(big_text(50000), 100);
    tap_is(ask(&request), "fork: Cannot allocate memory",
           "there is no memory for a message: it fails");
    request.env = LIST(NULL);
    works("a message that was too large for it");
    launcher_kill();
}

/* ---- other launchers ---- */

static void refuses(const void *bytes, size_t size, const char *name)
{
    int fd = file_of(bytes, size);

    launcher_start(program, LIST("-i"), fd,
                   apr_pstrcat(pool, dir, "/log", NULL));
    close(fd);
    tap_ok(launcher_ended(3000) == 1 << 8, "it does not start with %s", name);
    launcher_kill();
}

static void other_launchers(void)
{
    static const char root[] = "1\0000\0000\0000\0\0000\0001\0=/bin/sh\0"
                               "0\0000\0000";
    cgi_wire_request_t request = forged(0, NULL);

    refuses("", 0, "no identities");
    refuses("x", 2, "what are none");
    refuses(root, sizeof(root), "an identity of root");

    /* the one that runs as the workers' user knows no identities */
    launcher_start(program, LIST("-u", "65534", "-g", "65534"), -1,
                   apr_pstrcat(pool, dir, "/log", NULL));
    request.argv = LIST("sh", "-c", "id -u");
    tap_is(ask(&request), "65534\n", "the workers' own launcher runs it");
    request.identity = CAT;
    tap_is(ask(&request), "refused: Operation not permitted",
           "but not with an identity");
    launcher_kill();
}

static void old_kernels(void)
{
    pid_t pid;
    call_t call;

    old_kernel = 1;
    start();
    works("its start on an old kernel");
    usleep(300000);
    tap_ok(launcher_fds() <= quiet_fds,
           "where it has closed what it inherited");
    pid = started(&call, "end", 300);
    call_close(&call);
    tap_ok(is_gone(pid, 3000), "and leases end");
    launcher_kill();
    old_kernel = 0;
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    files();
    start();
    works("its start");
    usleep(300000);
    quiet_fds = launcher_fds();
    ids();
    what();
    roots();
    environment();
    limits();
    descriptors();
    strange_descriptors();
    garbage();
    files_of_messages();
    flood();
    leases();
    passed_on();
    claims();
    is_quiet("after it all");
    ends();
    shares();
    other_launchers();
    held();
    killed_at_fork();
    old_kernels();
    return tap_done();
}
