/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"

#include "ap_mpm.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "mpm_common.h"
#include "scoreboard.h"
#include "unixd.h"

#include "base/clock.h"
#include "cgi/cgi_exec.h"
#include "cgi/launchers.h"
#include "cgi/post.h"
#include "cgi/status.h"
#include "cgi/subtree.h"
#include "cgi/suexec.h"
#include "cgi/warm.h"
#include "cgi/words.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine find each other's data by these names;
 * the number changes with the layout of the data. */
#define SHARED_KEY "cgi-exec-launchers-6"
#define RETAINED_KEY "cgi-exec-processes-6"

/* One that lives for less than this many microseconds died of its start. */
#define QUICK_DEATH apr_time_from_sec(1)
#define QUICK_DEATHS_MAX 3
/* The same for those that somebody has killed. */
#define QUICK_KILLS_MAX 50

/* A launcher, of this generation or of an earlier one that still finishes.
 * Kept over restarts, so that the parent knows whose death it is told of. */
typedef struct process_t {
    struct process_t *next;
    apr_proc_t proc;
    int used;
    int told;               /* 1: to end */
    struct launchers_t *of; /* NULL: of a generation that is over */
    int slot;               /* there */
    apr_time_t started;
} process_t;

/* The launchers of one generation of workers. Kept over restarts too: the
 * parent holds the readers' end of the queue until the last worker of the
 * generation has gone, so that none of them finds it closed. */
typedef struct launchers_t {
    struct launchers_t *next;
    int queue[2];     /* launchers read 0, workers write 1 */
    apr_pool_t *pool; /* of what follows */
    const char **argv;
    const char *cgroup; /* that of its scripts; or NULL */
    int identities;     /* file with identities: privileged, or, with an
                           interpreter, a user's; or -1 */
    int table;          /* memory in which launchers list the scripts that run:
                           what one of them leaves, the next one ends. Never read
                           here: the parent is root. */
    int earlier;        /* 1: of an earlier generation */
    int n;
    const cgi_warm_t *warm; /* with an interpreter; or NULL. What it points
                               to ends with the generation */
    struct launchers_t *next_warm; /* of the same generation */
    int *ready; /* by slot: it has loaded its interpreter. Shared with
                   launchers, which write to it, and workers */
    int ready_fd;
    int cold_at; /* where argv says whether there is to be none */
    struct {
        int cold; /* 1: the interpreter has ended a launcher */
        apr_time_t started;
        int quick_deaths, quick_kills;
        int wanted; /* 1: to be started by the monitor */
    } slot[CGI_LAUNCHERS_MAX];
} launchers_t;

typedef struct retained_t {
    int starts; /* of httpd: the first, and all restarts */
    process_t *processes;
    launchers_t *earlier, *unused;
} retained_t;

static launchers_t *launchers;  /* this generation's, of both modules; those
                                   with an interpreter are behind next_warm */
static launchers_t *privileged; /* this generation's, of this module; users'
                                   are behind next_warm */
static retained_t *retained;
static apr_pool_t *conf_pool; /* of this generation */
static apr_pool_t *process_pool;
static pid_t parent;        /* httpd's */
static const char *cgroups; /* CGICgroup, or NULL */

/* httpd's end, of whatever kind: its pools are being destroyed. */
static int is_exiting(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING;
}

/* It closes its logs before it destroys the configuration: NULL is stderr. */
static server_rec *log_of(void)
{
    return is_exiting() ? NULL : ap_server_conf;
}

static process_t *free_process(void)
{
    process_t *process;

    for (process = retained->processes; process; process = process->next) {
        if (!process->used) {
            return process;
        }
    }
    process = apr_pcalloc(process_pool, sizeof(*process));
    process->next = retained->processes;
    retained->processes = process;
    return process;
}

/* Let the status page know which there are. */
static void list_launchers(void)
{
    cgi_board_t *board = cgi_status_board();
    const process_t *process;
    int n = 0;

    for (process = board ? retained->processes : NULL; process;
         process = process->next) {
        if (process->used && process->of) {
            cgi_board_list_launcher(board, n++, process->proc.pid,
                                    process->of->identities >= 0 &&
                                        !process->of->warm,
                                    process->of->earlier, process->started);
        }
    }
    while (board && n < CGI_BOARD_LAUNCHERS) {
        cgi_board_list_launcher(board, n++, 0, 0, 0, 0);
    }
}

