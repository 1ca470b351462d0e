/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The script's output on its way to the client (RFC 3875, 6).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apr_date.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_script.h"

#include "base/clock.h"
#include "cgi/compat.h"
#include "cgi/exec_private.h"

CGI_EXEC_USE_LOG;

/* First size of the header's buffer, and the least that a read of the body
 * has room for. */
#define READ_SMALL 8000
/* Of a pipe as Linux makes it. A full one is worth a larger. */
#define PIPE_SIZE (64 * 1024)
/* So much is collected before it goes down the filters. */
#define PASS_SIZE (128 * 1024)
/* Most scripts end right after their first output: then the length is known
 * and all goes out in one piece. */
#define HOLD_TIME apr_time_from_msec(1)

/* Nothing but the connection's own filters may see raw output. */
static void remove_filters(request_rec *r)
{
    ap_filter_t *f = r->proto_output_filters;

    while (f && f->frec->ftype < AP_FTYPE_CONNECTION) {
        f = f->next;
    }
    r->output_filters = r->proto_output_filters = f;
}

int cgi_response_init(cgi_exec_t *x)
{
    request_rec *r = x->r;

    if (!x->options->nph) {
        return OK;
    }
    if (r->main) {
        return cgi_fail(x, HTTP_FORBIDDEN, 0,
                        "a script with raw output can't be included");
    }
    /* On HTTP/2 there is no raw connection: what the script prints is read
     * as an HTTP/1 response. */
    x->nph = !x->c->master;
    return OK;
}

/* Hand over to the filters what is pending. */
static int pass(cgi_exec_t *x)
{
    apr_status_t rv;

    x->out_pending = 0;
    rv = ap_pass_brigade(x->r->output_filters, x->out_bb);
    apr_brigade_cleanup(x->out_bb);
    if (x->c->aborted) {
        return cgi_client_left(x);
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, x->r,
                      "%s: its response can't be sent", x->options->script);
        x->c->keepalive = AP_CONN_CLOSE;
        x->phase = CGI_PHASE_DONE;
        return AP_FILTER_ERROR;
    }
    return OK;
}

static int pass_with(cgi_exec_t *x, apr_bucket *b)
{
    APR_BRIGADE_INSERT_TAIL(x->out_bb, b);
    return pass(x);
}

/* Is the answer a header alone? Not so of raw output, nor in a page. */
static int is_head(const cgi_exec_t *x)
{
    return x->r->header_only && !x->nph && !x->r->main;
}

int cgi_response_flush(cgi_exec_t *x)
{
    int rc;

    x->streaming = 1;
    x->sent_at = cgi_clock_now();
    rc = pass_with(x, apr_bucket_flush_create(x->c->bucket_alloc));
    if (rc == OK && is_head(x)) {
        /* httpd drops what came with the header, the flush too; of what is
         * to come HTTP/2 would make frames. */
        x->drop_body = 1;
        cgi_response_push(x);
    }
    return rc;
}

int cgi_response_is_due(const cgi_exec_t *x)
{
    if (x->phase != CGI_PHASE_BODY || x->hold_until) {
        return 0;
    }
    return x->out_pending || (is_head(x) && !x->streaming && !x->redirect &&
                              !x->sendfile && x->status == OK);
}

int cgi_response_probe(cgi_exec_t *x)
{
    request_rec *r = x->r;
    const char *line = r->status_line;
    int status = r->status;

    if (x->phase == CGI_PHASE_BODY) {
        return x->sent_at > x->gone_at;
    }
    if (x->phase != CGI_PHASE_HEADER || x->nph || r->main || x->c->master ||
        x->client_fd < 0 || r->proto_num < HTTP_VERSION(1, 1)) {
        return 0;
    }
    r->status = HTTP_PROCESSING;
    r->status_line = NULL;
    ap_send_interim_response(r, 0);
    r->status = status;
    r->status_line = line;
    return 1;
}

/* Take bytes of the body, in a buffer of the bucket allocator that this
 * function then owns. */
