/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Large request bodies, faster: httpd's input filter takes 8000 bytes from
 * the socket at a time, which for a body of gigabytes is most of the work.
 */

#include <sys/socket.h>

#include "apr_portable.h"

#include "http_core.h"

#include "exec_private.h"

/* The place in the core filter's own buffer where the socket is read, if what
 * lies before it is less than size. */
static apr_bucket *find_socket(conn_rec *c, apr_size_t size,
                               apr_socket_t **socket)
{
    ap_filter_t *f = c->input_filters;
    core_net_rec *net;
    apr_bucket *b, *end;
    apr_size_t have = 0;

    while (f && f->next) {
        f = f->next;
    }
    if (!f || f->frec != ap_core_input_filter_handle) {
        return NULL; /* HTTP/2, or a network of another kind */
    }
    net = f->ctx;
    if (!net || !net->in_ctx || !net->in_ctx->b) {
        return NULL;
    }
    end = APR_BRIGADE_SENTINEL(net->in_ctx->b);
    for (b = APR_BRIGADE_FIRST(net->in_ctx->b);
         b != end && !APR_BUCKET_IS_SOCKET(b); b = APR_BUCKET_NEXT(b)) {
        if (b->length == (apr_size_t)-1) {
            return NULL;
        }
        have += b->length;
    }
    *socket = net->client_socket;
    return b != end && have < size ? b : NULL;
}

void cgi_body_read_ahead(cgi_exec_t *x, apr_size_t size)
{
    apr_bucket_alloc_t *alloc = x->c->bucket_alloc;
    apr_socket_t *socket;
    apr_bucket *b = x->c->master ? NULL : find_socket(x->c, size, &socket);
    apr_os_sock_t fd;
    ssize_t n;
    char *buf;

    if (!b || apr_os_sock_get(&fd, socket) != APR_SUCCESS) {
        return;
    }
    buf = apr_bucket_alloc(size, alloc);
    n = recv(fd, buf, size, MSG_DONTWAIT);
    if (n <= 0) { /* the filter will find out for itself */
        apr_bucket_free(buf);
        return;
    }
    APR_BUCKET_INSERT_BEFORE(
        b, apr_bucket_heap_create(buf, (apr_size_t)n, apr_bucket_free, alloc));
}
