/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The engine's place in httpd's life.
 */

#include "ap_mpm.h"
#include "http_core.h"
#include "http_log.h"
#include "mpm_common.h"

#include "base/version.h"
#include "cgi/admission.h"
#include "cgi/compat.h"
#include "cgi/gate.h"
#include "cgi/groups.h"
#include "cgi/input.h"
#include "cgi/launchers.h"
#include "cgi/park.h"
#include "cgi/sandbox.h"
#include "cgi/script.h"
#include "cgi/skin.h"
#include "cgi/status.h"
#include "cgi/stderrfile.h"
#include "cgi/subtree.h"
#include "cgi/warm.h"
#include "cgi/words.h"

CGI_EXEC_USE_LOG;

static const char *launcher_path;      /* found at check_config */
static apr_array_header_t *identities; /* cgi_identity_t; NULL: none */

static apr_status_t forget_identities(void *unused)
{
    (void)unused;
    identities = NULL;
    return APR_SUCCESS;
}

unsigned int cgi_exec_add_identity(apr_pool_t *pconf,
                                   const cgi_identity_t *identity,
                                   const char *user)
{
    cgi_identity_t *added;

    if (!identities) {
        identities = apr_array_make(pconf, 4, sizeof(cgi_identity_t));
        apr_pool_cleanup_register(pconf, NULL, forget_identities,
                                  apr_pool_cleanup_null);
    }
    added = apr_array_push(identities);
    *added = *identity;
    added->groups = cgi_groups_further(pconf, user, identity->gid);
    return (unsigned int)identities->nelts;
}

const cgi_identity_t *cgi_exec_identity(unsigned int number)
{
    return number
               ? &APR_ARRAY_IDX(identities, number - 1, const cgi_identity_t)
               : NULL;
}

/* Does any script run in a root directory of its own? */
static int has_roots(void)
{
    int i;

    for (i = 0; identities && i < identities->nelts; i++) {
        if (APR_ARRAY_IDX(identities, i, cgi_identity_t).root) {
            return 1;
        }
    }
    return 0;
}

/* Before the log files are opened: the message reaches the terminal. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    cgi_exec_server_t *server =
        ap_get_module_config(s->module_config, &CGI_EXEC_MODULE_SYM);

    (void)plog;
    (void)ptemp;
    launcher_path = cgi_words_find(pconf, s, server->launcher_path);
    if (!launcher_path ||
        !cgi_warm_find(pconf, s, launcher_path, server->warm)) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return cgi_sandbox_check(pconf, s, identities != NULL, has_roots());
}

/* At the first reading too, while messages still reach the terminal. */
static int open_logs(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s)
{
    (void)ptemp;
    return cgi_stderr_open_all(pconf, plog, s);
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    cgi_exec_server_t *server =
        ap_get_module_config(s->module_config, &CGI_EXEC_MODULE_SYM);
    const char *off = CGI_COMPAT_OFF;

    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* httpd reads its configuration twice at the start */
    }
    if (*off) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "off, because this httpd can't: %s", off + 2);
    }
    if (CGI_COMPAT_READ_AHEAD && !cgi_input_knows_core(&core_module)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "off, because this module was built for httpd of another "
                     "version: reading large bodies ahead");
    }
    cgi_park_init(pconf, s);
    if (cgi_admission_init(pconf, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    cgi_status_init(s);
    if (server->cgroup && cgi_subtree_open(server->cgroup, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return cgi_launch_init(pconf, s, launcher_path, server->cgroup, identities,
                           server->warm) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

void cgi_exec_say_version(server_rec *s, const char *module)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "%s/" CGI_VERSION " configured", module);
    }
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    cgi_launch_child_init();
    cgi_script_child_init();
    cgi_gate_child_init();
    cgi_admission_child_init(s);
    cgi_status_child_init(s);
}

static int monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    (void)s;
    cgi_launch_monitor();
    return DECLINED;
}

void cgi_exec_register_hooks(apr_pool_t *p)
{
    static const char *const core[] = {"core.c", NULL};

    (void)p;
    cgi_gate_register();
    cgi_skin_register();
    cgi_status_register();
    cgi_park_register_hooks();
    /* core's own turns stderr away from the terminal */
    ap_hook_open_logs(open_logs, NULL, core, APR_HOOK_REALLY_FIRST);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
}
