/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The directives of the engine that belong to none of its parts, and the merge
 * of all of them.
 */

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"

#include "base/keys.h"
#include "cgi/directives.h"
#include "cgi/subtree.h"

void cgi_exec_dir_init(cgi_exec_dir_t *dir)
{
    dir->is_set = 0;
    dir->lines = NULL;
    dir->outer = dir->inner = NULL;
    dir->first_timeout = -1;
    dir->idle_timeout = -1;
    dir->total_timeout = -1;
    dir->kill_timeout = -1;
    dir->body_mode = CGI_BODY_UNSET;
    dir->read_ahead = -1;
    dir->query_args = -1;
    dir->warm_scripts = -1;
    dir->limit = NULL;
    dir->status_end = -1;
    dir->sandbox = NULL;
    dir->park_after = -1;
    dir->debug = NULL;
    dir->skin = NULL;
    dir->stderr_file = NULL;
    dir->sendfile_dirs = NULL;
}

cgi_exec_dir_t *cgi_exec_dir_set(cmd_parms *cmd, void *mconfig)
{
    cgi_exec_dir_t *dir = mconfig;
    cgi_exec_line_t *line = apr_palloc(cmd->pool, sizeof(*line));

    dir->is_set = 1;
    line->directive = cmd->directive;
    line->before = dir->lines;
    dir->lines = line;
    return dir;
}

#define MERGE(member, unset)                                                  \
    out->member = add->member == (unset) ? base->member : add->member

void cgi_exec_dir_merge(cgi_exec_dir_t *out, const cgi_exec_dir_t *base,
                        const cgi_exec_dir_t *add)
{
    out->is_set = base->is_set || add->is_set;
    out->lines = NULL;
    out->outer = base;
    out->inner = add;
    MERGE(first_timeout, -1);
    MERGE(idle_timeout, -1);
    MERGE(total_timeout, -1);
    MERGE(kill_timeout, -1);
    MERGE(body_mode, CGI_BODY_UNSET);
    MERGE(read_ahead, -1);
    MERGE(query_args, -1);
    MERGE(warm_scripts, -1);
    MERGE(limit, NULL);
    MERGE(sandbox, NULL);
    MERGE(park_after, -1);
    MERGE(debug, NULL);
    MERGE(skin, NULL);
    MERGE(stderr_file, NULL);
    MERGE(sendfile_dirs, NULL);
    MERGE(status_end, -1);
}

void cgi_exec_server_init(cgi_exec_server_t *server)
{
    server->launcher_path = NULL;
    server->cgroup = NULL;
    server->warm = NULL;
    server->script_log = NULL;
    server->script_log_length = -1;
    server->script_log_buffer = -1;
}

void cgi_exec_server_merge(cgi_exec_server_t *out,
                           const cgi_exec_server_t *base,
                           const cgi_exec_server_t *add)
{
    MERGE(launcher_path, NULL);
    MERGE(cgroup, NULL);
    MERGE(warm, NULL);
    MERGE(script_log, NULL);
    MERGE(script_log_length, -1);
    MERGE(script_log_buffer, -1);
}

/* @return 0: it is no time, or none that a directive may have */
static int is_time(const char *text, apr_interval_time_t *t)
{
    return apr_isdigit(*text) &&
           ap_timeout_parameter_parse(text, t, "s") == APR_SUCCESS &&
           *t >= 0 && *t <= CGI_TIME_MAX;
}

/* value may be NULL: then nothing is set. */
static const char *parse_time(cmd_parms *cmd, const char *key,
                              const char *value, apr_interval_time_t *t)
{
    if (value && !is_time(value, t)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, key,
                           " must be a time such as 30, 30s, 500ms or 2min, "
                           "40 days at most, or 0 for no limit, not '",
                           value, "'", NULL);
    }
    return NULL;
}

const char *cgi_exec_cmd_timeout(cmd_parms *cmd, void *mconfig, int argc,
                                 char *const argv[])
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    const char *first = NULL, *idle = NULL, *total = NULL, *kill = NULL;
    const cgi_key_t keys[] = {{"first", &first},
                              {"idle", &idle},
                              {"total", &total},
                              {"kill", &kill}};
    const char *error;

    if (argc < 1) {
        return "CGITimeout must have at least one of first=T, idle=T, "
               "total=T and kill=T";
    }
    error = cgi_keys_read(cmd->pool, cmd->cmd->name, keys, 4, argc, argv);
    if (!error) {
        error = parse_time(cmd, " first=", first, &dir->first_timeout);
    }
    if (!error) {
        error = parse_time(cmd, " idle=", idle, &dir->idle_timeout);
    }
    if (!error) {
        error = parse_time(cmd, " total=", total, &dir->total_timeout);
    }
    if (!error) {
        error = parse_time(cmd, " kill=", kill, &dir->kill_timeout);
    }
    return error;
}

const char *cgi_exec_cmd_script_timeout(cmd_parms *cmd, void *mconfig,
                                        const char *arg)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    return parse_time(cmd, "", arg, &dir->idle_timeout);
}

const char *cgi_exec_cmd_request_body(cmd_parms *cmd, void *mconfig,
                                      const char *arg)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    if (!ap_cstr_casecmp(arg, "stream")) {
        dir->body_mode = CGI_BODY_STREAM;
    }
    else if (!ap_cstr_casecmp(arg, "spool")) {
        dir->body_mode = CGI_BODY_SPOOL;
    }
    else if (!ap_cstr_casecmp(arg, "auto")) {
        dir->body_mode = CGI_BODY_AUTO;
    }
    else {
        return "CGIRequestBody must be stream, spool or auto";
    }
    return NULL;
}

const char *cgi_exec_cmd_read_ahead(cmd_parms *cmd, void *mconfig, int on)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    dir->read_ahead = on;
    return NULL;
}

const char *cgi_exec_cmd_args(cmd_parms *cmd, void *mconfig, int on)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    dir->query_args = on;
    return NULL;
}

const char *cgi_exec_cmd_park(cmd_parms *cmd, void *mconfig, const char *arg)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    if (!ap_cstr_casecmp(arg, "off")) {
        dir->park_after = CGI_PARK_NEVER;
    }
    else if (!is_time(arg, &dir->park_after)) {
        return apr_pstrcat(cmd->pool,
                           "CGIPark must be off or a time such as 50ms or 1s, "
                           "not '",
                           arg, "'", NULL);
    }
    return NULL;
}

const char *cgi_exec_server_set(cmd_parms *cmd, cgi_exec_server_t **server)
{
    *server =
        ap_get_module_config(cmd->server->module_config, &CGI_EXEC_MODULE_SYM);
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

const char *cgi_exec_cmd_launcher(cmd_parms *cmd, void *mconfig,
                                  const char *arg)
{
    cgi_exec_server_t *server;
    const char *error = cgi_exec_server_set(cmd, &server);

    (void)mconfig;
    if (error) {
        return error;
    }
    server->launcher_path = ap_server_root_relative(cmd->pool, arg);
    return server->launcher_path ? NULL
                                 : "CGILauncher must be the path of a file";
}

const char *cgi_exec_cmd_cgroup(cmd_parms *cmd, void *mconfig, const char *arg)
{
    cgi_exec_server_t *server;
    const char *error = cgi_exec_server_set(cmd, &server);

    (void)mconfig;
    if (!error && *arg == '/' && cgi_subtree_is_fit(arg)) {
        server->cgroup = arg;
    }
    else if (!error) {
        error =
            apr_pstrcat(cmd->pool,
                        "CGICgroup must name a directory of cgroup version "
                        "2, which '",
                        arg, "' is not", NULL);
    }
    return error;
}
