/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The status page for people: HTML that needs nothing else. What is sorted by
 * what is in the URL, so that it stays over a refresh and can be kept as a
 * bookmark.
 */

#include <stdlib.h>
#include <string.h>

#include "apr_base64.h"
#include "apr_general.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "base/version.h"
#include "cgi/status_assets.h"
#include "cgi/status_view.h"

#define REFRESH_DEFAULT 3
#define REFRESH_MAX 3600
#define NONCE_BYTES 18

/* ---- what the URL asks for ---- */

/* A column that can be sorted by; its key is in the URL. */
typedef struct column_t {
    const char *key;
    const char *title;
    const char *class;
    const char *name; /* where a phone shows no heading; NULL: the title */
} column_t;

enum { R_SCRIPT, R_STATE, R_CLIENT, R_AGE, R_IN, R_OUT, R_CPU, R_MAX };
static const column_t request_columns[R_MAX] = {
    {"script", "Script", "name", NULL},
    {"state", "State", "", NULL},
    {"client", "Client", "", NULL},
    {"age", "Age", "n", NULL},
    {"in", "In", "n", NULL},
    {"out", "Out", "n", NULL},
    {"cpu", "CPU", "n", NULL}};

enum {
    S_SCRIPT,
    S_RUNNING,
    S_REQUESTS,
    S_ERRORS,
    S_FIRST50,
    S_FIRST99,
    S_TOTAL50,
    S_TOTAL90,
    S_TOTAL99,
    S_OUT,
    S_MAX
};
static const column_t script_columns[S_MAX] = {
    {"script", "Script", "name", NULL},
    {"running", "Now", "n", NULL},
    {"requests", "Requests", "n", NULL},
    {"errors", "Errors", "n", NULL},
    {"first50", "First byte p50", "n", NULL},
    {"first99", "p99", "n", "First byte p99"},
    {"p50", "Total p50", "n", NULL},
    {"p90", "p90", "n", "Total p90"},
    {"p99", "p99", "n", "Total p99"},
    {"out", "Sent", "n", NULL}};

typedef struct asked_t {
    cgi_window_e window;
    int by, up;         /* scripts: the column, and 1: upwards */
    int now_by, now_up; /* the same for requests */
    int refresh;        /* seconds; 0: never */
} asked_t;

static int find_column(const column_t *columns, int n, const char *key, int or)
{
    int i;

    for (i = 0; i < n; i++) {
        if (!strcmp(columns[i].key, key)) {
            return i;
        }
    }
    return or ;
}

/* "-key": upwards, for those that begin with the largest, and the other way
 * round for names. */
static void parse_sort(const char *value, const column_t *columns, int n,
                       int *by, int *up)
{
    const int turned = *value == '-';

    *by = find_column(columns, n, value + turned, *by);
    *up = (*by == 0) != turned;
}

static asked_t parse_args(request_rec *r)
{
    asked_t a = {CGI_WINDOW_TEN, S_REQUESTS, 0, R_AGE, 0, REFRESH_DEFAULT};
    char *args = apr_pstrdup(r->pool, r->args ? r->args : ""), *word, *at;

    for (word = apr_strtok(args, "&", &at); word;
         word = apr_strtok(NULL, "&", &at)) {
        if (!strncmp(word, "window=", 7)) {
            a.window = !strcmp(word + 7, "1")     ? CGI_WINDOW_MINUTE
                       : !strcmp(word + 7, "all") ? CGI_WINDOW_ALL
                                                  : CGI_WINDOW_TEN;
        }
        else if (!strncmp(word, "sort=", 5)) {
            parse_sort(word + 5, script_columns, S_MAX, &a.by, &a.up);
        }
        else if (!strncmp(word, "now=", 4)) {
            parse_sort(word + 4, request_columns, R_MAX, &a.now_by, &a.now_up);
        }
        else if (!strncmp(word, "refresh=", 8) && apr_isdigit(word[8])) {
            a.refresh = atoi(word + 8);
            a.refresh = a.refresh < 0             ? REFRESH_DEFAULT
                        : a.refresh > REFRESH_MAX ? REFRESH_MAX
                                                  : a.refresh;
        }
    }
    return a;
}

