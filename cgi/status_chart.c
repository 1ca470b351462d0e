/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Small charts, as SVG within an HTML page. Colours are classes of the page's
 * style sheet, so that they follow light and dark.
 */

#include <string.h>

#include "apr_strings.h"

#include "http_protocol.h"

#include "cgi/status_view.h"

/* ---- numbers for people ---- */

const char *cgi_text_time(apr_pool_t *p, apr_interval_time_t t)
{
    const apr_int64_t s = t / APR_USEC_PER_SEC;

    if (t < 0) {
        return "\xe2\x80\x93";
    }
    if (!t) {
        return "0";
    }
    if (t < 1000) {
        return apr_psprintf(p, "%d \xc2\xb5s", (int)t);
    }
    if (t < apr_time_from_msec(9995) / 1000) {
        return apr_psprintf(p, "%.1f ms", (double)t / 1e3);
    }
    if (t < apr_time_from_msec(1000)) {
        return apr_psprintf(p, "%.0f ms", (double)t / 1e3);
    }
    if (s < 60) {
        return apr_psprintf(p, s < 10 ? "%.1f s" : "%.0f s", (double)t / 1e6);
    }
    if (s < 3600) {
        return apr_psprintf(p, "%d min %d s", (int)(s / 60), (int)(s % 60));
    }
    if (s < 24 * 3600) {
        return apr_psprintf(p, "%d h %d min", (int)(s / 3600),
                            (int)(s / 60 % 60));
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT " d %d h", s / (24 * 3600),
                        (int)(s / 3600 % 24));
}

const char *cgi_text_bytes(apr_pool_t *p, apr_off_t n)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double value = (double)n;
    size_t i = 0;

    while (value >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        i++;
    }
    return apr_psprintf(p, i && value < 9.95 ? "%.1f %s" : "%.0f %s", value,
                        units[i]);
}

const char *cgi_text_number(apr_pool_t *p, uint64_t n)
{
    const char *digits = apr_psprintf(p, "%" APR_UINT64_T_FMT, n);
    apr_size_t len = strlen(digits), i, k = 0;
    char *out = apr_palloc(p, len + len / 3 + 1);

    for (i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) {
            out[k++] = ',';
        }
        out[k++] = digits[i];
    }
    out[k] = '\0';
    return out;
}

/* ---- charts ---- */

#define PULSE_WIDTH 600
#define PULSE_HEIGHT 120

/* The next of 1, 2, 5, 10, ... for the top of an axis. */
static uint32_t round_up(uint32_t n)
{
    uint32_t top = 1;

    while (top < n && top < 1000000000) {
        top = top * 2 >= n ? top * 2 : top * 5 >= n ? top * 5 : top * 10;
    }
    return top;
}

static void bar(request_rec *r, const char *class, double x, double width,
                double from, double to, const char *title)
{
    if (to > from) {
        ap_rprintf(r,
                   "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                   "height=\"%.2f\" rx=\"1\"><title>%s</title></rect>",
                   class, x, PULSE_HEIGHT - to, width, to - from, title);
    }
}

/* The lines behind the bars, and what they stand for. */
static void axis(request_rec *r, uint32_t top)
{
    int i;

    for (i = 0; i <= 2; i++) {
        const int y = PULSE_HEIGHT - i * PULSE_HEIGHT / 2;

        ap_rprintf(r,
                   "<line class=\"grid\" x1=\"0\" x2=\"%d\" y1=\"%d\" "
                   "y2=\"%d\"/>",
                   PULSE_WIDTH, y, y);
        if (i) {
            ap_rprintf(r,
                       "<text class=\"tick end\" x=\"-6\" y=\"%d\">%s</text>",
                       y + 4,
                       i == 2         ? cgi_text_number(r->pool, top)
                       : top % 2 == 0 ? cgi_text_number(r->pool, top / 2)
                                      : "");
        }
    }
}

static void open_chart(request_rec *r, const char *label)
{
    ap_rprintf(r,
               "<svg class=\"chart\" viewBox=\"-44 -8 %d %d\" role=\"img\" "
               "aria-label=\"%s\">",
               PULSE_WIDTH + 50, PULSE_HEIGHT + 32, label);
}

static void tick(request_rec *r, double x, const char *class, const char *text)
{
    ap_rprintf(r, "<text class=\"tick %s\" x=\"%.1f\" y=\"%d\">%s</text>",
               class, x, PULSE_HEIGHT + 18, text);
}

