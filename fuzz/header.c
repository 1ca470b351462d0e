/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Whatever a script prints: the end of its header is where a simple search
 * finds it, in whatever pieces it comes; and no field of a header that is
 * taken has anything in it that could begin another line (RFC 3875, 6.2).
 *
 * Input: a byte, of which the first bit is NPH and the others the size of the
 * pieces; then what the script prints.
 */
/* link: base/header.c */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apr_general.h"

#include "base/header.h"
#include "target.h"

static void wrong(const char *what, const char *value)
{
    fprintf(stderr, "%s: %s\n", what, value ? value : "(none)");
    abort();
}

/* The end of the first empty line, looked for byte by byte. */
static apr_size_t simple_end(const char *data, apr_size_t len)
{
    apr_size_t i, line = 0; /* bytes in this line, but for one CR */

    for (i = 0; i < len; i++) {
        if (data[i] != '\n') {
            line++;
        }
        else if (line == 0 || (line == 1 && data[i - 1] == '\r')) {
            return i + 1;
        }
        else {
            line = 0;
        }
    }
    return 0;
}

static void check_end(const char *data, apr_size_t len, apr_size_t piece)
{
    apr_size_t expected = simple_end(data, len), scanned = 0, end = 0;
    apr_size_t have = 0;

    while (!end && have < len) {
        have = have + piece < len ? have + piece : len;
        end = cgi_header_end(data, have, &scanned);
        if (scanned > have) {
            wrong("scanned more than there was", data);
        }
    }
    if (end != expected) {
        wrong("another end", data);
    }
    scanned = 0;
    if (cgi_header_end(data, len, &scanned) != expected) {
        wrong("another end, in one piece", data);
    }
}

static void must_be_one_line(const char *text, const char *name)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            wrong("a control character", name);
        }
    }
}

static int check_field(void *unused, const char *name, const char *value)
{
    static const char *const own[] = {
        "Status",         "Location",          "Content-Type",
        "Content-Length", "Transfer-Encoding", NULL};
    int i;

    (void)unused;
    for (i = 0; own[i]; i++) {
        if (!strcasecmp(own[i], name)) {
            wrong("a field that is none of the others", name);
        }
    }
    if (!*name || strpbrk(name, " \t:\r\n\"(),/;<=>?@[\\]{}")) {
        wrong("no name", name);
    }
    must_be_one_line(name, name);
    must_be_one_line(value, name);
    if (strspn(value, " \t") ||
        (*value && strchr(" \t", value[strlen(value) - 1]))) {
        wrong("white space around a value", name);
    }
    return 1;
}

static void check_header(const cgi_header_t *header)
{
    char number[4];

    if (header->status && header->status != 103 &&
        (header->status < 200 || header->status > 599)) {
        wrong("a status that no script may give", header->status_line);
    }
    if (header->status_line) {
        snprintf(number, sizeof(number), "%d", header->status);
        if (strncmp(header->status_line, number, 3) != 0) {
            wrong("another status than its line's", header->status_line);
        }
        must_be_one_line(header->status_line, "Status");
    }
    if (header->location) {
        must_be_one_line(header->location, "Location");
    }
    if (header->content_type) {
        must_be_one_line(header->content_type, "Content-Type");
    }
    if (header->content_length < -1) {
        wrong("a negative length", NULL);
    }
    apr_table_do(check_field, NULL, header->fields, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    apr_pool_t *p;
    cgi_header_t header;
    const char *error;
    char *data;
    apr_size_t end;
    int nph;

    if (!size) {
        return 0;
    }
    nph = *input & 1;
    apr_pool_create(&p, start());
    data = malloc(size); /* of that size, for ASan */
    memcpy(data, input + 1, size - 1);
    data[size - 1] = '\0'; /* for messages: it is no part of the header */
    check_end(data, size - 1, (*input >> 1) + 1u);

    end = simple_end(data, size - 1);
    if (end) {
        error = cgi_header_parse(&header, data, end, nph, p);
        if (!error) {
            check_header(&header);
        }
        else if (!*error) {
            wrong("no reason", error);
        }
    }
    free(data);
    data = malloc(size); /* whatever it is given, it reads no further */
    memcpy(data, input + 1, size - 1);
    (void)cgi_header_parse(&header, data, size - 1, !nph, p);
    if (!header.fields) {
        wrong("no table", NULL);
    }
    free(data);
    apr_pool_destroy(p);
    return 0;
}
