/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The request body on its way from the client to the script's stdin
 * (RFC 3875, 4.2): as it arrives, or through a file.
 */

#include <errno.h>
#include <unistd.h>

#include "apr_file_io.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "exec_private.h"

CGI_EXEC_USE_LOG;

/* Asked of the input filters at once. */
#define READ_SIZE (64 * 1024)
/* Moved before the other sources get their turn. */
#define TURN_SIZE (1024 * 1024)
/* A filter such as INFLATE has taken something in but nothing to give yet:
 * so often it is asked again before the other sources get their turn. */
#define EMPTY_MAX 100

/* A read from the client failed. */
static int body_failed(cgi_exec_t *x, apr_status_t rv)
{
    if (x->c->aborted || APR_STATUS_IS_ECONNABORTED(rv) ||
        APR_STATUS_IS_ECONNRESET(rv)) {
        return cgi_client_left(x);
    }
    return cgi_reject(x, ap_map_http_request_error(rv, HTTP_BAD_REQUEST), rv,
                      "can't read the request body");
}

/* Only then does CONTENT_LENGTH tell what the script will read. */
static int length_is_known(const request_rec *r)
{
    return apr_table_get(r->headers_in, "Content-Length") &&
           !apr_table_get(r->headers_in, "Transfer-Encoding") &&
           r->input_filters == r->proto_input_filters;
}

/* LimitRequestBody, before anything is started for the request. */
static int check_length(cgi_exec_t *x)
{
    const char *value = apr_table_get(x->r->headers_in, "Content-Length");
    apr_off_t limit = ap_get_limit_req_body(x->r), length;

    if (limit > 0 && value &&
        apr_strtoff(&length, value, NULL, 10) == APR_SUCCESS &&
        length > limit) {
        return cgi_reject(x, HTTP_REQUEST_ENTITY_TOO_LARGE, 0,
                          "a body of %s bytes is over LimitRequestBody",
                          value);
    }
    return OK;
}

/* An unlinked file for the body. */
static int open_spool(cgi_exec_t *x, apr_file_t **file)
{
    apr_pool_t *p = x->r->pool;
    const char *dir;
    char *name;
    apr_status_t rv;

    if ((rv = apr_temp_dir_get(&dir, p)) != APR_SUCCESS) {
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, rv,
                        "no directory for temporary files");
    }
    name = apr_pstrcat(p, dir, "/cgi-body-XXXXXX", NULL);
    rv = apr_file_mktemp(file, name,
                         APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE |
                             APR_FOPEN_EXCL | APR_FOPEN_NOCLEANUP,
                         p);
    if (rv == APR_SUCCESS) {
        rv = apr_file_remove(name, p);
    }
    if (rv != APR_SUCCESS) {
        return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, rv,
                        "can't make a file for the request body in %s", dir);
    }
    apr_os_file_get(&x->spool_fd, *file);
    return OK;
}

/* Read the whole body into the file. */
static int spool(cgi_exec_t *x)
{
    request_rec *r = x->r;
    apr_bucket_brigade *bb = x->body_bb;
    apr_file_t *file;
    apr_off_t zero = 0;
    apr_status_t rv;
    int rc, eos = 0;

    if ((rc = open_spool(x, &file)) != OK) {
        return rc;
    }
    while (!eos) {
        apr_bucket *b;

        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES,
                            APR_BLOCK_READ, READ_SIZE);
        if (rv != APR_SUCCESS) {
            return body_failed(x, rv);
        }
        for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
             b = APR_BUCKET_NEXT(b)) {
            const char *data;
            apr_size_t len;

            if (APR_BUCKET_IS_EOS(b)) {
                eos = 1;
                break;
            }
            if (APR_BUCKET_IS_METADATA(b)) {
                continue;
            }
            rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
            if (rv != APR_SUCCESS) {
                return body_failed(x, rv);
            }
            rv = apr_file_write_full(file, data, len, NULL);
            if (rv != APR_SUCCESS) {
                return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, rv,
                                "can't store the request body");
            }
            cgi_scriptlog_body(x, data, len);
            x->spool_length += (apr_off_t)len;
        }
        apr_brigade_cleanup(bb);
    }
    rv = apr_file_seek(file, APR_SET, &zero);
    return rv == APR_SUCCESS ? OK
                             : cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, rv,
                                        "can't read the request body again");
}

