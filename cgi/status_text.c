/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The status page for programs: ?json (RFC 8259), ?metrics (the text format
 * of Prometheus, version 0.0.4) and ?auto (as mod_status has it).
 */

#include <string.h>

#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "base/version.h"
#include "cgi/status_view.h"

/* Quantiles that are told, in thousandths. */
static const struct {
    const char *name;
    unsigned int permille;
} quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}};

#define NQUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

/* ---- JSON ---- */

/* A string; of valid UTF-8, and without control characters. */
static void put_string(request_rec *r, const char *text)
{
    apr_size_t n;

    ap_rputc('"', r);
    while (*text) {
        n = strcspn(text, "\"\\");
        ap_rwrite(text, (int)n, r);
        text += n;
        if (*text) {
            ap_rputc('\\', r);
            ap_rputc(*text++, r);
        }
    }
    ap_rputc('"', r);
}

static void put_member(request_rec *r, const char *name, const char *text)
{
    ap_rprintf(r, "\"%s\":", name);
    put_string(r, text);
    ap_rputc(',', r);
}

/* Milliseconds, or null. */
static void put_time(request_rec *r, const char *name, apr_interval_time_t t)
{
    if (t < 0) {
        ap_rprintf(r, "\"%s\":null", name);
    }
    else {
        ap_rprintf(r, "\"%s\":%" APR_INT64_T_FMT ".%03d", name, t / 1000,
                   (int)(t % 1000));
    }
}

static void put_quantiles(request_rec *r, const char *name,
                          const cgi_histogram_t *h, uint64_t sum)
{
    uint64_t n = cgi_histogram_count(h);
    size_t i;

    ap_rprintf(r, "\"%s\":{", name);
    for (i = 0; i < NQUANTILES; i++) {
        put_time(r, quantiles[i].name,
                 cgi_histogram_quantile(h, quantiles[i].permille));
        ap_rputc(',', r);
    }
    put_time(r, "mean", n ? (apr_interval_time_t)(sum / n) : -1);
    ap_rputc('}', r);
}

static void put_counts(request_rec *r, const cgi_counts_t *c)
{
    int i;

    ap_rprintf(r,
               "{\"requests\":%" APR_UINT64_T_FMT
               ",\"errors\":%" APR_UINT64_T_FMT ",\"results\":{",
               cgi_counts_requests(c), cgi_counts_errors(c));
    for (i = 0; i < CGI_RESULT_MAX; i++) {
        ap_rprintf(r, "%s\"%s\":%" APR_UINT64_T_FMT, i ? "," : "",
                   cgi_result_name((cgi_result_e)i), c->result[i]);
    }
    ap_rprintf(r,
               "},\"bytes_in\":%" APR_UINT64_T_FMT
               ",\"bytes_out\":%" APR_UINT64_T_FMT ",",
               c->bytes_in, c->bytes_out);
    put_quantiles(r, "first_byte_ms", &c->first, c->first_sum);
    ap_rputc(',', r);
    put_quantiles(r, "total_ms", &c->total, c->total_sum);
    ap_rputc('}', r);
}

static void put_windows(request_rec *r,
                        const cgi_counts_t window[CGI_WINDOW_MAX])
{
    int i;

    for (i = 0; i < CGI_WINDOW_MAX; i++) {
        ap_rprintf(r, "%s\"%s\":", i ? "," : "",
                   cgi_window_name((cgi_window_e)i));
        put_counts(r, &window[i]);
    }
}

static void put_request(request_rec *r, const cgi_view_request_t *q)
{
    const cgi_board_request_t *on = &q->on;

    ap_rprintf(r, "{\"id\":\"%d-%" APR_UINT64_T_FMT "\",", on->slot,
               on->serial);
    put_member(r, "state", cgi_state_name(q->state));
    put_member(r, "module", on->module);
    put_member(r, "script", on->script);
    put_member(r, "route", on->route);
    put_member(r, "method", on->method);
    put_member(r, "uri", on->uri);
    put_member(r, "host", on->host);
    put_member(r, "client", on->client);
    ap_rprintf(r, "\"pid\":");
    if (on->progress.pid > 0) {
        ap_rprintf(r, "%ld", (long)on->progress.pid);
    }
    else {
        ap_rputs("null", r);
    }
    ap_rprintf(r, ",\"worker\":%ld,", (long)on->worker);
    put_time(r, "age_ms", q->age);
    ap_rputc(',', r);
    put_time(r, "cpu_ms", q->cpu);
    ap_rprintf(r,
               ",\"bytes_in\":%" APR_OFF_T_FMT ",\"bytes_out\":%" APR_OFF_T_FMT
               "}",
               on->progress.bytes_in, on->progress.bytes_out);
}

