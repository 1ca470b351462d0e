/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The directive CGIRoute in both forms, and SetEnv inside of it.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_fnmatch.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"

#include "base/keys.h"
#include "cgiroute/route.h"

APLOG_USE_MODULE(cgiroute);

#define SECTION "<CGIRoute"

/* ---- the lists ---- */

void *cgiroute_create_dir(apr_pool_t *p, char *dir)
{
    cgiroute_dir_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    cgi_exec_dir_init(&conf->exec);
    return conf;
}

void *cgiroute_merge_dir(apr_pool_t *p, void *base, void *add)
{
    const cgiroute_dir_t *b = base, *a = add;
    cgiroute_dir_t *conf = apr_pcalloc(p, sizeof(*conf));

    cgi_exec_dir_merge(&conf->exec, &b->exec, &a->exec);
    if (a->env && b->env) {
        conf->env = apr_array_append(p, b->env, a->env);
    }
    else {
        conf->env = a->env ? a->env : b->env;
    }
    conf->choice = a->choice ? a->choice : b->choice;
    return conf;
}

void *cgiroute_create_server(apr_pool_t *p, server_rec *s)
{
    cgiroute_server_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    cgi_exec_server_init(&conf->exec);
    conf->routes = apr_array_make(p, 4, sizeof(cgiroute_t *));
    return conf;
}

void *cgiroute_merge_server(apr_pool_t *p, void *base, void *add)
{
    const cgiroute_server_t *b = base, *a = add;
    cgiroute_server_t *conf = apr_pcalloc(p, sizeof(*conf));

    cgi_exec_server_merge(&conf->exec, &b->exec, &a->exec);
    conf->routes = a->routes;
    conf->main = b; /* a virtual host's own routes first */
    return conf;
}

static cgiroute_server_t *server_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &cgiroute_module);
}

static void add_fixed(apr_pool_t *p, apr_hash_t *scripts, const char *name,
                      const cgiroute_fixed_t *fixed)
{
    cgiroute_fixed_t *entry = apr_pmemdup(p, fixed, sizeof(*fixed));

    entry->next = apr_hash_get(scripts, name, APR_HASH_KEY_STRING);
    apr_hash_set(scripts, name, APR_HASH_KEY_STRING, entry);
}

/* The files of all routes whose URL has no part in their names. */
static apr_hash_t *fixed_scripts(apr_pool_t *p,
                                 const apr_array_header_t *routes)
{
    apr_hash_t *scripts = apr_hash_make(p);
    int i;

    for (i = 0; i < routes->nelts; i++) {
        const cgiroute_t *route = APR_ARRAY_IDX(routes, i, const cgiroute_t *);
        const route_match_t none = {0};
        route_place_t place;

        if (!route_template_has_references(route->path.script) &&
            !(route->path.dir &&
              route_template_has_references(route->path.dir)) &&
            !(route->path.chroot &&
              route_template_has_references(route->path.chroot)) &&
            !route_path_expand(p, &route->path, &none, "", &place)) {
            const cgiroute_fixed_t fixed = {NULL, place.script, route};
            const char *name = apr_filepath_name_get(place.script);
            char real[PATH_MAX];

            add_fixed(p, scripts, name, &fixed);
            if (realpath(place.script, real) &&
                strcmp(apr_filepath_name_get(real), name) != 0) {
                add_fixed(p, scripts,
                          apr_pstrdup(p, apr_filepath_name_get(real)), &fixed);
            }
        }
    }
    return scripts;
}

void cgiroute_build_tables(apr_pool_t *p, server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        cgiroute_server_t *conf = server_of(s);
        const int n = conf->routes->nelts;
        const char **prefixes;
        int i;

        if (conf->table) { /* a host without routes shares the main server's */
            continue;
        }
        prefixes = apr_palloc(p, (apr_size_t)(n + 1) * sizeof(*prefixes));
        for (i = 0; i < n; i++) {
            const cgiroute_t *route =
                APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *);

            prefixes[i] = apr_pstrcat(
                p, route->base, route_pattern_prefix(route->pattern), NULL);
        }
        conf->table = route_prefix_table_make(p, prefixes, n);
        conf->scripts = fixed_scripts(p, conf->routes);
    }
}

/* ---- words of the line ---- */

/* Bytes of the key in front of a "=", or 0. */
static apr_size_t key_length(const char *word)
{
    apr_size_t n = 0;

    while (apr_isalnum(word[n])) {
        n++;
    }
    return word[n] == '=' ? n : 0;
}

