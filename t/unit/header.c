/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/header.c */

/* The header of a script's output (RFC 3875, 6.2 and 6.3: A13 to A17, C10). */

#include <stdlib.h>

#include "apr_escape.h"
#include "apr_general.h"
#include "apr_strings.h"

#include "base/header.h"
#include "tap.h"

static apr_pool_t *pool;

/* ---- where it ends ---- */

static void test_end(void)
{
    static const struct {
        const char *data;
        apr_size_t end;
    } row[] = {
        {"", 0},
        {"A: b", 0},
        {"A: b\n", 0},
        {"A: b\n\n", 6},
        {"A: b\n\nbody\n\n", 6},
        {"A: b\r\n\r\n", 8},
        {"A: b\r\n\n", 7},
        {"A: b\n\r\n", 7},
        {"A: b\r\r\n\n", 8},
        {"A: b\n\r\r\n\n", 9},
        {"A: b\n \n\n", 8},
        {"\n", 1},
        {"\r\n", 2},
        {"\r\r\n", 0},
        {"A: b\rC: d\r\r", 0},
    };
    apr_size_t i, n, len;

    for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
        apr_size_t scanned = 0, end = 0;
        const char *name = apr_pescape_echo(pool, row[i].data, 0);

        len = strlen(row[i].data);
        tap_ok(cgi_header_end(row[i].data, len, &scanned) == row[i].end,
               "in one piece: %s", name);
        scanned = 0;
        for (n = 1; n <= len && !end; n++) {
            /* Of its very size, so that a sanitizer sees a byte too many. */
            char *copy = malloc(n);

            memcpy(copy, row[i].data, n);
            end = cgi_header_end(copy, n, &scanned);
            free(copy);
        }
        tap_ok(end == row[i].end && (!end || n == end + 1), "byte by byte: %s",
               name);
    }
    n = 0;
    tap_ok(cgi_header_end("A\0\n\n", 4, &n) == 4, "a NUL ends nothing");
}

/* ---- what it says ---- */

static int add_field(void *to, const char *name, const char *value)
{
    char **text = to;

    *text = apr_pstrcat(pool, *text, name, "=", value, "|", NULL);
    return 1;
}

/* All of it in one line; or the error. */
static const char *parsed_bytes(const char *data, apr_size_t len, int nph)
{
    cgi_header_t header;
    char *text;
    const char *error;

    memset(&header, 0xee, sizeof(header));
    error = cgi_header_parse(&header, data, len, nph, pool);
    if (error) {
        return apr_pstrcat(pool, "error: ", error, NULL);
    }
    text = apr_psprintf(pool, "%d%s%s%s%s%s%s", header.status,
                        header.status_line ? " line " : "",
                        header.status_line ? header.status_line : "",
                        header.location ? " to " : "",
                        header.location ? header.location : "",
                        header.content_type ? " type " : "",
                        header.content_type ? header.content_type : "");
    if (header.content_length >= 0) {
        text = apr_psprintf(pool, "%s length %" APR_OFF_T_FMT, text,
                            header.content_length);
    }
    text = apr_pstrcat(pool, text, ";", NULL);
    apr_table_do(add_field, &text, header.fields, NULL);
    return text;
}

static const char *parsed(const char *data)
{
    return parsed_bytes(data, strlen(data), 0);
}

