/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The client's connection, as far as poll() tells of it.
 */
#ifndef CGI_CLIENT_H
#define CGI_CLIENT_H

#include "cgi/request.h"

typedef struct cgi_client_t {
    int fd;              /* -1: can't be polled */
    int writes;          /* 1: fd tells when the client takes more */
    int closed;          /* 1: it has closed its sending side */
    apr_time_t doubt_at; /* since when it may have gone; 0: it has not */
} cgi_client_t;

/** Find how to wait for the client of q. */
void cgi_client_init(cgi_client_t *client, const cgi_request_t *q);

/** What to poll for. @return events, or -1 */
int cgi_client_events(const cgi_client_t *client, int reading, int writing);

/** It has closed its sending side, and may have gone. */
void cgi_client_doubt(cgi_client_t *client, apr_time_t now);

/** It has not: it will take what is sent, or a reset will tell. */
void cgi_client_trust(cgi_client_t *client);

/** Nothing can be sent to find out: let the kernel ask it now and then, which
 * a client that is gone answers with a reset after a while.
 * @return 0: it has gone, since this one closes both sides together (TLS) */
int cgi_client_ask(cgi_client_t *client, const cgi_request_t *q);

#endif /* CGI_CLIENT_H */
