/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Names of CGI variables: one list, one folding (C2). */
/* link: base/metavars.c */

#include <string.h>

#include "base/metavars.h"
#include "tap.h"

static void server(const char *name, const char *is)
{
    const char *found = cgi_metavar_of_server(name);

    tap_is(found ? found : "none", is, name);
}

static void harmless(const char *name, int is)
{
    tap_ok(cgi_metavar_is_harmless(name, strlen(name)) == is, "%s is %s", name,
           is ? "harmless" : "not taken from a worker");
}

int main(void)
{
    server("REQUEST_METHOD", "REQUEST_METHOD");
    server("request-Method", "REQUEST_METHOD");
    server("Server.Admin", "SERVER_ADMIN");
    server("context_prefix", "CONTEXT_PREFIX");
    server("remote_ident", "REMOTE_IDENT");
    server("script_filename", "SCRIPT_FILENAME");
    server("PATH_TRANSLATED", "PATH_TRANSLATED");
    server("REQUEST_METHODS", "none");
    server("REQUEST", "none");
    server("", "none");
    server("SERVER_*", "none");
    server("HTTP_HOST", "none");
    server("PATH", "none");

    harmless("REQUEST_METHOD", 1);
    harmless("request_method", 0);
    harmless("SERVER_NAME", 1);
    harmless("SERVER_OTHER", 1);
    harmless("SERVER_", 0);
    harmless("HTTP_HOST", 1);
    harmless("HTTP_PROXY", 0);
    harmless("HTTP_PROXY_X", 1);
    harmless("SCRIPT_FILENAME", 0);
    harmless("PATH_TRANSLATED", 0);
    harmless("LD_PRELOAD", 0);
    harmless("PATH", 0);
    harmless("TZ", 0);
    harmless("SSL_CERT_FILE", 0);
    harmless("SSL_CIPHER", 1);
    harmless("", 0);

    tap_ok(cgi_metavar_length("A_b9=x") == 4, "a name ends before =");
    tap_ok(cgi_metavar_length("\xc4x") == 0, "ASCII only");
    tap_ok(cgi_metavar_same("X-Forwarded-For", "x_forwarded_for"), "folded");
    tap_ok(!cgi_metavar_same("X-Forwarded", "x_forwarded_for"), "a part");
    return tap_done();
}
