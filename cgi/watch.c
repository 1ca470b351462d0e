/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
#include "cgi/script.h"
#include "cgi/status.h"
#include "cgi/subtree.h"
#include "cgi/watch.h"
#include "cgi/words.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine find each other's data by this name; the
 * number changes with the layout of the data. */
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
    int told;                   /* 1: to end */
    struct cgi_launchers_t *of; /* NULL: of a generation that is over */
    int slot;                   /* there */
    apr_time_t started;
} process_t;

typedef struct retained_t {
    int starts; /* of httpd: the first, and all restarts */
    process_t *processes;
    cgi_launchers_t *earlier, *unused;
} retained_t;

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
static cgi_words_t words_of(const cgi_launchers_t *l)
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

static apr_status_t spawn(cgi_launchers_t *l, int slot)
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
static apr_status_t open_ready(cgi_launchers_t *l)
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
static uid_t user_of(const cgi_launchers_t *l)
{
    return l->warm && l->warm->user          ? l->warm->uid
           : l->identities < 0 && !geteuid() ? ap_unixd_config.user_id
                                             : (uid_t)-1;
}

/* Make a queue and the list of scripts. */
static apr_status_t open_queue(cgi_launchers_t *l, const char *path)
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

static cgi_launchers_t *new_launchers(void)
{
    cgi_launchers_t *l = retained->unused;

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
    cgi_launchers_t *l = data;

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
static int is_shut(const cgi_launchers_t *l)
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
static void start_slot(cgi_launchers_t *l, int slot)
{
    l->slot[slot].wanted = spawn(l, slot) != APR_SUCCESS;
}

/* What shuts it may be code of that user's, which the interpreter has loaded.
 * That is to be nobody else's trouble: his scripts start cold. */
static void give_up_user(cgi_launchers_t *l)
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
static void heal(cgi_launchers_t *l)
{
    cgi_launchers_t *shut;
    process_t *process;
    apr_status_t rv;
    int i;

    if (l->earlier || !is_shut(l)) {
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
static void give_up_warm(cgi_launchers_t *l, int slot, int killed)
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
static void restart(cgi_launchers_t *l, int slot, int killed)
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
static int is_over(const cgi_launchers_t *l)
{
    return l->earlier && is_shut(l);
}

static int has_launcher(const cgi_launchers_t *l)
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
    const cgi_launchers_t *l = process->of;

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

static void start_wanted(cgi_launchers_t *l)
{
    int i;

    for (i = 0; i < l->n; i++) {
        if (l->slot[i].wanted) {
            start_slot(l, i);
        }
    }
}

void cgi_watch_tend(cgi_launchers_t *l)
{
    for (; l; l = l->next_warm) {
        heal(l);
        start_wanted(l);
    }
}

/* What only the parent and launchers need. */
static void close_reader(cgi_launchers_t *l)
{
    if (l->warm) {
        cgi_script_close(&l->ready_fd);
    }
    cgi_script_close(&l->queue[0]);
    cgi_script_close(&l->identities);
    cgi_script_close(&l->table);
}

void cgi_watch_close(cgi_launchers_t *l)
{
    for (; l; l = l->next_warm) {
        close_reader(l);
    }
}

void cgi_watch_close_earlier(void)
{
    cgi_launchers_t *l;

    for (l = retained ? retained->earlier : NULL; l; l = l->next) {
        close_reader(l);
    }
}

/* Earlier generations: forget those that are over; one with workers, and
 * maybe requests, is not left without a launcher. */
void cgi_watch_tend_earlier(void)
{
    cgi_launchers_t **at, *l;
    process_t *process;

    if (!retained) {
        return;
    }
    at = &retained->earlier;
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

/* While httpd runs without our modules, it waits for launchers that end: their
 * numbers may be others' afterwards. */
static int is_child(pid_t pid)
{
    siginfo_t info;

    return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

void cgi_watch_begin(apr_pool_t *pconf, server_rec *s, const char *cgroup)
{
    parent = getpid();
    conf_pool = pconf;
    process_pool = s->process->pool;
    cgroups = cgroup;
    retained = ap_retained_data_get(RETAINED_KEY);
}

/* The MPM asks who they were. */
void cgi_watch_adopt(apr_pool_t *pconf)
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
    cgi_watch_tend_earlier();
    apr_pool_pre_cleanup_register(pconf, NULL, wait_for_launchers);
}

apr_status_t cgi_watch_create(cgi_launchers_t **result, apr_pool_t *pconf,
                              server_rec *s, const char *path, int n,
                              int identities_fd, const cgi_warm_t *warm)
{
    cgi_launchers_t *l = new_launchers();
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