static void maintain(int reason, void *data, apr_wait_t status);

/* What its launchers are started with. */
static cgi_words_t words_of(const launchers_t *l)
{
    cgi_words_t words = {.table = l->table,
                         .cgroup = l->cgroup,
                         .privileged = l->identities >= 0,
                         .warm = l->warm,
                         .ready_fd = l->ready_fd};

    return words;
}

/* In the child, which is no launcher yet: SELinux and AppArmor can forbid what
 * the file's mode allows. */
static void say_why(apr_pool_t *p, apr_status_t error, const char *what)
{
    char buf[120];

    (void)p;
    fprintf(stderr, "cgi-launcher: it can't be started: %s: %s\n", what,
            apr_strerror(error, buf, sizeof(buf)));
}

static apr_status_t spawn(launchers_t *l, int slot)
{
    const cgi_words_t words = words_of(l);
    apr_procattr_t *attr;
    apr_file_t *queue = NULL, *identities = NULL;
    apr_pool_t *p;
    process_t *process = free_process();
    sigset_t early, before;
    apr_status_t rv;

    apr_pool_create(&p, conf_pool);
    l->argv[CGI_WORDS_NUMBER] = apr_itoa(p, slot);
    fcntl(l->table, F_SETFD, 0); /* nothing else is started meanwhile */
    if (l->warm) {
        fcntl(l->ready_fd, F_SETFD, 0);
        l->argv[l->cold_at] = l->slot[slot].cold || l->earlier ? "1" : "0";
    }
    /* One that is told to end before it can listen would leave behind what it
     * is to take over. It inherits this over exec. */
    sigemptyset(&early);
    sigaddset(&early, SIGTERM);
    sigaddset(&early, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &early, &before);
    memset(&process->proc, 0, sizeof(process->proc));
    if ((rv = apr_os_file_put(&queue, &l->queue[0], 0, p)) ||
        (rv = apr_procattr_create(&attr, p)) ||
        (rv = apr_procattr_child_in_set(attr, queue, NULL)) ||
        (l->identities >= 0 &&
         ((rv = apr_os_file_put(&identities, &l->identities, 0, p)) ||
          (rv = apr_procattr_child_out_set(attr, identities, NULL)))) ||
        (rv = apr_procattr_cmdtype_set(attr, l->warm ? APR_PROGRAM
                                                     : APR_PROGRAM_ENV)) ||
        (rv = apr_procattr_error_check_set(attr, 1)) ||
        (rv = apr_procattr_child_errfn_set(attr, say_why)) ||
        (rv = apr_proc_create(&process->proc, l->argv[0], l->argv,
                              cgi_words_environment(&words, p), attr, p))) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, log_of(),
                     "can't start the launcher %s", l->argv[0]);
    }
    else {
        process->used = 1;
        process->told = 0;
        process->of = l;
        process->slot = slot;
        process->started = l->slot[slot].started = cgi_clock_now();
        apr_proc_other_child_register(&process->proc, maintain, process, NULL,
                                      conf_pool);
        list_launchers();
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    fcntl(l->table, F_SETFD, FD_CLOEXEC);
    if (l->warm) {
        fcntl(l->ready_fd, F_SETFD, FD_CLOEXEC);
    }
    l->argv[CGI_WORDS_NUMBER] = "";
    apr_pool_destroy(p);
    return rv;
}

/* Memory in which launchers say that they have their interpreter. */
static apr_status_t open_ready(launchers_t *l)
{
    size_t size = sizeof(int) * CGI_LAUNCHERS_MAX;
    void *memory;

    l->ready_fd = memfd_create("cgi-ready", MFD_CLOEXEC);
    if (l->ready_fd < 0 || ftruncate(l->ready_fd, (off_t)size)) {
        return errno;
    }
    memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, l->ready_fd, 0);
    if (memory == MAP_FAILED) {
        return errno;
    }
    l->ready = memory;
    return APR_SUCCESS;
}

