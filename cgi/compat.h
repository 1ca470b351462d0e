/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * All that depends on the version of httpd: 2.4.37 to 2.4.x, and trunk.
 * What an older one lacks is done another way, or is off and named in
 * CGI_COMPAT_OFF, which the log tells at start.
 */
#ifndef CGI_COMPAT_H
#define CGI_COMPAT_H

#include "apr_buckets.h"
#include "apr_poll.h"

#include "httpd.h"
#include "ap_mmn.h"
#include "ap_mpm.h"
#include "http_core.h"
#include "http_protocol.h"

#include "apu_version.h"

#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 83)
#error "This needs Apache httpd 2.4.37 or newer."
#endif

/* 2.5 has moved what 2.4 gained later, at numbers of its own. */
#define CGI_COMPAT_IS_24 (!AP_MODULE_MAGIC_AT_LEAST(20120212, 0))

/* Before 2.4.49 (20120211, 116) the input filter's context is private; in 2.5
 * it is again. */
#define CGI_COMPAT_READ_AHEAD                                                 \
    (CGI_COMPAT_IS_24 && AP_MODULE_MAGIC_AT_LEAST(20120211, 116))

#define CGI_COMPAT_APU_16 (APU_MAJOR_VERSION > 1 || APU_MINOR_VERSION >= 6)

/* The event MPM waits for a connection in the middle of a request: 2.4.63
 * (20120211, 137). */
#ifdef AP_MPMQ_CAN_WAITIO
#define CGI_COMPAT_PARK 1
#else
#define CGI_COMPAT_PARK 0
#endif

/* ap_get_pollfd_from_conn(): 2.4.58 (20120211, 129); ReadBufferSize: 2.4.47
 * (20120211, 97); ap_set_etag_fd(): 2.4.47 (20120211, 101). */
#if CGI_COMPAT_IS_24
#define CGI_COMPAT_GET_POLLFD AP_MODULE_MAGIC_AT_LEAST(20120211, 129)
#define CGI_COMPAT_READ_BUF_SIZE                                              \
    (AP_MODULE_MAGIC_AT_LEAST(20120211, 97) && CGI_COMPAT_APU_16)
#define CGI_COMPAT_SET_ETAG_FD AP_MODULE_MAGIC_AT_LEAST(20120211, 101)
#else
#define CGI_COMPAT_GET_POLLFD AP_MODULE_MAGIC_AT_LEAST(20211221, 15)
#define CGI_COMPAT_READ_BUF_SIZE 1
#define CGI_COMPAT_SET_ETAG_FD 1
#endif

/* Each begins with a comma. */
#if CGI_COMPAT_READ_AHEAD
#define CGI_COMPAT_OFF_READ_AHEAD ""
#else
#define CGI_COMPAT_OFF_READ_AHEAD ", reading large bodies ahead"
#endif
#if CGI_COMPAT_GET_POLLFD
#define CGI_COMPAT_OFF_POLLFD ""
#else
#define CGI_COMPAT_OFF_POLLFD ", waiting for HTTP/2 clients without a tick"
#endif
#if CGI_COMPAT_PARK
#define CGI_COMPAT_OFF_PARK ""
#else
#define CGI_COMPAT_OFF_PARK ", CGIPark"
#endif
#define CGI_COMPAT_OFF                                                        \
    CGI_COMPAT_OFF_READ_AHEAD CGI_COMPAT_OFF_POLLFD CGI_COMPAT_OFF_PARK

#ifndef HTTP_EARLY_HINTS
#define HTTP_EARLY_HINTS 103
#endif

/** Send an interim response, with r's headers or without. Sets r's status. */
static inline void cgi_compat_send_interim(request_rec *r, int status,
                                           int headers)
{
    unsigned int expecting = r->expecting_100;

    r->status = status;
    /* Before 2.4.47 no line end is sent where there is no status line; and
     * others know no words for 103. */
    r->status_line = status == HTTP_EARLY_HINTS ? "103 Early Hints"
                                                : ap_get_status_line(status);
    ap_send_interim_response(r, headers);
    if (status != HTTP_CONTINUE) {
        /* 2.4.37 takes any interim response for the one that is expected */
        r->expecting_100 = expecting & 1;
    }
}

/** How to wait for the client. @return another status: only by asking */
static inline apr_status_t cgi_compat_get_pollfd(conn_rec *c,
                                                 apr_pollfd_t *pfd)
{
#if CGI_COMPAT_GET_POLLFD
    return ap_get_pollfd_from_conn(c, pfd, NULL);
#else
    if (c->master) { /* its socket is that of all streams */
        return APR_ENOTIMPL;
    }
    pfd->desc_type = APR_POLL_SOCKET;
    pfd->desc.s = ap_get_conn_socket(c);
    return pfd->desc.s ? APR_SUCCESS : APR_ENOTIMPL;
#endif
}

/** ReadBufferSize, where there is that directive. */
static inline void cgi_compat_set_buf_size(apr_bucket *b,
                                           const core_dir_config *core)
{
#if CGI_COMPAT_READ_BUF_SIZE
    if (core->read_buf_size) {
        (void)apr_bucket_file_set_buf_size(b, core->read_buf_size);
    }
#else
    (void)b;
    (void)core;
#endif
}

static inline void cgi_compat_set_etag(request_rec *r, apr_file_t *file)
{
#if CGI_COMPAT_SET_ETAG_FD
    ap_set_etag_fd(r, file);
#else
    (void)file;
    ap_set_etag(r);
#endif
}

/** Has the request a body? 2.5 has none of an HTTP/2 request without a length
 * in its headers. */
static inline int cgi_compat_has_body(request_rec *r)
{
#if CGI_COMPAT_IS_24
    return ap_request_has_body(r);
#else
    return ap_request_has_body(r) ||
           (r->body_indeterminate && !r->header_only);
#endif
}

/** Has core's output filter kept something that the client has not taken? */
static inline int cgi_compat_output_waits(const conn_rec *c)
{
#if CGI_COMPAT_IS_24
    return c->data_in_output_filters;
#else
    ap_filter_t *f = c->output_filters;

    while (f && f->next) {
        f = f->next;
    }
    return f && ap_filter_should_yield(f);
#endif
}

/** The bytes from which core's output filter waits for the client. */
static inline apr_size_t cgi_compat_flush_max(const server_rec *s)
{
#if !CGI_COMPAT_IS_24 || AP_MODULE_MAGIC_AT_LEAST(20120211, 97)
    const core_server_config *core =
        ap_get_core_module_config(s->module_config);

    return core->flush_max_threshold;
#else
    (void)s;
    return 65535;
#endif
}

#endif
