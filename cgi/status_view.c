/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Collects what the status page shows: from the board, which any worker may
 * have written to, and from /proc.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_tables.h"

#include "base/clock.h"
#include "base/procstat.h"
#include "cgi/admission.h"
#include "cgi/status_view.h"

static const char *const state_names[CGI_STATE_MAX] = {
    "reading", "queued", "waiting", "sending", "finishing", "lingering"};

const char *cgi_state_name(cgi_state_e state)
{
    return state_names[state];
}

const char *cgi_window_name(cgi_window_e window)
{
    return window == CGI_WINDOW_MINUTE ? "minute"
           : window == CGI_WINDOW_TEN  ? "ten_minutes"
                                       : "since_start";
}

int cgi_text_character(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned int c = *s, min;
    int i, n;

    if (c < 0x80) {
        return c >= ' ' && c != 0x7f;
    }
    n = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    if (!n || c >= 0xf5) {
        return 0;
    }
    c &= 0xffu >> (n + 1);
    for (i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    min = n == 2 ? 0xa0 : n == 3 ? 0x800 : 0x10000;
    return c < min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ||
                   (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)
               ? 0
               : n;
}

static void clean(char *text)
{
    int n;

    while (*text) {
        if ((n = cgi_text_character(text)) == 0) {
            *text = '?';
            n = 1;
        }
        text += n;
    }
}

/* Processor time of a process, and of its children that have ended, as
 * proc(5) has it behind the name. @return 0: no such process */
static int processor_time(pid_t pid, apr_interval_time_t *own,
                          apr_interval_time_t *children)
{
    unsigned long t[4];
    char buf[CGI_PROCSTAT_SIZE];
    const char *fields = cgi_procstat_read(pid, buf);
    const long hz = sysconf(_SC_CLK_TCK);

    if (!fields || hz <= 0 ||
        sscanf(fields,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
               &t[0], &t[1], &t[2], &t[3]) != 4) {
        return 0;
    }
    *own = (apr_interval_time_t)(t[0] + t[1]) * APR_USEC_PER_SEC / hz;
    *children = (apr_interval_time_t)(t[2] + t[3]) * APR_USEC_PER_SEC / hz;
    return 1;
}

static apr_interval_time_t since(apr_time_t then, apr_time_t now)
{
    return then > 0 && then < now ? now - then : 0;
}

static void add_requests(cgi_view_t *view, const apr_array_header_t *list,
                         apr_pool_t *p)
{
    apr_interval_time_t own, children;
    int i;

    view->requests =
        apr_array_make(p, list->nelts + 1, sizeof(cgi_view_request_t));
    for (i = 0; i < list->nelts; i++) {
        cgi_view_request_t *to = apr_array_push(view->requests);
        int state;

        to->on = APR_ARRAY_IDX(list, i, cgi_board_request_t);
        clean(to->on.module);
        clean(to->on.method);
        clean(to->on.client);
        clean(to->on.host);
        clean(to->on.uri);
        clean(to->on.script);
        clean(to->on.route);
        state = to->on.progress.phase;
        to->state = state >= 0 && state < CGI_STATE_MAX ? (cgi_state_e)state
                                                        : CGI_STATE_LINGERING;
        view->states[to->state]++;
        to->age = since(to->on.begun, view->now);
        to->cpu = processor_time(to->on.progress.pid, &own, &children)
                      ? own + children
                      : -1;
    }
}

/* Requests of a script that run now. */
static int count_running(const cgi_view_t *view, const cgi_board_entry_t *e)
{
    int i, n = 0;

    for (i = 0; i < view->requests->nelts; i++) {
        const cgi_board_request_t *on =
            &APR_ARRAY_IDX(view->requests, i, cgi_view_request_t).on;

        n += !strcmp(on->script, e->script) && !strcmp(on->route, e->route) &&
             !strcmp(on->module, e->module);
    }
    return n;
}

static void add_scripts(cgi_view_t *view, const apr_array_header_t *list,
                        apr_pool_t *p)
{
    int i, k;

    view->scripts =
        apr_array_make(p, list->nelts + 1, sizeof(cgi_view_script_t));
    for (i = 0; i < list->nelts; i++) {
        cgi_view_script_t *to = apr_array_push(view->scripts);
        const cgi_tally_t *tally;

        to->entry = &APR_ARRAY_IDX(list, i, cgi_board_entry_t);
        tally = to->entry->tally;
        clean(to->entry->module);
        clean(to->entry->script);
        clean(to->entry->route);
        to->running = count_running(view, to->entry);
        cgi_tally_minute(tally, &to->window[CGI_WINDOW_MINUTE], view->now);
        cgi_tally_ten_minutes(tally, &to->window[CGI_WINDOW_TEN], view->now);
        cgi_tally_all(tally, &to->window[CGI_WINDOW_ALL]);
        cgi_tally_minutes(tally, to->minutes, view->now);
        for (k = 0; k < CGI_WINDOW_MAX; k++) {
            cgi_counts_add(&view->all[k], &to->window[k]);
        }
    }
}

static void add_launchers(cgi_view_t *view, const apr_array_header_t *list,
                          apr_pool_t *p)
{
    int i;

    view->launchers =
        apr_array_make(p, list->nelts + 1, sizeof(cgi_view_launcher_t));
    for (i = 0; i < list->nelts; i++) {
        const cgi_board_launcher_t *l =
            &APR_ARRAY_IDX(list, i, cgi_board_launcher_t);
        cgi_view_launcher_t *to = apr_array_push(view->launchers);

        to->pid = l->pid;
        to->privileged = l->privileged;
        to->earlier = l->earlier;
        to->age = since(l->started, view->now);
        if (!processor_time(l->pid, &to->cpu, &to->scripts)) {
            to->cpu = to->scripts = -1;
        }
    }
}

cgi_view_t *cgi_view_make(cgi_board_t *board, apr_pool_t *p)
{
    cgi_view_t *view = apr_pcalloc(p, sizeof(*view));

    view->now = cgi_clock_now();
    view->uptime = since(cgi_board_made(board), view->now);
    add_requests(view, cgi_board_requests(board, view->now, p), p);
    add_scripts(view, cgi_board_entries(board, p), p);
    add_launchers(view, cgi_board_launchers(board, p), p);
    view->limits = cgi_admission_limits(p);
    cgi_pulse_read(cgi_board_pulse(board), view->good, view->bad, view->now);
    return view;
}
