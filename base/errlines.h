/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A script's error output, cut into lines that a log can take.
 */
#ifndef CGI_ERRLINES_H
#define CGI_ERRLINES_H

#include "apr_time.h"

/** A longer line is cut; the log itself holds no more of it. In bytes. */
#define CGI_ERRLINE_MAX 4096
/** Lines that may come at once, and lines a second from then on. */
#define CGI_ERRLINES_BURST 200
#define CGI_ERRLINES_RATE 20

/** Take a line, ended by NUL, without its line end. */
typedef void cgi_errline_fn(void *baton, const char *line);

typedef struct cgi_errlines_t {
    cgi_errline_fn *emit;
    void *baton;
    apr_size_t len;        /* bytes in line */
    int cut;               /* 1: the rest of this line is dropped */
    unsigned long dropped; /* lines over the rate since the last report */
    unsigned int allowance;
    apr_time_t refilled;
    char line[CGI_ERRLINE_MAX + 1];
} cgi_errlines_t;

/** Begin. @param now in microseconds, here and below */
void cgi_errlines_init(cgi_errlines_t *lines, cgi_errline_fn *emit,
                       void *baton, apr_time_t now);

/** Take output as it comes. NULs become spaces. */
void cgi_errlines_add(cgi_errlines_t *lines, const char *data, apr_size_t len,
                      apr_time_t now);

/** The output has ended: an unfinished line is a line, and what was dropped
 * is told. */
void cgi_errlines_end(cgi_errlines_t *lines, apr_time_t now);

#endif /* CGI_ERRLINES_H */
