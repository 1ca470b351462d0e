/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_strings.h"

#include "base/errlines.h"

void cgi_errlines_init(cgi_errlines_t *lines, cgi_errline_fn *emit,
                       void *baton, apr_time_t now)
{
    lines->emit = emit;
    lines->baton = baton;
    lines->len = 0;
    lines->cut = 0;
    lines->dropped = 0;
    lines->allowance = CGI_ERRLINES_BURST;
    lines->refilled = now;
}

static void report_dropped(cgi_errlines_t *lines)
{
    char text[80];

    if (lines->dropped) {
        apr_snprintf(text, sizeof(text),
                     "(%lu more lines were dropped: too many at once)",
                     lines->dropped);
        lines->emit(lines->baton, text);
        lines->dropped = 0;
    }
}

/* A bucket of tokens: one a line. */
static int may_emit(cgi_errlines_t *lines, apr_time_t now)
{
    apr_time_t due =
        (now - lines->refilled) * CGI_ERRLINES_RATE / APR_USEC_PER_SEC;

    if (due < 0) { /* the clock was set back */
        lines->refilled = now;
    }
    if (due > 0) {
        lines->refilled += due * APR_USEC_PER_SEC / CGI_ERRLINES_RATE;
        lines->allowance = due + lines->allowance > CGI_ERRLINES_BURST
                               ? CGI_ERRLINES_BURST
                               : lines->allowance + (unsigned int)due;
    }
    if (!lines->allowance) {
        return 0;
    }
    lines->allowance--;
    return 1;
}

static void end_line(cgi_errlines_t *lines, apr_time_t now)
{
    if (lines->len && lines->line[lines->len - 1] == '\r') {
        lines->len--;
    }
    if (!may_emit(lines, now)) {
        lines->dropped++;
    }
    else {
        report_dropped(lines);
        lines->line[lines->len] = '\0';
        if (lines->cut) {
            memcpy(lines->line + lines->len - 3, "...", 3);
        }
        lines->emit(lines->baton, lines->line);
    }
    lines->len = 0;
    lines->cut = 0;
}

void cgi_errlines_add(cgi_errlines_t *lines, const char *data, apr_size_t len,
                      apr_time_t now)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        if (data[i] == '\n') {
            end_line(lines, now);
        }
        else if (lines->len < CGI_ERRLINE_MAX) {
            lines->line[lines->len++] = data[i] ? data[i] : ' ';
        }
        else {
            lines->cut = 1;
        }
    }
}

void cgi_errlines_end(cgi_errlines_t *lines, apr_time_t now)
{
    if (lines->len) {
        end_line(lines, now);
    }
    report_dropped(lines);
}
