/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Templates around fragments of HTML: the words of a template, and whether a
 * text is a fragment or a page of its own.
 */
#ifndef CGI_FRAGMENT_H
#define CGI_FRAGMENT_H

#include "apr_pools.h"
#include "apr_tables.h"

typedef enum {
    CGI_SKIN_TEXT,
    CGI_SKIN_TITLE,  /* $<title> */
    CGI_SKIN_NONCE,  /* $<nonce> */
    CGI_SKIN_CONTENT /* $<content> */
} cgi_skin_word_e;

typedef struct cgi_skin_part_t {
    cgi_skin_word_e word;
    const char *text; /* of CGI_SKIN_TEXT */
    apr_size_t len;
} cgi_skin_part_t;

typedef struct cgi_skin_template_t {
    apr_array_header_t *parts; /* cgi_skin_part_t */
    int has_nonce;
} cgi_skin_template_t;

/**
 * Read a template. Words are $< and > with letters between; what else follows
 * a $ is text.
 * @param text is not copied
 * @return NULL, or an English rule that it breaks
 */
const char *cgi_skin_parse(cgi_skin_template_t *skin, const char *text,
                           apr_size_t len, apr_pool_t *p);

typedef enum {
    CGI_PAGE_UNKNOWN, /* more of it must be seen */
    CGI_PAGE_WHOLE,   /* has a head of its own, or is empty */
    CGI_PAGE_FRAGMENT
} cgi_page_e;

/**
 * Is a text of HTML a page, or a fragment? A page begins, after white space
 * and comments, with <!doctype, <html, <head, <title, <body, <frameset or
 * <?xml.
 * @param all 1: nothing follows: not answered with CGI_PAGE_UNKNOWN
 * @param title gets the value of data-title in the first tag of a fragment, as
 *        it is written there, title_len bytes within data; or NULL
 */
cgi_page_e cgi_skin_judge(const char *data, apr_size_t len, int all,
                          const char **title, apr_size_t *title_len);

#endif /* CGI_FRAGMENT_H */
