/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The media type of a cover sheet, whose name has no suffix to tell it.
 */

#include <string.h>
#include <strings.h>

#include "apr_file_io.h"

#include "runscripts/runscripts.h"

/* What a page of HTML begins with: one of these, and then the end of the
 * name. */
static const char *const tags[] = {
    "!doctype html", "html", "head", "title", "meta", "link", "style",
    "script",        "body", "h1",   "p",     "div",  "nav",  NULL};

static int is_html(const char *text)
{
    const char *const *tag;

    text += strspn(text, " \t\r\n\f");
    if (*text++ != '<') {
        return 0;
    }
    if (!strncmp(text, "!--", 3)) {
        return 1;
    }
    for (tag = tags; *tag; tag++) {
        size_t len = strlen(*tag);

        if (!strncasecmp(text, *tag, len) &&
            strchr(" \t\r\n\f/>", text[len])) {
            return 1;
        }
    }
    return 0;
}

/* Text has no control characters but white space, backspace and escape. */
static int is_text(const char *bytes, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c < ' ' && !(c >= '\b' && c <= '\r') && c != 033) {
            return 0;
        }
    }
    return 1;
}

const char *runscripts_type_of(const char *path, apr_pool_t *p)
{
    char bytes[513];
    apr_size_t len = sizeof(bytes) - 1;
    const char *text = bytes;
    apr_file_t *file;
    apr_status_t rv;

    rv = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, p);
    if (rv != APR_SUCCESS) {
        return NULL;
    }
    rv = apr_file_read_full(file, bytes, len, &len);
    apr_file_close(file);
    if ((rv != APR_SUCCESS && rv != APR_EOF) || !is_text(bytes, len)) {
        return NULL;
    }
    bytes[len] = '\0';
    if (!strncmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
        text += 3;
    }
    return is_html(text) ? "text/html" : "text/plain";
}
