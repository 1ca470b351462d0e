/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * ScriptLog: what went wrong with a script, for the one who debugs it. The
 * file has the format that mod_cgi's has, so that the same eyes and tools
 * can read it: one block a failure, that starts with two lines of %%.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"

#include "base/errlines.h"
#include "cgi/scriptlog.h"

CGI_EXEC_USE_LOG;

/* mod_cgi's defaults, and a bound for what is kept in memory. */
#define LENGTH_DEFAULT 10385760
#define BUFFER_DEFAULT 1024
#define BUFFER_MAX (16 * 1024 * 1024)
/* So much of stderr is kept until it is known what it belongs to. */
#define ERRORS_SIZE (2 * (CGI_ERRLINE_MAX + 1))

struct cgi_scriptlog_t {
    cgi_request_t *q;
    const char *file;
    apr_off_t limit; /* a file larger than this grows no more */
    char *body;      /* the start of the request body */
    apr_size_t body_len, body_size;
    char *errors; /* lines of stderr, each ended by NUL */
    apr_size_t errors_len;
    int status; /* of a failure; 0: none */
    const char *message;
    int whole;        /* 1: the script ran and its header did not come */
    const char *head; /* what came of it */
    apr_size_t head_len;
};

static cgi_exec_server_t *server_of(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &CGI_EXEC_MODULE_SYM);
}

const char *cgi_exec_cmd_script_log(cmd_parms *cmd, void *dir, const char *arg)
{
    cgi_exec_server_t *server = server_of(cmd->server);

    (void)dir;
    server->script_log = ap_server_root_relative(cmd->pool, arg);
    return server->script_log ? NULL : "ScriptLog must be the path of a file";
}

/* A number of bytes. @return what is wrong with it, or NULL */
static const char *parse_bytes(cmd_parms *cmd, const char *arg, apr_off_t max,
                               apr_off_t *bytes)
{
    char *end;

    if (!apr_isdigit(*arg) || apr_strtoff(bytes, arg, &end, 10) || *end ||
        *bytes > max) {
        return apr_psprintf(cmd->pool,
                            "%s must be a number of bytes up to "
                            "%" APR_OFF_T_FMT ", not '%s'",
                            cmd->cmd->name, max, arg);
    }
    return NULL;
}

const char *cgi_exec_cmd_script_log_length(cmd_parms *cmd, void *dir,
                                           const char *arg)
{
    (void)dir;
    return parse_bytes(cmd, arg, APR_INT64_MAX,
                       &server_of(cmd->server)->script_log_length);
}

const char *cgi_exec_cmd_script_log_buffer(cmd_parms *cmd, void *dir,
                                           const char *arg)
{
    (void)dir;
    return parse_bytes(cmd, arg, BUFFER_MAX,
                       &server_of(cmd->server)->script_log_buffer);
}

cgi_scriptlog_t *cgi_scriptlog_make(cgi_request_t *q)
{
    const cgi_exec_server_t *server = server_of(q->r->server);
    cgi_scriptlog_t *log;

    if (!server->script_log) {
        return NULL;
    }
    log = apr_pcalloc(q->r->pool, sizeof(*log));
    log->q = q;
    log->file = server->script_log;
    log->limit = server->script_log_length < 0 ? LENGTH_DEFAULT
                                               : server->script_log_length;
    log->body_size = (apr_size_t)(server->script_log_buffer < 0
                                      ? BUFFER_DEFAULT
                                      : server->script_log_buffer);
    return log;
}

void cgi_scriptlog_body(cgi_scriptlog_t *log, const char *data, apr_size_t len)
{
    if (!log || log->body_len == log->body_size) {
        return;
    }
    if (!log->body) {
        log->body = apr_palloc(log->q->r->pool, log->body_size);
    }
    if (len > log->body_size - log->body_len) {
        len = log->body_size - log->body_len;
    }
    memcpy(log->body + log->body_len, data, len);
    log->body_len += len;
}

void cgi_scriptlog_failed(cgi_scriptlog_t *log, int whole, const char *head,
                          apr_size_t head_len)
{
    if (log && !log->status) {
        log->status = log->q->failure.status;
        log->message = log->q->failure.text;
        log->whole = whole;
        log->head = head;
        log->head_len = head_len;
    }
}

static void put_head(FILE *to, const cgi_scriptlog_t *log, int status)
{
    const request_rec *r = log->q->r;
    char now[APR_CTIME_LEN];

    apr_ctime(now, apr_time_now());
    fprintf(to, "%%%% [%s] %s %s%s%s %s\n", now, r->method,
            ap_escape_logitem(r->pool, r->uri), r->args ? "?" : "",
            r->args ? ap_escape_logitem(r->pool, r->args) : "", r->protocol);
    fprintf(to, "%%%% %d %s\n", status, log->q->options->script);
}