/* The query of a link that asks for a. */
static const char *query_of(request_rec *r, const asked_t *a)
{
    const int s_turned = (a->by == 0) != a->up;
    const int r_turned = (a->now_by == 0) != a->now_up;

    return apr_psprintf(
        r->pool, "?window=%s&amp;sort=%s%s&amp;now=%s%s&amp;refresh=%d",
        a->window == CGI_WINDOW_MINUTE ? "1"
        : a->window == CGI_WINDOW_TEN  ? "10"
                                       : "all",
        s_turned ? "-" : "", script_columns[a->by].key, r_turned ? "-" : "",
        request_columns[a->now_by].key, a->refresh);
}

/* ---- sorting ---- */

static int order(apr_int64_t a, apr_int64_t b)
{
    return a < b ? -1 : a > b;
}

static apr_int64_t script_value(const cgi_view_script_t *s, cgi_window_e w,
                                int by)
{
    const cgi_counts_t *c = &s->window[w];

    switch (by) {
    case S_RUNNING:
        return s->running;
    case S_ERRORS:
        return (apr_int64_t)cgi_counts_errors(c);
    case S_FIRST50:
        return cgi_histogram_quantile(&c->first, 500);
    case S_FIRST99:
        return cgi_histogram_quantile(&c->first, 990);
    case S_TOTAL50:
        return cgi_histogram_quantile(&c->total, 500);
    case S_TOTAL90:
        return cgi_histogram_quantile(&c->total, 900);
    case S_TOTAL99:
        return cgi_histogram_quantile(&c->total, 990);
    case S_OUT:
        return (apr_int64_t)c->bytes_out;
    default:
        return (apr_int64_t)cgi_counts_requests(c);
    }
}

static apr_int64_t request_value(const cgi_view_request_t *q, int by)
{
    switch (by) {
    case R_STATE:
        return (apr_int64_t)q->state;
    case R_IN:
        return q->on.progress.bytes_in;
    case R_OUT:
        return q->on.progress.bytes_out;
    case R_CPU:
        return q->cpu;
    default:
        return q->age;
    }
}

/* A row to be sorted, by number or by text. */
typedef struct row_t {
    const void *what;
    apr_int64_t value;
    const char *text;
    int up;
} row_t;

static int compare(const void *a_, const void *b_)
{
    const row_t *a = a_, *b = b_;
    int n = a->text && b->text ? strcmp(a->text, b->text)
                               : order(a->value, b->value);

    n = a->up ? n : -n;
    /* rows that are equal keep their order, refresh after refresh */
    return n ? n
             : order((apr_int64_t)(apr_uintptr_t)a->what,
                     (apr_int64_t)(apr_uintptr_t)b->what);
}

/* ---- pieces ---- */

static void put(request_rec *r, const char *text)
{
    ap_rputs(ap_escape_html(r->pool, text), r);
}

static void cell(request_rec *r, const column_t *column, const char *text)
{
    ap_rprintf(r, "<td class=\"%s\" data-name=\"%s\">%s</td>", column->class,
               column->name ? column->name : column->title, text);
}

/* A heading; a click sorts by it, and a second one the other way. */
static void heading(request_rec *r, const column_t *column, int by, int up,
                    const char *query)
{
    ap_rprintf(r, "<th class=\"%s\" scope=\"col\"%s><a data-view href=\"%s\">",
               column->class,
               !by  ? ""
               : up ? " aria-sort=\"ascending\""
                    : " aria-sort=\"descending\"",
               query);
    ap_rprintf(r, "%s%s</a></th>", column->title,
               !by  ? ""
               : up ? " \xe2\x96\xb4"
                    : " \xe2\x96\xbe");
}

/* ---- running requests ---- */

static void put_name(request_rec *r, const char *script, const char *route,
                     const char *more)
{
    const char *file = strrchr(script, '/');

    ap_rputs("<strong>", r);
    put(r, file && file[1] ? file + 1 : script);
    ap_rputs("</strong>", r);
    if (*more) {
        ap_rputs(" <span class=\"dim\">", r);
        put(r, more);
        ap_rputs("</span>", r);
    }
    ap_rputs("<span class=\"sub\">", r);
    put(r, script);
    if (*route) {
        ap_rputs(" \xc2\xb7 route ", r);
        put(r, route);
    }
    ap_rputs("</span>", r);
}