static void add_body(cgi_exec_t *x, char *buf, apr_size_t len)
{
    apr_size_t room = len;

    x->total += (apr_off_t)len;
    if (x->length_left >= 0) {
        if ((apr_off_t)room > x->length_left) {
            room = (apr_size_t)x->length_left;
        }
        x->length_left -= (apr_off_t)room;
    }
    if (x->drop_body || !room) {
        apr_bucket_free(buf);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(x->out_bb,
                            apr_bucket_heap_create(buf, room, apr_bucket_free,
                                                   x->c->bucket_alloc));
    x->out_pending += (apr_off_t)room;
}

/* 103 Early Hints: only what a client may use before the final header. */
static void send_early_hints(cgi_exec_t *x, const cgi_header_t *header)
{
    request_rec *r = x->r;
    apr_table_t *headers_out = r->headers_out;
    const char *line = r->status_line;
    int status = r->status;
    const apr_array_header_t *array = apr_table_elts(header->fields);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    int i;

    r->headers_out = apr_table_make(r->pool, 2);
    for (i = 0; i < array->nelts; i++) {
        if (!ap_cstr_casecmp(elts[i].key, "Link")) {
            apr_table_addn(r->headers_out, elts[i].key, elts[i].val);
        }
    }
    if (!apr_is_empty_table(r->headers_out)) {
        cgi_compat_send_early_hints(r);
    }
    r->headers_out = headers_out;
    r->status = status;
    r->status_line = line;
}

/* A date in the future, or none, is not passed on (RFC 9110, 8.8.2.1). */
static void set_last_modified(request_rec *r, const char *value)
{
    apr_time_t t = apr_date_parse_http(value);

    if (t != APR_DATE_BAD) {
        ap_update_mtime(r, t);
        ap_set_last_modified(r);
    }
}

/* Fields go where httpd's own handlers put theirs: err_headers_out survives
 * an error page, headers_out does not. */
static void apply_fields(cgi_exec_t *x, const cgi_header_t *header)
{
    request_rec *r = x->r;
    const apr_array_header_t *array = apr_table_elts(header->fields);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    int i;

    for (i = 0; i < array->nelts; i++) {
        const char *name = elts[i].key, *value = elts[i].val;

        if (!ap_cstr_casecmp(name, "Set-Cookie")) {
            apr_table_addn(r->err_headers_out, name, value);
        }
        else if (!ap_cstr_casecmp(name, "Last-Modified")) {
            set_last_modified(r, value);
        }
        else if (!ap_cstr_casecmp(name, "ETag") ||
                 !ap_cstr_casecmp(name, "Content-Range")) {
            apr_table_setn(r->headers_out, name, value);
        }
        else {
            apr_table_mergen(r->err_headers_out, name, value);
        }
    }
    if (header->content_type) {
        char *type = apr_pstrdup(r->pool, header->content_type);

        ap_content_type_tolower(type);
        ap_set_content_type(r, type);
    }
    if (header->location) {
        apr_table_setn(r->headers_out, "Location", header->location);
    }
    if (header->content_length >= 0) {
        ap_set_content_length(r, header->content_length);
        x->length_left = header->content_length;
    }
}

/* X-Sendfile goes no further than here. @return the file to send, or NULL */
static const char *take_sendfile(cgi_exec_t *x, const cgi_header_t *header)
{
    const char *file = apr_table_get(header->fields, "X-Sendfile");
    const apr_array_header_t *dirs = x->options->dir->sendfile_dirs;

    if (!file) {
        return NULL;
    }
    apr_table_unset(header->fields, "X-Sendfile");
    if (!dirs || !dirs->nelts) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, x->r,
                      "%s: X-Sendfile is ignored: there is no CGISendfile "
                      "here",
                      x->options->script);
        return NULL;
    }
    /* Without a body there is nothing to take the place of. */
    return (header->location && !header->status) ||
                   AP_STATUS_IS_HEADER_ONLY(header->status)
               ? NULL
               : file;
}

/* Only a script that leaves the status open leaves it to httpd to answer 304
 * or 412; a file is httpd's own affair. */
static int may_be_unmodified(const cgi_exec_t *x, const cgi_header_t *header)
{
    return x->r->method_number == M_GET &&
           (header->status ? header->status == HTTP_OK && x->sendfile
                           : !header->location);
}

