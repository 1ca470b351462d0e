/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * mod_runscripts: with Options RunScripts, a request for /dir/foo runs the
 * script foo.doit or foo.nph that lies in that directory among ordinary
 * files. This file holds the configuration, the hooks and the choice.
 */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"

#include "cgi/lookup.h"
#include "runscripts/runscripts.h"

/* What is kept for a request that the choice was made for. */
typedef struct runscripts_request_t {
    const char *script; /* the file that runs, as in r->filename; or NULL:
                         * the name is hidden */
} runscripts_request_t;

/* ---- configuration ---- */

static void *create_dir(apr_pool_t *p, char *path)
{
    runscripts_dir_t *dir = apr_pcalloc(p, sizeof(*dir));

    (void)path;
    cgi_exec_dir_init(&dir->exec);
    runscripts_options_init(dir);
    return dir;
}

static int only_option(const runscripts_dir_t *dir)
{
    return !dir->exec.is_set && !dir->suffixes && !dir->nph_suffixes;
}

/* Called several times in each request, for each section with Options: most
 * of them have nothing to say here. */
static void *merge_dir(apr_pool_t *p, void *base_, void *add_)
{
    const runscripts_dir_t *base = base_, *add = add_;
    runscripts_dir_t *dir;

    if (runscripts_options_keep(base, add) && only_option(add)) {
        return base_;
    }
    if (runscripts_options_replace(base, add) && only_option(base)) {
        return add_;
    }
    dir = apr_pmemdup(p, base, sizeof(*dir));
    if (add->exec.is_set) {
        cgi_exec_dir_merge(&dir->exec, &base->exec, &add->exec);
    }
    runscripts_options_merge(dir, base, add);
    if (add->suffixes) {
        dir->suffixes = add->suffixes;
    }
    if (add->nph_suffixes) {
        dir->nph_suffixes = add->nph_suffixes;
    }
    return dir;
}

static void *create_server(apr_pool_t *p, server_rec *s)
{
    cgi_exec_server_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    cgi_exec_server_init(server);
    return server;
}

static void *merge_server(apr_pool_t *p, void *base, void *add)
{
    cgi_exec_server_t *server = apr_pcalloc(p, sizeof(*server));

    cgi_exec_server_merge(server, base, add);
    return server;
}

/* RunScriptsSuffix and, with a non-NULL info, RunScriptsNPHSuffix. RAW_ARGS,
 * because httpd drops an empty word at the end of a line. */
static const char *set_suffixes(cmd_parms *cmd, void *dir_, const char *args)
{
    runscripts_dir_t *dir = dir_;
    apr_array_header_t *list =
        apr_array_make(cmd->pool, 2, sizeof(runscripts_suffix_t));
    const char *error = NULL, *common;

    if (!*args) {
        error = "needs at least one suffix, such as .doit";
    }
    while (!error && *args) {
        error = runscripts_suffixes_add(cmd->pool, list,
                                        ap_getword_conf(cmd->pool, &args));
    }
    if (error) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", error, NULL);
    }
    common = runscripts_suffixes_common(list, cmd->info ? dir->suffixes
                                                        : dir->nph_suffixes);
    if (common) {
        return apr_psprintf(cmd->pool,
                            "%s: suffix \"%s\" must not stand for plain and "
                            "NPH scripts at once",
                            cmd->cmd->name, common);
    }
    *(cmd->info ? &dir->nph_suffixes : &dir->suffixes) = list;
    return NULL;
}

/* clang-format off */
static const command_rec commands[] = {
    /* Where core has these directives, we must have them too, else core's
     * handler would be called alone. */
    AP_INIT_RAW_ARGS("Options", runscripts_options_set, NULL, OR_OPTIONS,
                     "RunScripts runs foo.doit for a request for foo"),
    AP_INIT_RAW_ARGS("AllowOverride", runscripts_override_set, NULL,
                     ACCESS_CONF, "Options=RunScripts allows that option"),
    AP_INIT_RAW_ARGS("RunScriptsSuffix", set_suffixes, NULL,
                     RSRC_CONF | ACCESS_CONF,
                     "suffixes of scripts, .doit by default"),
    AP_INIT_RAW_ARGS("RunScriptsNPHSuffix", set_suffixes, (void *)1,
                     RSRC_CONF | ACCESS_CONF,
                     "suffixes of NPH scripts, .nph by default"),
    CGI_EXEC_COMMANDS,
    {.name = NULL}
};
/* clang-format on */

