/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "base/metavars.h"

/* Of a name in the table. */
#define SERVER 1   /* httpd sets it itself for each request */
#define HARMLESS 2 /* a script of another user may have it from a worker */
#define BOTH (SERVER | HARMLESS)

/* RFC 3875, and what httpd's core and its modules are known to set. A name
 * ending in * is a beginning. Nothing that a program or its libraries take
 * orders from is harmless: LD_PRELOAD, SSL_CERT_FILE, TZ, IFS and so on; nor
 * SCRIPT_FILENAME and PATH_TRANSLATED, which php-cgi may take for the script.
 */
static const struct {
    const char *name;
    int is;
} known[] = {
    {"AUTHENTICATE_*", HARMLESS},
    {"AUTHORIZE_*", HARMLESS},
    {"AUTH_TYPE", BOTH},
    {"CONTENT_LENGTH", BOTH},
    {"CONTENT_TYPE", BOTH},
    {"CONTEXT_DOCUMENT_ROOT", BOTH},
    {"CONTEXT_PREFIX", BOTH},
    {"CSP_NONCE", HARMLESS},
    {"DATE_GMT", HARMLESS},
    {"DATE_LOCAL", HARMLESS},
    {"DOCUMENT_ARGS", HARMLESS},
    {"DOCUMENT_NAME", HARMLESS},
    {"DOCUMENT_PATH_INFO", HARMLESS},
    {"DOCUMENT_ROOT", BOTH},
    {"DOCUMENT_URI", HARMLESS},
    {"ERROR_NOTES", HARMLESS},
    {"GATEWAY_INTERFACE", BOTH},
    {"H2PUSH", HARMLESS},
    {"H2_*", HARMLESS},
    {"HTTP2", HARMLESS},
    {"HTTPS", HARMLESS},
    {"HTTP_*", HARMLESS},
    {"LAST_MODIFIED", HARMLESS},
    {"PATH_INFO", BOTH},
    {"PATH_TRANSLATED", SERVER},
    {"QUERY_STRING", BOTH},
    {"QUERY_STRING_UNESCAPED", HARMLESS},
    {"REDIRECT_*", HARMLESS},
    {"REMOTE_ADDR", BOTH},
    {"REMOTE_HOST", BOTH},
    {"REMOTE_IDENT", BOTH},
    {"REMOTE_PORT", BOTH},
    {"REMOTE_USER", BOTH},
    {"REQUEST_METHOD", BOTH},
    {"REQUEST_SCHEME", BOTH},
    {"REQUEST_URI", BOTH},
    {"SCRIPT_FILENAME", SERVER},
    {"SCRIPT_NAME", BOTH},
    {"SCRIPT_URI", HARMLESS},
    {"SCRIPT_URL", HARMLESS},
    {"SERVER_ADDR", BOTH},
    {"SERVER_ADMIN", BOTH},
    {"SERVER_NAME", BOTH},
    {"SERVER_PORT", BOTH},
    {"SERVER_PROTOCOL", BOTH},
    {"SERVER_SIGNATURE", BOTH},
    {"SERVER_SOFTWARE", BOTH},
    {"SERVER_*", HARMLESS},
    {"SSL_CIPHER", HARMLESS},
    {"SSL_CIPHER_*", HARMLESS},
    {"SSL_CLIENT_*", HARMLESS},
    {"SSL_COMPRESS_METHOD", HARMLESS},
    {"SSL_PROTOCOL", HARMLESS},
    {"SSL_SECURE_RENEG", HARMLESS},
    {"SSL_SERVER_*", HARMLESS},
    {"SSL_SESSION_*", HARMLESS},
    {"SSL_SRP_*", HARMLESS},
    {"SSL_TLS_SNI", HARMLESS},
    {"SSL_VERSION_*", HARMLESS},
    {"UNIQUE_ID", HARMLESS},
    {"USER_NAME", HARMLESS},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

/* ASCII only, whatever the locale. */
char cgi_metavar_fold(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   (c >= '0' && c <= '9')
               ? c
               : '_';
}

apr_size_t cgi_metavar_length(const char *text)
{
    apr_size_t n = 0;

    while (text[n] && cgi_metavar_fold(text[n]) == text[n]) {
        n++;
    }
    return n;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : cgi_metavar_fold(c);
}

int cgi_metavar_same(const char *a, const char *b)
{
    while (*a && *b && upper(*a) == upper(*b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

const char *cgi_metavar_of_server(const char *name)
{
    apr_size_t i;

    for (i = 0; i < KNOWN; i++) {
        if ((known[i].is & SERVER) && cgi_metavar_same(name, known[i].name)) {
            return known[i].name;
        }
    }
    return NULL;
}

static int name_is(const char *pattern, const char *name, apr_size_t len)
{
    apr_size_t n = strlen(pattern);

    if (pattern[n - 1] == '*') {
        return len >= n && !strncmp(pattern, name, n - 1);
    }
    return len == n && !strncmp(pattern, name, n);
}

int cgi_metavar_is_harmless(const char *name, apr_size_t len)
{
    apr_size_t i;

    /* A header Proxy is no proxy for the script (CVE-2016-5385). */
    if (name_is("HTTP_PROXY", name, len)) {
        return 0;
    }
    for (i = 0; i < KNOWN; i++) {
        if ((known[i].is & HARMLESS) && name_is(known[i].name, name, len)) {
            return 1;
        }
    }
    return 0;
}