static void put_script(request_rec *r, const cgi_view_script_t *s)
{
    ap_rputc('{', r);
    put_member(r, "module", s->entry->module);
    put_member(r, "script", s->entry->script);
    put_member(r, "route", s->entry->route);
    ap_rprintf(r, "\"others\":%s,\"running\":%d,",
               *s->entry->module ? "false" : "true", s->running);
    put_windows(r, s->window);
    ap_rputc('}', r);
}

static void put_limit(request_rec *r, const cgi_view_limit_t *l)
{
    ap_rputc('{', r);
    put_member(r, "where", l->where);
    ap_rprintf(r, "\"max\":%d,\"running\":%d,\"queue\":%d,\"waiting\":%d}",
               l->max, l->running, l->queue, l->waiting);
}

static void put_launcher(request_rec *r, const cgi_view_launcher_t *l)
{
    ap_rprintf(r, "{\"pid\":%ld,\"privileged\":%s,\"earlier\":%s,",
               (long)l->pid, l->privileged ? "true" : "false",
               l->earlier ? "true" : "false");
    put_time(r, "age_ms", l->age);
    ap_rputc(',', r);
    put_time(r, "cpu_ms", l->cpu);
    ap_rputc(',', r);
    put_time(r, "scripts_cpu_ms", l->scripts);
    ap_rputc('}', r);
}

/* A member whose value is a list. */
#define PUT_LIST(name, list, type, put)                                       \
    do {                                                                      \
        int list_i;                                                           \
        ap_rputs(",\n\"" name "\":[", r);                                     \
        for (list_i = 0; list_i < (list)->nelts; list_i++) {                  \
            ap_rputs(list_i ? ",\n" : "\n", r);                               \
            put(r, &APR_ARRAY_IDX(list, list_i, type));                       \
        }                                                                     \
        ap_rputc(']', r);                                                     \
    } while (0)

void cgi_status_json(request_rec *r, const cgi_view_t *view)
{
    int i;

    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"version\":1,");
    put_member(r, "server", ap_get_server_description());
    put_member(r, "modules_version", CGI_VERSION);
    put_time(r, "uptime_ms", view->uptime);
    ap_rputs(",\n\"states\":{", r);
    for (i = 0; i < CGI_STATE_MAX; i++) {
        ap_rprintf(r, "%s\"%s\":%d", i ? "," : "",
                   cgi_state_name((cgi_state_e)i), view->states[i]);
    }
    ap_rputs("},\n\"all\":{", r);
    put_windows(r, view->all);
    ap_rputc('}', r);
    PUT_LIST("requests", view->requests, cgi_view_request_t, put_request);
    PUT_LIST("scripts", view->scripts, cgi_view_script_t, put_script);
    PUT_LIST("limits", view->limits, cgi_view_limit_t, put_limit);
    PUT_LIST("launchers", view->launchers, cgi_view_launcher_t, put_launcher);
    ap_rputs("}\n", r);
}

/* ---- Prometheus ---- */

static const char *label(apr_pool_t *p, const char *name, const char *text)
{
    apr_size_t n = 0;
    char *out = apr_palloc(p, 2 * strlen(text) + 1);

    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            out[n++] = '\\';
        }
        out[n++] = *text;
    }
    out[n] = '\0';
    return apr_pstrcat(p, name, "=\"", out, "\"", NULL);
}

static const char *labels_of(apr_pool_t *p, const cgi_view_script_t *s)
{
    return apr_pstrcat(
        p, label(p, "module", s->entry->module), ",",
        label(p, "script", *s->entry->module ? s->entry->script : "others"),
        ",", label(p, "route", s->entry->route), NULL);
}