static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    (void)plog, (void)ptemp, (void)s;
    runscripts_options_restore(ap_conftree);
    runscripts_override_apply(pconf);
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    (void)pconf, (void)plog, (void)ptemp;
    runscripts_speling_guard();
    cgi_exec_say_version(s, "mod_runscripts");
    return OK;
}

/* ---- which script is this URL? ---- */

/* Log why a request ends here and return what the hook is to return:
 * something in the configuration or the file system must be mended. */
static int fail(request_rec *r, int status, const char *what, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "%s: %s", what, why);
    return status;
}

static runscripts_dir_t *dir_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &runscripts_module);
}

static runscripts_request_t *state_of(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &runscripts_module);
}

/* Did the administrator give the directory another handler? Core's own test
 * comes in the fixups phase, too late for us. */
static int has_handler(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *name = core->handler, *error = NULL;

    if (core->expr_handler) {
        name = ap_expr_str_exec(r, core->expr_handler, &error);
        if (error) {
            return 1; /* core will refuse the request */
        }
    }
    return name && ap_cstr_casecmp(name, "none");
}

/* The directory that DirectoryIndex and FallbackResource look a name up for
 * may be asked with POST; the look-up itself is always a GET. */
static int is_get(const request_rec *r)
{
    if (r->main && r->main->finfo.filetype != APR_REG) {
        r = r->main;
    }
    return r->method_number == M_GET;
}

/* The first file that has one of the suffixes. lstat: a link that leads
 * nowhere is there, too, and httpd says what becomes of it. */
static const char *find_suffixed(request_rec *r,
                                 const apr_array_header_t *suffixes,
                                 apr_finfo_t *info)
{
    int i;

    for (i = 0; i < suffixes->nelts; i++) {
        const char *path = apr_pstrcat(
            r->pool, r->filename,
            APR_ARRAY_IDX(suffixes, i, runscripts_suffix_t).text, NULL);
        apr_status_t rv =
            apr_stat(info, path, APR_FINFO_TYPE | APR_FINFO_LINK, r->pool);

        if (rv == APR_SUCCESS || rv == APR_INCOMPLETE) {
            return path;
        }
    }
    return NULL;
}

static const char *find_script(request_rec *r, const runscripts_dir_t *dir,
                               apr_finfo_t *info)
{
    const char *script = find_suffixed(r, runscripts_suffixes(dir), info);
    apr_finfo_t other;

    if (!script) {
        return find_suffixed(r, runscripts_nph_suffixes(dir), info);
    }
    if (APLOGrdebug(r) &&
        find_suffixed(r, runscripts_nph_suffixes(dir), &other)) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "%s is chosen, although there is an NPH script of the "
                      "same name",
                      script);
    }
    return script;
}

/* Let the request be for the script, as if it had been asked for by name:
 * everything that core looks up on the way to a file is looked up anew. */
static int walk_to(request_rec *r, const char *script)
{
    char *path_info = r->path_info;
    const core_dir_config *core;
    int status;

    r->filename = apr_pstrdup(r->pool, script);
    r->canonical_filename = NULL;
    r->finfo.filetype = APR_NOFILE;
    r->finfo.valid = 0;
    /* Without it, should the name turn out to be a directory, so that core
     * doesn't go down into it. */
    r->path_info = NULL;
    r->per_dir_config = r->server->lookup_defaults;

    if ((status = ap_directory_walk(r)) != OK ||
        (status = ap_file_walk(r)) != OK ||
        (status = ap_location_walk(r)) != OK ||
        (status = ap_if_walk(r)) != OK) {
        return status;
    }
    r->path_info = path_info;
    core = ap_get_core_module_config(r->per_dir_config);
    if (core->log) {
        r->log = core->log;
    }
    return OK;
}

static int run_instead(request_rec *r, const char *script,
                       const apr_finfo_t *info)
{
    runscripts_request_t *state;
    const runscripts_dir_t *dir;
    int status;

    if (info->filetype == APR_DIR) {
        return fail(r, HTTP_FORBIDDEN, script, "a directory can't be run");
    }
    if ((status = walk_to(r, script)) != OK) {
        return status; /* logged by core */
    }
    if (r->finfo.filetype != APR_REG) {
        return fail(r, HTTP_FORBIDDEN, script,
                    "a script must be a regular file");
    }
    dir = dir_of(r);
    if (!dir->option.on ||
        !runscripts_name_kind(dir, apr_filepath_name_get(r->filename))) {
        return fail(r, HTTP_FORBIDDEN, script,
                    "Options RunScripts is off for this file");
    }
    state = apr_pcalloc(r->pool, sizeof(*state));
    state->script = r->filename;
    ap_set_module_config(r->request_config, &runscripts_module, state);
    /* a sub-request may only want to know the file: PATH_TRANSLATED */
    ap_log_rerror(APLOG_MARK, r->main ? APLOG_TRACE1 : APLOG_DEBUG, 0, r,
                  "%s is run by %s, path info \"%s\"", r->uri, script,
                  r->path_info ? r->path_info : "");
    return OK;
}

