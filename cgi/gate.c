/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The gate: how a response is written without waiting for the client.
 *
 * Core's output filter waits for the client only when it is given a FLUSH
 * bucket or more than FlushMaxThreshold; it says whether it has kept
 * something, and writes that when it is called with NULL. A stream of HTTP/2
 * goes through a buffer that waits when it is full; what lies in there is
 * known by the buckets that come to be freed.
 */

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "apr_atomic.h"
#include "apr_portable.h"

#include "ap_mpm.h"
#include "http_core.h"

#include "cgi/compat.h"
#include "cgi/gate.h"

CGI_EXEC_USE_LOG;

#define NAME__(module) "CGI_GATE_" #module
#define NAME_(module) NAME__(module)
#define NAME NAME_(CGI_EXEC_MODULE)

/* Given to core at once: less than it waits for. */
#define PIECE_MAX (60 * 1024)
/* In a stream of HTTP/2 at once. H2StreamMaxMemSize is larger, if nobody has
 * made it smaller than by default. */
#define FLIGHT_MAX (32 * 1024)

static ap_filter_rec_t *frec;
static int is_async; /* the MPM writes what core has kept */

/* Bytes of one response that a stream has not sent yet. mod_http2 may free
 * the last of its buckets in another thread, after the request has ended. */
struct cgi_flight_t {
    volatile apr_uint32_t bytes;
    volatile apr_uint32_t users; /* buckets, and the gate */
};

/* A buffer of a heap bucket that counts while it lives. */
typedef struct {
    cgi_flight_t *flight;
    apr_uint32_t bytes;
} counted_t;

static void *must_have(void *memory)
{
    if (!memory) {
        abort(); /* as APR does */
    }
    return memory;
}

static cgi_flight_t *flight_make(void)
{
    cgi_flight_t *flight = must_have(calloc(1, sizeof(*flight)));

    flight->users = 1;
    return flight;
}

static void flight_leave(cgi_flight_t *flight)
{
    if (!apr_atomic_dec32(&flight->users)) {
        free(flight);
    }
}

static void free_counted(void *data)
{
    counted_t *counted = data;

    apr_atomic_sub32(&counted->flight->bytes, counted->bytes);
    flight_leave(counted->flight);
    free(counted);
}

static apr_bucket *counted_create(const char *data, apr_size_t len,
                                  cgi_flight_t *flight,
                                  apr_bucket_alloc_t *alloc)
{
    counted_t *counted = must_have(malloc(sizeof(*counted) + len));
    apr_bucket *b;

    counted->flight = flight;
    counted->bytes = (apr_uint32_t)len;
    apr_atomic_inc32(&flight->users);
    apr_atomic_add32(&flight->bytes, counted->bytes);
    memcpy(counted + 1, data, len);
    b = apr_bucket_heap_create((char *)counted, sizeof(*counted) + len,
                               free_counted, alloc);
    b->start = sizeof(*counted);
    b->length = len;
    return b;
}

static apr_size_t piece_max(const conn_rec *c)
{
    apr_size_t max = cgi_compat_flush_max(c->base_server);

    return max < PIECE_MAX ? max : PIECE_MAX;
}

/* Take from bb what core writes without waiting. @return 0: nothing */
static int cut_piece(const conn_rec *c, apr_bucket_brigade *bb,
                     apr_bucket_brigade *piece)
{
    apr_size_t room = piece_max(c), len;
    const char *data;
    apr_bucket *b;
    int some = 0;

    while (!APR_BRIGADE_EMPTY(bb)) {
        b = APR_BRIGADE_FIRST(bb);
        if (APR_BUCKET_IS_FLUSH(b)) {
            apr_bucket_delete(b); /* all is written as soon as it can be */
            continue;
        }
        if (!APR_BUCKET_IS_METADATA(b) && !APR_BUCKET_IS_FILE(b)) {
            if (b->length == (apr_size_t)-1 &&
                apr_bucket_read(b, &data, &len, APR_BLOCK_READ)) {
                break;
            }
            if (!room) {
                break;
            }
            if (b->length > room) {
                apr_bucket_split(b, room);
            }
            room -= b->length;
        }
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(piece, b);
        some = 1;
    }
    return some;
}

static apr_status_t give_core(cgi_gate_t *gate, ap_filter_t *next,
                              apr_bucket_brigade *bb)
{
    conn_rec *c = gate->q->c;
    apr_status_t rv = APR_SUCCESS;

    do {
        if (cgi_compat_output_waits(c)) {
            rv = next->frec->filter_func.out_func(next, NULL);
            if (rv != APR_SUCCESS || cgi_compat_output_waits(c)) {
                break;
            }
            gate->moved = 1;
        }
        if (!cut_piece(c, bb, gate->piece)) {
            break;
        }
        rv = ap_pass_brigade(next, gate->piece);
        apr_brigade_cleanup(gate->piece);
    } while (rv == APR_SUCCESS);
    return rv;
}

