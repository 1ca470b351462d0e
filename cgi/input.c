/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The request body on its way from the client to the script's stdin
 * (RFC 3875, 4.2): as it arrives, or through a file.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apr_file_io.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"

#include "cgi/compat.h"
#include "cgi/debug.h"
#include "cgi/input.h"

CGI_EXEC_USE_LOG;

/* Collected before it is passed on; of a body that has filled a pipe, as much
 * as its pipe takes then. */
#define READ_SIZE (64 * 1024)
/* Buckets written at once. */
#define IOV_SIZE 32
/* Written to a file at once. Linux keeps free pages for pieces up to this
 * size at hand; larger ones cost more where memory is in use. */
#define FILE_PIECE (32 * 1024)
/* Kept until then, of a body that goes into a file. */
#define SPOOL_SIZE CGI_LARGE_PIPE
/* After so much of such a body, while it comes quickly, the kernel tells only
 * of pieces of that size: to be woken for each packet costs the sender more
 * than the packet, if it is on the same machine. */
#define PATIENT_AFTER (1024 * 1024)
#define PATIENT_SIZE (128 * 1024)
/* Moved before the other sources get their turn. */
#define TURN_SIZE (4 * 1024 * 1024)
/* So often the filters are asked in one turn: small pieces make many
 * buckets, and one such as INFLATE may take much in before it gives any. */
#define ASK_MAX 100

/* A read from the client failed. */
static cgi_outcome_e body_failed(cgi_request_t *q, apr_status_t rv)
{
    if (q->c->aborted || APR_STATUS_IS_ECONNABORTED(rv) ||
        APR_STATUS_IS_ECONNRESET(rv)) {
        return CGI_LEFT;
    }
    return cgi_reject(q, ap_map_http_request_error(rv, HTTP_BAD_REQUEST), rv,
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
static cgi_outcome_e check_length(cgi_request_t *q)
{
    const char *value = apr_table_get(q->r->headers_in, "Content-Length");
    apr_off_t limit = ap_get_limit_req_body(q->r), length;

    if (limit > 0 && value &&
        apr_strtoff(&length, value, NULL, 10) == APR_SUCCESS &&
        length > limit) {
        return cgi_reject(q, HTTP_REQUEST_ENTITY_TOO_LARGE, 0,
                          "a body of %s bytes is over LimitRequestBody",
                          value);
    }
    return CGI_WENT_ON;
}

/* A file without a name, which no death of this process leaves behind; where
 * the file system has none, one whose name is gone at once. */
static apr_status_t make_file(int *fd, const char *dir, apr_pool_t *p)
{
    apr_file_t *file;
    char *name;
    apr_status_t rv;

#ifdef O_TMPFILE
    *fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (*fd >= 0) {
        return APR_SUCCESS;
    }
#endif
    name = apr_pstrcat(p, dir, "/cgi-body-XXXXXX", NULL);
    rv = apr_file_mktemp(&file, name,
                         APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE |
                             APR_FOPEN_EXCL | APR_FOPEN_NOCLEANUP,
                         p);
    if (rv == APR_SUCCESS) {
        apr_os_file_get(fd, file);
        rv = apr_file_remove(name, p);
    }
    return rv;
}

static cgi_outcome_e open_file(cgi_input_t *in)
{
    cgi_request_t *q = in->q;
    const char *dir;
    apr_status_t rv = apr_temp_dir_get(&dir, q->r->pool);

    if (rv != APR_SUCCESS) {
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, rv,
                        "no directory for temporary files");
    }
    rv = make_file(&in->file_fd, dir, q->r->pool);
    if (rv != APR_SUCCESS) {
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, rv,
                        "can't make a file for the request body in %s", dir);
    }
    return CGI_WENT_ON;
}

/* Add to what was collected. */
static void keep(cgi_input_t *in, apr_bucket *b)
{
    if (!b->length) {
        apr_bucket_delete(b);
        return;
    }
    in->length += (apr_off_t)b->length;
    in->left -= (apr_off_t)b->length;
    APR_BUCKET_REMOVE(b);
    APR_BRIGADE_INSERT_TAIL(in->bb, b);
}

