/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The driver of a request.
 */

#include <string.h>

#include "cgi/driver.h"
#include "cgi/stderrfile.h"
#include "cgi/variables.h"

/* So long a launcher, or the next one, has for taking the message. While any
 * is heard of the scripts of other requests, the message waits its turn. */
#define START_MAX apr_time_from_sec(6)
/* Most scripts end right after their first output: then the length is known
 * and all goes out in one piece. */
#define HOLD_TIME apr_time_from_msec(1)
/* After the end of stdout, so long for the exit status: without a header, of
 * which it is the reason, and of a script that is seen to end; of one that has
 * streamed; and of one that perhaps runs on without stdout; */
#define EXIT_WAIT_LONG apr_time_from_sec(2)
#define EXIT_WAIT apr_time_from_msec(200)
#define EXIT_WAIT_SHORT apr_time_from_msec(1)
/* and so long for the last words on stderr, the first of it before the client
 * has got all. */
#define LINGER_QUIETLY apr_time_from_msec(1)
#define LINGER_MAX apr_time_from_sec(3)
/* A client that closes its sending side may still want the answer; one that
 * is gone looks the same, until something is sent. A quick script is let
 * finish. */
#define CLIENT_GRACE apr_time_from_msec(500)
/* Where a hang-up can't be polled for, look this often; */
#define CLIENT_TICK apr_time_from_msec(250)
/* and where it can't be that the client takes more, first so often, and ever
 * more slowly. */
#define TAKEN_TICK_MIN 250
#define TAKEN_TICK_MAX apr_time_from_msec(50)
/* Where poll() passes over small pieces of the body, they are taken after that
 * time; shorter than a wait that would park the request. */
#define PIECE_WAIT apr_time_from_msec(1)
/* RequestReadTimeout holds to the second, even if nothing comes at all. */
#define ASK_WAIT apr_time_from_sec(1)
/* The status page names the process of a script that has run for so long. */
#define NAME_AFTER apr_time_from_msec(100)
/* So many reads empty any pipe, whatever its size. */
#define READS_MAX 256

/* ---- what the launcher says ---- */

/* Take in what the launcher has said. @return as cgi_script_listen() */
static int listen_to(cgi_driver_t *d)
{
    int said = cgi_script_listen(&d->script, &d->q);

    if (said & CGI_SAID_PROCESS) {
        cgi_admission_started(&d->admission, d->script.pid);
    }
    if (said & CGI_SAID_STARTED && !d->script.fail_errno) {
        cgi_input_start(&d->input);
    }
    if (said & CGI_SAID_EXITED) {
        cgi_admission_leave(&d->admission, &d->q, 1);
    }
    return said;
}

/* ---- failures ---- */

/* Nothing is wanted of the script any more. */
static void end_script(cgi_driver_t *d)
{
    if (d->script.control_fd >= 0 && !d->script.exited) {
        (void)listen_to(d); /* has it ended, who is it, is a launcher there? */
    }
    cgi_admission_leave(&d->admission, &d->q,
                        d->script.exited || d->script.fail_errno);
    cgi_script_release(&d->script, &d->q);
}

/* What became of a request that has failed, in the words of the status page.
 */
static cgi_result_e result_of_failure(const cgi_driver_t *d)
{
    const cgi_failure_t *failure = &d->q.failure;

    if (failure->level < 0) {
        return CGI_RESULT_OK;
    }
    if (failure->status == HTTP_SERVICE_UNAVAILABLE) {
        return failure->level == APLOG_ERR ? CGI_RESULT_OVERLOAD
                                           : CGI_RESULT_LIMIT;
    }
    if (d->script.fail_errno) {
        return CGI_RESULT_EXEC;
    }
    if (failure->level != APLOG_ERR) {
        return CGI_RESULT_LEFT;
    }
    if (failure->status == HTTP_GATEWAY_TIME_OUT) {
        return CGI_RESULT_TIMEOUT;
    }
    if (cgi_script_end(&d->script) == CGI_END_CRASH) {
        return CGI_RESULT_KILLED;
    }
    return d->script.attempts ? CGI_RESULT_HEADER : CGI_RESULT_OTHER;
}