/* Whom its launchers become. @return -1: nobody */
static uid_t user_of(const launchers_t *l)
{
    return l->warm && l->warm->user          ? l->warm->uid
           : l->identities < 0 && !geteuid() ? ap_unixd_config.user_id
                                             : (uid_t)-1;
}

/* Make a queue and the list of scripts. */
static apr_status_t open_queue(launchers_t *l, const char *path)
{
    cgi_words_t words;
    int size = 1024 * 1024;
    apr_status_t rv;

    apr_pool_create(&l->pool, process_pool);
    l->table = memfd_create("cgi-scripts", MFD_CLOEXEC);
    if (l->warm && (rv = open_ready(l)) != APR_SUCCESS) {
        return rv;
    }
    l->cgroup = NULL;
    if (cgroups && !(l->cgroup = cgi_subtree_make(l->pool, cgroups, user_of(l),
                                                  ap_server_conf))) {
        return APR_EGENERAL;
    }
    words = words_of(l);
    words.path = path;
    l->argv = cgi_words_make(&words, &l->cold_at, l->pool);
    if (l->table < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->queue)) {
        return errno;
    }
    /* A larger queue is welcome, a smaller one does no harm. */
    (void)setsockopt(l->queue[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return APR_SUCCESS;
}

static launchers_t *new_launchers(void)
{
    launchers_t *l = retained->unused;

    if (l) {
        retained->unused = l->next;
        memset(l, 0, sizeof(*l));
    }
    else {
        l = apr_pcalloc(process_pool, sizeof(*l));
    }
    return l;
}

/* The end of a generation, in the parent: its workers may still finish. */
static apr_status_t retire(void *data)
{
    launchers_t *l = data;

    if (getpid() == parent) {
        close(l->queue[1]);
        l->queue[1] = -1;
        l->earlier = 1;
        l->next = retained->earlier;
        retained->earlier = l;
    }
    return APR_SUCCESS;
}

/* No worker can send any more: all have gone, or one has shut the queue. */
static int is_shut(const launchers_t *l)
{
    struct pollfd pfd = {.fd = l->queue[0], .events = POLLRDHUP};

    return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLRDHUP));
}

/* Workers inherit the queue, no other way leads to them: new ones must take
 * their place. No gentler signal ends those of the event MPM, or one that
 * somebody has taken over. The scoreboard is theirs to write, so that the
 * parent, which is root, looks whom it is about to end. */
static void replace_workers(void)
{
    int i, n = 0, generation = 0;

    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &n) ||
        ap_mpm_query(AP_MPMQ_GENERATION, &generation)) {
        return;
    }
    for (i = 0; i < n; i++) {
        const process_score *score = ap_get_scoreboard_process(i);
        pid_t pid = score ? score->pid : 0;

        if (pid > 0 && pid != getpid() && score->generation == generation) {
            (void)ap_mpm_safe_kill(pid, SIGKILL);
        }
    }
}

/* If it can't be started now, the monitor tries again. */
static void start_slot(launchers_t *l, int slot)
{
    l->slot[slot].wanted = spawn(l, slot) != APR_SUCCESS;
}

/* What shuts it may be code of that user's, which the interpreter has loaded.
 * That is to be nobody else's trouble: his scripts start cold. */
static void give_up_user(launchers_t *l)
{
    int i;

    for (i = 0; i < l->n; i++) {
        __atomic_store_n(&l->ready[i], 0, __ATOMIC_SEQ_CST);
    }
    if (l->n) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "CGIWarm %s: its queue has been shut; scripts start "
                     "without it until the next restart",
                     l->warm->name);
    }
    l->n = 0;
}

/* All workers of a generation share the socket, and a single one can end it
 * for all by shutdown(). No honest one does that. */