static void put_request(request_rec *r, const cgi_view_request_t *q,
                        const char *end_url)
{
    const cgi_board_request_t *on = &q->on;
    apr_pool_t *p = r->pool;
    const column_t *c = request_columns;

    ap_rprintf(r, "<tr><td class=\"name\">");
    put_name(r, on->script, on->route,
             apr_pstrcat(p, on->method, " ", on->uri, NULL));
    ap_rputs("</td>", r);
    cell(r, &c[R_STATE],
         apr_psprintf(p, "<span class=\"state t-%s\">%s</span>",
                      cgi_state_name(q->state), cgi_state_name(q->state)));
    ap_rprintf(r, "<td data-name=\"Client\"><span>");
    put(r, on->client);
    ap_rputs("<span class=\"sub\">", r);
    put(r, on->host);
    ap_rputs("</span></span></td>", r);
    cell(r, &c[R_AGE], cgi_text_time(p, q->age));
    cell(r, &c[R_IN], cgi_text_bytes(p, on->progress.bytes_in));
    cell(r, &c[R_OUT], cgi_text_bytes(p, on->progress.bytes_out));
    cell(r, &c[R_CPU], cgi_text_time(p, q->cpu));
    ap_rprintf(r, "<td class=\"n\" data-name=\"Process\">%s</td>",
               on->progress.pid > 0
                   ? apr_psprintf(p, "%ld", (long)on->progress.pid)
                   : "\xe2\x80\x93");
    if (end_url) {
        ap_rprintf(r,
                   "<td class=\"n\"><form method=\"post\" action=\"%s\" "
                   "data-ask=\"End ",
                   ap_escape_html(p, end_url));
        put(r, on->script);
        ap_rprintf(r,
                   "?\"><input type=\"hidden\" name=\"id\" "
                   "value=\"%d-%" APR_UINT64_T_FMT
                   "\"><button class=\"stop\" id=\"end-%d\">"
                   "End</button></form></td>",
                   on->slot, on->serial, on->slot);
    }
    ap_rputs("</tr>\n", r);
}

static row_t *sort_requests(request_rec *r, const cgi_view_t *view,
                            const asked_t *a)
{
    const apr_array_header_t *list = view->requests;
    row_t *rows =
        apr_pcalloc(r->pool, ((apr_size_t)list->nelts + 1) * sizeof(*rows));
    int i;

    for (i = 0; i < list->nelts; i++) {
        const cgi_view_request_t *q =
            &APR_ARRAY_IDX(list, i, cgi_view_request_t);

        rows[i].what = q;
        rows[i].up = a->now_up;
        rows[i].text = a->now_by == R_SCRIPT   ? q->on.script
                       : a->now_by == R_CLIENT ? q->on.client
                                               : NULL;
        rows[i].value = request_value(q, a->now_by);
    }
    qsort(rows, (size_t)list->nelts, sizeof(*rows), compare);
    return rows;
}

static void put_requests(request_rec *r, const cgi_view_t *view,
                         const asked_t *a, const char *end_url)
{
    const row_t *rows = sort_requests(r, view, a);
    int i;

    ap_rputs("<section class=\"card\" id=\"requests\" data-live>"
             "<h2>Running now</h2>\n",
             r);
    if (!view->requests->nelts) {
        ap_rputs("<p class=\"dim\">No script runs.</p></section>\n", r);
        return;
    }
    ap_rputs("<div class=\"scroll\"><table class=\"rows\"><thead><tr>", r);
    for (i = 0; i < R_MAX; i++) {
        asked_t link = *a;

        link.now_by = i;
        link.now_up = a->now_by == i ? !a->now_up : i == 0;
        heading(r, &request_columns[i], a->now_by == i, a->now_up,
                query_of(r, &link));
    }
    ap_rprintf(r,
               "<th class=\"n\" scope=\"col\">Process</th>%s</tr></thead>"
               "<tbody>\n",
               end_url ? "<th></th>" : "");
    for (i = 0; i < view->requests->nelts; i++) {
        put_request(r, rows[i].what, end_url);
    }
    ap_rputs("</tbody></table></div></section>\n", r);
}