/* What happens first is what became of it. */
static void set_result(cgi_driver_t *d, cgi_result_e result)
{
    if (d->shown.result == CGI_RESULT_OK) {
        d->shown.result = result;
    }
}

/* As q.failure says. Before the response began, its status is what the client
 * gets; after, the response is cut so that the client can tell. */
static void failed(cgi_driver_t *d, int at_once)
{
    const cgi_failure_t *failure = &d->q.failure;
    int whole;

    set_result(d, result_of_failure(d));
    if (failure->level >= 0) {
        cgi_request_log(&d->q);
    }
    if (failure->level == APLOG_ERR && d->log) {
        whole = d->phase == CGI_PHASE_HEADER && d->script.attempts &&
                !d->script.fail_errno &&
                failure->status >= HTTP_INTERNAL_SERVER_ERROR &&
                failure->status != HTTP_SERVICE_UNAVAILABLE;
        if (whole) {
            cgi_input_peek(&d->input); /* one that failed at once has not */
        }
        cgi_scriptlog_failed(d->log, whole, d->output.head,
                             d->output.head_len);
    }
    if (failure->level >= 0 && cgi_output_is_sent(&d->output)) {
        d->status = OK;
        if (cgi_output_abort(&d->output, at_once) == CGI_WENT_ON &&
            !cgi_output_is_clear(&d->output)) {
            d->phase = CGI_PHASE_SEND;
            d->taken = d->active;
            end_script(d);
            cgi_input_finish(&d->input);
            return;
        }
    }
    else {
        d->status = failure->status;
    }
    d->phase = CGI_PHASE_DONE;
}

/* Act on what a part has said. @return 1: the request goes on */
static int goes_on(cgi_driver_t *d, cgi_outcome_e outcome)
{
    if (outcome == CGI_FAILED) {
        failed(d, 0);
    }
    else if (outcome == CGI_LEFT) {
        set_result(d, CGI_RESULT_LEFT);
        cgi_request_left(&d->q, d->phase == CGI_PHASE_QUEUE);
        d->status = OK;
        d->phase = CGI_PHASE_DONE;
    }
    return d->phase != CGI_PHASE_DONE && outcome != CGI_FAILED;
}

/* ---- the start ---- */

static void start(cgi_driver_t *d, apr_time_t now)
{
    cgi_outcome_e outcome;

    cgi_admission_asked(&d->admission, cgi_script_kill_ms(&d->q));
    outcome = cgi_script_start(&d->script, &d->q, cgi_input_fd(&d->input));
    if (outcome != CGI_WENT_ON) {
        cgi_admission_started(&d->admission, 0);
    }
    d->times.at[CGI_AT_START] = now + START_MAX;
    (void)goes_on(d, outcome);
}

/* What cgi_admission_enter() or _step() has answered. */
static void admitted(cgi_driver_t *d, cgi_outcome_e outcome, apr_time_t now)
{
    apr_interval_time_t total = d->q.options->dir->total_timeout;

    if (outcome == CGI_WENT_ON) {
        d->phase = CGI_PHASE_QUEUE;
    }
    else if (goes_on(d, outcome)) {
        d->phase = CGI_PHASE_HEADER;
        d->started = d->active = d->given = now;
        d->times.at[CGI_AT_HOLD] =
            d->output.streaming ? 0 : now + cgi_times_hold();
        d->times.at[CGI_AT_TOTAL] = total > 0 ? now + total : 0;
        start(d, now);
    }
}

/* The body is where the script can have it. */
static void ask_for_place(cgi_driver_t *d, apr_time_t now)
{
    cgi_variables_add(&d->q, &d->input);
    admitted(d, cgi_admission_enter(&d->admission, &d->q, now), now);
}

void cgi_driver_begin(cgi_driver_t *d, apr_time_t now)
{
    cgi_request_t *q = &d->q;

    d->phase = CGI_PHASE_SPOOL;
    d->status = OK;
    d->active = d->taken = now;
    d->tick = TAKEN_TICK_MIN;
    cgi_status_begin(&d->shown, q, now);
    d->log = cgi_scriptlog_make(q);
    cgi_script_init(&d->script);
    cgi_errors_init(&d->errors, q, d->log);
    d->input.file_fd = -1;
    if (goes_on(d, cgi_output_init(&d->output, q)) &&
        goes_on(d, cgi_admission_early(q)) &&
        goes_on(d, cgi_input_init(&d->input, q, d->log))) {
        cgi_client_init(&d->client, q);
        if (d->input.state != CGI_INPUT_SPOOL) {
            ask_for_place(d, now);
        }
    }
}

