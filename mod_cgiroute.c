/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * mod_cgiroute: sends URLs to CGI programs by regular expression.
 *
 * This file hangs the parts into httpd. The way of a request:
 *   translate_name     a route is chosen (cgiroute/choose.c); the script
 *                      becomes r->filename
 *   map_to_storage     <Directory>, .htaccess and <Files> of that file apply,
 *                      and Options say which symbolic links are followed
 *   post_perdir_config the section <CGIRoute> is merged behind all <Location>s
 *   fixups             handler and environment are set
 *   handler            the engine runs the script
 */

#include <unistd.h>

#include "apr_strings.h"

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"

#include "cgi/lookup.h"
#include "cgiroute/route.h"

APLOG_USE_MODULE(cgiroute);

/* The choice made in this request's translate_name. From post_perdir_config
 * on it is in r->per_dir_config, which a redirect inside of httpd (mod_dir's
 * index, for one) takes along into another request. */
static cgiroute_choice_t *early_choice(const request_rec *r)
{
    const cgiroute_early_t *early =
        ap_get_module_config(r->request_config, &cgiroute_module);

    return early ? early->choice : NULL;
}

static const cgiroute_dir_t *config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &cgiroute_module);
}

/* Log why and return the status. */
static int fail(request_rec *r, int status, const char *why)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;

    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, r, "%s: %s",
        choice && choice->place.script ? choice->place.script : r->uri, why);
    return status;
}

/* ---- which route ---- */

static int translate_name(request_rec *r)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(r->server->module_config, &cgiroute_module);
    cgiroute_early_t *early;
    cgiroute_choice_t *choice;
    int status;

    if (r->proxyreq || !r->uri || r->uri[0] != '/') {
        return DECLINED;
    }
    while (conf && !conf->routes->nelts) {
        conf = conf->main;
    }
    if (!conf) {
        return DECLINED;
    }
    early = apr_pcalloc(r->pool, sizeof(*early));
    ap_set_module_config(r->request_config, &cgiroute_module, early);
    status = cgiroute_choose(r, early);
    if (status != OK) {
        return status;
    }
    choice = early->choice;
    if (choice->status) {
        /* A refusal: the rules of the route's directory hold, whatever name
         * the URL came with. */
        choice->place.script = choice->route->root;
        choice->path_info = "";
        r->finfo.filetype = APR_NOFILE;
    }
    else if (!choice->is_file) {
        /* As mod_alias does for ScriptAlias: Options RunScripts, which hides
         * names from those who ask by name, leaves this one alone. */
        r->handler = CGIROUTE_HANDLER;
    }
    r->filename = apr_pstrdup(r->pool, choice->place.script);
    r->path_info = apr_pstrdup(r->pool, choice->path_info);
    if (choice->has_context) {
        /* with it, mod_rewrite makes URLs of the names of files */
        ap_set_context_info(r, choice->context_prefix, choice->context_root);
    }
    return OK;
}

/* static=on: what may not be had looks as if it did not exist. */
static int hidden(const cgiroute_choice_t *choice, int status)
{
    return status == HTTP_FORBIDDEN && choice->route->is_static
               ? HTTP_NOT_FOUND
               : status;
}

/* What core does in this hook, before other mappers of files have their turn:
 * the route has mapped the request already. Core would answer TRACE here,
 * whatever AllowMethods and Require say: for a route that is done later. */
static int map_to_storage(request_rec *r)
{
    cgiroute_choice_t *choice = early_choice(r);
    int status;

    if (!choice) {
        return DECLINED;
    }
    status = ap_directory_walk(r);
    if (status == OK) {
        status = ap_file_walk(r);
    }
    choice->files_config = r->per_dir_config;
    return hidden(choice, status);
}

/* Whether a SetHandler that counts came in between two configurations. */
static int sets_handler(const ap_conf_vector_t *before,
                        const ap_conf_vector_t *after)
{
    const core_dir_config *b = ap_get_core_module_config(before);
    const core_dir_config *a = ap_get_core_module_config(after);

    if (a->expr_handler) {
        return a->expr_handler != b->expr_handler;
    }
    return a->handler && a->handler != b->handler &&
           strcmp(a->handler, "none") != 0;
}

/* httpd has just merged the <Location>s and <If>s. The section's place is
 * between the two, so that step is taken again where there is a section. */