static void heal(launchers_t *l)
{
    launchers_t *shut;
    process_t *process;
    apr_status_t rv;
    int i;

    if (!l || l->earlier || !is_shut(l)) {
        return;
    }
    if (l->warm && l->warm->user) {
        give_up_user(l);
        return;
    }
    shut = new_launchers();
    *shut = *l;
    memset(l, 0, sizeof(*l));
    l->n = shut->n;
    l->warm = shut->warm;
    l->next_warm = shut->next_warm;
    shut->next_warm = NULL;
    l->identities = shut->identities < 0
                        ? -1
                        : fcntl(shut->identities, F_DUPFD_CLOEXEC, 0);
    rv = open_queue(l, shut->argv[0]);
    ap_log_error(APLOG_MARK, APLOG_CRIT, rv, ap_server_conf,
                 "a process of httpd has shut the launchers' queue, which "
                 "nothing of httpd does: %s",
                 rv ? "another one can't be made, scripts get 503"
                    : "another one is made, and all workers are replaced");
    for (process = retained->processes; process; process = process->next) {
        if (process->of == l) {
            process->of = shut;
        }
    }
    (void)retire(shut);
    for (i = 0; i < l->n && !rv; i++) {
        start_slot(l, i);
    }
    replace_workers();
}

/* Its interpreter has ended a launcher before it was loaded: another try would
 * end the same way. The next launcher starts scripts without it. */
static void give_up_warm(launchers_t *l, int slot, int killed)
{
    int was_ready;

    if (!l->warm) {
        return;
    }
    was_ready = __atomic_exchange_n(&l->ready[slot], 0, __ATOMIC_SEQ_CST);
    if (!was_ready && !killed && !l->slot[slot].cold && !l->earlier) {
        l->slot[slot].cold = 1;
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, log_of(),
            "CGIWarm %s: its launcher ended, or took too long, while "
            "it loaded the interpreter and its modules; scripts start "
            "without it until the next restart",
            l->warm->name);
    }
}

/* A launcher died: queued requests wait for the next one. */
static void restart(launchers_t *l, int slot, int killed)
{
    give_up_warm(l, slot, killed);
    if (cgi_clock_now() - l->slot[slot].started >= QUICK_DEATH) {
        l->slot[slot].quick_deaths = l->slot[slot].quick_kills = 0;
    }
    else if (killed ? ++l->slot[slot].quick_kills >= QUICK_KILLS_MAX
                    : ++l->slot[slot].quick_deaths >= QUICK_DEATHS_MAX) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, log_of(),
                     "the launcher %s keeps dying; the next try follows in "
                     "some seconds",
                     l->argv[0]);
        l->slot[slot].wanted = 1;
        return;
    }
    start_slot(l, slot);
}

/* No worker of the generation is left. */
static int is_over(const launchers_t *l)
{
    return l->earlier && is_shut(l);
}

static int has_launcher(const launchers_t *l)
{
    const process_t *process;

    for (process = retained->processes; process; process = process->next) {
        if (process->used && process->of == l) {
            return 1;
        }
    }
    return 0;
}

static void maintain(int reason, void *data, apr_wait_t status)
{
    process_t *process = data;
    int state = AP_MPMQ_RUNNING;

    (void)ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    if (reason == APR_OC_REASON_RESTART) {
        /* A stop or restart that does not wait for requests: the scripts
         * end now, or their workers could not. This comes again and again,
         * until the workers have ended. 2.5 has started the next ones then. */
        const int is_next =
            state == AP_MPMQ_STARTING && process->of && !process->of->earlier;

        if (!process->told && !is_next) {
            process->told = 1;
            (void)apr_proc_kill(&process->proc, SIGTERM);
        }
        return;
    }
    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    apr_proc_other_child_unregister(process);
    process->used = 0;
    list_launchers();
    /* One that was killed may have left scripts behind, even at the end. */
    if (!process->of ||
        (!status && (process->told || state == AP_MPMQ_STOPPING ||
                     is_over(process->of)))) {
        return;
    }
    if (status == CGI_EXIT_STALE && !is_shut(process->of) &&
        cgi_clock_now() - process->started >= QUICK_DEATH) {
        ap_log_error(
            APLOG_MARK, APLOG_INFO, 0, log_of(),
            "CGIWarm: a file that process %ld had loaded has changed, "
            "starting another",
            (long)process->proc.pid);
        start_slot(process->of, process->slot);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, log_of(),
                 "launcher (process %ld) ended unexpectedly (status %d), "
                 "starting another",
                 (long)process->proc.pid, (int)status);
    if (!process->of->earlier && is_shut(process->of)) {
        heal(process->of);
        return;
    }
    /* status is a number only: no launcher exits with this one */
    restart(process->of, process->slot, status == SIGKILL);
}