static void put_error(FILE *to, const cgi_scriptlog_t *log, int status,
                      const char *message)
{
    put_head(to, log, status);
    fprintf(to, "%%error\n%s\n", message);
}

/* Each line of stderr is an error of its own. */
static void put_errors(FILE *to, const cgi_scriptlog_t *log)
{
    apr_size_t at;

    for (at = 0; at < log->errors_len; at += strlen(log->errors + at) + 1) {
        put_error(to, log, log->q->r->status, log->errors + at);
    }
    if (log->status) {
        put_error(to, log, log->status, log->message);
    }
}

static void put_fields(FILE *to, const apr_table_t *table)
{
    const apr_array_header_t *array = apr_table_elts(table);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    int i;

    for (i = 0; i < array->nelts; i++) {
        fprintf(to, "%s: %s\n", elts[i].key, elts[i].val);
    }
}

static void put_bytes(FILE *to, const char *data, apr_size_t len)
{
    fwrite(data, 1, len, to);
    if (len && data[len - 1] != '\n') {
        putc('\n', to);
    }
}

/* What the script has printed: its header with the line that is none is the
 * response, the rest is its output. @return length of the first part */
static apr_size_t header_length(const char *data, apr_size_t len)
{
    apr_size_t at = 0, i;

    while (at < len) {
        const char *line = data + at;
        const char *end = memchr(line, '\n', len - at);
        apr_size_t line_len = end ? (apr_size_t)(end - line) + 1 : len - at;

        at += line_len;
        for (i = 0; i < line_len && apr_isgraph(line[i]) && line[i] != ':';
             i++) {
            ;
        }
        if (!i || i == line_len || line[i] != ':') {
            break;
        }
    }
    return at;
}

/* Without an answer: the whole story. */
static void put_whole(FILE *to, const cgi_scriptlog_t *log)
{
    const request_rec *r = log->q->r;
    apr_size_t header = header_length(log->head, log->head_len), at;

    put_head(to, log, log->status);
    fputs("%request\n", to);
    put_fields(to, r->headers_in);
    if (log->body_len) {
        putc('\n', to);
        fwrite(log->body, 1, log->body_len, to);
        putc('\n', to);
    }
    fputs("%response\n", to);
    put_fields(to, r->err_headers_out);
    put_bytes(to, log->head, header);
    if (header < log->head_len) {
        fputs("%stdout\n", to);
        fwrite(log->head + header, 1, log->head_len - header, to);
        putc('\n', to);
    }
    if (log->errors_len) {
        fputs("%stderr\n", to);
        for (at = 0; at < log->errors_len;
             at += strlen(log->errors + at) + 1) {
            fprintf(to, "%s\n", log->errors + at);
        }
        putc('\n', to);
    }
}

/* Write at the end of the file, in one piece: others do the same. */
static apr_status_t append(const char *name, apr_off_t limit, const char *data,
                           apr_size_t len)
{
    struct stat st;
    apr_status_t rv = APR_SUCCESS;
    int fd;

    if (!stat(name, &st) && st.st_size > limit) {
        return APR_SUCCESS;
    }
    fd =
        open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) {
        return errno;
    }
    if (write(fd, data, len) < 0) {
        rv = errno;
    }
    close(fd);
    return rv;
}

/* Write what is known so far. */
static void flush(cgi_scriptlog_t *log)
{
    char *data = NULL;
    size_t len = 0;
    apr_status_t rv = APR_ENOMEM;
    FILE *to;

    if (!log->status && !log->errors_len) {
        return;
    }
    if ((to = open_memstream(&data, &len)) != NULL) {
        if (log->status && log->whole) {
            put_whole(to, log);
        }
        else {
            put_errors(to, log);
        }
        if (fclose(to) == 0) {
            rv = append(log->file, log->limit, data, len);
        }
        free(data);
    }
    log->errors_len = 0;
    log->status = 0;
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, log->q->r,
                      "%s: can't write to ScriptLog %s",
                      log->q->options->script, log->file);
    }
}

void cgi_scriptlog_stderr(cgi_scriptlog_t *log, const char *line)
{
    apr_size_t size;

    if (!log) {
        return;
    }
    size = strlen(line) + 1;
    if (!log->errors) {
        log->errors = apr_palloc(log->q->r->pool, ERRORS_SIZE);
    }
    if (size > ERRORS_SIZE - log->errors_len) {
        flush(log);
    }
    memcpy(log->errors + log->errors_len, line, size);
    log->errors_len += size;
}

void cgi_scriptlog_end(cgi_scriptlog_t *log)
{
    if (log) {
        flush(log);
    }
}
