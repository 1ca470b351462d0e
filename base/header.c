/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "base/header.h"

apr_size_t cgi_header_end(const char *data, apr_size_t len,
                          apr_size_t *scanned)
{
    apr_size_t at = *scanned; /* start of a line */

    while (at < len) {
        const char *lf = memchr(data + at, '\n', len - at);

        if (!lf) {
            break;
        }
        if (lf == data + at || (lf == data + at + 1 && data[at] == '\r')) {
            return (apr_size_t)(lf - data) + 1;
        }
        at = (apr_size_t)(lf - data) + 1;
    }
    *scanned = at;
    return 0;
}

/* RFC 9110, 5.6.2. */
static int is_token_char(char c)
{
    return apr_isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* No control character but TAB may be in a field: CR and NUL would let a
 * script's data write header lines of its own. */
static int is_field_text(const char *text, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* Status = 3digit [ SP reason ]; 1xx other than Early Hints can't come from
 * a script: httpd owns the connection. */
static const char *parse_status(cgi_header_t *header, const char *value,
                                apr_pool_t *p)
{
    int status;

    if (!apr_isdigit(value[0]) || !apr_isdigit(value[1]) ||
        !apr_isdigit(value[2]) || (value[3] && value[3] != ' ')) {
        return apr_psprintf(p,
                            "Status must be three digits and a reason, "
                            "not '%.30s'",
                            value);
    }
    status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
    if (status != 103 && (status < 200 || status > 599)) {
        return apr_psprintf(p, "Status must be 200 to 599, or 103, not %d",
                            status);
    }
    header->status = status;
    header->status_line = value[3] && value[4] ? value : NULL;
    return NULL;
}

static const char *parse_length(cgi_header_t *header, const char *value,
                                apr_pool_t *p)
{
    char *end;

    if (!apr_isdigit(*value) ||
        apr_strtoff(&header->content_length, value, &end, 10) || *end) {
        header->content_length = -1;
        return apr_psprintf(p, "Content-Length must be a number, not '%.30s'",
                            value);
    }
    return NULL;
}

static const char *once(const char **member, const char *name,
                        const char *value, apr_pool_t *p)
{
    if (*member) {
        return apr_pstrcat(p, name, " is there twice", NULL);
    }
    *member = value;
    return NULL;
}

static const char *add_field(cgi_header_t *header, const char *name,
                             const char *value, apr_pool_t *p)
{
    if (!strcasecmp(name, "Status")) {
        if (header->status) {
            return "Status is there twice";
        }
        return parse_status(header, value, p);
    }
    if (!strcasecmp(name, "Location")) {
        return once(&header->location, "Location", value, p);
    }
    if (!strcasecmp(name, "Content-Type")) {
        return once(&header->content_type, "Content-Type", value, p);
    }
    if (!strcasecmp(name, "Content-Length")) {
        if (header->content_length >= 0) {
            return "Content-Length is there twice";
        }
        return parse_length(header, value, p);
    }
    if (!strcasecmp(name, "Transfer-Encoding")) {
        header->transfer_coding = 1;
        return "Transfer-Encoding is the server's to set, not a script's";
    }
    apr_table_addn(header->fields, name, value);
    return NULL;
}

static const char *parse_line(cgi_header_t *header, const char *line,
                              apr_size_t len, apr_pool_t *p)
{
    apr_size_t name_len = 0;
    const char *value, *end = line + len;

    while (name_len < len && is_token_char(line[name_len])) {
        name_len++;
    }
    if (!name_len || name_len == len || line[name_len] != ':') {
        return apr_psprintf(p,
                            "a header line must be 'Name: value', not "
                            "'%.*s'",
                            (int)(len < 60 ? len : 60), line);
    }
    value = line + name_len + 1;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (!is_field_text(value, (apr_size_t)(end - value))) {
        return apr_psprintf(p, "%.*s has a control character in its value",
                            (int)(name_len < 60 ? name_len : 60), line);
    }
    return add_field(header, apr_pstrmemdup(p, line, name_len),
                     apr_pstrmemdup(p, value, (apr_size_t)(end - value)), p);
}

/* HTTP-version SP 3digit [ SP reason ] */
static const char *parse_status_line(cgi_header_t *header, const char *line,
                                     apr_size_t len, apr_pool_t *p)
{
    const char *text = apr_pstrmemdup(p, line, len);

    if (!is_field_text(line, len) || strncmp(text, "HTTP/1.", 7) ||
        !apr_isdigit(text[7]) || text[8] != ' ') {
        return "an NPH script's output must start with an HTTP/1.x status "
               "line";
    }
    return parse_status(header, text + 9, p);
}

const char *cgi_header_parse(cgi_header_t *header, const char *data,
                             apr_size_t len, int nph, apr_pool_t *p)
{
    const char *error, *end = data + len;
    int lines = 0;

    memset(header, 0, sizeof(*header));
    header->content_length = -1;
    header->fields = apr_table_make(p, 8);
    while (data < end) {
        const char *lf = memchr(data, '\n', (size_t)(end - data));
        apr_size_t line_len;

        if (!lf) {
            return "the header does not end with an empty line";
        }
        line_len = (apr_size_t)(lf - data);
        if (line_len && data[line_len - 1] == '\r') {
            line_len--;
        }
        if (!line_len) {
            break;
        }
        error = nph && !lines ? parse_status_line(header, data, line_len, p)
                              : parse_line(header, data, line_len, p);
        if (error) {
            return error;
        }
        lines++;
        data = lf + 1;
    }
    return lines ? NULL : "the header is empty";
}