/* Take from bb what the stream has room for. @return 0: nothing */
static int cut_flight(cgi_gate_t *gate, apr_bucket_brigade *bb)
{
    apr_size_t room, len;
    apr_uint32_t bytes;
    const char *data;
    apr_bucket *b;
    int some = 0;

    while (!APR_BRIGADE_EMPTY(bb)) {
        b = APR_BRIGADE_FIRST(bb);
        if (!APR_BUCKET_IS_METADATA(b) && !APR_BUCKET_IS_FILE(b) &&
            b->length) {
            bytes = apr_atomic_read32(&gate->flight->bytes);
            if (bytes >= FLIGHT_MAX ||
                apr_bucket_read(b, &data, &len, APR_BLOCK_READ)) {
                break;
            }
            room = FLIGHT_MAX - bytes;
            if (len > room) {
                apr_bucket_split(b, room);
                len = room;
            }
            APR_BUCKET_INSERT_BEFORE(
                b, counted_create(data, len, gate->flight, b->list));
            apr_bucket_delete(b);
            b = APR_BRIGADE_FIRST(bb);
        }
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(gate->piece, b);
        some = 1;
    }
    return some;
}

static apr_status_t give_stream(cgi_gate_t *gate, ap_filter_t *next,
                                apr_bucket_brigade *bb)
{
    apr_uint32_t before = apr_atomic_read32(&gate->flight->bytes);
    apr_status_t rv = APR_SUCCESS;

    if (before) { /* what it has sent is freed when it is given nothing */
        rv = ap_pass_brigade(next, gate->piece);
        gate->moved |= apr_atomic_read32(&gate->flight->bytes) < before;
    }
    if (rv == APR_SUCCESS && cut_flight(gate, bb)) {
        if (!gate->opened &&
            apr_atomic_read32(&gate->flight->bytes) >= FLIGHT_MAX) {
            /* Before 2.0, mod_http2 keeps a response until it is flushed. */
            APR_BRIGADE_INSERT_TAIL(
                gate->piece,
                apr_bucket_flush_create(gate->q->c->bucket_alloc));
            gate->opened = 1;
        }
        rv = ap_pass_brigade(next, gate->piece);
        apr_brigade_cleanup(gate->piece);
    }
    return rv;
}

static apr_status_t give(cgi_gate_t *gate, ap_filter_t *next,
                         apr_bucket_brigade *bb)
{
    return gate->q->c->master ? give_stream(gate, next, bb)
                              : give_core(gate, next, bb);
}

static apr_status_t gate_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    cgi_gate_t *gate = f->ctx;
    apr_status_t rv;

    if (!gate->filter || !bb) {
        /* Removed, but the filters of the request still lead here. */
        return bb ? ap_pass_brigade(f->next, bb) : APR_SUCCESS;
    }
    if (f->c->aborted) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    APR_BRIGADE_PREPEND(bb, gate->waiting);
    rv = give(gate, f->next, bb);
    if (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
        rv = ap_save_brigade(f, &gate->waiting, &bb, gate->q->r->pool);
    }
    return rv;
}

void cgi_gate_register(void)
{
    frec = ap_register_output_filter(NAME, gate_filter, NULL,
                                     AP_FTYPE_NETWORK - 1);
}

void cgi_gate_child_init(void)
{
    (void)ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async);
}

void cgi_gate_insert(cgi_gate_t *gate, cgi_request_t *q)
{
    conn_rec *c = q->c;
    ap_filter_t *last = c->output_filters;

    if (gate->filter) {
        return;
    }
    while (last && last->next) {
        last = last->next;
    }
    if (!last || (!c->master && last->frec != ap_core_output_filter_handle)) {
        return;
    }
    gate->q = q;
    if (!gate->waiting) {
        gate->waiting = apr_brigade_create(q->r->pool, c->bucket_alloc);
        gate->piece = apr_brigade_create(q->r->pool, c->bucket_alloc);
    }
    if (c->master && !gate->flight) {
        gate->flight = flight_make();
    }
    gate->filter = ap_add_output_filter_handle(frec, gate, q->r, c);
}

/* Is there room in the socket? */
static int is_writable(const conn_rec *c)
{
    struct pollfd pfd = {.events = POLLOUT};
    apr_socket_t *socket = ap_get_conn_socket((conn_rec *)c);
    apr_os_sock_t fd;

    if (!socket || apr_os_sock_get(&fd, socket) != APR_SUCCESS) {
        return 1;
    }
    pfd.fd = fd;
    return poll(&pfd, 1, 0) > 0;
}

int cgi_gate_takes(const cgi_gate_t *gate)
{
    const conn_rec *c;

    if (!gate->filter) {
        return 1;
    }
    c = gate->q->c;
    if (!APR_BRIGADE_EMPTY(gate->waiting)) {
        return 0;
    }
    return c->master ? apr_atomic_read32(&gate->flight->bytes) < FLIGHT_MAX
                     : !cgi_compat_output_waits(c) && is_writable(c);
}

int cgi_gate_is_clear(const cgi_gate_t *gate)
{
    return !gate->filter || (APR_BRIGADE_EMPTY(gate->waiting) &&
                             (gate->q->c->master || is_async ||
                              !cgi_compat_output_waits(gate->q->c)));
}

cgi_outcome_e cgi_gate_push(cgi_gate_t *gate)
{
    apr_status_t rv;

    if (!gate->filter) {
        return CGI_WENT_ON; /* nothing waits in it */
    }
    rv = give(gate, gate->filter->next, gate->waiting);
    return rv == APR_SUCCESS && !gate->q->c->aborted ? CGI_WENT_ON : CGI_LEFT;
}

void cgi_gate_remove(cgi_gate_t *gate)
{
    if (gate->filter) {
        apr_brigade_cleanup(gate->waiting);
        ap_remove_output_filter(gate->filter);
        gate->filter = NULL;
    }
    if (gate->flight) {
        flight_leave(gate->flight);
        gate->flight = NULL;
    }
}