static void spool(cgi_driver_t *d, apr_time_t now)
{
    apr_size_t moved = 0;
    cgi_outcome_e outcome = cgi_input_spool(&d->input, d->client.fd, &moved);

    if (moved) {
        d->shown.bytes_in += (apr_off_t)moved;
        d->active = now;
    }
    if (goes_on(d, outcome) && outcome == CGI_ENDED) {
        ask_for_place(d, now);
    }
}

/* ---- the end ---- */

/* Read stderr once, where poll() has seen something. */
static void read_errors(cgi_driver_t *d, apr_time_t now)
{
    int n = cgi_errors_read(&d->errors, d->script.stderr_fd, now);

    if (n > 0) {
        d->active = now;
    }
    else if (n < 0) {
        cgi_script_close(&d->script.stderr_fd);
    }
}

/* Read what is in stderr now; no more of it, should somebody go on. */
static void drain_errors(cgi_driver_t *d, apr_time_t now)
{
    int i;

    for (i = 0; i < READS_MAX && d->script.stderr_fd >= 0 &&
                cgi_script_is_ready(d->script.stderr_fd);
         i++) {
        read_errors(d, now);
    }
}

/* stdout has ended before the header has, and the launcher has nothing more
 * to say. */
static void no_header(cgi_driver_t *d, apr_time_t now)
{
    const char *how;

    drain_errors(d, now);
    if (d->script.fail_errno) {
        (void)goes_on(d, cgi_script_start_failed(&d->script, &d->q));
    }
    else if (cgi_script_may_start_again(&d->script) && !d->output.head_len) {
        /* Nothing has been read from the client, and nothing came. */
        start(d, now);
    }
    else {
        how = cgi_script_how_ended(&d->script, &d->q);
        (void)goes_on(
            d, cgi_fail(&d->q, HTTP_INTERNAL_SERVER_ERROR, 0, "%s; %s",
                        d->output.head_len
                            ? "its header does not end with an empty line"
                            : "it has printed nothing",
                        how));
    }
}

/* What became of a script whose header was good. @return 1: it has crashed,
 * and nothing shows that its response is whole */
static int has_crashed(cgi_driver_t *d)
{
    cgi_end_e end = cgi_script_end(&d->script);

    if (end == CGI_END_UNKNOWN || d->end_noted) {
        return 0;
    }
    d->end_noted = 1;
    if (end == CGI_END_CRASH) {
        set_result(d, CGI_RESULT_KILLED);
    }
    if (end == CGI_END_CRASH && d->phase == CGI_PHASE_BODY &&
        cgi_output_is_open(&d->output)) {
        return 1;
    }
    if (end != CGI_END_ZERO) {
        cgi_script_log_end(&d->script, &d->q);
    }
    return 0;
}

static void end_response(cgi_driver_t *d, apr_time_t now)
{
    if (d->output.redirect || d->output.status != OK) {
        d->status = d->output.status;
        d->phase = CGI_PHASE_DONE;
    }
    else if (goes_on(d, cgi_output_end(&d->output)) &&
             /* httpd reads a body to its end before it sends what it has */
             (!d->input.bb || d->input.eos ||
              goes_on(d, cgi_output_hurry(&d->output)))) {
        d->phase = cgi_output_is_clear(&d->output) ? CGI_PHASE_LINGER
                                                   : CGI_PHASE_SEND;
        d->taken = now;
    }
}

/* stdout has ended, and nothing more is waited for from the launcher. */
static void settle(cgi_driver_t *d, apr_time_t now)
{
    d->times.at[CGI_AT_EXIT] = d->times.at[CGI_AT_HOLD] = 0;
    if (d->phase == CGI_PHASE_HEADER) {
        no_header(d, now);
    }
    else if (has_crashed(d)) {
        const char *how = cgi_script_how_ended(&d->script, &d->q);

        (void)goes_on(d, cgi_fail(&d->q, HTTP_BAD_GATEWAY, 0,
                                  "its response is cut off: %s", how));
    }
    else if (d->phase == CGI_PHASE_BODY) {
        end_response(d, now);
    }
}

