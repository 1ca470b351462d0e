/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGIDebug: who gets a page instead of a response, and the page. It is a text:
 * nothing of what scripts and clients say can be markup in it.
 */

#include <stdlib.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "ap_expr.h"
#include "http_log.h"
#include "http_protocol.h"

#include "base/clock.h"
#include "base/header.h"
#include "cgi/debug.h"
#include "cgi/directives.h"
#include "cgi/stderrfile.h"
#include "cgi/status_view.h"

CGI_EXEC_USE_LOG;

/* So much is kept of stdout and of stderr. */
#define OUTPUT_MAX (1024 * 1024)
#define ERRORS_MAX (64 * 1024)
#define FIRST_SIZE 4096

struct cgi_debug_rule_t {
    const ap_expr_info_t *admits; /* NULL: nobody */
};

typedef struct text_t {
    char *data; /* ended by NUL */
    apr_size_t len, size, max;
    int cut; /* 1: there was more */
} text_t;

struct cgi_debug_t {
    apr_pool_t *pool;
    apr_time_t begun, at[CGI_DEBUG_AT_MAX]; /* 0: it has not happened */
    const cgi_wire_request_t *message;      /* NULL: no launcher was asked */
    text_t output, errors;
    apr_size_t scanned, header; /* header: its length; 0: it has not ended */
};

static const char *const at_names[CGI_DEBUG_AT_MAX] = {
    "the request body is in a file", "a launcher is asked for the script",
    "it has made a process",         "the process executes the script",
    "the first byte of output",      "the header is complete",
    "the output has ended",          "the exit status is known"};

/* ---- the directive ---- */

const char *cgi_exec_cmd_debug(cmd_parms *cmd, void *mconfig, const char *arg)
{
    static const cgi_debug_rule_t off = {NULL};
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    cgi_debug_rule_t *rule;
    const char *error = NULL;

    if (!ap_cstr_casecmp(arg, "off")) {
        dir->debug = &off;
        return NULL;
    }
    if (!ap_cstr_casecmp(arg, "on")) {
        return "CGIDebug must be off or an expression that says which "
               "requests get its page: it shows what must not be public";
    }
    rule = apr_palloc(cmd->pool, sizeof(*rule));
    /* A response to somebody else does not depend on it. */
    rule->admits =
        ap_expr_parse_cmd(cmd, arg, AP_EXPR_FLAG_DONT_VARY, &error, NULL);
    if (error) {
        return apr_pstrcat(cmd->pool,
                           "CGIDebug must be off or an expression as of "
                           "Require expr: ",
                           error, NULL);
    }
    dir->debug = rule;
    return NULL;
}

/* ---- what is collected ---- */

cgi_debug_t *cgi_debug_make(const cgi_request_t *q)
{
    const cgi_debug_rule_t *rule = q->options->dir->debug;
    request_rec *r = q->r;
    const char *error = NULL;
    cgi_debug_t *debug;
    int admitted;

    /* A page of it within another page would be for whom that one is. */
    if (!rule || !rule->admits || r->main) {
        return NULL;
    }
    admitted = ap_expr_exec(r, rule->admits, &error);
    if (error) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CGIDebug: its expression fails: %s", error);
        return NULL;
    }
    if (admitted <= 0) {
        return NULL;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CGIDebug answers");
    debug = apr_pcalloc(r->pool, sizeof(*debug));
    debug->pool = r->pool;
    debug->begun = cgi_clock_now();
    debug->output.max = OUTPUT_MAX;
    debug->errors.max = ERRORS_MAX;
    return debug;
}

void cgi_debug_at(cgi_debug_t *debug, cgi_debug_at_e what)
{
    if (debug && !debug->at[what]) {
        debug->at[what] = cgi_clock_now();
    }
}

void cgi_debug_start(cgi_debug_t *debug, const cgi_wire_request_t *message)
{
    if (debug) {
        debug->message = apr_pmemdup(debug->pool, message, sizeof(*message));
        cgi_debug_at(debug, CGI_DEBUG_ASKED);
    }
}

