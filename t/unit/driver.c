/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The driver of a request, with parts that do what a case says: no httpd, no
 * processes, no time but the case's. A case is a list of steps, and what the
 * driver did in them.
 *
 * Words of a step:
 *   +N        N ms pass            timer     the next deadline is reached
 *   out:...   stdout, of h (a part of a header), H (its end), B (a body),
 *             N (as B, and the client does not take more), E (its end),
 *             ! (a bad header), L (the client has gone), F (412)
 *   ctl:...   the launcher: P (a process is made), S (it has started), X (exit
 * 0), 1 (exit 1), K (killed), F (could not be started), . (gone) err:...
 * stderr: e (a line), E (its end) cli:...   the client: d (data), r (closed
 * one side), R (reset), w (takes more), W (takes all), a (aborted, as httpd
 * tells) in:...    a step of the body: m (some moved), f (the script's stdin
 * is full), e (its end), x (the read fails), p (it has more to pass), w (some
 * moved, of a socket that passes over small pieces) stdin:r
 * there is room in it; stdin:c it was closed place:... of CGILimit: r (it is
 * free), w (it is not), n (refused)
 *   wish      somebody on the status page wants it to end
 *   other     a launcher takes the script of another request
 */
/* link: cgi/driver.c cgi/times.c base/tally.c base/histogram.c */

#include <stdarg.h>
#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "cgi/driver.h"
#include "cgi/stderrfile.h"
#include "cgi/variables.h"
#include "tap.h"

enum { CLIENT = 10, STDIN, STDOUT, STDERR, CONTROL, PLACE };

static struct {
    char out[64], ctl[64], err[64], in[64], place[16];
    int reset, closed, data, writable, room, stdin_closed;
    int takes, clear, rest, probe, ask, unread, bound;
    int body, spool, limit, nopoll, stderr_file, redirect, begun_status;
    int wish, may_wish, shown_pid, ends;
    cgi_state_e shown;
    cgi_sample_t sample; /* what is told at the end */
    int starting, waiting, start_fails, exiting, hung;
    apr_time_t now;
    char trace[2000];
} f;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    size_t n = strlen(f.trace);
    va_list args;

    va_start(args, fmt);
    n +=
        (size_t)snprintf(f.trace + n, sizeof(f.trace) - n, "%s", n ? " " : "");
    vsnprintf(f.trace + n, sizeof(f.trace) - n, fmt, args);
    va_end(args);
}

/* The first byte of a queue is taken out. 0: it is empty */
static char take(char *queue)
{
    char c = *queue;

    if (c) {
        memmove(queue, queue + 1, strlen(queue));
    }
    return c;
}

/* ---- the parts ---- */

static cgi_outcome_e fail(cgi_request_t *q, int level, int status,
                          const char *fmt)
{
    q->failure.level = level;
    q->failure.status = status;
    q->failure.text = fmt;
    return CGI_FAILED;
}

cgi_outcome_e cgi_fail(cgi_request_t *q, int status, apr_status_t rv,
                       const char *fmt, ...)
{
    (void)rv;
    return fail(q, APLOG_ERR, status, fmt);
}

cgi_outcome_e cgi_reject(cgi_request_t *q, int status, apr_status_t rv,
                         const char *fmt, ...)
{
    (void)rv;
    return fail(q, APLOG_INFO, status, fmt);
}

cgi_outcome_e cgi_overload(cgi_request_t *q, apr_status_t rv, const char *what)
{
    (void)rv;
    return fail(q, APLOG_ERR, HTTP_SERVICE_UNAVAILABLE, what);
}

cgi_outcome_e cgi_answer(cgi_request_t *q, int status)
{
    return fail(q, -1, status, NULL);
}

void cgi_request_log(const cgi_request_t *q)
{
    say("%s:%d", q->failure.level == APLOG_ERR ? "error" : "info",
        q->failure.status);
}

void cgi_request_left(const cgi_request_t *q, int waited_for_place)
{
    say(waited_for_place ? "left-queue" : "left");
    q->c->aborted = 1;
}

cgi_scriptlog_t *cgi_scriptlog_make(cgi_request_t *q)
{
    return (cgi_scriptlog_t *)q; /* any */
}

void cgi_scriptlog_failed(cgi_scriptlog_t *log, int whole, const char *head,
                          apr_size_t head_len)
{
    (void)log, (void)head, (void)head_len;
    say(whole ? "scriptlog-whole" : "scriptlog");
}

void cgi_scriptlog_end(cgi_scriptlog_t *log)
{
    (void)log;
}

void cgi_script_init(cgi_script_t *s)
{
    s->control_fd = s->stdin_fd = s->stdout_fd = s->stderr_fd = -1;
}

cgi_outcome_e cgi_script_start(cgi_script_t *s, cgi_request_t *q, int stdin_fd)
{
    say("start");
    s->attempts++;
    if (f.start_fails) {
        return fail(q, APLOG_ERR, 503, "");
    }
    s->control_fd = CONTROL;
    s->stdout_fd = STDOUT;
    s->stderr_fd = f.stderr_file ? -1 : STDERR;
    s->stdin_fd = stdin_fd == CGI_STDIN_PIPE ? STDIN : -1;
    f.starting = 1;
    return CGI_WENT_ON;
}

unsigned int cgi_script_kill_ms(const cgi_request_t *q)
{
    (void)q;
    return 3000;
}

int cgi_script_may_start_again(const cgi_script_t *s)
{
    return s->control_fd < 0 && !s->exited && !s->pid;
}