/* Let the end of the response wait for the script's. */
static void wait_for_exit(cgi_driver_t *d, apr_time_t until)
{
    d->times.at[CGI_AT_EXIT] = until;
    if (d->phase == CGI_PHASE_BODY && !d->output.streaming) {
        d->times.at[CGI_AT_HOLD] = until;
    }
}

/* The end of stdout. Without a header, wait for the reason first. */
static void stdout_ended(cgi_driver_t *d, apr_time_t now)
{
    cgi_script_close(&d->script.stdout_fd);
    if (d->phase == CGI_PHASE_BODY && !d->output.streaming) {
        cgi_times_note_quick(now - d->started);
    }
    if (d->script.control_fd >= 0 && !d->script.exited) {
        /* The exit status tells a crash from an end, and a place of CGILimit
         * is free before the client can ask for the next. It comes at once;
         * a script that runs on without stdout is not waited for. */
        wait_for_exit(d, now + (d->phase == CGI_PHASE_HEADER ? EXIT_WAIT_LONG
                                : d->output.streaming ||
                                        cgi_admission_holds(&d->admission)
                                    ? EXIT_WAIT
                                    : EXIT_WAIT_SHORT));
        return;
    }
    settle(d, now);
}

/* There is something on stdout, or its end. */
static void read_output(cgi_driver_t *d, int hung_up, apr_time_t now)
{
    cgi_outcome_e outcome =
        cgi_output_read(&d->output, d->script.stdout_fd, hung_up, now);

    if (d->output.heard_at == now) {
        d->active = now;
    }
    if (d->output.begun && d->phase == CGI_PHASE_HEADER) {
        d->phase = CGI_PHASE_BODY;
        d->shown.first = now;
        d->times.at[CGI_AT_HOLD] = d->output.streaming ? 0 : now + HOLD_TIME;
    }
    if (goes_on(d, outcome) && outcome == CGI_ENDED) {
        stdout_ended(d, now);
    }
}

/* The launcher's last word: the script has exited, could not start, or the
 * launcher itself is gone. */
static void script_ended(cgi_driver_t *d, apr_time_t now)
{
    int unread;

    d->times.at[CGI_AT_EXIT] = d->times.at[CGI_AT_HOLD] = 0;
    if (d->script.stdout_fd < 0) {
        settle(d, now);
    }
    else if (d->script.exited && d->phase < CGI_PHASE_SEND) {
        unread = cgi_script_unread(d->script.stdout_fd);
        cgi_output_bound(&d->output, unread);
        if (unread <= 0) {
            stdout_ended(d, now);
        }
        else if (cgi_output_takes(&d->output)) {
            read_output(d, 1, now);
        }
    }
    /* else: no launcher any more, but a script */
}

/* The response is complete; what is left is on stderr, until it ends or the
 * script exits. Mostly that has happened already. */
static void linger(cgi_driver_t *d, apr_time_t now)
{
    apr_time_t *until = &d->times.at[CGI_AT_LINGER];

    cgi_script_close(&d->script.stdin_fd);
    cgi_script_close(&d->script.stdout_fd);
    cgi_input_finish(&d->input);
    if (d->script.control_fd < 0) {
        drain_errors(d, now);
    }
    if (d->script.control_fd < 0 || (*until && *until <= now && d->lingers) ||
        (d->script.stderr_fd < 0 && cgi_stderr_fd(d->q.options->dir) < 0)) {
        d->lingered = 1;
        *until = 0;
    }
    else if (!*until) {
        *until = now + LINGER_QUIETLY;
    }
    else if (*until <= now) {
        d->lingers = 1;
        *until = now + LINGER_MAX;
        (void)goes_on(d, cgi_output_hurry(&d->output)); /* no need to wait */
    }
    if (d->lingered && cgi_output_is_clear(&d->output)) {
        d->phase = CGI_PHASE_DONE;
    }
}