static void put_head(request_rec *r, const char *name, const char *type,
                     const char *help)
{
    ap_rprintf(r, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_seconds(request_rec *r, apr_interval_time_t t)
{
    ap_rprintf(r, " %" APR_INT64_T_FMT ".%06d\n", t / APR_USEC_PER_SEC,
               (int)(t % APR_USEC_PER_SEC));
}

/* Bounds are those of buckets: 2^9 microseconds, and ever four times more. */
static void put_histogram(request_rec *r, const char *name, const char *labels,
                          const cgi_histogram_t *h, uint64_t sum)
{
    const uint64_t n = cgi_histogram_count(h);
    apr_interval_time_t bound = 512;
    int i;

    for (i = 0; i < 12; i++, bound *= 4) {
        ap_rprintf(r,
                   "%s_bucket{%s,le=\"%" APR_INT64_T_FMT
                   ".%06d\"} %" APR_UINT64_T_FMT "\n",
                   name, labels, bound / APR_USEC_PER_SEC,
                   (int)(bound % APR_USEC_PER_SEC),
                   cgi_histogram_below(h, bound));
    }
    ap_rprintf(r,
               "%s_bucket{%s,le=\"+Inf\"} %" APR_UINT64_T_FMT
               "\n%s_count{%s} %" APR_UINT64_T_FMT "\n%s_sum{%s}",
               name, labels, n, name, labels, n, name, labels);
    put_seconds(r, (apr_interval_time_t)sum);
}

static void put_results(request_rec *r, const char *labels,
                        const cgi_counts_t *c)
{
    int i;

    for (i = 0; i < CGI_RESULT_MAX; i++) {
        ap_rprintf(
            r, "cgi_requests_total{%s,result=\"%s\"} %" APR_UINT64_T_FMT "\n",
            labels, cgi_result_name((cgi_result_e)i), c->result[i]);
    }
}

static void put_bytes(request_rec *r, const char *labels,
                      const cgi_counts_t *c)
{
    ap_rprintf(r,
               "cgi_body_bytes_total{%s,direction=\"in\"} %" APR_UINT64_T_FMT
               "\ncgi_body_bytes_total{%s,direction=\"out\"} "
               "%" APR_UINT64_T_FMT "\n",
               labels, c->bytes_in, labels, c->bytes_out);
}

static void put_first(request_rec *r, const char *labels,
                      const cgi_counts_t *c)
{
    put_histogram(r, "cgi_first_byte_seconds", labels, &c->first,
                  c->first_sum);
}

static void put_total(request_rec *r, const char *labels,
                      const cgi_counts_t *c)
{
    put_histogram(r, "cgi_request_seconds", labels, &c->total, c->total_sum);
}

/* All of one metric must stand together. */
static void put_script_metrics(request_rec *r, const apr_array_header_t *list)
{
    static const struct {
        const char *name, *type, *help;
        void (*put)(request_rec *r, const char *labels, const cgi_counts_t *c);
    } metrics[] = {
        {"cgi_requests_total", "counter",
         "Requests that have ended, by what became of them.", put_results},
        {"cgi_body_bytes_total", "counter",
         "Bytes of request bodies (in) and of scripts' bodies (out).",
         put_bytes},
        {"cgi_first_byte_seconds", "histogram",
         "Time to the header of the response.", put_first},
        {"cgi_request_seconds", "histogram", "Time to the end of the request.",
         put_total}};
    size_t k;
    int i;

    for (k = 0; k < sizeof(metrics) / sizeof(metrics[0]); k++) {
        put_head(r, metrics[k].name, metrics[k].type, metrics[k].help);
        for (i = 0; i < list->nelts; i++) {
            const cgi_view_script_t *s =
                &APR_ARRAY_IDX(list, i, cgi_view_script_t);

            metrics[k].put(r, labels_of(r->pool, s),
                           &s->window[CGI_WINDOW_ALL]);
        }
    }
}

static void put_limit_metrics(request_rec *r, const apr_array_header_t *list)
{
    static const char *const names[] = {"cgi_limit_places",
                                        "cgi_limit_running", "cgi_limit_queue",
                                        "cgi_limit_waiting"};
    static const char *const help[] = {
        "Scripts that may run at once, by CGILimit.", "Places that are taken.",
        "Requests that may wait for a place.",
        "Requests that wait for a place."};
    int i, k;

    for (k = 0; k < 4; k++) {
        put_head(r, names[k], "gauge", help[k]);
        for (i = 0; i < list->nelts; i++) {
            const cgi_view_limit_t *l =
                &APR_ARRAY_IDX(list, i, cgi_view_limit_t);

            ap_rprintf(r, "%s{%s} %d\n", names[k],
                       label(r->pool, "where", l->where),
                       k == 0   ? l->max
                       : k == 1 ? l->running
                       : k == 2 ? l->queue
                                : l->waiting);
        }
    }
}

static void put_launcher_metrics(request_rec *r,
                                 const apr_array_header_t *list)
{
    int i;

    put_head(r, "cgi_launcher_cpu_seconds_total", "counter",
             "Processor time of a launcher.");
    for (i = 0; i < list->nelts; i++) {
        const cgi_view_launcher_t *l =
            &APR_ARRAY_IDX(list, i, cgi_view_launcher_t);

        if (l->cpu >= 0) {
            ap_rprintf(r,
                       "cgi_launcher_cpu_seconds_total{pid=\"%ld\","
                       "privileged=\"%d\"}",
                       (long)l->pid, l->privileged);
            put_seconds(r, l->cpu);
        }
    }
}

void cgi_status_metrics(request_rec *r, const cgi_view_t *view)
{
    int i;

    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    put_head(r, "cgi_uptime_seconds", "gauge", "Since the start of httpd.");
    ap_rputs("cgi_uptime_seconds", r);
    put_seconds(r, view->uptime);
    put_head(r, "cgi_running", "gauge",
             "Requests that run, by what they are doing.");
    for (i = 0; i < CGI_STATE_MAX; i++) {
        ap_rprintf(r, "cgi_running{state=\"%s\"} %d\n",
                   cgi_state_name((cgi_state_e)i), view->states[i]);
    }
    put_head(r, "cgi_launchers", "gauge", "Launchers that run.");
    ap_rprintf(r, "cgi_launchers %d\n", view->launchers->nelts);
    put_script_metrics(r, view->scripts);
    put_limit_metrics(r, view->limits);
    put_launcher_metrics(r, view->launchers);
}

/* ---- as mod_status ---- */

void cgi_status_auto(request_rec *r, const cgi_view_t *view)
{
    const cgi_counts_t *all = &view->all[CGI_WINDOW_ALL];
    const cgi_counts_t *minute = &view->all[CGI_WINDOW_MINUTE];
    int i;

    ap_rprintf(r, "CGIUptime: %" APR_INT64_T_FMT "\nCGIRunning: %d\n",
               apr_time_sec(view->uptime), view->requests->nelts);
    for (i = 0; i < CGI_STATE_MAX; i++) {
        const char *name = cgi_state_name((cgi_state_e)i);

        ap_rprintf(r, "CGI%c%s: %d\n", *name - 'a' + 'A', name + 1,
                   view->states[i]);
    }
    ap_rprintf(r,
               "CGIRequests: %" APR_UINT64_T_FMT
               "\nCGIErrors: %" APR_UINT64_T_FMT
               "\nCGIRequestsLastMinute: %" APR_UINT64_T_FMT
               "\nCGIErrorsLastMinute: %" APR_UINT64_T_FMT "\n",
               cgi_counts_requests(all), cgi_counts_errors(all),
               cgi_counts_requests(minute), cgi_counts_errors(minute));
    if (cgi_counts_requests(minute)) {
        ap_rprintf(r,
                   "CGIMedianUsecLastMinute: %" APR_INT64_T_FMT
                   "\nCGI99thUsecLastMinute: %" APR_INT64_T_FMT "\n",
                   cgi_histogram_quantile(&minute->total, 500),
                   cgi_histogram_quantile(&minute->total, 990));
    }
    ap_rprintf(r, "CGILaunchers: %d\n", view->launchers->nelts);
}