/* It loads its interpreter, and sees no signal until it has; scripts are sent
 * to others. */
static int is_loading(const process_t *process)
{
    const launchers_t *l = process->of;

    return l && l->warm && !l->slot[process->slot].cold &&
           !__atomic_load_n(&l->ready[process->slot], __ATOMIC_SEQ_CST);
}

/* httpd has stopped asking about its processes: ask, until no launcher is
 * left, or for so long. One that was killed while httpd stopped may not have
 * been dead before. And a service manager may kill what is left when httpd
 * ends: scripts get their time between TERM and KILL. */
#define END_WAIT apr_time_from_sec(10)

/* Root without CAP_KILL can tell none of another user to end. They do when
 * their queue ends. */
static void end_queues(void)
{
    const process_t *process;

    for (process = retained->processes; process; process = process->next) {
        if (process->used && process->of && kill(process->proc.pid, 0) &&
            errno == EPERM) {
            (void)shutdown(process->of->queue[1], SHUT_WR);
        }
    }
}

static apr_status_t wait_for_launchers(void *unused)
{
    apr_time_t until = cgi_clock_now() + END_WAIT;
    process_t *process;
    int left, status;

    (void)unused;
    if (!is_exiting() || getpid() != parent) {
        return APR_SUCCESS;
    }
    end_queues();
    for (;;) {
        left = 0;
        for (process = retained->processes; process; process = process->next) {
            pid_t pid = process->used
                            ? waitpid(process->proc.pid, &status, WNOHANG)
                            : 0;

            if (pid) {
                maintain(pid < 0 ? APR_OC_REASON_LOST : APR_OC_REASON_DEATH,
                         process, pid < 0 ? 0 : status);
            }
            else if (process->used) {
                maintain(APR_OC_REASON_RESTART, process, 0);
            }
            left += process->used && !is_loading(process);
        }
        if (!left || cgi_clock_now() >= until) {
            cgi_subtree_end();
            return APR_SUCCESS;
        }
        apr_sleep(apr_time_from_msec(5));
    }
}

static void start_wanted(launchers_t *l)
{
    int i;

    for (i = 0; l && i < l->n; i++) {
        if (l->slot[i].wanted) {
            start_slot(l, i);
        }
    }
}

static void close_reader(launchers_t *l)
{
    if (l && l->warm && l->ready_fd >= 0) {
        close(l->ready_fd);
        l->ready_fd = -1;
    }
    if (l && l->queue[0] >= 0) {
        close(l->queue[0]);
        l->queue[0] = -1;
    }
    if (l && l->identities >= 0) {
        close(l->identities);
        l->identities = -1;
    }
    if (l && l->table >= 0) {
        close(l->table);
        l->table = -1;
    }
}

/* Earlier generations: forget those that are over; one with workers, and
 * maybe requests, is not left without a launcher. */
static void tend_earlier(void)
{
    launchers_t **at = &retained->earlier, *l;
    process_t *process;

    while ((l = *at)) {
        if (!is_over(l)) {
            if (!has_launcher(l)) {
                (void)spawn(l, 0);
            }
            at = &l->next;
            continue;
        }
        if (has_launcher(l)) {
            at = &l->next; /* its scripts are ending */
            continue;
        }
        for (process = retained->processes; process; process = process->next) {
            if (process->of == l) {
                process->of = NULL;
            }
        }
        close_reader(l);
        if (l->ready) {
            munmap(l->ready, sizeof(int) * CGI_LAUNCHERS_MAX);
        }
        cgi_subtree_remove(l->cgroup);
        apr_pool_destroy(l->pool);
        *at = l->next;
        l->next = retained->unused;
        retained->unused = l;
    }
}

void cgi_launch_monitor(void)
{
    launchers_t *l;

    for (l = launchers; l; l = l->next_warm) {
        heal(l);
        start_wanted(l);
    }
    for (l = privileged; l; l = l->next_warm) {
        heal(l);
        start_wanted(l);
    }
    if (retained) {
        tend_earlier();
    }
}

/* While httpd runs without our modules, it waits for launchers that end: their
 * numbers may be others' afterwards. */
