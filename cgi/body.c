/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The request body on its way from the client to the script's stdin
 * (RFC 3875, 4.2): as it arrives, or through a file.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apr_file_io.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "base/clock.h"
#include "cgi/exec_private.h"

CGI_EXEC_USE_LOG;

/* Collected before it is passed on; of a body that has filled a pipe, as much
 * as its pipe takes then. */
#define READ_SIZE (64 * 1024)
/* Buckets written at once. */
#define IOV_SIZE 32
/* Written to a file at once. Linux keeps free pages for pieces up to this
 * size at hand; larger ones cost more where memory is in use. */
#define FILE_PIECE (32 * 1024)
/* Moved before the other sources get their turn. */
#define TURN_SIZE (1024 * 1024)
/* So often the filters are asked in one turn: small pieces make many
 * buckets, and one such as INFLATE may take much in before it gives any. */
#define ASK_MAX 100

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

/* Add to what was collected. */
static void keep(cgi_exec_t *x, apr_bucket *b)
{
    if (!b->length) {
        apr_bucket_delete(b);
        return;
    }
    x->body_length += (apr_off_t)b->length;
    x->body_left -= (apr_off_t)b->length;
    APR_BUCKET_REMOVE(b);
    APR_BRIGADE_INSERT_TAIL(x->body_bb, b);
}

/* Take over one brigade of the input filters. */
static apr_status_t take(cgi_exec_t *x, apr_bucket_brigade *fresh)
{
    while (!APR_BRIGADE_EMPTY(fresh)) {
        apr_bucket *b = APR_BRIGADE_FIRST(fresh);
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            x->body_eos = 1;
            apr_brigade_cleanup(fresh);
        }
        else if (APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
        }
        else if (cgi_body_is_piped(b)) {
            x->body_piped = 0;
            keep(x, b);
        }
        else if ((rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ)) ||
                 (rv = apr_bucket_setaside(b, x->r->pool))) {
            return rv;
        }
        else {
            cgi_scriptlog_body(x, data, len);
            keep(x, b);
        }
    }
    return APR_SUCCESS;
}

/* Collect from the client what is worth a write: filters give it in small
 * pieces. @return APR_SUCCESS; or what the filters say, with nothing new */
static apr_status_t collect(cgi_exec_t *x, apr_read_type_e block)
{
    apr_status_t rv = APR_SUCCESS;
    apr_off_t before = x->body_length;
    apr_size_t wanted = x->body_large ? CGI_LARGE_PIPE : READ_SIZE;
    apr_size_t size = wanted;
    int asked;

    for (asked = 0; rv == APR_SUCCESS && !x->body_eos &&
                    x->body_length < (apr_off_t)wanted && asked < ASK_MAX;
         asked++) {
        if (x->body_large) {
            size = cgi_body_read_ahead(x, wanted);
        }
        rv = ap_get_brigade(x->r->input_filters, x->fresh_bb,
                            AP_MODE_READBYTES, block, (apr_off_t)size);
        if (rv == APR_SUCCESS) {
            rv = take(x, x->fresh_bb);
        }
    }
    if (x->body_length >= READ_SIZE && !x->body_large) {
        x->body_large = 1;
        if (x->stdin_fd >= 0) { /* fewer wake-ups, where the system allows */
            (void)fcntl(x->stdin_fd, F_SETPIPE_SZ, CGI_LARGE_PIPE);
        }
    }
    return APR_STATUS_IS_EAGAIN(rv) && x->body_length > before ? APR_SUCCESS
                                                               : rv;
}

void cgi_body_peek(cgi_exec_t *x)
{
    if (x->body != CGI_BODY_DONE && !x->r->expecting_100) {
        (void)collect(x, APR_NONBLOCK_READ);
    }
}

/* Drop what was passed on. */
static void consume(cgi_exec_t *x, apr_size_t n)
{
    x->body_length -= (apr_off_t)n;
    while (n) {
        apr_bucket *b = APR_BRIGADE_FIRST(x->body_bb);

        if (b->length > n) {
            apr_bucket_split(b, n);
        }
        n -= b->length;
        apr_bucket_delete(b);
    }
}

/* Pass on the beginning of what was collected, up to max bytes of memory.
 * @return as write() */
static ssize_t put(cgi_exec_t *x, int fd, apr_size_t max)
{
    apr_bucket *b = APR_BRIGADE_FIRST(x->body_bb);
    struct iovec iov[IOV_SIZE];
    ssize_t n;
    int niov = 0;

    if (cgi_body_is_piped(b)) {
        n = cgi_body_splice(b, fd);
        if (n > 0) {
            x->body_length -= n;
            if (!b->length) {
                apr_bucket_delete(b);
            }
        }
        if (n >= 0 || errno != EINVAL) {
            return n;
        }
    }
    do {
        const char *data;
        apr_size_t len;
        apr_status_t rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);

        if (rv != APR_SUCCESS) {
            errno = rv;
            return -1;
        }
        len = len < max ? len : max;
        max -= len;
        iov[niov].iov_base = (char *)data;
        iov[niov++].iov_len = len;
        b = APR_BUCKET_NEXT(b);
    } while (max && niov < IOV_SIZE && b != APR_BRIGADE_SENTINEL(x->body_bb) &&
             !cgi_body_is_piped(b));
    n = writev(fd, iov, niov);
    if (n > 0) {
        consume(x, (apr_size_t)n);
    }
    return n;
}