/* The next argument. As ap_getword_conf, but the value of key="a b" may be
 * quoted too: ap_getword_conf knows quotes at the start of a word only. */
static char *next_word(apr_pool_t *p, const char **args)
{
    const apr_size_t n = key_length(*args);
    const char *key = apr_pstrmemdup(p, *args, n ? n + 1 : 0);

    *args += n ? n + 1 : 0;
    if (n && apr_isspace(**args)) { /* no value, rather than the next word */
        while (apr_isspace(**args)) {
            ++*args;
        }
        return apr_pstrdup(p, key);
    }
    return apr_pstrcat(p, key, ap_getword_conf(p, args), NULL);
}

/* ---- checks at start-up ---- */

static const char *must(apr_pool_t *p, const char *name, const char *rule)
{
    return apr_pstrcat(p, name, " ", rule, NULL);
}

static const char *parse_template(cmd_parms *cmd, const cgiroute_t *route,
                                  const route_template_t **t, const char *name,
                                  const char *text)
{
    const char *rule =
        route_template_parse(cmd->pool, t, text, route->pattern);

    return rule ? must(cmd->pool, name, rule) : NULL;
}

/* A directory, as far as it is certain, that must be there at start-up. */
static const char *check_exists(cmd_parms *cmd, const char *name,
                                const char *outside, const route_template_t *t)
{
    const char *path = apr_pstrcat(cmd->temp_pool, outside,
                                   route_path_fixed(cmd->temp_pool, t), NULL);

    if (!ap_is_directory(cmd->temp_pool, *path ? path : "/")) {
        return apr_psprintf(cmd->pool,
                            "%s must be a directory that exists: %s is none",
                            name, path);
    }
    return NULL;
}

static const char *parse_exec(cmd_parms *cmd, cgiroute_t *route,
                              const char *line)
{
    apr_array_header_t *words = apr_array_make(cmd->pool, 4, sizeof(char *));

    while (*line) {
        APR_ARRAY_PUSH(words, const char *) =
            ap_getword_conf(cmd->pool, &line);
    }
    if (words->nelts == 0 || *APR_ARRAY_IDX(words, 0, const char *) != '/') {
        return "exec= must begin with the absolute path of a program";
    }
    APR_ARRAY_PUSH(words, const char *) = NULL;
    route->exec = (const char *const *)words->elts;
    return NULL;
}

static const char *parse_chroot(cmd_parms *cmd, cgiroute_t *route,
                                const char *text)
{
    char *root = apr_pstrdup(cmd->pool, text);
    apr_size_t n;

    ap_no2slash(root); /* so that the rest of a path can be told */
    for (n = strlen(root); n && root[n - 1] == '/'; n--) {
        root[n - 1] = '\0';
    }
    return *root ? parse_template(cmd, route, &route->path.chroot,
                                  "chroot=", root)
                 : "chroot= must not be /";
}

/* One of two words, in either case. */
static int is_either(const char *word, const char *a, const char *b)
{
    return !ap_cstr_casecmp(word, a) || !ap_cstr_casecmp(word, b);
}

static const char *check_exec(cmd_parms *cmd, const cgiroute_t *route,
                              const char *outside)
{
    const char *path = apr_pstrcat(cmd->pool, outside, route->exec[0], NULL);
    apr_finfo_t info;

    if (apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_PROT,
                 cmd->temp_pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool,
                            "exec= must name a program that exists: %s does "
                            "not",
                            path);
    }
    if (info.filetype != APR_REG || access(path, X_OK) != 0) {
        return apr_psprintf(cmd->pool,
                            "exec= must name a program that may be executed: "
                            "%s may not",
                            path);
    }
    return NULL;
}

/* ---- user=, group=, chroot= ---- */

/* A number, or a name that the system knows. */
static int number_of(const char *text, apr_int64_t *number)
{
    char *end;

    if (!apr_isdigit(*text)) {
        return 0;
    }
    *number = apr_strtoi64(text, &end, 10);
    return !*end && *number <= APR_INT32_MAX;
}

