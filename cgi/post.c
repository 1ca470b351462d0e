/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Messages from httpd to launchers, and what is too large for one.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cgi/post.h"

apr_status_t cgi_post_store(const void *data, apr_size_t size, int *fd)
{
    apr_size_t done = 0;

    *fd = memfd_create("cgi-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        return errno;
    }
    while (done < size) {
        ssize_t n = write(*fd, (const char *)data + done, size - done);

        if (n < 0) {
            apr_status_t rv = errno;

            close(*fd);
            *fd = -1;
            return rv;
        }
        done += (apr_size_t)n;
    }
    return APR_SUCCESS;
}

/* Send the datagram, waiting for room. */
static apr_status_t enqueue(int queue, const struct msghdr *msg,
                            apr_interval_time_t timeout)
{
    apr_time_t until = 0;

    while (sendmsg(queue, msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        struct pollfd pfd = {.fd = queue, .events = POLLOUT};
        apr_time_t now = cgi_clock_now();

        /* ETOOMANYREFS: the launchers must take descriptors out first. */
        if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS &&
            errno != ECONNRESET) {
            return errno;
        }
        if (!until) {
            until = now + timeout;
        }
        if (now >= until) {
            return APR_TIMEUP;
        }
        if (errno == EAGAIN) {
            (void)poll(&pfd, 1, (int)apr_time_as_msec(until - now) + 1);
        }
        else {
            apr_sleep(apr_time_from_msec(1));
        }
    }
    return APR_SUCCESS;
}

/* Send bytes and descriptors. */
static apr_status_t post(int queue, void *data, apr_size_t size,
                         const int *fds, unsigned int nfds,
                         apr_interval_time_t timeout)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int[CGI_FD_MAX]))];
    } control;
    struct iovec iov = {data, size};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
    struct cmsghdr *cmsg;

    memset(&control, 0, sizeof(control));
    msg.msg_controllen = (socklen_t)CMSG_SPACE(nfds * sizeof(int));
    cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = (socklen_t)CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
    return enqueue(queue, &msg, timeout);
}

apr_status_t cgi_post_request(int queue, const cgi_wire_request_t *request,
                              const int fds[CGI_FD_MAX],
                              apr_interval_time_t timeout, apr_pool_t *p)
{
    int all[CGI_FD_MAX];
    unsigned int nfds = CGI_FD_MESSAGE;
    apr_size_t size, stored;
    void *data;
    apr_status_t rv;

    memcpy(all, fds, sizeof(all));
    all[CGI_FD_MESSAGE] = -1;
    rv = cgi_wire_encode(request, p, &data, &size);
    if (rv == APR_SUCCESS && size > CGI_WIRE_INLINE_MAX) {
        rv = cgi_post_store(data, size, &all[CGI_FD_MESSAGE]);
        stored = size;
        data = &stored;
        size = sizeof(stored);
        nfds++;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = post(queue, data, size, all, nfds, timeout);
    if (all[CGI_FD_MESSAGE] >= 0) {
        close(all[CGI_FD_MESSAGE]);
    }
    return rv;
}

apr_status_t cgi_post_claim(int queue, pid_t pid, int control_fd)
{
    cgi_wire_claim_t claim;

    cgi_wire_claim(&claim, pid);
    return post(queue, &claim, sizeof(claim), &control_fd, 1, 0);
}