int cgi_script_is_waiting(const cgi_script_t *s)
{
    return !s->pid && s->control_fd >= 0 && !*f.ctl;
}

cgi_outcome_e cgi_script_start_failed(cgi_script_t *s, cgi_request_t *q)
{
    (void)s;
    return fail(q, APLOG_ERR, 403, "");
}

int cgi_script_listen(cgi_script_t *s, const cgi_request_t *q)
{
    int said = 0;
    char c;

    (void)q;
    while (s->control_fd >= 0 && (c = take(f.ctl)) != 0) {
        switch (c) {
        case 'P':
            s->pid = 7;
            said |= CGI_SAID_PROCESS;
            break;
        case 'S':
            s->pid = 7;
            said |= CGI_SAID_PROCESS | CGI_SAID_STARTED;
            break;
        case 'F':
            s->fail_errno = 13;
            break;
        case '.':
            s->control_fd = -1;
            said |= CGI_SAID_END;
            break;
        default:
            s->exited = 1;
            s->wait_status = c == 'K' ? 11 : c == '1' ? 256 : 0;
            said |= CGI_SAID_EXITED;
        }
    }
    return said;
}

void cgi_script_close(int *fd)
{
    *fd = -1;
}

int cgi_script_is_ready(int fd)
{
    (void)fd;
    return *f.err != 0;
}

int cgi_script_unread(int fd)
{
    (void)fd;
    return f.unread < 0 ? (int)strlen(f.out) : f.unread;
}

cgi_end_e cgi_script_end(const cgi_script_t *s)
{
    return !s->exited              ? CGI_END_UNKNOWN
           : s->wait_status == 11  ? CGI_END_CRASH
           : s->wait_status == 256 ? CGI_END_STATUS
                                   : CGI_END_ZERO;
}

const char *cgi_script_how_ended(const cgi_script_t *s, cgi_request_t *q)
{
    (void)s, (void)q;
    return "";
}

void cgi_script_log_end(const cgi_script_t *s, cgi_request_t *q)
{
    (void)s, (void)q;
    say("ended-badly");
}

int cgi_script_is_exiting(const cgi_script_t *s)
{
    (void)s;
    return f.exiting;
}

void cgi_script_release(cgi_script_t *s, const cgi_request_t *q)
{
    (void)q;
    if (s->control_fd >= 0 || s->stdout_fd >= 0) {
        say("kill");
    }
    s->control_fd = s->stdin_fd = s->stdout_fd = s->stderr_fd = -1;
}

void cgi_errors_init(cgi_errors_t *e, cgi_request_t *q, cgi_scriptlog_t *log)
{
    (void)e, (void)q, (void)log;
}

int cgi_errors_read(cgi_errors_t *e, int fd, apr_time_t now)
{
    (void)e, (void)fd, (void)now;
    if (take(f.err) == 'e') {
        say("stderr");
        return 1;
    }
    return -1;
}

void cgi_errors_end(cgi_errors_t *e, apr_time_t now)
{
    (void)e, (void)now;
}

cgi_outcome_e cgi_output_init(cgi_output_t *out, cgi_request_t *q)
{
    out->q = q;
    return CGI_WENT_ON;
}

int cgi_output_takes(const cgi_output_t *out)
{
    (void)out;
    return f.takes;
}

int cgi_output_is_clear(const cgi_output_t *out)
{
    (void)out;
    return f.clear;
}

cgi_outcome_e cgi_output_read(cgi_output_t *out, int fd, int hung_up,
                              apr_time_t now)
{
    char c;

    (void)fd;
    do {
        c = take(f.out);
        if (c != 'E' && c) {
            out->heard_at = now;
        }
        switch (c) {
        case 'H':
            out->begun = 1;
            out->head_len = 0;
            out->redirect = f.redirect ? "/" : NULL;
            out->status = f.begun_status;
            break;
        case 'h':
            out->head_len++;
            break;
        case 'N':
            f.takes = f.clear = 0;
            out->streaming = 1;
            break;
        case 'B':
            out->pending++;
            break;
        case '!':
            return fail(out->q, APLOG_ERR, 500, "");
        case 'F':
            return fail(out->q, -1, 412, NULL);
        case 'L':
            return CGI_LEFT;
        default:
            return CGI_ENDED;
        }
    } while (*f.out && f.takes && (hung_up || c == 'H' || c == 'h'));
    return f.bound && !*f.out ? CGI_ENDED : CGI_WENT_ON;
}

int cgi_output_is_due(const cgi_output_t *out)
{
    return out->pending > 0;
}