/* Read the whole body into the file. */
static int spool(cgi_exec_t *x)
{
    apr_file_t *file;
    apr_off_t zero = 0;
    apr_status_t rv;
    int rc;

    if ((rc = open_spool(x, &file)) != OK) {
        return rc;
    }
    while (!x->body_eos || x->body_length) {
        rv = collect(x, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return body_failed(x, rv);
        }
        while (x->body_length) {
            ssize_t n = put(x, x->spool_fd, FILE_PIECE);

            if (n < 0 && errno != EINTR) {
                return cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, errno,
                                "can't store the request body");
            }
            x->spool_length += n > 0 ? n : 0;
        }
    }
    rv = apr_file_seek(file, APR_SET, &zero);
    return rv == APR_SUCCESS ? OK
                             : cgi_fail(x, HTTP_INTERNAL_SERVER_ERROR, rv,
                                        "can't read the request body again");
}

/* A page for an error is a request of its own, a GET: what came with the one
 * that failed is not for its script. */
static int is_error_page(const request_rec *r)
{
    for (r = r->prev; r; r = r->prev) {
        if (ap_is_HTTP_ERROR(r->status)) {
            return 1;
        }
    }
    return 0;
}

int cgi_body_init(cgi_exec_t *x)
{
    request_rec *r = x->r;
    cgi_body_mode_e mode = x->options->dir->body_mode;
    int known, rc;

    x->body = CGI_BODY_DONE;
    if (is_error_page(r)) {
        x->body_withheld = 1;
        return OK;
    }
    if (r->main || !ap_request_has_body(r)) {
        x->body_withheld = r->header_only;
        return OK;
    }
    if ((rc = check_length(x)) != OK) {
        return rc;
    }
    known = length_is_known(r);
    if (known) {
        (void)apr_strtoff(&x->body_left,
                          apr_table_get(r->headers_in, "Content-Length"), NULL,
                          10); /* checked by httpd */
    }
    x->body_bb = apr_brigade_create(r->pool, x->c->bucket_alloc);
    x->fresh_bb = apr_brigade_create(r->pool, x->c->bucket_alloc);
    if (mode == CGI_BODY_UNSET || mode == CGI_BODY_AUTO) {
        mode = known ? CGI_BODY_STREAM : CGI_BODY_SPOOL;
    }
    if (mode == CGI_BODY_SPOOL) {
        return spool(x);
    }
    x->body = CGI_BODY_START;
    x->length_unknown = !known;
    return OK;
}

static void end_body(cgi_exec_t *x)
{
    apr_brigade_cleanup(x->body_bb);
    cgi_close_fd(&x->stdin_fd);
    x->body = CGI_BODY_DONE;
    x->body_more = 0;
}

/* Pass on what was collected, as far as there is room. @return bytes */
static apr_size_t pass_on(cgi_exec_t *x)
{
    apr_size_t moved = 0;

    x->body = CGI_BODY_FROM_CLIENT;
    while (x->body_length && !x->discard) {
        ssize_t n = put(x, x->stdin_fd, TURN_SIZE);

        if (n >= 0) {
            moved += (apr_size_t)n;
        }
        else if (errno == EAGAIN) {
            x->body = CGI_BODY_TO_SCRIPT;
            return moved;
        }
        else if (errno != EINTR) {
            /* EPIPE: a script need not read its body (RFC 3875, 4.2) */
            x->discard = 1;
            cgi_close_fd(&x->stdin_fd);
        }
    }
    moved += (apr_size_t)x->body_length;
    consume(x, (apr_size_t)x->body_length);
    if (x->body_eos) {
        end_body(x);
    }
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
    apr_size_t moved;
    apr_off_t before;
    apr_status_t rv;

    x->body_more = 0;
    moved = pass_on(x);
    while (x->body == CGI_BODY_FROM_CLIENT && !x->body_more) {
        before = x->body_length;
        rv = collect(x, APR_NONBLOCK_READ);
        if (APR_STATUS_IS_EAGAIN(rv)) {
            send_continue(x);
            break;
        }
        if (rv != APR_SUCCESS) {
            return body_failed(x, rv);
        }
        /* a filter may go on without the client; others have a turn first */
        x->body_more = x->body_length == before && !x->body_eos;
        moved += pass_on(x);
        x->body_more |= moved >= TURN_SIZE && x->body != CGI_BODY_DONE;
    }
    if (moved) {
        x->last_activity = x->last_given = cgi_clock_now();
    }
    return OK;
}