void cgi_chart_pulse(request_rec *r, const cgi_view_t *view)
{
    const double step = (double)PULSE_WIDTH / CGI_PULSE_SLICES;
    uint32_t top = 0;
    int i;

    for (i = 0; i < CGI_PULSE_SLICES; i++) {
        if (view->good[i] + view->bad[i] > top) {
            top = view->good[i] + view->bad[i];
        }
    }
    top = round_up(top);
    open_chart(r, "Requests in each 10 seconds of the last 10 minutes");
    axis(r, top);
    for (i = 0; i < CGI_PULSE_SLICES; i++) {
        const double scale = (double)PULSE_HEIGHT / top;
        const double bad = view->bad[i] * scale;
        const char *title = apr_psprintf(
            r->pool, "%s requests, %s failed",
            cgi_text_number(r->pool, view->good[i] + view->bad[i]),
            cgi_text_number(r->pool, view->bad[i]));

        bar(r, "bad", i * step + 1, step - 2, 0, bad, title);
        bar(r, "good", i * step + 1, step - 2, bad,
            bad + view->good[i] * scale, title);
    }
    tick(r, 0, "", "10 min ago");
    tick(r, PULSE_WIDTH / 2.0, "mid", "5 min");
    tick(r, PULSE_WIDTH, "end", "now");
    ap_rputs("</svg>\n", r);
}

/* Buckets that the chart of times begins and ends with: 256 microseconds and
 * two minutes. What is beyond is in the last ones. */
#define TIMES_FROM 9
#define TIMES_TO 85

void cgi_chart_times(request_rec *r, const cgi_counts_t *counts)
{
    static const struct {
        apr_interval_time_t t;
        const char *text;
    } ticks[] = {{1000, "1 ms"},
                 {10000, "10 ms"},
                 {100000, "0.1 s"},
                 {1000000, "1 s"},
                 {10000000, "10 s"}};
    const double step = (double)PULSE_WIDTH / (TIMES_TO - TIMES_FROM);
    uint32_t n[TIMES_TO], top = 0;
    size_t k;
    int i;

    memset(n, 0, sizeof(n));
    for (i = 0; i < CGI_HISTOGRAM_BUCKETS; i++) {
        const int at = i < TIMES_FROM  ? TIMES_FROM
                       : i >= TIMES_TO ? TIMES_TO - 1
                                       : i;

        n[at] += counts->total.bucket[i];
        top = n[at] > top ? n[at] : top;
    }
    top = round_up(top);
    open_chart(r, "How many requests took how long");
    axis(r, top);
    for (i = TIMES_FROM; i < TIMES_TO; i++) {
        bar(r, "good", (i - TIMES_FROM) * step + 0.5, step - 1, 0,
            (double)n[i] * PULSE_HEIGHT / top,
            apr_psprintf(
                r->pool, "%s to %s: %s",
                cgi_text_time(r->pool, cgi_histogram_from((unsigned int)i)),
                cgi_text_time(r->pool,
                              cgi_histogram_from((unsigned int)i + 1)),
                cgi_text_number(r->pool, n[i])));
    }
    for (k = 0; k < sizeof(ticks) / sizeof(ticks[0]); k++) {
        tick(r, (cgi_histogram_bucket(ticks[k].t) - TIMES_FROM) * step, "mid",
             ticks[k].text);
    }
    ap_rputs("</svg>\n", r);
}

void cgi_chart_states(request_rec *r, const int states[CGI_STATE_MAX])
{
    double x = 0;
    int i, all = 0;

    for (i = 0; i < CGI_STATE_MAX; i++) {
        all += states[i];
    }
    ap_rputs("<svg class=\"bar\" viewBox=\"0 0 300 8\" "
             "preserveAspectRatio=\"none\" aria-hidden=\"true\">"
             "<rect class=\"none\" width=\"300\" height=\"8\"/>",
             r);
    for (i = 0; i < CGI_STATE_MAX; i++) {
        const double width = all ? 300.0 * states[i] / all : 0;

        if (states[i]) {
            ap_rprintf(r,
                       "<rect class=\"s-%s\" x=\"%.1f\" width=\"%.1f\" "
                       "height=\"8\"><title>%s: %d</title></rect>",
                       cgi_state_name((cgi_state_e)i), x, width,
                       cgi_state_name((cgi_state_e)i), states[i]);
        }
        x += width;
    }
    ap_rputs("</svg>", r);
}

void cgi_chart_bars(request_rec *r, const uint64_t *n, int count)
{
    uint64_t top = 1;
    int i;

    for (i = 0; i < count; i++) {
        top = n[i] > top ? n[i] : top;
    }
    ap_rprintf(r,
               "<svg class=\"spark\" viewBox=\"0 0 %d 16\" "
               "aria-hidden=\"true\">",
               count * 5);
    for (i = 0; i < count; i++) {
        const double height =
            n[i] ? 1.5 + 14.5 * ((double)n[i] / (double)top) : 0.6;

        ap_rprintf(r,
                   "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"4\" "
                   "height=\"%.1f\"/>",
                   n[i] ? "good" : "none", i * 5, 16 - height, height);
    }
    ap_rputs("</svg>", r);
}