cgi_outcome_e cgi_output_flush(cgi_output_t *out, apr_time_t now)
{
    (void)now;
    say("flush");
    out->pending = 0;
    out->streaming = 1;
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_output_push(cgi_output_t *out, int *moved)
{
    (void)out;
    *moved = f.writable;
    if (f.writable == 2) {
        f.takes = f.clear = 1;
    }
    f.writable = 0;
    return CGI_WENT_ON;
}

void cgi_output_bound(cgi_output_t *out, int n)
{
    (void)out;
    f.bound = 1;
    if (!strchr(f.out, 'E')) { /* it matters */
        say("bound:%d", n);
    }
}

int cgi_output_is_sent(const cgi_output_t *out)
{
    return out->begun && !out->redirect && out->status == OK;
}

int cgi_output_is_open(const cgi_output_t *out)
{
    return cgi_output_is_sent(out);
}

cgi_outcome_e cgi_output_end(cgi_output_t *out)
{
    out->pending = 0;
    if (f.rest) {
        f.takes = f.clear = 0;
    }
    say("end");
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_output_hurry(cgi_output_t *out)
{
    (void)out;
    say("hurry");
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_output_abort(cgi_output_t *out, int at_once)
{
    say(at_once ? "cut-now" : "cut");
    if (at_once && !f.clear) {
        out->q->c->aborted = 1;
        return CGI_LEFT;
    }
    return CGI_WENT_ON;
}

int cgi_output_probe(cgi_output_t *out, apr_time_t since)
{
    (void)out, (void)since;
    say("probe");
    return f.probe;
}

void cgi_output_release(cgi_output_t *out)
{
    (void)out;
}

cgi_outcome_e cgi_input_init(cgi_input_t *in, cgi_request_t *q,
                             cgi_scriptlog_t *log)
{
    (void)log;
    in->q = q;
    in->state = f.spool  ? CGI_INPUT_SPOOL
                : f.body ? CGI_INPUT_START
                         : CGI_INPUT_DONE;
    return CGI_WENT_ON;
}

int cgi_input_fd(const cgi_input_t *in)
{
    return in->state == CGI_INPUT_DONE ? CGI_STDIN_NOTHING : CGI_STDIN_PIPE;
}

void cgi_input_start(cgi_input_t *in)
{
    if (in->state == CGI_INPUT_START) {
        in->state = CGI_INPUT_FROM_CLIENT;
        in->more = 1;
    }
}

void cgi_input_refused(cgi_input_t *in)
{
    in->discard = 1;
    in->state = CGI_INPUT_FROM_CLIENT;
}

void cgi_input_finish(cgi_input_t *in)
{
    in->state = CGI_INPUT_DONE;
    in->more = 0;
}

void cgi_input_peek(cgi_input_t *in)
{
    (void)in;
    say("peek");
}

static cgi_outcome_e input(cgi_input_t *in, apr_size_t *moved)
{
    char c = take(f.in);

    in->more = 0;
    in->patient = c == 'w';
    f.data = 0;
    switch (c) {
    case 'w':
    case 'm':
        *moved += 1;
        in->state = in->state == CGI_INPUT_SPOOL ? CGI_INPUT_SPOOL
                                                 : CGI_INPUT_FROM_CLIENT;
        return CGI_WENT_ON;
    case 'p':
        in->more = 1;
        return CGI_WENT_ON;
    case 'f':
        *moved += 1;
        in->state = CGI_INPUT_TO_SCRIPT;
        f.room = 0;
        return CGI_WENT_ON;
    case 'e':
        *moved += 1;
        in->state = CGI_INPUT_DONE;
        return CGI_ENDED;
    case 'x':
        return fail(in->q, APLOG_INFO, 400, "");
    default:
        return CGI_WENT_ON;
    }
}

cgi_outcome_e cgi_input_step(cgi_input_t *in, int fd, int waiting,
                             apr_size_t *moved)
{
    (void)fd, (void)waiting;
    say("input");
    return input(in, moved);
}

cgi_outcome_e cgi_input_store(cgi_input_t *in, apr_size_t *moved)
{
    say("store");
    *moved += 1;
    f.data = 0;
    in->eos = 1;
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_input_spool(cgi_input_t *in, int fd, apr_size_t *moved)
{
    say(fd < 0 ? "spool-block" : "spool");
    return input(in, moved);
}

static cgi_outcome_e place(cgi_admission_t *a, cgi_request_t *q)
{
    static const cgi_limit_t limit = {.max = 1};
    char c = take(f.place);

    a->turn.wake_fd = PLACE;
    a->turn.limit = c == 'n' ? NULL : &limit;
    a->again = f.now + apr_time_from_msec(100);
    return c == 'r'   ? CGI_ENDED
           : c == 'n' ? fail(q, APLOG_INFO, 503, "")
                      : CGI_WENT_ON;
}

cgi_outcome_e cgi_admission_early(cgi_request_t *q)
{
    (void)q;
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_admission_enter(cgi_admission_t *a, cgi_request_t *q,
                                  apr_time_t now)
{
    (void)now;
    return f.limit ? place(a, q) : CGI_ENDED;
}

cgi_outcome_e cgi_admission_step(cgi_admission_t *a, cgi_request_t *q,
                                 int woken, apr_time_t now)
{
    return woken || now >= a->again ? place(a, q) : CGI_WENT_ON;
}

int cgi_admission_holds(const cgi_admission_t *a)
{
    return a->turn.limit != NULL;
}

void cgi_admission_asked(cgi_admission_t *a, unsigned int kill_ms)
{
    (void)a, (void)kill_ms;
}

void cgi_admission_started(cgi_admission_t *a, pid_t pid)
{
    (void)a, (void)pid;
}

void cgi_admission_leave(cgi_admission_t *a, cgi_request_t *q, int ended)
{
    (void)q;
    if (a->turn.limit) {
        say(ended ? "leave" : "leave-running");
        a->turn.limit = NULL;
    }
}

void cgi_client_init(cgi_client_t *client, const cgi_request_t *q)
{
    client->fd = f.nopoll ? -1 : CLIENT;
    client->writes = !f.nopoll && !q->c->master;
}

int cgi_client_events(const cgi_client_t *client, int reading, int writing)
{
    return client->fd < 0 ? -1
                          : (client->closed ? 0
                             : reading      ? POLLIN | POLLRDHUP
                                            : POLLRDHUP) |
                                (writing && client->writes ? POLLOUT : 0);
}

void cgi_client_doubt(cgi_client_t *client, apr_time_t now)
{
    client->closed = 1;
    client->doubt_at = now;
}

void cgi_client_trust(cgi_client_t *client)
{
    client->doubt_at = 0;
}

int cgi_client_ask(cgi_client_t *client, const cgi_request_t *q)
{
    (void)q;
    say("ask");
    client->doubt_at = 0;
    return f.ask;
}

void cgi_variables_add(const cgi_request_t *q, const cgi_input_t *in)
{
    (void)q, (void)in;
}

int cgi_stderr_fd(const cgi_exec_dir_t *dir)
{
    (void)dir;
    return f.stderr_file ? 5 : -1;
}

void cgi_status_begin(cgi_status_t *status, const cgi_request_t *q,
                      apr_time_t now)
{
    (void)q;
    status->begun = now;
}

void cgi_status_progress(const cgi_status_t *status, cgi_state_e state,
                         pid_t pid, apr_off_t bytes_out)
{
    (void)status, (void)bytes_out;
    f.shown = state;
    f.shown_pid = (int)pid;
}

int cgi_status_is_unwanted(const cgi_status_t *status)
{
    (void)status;
    return f.wish;
}

apr_interval_time_t cgi_status_interval(void)
{
    return f.may_wish ? apr_time_from_msec(500) : 0;
}

void cgi_status_end(cgi_status_t *status, apr_off_t bytes_out, apr_time_t now)
{
    f.ends++;
    f.sample.result = status->result;
    f.sample.first = status->first ? status->first - status->begun : -1;
    f.sample.total = now - status->begun;
    f.sample.bytes_in = status->bytes_in;
    f.sample.bytes_out = bytes_out;
}

/* ---- a case ---- */

static cgi_driver_t d;

/* What poll() would say. @return 1: something is ready */
static int poll_now(struct pollfd pfd[CGI_ON_MAX])
{
    int i, some = 0;

    for (i = 0; i < CGI_ON_MAX; i++) {
        int is = 0;

        switch (pfd[i].fd) {
        case CLIENT:
            is = (f.reset ? POLLHUP : 0) | (f.closed ? POLLRDHUP : 0) |
                 (f.data ? POLLIN : 0) | (f.writable ? POLLOUT : 0);
            break;
        case STDIN:
            is = (f.room ? POLLOUT : 0) | (f.stdin_closed ? POLLERR : 0);
            break;
        case STDOUT:
            is = (*f.out ? POLLIN : 0) | (strchr(f.out, 'E') ? POLLHUP : 0);
            break;
        case STDERR:
            is = *f.err ? POLLIN : 0;
            break;
        case CONTROL:
            is = (*f.ctl ? POLLIN : 0) | (strchr(f.ctl, '.') ? POLLHUP : 0);
            break;
        case PLACE:
            is = *f.place ? POLLIN : 0;
            break;
        default:
            break;
        }
        pfd[i].revents = (short)(is & (pfd[i].events | POLLHUP | POLLERR));
        some |= pfd[i].revents;
    }
    return some;
}

/* Until there is nothing to do but wait; to_deadline 1: once for a time */
static void settle(int to_deadline)
{
    struct pollfd pfd[CGI_ON_MAX];
    apr_time_t until;
    int n, some;

    for (n = 0; d.phase != CGI_PHASE_DONE; n++) {
        until = cgi_driver_wants(&d, pfd, f.now);
        some = poll_now(pfd);
        if (!some && to_deadline && until > f.now) {
            f.now = until;
            to_deadline = 0;
        }
        else if (!some && (!until || until > f.now)) {
            return;
        }
        if (n > 30) {
            say("BUSY");
            return;
        }
        cgi_driver_step(&d, pfd, some, f.now);
    }
}

static void add(char *queue, const char *more)
{
    memcpy(queue + strlen(queue), more, strlen(more) + 1);
}

static void word(const char *w)
{
    const char *arg = strchr(w, ':');

    arg = arg ? arg + 1 : "";
    if (*w == '+') {
        f.now += apr_time_from_msec(atoi(w + 1));
    }
    else if (!strncmp(w, "out:", 4)) {
        add(f.out, arg);
    }
    else if (!strncmp(w, "ctl:", 4)) {
        add(f.ctl, arg);
    }
    else if (!strncmp(w, "err:", 4)) {
        add(f.err, arg);
    }
    else if (!strncmp(w, "in:", 3)) {
        add(f.in, arg);
    }
    else if (!strncmp(w, "place:", 6)) {
        add(f.place, arg);
    }
    else if (!strncmp(w, "stdin:", 6)) {
        f.room = *arg == 'r';
        f.stdin_closed = *arg == 'c';
    }
    else if (!strcmp(w, "wish")) {
        f.wish = 1;
    }
    else if (!strcmp(w, "other")) {
        cgi_times_note_launcher(f.now);
    }
    else if (!strncmp(w, "unread:", 7)) {
        f.unread = atoi(arg);
    }
    else if (!strncmp(w, "cli:", 4)) {
        f.data |= strchr(arg, 'd') != NULL;
        f.closed |= strchr(arg, 'r') != NULL;
        f.reset |= strchr(arg, 'R') != NULL;
        f.writable = strchr(arg, 'W') ? 2 : strchr(arg, 'w') ? 1 : 0;
        d.q.c->aborted |= strchr(arg, 'a') != NULL;
    }
}

typedef struct {
    const char *name;
    const char *setup; /* letters: see run() */
    const char *steps; /* separated by | */
    const char *trace;
    int status;
} case_t;

static void run(const case_t *c)
{
    static server_rec server;
    static conn_rec conn;
    static request_rec r;
    static cgi_exec_dir_t dir;
    static cgi_exec_options_t options;
    char steps[300], trace[2000], *step, *w, *at, *at2;
    const char *s = c->setup;
    int timer;

    memset(&f, 0, sizeof(f));
    memset(&d, 0, sizeof(d));
    memset(&conn, 0, sizeof(conn));
    f.takes = f.clear = f.probe = 1;
    f.unread = -1;
    f.now = apr_time_from_sec(100);
    cgi_times_note_launcher(0);
    server.timeout = apr_time_from_sec(60);
    r.server = &server;
    r.connection = &conn;
    dir.first_timeout = dir.idle_timeout = dir.total_timeout = -1;
    dir.kill_timeout = -1;
    options.dir = &dir;
    d.q.r = &r;
    d.q.c = &conn;
    d.q.options = &options;
    f.body = strchr(s, 'b') != NULL;        /* a body is streamed */
    f.spool = strchr(s, 's') != NULL;       /* or spooled */
    f.limit = strchr(s, 'l') != NULL;       /* CGILimit */
    f.nopoll = strchr(s, 'n') != NULL;      /* the client can't be polled */
    f.stderr_file = strchr(s, 'e') != NULL; /* CGIStderr */
    f.redirect = strchr(s, 'r') != NULL;    /* the header is a redirect */
    f.begun_status = strchr(s, '3') ? 302 : OK;
    f.start_fails = strchr(s, 'x') != NULL; /* no launcher can be asked */
    f.exiting = strchr(s, 'y') != NULL;     /* /proc shows it is ending */
    f.ask = strchr(s, 'k') != NULL;         /* the kernel can ask */
    f.may_wish = strchr(s, 'W') != NULL;    /* CGIStatusEnd */
    f.rest = strchr(s, 'z') != NULL;        /* the client is slow at the end */
    if (strchr(s, 'p')) {
        f.takes = f.clear = 0; /* it takes not even the response before */
    }
    if (strchr(s, 'q')) {
        f.probe = 0; /* nothing can be sent to find out */
    }
    if (strchr(s, 'F')) {
        dir.first_timeout = apr_time_from_sec(2);
    }
    if (strchr(s, 'I')) {
        dir.idle_timeout = apr_time_from_sec(3);
    }
    if (strchr(s, 'T')) {
        dir.total_timeout = apr_time_from_sec(5);
    }
    if (strchr(s, 'w')) {
        add(f.place, "w"); /* the place is not free at first */
    }
    else if (strchr(s, 'l')) {
        add(f.place, strchr(s, 'N') ? "n" : "r");
    }
    cgi_driver_begin(&d, f.now);
    settle(0);
    apr_cpystrn(steps, c->steps, sizeof(steps));
    for (step = apr_strtok(steps, "|", &at); step;
         step = apr_strtok(NULL, "|", &at)) {
        timer = 0;
        for (w = apr_strtok(step, " ", &at2); w;
             w = apr_strtok(NULL, " ", &at2)) {
            if (!strcmp(w, "timer")) {
                timer = 1;
            }
            else {
                word(w);
            }
        }
        settle(timer);
    }
    if (d.phase != CGI_PHASE_DONE) {
        say("(phase %d)", (int)d.phase);
    }
    apr_cpystrn(trace, f.trace, sizeof(trace));
    {
        int status = cgi_driver_end(&d, f.now);

        if (!c->trace) {
            return;
        }
        tap_is(f.trace, c->trace, c->name);
        tap_ok(status == c->status, "%s: status %d, %d", c->name, c->status,
               status);
    }
}

static const case_t cases[] = {
    {"a whole response at once", "", "out:HBE ctl:SX.", "start end", 0},
    {"its end comes later", "", " out:H|out:B|out:E ctl:SX.", "start end", 0},
    {"a header in pieces", "", "out:h|+20 out:h|out:HB|out:E ctl:SX.",
     "start end", 0},
    {"a first output is held back for its end", "", "out:HB|ctl:SX. out:E",
     "start end", 0},
    {"and sent when the end does not come", "", "out:HB|timer|out:E ctl:SX.",
     "start end", 0},
    {"a stream", "", "out:HB|timer|out:B|timer|out:E ctl:SX.",
     "start flush end", 0},
    {"exit before any output", "", "out:E ctl:SX.|",
     "start error:500 peek scriptlog-whole", 500},
    {"exit 1 before any output", "", "out:E ctl:S1.|",
     "start error:500 peek scriptlog-whole", 500},
    {"killed before any output", "", "out:E ctl:SK.|",
     "start error:500 peek scriptlog-whole", 500},
    {"half a header and an end", "", "out:hE ctl:SX.",
     "start error:500 peek scriptlog-whole", 500},
    {"a bad header", "", "+20 out:!",
     "start error:500 peek scriptlog-whole kill", 500},
    {"a header that httpd answers with 412", "", "+20 out:F", "start kill",
     412},
    {"output after the exit, in the pipe", "", "out:HB|unread:5 ctl:SX.|",
     "start bound:5 end", 0},
    {"output after the exit, by a child for ever", "",
     "+20 out:H|unread:0 ctl:SX.|out:B", "start bound:0 end", 0},
    {"a child holds stdout, the header is not there", "", "unread:0 ctl:SX.|",
     "start bound:0 error:500 peek scriptlog-whole", 500},
    {"stdout ends, the script runs on", "", "out:HBE|timer|timer|timer|timer",
     "start end hurry kill", 0},
    {"stdout ends, the exit is a little late", "", "out:HBE|+1 ctl:SX.",
     "start end", 0},
    {"a stream's script has crashed, its launcher is late", "y",
     "+20 out:HB ctl:S|timer|out:BE|+200|+1500 ctl:K.|",
     "start flush flush error:502 scriptlog cut", 0},
    {"its launcher says nothing", "y",
     "+20 out:HB ctl:S|timer|out:BE|+200|+2000|timer",
     "start flush flush end hurry (phase 5) kill", 0},
    {"stdout ends, it is about to end", "y", "out:HBE ctl:S|timer|+5 ctl:X.",
     "start end", 0},
    {"stdout ends without a header, it runs on", "", "out:E|timer|timer",
     "start error:500 peek scriptlog-whole kill", 500},
    {"crash after a whole stream", "", "out:HB|timer|out:E ctl:SK.",
     "start error:502 scriptlog cut", 0},
    {"crash after a small output", "", "out:HBE ctl:SK.",
     "start error:502 scriptlog cut", 0},
    {"crash in the middle", "", "out:HB|timer|unread:0 ctl:SK.",
     "start bound:0 error:502 scriptlog cut", 0},
    {"exit 1 after a good response", "", "out:HBE ctl:S1.",
     "start ended-badly end", 0},
    {"exit status later than waited for", "",
     "out:HBE ctl:S|timer|timer|timer|ctl:K.", "start end hurry ended-badly",
     0},
    {"a local redirect", "r", "out:HE ctl:SX.", "start", 0},
    {"a redirect of a script that crashes", "r", "out:HE ctl:SK.",
     "start ended-badly", 0},
    {"a redirect that httpd writes", "3", "out:HE ctl:SX.", "start", 302},
    {"last words on stderr", "", "out:HBE err:e ctl:SX.|err:E",
     "start stderr end", 0},
    {"stderr alone stays open", "", "err:e|out:HBE ctl:SX.",
     "start stderr end", 0},
    {"stderr lingers, the launcher tells the end", "",
     "out:HBE ctl:S|timer|timer|timer|err:e|ctl:X.", "start end hurry stderr",
     0},
    {"stderr lingers for too long", "",
     "out:HBE ctl:S|timer|timer|timer|timer|timer", "start end hurry kill", 0},
    {"CGIStderr: the script may still write there", "e",
     "out:HBE ctl:S|timer|timer|timer", "start end hurry (phase 5) kill", 0},
    {"it could not be started", "", "out:E ctl:F.|",
     "start error:403 scriptlog", 403},
    {"it could not be started, said first", "", "out:E ctl:FS.|",
     "start error:403 scriptlog", 403},
    {"no launcher can be asked", "x", "", "start error:503 scriptlog", 503},
    {"the launcher dies before the start", "", "out:E ctl:.|out:HBE ctl:SX.",
     "start start end", 0},
    {"and again, and again", "",
     "out:E ctl:.|out:E ctl:.|out:E ctl:.|out:HBE ctl:SX.",
     "start start start start end", 0},
    {"no launcher takes it, the time comes", "", "+6000",
     "start error:503 scriptlog kill", 503},
    {"launchers are busy with others, then take it", "",
     "+5000 other +1000|+4000 other +2000|+2000 ctl:S|out:HBE ctl:X.",
     "start end", 0},
    {"they are, and then are heard no more", "", "+5000 other +1000|+4999|+1",
     "start error:503 scriptlog kill", 503},
    {"they are, until idle= is over", "I", "+2000 other|+1000",
     "start error:503 scriptlog kill", 503},
    {"they are, until total= is over", "T", "+4000 other|+1000",
     "start error:503 scriptlog kill", 503},
    {"they are, until first= is over", "F", "+1000 other|+1000",
     "start error:503 scriptlog kill", 503},
    {"the launcher dies while it runs, in HEADER", "", "ctl:S.|out:HBE",
     "start end", 0},
    {"the launcher dies while it runs, in BODY", "",
     "out:HB ctl:S|timer|ctl:.|out:BE", "start flush end", 0},
    {"the launcher dies, no output follows", "", "ctl:S.|out:E",
     "start error:500 peek scriptlog-whole", 500},
    {"the launcher dies in LINGER", "", "out:HBE ctl:S|timer|ctl:.",
     "start end", 0},
    {"the client resets in HEADER", "", "cli:R", "start left kill", 0},
    {"in BODY", "", "out:HB|timer|cli:R", "start left kill", 0},
    {"while a body is sent", "b", "ctl:S cli:d in:f|cli:R",
     "start input left kill", 0},
    {"httpd has seen it go in HEADER", "", "cli:a|timer", "start left kill",
     0},
    {"httpd has seen it go in BODY", "", "out:HB|cli:a timer",
     "start left kill", 0},
    {"it closes one side and is answered", "", "cli:r|+500|out:HBE ctl:SX.",
     "start probe end", 0},
    {"a quick script does not ask", "", "cli:r|+100 out:HBE ctl:SX.",
     "start end", 0},
    {"it closes one side, nothing can be sent, TLS", "q", "cli:r|+500",
     "start probe ask left kill", 0},
    {"it closes one side, the kernel asks", "qk", "cli:r|+500|out:HBE ctl:SX.",
     "start probe ask end", 0},
    {"first= is over", "F", "ctl:S +2000",
     "start error:504 peek scriptlog-whole kill", 504},
    {"a piece of the header does not put first= off", "F",
     "ctl:S +1500 out:h|+600", "start error:504 peek scriptlog-whole kill",
     504},
    {"idle= is over in HEADER", "I", "ctl:S +3000",
     "start error:504 peek scriptlog-whole kill", 504},
    {"idle= is over in BODY", "I", "out:HB|timer|+3100",
     "start error:504 scriptlog cut kill", 0},
    {"stderr puts idle= off", "I", "out:HB|+2900 err:e|+2900 out:E ctl:SX.",
     "start stderr end", 0},
    {"total= is over in HEADER", "T", "ctl:S +5000",
     "start error:504 peek scriptlog-whole kill", 504},
    {"total= is over in BODY", "T", "out:HB|timer|+3000 out:B|+2100",
     "start flush error:504 scriptlog cut-now kill", 0},
    {"both at once: total= is named", "FT", "ctl:S +6000",
     "start error:504 peek scriptlog-whole kill", 504},
    {"total= while the client takes nothing", "T", "+20 out:HN ctl:S|+5000",
     "start error:504 scriptlog cut-now kill", 0},
    {"no total=, the client takes nothing", "",
     "+20 out:HN ctl:S|+59000|+1001", "start info:408 cut-now kill", 0},
    {"idle= does not count while it takes nothing", "I",
     "+20 out:HN ctl:S|+10000 cli:W|out:E ctl:SX.", "start end", 0},
    {"it takes a little at a time", "",
     "+20 out:HN ctl:S|+30000 cli:w|+50000 cli:w|+50000 cli:W|out:E ctl:SX.",
     "start end", 0},
    {"the end while the client takes nothing", "",
     "+20 out:HN|out:B unread:3 ctl:SX.|+1000 cli:W|out:E",
     "start bound:3 end", 0},
    {"the response is whole, the client slow", "",
     "+20 out:HN|cli:W|out:NE ctl:SX.|+1000|cli:W", "start end", 0},
    {"crash while the client takes nothing", "",
     "+20 out:HN|unread:0 ctl:SK.|cli:W",
     "start bound:0 error:502 scriptlog cut", 0},
    {"it resets while it takes nothing", "", "+20 out:HN|cli:R",
     "start left kill", 0},
    {"it resets after the end", "", "out:HNE ctl:SX.|cli:R", "start left kill",
     0},
    {"a body, streamed", "b", "ctl:S cli:d in:me|out:HBE ctl:X.",
     "start input end", 0},
    {"a body, the pipe is full", "b",
     "ctl:S cli:d in:f|stdin:r in:m|cli:d in:e|out:HBE ctl:X.",
     "start input input input end", 0},
    {"the script does not want the rest", "b",
     "ctl:S cli:d in:f|stdin:c|out:HBE ctl:X.", "start input end", 0},
    {"a filter has more", "b", "ctl:S in:ppe|out:HBE ctl:X.",
     "start input input input end", 0},
    {"the body can't be read", "b", "ctl:S cli:d in:x",
     "start input info:400 kill", 400},
    {"the client does not send the rest", "b", "ctl:S in:m|+60000",
     "start input info:408 kill", 408},
    {"the body waits for the start", "b", "cli:d|ctl:S in:e|out:HBE ctl:X.",
     "start input end", 0},
    {"an answer before the body", "b", "ctl:S in:m|out:HBE ctl:X.",
     "start input end", 0},
    {"the client neither takes nor is taken from", "b",
     "ctl:S in:f cli:d|+20 out:HN|cli:d|cli:W stdin:r in:e|out:E ctl:X.",
     "start input store input end", 0},
    {"the launcher dies before the start, with a body", "b",
     "out:E ctl:.|ctl:S in:e|out:HBE ctl:X.", "start start input end", 0},
    {"a launcher that dies closes stdin, which is no word of the script", "b",
     "stdin:c|out:E ctl:.|stdin:r|ctl:S in:e|out:HBE ctl:X.",
     "start start input end", 0},
    {"the same, all at once", "b",
     "stdin:c out:E ctl:.|stdin:r|ctl:S in:e|out:HBE ctl:X.",
     "start start input end", 0},
    {"a body, spooled", "s", "cli:d in:m|cli:d in:e|out:HBE ctl:SX.",
     "spool spool start end", 0},
    {"a spooled body, told of in large pieces", "s",
     "cli:d in:w|in:m timer|cli:d in:e|out:HBE ctl:SX.",
     "spool spool spool start end", 0},
    {"a spooled body stops", "s", "cli:d in:m|+60000", "spool info:408", 408},
    {"a spooled body can't be read", "s", "cli:d in:x", "spool info:400", 400},
    {"the client goes while it is spooled", "s", "cli:R", "left", 0},
    {"a client that can't be polled, spooled", "sn",
     "in:e timer|out:HBE ctl:SX.", "spool-block start end", 0},
    {"a place at once", "l", "out:HBE ctl:SX.", "start leave end", 0},
    {"a place later", "lw", "+100 place:w|+100 place:r|out:HBE ctl:SX.",
     "start leave end", 0},
    {"no place at all", "lN", "", "info:503", 503},
    {"no place within wait=", "lw", "+100 place:n", "info:503", 503},
    {"the client goes from the queue", "lw", "cli:R",
     "left-queue leave-running", 0},
    {"it closes one side in the queue", "lw",
     "cli:r|+500|place:r|out:HBE ctl:SX.", "probe start leave end", 0},
    {"the place is free at the exit, not at the end", "l", "out:HBE ctl:SX.",
     "start leave end", 0},
    {"the place of a script that runs on", "l",
     "out:HBE ctl:S|timer|timer|timer|timer",
     "start end hurry leave-running kill", 0},
    {"the start fails with a place", "lx", "",
     "start error:503 scriptlog leave-running", 503},
    {"total= begins with the place", "lwT",
     "+4000 place:r|ctl:S +4900|out:HBE ctl:SX.", "start leave end", 0},
    {"all is said, and not all is sent", "z", "out:HBE ctl:SX.|+1000|cli:W",
     "start end", 0},
    {"the client resets while the rest is sent", "z", "out:HBE ctl:SX.|cli:R",
     "start end left", 0},
    {"total= while the rest is sent", "zT", "out:HBE ctl:SX.|+5001",
     "start end error:504 scriptlog cut-now", 0},
    {"the rest is sent, and the client's body stops", "zb",
     "ctl:S in:m|out:HBE stdin:c ctl:X.|+1000|cli:W", "start input end", 0},
    {"no body before the script runs", "b", "ctl:P cli:d in:m|out:E ctl:F.",
     "start error:403 scriptlog", 403},
    {"the response before is not taken at first", "p",
     "out:HBE ctl:SX.|+2000 cli:W", "start end", 0},
    {"somebody wants it to end, in HEADER", "W", "wish timer",
     "start info:503 kill", 503},
    {"in BODY", "W", "out:HB|timer|wish timer", "start info:503 cut-now kill",
     0},
    {"in the queue", "Wlw", "wish timer", "info:503 leave-running", 503},
    {"while its body is spooled", "Ws", "wish timer", "info:503", 503},
    {"while the client takes nothing", "W", "+20 out:HN ctl:S|wish timer",
     "start info:503 cut-now kill", 0},
    {"while the rest is sent", "Wz", "out:HBE ctl:SX.|wish timer",
     "start end info:503 cut-now", 0},
    {"the response before is never taken", "p", "ctl:S +60001",
     "start info:408 kill", 408},
};

/* What the status page is told. */
static const struct {
    const char *setup, *steps, *result;
    int first_ms; /* -1: no byte of a response */
} results[] = {
    {"", "+20 out:HBE ctl:SX.", "ok", 20},
    {"r", "out:HE ctl:SX.", "ok", 0},
    {"", "out:HBE ctl:S1.", "ok", 0},
    {"", "out:F", "ok", -1},
    {"", "cli:R", "left", -1},
    {"b", "ctl:S in:m|+60000", "left", -1},
    {"F", "ctl:S +2000", "timeout", -1},
    {"T", "out:HB|timer|+3000 out:B|+2100", "timeout", 1},
    {"", "out:E ctl:SK.|", "killed", -1},
    {"", "+7 out:HB|timer|out:E ctl:SK.", "killed", 7},
    {"", "out:HBE ctl:S|timer|timer|timer|ctl:K.", "killed", 1},
    {"r", "out:HE ctl:SK.", "killed", 0},
    {"", "out:E ctl:F.|", "exec", -1},
    {"", "+20 out:!", "header", -1},
    {"", "out:E ctl:SX.|", "header", -1},
    {"lN", "", "limit", -1},
    {"lw", "+100 place:n", "limit", -1},
    {"x", "", "overload", -1},
    {"", "+6000", "overload", -1},
    {"W", "wish timer", "ended", -1},
    {"W", "out:HB|timer|wish timer", "ended", 1},
};

static void test_results(void)
{
    size_t i;

    for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        const case_t c = {"", results[i].setup, results[i].steps, NULL, 0};

        run(&c);
        tap_ok(!strcmp(cgi_result_name(f.sample.result), results[i].result) &&
                   f.sample.first == (results[i].first_ms < 0
                                          ? -1
                                          : results[i].first_ms * 1000) &&
                   f.ends == 1,
               "%s: %s, %s, %d", results[i].steps, results[i].result,
               cgi_result_name(f.sample.result), (int)f.sample.first);
    }
}

/* In which state a request is seen while it waits. */
static const struct {
    const char *setup, *steps;
    cgi_state_e state;
    int pid;
} states[] = {
    {"s", "cli:d in:m", CGI_STATE_READING, 0},
    {"lw", "+100 place:w", CGI_STATE_QUEUED, 0},
    {"", "out:h", CGI_STATE_WAITING, 0},
    {"", "ctl:P|+99", CGI_STATE_WAITING, 0},
    {"", "ctl:P|timer|timer", CGI_STATE_WAITING, 7},
    {"", "ctl:S|out:HB|+101", CGI_STATE_SENDING, 7},
    {"z", "out:HBE ctl:SX.|+1000", CGI_STATE_FINISHING, 7},
    {"", "out:HBE ctl:S|timer|timer", CGI_STATE_LINGERING, 7},
};

static void test_states(void)
{
    size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        const case_t c = {"", states[i].setup, states[i].steps, NULL, 0};

        run(&c);
        tap_ok(f.shown == states[i].state && f.shown_pid == states[i].pid,
               "%s: state %d of process %d, %d of %d", states[i].steps,
               (int)states[i].state, states[i].pid, (int)f.shown, f.shown_pid);
    }
}

int main(void)
{
    size_t i;

    apr_initialize();
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(&cases[i]);
    }
    test_results();
    test_states();
    return tap_done();
}
