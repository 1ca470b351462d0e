/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * All that the status page shows, at one moment, and the forms in which it
 * does. Texts are valid UTF-8 without control characters, and not escaped.
 */
#ifndef CGI_STATUS_VIEW_H
#define CGI_STATUS_VIEW_H

#include "httpd.h"

#include "cgi/status.h"

typedef enum {
    CGI_WINDOW_MINUTE,
    CGI_WINDOW_TEN,
    CGI_WINDOW_ALL, /* since the start of httpd */
    CGI_WINDOW_MAX
} cgi_window_e;

/** A script, or route. */
typedef struct cgi_view_script_t {
    cgi_board_entry_t *entry; /* its texts */
    int running;
    cgi_counts_t window[CGI_WINDOW_MAX];
    uint64_t minutes[CGI_TALLY_LONGS]; /* requests in each, this one last */
} cgi_view_script_t;

typedef struct cgi_view_limit_t {
    const char *where; /* FILE:LINE */
    int max, queue, running, waiting;
} cgi_view_limit_t;

typedef struct cgi_view_launcher_t {
    pid_t pid;
    int privileged, earlier;
    apr_interval_time_t age, cpu; /* cpu: -1: not known */
    apr_interval_time_t scripts;  /* processor time of scripts that ended */
} cgi_view_launcher_t;

typedef struct cgi_view_request_t {
    cgi_board_request_t on; /* the board */
    cgi_state_e state;
    apr_interval_time_t age, cpu; /* cpu: -1: not known */
} cgi_view_request_t;

typedef struct cgi_view_t {
    apr_time_t now;
    apr_interval_time_t uptime;
    apr_array_header_t *requests;  /* cgi_view_request_t */
    apr_array_header_t *scripts;   /* cgi_view_script_t */
    apr_array_header_t *limits;    /* cgi_view_limit_t */
    apr_array_header_t *launchers; /* cgi_view_launcher_t */
    int states[CGI_STATE_MAX];     /* requests in each */
    cgi_counts_t all[CGI_WINDOW_MAX];
    uint32_t good[CGI_PULSE_SLICES], bad[CGI_PULSE_SLICES];
} cgi_view_t;

/** Look at everything. All is from p. */
cgi_view_t *cgi_view_make(cgi_board_t *board, apr_pool_t *p);

/** Words of a to z. */
const char *cgi_state_name(cgi_state_e state);
const char *cgi_window_name(cgi_window_e window);

/* ---- status_text.c: for programs. Each writes to r. ---- */
void cgi_status_json(request_rec *r, const cgi_view_t *view);
void cgi_status_metrics(request_rec *r, const cgi_view_t *view);
void cgi_status_auto(request_rec *r, const cgi_view_t *view);

/* ---- status_page.c: for people ---- */

/** @param end_url where a POST ends a script; or NULL: nowhere */
void cgi_status_html(request_rec *r, const cgi_view_t *view,
                     const char *end_url);

/** A section of mod_status's page. */
void cgi_status_section(request_rec *r, const cgi_view_t *view);

/* ---- status_chart.c: SVG within a page ---- */

/** Requests of the last ten minutes. */
void cgi_chart_pulse(request_rec *r, const cgi_view_t *view);

/** How many took how long. */
void cgi_chart_times(request_rec *r, const cgi_counts_t *counts);

/** What requests are doing. */
void cgi_chart_states(request_rec *r, const int states[CGI_STATE_MAX]);

/** Numbers as small bars. */
void cgi_chart_bars(request_rec *r, const uint64_t *n, int count);

/** Bytes of the UTF-8 character (RFC 3629) that begins here; 0: it is none, or
 * one that steers terminals and editors. @param text ended by NUL */
int cgi_text_character(const char *text);
/** For people: "12 ms", "1.3 s", "2 h 5 min"; below 0: "-". */
const char *cgi_text_time(apr_pool_t *p, apr_interval_time_t t);
/** "1.2 MB" */
const char *cgi_text_bytes(apr_pool_t *p, apr_off_t n);
/** 12,345 */
const char *cgi_text_number(apr_pool_t *p, uint64_t n);

#endif /* CGI_STATUS_VIEW_H */