static int post_perdir_config(request_rec *r)
{
    cgiroute_choice_t *choice = early_choice(r);
    ap_conf_vector_t *mine;
    cgiroute_dir_t *dir;

    if (!choice) {
        return DECLINED;
    }
    if (choice->route->section) {
        ap_conf_vector_t *before;
        core_dir_config *core;
        int status;

        r->per_dir_config = choice->files_config;
        status = ap_location_walk(r);
        if (status != OK) {
            return status;
        }
        before = r->per_dir_config;
        r->per_dir_config =
            ap_merge_per_dir_configs(r->pool, before, choice->route->section);
        status = ap_if_walk(r);
        if (status != OK) {
            return status;
        }
        choice->handed_over = sets_handler(before, r->per_dir_config);
        core = ap_get_core_module_config(r->per_dir_config);
        if (core->log) {
            r->log = core->log;
        }
    }

    mine = ap_create_per_dir_config(r->pool);
    dir = cgiroute_create_dir(r->pool, NULL);
    dir->choice = choice;
    ap_set_module_config(mine, &cgiroute_module, dir);
    r->per_dir_config =
        ap_merge_per_dir_configs(r->pool, r->per_dir_config, mine);
    return OK;
}

/* ---- handler and environment ---- */

/* For those whom CGIDebug admits, why no program runs.
 * @return OK: that is answered; DECLINED: it is not */
static int explain_none(request_rec *r, const char *why)
{
    const cgi_exec_options_t options = {.dir = &config_of(r)->exec,
                                        .explain = cgiroute_explain};

    return cgi_exec_explain(r, &options, why);
}

/* Right behind core, which has put SetHandler into r->handler; before
 * mod_rewrite and mod_dir, which may still send the request elsewhere. */
static int set_handler(request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;

    if (!choice) {
        return DECLINED;
    }
    if (choice->status &&
        explain_none(r, apr_psprintf(r->pool, "%d: %s", choice->status,
                                     choice->reason)) == OK) {
        return DONE;
    }
    if (choice->status) {
        return choice->status == HTTP_NOT_FOUND
                   ? HTTP_NOT_FOUND /* said at debug level, when chosen */
                   : fail(r, choice->status, choice->reason);
    }
    if (r->method_number == M_TRACE) {
        return ap_send_http_trace(r);
    }
    if (choice->is_listing) {
        /* no directory for mod_dir, which would look for indexes of its own */
        r->finfo.filetype = APR_UNKFILE;
    }
    if (!choice->handed_over || choice->is_listing) {
        r->handler = choice->is_file ? "default-handler" : CGIROUTE_HANDLER;
    }
    return OK;
}

/* Right behind mod_env, which has put the unexpanded values in. */
static int set_environment(request_rec *r)
{
    const cgiroute_dir_t *conf = config_of(r);

    if (!conf->choice) {
        return DECLINED;
    }
    if (conf->env) {
        cgiroute_set_environment(r);
    }
    return OK;
}

static int is_script(const request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;

    return choice && !choice->is_file && !choice->is_listing &&
           !choice->status && r->handler &&
           strcmp(r->handler, CGIROUTE_HANDLER) == 0;
}

static int forget_type(request_rec *r)
{
    if (!is_script(r)) {
        return DECLINED;
    }
    cgi_exec_forget_type(r);
    return OK;
}

/* The methods of AllowMethods, for the header Allow. */
static const char *allowed_methods(const request_rec *r)
{
    const char *list = NULL;
    int i;

    for (i = 0; i < METHODS; i++) {
        if (r->allowed & (AP_METHOD_BIT << i)) {
            list = apr_pstrcat(r->pool, list ? list : "", list ? ", " : "",
                               i == M_GET ? "GET, HEAD"
                                          : ap_method_name_of(r->pool, i),
                               NULL);
        }
    }
    return list;
}

/* Whoever handles the request: mod_dir and others may have merged it with one
 * that had its own idea of the same variables. */
static void insert_filter(request_rec *r)
{
    const request_rec *prev = r->prev;

    if (config_of(r)->choice) {
        cgiroute_keep_environment(r);
    }
    /* httpd gives Allow to its own page of a 405, not to one by URL */
    if (prev && prev->status == HTTP_METHOD_NOT_ALLOWED && prev->allowed &&
        config_of(prev)->choice) {
        apr_table_setn(r->err_headers_out, "Allow", allowed_methods(prev));
    }
}

/* The header Allow of a 405 (RFC 9110, 15.5.6): httpd puts none of the methods
 * of AllowMethods into it, and TRACE always, at the end. */
static void insert_error_filter(request_rec *r)
{
    if (config_of(r)->choice && r->allowed &&
        r->status == HTTP_METHOD_NOT_ALLOWED) {
        r->allowed_methods->method_mask |= r->allowed;
        ap_add_output_filter("CGIROUTE_ALLOW", NULL, r, r->connection);
    }
}