static const char *check_ids(cmd_parms *cmd, cgiroute_t *route)
{
    apr_int64_t number;

    if (geteuid() != 0) {
        return "user=, group= and chroot= must have httpd started as root";
    }
    if (route->group && !route->user) {
        return "group= must come with user=";
    }
    if (route->user) {
        if (number_of(route->user, &number)) {
            route->uid = (uid_t)number;
            if (!route->group) {
                return "user= must come with group= when it is a number";
            }
        }
        else if (apr_uid_get(&route->uid, &route->gid, route->user,
                             cmd->temp_pool) != APR_SUCCESS) {
            return apr_psprintf(cmd->pool,
                                "user= must be a number or the name of a "
                                "user: %s is neither",
                                route->user);
        }
        if (route->uid == 0) {
            return "user= must not be root (user id 0)";
        }
    }
    if (route->group) {
        if (number_of(route->group, &number)) {
            route->gid = (gid_t)number;
        }
        else if (apr_gid_get(&route->gid, route->group, cmd->temp_pool) !=
                 APR_SUCCESS) {
            return apr_psprintf(cmd->pool,
                                "group= must be a number or the name of a "
                                "group: %s is neither",
                                route->group);
        }
    }
    if (route->user && route->gid == 0) {
        return "group= must not be root (group id 0)";
    }
    if (route->user && !route->group &&
        cgi_exec_has_root_group(cmd->temp_pool, route->user, route->gid)) {
        return apr_psprintf(cmd->pool,
                            "user= must come with group= for a member of the "
                            "group root (group id 0): %s is one",
                            route->user);
    }
    return NULL;
}

/* ---- the directive ---- */

/* What follows the SCRIPT, word by word; what the words mean for one another
 * is checked later. */
static const char *set_keys(cmd_parms *cmd, cgiroute_t *route,
                            const apr_array_header_t *words)
{
    const char *dir = NULL, *exec = NULL, *path_info = NULL, *names = NULL;
    const char *is_static = NULL, *listing = NULL, *chroot = NULL, *err;
    const cgi_key_t keys[] = {{"dir", &dir},
                              {"exec", &exec},
                              {"pathinfo", &path_info},
                              {"names", &names},
                              {"static", &is_static},
                              {"listing", &listing},
                              {"user", &route->user},
                              {"group", &route->group},
                              {"chroot", &chroot}};

    err = cgi_keys_read(cmd->pool, "CGIRoute", keys,
                        sizeof(keys) / sizeof(*keys), words->nelts,
                        (char *const *)words->elts);
    if (!err && dir) {
        err = parse_template(cmd, route, &route->path.dir, "dir=", dir);
    }
    if (!err && exec) {
        err = parse_exec(cmd, route, exec);
    }
    if (!err && path_info) {
        err = parse_template(cmd, route, &route->path_info,
                             "pathinfo=", path_info);
    }
    if (!err && names && !is_either(names, "strict", "any")) {
        err = "names= must be strict or any";
    }
    if (!err && is_static && !is_either(is_static, "on", "off")) {
        err = "static= must be on or off";
    }
    if (!err && listing && !is_either(listing, "on", "off")) {
        err = "listing= must be on or off";
    }
    if (!err && chroot) {
        err = parse_chroot(cmd, route, chroot);
    }
    route->path.names = names && !ap_cstr_casecmp(names, "any")
                            ? ROUTE_NAMES_ANY
                            : ROUTE_NAMES_STRICT;
    route->is_static = is_static && !ap_cstr_casecmp(is_static, "on");
    route->has_listing = listing && !ap_cstr_casecmp(listing, "on");
    return err;
}

static const char *check_route(cmd_parms *cmd, cgiroute_t *route)
{
    const route_path_t *path = &route->path;
    const char *err = route_path_check(cmd->pool, path);
    const char *outside = "";

    if (!err && path->chroot) {
        err = check_exists(cmd, "chroot=", "", path->chroot);
        outside = route_template_text(path->chroot);
    }
    /* what is inside of a root that the URL chooses can't be looked at yet */
    if (!path->chroot || !route_template_has_references(path->chroot)) {
        if (!err && path->dir) {
            err = check_exists(cmd, "dir=", outside, path->dir);
        }
        if (!err && route->exec) {
            err = check_exec(cmd, route, outside);
        }
    }
    if (err) {
        return err;
    }
    if (route->is_static && route->exec) {
        return "static=on must not be combined with exec=: then every file "
               "would be a script";
    }
    if (route->is_static && route->path_info) {
        return "static=on must not be combined with pathinfo=: PATH_INFO is "
               "what follows the file's name";
    }
    if (route->has_listing && !route->is_static) {
        return "listing=on must be combined with static=on: only there is a "
               "URL that of a directory";
    }
    route->root = route_path_root(cmd->pool, path);
    route->host_in_path =
        route_template_has_host(path->script) ||
        (path->dir && route_template_has_host(path->dir)) ||
        (path->chroot && route_template_has_host(path->chroot));
    route->needs_host |=
        route->host_in_path ||
        (route->path_info && route_template_has_host(route->path_info));
    return route->user || route->group || path->chroot ? check_ids(cmd, route)
                                                       : NULL;
}

