/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/rules.c */

/* What a kernel lacks of what a sandbox asks for, by the version of Landlock's
 * interface: said so that nobody believes in a wall that is not there. */

#include <string.h>

#include "apr_general.h"

#include "base/rules.h"
#include "tap.h"

static const char *const plain[] = {"t", "r/srv", NULL};
static const char *const ports[] = {"p80", "p443", NULL};
static const char *const no_net[] = {"n", "b", NULL};

enum {
    FILES = CGI_SANDBOX_LACKS_FILES,
    TRUNCATE = CGI_SANDBOX_LACKS_TRUNCATE,
    PORTS = CGI_SANDBOX_LACKS_PORTS,
    SCOPE = CGI_SANDBOX_LACKS_SCOPE,
    FILTER = CGI_SANDBOX_LACKS_FILTER
};

static void test_versions(void)
{
    /* for versions 0 to 7, with and without ports */
    static const unsigned int lacks[][2] = {
        {FILES | SCOPE, FILES | SCOPE | PORTS},
        {TRUNCATE | SCOPE, TRUNCATE | SCOPE | PORTS},
        {TRUNCATE | SCOPE, TRUNCATE | SCOPE | PORTS},
        {SCOPE, SCOPE | PORTS},
        {SCOPE, SCOPE},
        {SCOPE, SCOPE},
        {0, 0},
        {0, 0}};
    int abi;

    for (abi = 0; abi < 8; abi++) {
        tap_ok(cgi_sandbox_lacks(plain, abi, 1) == lacks[abi][0], "version %d",
               abi);
        tap_ok(cgi_sandbox_lacks(ports, abi, 1) == lacks[abi][1],
               "version %d, with ports", abi);
        tap_ok(cgi_sandbox_lacks(no_net, abi, 1) == lacks[abi][0],
               "version %d, without sockets: no ports either", abi);
    }
    tap_ok(cgi_sandbox_lacks(plain, 6, 0) == FILTER, "no filter of calls");
}

static void test_texts(void)
{
    apr_pool_t *p;
    unsigned int part;

    apr_pool_create(&p, NULL);
    tap_ok(!*cgi_sandbox_lacks_text(0, p), "nothing is lacking");
    for (part = FILES; part <= FILTER; part <<= 1) {
        const char *text = cgi_sandbox_lacks_text(part, p);

        tap_ok(*text && !strstr(text, ", nor from "), "one part: %s", text);
        tap_ok(strstr(cgi_sandbox_lacks_text(part | SCOPE, p), text) != NULL,
               "the same beside another");
    }
    apr_pool_destroy(p);
}

static void test_has(void)
{
    tap_ok(cgi_sandbox_has(ports, CGI_SANDBOX_PORT) &&
               cgi_sandbox_has(no_net, CGI_SANDBOX_BEST_EFFORT),
           "rules that there are");
    tap_ok(!cgi_sandbox_has(ports, CGI_SANDBOX_NO_NET) &&
               !cgi_sandbox_has(plain, CGI_SANDBOX_WRITE),
           "and are not");
}

int main(void)
{
    apr_initialize();
    test_versions();
    test_texts();
    test_has();
    tap_ok(cgi_sandbox_abi() >= 0, "this kernel has version %d",
           cgi_sandbox_abi());
    return tap_done();
}
