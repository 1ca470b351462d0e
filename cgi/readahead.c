/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Large request bodies, faster: httpd's input filter takes 8000 bytes from
 * the socket at a time, which for a body of gigabytes is most of the work.
 * What has arrived is put into that filter's buffer in larger pieces: copied
 * at once, or, when nobody above is seen to look at it, left in the kernel
 * and moved from socket to pipe to script (splice(2)) without a copy.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_portable.h"

#include "http_core.h"

#include "cgi/compat.h"
#include "cgi/input.h"

/* Waiting bytes of a body that are worth a pipe. */
#define PIPED_MIN (16 * 1024)

int cgi_input_knows_core(const module *core)
{
    /* Another minor number may be another structure. */
    return core->version == MODULE_MAGIC_NUMBER_MAJOR &&
           core->minor_version == MODULE_MAGIC_NUMBER_MINOR;
}

/* The place in the core filter's own buffer where the socket is read, and
 * how many bytes lie before it. */
static apr_bucket *find_socket(conn_rec *c, apr_size_t *have,
                               apr_socket_t **socket)
{
#if CGI_COMPAT_READ_AHEAD
    ap_filter_t *f = c->input_filters;
    core_net_rec *net;
    apr_bucket *b, *end;

    *have = 0;
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
        *have += b->length;
    }
    *socket = net->client_socket;
    return b != end ? b : NULL;
#else
    (void)c;
    *have = 0;
    *socket = NULL;
    return NULL;
#endif
}

/* A bucket of known length whose data lie in a pipe of its own. Whoever
 * reads it gets them as from any other: it becomes one in memory. */
typedef struct {
    int fd;
} piped_t;

static void piped_destroy(void *data)
{
    piped_t *piped = data;

    close(piped->fd);
    apr_bucket_free(piped);
}

/* Make b a bucket in memory. */
static apr_status_t to_memory(apr_bucket *b)
{
    piped_t *piped = b->data;
    char *buf = apr_bucket_alloc(b->length, b->list);
    apr_size_t have = 0;

    while (have < b->length) {
        ssize_t n = read(piped->fd, buf + have, b->length - have);

        if (n > 0) {
            have += (apr_size_t)n;
        }
        else if (n == 0 || errno != EINTR) {
            apr_bucket_free(buf);
            return n == 0 ? APR_EOF : errno;
        }
    }
    piped_destroy(piped);
    (void)apr_bucket_heap_make(b, buf, have, apr_bucket_free);
    return APR_SUCCESS;
}

static apr_status_t piped_read(apr_bucket *b, const char **str,
                               apr_size_t *len, apr_read_type_e block)
{
    apr_status_t rv = to_memory(b);

    return rv == APR_SUCCESS ? apr_bucket_read(b, str, len, block) : rv;
}

static apr_status_t piped_setaside(apr_bucket *b, apr_pool_t *p)
{
    apr_status_t rv = to_memory(b);

    return rv == APR_SUCCESS ? apr_bucket_setaside(b, p) : rv;
}

static apr_status_t piped_split(apr_bucket *b, apr_size_t point)
{
    apr_status_t rv = to_memory(b);

    return rv == APR_SUCCESS ? apr_bucket_split(b, point) : rv;
}

static apr_status_t piped_copy(apr_bucket *b, apr_bucket **c)
{
    apr_status_t rv = to_memory(b);

    return rv == APR_SUCCESS ? apr_bucket_copy(b, c) : rv;
}

static const apr_bucket_type_t piped_type = {
    "CGI_PIPED",    5,           APR_BUCKET_DATA, piped_destroy, piped_read,
    piped_setaside, piped_split, piped_copy};

int cgi_input_is_piped(const apr_bucket *b)
{
    return b->type == &piped_type;
}

ssize_t cgi_input_splice(apr_bucket *b, int fd)
{
    piped_t *piped = b->data;
    ssize_t n =
        splice(piped->fd, NULL, fd, NULL, b->length, SPLICE_F_NONBLOCK);

    if (n > 0) {
        b->length -= (apr_size_t)n;
    }
    return n;
}

/* Move up to size bytes of the socket into a pipe. @return NULL: none */
static apr_bucket *piped_create(int socket, apr_size_t size,
                                apr_bucket_alloc_t *alloc)
{
    apr_bucket *b;
    piped_t *piped;
    ssize_t n;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
        return NULL;
    }
    (void)fcntl(fds[1], F_SETPIPE_SZ, CGI_LARGE_PIPE);
    n = splice(socket, NULL, fds[1], NULL, size, SPLICE_F_NONBLOCK);
    close(fds[1]);
    if (n <= 0) {
        close(fds[0]);
        return NULL;
    }
    piped = apr_bucket_alloc(sizeof(*piped), alloc);
    piped->fd = fds[0];
    b = apr_bucket_alloc(sizeof(*b), alloc);
    APR_BUCKET_INIT(b);
    b->type = &piped_type;
    b->data = piped;
    b->length = (apr_size_t)n;
    b->start = 0;
    b->free = apr_bucket_free;
    b->list = alloc;
    return b;
}

/* Copy up to size bytes of the socket to a bucket before b. @return bytes */
static apr_size_t copy_before(apr_bucket *b, int socket, apr_size_t size)
{
    char *buf = apr_bucket_alloc(size, b->list);
    ssize_t n = recv(socket, buf, size, MSG_DONTWAIT);

    if (n <= 0) {
        apr_bucket_free(buf);
        return 0;
    }
    APR_BUCKET_INSERT_BEFORE(
        b,
        apr_bucket_heap_create(buf, (apr_size_t)n, apr_bucket_free, b->list));
    return (apr_size_t)n;
}

apr_size_t cgi_input_read_ahead(cgi_input_t *in, apr_size_t size)
{
    apr_socket_t *socket;
    apr_size_t have, n;
    apr_bucket *b, *piped;
    apr_os_sock_t fd;
    int waiting;

    if (!in->q->options->dir->read_ahead || in->q->c->master ||
        !cgi_input_knows_core(&core_module)) {
        return size;
    }
    b = find_socket(in->q->c, &have, &socket);
    if (!b || have >= size || apr_os_sock_get(&fd, socket) != APR_SUCCESS ||
        ioctl(fd, FIONREAD, &waiting) || waiting <= 0) {
        return size; /* the filter will find out for itself */
    }
    if (in->piped) { /* and it did not come through: it was looked at */
        in->piped = 0;
        in->left = 0;
    }
    if (waiting < PIPED_MIN || in->log ||
        in->left <= (apr_off_t)(have + PIPED_MIN)) {
        n = copy_before(
            b, fd, size < (apr_size_t)waiting ? size : (apr_size_t)waiting);
        return n ? have + n : size;
    }
    /* The core filter looks at the first bucket: let that be one of a byte. */
    n = copy_before(b, fd, 1);
    if (!n) {
        return size;
    }
    have += n;
    /* not a byte of the next request */
    piped =
        piped_create(fd, (apr_size_t)(in->left - (apr_off_t)have), b->list);
    if (!piped) {
        in->left = 0; /* this system can't */
        return have;
    }
    APR_BUCKET_INSERT_BEFORE(b, piped);
    in->piped = 1;
    return have + piped->length; /* for whole, so that it is not split */
}