/* ---- scripts ---- */

/* "3 timeout, 1 killed"
 * @param errors 1: those alone; 0: also what is none, but no answer */
static const char *name_results(apr_pool_t *p, const cgi_counts_t *c,
                                int errors)
{
    const char *text = "";
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        if (c->result[i] && i != CGI_RESULT_OK &&
            (!errors || cgi_result_is_error((cgi_result_e)i))) {
            text = apr_pstrcat(p, text, *text ? ", " : "",
                               cgi_text_number(p, c->result[i]), " ",
                               cgi_result_name((cgi_result_e)i), NULL);
        }
    }
    return text;
}

static void put_script(request_rec *r, const cgi_view_script_t *s,
                       const asked_t *a)
{
    const cgi_counts_t *c = &s->window[a->window];
    const uint64_t errors = cgi_counts_errors(c);
    const column_t *column = script_columns;
    apr_pool_t *p = r->pool;
    int i;

    ap_rputs("<tr><td class=\"name\">", r);
    if (*s->entry->module) {
        put_name(r, s->entry->script, s->entry->route, "");
    }
    else {
        ap_rputs("<em>all others</em>", r);
    }
    ap_rputs("</td>", r);
    cell(r, &column[S_RUNNING], apr_itoa(p, s->running));
    cell(r, &column[S_REQUESTS], cgi_text_number(p, cgi_counts_requests(c)));
    cell(r, &column[S_ERRORS],
         apr_psprintf(p, "<span%s>%s<span class=\"sub\">%s</span></span>",
                      errors ? " class=\"error\"" : "",
                      cgi_text_number(p, errors), name_results(p, c, 0)));
    for (i = S_FIRST50; i <= S_TOTAL99; i++) {
        cell(r, &column[i], cgi_text_time(p, script_value(s, a->window, i)));
    }
    cell(r, &column[S_OUT], cgi_text_bytes(p, (apr_off_t)c->bytes_out));
    ap_rputs("<td data-name=\"Last 10 min\">", r);
    cgi_chart_bars(r, s->minutes, CGI_TALLY_LONGS);
    ap_rputs("</td></tr>\n", r);
}

static row_t *sort_scripts(request_rec *r, const cgi_view_t *view,
                           const asked_t *a)
{
    const apr_array_header_t *list = view->scripts;
    row_t *rows =
        apr_pcalloc(r->pool, ((apr_size_t)list->nelts + 1) * sizeof(*rows));
    int i;

    for (i = 0; i < list->nelts; i++) {
        const cgi_view_script_t *s =
            &APR_ARRAY_IDX(list, i, cgi_view_script_t);

        rows[i].what = s;
        rows[i].up = a->up;
        rows[i].text = a->by == S_SCRIPT ? s->entry->script : NULL;
        rows[i].value = script_value(s, a->window, a->by);
    }
    qsort(rows, (size_t)list->nelts, sizeof(*rows), compare);
    return rows;
}

static void put_tabs(request_rec *r, const asked_t *a)
{
    static const char *const names[CGI_WINDOW_MAX] = {"1 minute", "10 minutes",
                                                      "since start"};
    int i;

    ap_rputs("<div class=\"tabs\"><h2>Scripts and routes</h2>", r);
    for (i = 0; i < CGI_WINDOW_MAX; i++) {
        asked_t link = *a;

        link.window = (cgi_window_e)i;
        ap_rprintf(r, "<a data-view href=\"%s\"%s>%s</a>", query_of(r, &link),
                   a->window == link.window ? " aria-current=\"true\"" : "",
                   names[i]);
    }
    ap_rputs("</div>\n", r);
}