static apr_status_t allow_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_table_t *headers = f->r->headers_out;
    const char *allow = apr_table_get(headers, "Allow");
    const apr_size_t m = strlen(",TRACE"), n = allow ? strlen(allow) : 0;

    if (n > m && !strcmp(allow + n - m, ",TRACE")) {
        apr_table_setn(headers, "Allow",
                       apr_pstrmemdup(f->r->pool, allow, n - m));
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* What the engine is to run, and how. */
static void get_options(request_rec *r, cgi_exec_options_t *options)
{
    const cgiroute_dir_t *conf = config_of(r);
    const cgiroute_choice_t *choice = conf->choice;

    options->script = choice->place.script + strlen(choice->place.chroot);
    options->root = *choice->place.chroot ? choice->place.chroot : NULL;
    options->work_dir = choice->place.work_dir;
    options->identity = choice->route->identity;
    options->values = cgiroute_values(r->pool, choice);
    options->interpreter = choice->route->exec;
    options->query_args = 0;
    options->route = *choice->route->base
                         ? apr_pstrcat(r->pool, choice->route->base, " ",
                                       choice->route->regex, NULL)
                         : choice->route->regex;
    options->dir = &conf->exec;
    options->hide_forbidden = choice->route->is_static;
    options->explain = cgiroute_explain;
}

static int handler(request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;
    cgi_exec_options_t options = {0};

    if (!r->handler || strcmp(r->handler, CGIROUTE_HANDLER) != 0) {
        return DECLINED;
    }
    if (choice && choice->is_listing && !choice->status) {
        return cgiroute_show_directory(r, choice);
    }
    if (!is_script(r)) {
        /* A SetHandler of that name: what it is set on is no route's, and
         * must not be served by the next handler as the file that it is. */
        return fail(r, HTTP_FORBIDDEN,
                    "the handler " CGIROUTE_HANDLER
                    " must not be set by a directive");
    }
    if (r->finfo.filetype != APR_REG) {
        return fail(r, HTTP_NOT_FOUND, "the script is not there any more");
    }
    if (choice->route->exec && !choice->route->identity &&
        access(choice->place.script, R_OK) != 0) {
        return fail(r, HTTP_FORBIDDEN,
                    "a script of a route with exec= must be readable");
    }
    get_options(r, &options);
    return cgi_exec_run(r, &options);
}

/* For cgi-check. */
static int describe(request_rec *r, cgi_exec_options_t *options,
                    apr_table_t *facts)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;

    if (!choice) {
        return 0;
    }
    cgiroute_facts(choice->route, facts);
    if (!is_script(r)) {
        return 0;
    }
    get_options(r, options);
    return 1;
}

/* When nobody else has handled the request. */
static int explain_rest(request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;

    return explain_none(r, apr_psprintf(r->pool, "%s %s, which is %s",
                                        choice ? "a route serves"
                                               : "no route answers, httpd "
                                                 "goes on with",
                                        r->filename ? r->filename : r->uri,
                                        r->finfo.filetype == APR_REG ? "a file"
                                        : r->finfo.filetype == APR_DIR
                                            ? "a directory"
                                            : "not there"));
}

/* "SetHandler default-handler" in the route's section means the file itself.
 */
static int shows_file(request_rec *r, const cgiroute_choice_t *choice)
{
    const core_dir_config *core =
        choice->route->section
            ? ap_get_core_module_config(choice->route->section)
            : NULL;
    const char *own = core ? core->handler : NULL, *error = NULL;

    if (core && core->expr_handler) {
        own = ap_expr_str_exec(r, core->expr_handler, &error);
    }
    return choice->is_file ||
           (!error && own && !strcmp(own, "default-handler"));
}

/* Right before core serves a file as it is, whatever led to it: MultiViews, an
 * Alias, a name that no expression has. */
static int keep_source(request_rec *r)
{
    const cgiroute_choice_t *choice = config_of(r)->choice;
    const cgiroute_t *route;

    if (choice && !shows_file(r, choice) && r->method_number != M_OPTIONS) {
        return fail(r, HTTP_INTERNAL_SERVER_ERROR,
                    apr_psprintf(r->pool,
                                 "not served as a text, since a route has it; "
                                 "no module answers for its handler \"%s\"",
                                 r->handler ? r->handler : ""));
    }
    if (choice || r->finfo.filetype != APR_REG || !r->filename) {
        return DECLINED;
    }
    route = cgiroute_runs_file(
        r, ap_get_module_config(r->request_config, &cgiroute_module));
    if (!route) {
        return DECLINED;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "%s: not served as a text, since route %s (%s:%d) runs it",
                  r->filename, route->regex, route->file, route->line);
    return HTTP_NOT_FOUND;
}