/* Act on a whole header. @return OK or a status */
static int apply_header(cgi_exec_t *x, const cgi_header_t *header)
{
    request_rec *r = x->r;
    const char *file;
    int rc;

    if (header->location && !header->status && header->location[0] == '/') {
        x->redirect = header->location;
        x->drop_body = 1;
        return OK;
    }
    if ((file = take_sendfile(x, header)) != NULL &&
        (rc = cgi_sendfile_open(x, file)) != OK) {
        return rc;
    }
    apply_fields(x, header);
    if (x->sendfile) {
        cgi_sendfile_header(x);
    }
    if (header->status) {
        r->status = header->status;
        r->status_line = header->status_line;
        if (!r->status_line &&
            atoi(ap_get_status_line(r->status)) != r->status) {
            /* httpd has no words for it, and would make it a 500 */
            r->status_line = apr_itoa(r->pool, r->status);
        }
    }
    else if (header->location) {
        /* httpd writes the page of this redirect (RFC 3875, 6.2.3) */
        x->status = HTTP_MOVED_TEMPORARILY;
        x->drop_body = 1;
    }
    if (may_be_unmodified(x, header) && (rc = ap_meets_conditions(r))) {
        if (rc != HTTP_NOT_MODIFIED) {
            x->phase = CGI_PHASE_DONE;
            return x->status = rc;
        }
        r->status = rc;
    }
    if (AP_STATUS_IS_HEADER_ONLY(r->status)) {
        x->drop_body = 1;
        x->length_left = -1;
        x->sendfile = NULL;
    }
    return OK;
}

/* Look for the header in what has come so far. @return OK or a status */
static int scan_header(cgi_exec_t *x)
{
    cgi_header_t header;
    apr_size_t end, rest;
    const char *error;
    int rc;

    do {
        end = cgi_header_end(x->head, x->head_len, &x->head_scanned);
        if (!end && x->head_len < CGI_HEADER_MAX) {
            return OK;
        }
        if (!end || end > CGI_HEADER_MAX) {
            return cgi_fail(
                x, HTTP_INTERNAL_SERVER_ERROR, 0,
                "its header is larger than %d bytes (%" APR_SIZE_T_FMT
                " and more)",
                CGI_HEADER_MAX, x->head_len);
        }
        error = cgi_header_parse(&header, x->head, end, x->options->nph,
                                 x->r->pool);
        if (error) {
            return cgi_fail(x,
                            header.transfer_coding
                                ? HTTP_BAD_GATEWAY
                                : HTTP_INTERNAL_SERVER_ERROR,
                            0, "bad header: %s", error);
        }
        if (header.status == HTTP_EARLY_HINTS) {
            send_early_hints(x, &header);
        }
        x->head_len -= end;
        x->head_scanned = 0;
        memmove(x->head, x->head + end, x->head_len);
    } while (header.status == HTTP_EARLY_HINTS);

    if ((rc = apply_header(x, &header)) != OK) {
        return rc;
    }
    x->phase = CGI_PHASE_BODY;
    rest = x->head_len;
    if (rest) {
        add_body(x, x->head, rest);
    }
    else {
        apr_bucket_free(x->head);
    }
    x->head = NULL;
    x->hold_until = cgi_clock_now() + HOLD_TIME;
    return OK;
}

/* Make room for more of the header. */
static void grow_head(cgi_exec_t *x)
{
    char *larger;

    if (x->head && x->head_len < x->head_size) {
        return;
    }
    x->head_size = x->head ? x->head_size * 2 : READ_SMALL;
    larger = apr_bucket_alloc(x->head_size, x->c->bucket_alloc);
    if (x->head) {
        memcpy(larger, x->head, x->head_len);
        apr_bucket_free(x->head);
    }
    x->head = larger;
}

/* Read a piece. @return bytes; 0: the end, and stdout is closed; -1: nothing
 * now, since the script itself, or a child, has taken it back */
static ssize_t read_stdout(cgi_exec_t *x, char *buf, apr_size_t size,
                           int *emptied)
{
    ssize_t n;

    do {
        n = read(x->stdout_fd, buf, size);
    } while (n < 0 && errno == EINTR);
    *emptied = n < 0 || (apr_size_t)n < size;
    if (n < 0 && errno == EAGAIN) {
        return -1;
    }
    if (n <= 0) {
        cgi_close_fd(&x->stdout_fd);
        return 0;
    }
    return n;
}

/* Read the header's next piece. */
static ssize_t read_head(cgi_exec_t *x, int *rc, int *emptied)
{
    ssize_t n;

    grow_head(x);
    n = read_stdout(x, x->head + x->head_len, x->head_size - x->head_len,
                    emptied);
    if (n > 0) {
        x->head_len += (apr_size_t)n;
        *rc = scan_header(x);
    }
    return n;
}

/* How much to read of the body: no more than there is, because the buffer
 * may be kept for as long as the client takes. */