/* Take over one brigade of the input filters. */
static apr_status_t take(cgi_input_t *in, apr_bucket_brigade *fresh)
{
    while (!APR_BRIGADE_EMPTY(fresh)) {
        apr_bucket *b = APR_BRIGADE_FIRST(fresh);
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            in->eos = 1;
            apr_brigade_cleanup(fresh);
        }
        else if (APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
        }
        else if (cgi_input_is_piped(b)) {
            in->piped = 0;
            keep(in, b);
        }
        else if ((rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ)) ||
                 (rv = apr_bucket_setaside(b, in->q->r->pool))) {
            return rv;
        }
        else {
            cgi_scriptlog_body(in->log, data, len);
            keep(in, b);
        }
    }
    return APR_SUCCESS;
}

/* Collect from the client what is worth a write: filters give it in small
 * pieces. @return APR_SUCCESS; or what the filters say, with nothing new */
static apr_status_t collect(cgi_input_t *in, apr_read_type_e block)
{
    apr_status_t rv = APR_SUCCESS;
    apr_off_t before = in->length;
    apr_size_t wanted = in->large ? CGI_LARGE_PIPE : READ_SIZE;
    apr_size_t size = wanted;
    int asked;

    for (asked = 0; rv == APR_SUCCESS && !in->eos &&
                    in->length < (apr_off_t)wanted && asked < ASK_MAX;
         asked++) {
        if (in->large) {
            size = cgi_input_read_ahead(in, wanted);
        }
        rv = ap_get_brigade(in->q->r->input_filters, in->fresh_bb,
                            AP_MODE_READBYTES, block, (apr_off_t)size);
        if (rv == APR_SUCCESS) {
            rv = take(in, in->fresh_bb);
        }
    }
    if (in->length >= READ_SIZE) {
        in->large = 1;
    }
    return APR_STATUS_IS_EAGAIN(rv) && in->length > before ? APR_SUCCESS : rv;
}

void cgi_input_peek(cgi_input_t *in)
{
    if (in->state != CGI_INPUT_DONE && !in->q->r->expecting_100) {
        (void)collect(in, APR_NONBLOCK_READ);
    }
}

/* Drop what was passed on. */
static void consume(cgi_input_t *in, apr_size_t n)
{
    in->length -= (apr_off_t)n;
    while (n) {
        apr_bucket *b = APR_BRIGADE_FIRST(in->bb);

        if (b->length > n) {
            apr_bucket_split(b, n);
        }
        n -= b->length;
        apr_bucket_delete(b);
    }
}

/* Pass on the beginning of what was collected, up to max bytes of memory.
 * @return as write() */
static ssize_t put(cgi_input_t *in, int fd, apr_size_t max)
{
    apr_bucket *b = APR_BRIGADE_FIRST(in->bb);
    struct iovec iov[IOV_SIZE];
    ssize_t n;
    int niov = 0;

    if (cgi_input_is_piped(b)) {
        n = cgi_input_splice(b, fd);
        if (n > 0) {
            in->length -= n;
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
    } while (max && niov < IOV_SIZE && b != APR_BRIGADE_SENTINEL(in->bb) &&
             !cgi_input_is_piped(b));
    n = writev(fd, iov, niov);
    if (n > 0) {
        consume(in, (apr_size_t)n);
    }
    return n;
}

/* The client waits for a sign that its body is wanted. httpd's filter gives
 * it for a read that waits, which ours do not. */
static void send_continue(cgi_request_t *q)
{
    if (q->r->expecting_100) {
        cgi_request_interim(q, HTTP_CONTINUE);
    }
}

/* Put what was collected into the file. */
static cgi_outcome_e put_file(cgi_input_t *in)
{
    while (in->length) {
        ssize_t n = put(in, in->file_fd, FILE_PIECE);

        if (n < 0 && errno != EINTR) {
            return cgi_fail(in->q, HTTP_INTERNAL_SERVER_ERROR, errno,
                            "can't store the request body");
        }
        in->to += n > 0 ? n : 0;
    }
    return CGI_WENT_ON;
}

/* Whether poll() is to pass over small pieces (SO_RCVLOWAT, socket(7)). */
static void be_patient(cgi_input_t *in, int fd, int patient)
{
    int size = patient ? PATIENT_SIZE : 1;

    /* a stream of HTTP/2 has a pipe */
    if (patient != in->patient &&
        !setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size))) {
        in->patient = patient;
        in->socket = fd;
    }
}

