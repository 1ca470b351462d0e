/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The client's connection: how to see that it sends, takes, or hangs up.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "apr_poll.h"
#include "apr_portable.h"

#include "http_core.h"

#include "cgi/client.h"
#include "cgi/compat.h"

void cgi_client_init(cgi_client_t *client, const cgi_request_t *q)
{
    apr_pollfd_t pfd = {0};
    apr_os_sock_t sock;
    apr_os_file_t file;

    client->fd = -1;
    pfd.p = q->r->pool;
    if (cgi_compat_get_pollfd(q->c, &pfd) != APR_SUCCESS) {
        return;
    }
    if (pfd.desc_type == APR_POLL_SOCKET &&
        apr_os_sock_get(&sock, pfd.desc.s) == APR_SUCCESS) {
        client->fd = sock;
        client->writes = !q->c->master;
    }
    else if (pfd.desc_type == APR_POLL_FILE &&
             apr_os_file_get(&file, pfd.desc.f) == APR_SUCCESS) {
        client->fd = file;
    }
}

int cgi_client_events(const cgi_client_t *client, int reading, int writing)
{
    int events = 0; /* a reset is told of anyway */

    if (client->fd < 0) {
        return -1;
    }
    if (!client->closed) {
        events = reading ? POLLIN | POLLRDHUP : POLLRDHUP;
    }
    return writing && client->writes ? events | POLLOUT : events;
}

void cgi_client_doubt(cgi_client_t *client, apr_time_t now)
{
    client->closed = 1;
    client->doubt_at = now;
}

void cgi_client_trust(cgi_client_t *client)
{
    client->doubt_at = 0;
}

/* In seconds: as long as a kernel remembers what has closed both sides. */
#define ASK_EVERY 5
#define ASK_TIMES 12

int cgi_client_ask(cgi_client_t *client, const cgi_request_t *q)
{
    static const int on = 1, every = ASK_EVERY, times = ASK_TIMES;

    if (!client->writes || strcmp(ap_http_scheme(q->r), "http") ||
        setsockopt(client->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_KEEPIDLE, &every,
                   sizeof(every)) ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_KEEPINTVL, &every,
                   sizeof(every)) ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_KEEPCNT, &times,
                   sizeof(times))) {
        return 0;
    }
    client->doubt_at = 0;
    return 1;
}