static void test_good(void)
{
    static const struct {
        const char *data, *result;
    } row[] = {
        {"Content-Type: text/plain\n\n", "0 type text/plain;"},
        {"content-TYPE:text/plain\r\n\r\n", "0 type text/plain;"},
        {"A: b\n\n", "0;A=b|"},
        {"A: 1\r\nB: 2\nA: 3\r\n\n", "0;A=1|B=2|A=3|"},
        {"A:\nB: \t\n\n", "0;A=|B=|"},
        {"A: \t b c \t\n\n", "0;A=b c|"},
        {"A: a\tb:c\n\n", "0;A=a\tb:c|"},
        {"!#$%&'*+-.^_`|~9z: \xe4\xff\n\n", "0;!#$%&'*+-.^_`|~9z=\xe4\xff|"},
        {"Status: 404 Not Found\n\n", "404 line 404 Not Found;"},
        {"STATUS:404\n\n", "404;"},
        {"Status: 404 \n\n", "404;"},
        {"Status: 200\n\n", "200;"},
        {"Status: 599 x\n\n", "599 line 599 x;"},
        {"Status: 103 Early Hints\nLink: </a>\n\n",
         "103 line 103 Early Hints;Link=</a>|"},
        {"Location: /x?y\n\n", "0 to /x?y;"},
        {"location: http://h/\nStatus: 301 Moved\n\n",
         "301 line 301 Moved to http://h/;"},
        {"Content-Length: 0\n\n", "0 length 0;"},
        {"Content-Length: 9223372036854775807\n\n",
         "0 length 9223372036854775807;"},
        {"Set-Cookie: a=1\nSet-Cookie: b=2\n\n",
         "0;Set-Cookie=a=1|Set-Cookie=b=2|"},
        {"A: b\n\nC: d\n\n", "0;A=b|"}, /* what follows is not read */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
        tap_is(parsed(row[i].data), row[i].result,
               apr_pescape_echo(pool, row[i].data, 0));
    }
}

/* Each with a part of the sentence that must be in the log. */
static void test_bad(void)
{
    static const struct {
        const char *data, *part;
    } row[] = {
        {"\n", "is empty"},
        {"\r\n", "is empty"},
        {"A: b", "does not end"},
        {"A: b\nC", "does not end"},
        {"text\n\n", "not 'text'"},
        {"<html>\n\n", "not '<html>'"},
        {": x\n\n", "must be 'Name: value'"},
        {"A : b\n\n", "must be 'Name: value'"},
        {" A: b\n\n", "must be 'Name: value'"},
        {"A: b\n c\n\n", "not ' c'"}, /* RFC 3875, 6.3.4: no folding */
        {"A\xe4: b\n\n", "must be 'Name: value'"},
        {"A: b\rC: d\n\n", "A has a control character"},
        {"A: b\r\r\n\n", "A has a control character"},
        {"A: \x0b\n\n", "control character"},
        {"A: \x7f\n\n", "control character"},
        {"A: \x1b[1m\n\n", "control character"},
        {"Status: 200 OK\rX: y\n\n", "Status has a control character"},
        {"Location: /\rX: y\n\n", "Location has a control character"},
        {"Status:\n\n", "Status must be three digits"},
        {"Status: abc\n\n", "not 'abc'"},
        {"Status: 20\n\n", "not '20'"},
        {"Status: 2000\n\n", "not '2000'"},
        {"Status: 200abc\n\n", "not '200abc'"},
        {"Status: 200\tOK\n\n", "three digits"},
        {"Status: -1\n\n", "not '-1'"},
        {"Status: 99 x\n\n", "not '99 x'"},
        {"Status: 099\n\n", "200 to 599"},
        {"Status: 100 Continue\n\n", "200 to 599, or 103, not 100"},
        {"Status: 101\n\n", "not 101"},
        {"Status: 102\n\n", "not 102"},
        {"Status: 199\n\n", "not 199"},
        {"Status: 600\n\n", "not 600"},
        {"Status: 1000\n\n", "not '1000'"},
        {"Status: 200\nstatus: 200\n\n", "Status is there twice"},
        {"Location: /\nlocation: /\n\n", "Location is there twice"},
        {"Content-Type: a/b\nContent-type: a/b\n\n",
         "Content-Type is there twice"},
        {"Content-Length: 1\ncontent-length: 1\n\n",
         "Content-Length is there twice"},
        {"Content-Length: 0\nContent-Length: 0\n\n",
         "Content-Length is there twice"},
        {"Content-Length:\n\n", "must be a number"},
        {"Content-Length: -1\n\n", "not '-1'"},
        {"Content-Length: +1\n\n", "not '+1'"},
        {"Content-Length: 1x\n\n", "not '1x'"},
        {"Content-Length: 1 1\n\n", "not '1 1'"},
        {"Content-Length: 0x1\n\n", "not '0x1'"},
        {"Content-Length: 9223372036854775808\n\n", "must be a number"},
        {"Transfer-Encoding: chunked\n\n", "Transfer-Encoding is the server"},
        {"transfer-encoding: identity\n\n", "Transfer-Encoding is the"},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
        const char *result = parsed(row[i].data);

        if (!tap_ok(!strncmp(result, "error: ", 7) &&
                        strstr(result, row[i].part),
                    "refused: %s", apr_pescape_echo(pool, row[i].data, 0))) {
            printf("# %s\n", result);
        }
    }
    tap_ok(strstr(parsed_bytes("A: b\0c\n\n", 8, 0), "control character") !=
               NULL,
           "refused: a NUL in a value");
    tap_ok(!strncmp(parsed_bytes("A\0B: c\n\n", 8, 0), "error", 5),
           "refused: a NUL in a name");
}