static void put_scripts(request_rec *r, const cgi_view_t *view,
                        const asked_t *a)
{
    const row_t *rows = sort_scripts(r, view, a);
    int i;

    ap_rputs("<section class=\"card\" id=\"scripts\" data-live>", r);
    put_tabs(r, a);
    if (!view->scripts->nelts) {
        ap_rputs("<p class=\"dim\">None has run since httpd started.</p>"
                 "</section>\n",
                 r);
        return;
    }
    ap_rputs("<div class=\"scroll\"><table class=\"rows\"><thead><tr>", r);
    for (i = 0; i < S_MAX; i++) {
        asked_t link = *a;

        link.by = i;
        link.up = a->by == i ? !a->up : i == 0;
        heading(r, &script_columns[i], a->by == i, a->up, query_of(r, &link));
    }
    ap_rputs("<th scope=\"col\">Last 10 min</th></tr></thead><tbody>\n", r);
    for (i = 0; i < view->scripts->nelts; i++) {
        put_script(r, rows[i].what, a);
    }
    ap_rputs("</tbody></table></div></section>\n", r);
}

/* ---- limits and launchers ---- */

static void put_limits(request_rec *r, const cgi_view_t *view)
{
    int i;

    ap_rputs("<section class=\"card\" id=\"limits\" data-live>"
             "<h2>CGILimit</h2>\n",
             r);
    if (!view->limits->nelts) {
        ap_rputs("<p class=\"dim\">No limit is set.</p></section>\n", r);
        return;
    }
    ap_rputs("<div class=\"scroll\"><table><thead><tr><th>Set at</th>"
             "<th>Places</th><th class=\"n\">Running</th>"
             "<th class=\"n\">Waiting</th></tr></thead><tbody>\n",
             r);
    for (i = 0; i < view->limits->nelts; i++) {
        const cgi_view_limit_t *l =
            &APR_ARRAY_IDX(view->limits, i, cgi_view_limit_t);
        const char *file = strrchr(l->where, '/');

        ap_rputs("<tr><td title=\"", r);
        put(r, l->where);
        ap_rputs("\">", r);
        put(r, file ? file + 1 : l->where);
        ap_rprintf(r,
                   "</td><td><meter min=\"0\" max=\"%d\" high=\"%d.5\" "
                   "optimum=\"0\" value=\"%d\"></meter></td>"
                   "<td class=\"n\">%d of %d</td>"
                   "<td class=\"n%s\">%d of %d</td></tr>\n",
                   l->max, l->max - 1, l->running, l->running, l->max,
                   l->waiting ? " warn" : "", l->waiting, l->queue);
    }
    ap_rputs("</tbody></table></div></section>\n", r);
}

static void put_launchers(request_rec *r, const cgi_view_t *view)
{
    apr_pool_t *p = r->pool;
    int i;

    ap_rputs("<section class=\"card\" id=\"launchers\" data-live>"
             "<h2>Launchers</h2><div class=\"scroll\"><table><thead><tr>"
             "<th>Process</th><th class=\"n\">Age</th>"
             "<th class=\"n\">CPU</th><th class=\"n\">Scripts\xe2\x80\x99 CPU"
             "</th></tr></thead><tbody>\n",
             r);
    for (i = 0; i < view->launchers->nelts; i++) {
        const cgi_view_launcher_t *l =
            &APR_ARRAY_IDX(view->launchers, i, cgi_view_launcher_t);

        ap_rprintf(r,
                   "<tr><td>%ld%s%s</td><td class=\"n\">%s</td>"
                   "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                   (long)l->pid, l->privileged ? " (privileged)" : "",
                   l->earlier ? " (finishes for workers of before a restart)"
                              : "",
                   cgi_text_time(p, l->age), cgi_text_time(p, l->cpu),
                   cgi_text_time(p, l->scripts));
    }
    ap_rputs("</tbody></table></div></section>\n", r);
}

/* ---- overview ---- */

static void put_key(request_rec *r, const cgi_view_t *view)
{
    int i;

    ap_rputs("<p class=\"key\">", r);
    for (i = 0; i < CGI_STATE_MAX; i++) {
        const char *name = cgi_state_name((cgi_state_e)i);

        if (view->states[i]) {
            ap_rprintf(r,
                       "<span><svg viewBox=\"0 0 9 9\" aria-hidden=\"true\">"
                       "<rect class=\"s-%s\" width=\"9\" height=\"9\" "
                       "rx=\"2\"/></svg>%d %s</span>",
                       name, view->states[i], name);
        }
    }
    ap_rputs("</p>", r);
}