/* ---- times ---- */

/* first= counts from what the script was last given, and neither a piece of
 * the header nor stderr puts it off. Without it the header has to come as
 * everything else has: httpd's other CGI modules know one time only. */
static int first_counts(const cgi_driver_t *d)
{
    return d->phase == CGI_PHASE_HEADER &&
           d->q.options->dir->first_timeout >= 0;
}

static int waits_for_client(const cgi_driver_t *d)
{
    return d->input.state == CGI_INPUT_FROM_CLIENT ||
           d->input.state == CGI_INPUT_SPOOL;
}

/* When the script has been silent for too long; 0: never. As long as the
 * script may be waiting for the client, Timeout holds, for the client. */
static apr_time_t silence_deadline(const cgi_driver_t *d)
{
    const cgi_exec_dir_t *dir = d->q.options->dir;
    apr_time_t since = d->active;
    apr_interval_time_t t = dir->idle_timeout;

    if (waits_for_client(d)) {
        t = d->q.r->server->timeout;
    }
    else if (first_counts(d)) {
        t = dir->first_timeout;
        since = d->given;
    }
    else if (t < 0) {
        t = d->q.r->server->timeout;
    }
    return t ? since + t : 0;
}

/* Has the script not begun in time?
 * @param over 1: a time is over that counts from the start, and would blame
 * the script */
static int no_launcher(cgi_driver_t *d, int over, apr_time_t now)
{
    cgi_times_t *times = &d->times;
    apr_time_t until;

    if (!times->at[CGI_AT_START]) {
        return 0;
    }
    if (d->phase != CGI_PHASE_HEADER || !cgi_script_is_waiting(&d->script)) {
        times->at[CGI_AT_START] = 0;
        return 0;
    }
    until = cgi_times_launcher() + START_MAX;
    if (!over && now < until) {
        times->at[CGI_AT_START] = until;
        return 0;
    }
    return 1;
}

/* Act on the times that are over. */
static void check_times(cgi_driver_t *d, apr_time_t now)
{
    cgi_times_t *times = &d->times;
    cgi_request_t *q = &d->q;
    int over;

    if (q->c->aborted && d->phase != CGI_PHASE_LINGER) {
        (void)goes_on(d, CGI_LEFT);
        return;
    }
    if (cgi_status_is_unwanted(&d->shown)) {
        set_result(d, CGI_RESULT_ENDED);
        (void)cgi_reject(q, HTTP_SERVICE_UNAVAILABLE, 0,
                         "ended from the status page");
        failed(d, 1);
        return;
    }
    if (cgi_times_due(times, CGI_AT_GONE, now)) {
        if (cgi_output_probe(&d->output, d->client.doubt_at)) {
            cgi_client_trust(&d->client);
        }
        else if (!cgi_client_ask(&d->client, q)) {
            (void)goes_on(d, CGI_LEFT);
            return;
        }
    }
    if (d->phase == CGI_PHASE_QUEUE) {
        return;
    }
    if (cgi_times_due(times, CGI_AT_HOLD, now) && !times->at[CGI_AT_EXIT]) {
        times->at[CGI_AT_HOLD] = 0;
    }
    over = cgi_times_due(times, CGI_AT_SILENT, now) ||
           cgi_times_due(times, CGI_AT_TOTAL, now);
    if ((over || cgi_times_due(times, CGI_AT_START, now)) &&
        no_launcher(d, over, now)) {
        (void)goes_on(
            d, cgi_overload(q, APR_TIMEUP,
                            "no launcher takes the request: the program "
                            "cgi-launcher does not run, or all of them "
                            "are held up"));
        return;
    }
    if (cgi_times_due(times, CGI_AT_TOTAL, now) &&
        d->phase != CGI_PHASE_LINGER) {
        (void)cgi_fail(q, HTTP_GATEWAY_TIME_OUT, APR_TIMEUP,
                       "it has run for longer than CGITimeout total=");
        failed(d, 1);
    }
    else if (cgi_times_due(times, CGI_AT_TAKEN, now)) {
        (void)cgi_reject(q, HTTP_REQUEST_TIME_OUT, APR_TIMEUP,
                         "the client does not take the response");
        failed(d, 1);
    }
    else if (cgi_times_due(times, CGI_AT_SILENT, now)) {
        (void)goes_on(
            d, waits_for_client(d)
                   ? cgi_reject(q, HTTP_REQUEST_TIME_OUT, APR_TIMEUP,
                                "the client does not send the rest of its "
                                "body")
                   : cgi_fail(q, HTTP_GATEWAY_TIME_OUT, APR_TIMEUP,
                              first_counts(d)
                                  ? "no header within CGITimeout first="
                                  : "silent for longer than CGITimeout "
                                    "idle="));
    }
}