static apr_size_t read_size(cgi_exec_t *x)
{
    int waiting;

    if (x->total < READ_SMALL || ioctl(x->stdout_fd, FIONREAD, &waiting) ||
        waiting <= READ_SMALL) {
        return READ_SMALL;
    }
    if (waiting >= PIPE_SIZE && !x->stdout_large) {
        x->stdout_large = 1; /* tried, at least */
        (void)fcntl(x->stdout_fd, F_SETPIPE_SZ, CGI_LARGE_PIPE);
    }
    return waiting < CGI_LARGE_PIPE ? (apr_size_t)waiting : CGI_LARGE_PIPE;
}

/* Read the body's next piece. */
static ssize_t read_body(cgi_exec_t *x, int *emptied)
{
    apr_size_t size = read_size(x);
    char *buf = apr_bucket_alloc(size, x->c->bucket_alloc);
    ssize_t n = read_stdout(x, buf, size, emptied);

    if (n <= 0) {
        apr_bucket_free(buf);
    }
    else {
        add_body(x, buf, (apr_size_t)n);
    }
    return n;
}

/* Raw output: all of it is body, and the connection ends with it. */
static void begin_raw(cgi_exec_t *x)
{
    remove_filters(x->r);
    x->c->keepalive = AP_CONN_CLOSE;
    x->phase = CGI_PHASE_BODY;
    x->streaming = 1;
}

int cgi_response_read(cgi_exec_t *x, int hung_up)
{
    ssize_t n;
    int rc = OK, emptied = 0;

    do {
        if (x->phase == CGI_PHASE_HEADER && !x->nph) {
            n = read_head(x, &rc, &emptied);
        }
        else {
            n = read_body(x, &emptied);
            if (n > 0 && x->phase == CGI_PHASE_HEADER) {
                begin_raw(x);
            }
        }
        if (n > 0) {
            x->last_activity = cgi_clock_now();
        }
        if (rc != OK || x->phase > CGI_PHASE_BODY || n == 0) {
            return rc;
        }
        if (x->out_pending >= PASS_SIZE) {
            x->hold_until = 0;
            x->streaming = 1;
            if ((rc = is_head(x) ? cgi_response_flush(x) : pass(x)) != OK) {
                return rc;
            }
        }
    } while (hung_up && n > 0);
    return emptied && x->out_pending && !x->hold_until ? cgi_response_flush(x)
                                                       : OK;
}

int cgi_response_end(cgi_exec_t *x)
{
    if (x->redirect || x->status != OK) {
        x->phase = CGI_PHASE_DONE;
        return OK;
    }
    if (x->length_left > 0 && !x->r->header_only) {
        return cgi_fail(x, HTTP_BAD_GATEWAY, 0,
                        "its body is %" APR_OFF_T_FMT
                        " bytes shorter than its Content-Length",
                        x->length_left);
    }
    x->phase = CGI_PHASE_LINGER;
    if (x->sendfile) {
        cgi_sendfile_body(x);
    }
    return pass_with(x, apr_bucket_eos_create(x->c->bucket_alloc));
}

void cgi_response_push(cgi_exec_t *x)
{
    /* Not ap_flush_conn(), which is for the end of a connection: mod_ssl
     * then closes TLS, and the next read of the connection crashes. */
    APR_BRIGADE_INSERT_TAIL(x->out_bb,
                            apr_bucket_flush_create(x->c->bucket_alloc));
    (void)ap_pass_brigade(x->c->output_filters, x->out_bb);
    apr_brigade_cleanup(x->out_bb);
}

void cgi_response_abort(cgi_exec_t *x)
{
    apr_bucket_alloc_t *alloc = x->c->bucket_alloc;

    x->c->keepalive = AP_CONN_CLOSE;
    if (!x->nph) {
        /* The chunk filter then leaves out the last chunk; HTTP/2 resets
         * the stream. */
        APR_BRIGADE_INSERT_TAIL(
            x->out_bb,
            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, x->r->pool, alloc));
    }
    APR_BRIGADE_INSERT_TAIL(x->out_bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(x->r->output_filters, x->out_bb);
    apr_brigade_cleanup(x->out_bb);
}

int cgi_response_redirect(cgi_exec_t *x)
{
    request_rec *r = x->r;

    /* What is left of the body must not be taken for the next request. */
    if (!r->main) {
        int rc = ap_discard_request_body(r);

        if (rc != OK) {
            return rc;
        }
    }
    r->method = "GET";
    r->method_number = M_GET;
    r->status = HTTP_OK;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Content-Type");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect(x->redirect, r);
    return OK;
}
