/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The header block of a script's output (RFC 3875, 6.2 and 6.3).
 */
#ifndef CGI_HEADER_H
#define CGI_HEADER_H

#include "apr_tables.h"

/** A larger header block is refused. In bytes. */
#define CGI_HEADER_MAX (128 * 1024)

typedef struct cgi_header_t {
    int status;               /* 200-599, 103, or 0: the script named none */
    const char *status_line;  /* "404 Not Found"; or NULL */
    const char *location;     /* or NULL */
    const char *content_type; /* or NULL */
    apr_off_t content_length; /* or -1 */
    int transfer_coding;      /* 1: refused for its Transfer-Encoding */
    apr_table_t *fields;      /* all others, in order */
} cgi_header_t;

/**
 * Find the end of a header block: an empty line, each line ended by LF or
 * CRLF.
 * @param scanned *scanned is 0 at first; keeps the place between two calls
 *        with ever more data
 * @return length of the block with its empty line, or 0: not there yet
 */
apr_size_t cgi_header_end(const char *data, apr_size_t len,
                          apr_size_t *scanned);

/**
 * Read a header block.
 * @param header gets the fields, allocated from p
 * @param nph 1: the block starts with a status line of HTTP/1.x
 * @return NULL, or an English sentence that says what is wrong with it
 */
const char *cgi_header_parse(cgi_header_t *header, const char *data,
                             apr_size_t len, int nph, apr_pool_t *p);

#endif /* CGI_HEADER_H */