/* The name is that of a script or an editor's copy. */
static int hide(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                  "%s is never served: its name is that of a script or an "
                  "editor's copy",
                  r->filename);
    if (r->main) {
        /* At once: mod_autoindex can show what access control refuses. */
        return HTTP_NOT_FOUND;
    }
    /* To the client it is to look as if there was nothing: what comes before
     * that, access control and redirections, is to come. */
    ap_set_module_config(r->request_config, &runscripts_module,
                         apr_pcalloc(r->pool, sizeof(runscripts_request_t)));
    return OK;
}

/* All sections that can hold Options have been merged now, and nothing has
 * been decided about access yet. */
static int choose(request_rec *r)
{
    const runscripts_dir_t *dir = dir_of(r);
    const char *script;
    apr_finfo_t info;

    if (!dir->option.hide) {
        return DECLINED;
    }
    /* A handler that is known this early is ScriptAlias or its like. */
    if (r->handler || r->proxyreq || !r->filename || r->filename[0] != '/' ||
        r->finfo.filetype == APR_DIR) {
        return DECLINED;
    }
    if (runscripts_name_hidden(dir, r->filename)) {
        return hide(r);
    }
    if (r->finfo.filetype == APR_REG && is_get(r) && !(r->args && *r->args) &&
        !(r->path_info && *r->path_info)) {
        return DECLINED; /* the cover sheet, or any other file */
    }
    if (!dir->option.on || has_handler(r)) {
        return DECLINED;
    }
    script = find_script(r, dir, &info);
    return script ? run_instead(r, script, &info) : DECLINED;
}

/* For CGIDebug: the names that were looked for. */
static void explain(request_rec *r, apr_array_header_t *lines)
{
    const runscripts_dir_t *dir = dir_of(r);
    const runscripts_request_t *state = state_of(r);
    const apr_array_header_t *lists[2] = {runscripts_suffixes(dir),
                                          runscripts_nph_suffixes(dir)};
    int i, k;

    APR_ARRAY_PUSH(lines, const char *) =
        dir->option.on ? "Options RunScripts is on here"
                       : "Options RunScripts is off here";
    for (k = 0; k < 2; k++) {
        for (i = 0; i < lists[k]->nelts; i++) {
            const runscripts_suffix_t *s =
                &APR_ARRAY_IDX(lists[k], i, runscripts_suffix_t);
            apr_size_t len = strlen(r->filename);

            if (state && state->script && len > s->len &&
                !strcmp(r->filename + len - s->len, s->text)) {
                APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
                    r->pool, "a file with the suffix %s is there: %s", s->text,
                    k ? "it runs, and writes the whole response (NPH)"
                      : "it runs");
                return;
            }
            APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
                r->pool, "a script's name ends with %s%s", s->text,
                state && state->script ? ": there is none" : "");
        }
    }
}

/* After mod_rewrite and mod_alias, whose rules for a directory may send the
 * client to a better place; before mod_dir's and mod_speling's guesses. */
static int fixup_hidden(request_rec *r)
{
    const runscripts_request_t *state = state_of(r);
    cgi_exec_options_t options = {0};

    if (!state || state->script) {
        return DECLINED;
    }
    /* Not by r->handler: SetHandler could name mod_rewrite's. */
    if (r->proxyreq || !strncmp(r->filename, "redirect:", 9)) {
        return OK;
    }
    options.dir = &dir_of(r)->exec;
    options.explain = explain;
    return cgi_exec_explain(r, &options,
                            "404: the name is that of a script or of an "
                            "editor's copy, which is never served") == OK
               ? DONE
               : HTTP_NOT_FOUND;
}

/* mod_dav reads directories by itself and would tell of hidden names. */
static int is_dav_leak(const request_rec *r)
{
    const char *depth;

    if (r->finfo.filetype != APR_DIR || !r->handler ||
        strcmp(r->handler, "dav-handler") || !dir_of(r)->option.hide) {
        return 0;
    }
    if (r->method_number == M_PROPFIND) {
        depth = apr_table_get(r->headers_in, "Depth");
        return !depth || strcmp(depth, "0");
    }
    return r->method_number == M_COPY || r->method_number == M_MOVE;
}