/* ---- waiting ---- */

static void watch(struct pollfd *pfd, int fd, int events)
{
    pfd->fd = events < 0 ? -1 : fd;
    pfd->events = (short)events;
    pfd->revents = 0;
}

/* If the client does not take what the script says, the script perhaps does
 * not take what the client sends: could that go into a file? */
static int can_store(const cgi_driver_t *d)
{
    return d->input.state == CGI_INPUT_TO_SCRIPT && !d->input.eos;
}

/* The phase, as it is seen from outside. */
static cgi_state_e state_of(const cgi_driver_t *d)
{
    switch (d->phase) {
    case CGI_PHASE_SPOOL:
        return CGI_STATE_READING;
    case CGI_PHASE_QUEUE:
        return CGI_STATE_QUEUED;
    case CGI_PHASE_HEADER:
        return CGI_STATE_WAITING;
    case CGI_PHASE_BODY:
        return CGI_STATE_SENDING;
    case CGI_PHASE_SEND:
        return CGI_STATE_FINISHING;
    case CGI_PHASE_LINGER:
    case CGI_PHASE_DONE:
        break;
    }
    return CGI_STATE_LINGERING;
}

/* Tell the status page, and what it is told of: a wait is all that can be
 * seen from outside. @return 1: the launcher's notes are of interest */
static int show(cgi_driver_t *d, apr_time_t now)
{
    const cgi_script_t *script = &d->script;
    const int unnamed = !script->pid && script->control_fd >= 0 &&
                        !d->times.at[CGI_AT_EXIT] &&
                        d->phase < CGI_PHASE_LINGER;
    const apr_interval_time_t interval = cgi_status_interval();

    cgi_status_progress(&d->shown, state_of(d), script->pid, d->output.total);
    d->times.at[CGI_AT_NAME] =
        unnamed && now < d->started + NAME_AFTER ? d->started + NAME_AFTER : 0;
    d->times.at[CGI_AT_WISH] = interval ? now + interval : 0;
    return unnamed && now >= d->started + NAME_AFTER;
}

