/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * For the benchmark only. `Ballast N` makes each httpd child hold N MB of
 * resident memory, as mod_perl or a large mod_php would. The handler
 * "bench-nap" sleeps for two seconds: a request that waits, and nothing else.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

module AP_MODULE_DECLARE_DATA ballast_module;

static size_t ballast_bytes;

static void hold(apr_pool_t *p, server_rec *s)
{
    char *memory;

    (void)p;
    (void)s;
    if (ballast_bytes && (memory = malloc(ballast_bytes)) != NULL) {
        memset(memory, 1, ballast_bytes); /* touch it: resident, not only
                                             reserved */
    }
}

static int nap(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "bench-nap")) {
        return DECLINED;
    }
    poll(NULL, 0, 2000);
    ap_set_content_type(r, "text/plain");
    ap_rputs("hello\n", r);
    return OK;
}

static const char *set_ballast(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)cmd;
    (void)dummy;
    ballast_bytes = (size_t)atol(arg) * 1024 * 1024;
    return ballast_bytes ? NULL : "Ballast must be a number of megabytes";
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("Ballast", set_ballast, NULL, RSRC_CONF,
                  "megabytes that each child holds"),
    {NULL}};

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(nap, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(hold, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(ballast) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands,
    register_hooks,          0};