cgi_outcome_e cgi_input_spool(cgi_input_t *in, int fd, apr_size_t *moved)
{
    apr_read_type_e how = fd < 0 ? APR_BLOCK_READ : APR_NONBLOCK_READ;
    cgi_outcome_e outcome = CGI_WENT_ON;
    apr_off_t end = in->to + TURN_SIZE, before;
    apr_status_t rv;

    in->more = 0;
    while (!in->eos && outcome == CGI_WENT_ON && in->to < end) {
        before = in->length;
        rv = collect(in, how);
        if (APR_STATUS_IS_EAGAIN(rv)) {
            send_continue(in->q);
            be_patient(in, fd, *moved && in->to >= PATIENT_AFTER);
            return CGI_WENT_ON;
        }
        if (rv != APR_SUCCESS) {
            return body_failed(in->q, rv);
        }
        *moved += (apr_size_t)(in->length - before);
        if (in->length == before && !in->eos) {
            break; /* a filter goes on without the client */
        }
        if (in->length >= SPOOL_SIZE || in->eos) {
            outcome = put_file(in);
        }
    }
    if (outcome != CGI_WENT_ON) {
        return outcome;
    }
    if (!in->eos) {
        in->more = 1;
        return CGI_WENT_ON;
    }
    be_patient(in, fd, 0);
    in->state = CGI_INPUT_DONE;
    cgi_debug_at(in->q->debug, CGI_DEBUG_SPOOLED);
    return lseek(in->file_fd, 0, SEEK_SET)
               ? cgi_fail(in->q, HTTP_INTERNAL_SERVER_ERROR, errno,
                          "can't read the request body again")
               : CGI_ENDED;
}