static void put_tile(request_rec *r, const char *title, const char *value,
                     const char *more)
{
    ap_rprintf(r,
               "<div class=\"card tile\"><span class=\"dim\">%s</span>"
               "<b>%s</b><span class=\"sub\">%s</span></div>\n",
               title, value, more);
}

static void put_tiles(request_rec *r, const cgi_view_t *view)
{
    const cgi_counts_t *minute = &view->all[CGI_WINDOW_MINUTE];
    const cgi_counts_t *ten = &view->all[CGI_WINDOW_TEN];
    const cgi_counts_t *all = &view->all[CGI_WINDOW_ALL];
    const char *errors = name_results(r->pool, ten, 1);
    apr_pool_t *p = r->pool;

    ap_rputs("<div class=\"tiles\" id=\"tiles\" data-live>"
             "<div class=\"card tile\"><span class=\"dim\">Running now</span>",
             r);
    ap_rprintf(r, "<b>%d</b>", view->requests->nelts);
    cgi_chart_states(r, view->states);
    put_key(r, view);
    ap_rputs("</div>\n", r);
    put_tile(r, "Requests, last minute",
             cgi_text_number(p, cgi_counts_requests(minute)),
             apr_psprintf(p, "%s since start",
                          cgi_text_number(p, cgi_counts_requests(all))));
    put_tile(r, "Errors, last 10 min",
             apr_psprintf(p, "<span%s>%s</span>",
                          cgi_counts_errors(ten) ? " class=\"error\"" : "",
                          cgi_text_number(p, cgi_counts_errors(ten))),
             *errors ? errors : "none");
    put_tile(r, "Median, last 10 min",
             cgi_text_time(p, cgi_histogram_quantile(&ten->total, 500)),
             apr_psprintf(
                 p, "p90 %s, p99 %s",
                 cgi_text_time(p, cgi_histogram_quantile(&ten->total, 900)),
                 cgi_text_time(p, cgi_histogram_quantile(&ten->total, 990))));
    ap_rputs("</div>\n", r);
}

static void put_charts(request_rec *r, const cgi_view_t *view)
{
    ap_rputs("<div class=\"two\"><section class=\"card\" id=\"pulse\" "
             "data-live><h2>Requests in each 10 seconds</h2>",
             r);
    cgi_chart_pulse(r, view);
    ap_rputs("<p class=\"key\"><span><svg viewBox=\"0 0 9 9\" "
             "aria-hidden=\"true\"><rect class=\"good\" width=\"9\" "
             "height=\"9\" rx=\"2\"/></svg>answered</span><span><svg "
             "viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect class=\"bad\" "
             "width=\"9\" height=\"9\" rx=\"2\"/></svg>failed</span></p>"
             "</section>\n<section class=\"card\" id=\"times\" data-live>"
             "<h2>Time of a request, last 10 minutes</h2>",
             r);
    cgi_chart_times(r, &view->all[CGI_WINDOW_TEN]);
    ap_rputs("</section></div>\n", r);
}

/* ---- the page ---- */

static const char *make_nonce(apr_pool_t *p)
{
    unsigned char bytes[NONCE_BYTES];
    char *text = apr_palloc(p, (apr_size_t)apr_base64_encode_len(NONCE_BYTES));

    if (apr_generate_random_bytes(bytes, sizeof(bytes)) != APR_SUCCESS) {
        return NULL; /* then the page is without style and script */
    }
    (void)apr_base64_encode_binary(text, bytes, NONCE_BYTES);
    return text;
}

