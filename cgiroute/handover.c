/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A route whose SetHandler is "proxy:...": the backend is to see the same
 * variables as a program that runs here. mod_proxy puts the backend's URL in
 * front of r->filename. mod_proxy_fcgi takes it off again, mod_proxy_scgi and
 * mod_proxy_uwsgi don't, and it would be in SCRIPT_FILENAME.
 */

#include "apr_dso.h"
#include "apr_hooks.h"
#include "apr_strings.h"

#include "mod_proxy.h"

#include "cgiroute/route.h"

typedef int scheme_handler_t(request_rec *r, proxy_worker *worker,
                             proxy_server_conf *conf, char *url,
                             const char *host, apr_port_t port);
typedef void hook_with_t(scheme_handler_t *handler, const char *const *before,
                         const char *const *after, int order);

/* Called with the URL of the backend, before the module that knows its
 * scheme. A backend that fails may be followed by another: called again. */
static int prepare(request_rec *r, proxy_worker *worker,
                   proxy_server_conf *proxy, char *url, const char *host,
                   apr_port_t port)
{
    const cgiroute_dir_t *conf =
        ap_get_module_config(r->per_dir_config, &cgiroute_module);

    (void)worker;
    (void)proxy;
    (void)host;
    (void)port;
    if (conf->choice &&
        (!strncmp(url, "scgi:", 5) || !strncmp(url, "uwsgi:", 6))) {
        r->filename = apr_pstrdup(r->pool, conf->choice->place.script);
    }
    return DECLINED;
}

void cgiroute_register_handover(void)
{
    const module *proxy = ap_find_linked_module("mod_proxy.c");
    apr_dso_handle_sym_t symbol = NULL;
    hook_with_t *hook;

    /* Not linked to: httpd is to start without mod_proxy too. */
    if (!proxy || !proxy->dynamic_load_handle ||
        apr_dso_sym(&symbol, proxy->dynamic_load_handle,
                    "proxy_hook_scheme_handler") != APR_SUCCESS) {
        return;
    }
    memcpy(&hook, &symbol, sizeof(hook));
    apr_hook_debug_current = "mod_cgiroute.c"; /* who this is, for its sort */
    hook(prepare, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