cgi_outcome_e cgi_input_store(cgi_input_t *in, apr_size_t *moved)
{
    apr_off_t before = in->to;
    cgi_outcome_e outcome = CGI_WENT_ON;
    apr_status_t rv = APR_SUCCESS;

    if (in->file_fd < 0) {
        outcome = open_file(in);
    }
    if (outcome == CGI_WENT_ON) {
        outcome = put_file(in); /* what came before it */
    }
    while (outcome == CGI_WENT_ON && rv == APR_SUCCESS && !in->eos &&
           in->to - before < TURN_SIZE) {
        rv = collect(in, APR_NONBLOCK_READ);
        outcome = put_file(in);
    }
    *moved += (apr_size_t)(in->to - before);
    if (outcome == CGI_WENT_ON && rv != APR_SUCCESS &&
        !APR_STATUS_IS_EAGAIN(rv)) {
        return body_failed(in->q, rv);
    }
    return outcome;
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

/* RequestReadTimeout: the filter of mod_reqtimeout. */
static int is_timed(const conn_rec *c)
{
    const ap_filter_t *f = c->input_filters;

    while (f && strcmp(f->frec->name, "reqtimeout") != 0) {
        f = f->next;
    }
    return f != NULL;
}

cgi_outcome_e cgi_input_init(cgi_input_t *in, cgi_request_t *q,
                             cgi_scriptlog_t *log)
{
    request_rec *r = q->r;
    cgi_body_mode_e mode = q->options->dir->body_mode;
    cgi_outcome_e outcome;
    int known;

    in->q = q;
    in->log = log;
    in->file_fd = -1;
    in->state = CGI_INPUT_DONE;
    if (is_error_page(r)) {
        in->withheld = 1;
        return CGI_WENT_ON;
    }
    if (r->main || !cgi_compat_has_body(r)) {
        in->withheld = r->header_only;
        return CGI_WENT_ON;
    }
    if ((outcome = check_length(q)) != CGI_WENT_ON) {
        return outcome;
    }
    known = length_is_known(r);
    if (known) {
        (void)apr_strtoff(&in->left,
                          apr_table_get(r->headers_in, "Content-Length"), NULL,
                          10); /* checked by httpd */
    }
    in->timed = is_timed(q->c);
    in->bb = apr_brigade_create(r->pool, q->c->bucket_alloc);
    in->fresh_bb = apr_brigade_create(r->pool, q->c->bucket_alloc);
    if (mode == CGI_BODY_UNSET || mode == CGI_BODY_AUTO) {
        mode = known ? CGI_BODY_STREAM : CGI_BODY_SPOOL;
    }
    if (mode == CGI_BODY_SPOOL) {
        in->state = CGI_INPUT_SPOOL;
        in->more = 1;
        return open_file(in);
    }
    in->state = CGI_INPUT_START;
    in->length_unknown = !known;
    return CGI_WENT_ON;
}

int cgi_input_fd(const cgi_input_t *in)
{
    return in->state != CGI_INPUT_DONE ? CGI_STDIN_PIPE
           : in->file_fd >= 0          ? in->file_fd
                                       : CGI_STDIN_NOTHING;
}

void cgi_input_start(cgi_input_t *in)
{
    if (in->state == CGI_INPUT_START) {
        in->state = CGI_INPUT_FROM_CLIENT;
        in->more = 1;
    }
}

void cgi_input_refused(cgi_input_t *in)
{
    in->discard = 1;
    if (in->state == CGI_INPUT_TO_SCRIPT) {
        in->state = CGI_INPUT_FROM_CLIENT;
        in->more = 1;
    }
}

/* As write(): pass on from the file. */
static ssize_t put_from_file(cgi_input_t *in, int fd)
{
    char buf[FILE_PIECE];
    apr_off_t left = in->to - in->from;
    ssize_t n =
        pread(in->file_fd, buf, left < FILE_PIECE ? (size_t)left : sizeof(buf),
              in->from);

    if (n > 0 && (n = write(fd, buf, (size_t)n)) > 0) {
        in->from += n;
    }
    else if (n == 0) {
        errno = EIO;
        n = -1;
    }
    return n;
}

/* Pass on what was collected, as far as there is room. @return bytes */
static apr_size_t pass_on(cgi_input_t *in, int fd)
{
    apr_size_t moved = 0;

    in->state = CGI_INPUT_FROM_CLIENT;
    while ((in->length || in->from < in->to) && !in->discard) {
        /* What is in the file has come before. */
        ssize_t n =
            in->from < in->to ? put_from_file(in, fd) : put(in, fd, TURN_SIZE);

        if (n >= 0) {
            moved += (apr_size_t)n;
        }
        else if (errno == EAGAIN) {
            in->state = CGI_INPUT_TO_SCRIPT;
            return moved;
        }
        else if (errno != EINTR) {
            /* EPIPE: a script need not read its body (RFC 3875, 4.2) */
            in->discard = 1;
        }
    }
    if (in->to) { /* the file is empty: used from the start next time */
        in->from = in->to = 0;
        (void)(ftruncate(in->file_fd, 0) + lseek(in->file_fd, 0, SEEK_SET));
    }
    moved += (apr_size_t)in->length;
    consume(in, (apr_size_t)in->length);
    if (in->eos) {
        cgi_input_finish(in);
    }
    return moved;
}

cgi_outcome_e cgi_input_step(cgi_input_t *in, int fd, int waiting,
                             apr_size_t *moved)
{
    apr_size_t turn;
    apr_off_t before;
    apr_status_t rv;
    int large;

    in->more = 0;
    turn = pass_on(in, fd);
    while (in->state == CGI_INPUT_FROM_CLIENT && !in->more) {
        before = in->length;
        large = in->large;
        rv = collect(in, APR_NONBLOCK_READ);
        if (in->large > large && !in->discard) {
            /* fewer wake-ups, where the system allows */
            (void)fcntl(fd, F_SETPIPE_SZ, CGI_LARGE_PIPE);
        }
        if (APR_STATUS_IS_EAGAIN(rv)) {
            if (waiting) {
                send_continue(in->q);
            }
            break;
        }
        if (rv != APR_SUCCESS) {
            return body_failed(in->q, rv);
        }
        /* a filter may go on without the client; others have a turn first */
        in->more = in->length == before && !in->eos;
        turn += pass_on(in, fd);
        in->more |= turn >= TURN_SIZE && in->state != CGI_INPUT_DONE;
    }
    *moved += turn;
    return in->state == CGI_INPUT_DONE ? CGI_ENDED : CGI_WENT_ON;
}

void cgi_input_finish(cgi_input_t *in)
{
    in->state = CGI_INPUT_DONE;
    in->more = 0;
    be_patient(in, in->socket, 0); /* the next request, on this connection */
    if (in->bb) {
        apr_brigade_cleanup(in->bb);
    }
    if (in->file_fd >= 0) {
        close(in->file_fd);
        in->file_fd = -1;
    }
}
