/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The script's output on its way to the client (RFC 3875, 6).
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "http_protocol.h"
#include "http_request.h"

#include "cgi/compat.h"
#include "cgi/debug.h"
#include "cgi/output.h"

CGI_EXEC_USE_LOG;

/* First size of the header's buffer, and the least that a read of the body
 * has room for. */
#define READ_SMALL 8000
#define READ_LARGE (64 * 1024)
/* Of a pipe as Linux makes it. A full one is worth a larger. */
#define PIPE_SIZE (64 * 1024)
/* So much is collected before it goes down the filters. */
#define PASS_SIZE (64 * 1024)

/* Nothing but the connection's own filters may see raw output. */
static void remove_filters(request_rec *r)
{
    ap_filter_t *f = r->proto_output_filters;

    while (f && f->frec->ftype < AP_FTYPE_CONNECTION) {
        f = f->next;
    }
    r->output_filters = r->proto_output_filters = f;
}

cgi_outcome_e cgi_output_init(cgi_output_t *out, cgi_request_t *q)
{
    request_rec *r = q->r;

    out->q = q;
    out->length_left = out->unread = -1;
    out->bb = apr_brigade_create(r->pool, q->c->bucket_alloc);
    if (q->debug) { /* it goes to no client: read to its end, as it is */
        out->raw = out->drop_body = out->streaming = 1;
        return CGI_WENT_ON;
    }
    /* The client of a pipeline that does not take the response before. */
    if (cgi_compat_output_waits(q->c) && !r->main) {
        cgi_gate_insert(&out->gate, q);
    }
    if (!q->nph) {
        return CGI_WENT_ON;
    }
    if (r->main) {
        return cgi_fail(q, HTTP_FORBIDDEN, 0,
                        "a script with raw output can't be included");
    }
    /* On HTTP/2 there is no raw connection: what the script prints is read
     * as an HTTP/1 response. */
    out->raw = !q->c->master;
    return CGI_WENT_ON;
}

int cgi_output_takes(const cgi_output_t *out)
{
    return cgi_gate_takes(&out->gate);
}

/* Hand over to the filters what is pending. */
static cgi_outcome_e pass(cgi_output_t *out)
{
    cgi_request_t *q = out->q;
    apr_status_t rv;

    out->pending = 0;
    rv = ap_pass_brigade(q->r->output_filters, out->bb);
    apr_brigade_cleanup(out->bb);
    if (q->c->aborted) {
        return CGI_LEFT;
    }
    if (rv != APR_SUCCESS) {
        /* A filter has failed, and perhaps has answered by itself. */
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, q->r,
                      "%s: its response can't be sent", q->options->script);
        q->c->keepalive = AP_CONN_CLOSE;
        return cgi_answer(q, OK);
    }
    return CGI_WENT_ON;
}

static cgi_outcome_e pass_with(cgi_output_t *out, apr_bucket *b)
{
    APR_BRIGADE_INSERT_TAIL(out->bb, b);
    return pass(out);
}

/* From here on the response goes out bit by bit. */
static void stream(cgi_output_t *out)
{
    out->streaming = 1;
    cgi_gate_insert(&out->gate, out->q);
}

/* Is the answer a header alone? Not so of raw output, nor in a page. */
static int is_head(const cgi_output_t *out)
{
    return out->q->r->header_only && !out->raw && !out->q->r->main;
}

cgi_outcome_e cgi_output_flush(cgi_output_t *out, apr_time_t now)
{
    cgi_outcome_e outcome;

    stream(out);
    out->sent_at = now;
    outcome = pass_with(out, apr_bucket_flush_create(out->q->c->bucket_alloc));
    if (outcome == CGI_WENT_ON && is_head(out)) {
        /* httpd drops what came with the header, the flush too; of what is
         * to come HTTP/2 would make frames. */
        out->drop_body = 1;
        outcome = cgi_output_hurry(out);
    }
    return outcome;
}