/* A cover sheet has no suffix that mod_mime could know. After mod_mime_magic,
 * and before ForceType of core. */
static int type_cover_sheet(request_rec *r)
{
    const runscripts_dir_t *dir = dir_of(r);
    apr_finfo_t info;
    const char *type;

    if (!dir->option.on || r->content_type || state_of(r) || r->proxyreq ||
        r->finfo.filetype != APR_REG || !is_get(r) ||
        (!find_suffixed(r, runscripts_suffixes(dir), &info) &&
         !find_suffixed(r, runscripts_nph_suffixes(dir), &info))) {
        return DECLINED;
    }
    if ((type = runscripts_type_of(r->filename, r->pool)) == NULL) {
        return DECLINED;
    }
    ap_set_content_type(r, type);
    return OK;
}

static int fixup_script(request_rec *r)
{
    const runscripts_request_t *state = state_of(r);

    if (is_dav_leak(r)) {
        return fail(r, HTTP_FORBIDDEN, r->filename,
                    "with Options RunScripts, a directory must not be listed "
                    "or copied by WebDAV: that would show scripts");
    }
    /* mod_rewrite may have made another request of it. */
    if (!state || !state->script || strcmp(r->filename, state->script)) {
        return DECLINED;
    }
    r->handler = RUNSCRIPTS_HANDLER;
    cgi_exec_forget_type(r);
    return OK;
}

/* What the engine is to run, and how. @return 0: that is no script */
static int get_options(const request_rec *r, cgi_exec_options_t *options)
{
    const runscripts_dir_t *dir = dir_of(r);
    runscripts_kind_e kind =
        runscripts_name_kind(dir, apr_filepath_name_get(r->filename));

    memset(options, 0, sizeof(*options));
    options->script = r->filename;
    options->nph = kind == RUNSCRIPTS_NPH;
    options->query_args = 1;
    options->dir = &dir->exec;
    options->explain = explain;
    return dir->option.on && kind != RUNSCRIPTS_PLAIN;
}

static int is_ours(const request_rec *r)
{
    return r->handler && r->handler[0] == RUNSCRIPTS_HANDLER[0] &&
           !strcmp(r->handler, RUNSCRIPTS_HANDLER);
}

static int handler(request_rec *r)
{
    cgi_exec_options_t options;

    if (!is_ours(r)) {
        return DECLINED;
    }
    if (!get_options(r, &options)) {
        return fail(r, HTTP_FORBIDDEN, r->filename,
                    "the handler runscripts must not be set by hand: use "
                    "Options RunScripts");
    }
    return cgi_exec_run(r, &options);
}

/* For cgi-check. */
static void add_suffixes(const apr_array_header_t *suffixes,
                         apr_table_t *facts)
{
    int i;

    for (i = 0; i < suffixes->nelts; i++) {
        apr_table_mergen(facts, "suffixes",
                         APR_ARRAY_IDX(suffixes, i, runscripts_suffix_t).text);
    }
}

static int describe(request_rec *r, cgi_exec_options_t *options,
                    apr_table_t *facts)
{
    const runscripts_request_t *state = state_of(r);
    const runscripts_dir_t *dir = dir_of(r);

    apr_table_setn(facts, "runscripts", dir->option.on ? "on" : "off");
    add_suffixes(runscripts_suffixes(dir), facts);
    add_suffixes(runscripts_nph_suffixes(dir), facts);
    if (!is_ours(r) && (r->handler || !state || !state->script ||
                        strcmp(r->filename, state->script))) {
        return 0;
    }
    return get_options(r, options);
}

static void register_hooks(apr_pool_t *p)
{
    static const char *const mod_info[] = {"mod_info.c", NULL};
    static const char *const redirecting[] = {"mod_rewrite.c", "mod_alias.c",
                                              NULL};
    static const char *const typing[] = {"mod_mime.c", "mod_mime_magic.c",
                                         NULL};

    cgi_exec_register_hooks(p);
    cgi_lookup_register_hooks(describe);
    ap_hook_check_config(check_config, NULL, mod_info, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_perdir_config(choose, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_type_checker(type_cover_sheet, typing, NULL, APR_HOOK_LAST);
    ap_hook_fixups(fixup_hidden, redirecting, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(fixup_script, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

/* clang-format off */
AP_DECLARE_MODULE(runscripts) = {
    STANDARD20_MODULE_STUFF,
    create_dir,
    merge_dir,
    create_server,
    merge_server,
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
/* clang-format on */
