/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a request tells the status page.
 */

#include "apr_signal.h"
#include "apr_strings.h"

#include "httpd.h"
#include "ap_mpm.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "cgi/directives.h"
#include "cgi/status.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine, and all generations, find the board by
 * this name; the number changes with the layout of the data. */
#define RETAINED_KEY "cgi-exec-status-1"

/* Requests that are listed at the same time, at least and at most. */
#define SLOTS_MIN 256
#define SLOTS_MAX 8192
/* Scripts, or routes, with a tally of their own, and one for all others. */
#define ENTRIES (256 + 1)
/* Who is to end finds out so soon. */
#define INTERVAL apr_time_from_msec(500)

#define NAME_(name) #name
#define NAME(name) NAME_(name)

static cgi_board_t *board;
static int may_end; /* 1: CGIStatusEnd is On somewhere */

static apr_status_t forget(void *unused)
{
    (void)unused;
    may_end = 0;
    return APR_SUCCESS;
}

const char *cgi_exec_cmd_status_end(cmd_parms *cmd, void *mconfig, int on)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    dir->status_end = on;
    if (on && !may_end) {
        may_end = 1;
        apr_pool_cleanup_register(cmd->pool, NULL, forget,
                                  apr_pool_cleanup_null);
    }
    return NULL;
}

/* ---- start-up ---- */

static int query(int what)
{
    int n = 1;

    return ap_mpm_query(what, &n) == APR_SUCCESS && n > 0 ? n : 1;
}

void cgi_status_init(server_rec *s)
{
    cgi_board_t **retained = ap_retained_data_get(RETAINED_KEY);
    const int processes = query(AP_MPMQ_HARD_LIMIT_DAEMONS);
    int slots = query(AP_MPMQ_HARD_LIMIT_THREADS);
    apr_sigfunc_t *xfsz;
    apr_status_t rv;

    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
        slots = slots > SLOTS_MAX / processes ? SLOTS_MAX : slots * processes;
        slots = slots < SLOTS_MIN ? SLOTS_MIN : slots;
        /* RLIMIT_FSIZE holds for this memory too, and must not end httpd. The
         * MPM ignores the signal as soon as it runs. */
        xfsz = apr_signal(SIGXFSZ, SIG_IGN);
        /* One that is ending may still be there when the next has started. */
        rv = cgi_board_create(retained, 2 * processes + 1, slots, ENTRIES,
                              s->process->pool);
        apr_signal(SIGXFSZ, xfsz);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                         "no memory for the status page: " CGI_STATUS_HANDLER
                         " answers 503");
        }
    }
    board = *retained;
}

void cgi_status_child_init(server_rec *s)
{
    if (board && cgi_board_join(board) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "more processes than ServerLimit allows: the status page "
                     "does not list the requests of this one");
    }
}

cgi_board_t *cgi_status_board(void)
{
    return board;
}

/* ---- a request ---- */

static const char *text(const char *s)
{
    return s ? s : "";
}

void cgi_status_begin(cgi_status_t *status, const cgi_request_t *q,
                      apr_time_t now)
{
    const cgi_exec_options_t *o = q->options;
    const request_rec *r = q->r;
    const cgi_board_facts_t facts = {
        .module = NAME(CGI_EXEC_MODULE),
        .script = o->root ? apr_pstrcat(r->pool, o->root, o->script, NULL)
                          : o->script,
        .route = text(o->route),
        .method = text(r->method),
        .uri = text(r->uri),
        .host = text(r->hostname ? r->hostname : r->server->server_hostname),
        .client = text(r->useragent_ip)};

    if (board) {
        status->board = board;
        status->begun = now;
        cgi_board_begin(board, &status->place, &facts, now);
    }
}

void cgi_status_progress(const cgi_status_t *status, cgi_state_e state,
                         pid_t pid, apr_off_t bytes_out)
{
    const cgi_board_progress_t progress = {(int)state, pid, status->bytes_in,
                                           bytes_out};

    if (status->board) {
        cgi_board_progress(status->board, &status->place, &progress);
    }
}

int cgi_status_is_unwanted(const cgi_status_t *status)
{
    return status->board &&
           cgi_board_is_unwanted(status->board, &status->place);
}

apr_interval_time_t cgi_status_interval(void)
{
    return may_end && board ? INTERVAL : 0;
}

void cgi_status_end(cgi_status_t *status, apr_off_t bytes_out, apr_time_t now)
{
    const cgi_sample_t sample = {
        status->result, status->first ? status->first - status->begun : -1,
        now - status->begun, status->bytes_in, bytes_out};

    if (status->board) {
        cgi_board_end(status->board, &status->place, &sample, now);
        status->board = NULL;
    }
}