/* ---- start-up ---- */

/* Not before here: User may come after the routes. */
static int add_identities(apr_pool_t *pconf, server_rec *s)
{
    for (; s; s = s->next) {
        const cgiroute_server_t *server =
            ap_get_module_config(s->module_config, &cgiroute_module);
        int i;

        for (i = 0; i < server->routes->nelts; i++) {
            cgiroute_t *route = APR_ARRAY_IDX(server->routes, i, cgiroute_t *);

            /* the main server's are those of a host without routes, too */
            if ((route->user || route->path.chroot) && !route->identity) {
                const char *error = cgiroute_add_identity(pconf, route);

                if (error) {
                    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                                 "CGIRoute at %s:%d %s", route->file,
                                 route->line, error);
                    return HTTP_INTERNAL_SERVER_ERROR;
                }
            }
        }
    }
    return OK;
}

/* suexec refuses interpreters: better now than at each request. What a
 * virtual host inherits may never be asked for there. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    const cgiroute_server_t *main_server = NULL;

    (void)plog;
    if (add_identities(pconf, s) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (; s; s = s->next) {
        const cgiroute_server_t *server =
            ap_get_module_config(s->module_config, &cgiroute_module);
        const char *error = server == main_server
                                ? NULL
                                : cgi_exec_check_interpreter(ptemp, s);
        int i;

        if (!main_server) {
            main_server = server;
        }
        for (i = 0; error && i < server->routes->nelts; i++) {
            const cgiroute_t *route =
                APR_ARRAY_IDX(server->routes, i, const cgiroute_t *);

            if (route->exec && !route->user && !route->group &&
                !route->path.chroot) {
                ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                             "CGIRoute at %s:%d must not have exec= where "
                             "SuexecUserGroup is in force: %s",
                             route->file, route->line, error);
                return HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }
    return OK;
}

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    (void)plog;
    (void)ptemp;
    cgiroute_build_tables(p, s);
    cgi_exec_say_version(s, "mod_cgiroute");
    return OK;
}

static int pre_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    apr_status_t rv = route_pattern_init(p);

    (void)ptemp;
    if (rv != APR_SUCCESS) {
        ap_log_perror(APLOG_MARK, APLOG_CRIT, rv, plog,
                      "no thread-specific storage for regular expressions");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    cgiroute_register_handover();
    return OK;
}

static void test_config(apr_pool_t *p, server_rec *s)
{
    if (ap_exists_config_define("DUMP_CGIROUTES")) {
        cgiroute_dump(p, s);
    }
    if (cgi_lookup_is_wanted()) {
        cgiroute_build_tables(p, s);
        cgiroute_list(p, s);
    }
}

static void register_hooks(apr_pool_t *p)
{
    /* Routes come after what rewrites or proxies the URL, before whatever
     * else maps it to a file. */
    static const char *const rewriters[] = {"mod_rewrite.c", "mod_proxy.c",
                                            NULL};
    static const char *const mappers[] = {"mod_alias.c", "mod_userdir.c",
                                          "mod_vhost_alias.c", NULL};
    static const char *const core[] = {"core.c", NULL};
    static const char *const env[] = {"mod_env.c", NULL};

    cgi_exec_register_hooks(p);
    cgi_lookup_register_hooks(describe);
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(test_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(translate_name, rewriters, mappers,
                           APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_post_perdir_config(post_perdir_config, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_fixups(set_handler, core, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(set_environment, env, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(forget_type, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_insert_error_filter(insert_error_filter, NULL, NULL,
                                APR_HOOK_MIDDLE);
    ap_register_output_filter("CGIROUTE_ALLOW", allow_filter, NULL,
                              AP_FTYPE_CONTENT_SET);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    /* core.c has handlers at both ends: not by its name */
    ap_hook_handler(explain_rest, NULL, NULL, APR_HOOK_REALLY_LAST - 2);
    ap_hook_handler(keep_source, NULL, NULL, APR_HOOK_REALLY_LAST - 1);
}

/* clang-format off */
module AP_MODULE_DECLARE_DATA cgiroute_module = {
    STANDARD20_MODULE_STUFF,
    cgiroute_create_dir,
    cgiroute_merge_dir,
    cgiroute_create_server,
    cgiroute_merge_server,
    cgiroute_commands,
    register_hooks,
    0
};
/* clang-format on */