static void put_head(request_rec *r, const asked_t *a, const char *nonce)
{
    const char *host = ap_escape_html(r->pool, ap_get_server_name(r));

    ap_rprintf(r,
               "<!DOCTYPE html>\n<html lang=\"en\" data-refresh=\"%d\">\n"
               "<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, "
               "initial-scale=1\">\n<meta name=\"robots\" "
               "content=\"noindex\">\n<title>CGI on %s</title>\n",
               a->refresh, host);
    if (a->refresh) {
        ap_rprintf(r,
                   "<noscript><meta http-equiv=\"refresh\" content=\"%d\">"
                   "</noscript>\n",
                   a->refresh < 10 ? 10 : a->refresh);
    }
    ap_rprintf(r, "<style nonce=\"%s\">", nonce);
    ap_rputs(CGI_STATUS_STYLE "</style>\n", r);
}

static void put_header(request_rec *r, const cgi_view_t *view)
{
    char date[APR_RFC822_DATE_LEN];

    (void)apr_rfc822_date(date, apr_time_now());
    ap_rputs("<div class=\"page\"><header><h1>CGI on ", r);
    put(r, ap_get_server_name(r));
    ap_rputs("</h1><p class=\"grow\" id=\"head\" data-live>", r);
    put(r, ap_get_server_description());
    ap_rprintf(r,
               " \xc2\xb7 modules " CGI_VERSION
               " \xc2\xb7 up %s \xc2\xb7 %s</p><span class=\"error\" "
               "id=\"note\" role=\"status\"></span>"
               "<a href=\"?json\">JSON</a> <a href=\"?metrics\">metrics</a>"
               " <button id=\"pause\" type=\"button\" hidden>Pause</button>"
               "</header>\n",
               cgi_text_time(r->pool, view->uptime), date);
}

void cgi_status_html(request_rec *r, const cgi_view_t *view,
                     const char *end_url)
{
    const asked_t asked = parse_args(r);
    const char *nonce = make_nonce(r->pool);

    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(
        r->headers_out, "Content-Security-Policy",
        nonce ? apr_psprintf(r->pool,
                             "default-src 'none'; style-src 'nonce-%s'; "
                             "script-src 'nonce-%s'; connect-src 'self'; "
                             "form-action 'self'; base-uri 'none'; "
                             "frame-ancestors 'none'",
                             nonce, nonce)
              : "default-src 'none'; form-action 'self'");
    apr_table_setn(r->headers_out, "Referrer-Policy", "same-origin");
    if (r->header_only) {
        return;
    }
    nonce = nonce ? nonce : "";
    put_head(r, &asked, nonce);
    put_header(r, view);
    put_tiles(r, view);
    put_charts(r, view);
    put_requests(r, view, &asked, end_url);
    put_scripts(r, view, &asked);
    ap_rputs("<div class=\"two\">", r);
    put_limits(r, view);
    put_launchers(r, view);
    ap_rputs("</div></div>\n", r);
    ap_rprintf(r, "<script nonce=\"%s\">", nonce);
    ap_rputs(CGI_STATUS_SCRIPT "</script>\n</html>\n", r);
}

void cgi_status_section(request_rec *r, const cgi_view_t *view)
{
    const cgi_counts_t *minute = &view->all[CGI_WINDOW_MINUTE];
    const cgi_counts_t *all = &view->all[CGI_WINDOW_ALL];
    apr_pool_t *p = r->pool;
    const char *errors = name_results(p, all, 0);
    int i;

    ap_rprintf(r, "<hr />\n<h2>CGI scripts</h2>\n<dl>\n<dt>%d running",
               view->requests->nelts);
    for (i = 0; i < CGI_STATE_MAX; i++) {
        if (view->states[i]) {
            ap_rprintf(r, ", %d %s", view->states[i],
                       cgi_state_name((cgi_state_e)i));
        }
    }
    ap_rprintf(r,
               "</dt>\n<dt>%" APR_UINT64_T_FMT " requests in the last minute, "
               "median %s, p99 %s</dt>\n<dt>%" APR_UINT64_T_FMT
               " requests since the start of httpd%s%s</dt>\n"
               "<dt>%d launchers</dt>\n</dl>\n",
               cgi_counts_requests(minute),
               cgi_text_time(p, cgi_histogram_quantile(&minute->total, 500)),
               cgi_text_time(p, cgi_histogram_quantile(&minute->total, 990)),
               cgi_counts_requests(all), *errors ? ": " : "", errors,
               view->launchers->nelts);
}