int cgi_output_is_sent(const cgi_output_t *out)
{
    /* A redirect or a file comes at the end: nothing of it was sent. */
    return out->begun && !out->q->debug && !out->redirect && !out->sendfile &&
           out->status == OK;
}

int cgi_output_is_open(const cgi_output_t *out)
{
    return cgi_output_is_sent(out) && out->length_left &&
           !AP_STATUS_IS_HEADER_ONLY(out->q->r->status);
}

int cgi_output_is_due(const cgi_output_t *out)
{
    return out->pending ||
           (is_head(out) && !out->streaming && cgi_output_is_sent(out));
}

cgi_outcome_e cgi_output_push(cgi_output_t *out, int *moved)
{
    cgi_outcome_e outcome = cgi_gate_push(&out->gate);

    *moved = out->gate.moved;
    out->gate.moved = 0;
    return outcome;
}

int cgi_output_is_clear(const cgi_output_t *out)
{
    return cgi_gate_is_clear(&out->gate);
}

void cgi_output_bound(cgi_output_t *out, int n)
{
    out->unread = n;
    if (n <= 0) {
        cgi_debug_at(out->q->debug, CGI_DEBUG_END);
    }
}

int cgi_output_probe(cgi_output_t *out, apr_time_t since)
{
    const request_rec *r = out->q->r;

    if (out->begun) {
        return out->sent_at > since || !cgi_gate_is_clear(&out->gate);
    }
    if (out->raw || r->main || r->connection->master ||
        r->proto_num < HTTP_VERSION(1, 1)) {
        return 0;
    }
    cgi_request_interim(out->q, HTTP_PROCESSING);
    return 1;
}

/* Take bytes of the body, in a buffer of the bucket allocator that this
 * function then owns. */
static void add_body(cgi_output_t *out, char *buf, apr_size_t len)
{
    apr_size_t room = len;

    out->total += (apr_off_t)len;
    if (out->length_left >= 0) {
        if ((apr_off_t)room > out->length_left) {
            room = (apr_size_t)out->length_left;
        }
        out->length_left -= (apr_off_t)room;
    }
    if (out->drop_body || !room) {
        apr_bucket_free(buf);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(out->bb,
                            apr_bucket_heap_create(buf, room, apr_bucket_free,
                                                   out->q->c->bucket_alloc));
    out->pending += (apr_off_t)room;
}

/* Look for the header in what has come so far. */
static cgi_outcome_e scan_header(cgi_output_t *out)
{
    cgi_request_t *q = out->q;
    cgi_header_t header;
    cgi_outcome_e outcome;
    apr_size_t end;
    const char *error;

    do {
        end = cgi_header_end(out->head, out->head_len, &out->head_scanned);
        if (!end && out->head_len < CGI_HEADER_MAX) {
            return CGI_WENT_ON;
        }
        if (!end || end > CGI_HEADER_MAX) {
            return cgi_fail(
                q, HTTP_INTERNAL_SERVER_ERROR, 0,
                "its header is larger than %d bytes (%" APR_SIZE_T_FMT
                " and more)",
                CGI_HEADER_MAX, out->head_len);
        }
        error = cgi_header_parse(&header, out->head, end, q->nph, q->r->pool);
        if (error) {
            return cgi_fail(q,
                            header.transfer_coding
                                ? HTTP_BAD_GATEWAY
                                : HTTP_INTERNAL_SERVER_ERROR,
                            0, "bad header: %s", error);
        }
        if (header.status == HTTP_EARLY_HINTS) {
            if ((out->hints += end) > CGI_HEADER_MAX) {
                return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, 0,
                                "its Early Hints are larger than %d bytes "
                                "together",
                                CGI_HEADER_MAX);
            }
            cgi_gate_insert(&out->gate, q); /* the client may not take them */
            cgi_output_early_hints(out, &header);
        }
        out->head_len -= end;
        out->head_scanned = 0;
        memmove(out->head, out->head + end, out->head_len);
    } while (header.status == HTTP_EARLY_HINTS);

    if ((outcome = cgi_output_apply(out, &header)) != CGI_WENT_ON) {
        return outcome;
    }
    out->begun = 1;
    if (out->head_len) {
        add_body(out, out->head, out->head_len);
    }
    else {
        apr_bucket_free(out->head);
    }
    out->head = NULL;
    return CGI_WENT_ON;
}