int cgi_body_init(cgi_exec_t *x)
{
    request_rec *r = x->r;
    cgi_body_mode_e mode = x->options->dir->body_mode;
    int rc;

    x->body = CGI_BODY_DONE;
    if (r->main || !ap_request_has_body(r)) {
        return OK;
    }
    if ((rc = check_length(x)) != OK) {
        return rc;
    }
    x->body_bb = apr_brigade_create(r->pool, x->c->bucket_alloc);
    if (mode == CGI_BODY_UNSET || mode == CGI_BODY_AUTO) {
        mode = length_is_known(r) ? CGI_BODY_STREAM : CGI_BODY_SPOOL;
    }
    if (mode == CGI_BODY_SPOOL) {
        return spool(x);
    }
    x->body = CGI_BODY_START;
    x->length_unknown = !length_is_known(r);
    return OK;
}

static void end_body(cgi_exec_t *x)
{
    apr_brigade_cleanup(x->body_bb);
    cgi_close_fd(&x->stdin_fd);
    x->body = CGI_BODY_DONE;
    x->body_more = 0;
}

/* Write one bucket, or its first part. @return bytes, -1: no room now */
static ssize_t write_bucket(cgi_exec_t *x, const char *data, apr_size_t len)
{
    ssize_t n;

    do {
        n = write(x->stdin_fd, data, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        /* EPIPE: a script need not read its body (RFC 3875, 4.2) */
        x->discard = 1;
        cgi_close_fd(&x->stdin_fd);
        return (ssize_t)len;
    }
    return n;
}

/* Pass on what is in the brigade. @return bytes moved */
static apr_size_t pass_brigade(cgi_exec_t *x)
{
    apr_bucket_brigade *bb = x->body_bb;
    apr_size_t moved = 0;

    while (!APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);
        const char *data;
        apr_size_t len;
        ssize_t n;

        if (APR_BUCKET_IS_EOS(b)) {
            end_body(x);
            return moved;
        }
        if (APR_BUCKET_IS_METADATA(b) ||
            apr_bucket_read(b, &data, &len, APR_BLOCK_READ) != APR_SUCCESS) {
            apr_bucket_delete(b);
            continue;
        }
        n = x->discard ? (ssize_t)len : write_bucket(x, data, len);
        if (n < 0) {
            x->body = CGI_BODY_TO_SCRIPT;
            return moved;
        }
        cgi_scriptlog_body(x, data, (apr_size_t)n);
        moved += (apr_size_t)n;
        if ((apr_size_t)n < len) {
            apr_bucket_split(b, (apr_size_t)n);
        }
        apr_bucket_delete(b);
    }
    x->body = CGI_BODY_FROM_CLIENT;
    return moved;
}

/* The client waits for a sign that its body is wanted. httpd's filter gives
 * it for a read that waits, which ours do not. */
static void send_continue(cgi_exec_t *x)
{
    request_rec *r = x->r;
    const char *line = r->status_line;
    int status = r->status;

    if (!r->expecting_100 || x->phase != CGI_PHASE_HEADER) {
        return;
    }
    r->status = HTTP_CONTINUE;
    r->status_line = NULL;
    ap_send_interim_response(r, 0);
    r->status = status;
    r->status_line = line;
}

int cgi_body_step(cgi_exec_t *x)
{
    apr_size_t moved = 0;
    apr_status_t rv;
    int empty = 0;

    x->body_more = 0;
    moved = pass_brigade(x);
    while (x->body == CGI_BODY_FROM_CLIENT) {
        if (moved >= TURN_SIZE) {
            x->body_more = 1;
            break;
        }
        rv = ap_get_brigade(x->r->input_filters, x->body_bb, AP_MODE_READBYTES,
                            APR_NONBLOCK_READ, READ_SIZE);
        if (APR_STATUS_IS_EAGAIN(rv)) {
            send_continue(x);
            break;
        }
        if (rv != APR_SUCCESS) {
            return body_failed(x, rv);
        }
        if (APR_BRIGADE_EMPTY(x->body_bb) && ++empty >= EMPTY_MAX) {
            x->body_more = 1;
            break;
        }
        moved += pass_brigade(x);
    }
    if (moved) {
        x->last_activity = x->last_given = apr_time_now();
    }
    return OK;
}
