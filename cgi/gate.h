/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A filter at the end of the connection's output, while a response streams.
 * httpd's own end waits for a client that does not take what it is given; the
 * gate gives it no more than it can write at once, and keeps the rest.
 */
#ifndef CGI_GATE_H
#define CGI_GATE_H

#include "apr_buckets.h"

#include "util_filter.h"

#include "cgi/request.h"

typedef struct cgi_flight_t cgi_flight_t;

typedef struct cgi_gate_t {
    cgi_request_t *q;
    ap_filter_t *filter;         /* NULL: not there */
    apr_bucket_brigade *waiting; /* what httpd has not been given */
    apr_bucket_brigade *piece;   /* empty between two uses */
    cgi_flight_t *flight;        /* HTTP/2: what the stream has not sent */
    int opened;                  /* HTTP/2: 1: the stream has begun to send */
    int moved; /* 1: the client has taken something, since the last reset */
} cgi_gate_t;

/** Tell httpd of the filter. At register_hooks. */
void cgi_gate_register(void);

/** Ask httpd how it writes. Run in each worker, at child_init. */
void cgi_gate_child_init(void);

/** Put the gate into the connection of q, unless it is there already. If the
 * engine does not know the last filter of the connection, there is no gate. */
void cgi_gate_insert(cgi_gate_t *gate, cgi_request_t *q);

/** Is there room for more: would the client take it? */
int cgi_gate_takes(const cgi_gate_t *gate);

/** Has httpd got everything, so that it will write the rest by itself? */
int cgi_gate_is_clear(const cgi_gate_t *gate);

/** Give httpd what it can write now. @return CGI_WENT_ON or CGI_LEFT */
cgi_outcome_e cgi_gate_push(cgi_gate_t *gate);

/** Take the gate out of the connection; what waits in it is lost. */
void cgi_gate_remove(cgi_gate_t *gate);

#endif /* CGI_GATE_H */