static void test_nph(void)
{
    static const struct {
        const char *data, *result; /* NULL: an error */
    } row[] = {
        {"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n",
         "404 line 404 Not Found;A=b|"},
        {"HTTP/1.0 200\n\n", "200;"},
        {"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
         "200 line 200 OK length 3;"},
        {"HTTP/1.1 103 Early Hints\nLink: x\n\n",
         "103 line 103 Early Hints;Link=x|"},
        {"HTTP/1.1 100 Continue\n\n", NULL},
        {"HTTP/2 200\n\n", NULL},
        {"HTTP/1. 200\n\n", NULL},
        {"HTTP/1.1\n\n", NULL},
        {"HTTP/1.1 \n\n", NULL},
        {"HTTP/1.1  200\n\n", NULL},
        {"HTTP/1.1 20\n\n", NULL},
        {"http/1.1 200\n\n", NULL},
        {"HTTP/1.1 200 O\rK\n\n", NULL},
        {"H\n\n", NULL},
        {"\n", NULL},
        {"Content-Type: text/plain\n\n", NULL},
        {"HTTP/1.1 200 OK\nStatus: 404\n\n", NULL},
        {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", NULL},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
        const char *result = parsed_bytes(row[i].data, strlen(row[i].data), 1);
        const char *name = apr_pescape_echo(pool, row[i].data, 0);

        if (row[i].result) {
            tap_is(result, row[i].result, name);
        }
        else {
            tap_ok(!strncmp(result, "error: ", 7), "NPH refused: %s", name);
        }
    }
    tap_ok(!strncmp(parsed("HTTP/1.1 200 OK\n\n"), "error: ", 7),
           "a status line where none belongs");
}

/* One field of that many bytes. */
static void test_large(void)
{
    apr_size_t n = 100 * 1024;
    char *data = malloc(n + 8);
    const char *result;

    memcpy(data, "A: ", 3);
    memset(data + 3, 'x', n);
    memcpy(data + 3 + n, "\n\n", 2);
    result = parsed_bytes(data, n + 5, 0);
    tap_ok(strlen(result) == strlen("0;A=|") + n, "a value of 100 KB");
    data[3] = '\r';
    result = parsed_bytes(data, n + 5, 0);
    tap_ok(!strncmp(result, "error", 5) && strlen(result) < 200,
           "an error quotes no more than its beginning");
    memset(data, 'y', n + 3);
    result = parsed_bytes(data, n + 5, 0);
    tap_ok(!strncmp(result, "error", 5) && strlen(result) < 200,
           "of a name, too");
    free(data);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_end();
    test_good();
    test_bad();
    test_nph();
    test_large();
    apr_pool_destroy(pool);
    return tap_done();
}