/* The section of that name around the directive, or NULL. */
static const ap_directive_t *enclosing(const ap_directive_t *directive,
                                       const char *name)
{
    const ap_directive_t *d;

    for (d = directive->parent; d; d = d->parent) {
        if (!ap_cstr_casecmp(d->directive, name)) {
            return d;
        }
    }
    return NULL;
}

/* Where CGIRoute may stand. A route is a right to execute: only where the
 * administrator of the server writes, never in .htaccess. */
static const char *check_context(cmd_parms *cmd, const char **base)
{
    const char *err = ap_check_cmd_context(
        cmd, NOT_IN_LIMIT | NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS |
                 NOT_IN_PROXY);
    apr_size_t n;

    *base = "";
    if (err) {
        return err;
    }
    if (enclosing(cmd->directive, SECTION)) {
        return "CGIRoute must not be inside another <CGIRoute>";
    }
    if (!cmd->path) {
        return NULL;
    }
    if (enclosing(cmd->directive, "<LocationMatch") ||
        !enclosing(cmd->directive, "<Location") || *cmd->path != '/' ||
        apr_fnmatch_test(cmd->path)) {
        return "CGIRoute must be inside a <Location> with a plain path, or "
               "outside of all sections: the regular expression sees the "
               "path below that of the section";
    }
    n = strlen(cmd->path);
    while (n > 0 && cmd->path[n - 1] == '/') {
        n--;
    }
    *base = apr_pstrmemdup(cmd->pool, cmd->path, n);
    return NULL;
}

/* REGEX SCRIPT [key=value ...] */
static const char *parse_route(cmd_parms *cmd, const char *args,
                               cgiroute_t **result)
{
    cgiroute_t *route = apr_pcalloc(cmd->pool, sizeof(*route));
    apr_array_header_t *words = apr_array_make(cmd->pool, 8, sizeof(char *));
    const char *script, *err;
    apr_size_t n;

    err = check_context(cmd, &route->base);
    if (err) {
        return err;
    }
    route->file = cmd->directive->filename;
    route->line = cmd->directive->line_num;
    route->env =
        apr_array_make(cmd->pool, 2, sizeof(const route_template_t *));
    route->env_names = apr_array_make(cmd->pool, 2, sizeof(char *));

    while (apr_isspace(*args)) {
        args++;
    }
    if (!*args) {
        return "CGIRoute must have a REGEX and a SCRIPT";
    }
    route->regex = ap_getword_conf(cmd->pool, &args);
    if (!*args) {
        return "CGIRoute must have a SCRIPT after the REGEX";
    }
    if ((n = key_length(args)) > 0) {
        return apr_psprintf(cmd->pool,
                            "CGIRoute must have a SCRIPT after the REGEX, and "
                            "%.*s= behind it: a SCRIPT with = in its name is "
                            "quoted",
                            (int)n, args);
    }
    script = ap_getword_conf(cmd->pool, &args);
    while (*args) {
        APR_ARRAY_PUSH(words, char *) = next_word(cmd->pool, &args);
    }
    err = route_pattern_compile(cmd->pool, &route->pattern, route->regex);
    if (!err) {
        err =
            parse_template(cmd, route, &route->path.script, "SCRIPT", script);
    }
    if (!err) {
        err = set_keys(cmd, route, words);
    }
    if (!err) {
        err = check_route(cmd, route);
    }
    *result = route;
    return err;
}

static void add_route(cmd_parms *cmd, cgiroute_t *route)
{
    APR_ARRAY_PUSH(server_of(cmd->server)->routes, cgiroute_t *) = route;
}

static const char *cmd_route(cmd_parms *cmd, void *dir, const char *args)
{
    cgiroute_t *route;
    const char *err = parse_route(cmd, args, &route);

    (void)dir;
    if (!err) {
        add_route(cmd, route);
    }
    return err;
}