/* Make room for more of the header. */
static void grow_head(cgi_output_t *out)
{
    char *larger;

    if (out->head && out->head_len < out->head_size) {
        return;
    }
    out->head_size = out->head ? out->head_size * 2 : READ_SMALL;
    larger = apr_bucket_alloc(out->head_size, out->q->c->bucket_alloc);
    if (out->head) {
        memcpy(larger, out->head, out->head_len);
        apr_bucket_free(out->head);
    }
    out->head = larger;
}

/* Read a piece. @return bytes; 0: the end; -1: nothing now, since the script
 * itself, or a child, has taken it back */
static ssize_t read_piece(cgi_output_t *out, int fd, char *buf,
                          apr_size_t size, int *emptied)
{
    ssize_t n;

    if (out->unread >= 0 && (apr_off_t)size > out->unread) {
        size = (apr_size_t)out->unread;
    }
    do {
        n = read(fd, buf, size);
    } while (n < 0 && errno == EINTR);
    *emptied = n < 0 || (apr_size_t)n < size;
    if (n > 0 && out->unread >= 0) {
        out->unread -= n;
    }
    return n >= 0 || errno == EAGAIN ? n : 0;
}

/* Read the header's next piece. */
static ssize_t read_head(cgi_output_t *out, int fd, cgi_outcome_e *outcome,
                         int *emptied)
{
    ssize_t n;

    grow_head(out);
    n = read_piece(out, fd, out->head + out->head_len,
                   out->head_size - out->head_len, emptied);
    if (n > 0) {
        out->head_len += (apr_size_t)n;
        *outcome = scan_header(out);
    }
    return n;
}

/* How much to read of the body: no more than there is, because the buffer
 * may be kept for as long as the client takes. */
static apr_size_t read_size(cgi_output_t *out, int fd)
{
    int waiting;

    if (out->total < READ_SMALL || ioctl(fd, FIONREAD, &waiting) ||
        waiting <= READ_SMALL) {
        return READ_SMALL;
    }
    if (waiting >= PIPE_SIZE && !out->stdout_large) {
        out->stdout_large = 1; /* tried, at least */
        (void)fcntl(fd, F_SETPIPE_SZ, CGI_LARGE_PIPE);
    }
    return waiting < READ_LARGE ? (apr_size_t)waiting : READ_LARGE;
}

/* Read the body's next piece. */
static ssize_t read_body(cgi_output_t *out, int fd, int *emptied)
{
    apr_size_t size = read_size(out, fd);
    char *buf = apr_bucket_alloc(size, out->q->c->bucket_alloc);
    ssize_t n = read_piece(out, fd, buf, size, emptied);

    if (n <= 0) {
        apr_bucket_free(buf);
    }
    else {
        cgi_debug_output(out->q->debug, buf, (apr_size_t)n);
        add_body(out, buf, (apr_size_t)n);
    }
    return n;
}

/* Raw output: all of it is body, and the connection ends with it. */
static void begin_raw(cgi_output_t *out)
{
    out->begun = 1;
    if (!out->q->debug) {
        stream(out);
        remove_filters(out->q->r);
        out->q->c->keepalive = AP_CONN_CLOSE;
    }
}