static void add(text_t *text, const char *data, apr_size_t len, apr_pool_t *p)
{
    char *larger;

    if (len > text->max - text->len) {
        len = text->max - text->len;
        text->cut = 1;
    }
    if (text->len + len >= text->size) {
        do {
            text->size = text->size ? text->size * 2 : FIRST_SIZE;
        } while (text->len + len >= text->size);
        larger = apr_palloc(p, text->size);
        if (text->len) {
            memcpy(larger, text->data, text->len);
        }
        text->data = larger;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void cgi_debug_output(cgi_debug_t *debug, const char *data, apr_size_t len)
{
    if (!debug) {
        return;
    }
    cgi_debug_at(debug, CGI_DEBUG_FIRST);
    add(&debug->output, data, len, debug->pool);
    if (!debug->header) {
        debug->header = cgi_header_end(debug->output.data, debug->output.len,
                                       &debug->scanned);
        if (debug->header) {
            cgi_debug_at(debug, CGI_DEBUG_HEADER);
        }
    }
}

void cgi_debug_errors(cgi_debug_t *debug, const char *data, apr_size_t len)
{
    if (debug) {
        add(&debug->errors, data, len, debug->pool);
    }
}

int cgi_debug_is_full(const cgi_debug_t *debug)
{
    return debug && debug->output.cut;
}

/* ---- the page: texts ---- */

/* On one line, whatever is in it. */
static void put_bytes(request_rec *r, const char *data, apr_size_t len)
{
    apr_size_t i = 0, start = 0;
    int n;

    while (i < len) {
        n = data[i] == '\t' ? 1 : cgi_text_character(data + i);
        if (n && i + (apr_size_t)n <= len) {
            i += (apr_size_t)n;
            continue;
        }
        ap_rwrite(data + start, (int)(i - start), r);
        if (data[i] == '\n' || data[i] == '\r') {
            ap_rputs(data[i] == '\n' ? "\\n" : "\\r", r);
        }
        else {
            ap_rprintf(r, "\\x%02x", (unsigned char)data[i]);
        }
        start = ++i;
    }
    ap_rwrite(data + start, (int)(i - start), r);
}

static void put(request_rec *r, const char *text)
{
    put_bytes(r, text, strlen(text));
}

static void put_title(request_rec *r, const char *title)
{
    ap_rvputs(r, "\n", title, "\n\n", NULL);
}

static void put_row(request_rec *r, const char *name, const char *value)
{
    ap_rprintf(r, "  %-12s ", name);
    put(r, value);
    ap_rputc('\n', r);
}

/* Each line behind a mark: what is text of the page is not to be taken for
 * what the script says, nor the other way round. */
static void put_lines(request_rec *r, const char *mark, const char *data,
                      apr_size_t len)
{
    apr_size_t at = 0, n;
    const char *end;

    while (at < len) {
        end = memchr(data + at, '\n', len - at);
        n = end ? (apr_size_t)(end - data) - at : len - at;
        ap_rputs(mark, r);
        put_bytes(r, data + at, n);
        ap_rputc('\n', r);
        at += n + 1;
    }
}

/* ---- the page: its parts ---- */

/* What a good header and all of the body would have come to. */
static const char *judge(const cgi_debug_t *debug, const cgi_request_t *q,
                         const cgi_header_t *header)
{
    apr_pool_t *p = q->r->pool;
    const apr_off_t length =
        (apr_off_t)debug->output.len - (apr_off_t)debug->header;
    const char *text;

    if (header->location && !header->status) {
        return *header->location == '/'
                   ? apr_pstrcat(p, "the answer is that of ", header->location,
                                 " (local redirect)", NULL)
                   : apr_pstrcat(p, "302, to ", header->location, NULL);
    }
    text = apr_psprintf(p, "%s, %s",
                        header->status_line ? header->status_line
                        : header->status    ? apr_itoa(p, header->status)
                                            : "200 OK",
                        header->content_type ? header->content_type
                                             : "without a Content-Type");
    if (apr_table_get(header->fields, "X-Sendfile")) {
        return apr_pstrcat(p, text,
                           "; the body is a file, if CGISendfile "
                           "allows it: ",
                           apr_table_get(header->fields, "X-Sendfile"), NULL);
    }
    if (header->content_length > length && !debug->output.cut &&
        !q->r->header_only) {
        return apr_psprintf(p,
                            "%s; cut off: its body is %" APR_OFF_T_FMT
                            " bytes shorter than its Content-Length",
                            text, header->content_length - length);
    }
    if (header->content_length >= 0 && header->content_length < length) {
        return apr_psprintf(p,
                            "%s; the last %" APR_OFF_T_FMT
                            " bytes are over its Content-Length, and are not "
                            "sent",
                            text, length - header->content_length);
    }
    return text;
}

/* What would have been answered, in a sentence. */
static const char *result(const cgi_debug_t *debug, const cgi_request_t *q)
{
    const int is_raw = q->nph && !q->c->master;
    apr_pool_t *p = q->r->pool;
    const char *error = NULL;
    cgi_header_t header = {0};

    if (q->failure.text) {
        return apr_psprintf(p, "%d: %s", q->failure.status, q->failure.text);
    }
    if (!debug->header) {
        error = debug->output.len >= CGI_HEADER_MAX
                    ? "its header is too large"
                    : "its header does not end with an empty line";
    }
    else if (debug->header > CGI_HEADER_MAX) {
        error = "its header is too large";
    }
    else {
        error = cgi_header_parse(&header, debug->output.data, debug->header,
                                 q->nph, p);
    }
    if (is_raw) {
        return apr_pstrcat(p, "the output is sent as it is (NPH)",
                           error ? "; but " : "", error, NULL);
    }
    return error ? apr_psprintf(p, "%d: bad header: %s",
                                debug->header && header.transfer_coding
                                    ? HTTP_BAD_GATEWAY
                                    : HTTP_INTERNAL_SERVER_ERROR,
                                error)
                 : judge(debug, q, &header);
}

static void put_directive(request_rec *r, const ap_directive_t *d)
{
    const ap_directive_t *in;

    ap_rputs("  ", r);
    put(r, d->directive);
    ap_rputc(' ', r);
    put(r, d->args ? d->args : "");
    for (in = d->parent; in; in = in->parent) {
        ap_rputs(in == d->parent ? "   in " : " in ", r);
        put(r, in->directive);
        ap_rputc(' ', r);
        put(r, in->args ? in->args : "");
    }
    ap_rputs("   (", r);
    put(r, d->filename ? d->filename : "-C or -c");
    ap_rprintf(r, ":%d)\n", d->line_num);
}

/* In the order in which they were merged. @return how many */
static int put_directives(request_rec *r, const cgi_exec_dir_t *dir)
{
    apr_array_header_t *lines =
        apr_array_make(r->pool, 8, sizeof(const ap_directive_t *));
    const cgi_exec_line_t *line;
    int i, n;

    if (!dir || !dir->is_set) {
        return 0;
    }
    n = put_directives(r, dir->outer) + put_directives(r, dir->inner);
    for (line = dir->lines; line; line = line->before) {
        APR_ARRAY_PUSH(lines, const ap_directive_t *) = line->directive;
    }
    for (i = lines->nelts - 1; i >= 0; i--) {
        put_directive(r, APR_ARRAY_IDX(lines, i, const ap_directive_t *));
    }
    return n + lines->nelts;
}

static void put_choice(request_rec *r, const cgi_exec_options_t *options)
{
    apr_array_header_t *lines =
        apr_array_make(r->pool, 16, sizeof(const char *));
    int i;

    put_title(r, "What was chosen");
    put_row(r, "URL path", r->uri);
    put_row(r, "script", options->script ? options->script : "none");
    put_row(r, "path info", r->path_info ? r->path_info : "");
    if (options->root) {
        put_row(r, "root", options->root);
    }
    if (options->explain) {
        options->explain(r, lines);
    }
    for (i = 0; i < lines->nelts; i++) {
        ap_rputs("  - ", r);
        put(r, APR_ARRAY_IDX(lines, i, const char *));
        ap_rputc('\n', r);
    }
    put_title(r, "Directives of this module that hold here (of several about "
                 "one thing, the last)");
    if (!put_directives(r, options->dir)) {
        ap_rputs("  none\n", r);
    }
}

static void put_words(request_rec *r, const char *name,
                      const char *const *words)
{
    int i;

    for (i = 0; words && words[i]; i++) {
        put_row(r, apr_psprintf(r->pool, "%s[%d]", name, i), words[i]);
    }
}

static void put_process(request_rec *r, const cgi_debug_t *debug,
                        const cgi_script_t *script, const char *how)
{
    const cgi_wire_request_t *m = debug->message;

    put_title(r, "The process");
    if (!m) {
        ap_rputs("  none: no launcher was asked\n", r);
        return;
    }
    put_row(r, "program", m->path);
    put_words(r, "argv", m->argv);
    put_row(r, "directory", m->dir);
    if (m->identity) {
        ap_rputs("  It has another user or root. Its launcher puts program, "
                 "arguments and directory\n  together itself, from the route "
                 "and these values, and passes on harmless variables:\n",
                 r);
        put_words(r, "value", m->values);
    }
    if (script->warm) {
        put_row(r, "interpreter", "loaded before, by CGIWarm");
    }
    if (script->pid) {
        put_row(r, "pid", apr_itoa(r->pool, (int)script->pid));
    }
    put_row(r, "end",
            script->exited       ? how
            : script->fail_errno ? "it could not be started"
            : script->pid        ? "it had not ended, and is ended with the "
                                   "request"
                                 : "it is not known to have begun");
}

static void put_times(request_rec *r, const cgi_debug_t *debug)
{
    int i;

    put_title(r, "Times since the module got the request");
    for (i = 0; i <= CGI_DEBUG_AT_MAX; i++) {
        apr_time_t at = i < CGI_DEBUG_AT_MAX ? debug->at[i] : cgi_clock_now();
        apr_interval_time_t t = at - debug->begun;

        if (at) {
            ap_rprintf(r, "  %8" APR_INT64_T_FMT ".%03d ms  %s\n", t / 1000,
                       (int)(t % 1000),
                       i < CGI_DEBUG_AT_MAX ? at_names[i]
                                            : "the request is over");
        }
    }
}

/* Does the name say that the value is nobody else's business? */
static int is_secret(const char *name, apr_size_t len)
{
    static const char *const words[] = {"PASS",    "SECRET",        "TOKEN",
                                        "KEY",     "AUTHORIZATION", "COOKIE",
                                        "AUTH_PW", "CREDENTIAL"};
    apr_size_t i, k;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        apr_size_t n = strlen(words[i]);

        for (k = 0; k + n <= len; k++) {
            if (!ap_cstr_casecmpn(name + k, words[i], n)) {
                return 1;
            }
        }
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_environment(request_rec *r, const cgi_debug_t *debug)
{
    const char *const *env = debug->message ? debug->message->env : NULL;
    const char **sorted;
    size_t i, n = 0;

    put_title(r, "Its environment");
    while (env && env[n]) {
        n++;
    }
    sorted = apr_palloc(r->pool, (n + 1) * sizeof(*sorted));
    for (i = 0; i < n; i++) {
        sorted[i] = env[i];
    }
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (i = 0; i < n; i++) {
        apr_size_t name = strcspn(sorted[i], "=");

        ap_rputs("  ", r);
        if (is_secret(sorted[i], name)) {
            put_bytes(r, sorted[i], name);
            ap_rputs("=(not shown)\n", r);
        }
        else {
            put(r, sorted[i]);
            ap_rputc('\n', r);
        }
    }
}

static void put_output(request_rec *r, const cgi_debug_t *debug,
                       const cgi_request_t *q)
{
    const text_t *errors = &debug->errors, *output = &debug->output;
    apr_size_t header = debug->header;

    put_title(r, "Its standard error");
    if (cgi_stderr_fd(q->options->dir) >= 0) {
        ap_rputs("  is where CGIStderr says\n", r);
    }
    put_lines(r, "stderr | ", errors->data, errors->len);
    if (errors->cut) {
        ap_rprintf(r, "  and more than these %d bytes\n", ERRORS_MAX);
    }
    put_title(r, "Its standard output");
    put_lines(r, "header | ", output->data, header);
    put_lines(r, header ? "body   | " : "none   | ",
              header ? output->data + header : output->data,
              output->len - header);
    if (output->cut) {
        ap_rprintf(r,
                   "  and more than these %d bytes: the rest was not read\n",
                   OUTPUT_MAX);
    }
}

static void begin_page(request_rec *r)
{
    /* Filters of content would make something of it: mod_include, which runs
     * what a page says, is one. */
    r->output_filters = r->proto_output_filters;
    r->status = HTTP_OK;
    r->status_line = NULL;
    apr_table_unset(r->err_headers_out, "Retry-After");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'");
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_rputs("CGIDebug: ", r);
    put(r, r->the_request ? r->the_request : r->uri);
    ap_rputs("\n\nWithout CGIDebug: ", r);
}

int cgi_debug_answer(cgi_debug_t *debug, const cgi_request_t *q,
                     const cgi_script_t *script, const char *how)
{
    request_rec *r = q->r;

    begin_page(r);
    put(r, result(debug, q));
    ap_rputc('\n', r);
    put_choice(r, q->options);
    put_process(r, debug, script, how);
    put_times(r, debug);
    put_environment(r, debug);
    put_output(r, debug, q);
    return OK;
}

int cgi_exec_explain(request_rec *r, const cgi_exec_options_t *options,
                     const char *why)
{
    const cgi_request_t q = {.r = r, .options = options};

    if (!cgi_debug_make(&q)) {
        return DECLINED;
    }
    begin_page(r);
    put(r, why);
    ap_rputc('\n', r);
    put_choice(r, options);
    return OK;
}