/* <Files> is over when a section of URLs is merged: refused, not ignored. */
static const char *check_children(const ap_directive_t *d)
{
    const char *err = NULL;

    for (; d && !err; d = d->next) {
        if (!ap_cstr_casecmp(d->directive, "<Files") ||
            !ap_cstr_casecmp(d->directive, "<FilesMatch")) {
            return "<CGIRoute> must not enclose <Files>";
        }
        err = check_children(d->first_child);
    }
    return err;
}

static const char *cmd_section(cmd_parms *cmd, void *dir, const char *args)
{
    const char *end = ap_strrchr_c(args, '>');
    ap_directive_t *directive = cmd->directive;
    const int old_override = cmd->override;
    char *old_path = cmd->path;
    core_dir_config *core;
    cgiroute_t *route;
    const char *err;

    (void)dir;
    if (!end) {
        return "<CGIRoute must have a > at the end of its line";
    }
    err = parse_route(
        cmd, apr_pstrmemdup(cmd->pool, args, (apr_size_t)(end - args)),
        &route);
    if (!err) {
        err = check_children(directive->first_child);
    }
    if (err) {
        return err;
    }

    /* As <Location> does it, but kept here: the route decides when it holds.
     */
    directive->data = route;
    route->section = ap_create_per_dir_config(cmd->pool);
    cmd->path = apr_pstrdup(cmd->pool, *route->regex ? route->regex : "/");
    cmd->override = OR_ALL | ACCESS_CONF;
    core = ap_set_config_vectors(cmd->server, route->section, cmd->path,
                                 &core_module, cmd->pool);
    core->d = cmd->path;
    err = ap_walk_config(directive->first_child, cmd, route->section);
    cmd->path = old_path;
    cmd->override = old_override;
    if (!err) {
        add_route(cmd, route);
    }
    return err;
}

/* mod_env has a SetEnv too; httpd calls both. Outside of <CGIRoute> this one
 * has nothing to do, inside it remembers the references. */
static const char *cmd_set_env(cmd_parms *cmd, void *dir, const char *name,
                               const char *value)
{
    const ap_directive_t *section = enclosing(cmd->directive, SECTION);
    cgiroute_dir_t *conf = dir;
    cgiroute_env_t *env;
    cgiroute_t *route;
    const char *err;

    if (!section) {
        return ap_find_linked_module("mod_env.c")
                   ? NULL
                   : "SetEnv outside of <CGIRoute> must have mod_env loaded";
    }
    route = section->data;
    if (!conf->env) {
        conf->env = apr_array_make(cmd->pool, 4, sizeof(cgiroute_env_t));
    }
    env = apr_array_push(conf->env);
    env->name = name;
    env->raw = value ? value : "";
    err =
        route_template_parse(cmd->pool, &env->value, env->raw, route->pattern);
    if (err) {
        return apr_pstrcat(cmd->pool, "the value of SetEnv ", err, NULL);
    }
    APR_ARRAY_PUSH(route->env, const route_template_t *) = env->value;
    APR_ARRAY_PUSH(route->env_names, const char *) = name;
    if (route_template_has_host(env->value)) {
        route->needs_host = 1;
    }
    if (cgiroute_is_server_variable(name)) {
        /* not to the server's log: a virtual host's is not open yet */
        ap_log_perror(APLOG_MARK, APLOG_WARNING, 0, cmd->pool,
                      "SetEnv %s (%s:%d) has no effect in a <CGIRoute>: "
                      "that variable is the server's own",
                      name, cmd->directive->filename,
                      cmd->directive->line_num);
    }
    return NULL;
}

/* clang-format off */
const command_rec cgiroute_commands[] = {
    AP_INIT_RAW_ARGS("CGIRoute", cmd_route, NULL, RSRC_CONF | ACCESS_CONF,
                     "REGEX SCRIPT [key=value ...]"),
    AP_INIT_RAW_ARGS(SECTION, cmd_section, NULL, RSRC_CONF | ACCESS_CONF,
                     "REGEX SCRIPT [key=value ...], and directives for the "
                     "requests that this route answers"),
    AP_INIT_TAKE12("SetEnv", cmd_set_env, NULL, OR_FILEINFO,
                   "in <CGIRoute>: a name and a value, which may have "
                   "references to the regular expression's groups"),
    CGI_EXEC_COMMANDS,
    {.name = NULL}
};
/* clang-format on */