cgi_outcome_e cgi_output_read(cgi_output_t *out, int fd, int hung_up,
                              apr_time_t now)
{
    cgi_outcome_e outcome = CGI_WENT_ON;
    int emptied = 0, fresh = 0;
    ssize_t n;

    do {
        if (!out->begun && !out->raw) {
            n = read_head(out, fd, &outcome, &emptied);
            fresh = out->begun; /* its end may be as near */
        }
        else {
            n = read_body(out, fd, &emptied);
            if (n > 0 && !out->begun) {
                begin_raw(out);
            }
        }
        if (n > 0) {
            out->heard_at = now;
        }
        if (outcome != CGI_WENT_ON) {
            return outcome;
        }
        if (n == 0 || !out->unread || (n < 0 && out->unread > 0) ||
            cgi_debug_is_full(out->q->debug)) {
            cgi_debug_at(out->q->debug, CGI_DEBUG_END);
            return CGI_ENDED;
        }
        if (out->pending >= PASS_SIZE) {
            fresh = 0;
            stream(out);
            outcome = is_head(out) ? cgi_output_flush(out, now) : pass(out);
            if (outcome != CGI_WENT_ON) {
                return outcome;
            }
        }
    } while (hung_up && n > 0 && cgi_output_takes(out));
    return emptied && out->pending && !fresh ? cgi_output_flush(out, now)
                                             : CGI_WENT_ON;
}

cgi_outcome_e cgi_output_end(cgi_output_t *out)
{
    cgi_request_t *q = out->q;

    if (q->debug) {
        return CGI_WENT_ON; /* the page is written when all is known */
    }
    if (out->length_left > 0 && !q->r->header_only) {
        return cgi_fail(q, HTTP_BAD_GATEWAY, 0,
                        "its body is %" APR_OFF_T_FMT
                        " bytes shorter than its Content-Length",
                        out->length_left);
    }
    if (out->sendfile) {
        cgi_sendfile_body(out);
    }
    return pass_with(out, apr_bucket_eos_create(q->c->bucket_alloc));
}

cgi_outcome_e cgi_output_hurry(cgi_output_t *out)
{
    conn_rec *c = out->q->c;

    if (out->q->debug) {
        return CGI_WENT_ON;
    }
    /* Not ap_flush_conn(), which is for the end of a connection: mod_ssl
     * then closes TLS, and the next read of the connection crashes. */
    cgi_gate_insert(&out->gate, out->q);
    APR_BRIGADE_INSERT_TAIL(out->bb, apr_bucket_flush_create(c->bucket_alloc));
    (void)ap_pass_brigade(c->output_filters, out->bb);
    apr_brigade_cleanup(out->bb);
    return c->aborted ? CGI_LEFT : CGI_WENT_ON;
}

cgi_outcome_e cgi_output_abort(cgi_output_t *out, int at_once)
{
    conn_rec *c = out->q->c;

    if (!CGI_COMPAT_IS_24 && !at_once) {
        /* 2.5 sends nothing of a response that is cut where it begins. Before
         * the connection is to close: its chunks tell that it is cut. */
        (void)ap_pass_brigade(out->q->r->output_filters, out->bb);
        apr_brigade_cleanup(out->bb);
    }
    c->keepalive = AP_CONN_CLOSE;
    if (at_once && !cgi_gate_is_clear(&out->gate)) {
        c->aborted = 1; /* nobody waits for a client that takes nothing */
        return CGI_LEFT;
    }
    if (!out->raw) {
        /* The chunk filter then leaves out the last chunk; HTTP/2 resets
         * the stream. */
        APR_BRIGADE_INSERT_TAIL(
            out->bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL,
                                            out->q->r->pool, c->bucket_alloc));
    }
    APR_BRIGADE_INSERT_TAIL(out->bb, apr_bucket_eos_create(c->bucket_alloc));
    (void)ap_pass_brigade(out->q->r->output_filters, out->bb);
    apr_brigade_cleanup(out->bb);
    return c->aborted ? CGI_LEFT : CGI_WENT_ON;
}

void cgi_output_release(cgi_output_t *out)
{
    /* Large blocks do not come back with the connection, as small ones do. */
    if (out->head) {
        apr_bucket_free(out->head);
        out->head = NULL;
    }
    if (out->bb) {
        apr_brigade_cleanup(out->bb);
    }
    cgi_gate_remove(&out->gate);
}

int cgi_output_redirect(const cgi_output_t *out)
{
    request_rec *r = out->q->r;

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
    ap_internal_redirect(out->redirect, r);
    return OK;
}
