/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * suexec: where SuexecUserGroup or mod_userdir says so, httpd's wrapper
 * changes to the user whose script it is, after checks of its own.
 */

#include <string.h>

#include "apr_strings.h"

#include "httpd.h"
#include "http_config.h"
#include "unixd.h"

#include "cgi/script.h"
#include "cgi/suexec.h"

CGI_EXEC_USE_LOG;

/* suexec runs what lies in its document root and belongs to the user: no
 * interpreter from /usr/bin, which it would be asked for here. */
#define NO_INTERPRETER                                                        \
    "suexec runs no script by an interpreter of the configuration: the "      \
    "script must be executable and name its interpreter after #!"

int cgi_suexec_is_possible(void)
{
    const apr_array_header_t *hooks = ap_hook_get_get_suexec_identity();

    return ap_unixd_config.suexec_enabled && hooks && hooks->nelts > 0;
}

static const ap_unix_identity_t *identity_of(const request_rec *r)
{
    return cgi_suexec_is_possible() ? ap_run_get_suexec_identity(r) : NULL;
}

const char *cgi_exec_check_interpreter(apr_pool_t *p, server_rec *s)
{
    /* Whom a server's scripts run as is asked for by request: here, one
     * that is for none of its directories. */
    request_rec *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->server = s;
    r->connection = apr_pcalloc(p, sizeof(*r->connection));
    r->connection->pool = p;
    r->connection->base_server = s;
    r->per_dir_config = s->lookup_defaults;
    r->request_config = ap_create_request_config(p);
    r->notes = apr_table_make(p, 1);
    r->headers_in = apr_table_make(p, 1);
    r->subprocess_env = apr_table_make(p, 1);
    r->uri = apr_pstrdup(p, "/");
    return identity_of(r) ? NO_INTERPRETER : NULL;
}

cgi_outcome_e cgi_suexec_wrap(cgi_script_t *script, cgi_request_t *q,
                              cgi_wire_request_t *request)
{
    apr_pool_t *p = q->r->pool;
    const ap_unix_identity_t *identity;
    const char **argv;
    int n = 0;

    script->suexec = 0;
    /* user= of a route is more special. */
    if (q->options->identity || !(identity = identity_of(q->r))) {
        return CGI_WENT_ON;
    }
    if (q->options->interpreter) {
        return cgi_fail(q, HTTP_INTERNAL_SERVER_ERROR, 0, NO_INTERPRETER);
    }
    while (request->argv[n]) {
        n++;
    }
    /* user, group, name in the working directory, words */
    argv = apr_palloc(p, (apr_size_t)(n + 4) * sizeof(*argv));
    argv[0] = SUEXEC_BIN;
    argv[1] = apr_psprintf(p, "%s%lu", identity->userdir ? "~" : "",
                           (unsigned long)identity->uid);
    argv[2] = apr_psprintf(p, "%lu", (unsigned long)identity->gid);
    memcpy(argv + 3, request->argv, (apr_size_t)(n + 1) * sizeof(*argv));
    request->path = SUEXEC_BIN;
    request->dir = ap_make_dirstr_parent(p, q->options->script);
    request->argv = argv;
    script->suexec = 1;
    return CGI_WENT_ON;
}