apr_time_t cgi_driver_wants(cgi_driver_t *d, struct pollfd pfd[CGI_ON_MAX],
                            apr_time_t now)
{
    apr_time_t *at = d->times.at;
    const cgi_script_t *script = &d->script;
    int takes = cgi_output_takes(&d->output);
    int store = !takes && can_store(d);
    int nameless = show(d, now);
    int running = d->phase < CGI_PHASE_SEND;
    int sends = running ? !takes : !cgi_output_is_clear(&d->output);
    int held = at[CGI_AT_HOLD] != 0;

    watch(&pfd[CGI_ON_CLIENT], d->client.fd,
          !running && !sends
              ? -1
              : cgi_client_events(&d->client, waits_for_client(d) || store,
                                  sends));
    /* Before the start, nobody but a launcher can have closed it. */
    watch(&pfd[CGI_ON_STDIN], script->stdin_fd,
          d->input.state == CGI_INPUT_START       ? -1
          : d->input.state == CGI_INPUT_TO_SCRIPT ? POLLOUT
                                                  : 0);
    /* While small output is held back only the script's end is of interest,
     * which the launcher tells of, a moment after the end of stdout. */
    watch(&pfd[CGI_ON_STDOUT], script->stdout_fd,
          !takes || !running || (held && script->control_fd >= 0) ? -1
          : held                                                  ? 0
                                                                  : POLLIN);
    watch(&pfd[CGI_ON_STDERR], d->lingered ? -1 : script->stderr_fd, POLLIN);
    /* Notes can wait until the launcher hangs up, unless the body waits, or
     * a place is held for a process that is not known yet, or they are
     * timed. */
    watch(&pfd[CGI_ON_CONTROL], script->control_fd,
          d->lingered ? -1
          : d->input.state == CGI_INPUT_START || nameless || d->q.debug ||
                  (cgi_admission_holds(&d->admission) && !script->pid)
              ? POLLIN
              : 0);
    watch(&pfd[CGI_ON_PLACE],
          d->phase == CGI_PHASE_QUEUE ? d->admission.turn.wake_fd : -1,
          POLLIN);

    if (takes && !sends) {
        d->tick = TAKEN_TICK_MIN;
    }
    if (!sends) {
        d->taken = now;
    }
    at[CGI_AT_TAKEN] = sends ? d->taken + d->q.r->server->timeout : 0;
    at[CGI_AT_SILENT] = takes && running && d->phase != CGI_PHASE_QUEUE
                            ? silence_deadline(d)
                            : 0;
    if (!takes) {
        d->active = now; /* it can't be heard */
    }
    at[CGI_AT_PLACE] = d->phase == CGI_PHASE_QUEUE ? d->admission.again : 0;
    at[CGI_AT_GONE] =
        d->client.doubt_at ? d->client.doubt_at + CLIENT_GRACE : 0;
    at[CGI_AT_ONCE] =
        running && (d->input.more || (store && d->client.closed) ||
                    (d->phase == CGI_PHASE_BODY && !at[CGI_AT_HOLD] &&
                     cgi_output_is_due(&d->output)))
            ? now
            : 0;
    at[CGI_AT_PIECE] = d->input.patient ? now + PIECE_WAIT : 0;
    if (!d->input.timed || !waits_for_client(d)) {
        at[CGI_AT_ASK] = 0;
    }
    else if (at[CGI_AT_ASK] <= now) {
        at[CGI_AT_ASK] = now + ASK_WAIT;
    }
    at[CGI_AT_TICK] = sends && !d->client.writes           ? now + d->tick
                      : d->client.fd < 0 || d->q.c->master ? now + CLIENT_TICK
                                                           : 0;
    return cgi_times_next(&d->times);
}

/* ---- steps ---- */

/* The client takes more, or may. */
static void send_more(cgi_driver_t *d, apr_time_t now)
{
    int moved = 0;
    cgi_outcome_e outcome = cgi_output_push(&d->output, &moved);

    if (moved) {
        d->taken = now;
        d->tick = TAKEN_TICK_MIN;
    }
    else if (d->tick < TAKEN_TICK_MAX) {
        d->tick *= 2;
    }
    if (goes_on(d, outcome) && d->phase == CGI_PHASE_SEND &&
        cgi_output_is_clear(&d->output)) {
        d->phase = CGI_PHASE_LINGER;
    }
}

/* The script has closed its stdin: it does not want the rest. */
static void stdin_closed(cgi_driver_t *d)
{
    cgi_script_close(&d->script.stdin_fd);
    cgi_input_refused(&d->input);
}

static void move_input(cgi_driver_t *d, int store, apr_time_t now)
{
    apr_size_t moved = 0;
    cgi_outcome_e outcome =
        store ? cgi_input_store(&d->input, &moved)
              : cgi_input_step(&d->input, d->script.stdin_fd,
                               d->phase == CGI_PHASE_HEADER, &moved);

    if (moved) {
        d->shown.bytes_in += (apr_off_t)moved;
        d->active = d->given = now;
    }
    if (!goes_on(d, outcome)) {
        return;
    }
    if (outcome == CGI_ENDED || d->input.discard) {
        cgi_script_close(&d->script.stdin_fd);
    }
}

