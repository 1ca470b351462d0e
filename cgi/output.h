/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The script's output on its way to the client (RFC 3875, 6).
 */
#ifndef CGI_OUTPUT_H
#define CGI_OUTPUT_H

#include "apr_buckets.h"
#include "apr_file_io.h"

#include "base/header.h"
#include "cgi/gate.h"
#include "cgi/request.h"

typedef struct cgi_output_t {
    cgi_request_t *q;
    cgi_gate_t gate;
    int raw;    /* NPH on HTTP/1: no header to parse, no filters */
    int begun;  /* 1: the header is complete; the body follows */
    char *head; /* collects the header block */
    apr_size_t head_len, head_size, head_scanned;
    apr_size_t hints; /* bytes of Early Hints so far */
    apr_bucket_brigade *bb;
    apr_off_t pending;     /* bytes in bb */
    apr_off_t length_left; /* of the script's Content-Length; -1: none */
    apr_off_t unread;      /* bytes of stdout still to read; -1: to its end */
    apr_off_t total;       /* bytes of body so far */
    int drop_body;         /* 1: what the script prints is not sent */
    int streaming;         /* 1: something was flushed already */
    int stdout_large;      /* 1: stdout's pipe was full, and is larger now */
    int status;            /* OK; or httpd answers with this one at the end */
    const char *redirect;  /* local redirect, to follow at the end */
    apr_file_t *sendfile;  /* the body; NULL: what the script prints is */
    const char *sendfile_name;
    apr_time_t sent_at;  /* when something was last sent */
    apr_time_t heard_at; /* when the script last said something */
} cgi_output_t;

/** Prepare for the script's output. @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_output_init(cgi_output_t *out, cgi_request_t *q);

/** Would the client take more? If not, the driver does not read stdout. */
int cgi_output_takes(const cgi_output_t *out);

/** Read from fd, where poll() has seen something.
 * @param hung_up 1: no process can write any more: read to the end
 * @return CGI_ENDED: stdout is at its end */
cgi_outcome_e cgi_output_read(cgi_output_t *out, int fd, int hung_up,
                              apr_time_t now);

/** Is there output that can be sent without waiting for more? */
int cgi_output_is_due(const cgi_output_t *out);

/** Send what is pending now. */
cgi_outcome_e cgi_output_flush(cgi_output_t *out, apr_time_t now);

/** Give the client as much of what waits as it takes now.
 * @param moved gets 1: the client has taken some since the last call */
cgi_outcome_e cgi_output_push(cgi_output_t *out, int *moved);

/** Has httpd got all output, so that it will send the rest by itself? */
int cgi_output_is_clear(const cgi_output_t *out);

/** The script has ended, and n bytes are left in stdout: read no more than
 * those. A child of the script may hold stdout open for ever. */
void cgi_output_bound(cgi_output_t *out, int n);

/** Has a part of the response been sent, so that its status is final? */
int cgi_output_is_sent(const cgi_output_t *out);

/** If the script ended now, would the response be incomplete without the
 * client noticing it? */
int cgi_output_is_open(const cgi_output_t *out);

/** stdout has ended: finish the response. */
cgi_outcome_e cgi_output_end(cgi_output_t *out);

/** The response is complete: let httpd send what it still holds back. */
cgi_outcome_e cgi_output_hurry(cgi_output_t *out);

/** Cut the response off, so that the client sees that it is incomplete.
 * @param at_once 1: drop what waits to be sent */
cgi_outcome_e cgi_output_abort(cgi_output_t *out, int at_once);

/** The client has closed its sending side. If it has closed the connection, it
 * answers whatever is sent with a reset. So send something harmless, unless
 * something was sent since then. @return 0: there is nothing harmless */
int cgi_output_probe(cgi_output_t *out, apr_time_t since);

/** Free all output that was not sent. */
void cgi_output_release(cgi_output_t *out);

/** Follow a local redirect (RFC 3875, 6.2.2), after everything else.
 * @return a handler's result */
int cgi_output_redirect(const cgi_output_t *out);

/* ---- response.c: what the header means ---- */

/** Act on a whole header. @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_output_apply(cgi_output_t *out, const cgi_header_t *header);

/** 103 Early Hints: only what a client may use before the final header. */
void cgi_output_early_hints(cgi_output_t *out, const cgi_header_t *header);

/* ---- sendfile.c: X-Sendfile ---- */

/** Open the file that the script names in value, if it may, as out->sendfile.
 * @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_sendfile_open(cgi_output_t *out, const char *value);

/** Add to the script's header what httpd knows of the file. */
void cgi_sendfile_header(cgi_output_t *out);

/** Put the file into out->bb. */
void cgi_sendfile_body(cgi_output_t *out);

#endif /* CGI_OUTPUT_H */