static int is_child(pid_t pid)
{
    siginfo_t info;

    return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

/* Take over the launchers of earlier generations: they end by themselves
 * when their last worker has, and the MPM asks who they were. */
static void adopt_earlier(apr_pool_t *pconf)
{
    process_t *process;

    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
    }
    retained->starts++;
    for (process = retained->processes; process; process = process->next) {
        process->used = process->used && is_child(process->proc.pid);
        if (process->used) {
            apr_proc_other_child_register(&process->proc, maintain, process,
                                          NULL, pconf);
        }
    }
    tend_earlier();
}

static apr_status_t forget_launchers(void *unused)
{
    (void)unused;
    launchers = privileged = NULL;
    return APR_SUCCESS;
}

/* Make a queue and start n launchers that read it. */
static apr_status_t create(launchers_t **result, apr_pool_t *pconf,
                           server_rec *s, const char *path, int n,
                           int identities_fd, const cgi_warm_t *warm)
{
    launchers_t *l = new_launchers();
    apr_status_t rv;
    int i;

    l->n = n;
    l->identities = identities_fd;
    l->warm = warm;
    rv = open_queue(l, path);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't make the launchers' queue");
        return rv;
    }
    apr_pool_cleanup_register(pconf, l, retire, apr_pool_cleanup_null);
    *result = l;
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = spawn(l, i);
        if (rv != APR_SUCCESS && retained->starts > 1) {
            l->slot[i].wanted = 1; /* no restart ends httpd for that */
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

/* For the privileged launcher, or those of a user: they know of his own
 * identities only. Scripts inherit their memory, and others' SetEnv is none of
 * his business. */
static apr_status_t store_identities(apr_pool_t *p, server_rec *s,
                                     const apr_array_header_t *identities,
                                     const cgi_warm_t *warm, int *fd)
{
    static const char *const nothing[] = {"=", NULL};
    apr_array_header_t *list = apr_array_copy(p, identities);
    apr_status_t rv;
    apr_size_t size;
    void *data;
    int i;

    for (i = 0; warm && i < list->nelts; i++) {
        cgi_identity_t *identity = &APR_ARRAY_IDX(list, i, cgi_identity_t);
        const cgi_identity_t none = {.uid = identity->uid,
                                     .values = "",
                                     .root = nothing,
                                     .script = nothing};

        if (!cgi_warm_is_for(warm, identity)) {
            *identity = none; /* numbers stay what they are */
        }
    }
    cgi_identity_encode((const cgi_identity_t *)list->elts, list->nelts, p,
                        &data, &size);
    rv = cgi_post_store(data, size, fd);
    /* A process of another module may inherit it: to read, at most. */
    if (rv == APR_SUCCESS &&
        fcntl(*fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        rv = errno;
        close(*fd);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't store the routes' users for the launcher");
    }
    return rv;
}

/* Launchers of a queue that is not the privileged one's. */
static int count_wanted(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus < 1                   ? 1
           : cpus > CGI_LAUNCHERS_MAX ? CGI_LAUNCHERS_MAX
                                      : (int)cpus;
}

/* Is an interpreter for scripts of httpd's own user, or, with identities, for
 * one that has any of them? */
static int is_wanted(const cgi_warm_t *warm,
                     const apr_array_header_t *identities)
{
    int i;

    for (i = 0; identities && i < identities->nelts; i++) {
        if (cgi_warm_is_for(
                warm, &APR_ARRAY_IDX(identities, i, const cgi_identity_t))) {
            return 1;
        }
    }
    return !identities && cgi_warm_is_for(warm, NULL);
}

/* The launchers with an interpreter, behind those without. */
static apr_status_t create_warm(launchers_t *behind, apr_pool_t *pconf,
                                server_rec *s, const char *path,
                                const apr_array_header_t *warm,
                                const apr_array_header_t *identities)
{
    apr_status_t rv = APR_SUCCESS;
    int i, fd = -1;

    path = cgi_warm_program(pconf, path);
    for (i = 0; !rv && warm && i < warm->nelts; i++) {
        const cgi_warm_t *w = APR_ARRAY_IDX(warm, i, const cgi_warm_t *);

        if (!is_wanted(w, identities)) {
            continue;
        }
        if (identities &&
            (rv = store_identities(pconf, s, identities, w, &fd))) {
            break;
        }
        rv = create(&behind->next_warm, pconf, s, path, count_wanted(), fd, w);
        behind = behind->next_warm;
    }
    return rv;
}

/* The launchers of both modules: without an interpreter, and with each. */
static apr_status_t create_shared(apr_pool_t *pconf, server_rec *s,
                                  const char *path,
                                  const apr_array_header_t *warm)
{
    apr_status_t rv =
        create(&launchers, pconf, s, path, count_wanted(), -1, NULL);

    return rv ? rv : create_warm(launchers, pconf, s, path, warm, NULL);
}

/* The launcher for scripts that run as others, which is one, and root; and
 * those of users that have an interpreter. */
static apr_status_t create_privileged(apr_pool_t *pconf, server_rec *s,
                                      const char *path,
                                      const apr_array_header_t *identities,
                                      const apr_array_header_t *warm)
{
    int fd = -1;
    apr_status_t rv = store_identities(pconf, s, identities, NULL, &fd);

    if (rv == APR_SUCCESS) {
        rv = create(&privileged, pconf, s, path, 1, fd, NULL);
    }
    return rv ? rv : create_warm(privileged, pconf, s, path, warm, identities);
}

/* What a service manager or a container has taken away. */
static void look_at_rights(server_rec *s)
{
    if (!geteuid() && !prctl(PR_CAPBSET_READ, CAP_KILL)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "httpd was started without the capability KILL: it can't "
                     "end launchers, nor scripts of other users");
    }
}

apr_status_t cgi_launch_init(apr_pool_t *pconf, server_rec *s,
                             const char *path, const char *cgroup,
                             const apr_array_header_t *identities,
                             const apr_array_header_t *warm)
{
    apr_status_t rv = APR_SUCCESS;
    void *shared = NULL;

    apr_pool_cleanup_register(pconf, NULL, forget_launchers,
                              apr_pool_cleanup_null);
    parent = getpid();
    conf_pool = pconf;
    process_pool = s->process->pool;
    cgroups = cgroup;
    apr_pool_userdata_get(&shared, SHARED_KEY, pconf);
    launchers = shared;
    retained = ap_retained_data_get(RETAINED_KEY);
    if (!launchers) {
        look_at_rights(s);
        adopt_earlier(pconf);
        apr_pool_pre_cleanup_register(pconf, NULL, wait_for_launchers);
        rv = create_shared(pconf, s, path, warm);
        apr_pool_userdata_setn(launchers, SHARED_KEY, NULL, pconf);
    }
    if (rv == APR_SUCCESS && identities) {
        rv = create_privileged(pconf, s, path, identities, warm);
    }
    return rv;
}

void cgi_launch_child_init(void)
{
    launchers_t *l;

    /* The other module's copy may have been here before. */
    for (l = launchers; l; l = l->next_warm) {
        close_reader(l);
    }
    for (l = privileged; l; l = l->next_warm) {
        close_reader(l);
    }
    for (l = retained ? retained->earlier : NULL; l; l = l->next) {
        close_reader(l);
    }
}

/* The launchers for an identity, or 0, with a CGIWarm, by its number from 1;
 * 0: those without. */
static const launchers_t *chosen(unsigned int identity, int warm)
{
    const launchers_t *l = identity ? privileged : launchers;

    while (l && warm != (l->warm ? l->warm->number : 0)) {
        l = l->next_warm;
    }
    return l;
}

int cgi_launch_is_warm(unsigned int identity, int warm)
{
    const launchers_t *l = chosen(identity, warm);
    int i, ready = 0;

    for (i = 0; l && i < l->n; i++) {
        ready |= __atomic_load_n(&l->ready[i], __ATOMIC_SEQ_CST);
    }
    return ready;
}

apr_status_t cgi_launch_send(const cgi_wire_request_t *request,
                             const int fds[CGI_FD_MAX],
                             apr_interval_time_t timeout, int warm,
                             apr_pool_t *p)
{
    return cgi_post_request(chosen(request->identity, warm)->queue[1], request,
                            fds, timeout, p);
}

apr_status_t cgi_launch_claim(pid_t pid, unsigned int identity, int warm,
                              int control_fd)
{
    return cgi_post_claim(chosen(identity, warm)->queue[1], pid, control_fd);
}