/* The request body, and what the client's side of the connection tells. */
static void step_client(cgi_driver_t *d, const struct pollfd *pfd,
                        apr_time_t now)
{
    int client = pfd[CGI_ON_CLIENT].revents;
    int asks = d->input.more || d->client.fd < 0 || client & ~POLLOUT ||
               cgi_times_due(&d->times, CGI_AT_PIECE, now) ||
               cgi_times_due(&d->times, CGI_AT_ASK, now);

    if (client & (POLLERR | POLLHUP)) {
        (void)goes_on(d, CGI_LEFT);
    }
    else if (d->phase == CGI_PHASE_SPOOL) {
        if (asks) {
            spool(d, now);
        }
    }
    else if ((d->input.state == CGI_INPUT_FROM_CLIENT && asks) ||
             (d->input.state == CGI_INPUT_TO_SCRIPT &&
              pfd[CGI_ON_STDIN].revents)) {
        move_input(d, 0, now);
    }
    else if ((client & POLLIN || d->client.closed) && can_store(d) &&
             !cgi_output_takes(&d->output)) {
        move_input(d, 1, now);
    }
    else if (client & POLLRDHUP) {
        cgi_client_doubt(&d->client, now);
    }
}

void cgi_driver_step(cgi_driver_t *d, const struct pollfd pfd[CGI_ON_MAX],
                     int n, apr_time_t now)
{
    apr_time_t *at = d->times.at;

    if (!n && d->phase == CGI_PHASE_BODY && !at[CGI_AT_HOLD] &&
        cgi_output_is_due(&d->output)) {
        (void)goes_on(d, cgi_output_flush(&d->output, now));
    }
    if (pfd[CGI_ON_STDERR].revents && d->phase != CGI_PHASE_DONE) {
        read_errors(d, now);
    }
    if ((pfd[CGI_ON_CLIENT].revents & POLLOUT ||
         cgi_times_due(&d->times, CGI_AT_TICK, now)) &&
        d->phase != CGI_PHASE_DONE) {
        send_more(d, now);
    }
    if (pfd[CGI_ON_STDOUT].revents && d->script.stdout_fd >= 0 &&
        d->phase < CGI_PHASE_SEND) {
        at[CGI_AT_HOLD] = 0;
        read_output(d, pfd[CGI_ON_STDOUT].revents & POLLHUP, now);
    }
    if (pfd[CGI_ON_CONTROL].revents && d->phase != CGI_PHASE_DONE) {
        int said = listen_to(d);

        if (said & ~CGI_SAID_END) {
            cgi_times_note_launcher(now);
        }
        if (said & CGI_SAID_END) {
            script_ended(d, now);
        }
    }
    if (pfd[CGI_ON_STDIN].revents & (POLLERR | POLLHUP) &&
        d->script.stdin_fd >= 0 && d->phase != CGI_PHASE_DONE) {
        stdin_closed(d);
    }
    if (d->phase != CGI_PHASE_DONE) {
        step_client(d, pfd, now);
    }
    if (d->phase == CGI_PHASE_QUEUE) {
        admitted(d,
                 cgi_admission_step(&d->admission, &d->q,
                                    pfd[CGI_ON_PLACE].revents != 0, now),
                 now);
    }
    if (d->phase < CGI_PHASE_SEND &&
        cgi_times_due(&d->times, CGI_AT_EXIT, now)) {
        (void)listen_to(d);
        if (!d->script.exited && d->script.control_fd >= 0 && d->script.pid &&
            !d->exit_late && cgi_script_is_exiting(&d->script)) {
            d->exit_late = 1; /* or rather, the launcher is */
            wait_for_exit(d, now + EXIT_WAIT_LONG);
        }
        else {
            settle(d, now);
        }
    }
    if (d->phase == CGI_PHASE_LINGER) {
        linger(d, now);
    }
    if (d->phase != CGI_PHASE_DONE) {
        check_times(d, now);
    }
}

void cgi_driver_fail(cgi_driver_t *d, apr_status_t rv)
{
    (void)cgi_fail(&d->q, HTTP_INTERNAL_SERVER_ERROR, rv,
                   "can't wait for its output");
    failed(d, 1);
    d->phase = CGI_PHASE_DONE;
}

int cgi_driver_end(cgi_driver_t *d, apr_time_t now)
{
    cgi_errors_end(&d->errors, now);
    cgi_scriptlog_end(d->log);
    d->log = NULL;
    cgi_output_release(&d->output);
    cgi_input_finish(&d->input);
    end_script(d);
    cgi_status_end(&d->shown, d->output.total, now);
    return d->status;
}
