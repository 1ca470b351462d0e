/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The values of SetEnv in <CGIRoute>. */

#include "apr_lib.h"
#include "apr_strings.h"

#include "cgiroute/route.h"

/* RFC 3875, 4.1, and what httpd adds to it. */
static const char *const server_variables[] = {
    "AUTH_TYPE",         "CONTENT_LENGTH",
    "CONTENT_TYPE",      "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE", "PATH_INFO",
    "PATH_TRANSLATED",   "QUERY_STRING",
    "REMOTE_ADDR",       "REMOTE_HOST",
    "REMOTE_IDENT",      "REMOTE_PORT",
    "REMOTE_USER",       "REQUEST_METHOD",
    "REQUEST_SCHEME",    "REQUEST_URI",
    "SCRIPT_FILENAME",   "SCRIPT_NAME",
    "SERVER_ADDR",       "SERVER_ADMIN",
    "SERVER_NAME",       "SERVER_PORT",
    "SERVER_PROTOCOL",   "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
};

/* Whether two names are the same to a script: all but letters and digits
 * becomes "_" on the way into its environment. */
static int same_name(const char *name, const char *variable)
{
    for (; *name && *variable; name++, variable++) {
        int c = apr_isalnum(*name) ? *name : '_';

        if (apr_toupper(c) != apr_toupper(*variable)) {
            return 0;
        }
    }
    return !*name && !*variable;
}

int cgiroute_is_server_variable(const char *name)
{
    apr_size_t i;

    for (i = 0; i < sizeof(server_variables) / sizeof(*server_variables);
         i++) {
        if (same_name(name, server_variables[i])) {
            return 1;
        }
    }
    return 0;
}

static const cgiroute_dir_t *config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &cgiroute_module);
}

void cgiroute_set_environment(request_rec *r)
{
    const cgiroute_dir_t *conf = config_of(r);
    const int with_mod_env = ap_find_linked_module("mod_env.c") != NULL;
    int i;

    for (i = 0; i < conf->env->nelts; i++) {
        const cgiroute_env_t *env =
            &APR_ARRAY_IDX(conf->env, i, const cgiroute_env_t);

        if (with_mod_env) {
            const char *now = apr_table_get(r->subprocess_env, env->name);

            /* UnsetEnv, or another SetEnv with more right, had its way */
            if (!now || strcmp(now, env->raw) != 0) {
                continue;
            }
        }
        if (cgiroute_is_server_variable(env->name)) {
            apr_table_unset(r->subprocess_env, env->name);
            continue;
        }
        apr_table_setn(r->subprocess_env, env->name,
                       route_template_expand(r->pool, env->value,
                                             &conf->choice->match,
                                             conf->choice->host));
    }
}

/* Whether a request header becomes the variable of that name. */
static int becomes(const char *header, const char *variable)
{
    return strncmp(variable, "HTTP_", 5) == 0 &&
           same_name(header, variable + 5);
}

void cgiroute_drop_shadowing_headers(request_rec *r)
{
    const cgiroute_dir_t *conf = config_of(r);
    int i, j;

    for (i = 0; i < conf->env->nelts; i++) {
        const char *name =
            APR_ARRAY_IDX(conf->env, i, const cgiroute_env_t).name;
        const apr_array_header_t *headers;

        if (!apr_table_get(r->subprocess_env, name)) {
            continue;
        }
        headers = apr_table_elts(r->headers_in);
        for (j = headers->nelts - 1; j >= 0; j--) {
            const char *key =
                APR_ARRAY_IDX(headers, j, const apr_table_entry_t).key;

            if (becomes(key, name)) {
                apr_table_unset(r->headers_in, key);
                headers = apr_table_elts(r->headers_in);
                j = headers->nelts;
            }
        }
    }
}
