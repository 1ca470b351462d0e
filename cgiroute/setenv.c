/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The values of SetEnv in <CGIRoute>.
 */

#include "apr_strings.h"

#include "http_core.h"

#include "base/metavars.h"
#include "cgiroute/route.h"

int cgiroute_is_server_variable(const char *name)
{
    /* DOCUMENT_ROOT, spelled so, is the route's to set: see keep_environment
     */
    return cgi_metavar_of_server(name) && strcmp(name, "DOCUMENT_ROOT") != 0;
}

static const cgiroute_dir_t *config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &cgiroute_module);
}

void cgiroute_set_environment(request_rec *r)
{
    const cgiroute_dir_t *conf = config_of(r);
    const int with_mod_env = ap_find_linked_module("mod_env.c") != NULL;
    apr_table_t *values = conf->choice->values;
    int i;

    /* mod_env puts its values behind those of the same name: the last counts
     */
    apr_table_compress(r->subprocess_env, APR_OVERLAP_TABLES_SET);
    for (i = 0; i < conf->env->nelts; i++) {
        const cgiroute_env_t *env =
            &APR_ARRAY_IDX(conf->env, i, const cgiroute_env_t);
        const char *now = apr_table_get(r->subprocess_env, env->name);

        /* UnsetEnv, or another SetEnv with more right, had its way? */
        if (with_mod_env && (!now || strcmp(now, env->raw) != 0)) {
            apr_table_unset(values, env->name);
        }
        else if (cgiroute_is_server_variable(env->name)) {
            apr_table_unset(r->subprocess_env, env->name);
        }
        else {
            apr_table_setn(values, env->name,
                           route_template_expand(r->pool, env->value,
                                                 &conf->choice->match,
                                                 conf->choice->host));
        }
    }
    cgiroute_keep_environment(r);
}

static int set_value(void *baton, const char *name, const char *value)
{
    request_rec *r = baton;
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    const char *shadow = NULL;
    int i;

    apr_table_setn(r->subprocess_env, name, value);
    if (strncmp(name, "HTTP_", 5) != 0) {
        return 1;
    }
    do {
        shadow = NULL;
        for (i = 0; i < headers->nelts && !shadow; i++) {
            const char *header =
                APR_ARRAY_IDX(headers, i, const apr_table_entry_t).key;

            shadow = cgi_metavar_same(header, name + 5) ? header : NULL;
        }
        if (shadow) {
            apr_table_unset(r->headers_in, shadow);
        }
    } while (shadow);
    return 1;
}

void cgiroute_keep_environment(request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;
    const char *root = apr_table_get(choice->values, "DOCUMENT_ROOT");

    apr_table_do(set_value, r, choice->values, NULL);
    /* httpd sets these variables last of all, from what it is told here */
    if (root || choice->document_root) {
        ap_set_document_root(r, root ? root : choice->document_root);
    }
    ap_set_context_info(r, choice->context_prefix, choice->context_root);
}
