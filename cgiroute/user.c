/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * user=, group= and chroot=: what the privileged launcher is told of a route
 * at start-up, and of a request. At start-up it gets the templates; a worker
 * then says no more than what their references stand for.
 */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "httpd.h"
#include "http_core.h"
#include "unixd.h"

#include "base/environment.h"
#include "cgiroute/route.h"

/* A text for the launcher, while it is put together. */
typedef struct text_t {
    apr_pool_t *p;
    cgiroute_t *route;
    apr_array_header_t *words; /* const char * */
    char rule;                 /* for values that are new */
} text_t;

static text_t text_begin(apr_pool_t *p, cgiroute_t *route, char rule)
{
    text_t t = {p, route, apr_array_make(p, 4, sizeof(char *)), rule};

    return t;
}

static cgi_identity_text_t text_end(text_t *t)
{
    APR_ARRAY_PUSH(t->words, const char *) = NULL;
    return (cgi_identity_text_t)t->words->elts;
}

static void add_literal(text_t *t, const char *text, apr_size_t length)
{
    APR_ARRAY_PUSH(t->words, const char *) =
        apr_pstrcat(t->p, "=", apr_pstrmemdup(t->p, text, length), NULL);
}

/* The number of a reference's value; the same one for the same reference. */
static int number_of(text_t *t, int group)
{
    cgiroute_values_t *values = &t->route->values;
    int i;

    for (i = 0; i < values->groups->nelts; i++) {
        if (APR_ARRAY_IDX(values->groups, i, int) == group) {
            return i;
        }
    }
    APR_ARRAY_PUSH(values->groups, int) = group;
    values->rules = apr_psprintf(
        t->p, "%s%c", values->rules,
        group == ROUTE_PART_HOST ? (char)CGI_VALUE_HOST : t->rule);
    return i;
}

static void add_reference(text_t *t, int group)
{
    APR_ARRAY_PUSH(t->words, const char *) =
        apr_psprintf(t->p, "$%d", number_of(t, group));
}

static void add_template(text_t *t, const route_template_t *template)
{
    const route_part_t *part;
    int n;

    for (part = route_template_parts(template, &n); n; n--, part++) {
        if (part->group == ROUTE_PART_LITERAL) {
            add_literal(t, part->text, part->length);
        }
        else {
            add_reference(t, part->group);
        }
    }
}

static cgi_identity_text_t text_of(apr_pool_t *p, cgiroute_t *route, char rule,
                                   const route_template_t *template)
{
    text_t t = text_begin(p, route, rule);

    if (template) {
        add_template(&t, template);
    }
    return template ? text_end(&t) : NULL;
}

/* The file that static=on finds is known to a worker only: a part of what the
 * template makes, or an index. The launcher takes it as a value, behind what
 * is certain; by the rule for names, unless the administrator's own do not
 * keep it. */
static void add_found(text_t *t, const route_template_t *script)
{
    const char *literal = route_template_literal(script);
    apr_size_t length = (apr_size_t)(apr_filepath_name_get(literal) - literal);
    char *certain = apr_pstrmemdup(t->p, literal, length);
    const route_part_t *part;
    int n, seen_reference = 0;

    ap_no2slash(certain);
    t->route->values.certain = certain;
    add_literal(t, certain, strlen(certain));

    if (route_safe_text(literal + length, strlen(literal + length),
                        ROUTE_NAMES_STRICT)) {
        t->rule = CGI_VALUE_ANY;
    }
    for (part = route_template_parts(script, &n); n; n--, part++) {
        seen_reference |= part->group != ROUTE_PART_LITERAL;
        if (part->group == ROUTE_PART_HOST ||
            (part->group == ROUTE_PART_LITERAL && seen_reference &&
             route_safe_text(part->text, part->length, ROUTE_NAMES_STRICT))) {
            t->rule = CGI_VALUE_ANY;
        }
    }
    add_reference(t, CGIROUTE_VALUE_FOUND);
}

static cgi_identity_text_t script_of(apr_pool_t *p, cgiroute_t *route,
                                     char rule)
{
    text_t t = text_begin(p, route, rule);

    if (route->path.dir &&
        *route_template_literal(route->path.script) != '/') {
        add_template(&t, route->path.dir);
        add_literal(&t, "/", 1);
    }
    if (route->is_static) {
        add_found(&t, route->path.script);
    }
    else {
        add_template(&t, route->path.script);
    }
    return text_end(&t);
}

/* The variables of SetEnv that have an effect. */
static const cgi_identity_var_t *vars_of(apr_pool_t *p, cgiroute_t *route)
{
    cgi_identity_var_t *vars =
        apr_pcalloc(p, (apr_size_t)(route->env->nelts + 1) * sizeof(*vars));
    int i, n = 0;

    for (i = 0; i < route->env->nelts; i++) {
        const char *name = APR_ARRAY_IDX(route->env_names, i, const char *);

        if (!cgiroute_is_server_variable(name)) {
            vars[n].name = cgi_environment_name(name, p);
            vars[n++].value = text_of(
                p, route, CGI_VALUE_ANY,
                APR_ARRAY_IDX(route->env, i, const route_template_t *));
        }
    }
    return vars;
}

const char *cgiroute_add_identity(apr_pool_t *p, cgiroute_t *route)
{
    const route_path_t *path = &route->path;
    const char rule =
        path->names == ROUTE_NAMES_ANY ? CGI_VALUE_ANY : CGI_VALUE_NAMES;
    const char *user = route->user;
    cgi_identity_t id = {0};

    id.uid = user ? route->uid : ap_unixd_config.user_id;
    id.gid = route->gid ? route->gid : ap_unixd_config.group_id;
    if (!user) {
        user = ap_unixd_config.user_name;
        if (cgi_exec_has_root_group(p, user, id.gid)) {
            return "must have user= beside chroot=, since httpd's own User or "
                   "Group has the group root (group id 0)";
        }
    }
    else if (apr_isdigit(*user) || route->group) {
        user = NULL; /* then it has that group, and no other */
    }
    route->values.groups = apr_array_make(p, 4, sizeof(int));
    route->values.rules = "";
    id.root = text_of(p, route, rule, path->chroot);
    id.script = script_of(p, route, rule);
    if (*route_template_literal(path->script) == '/') {
        id.dir = text_of(p, route, rule, path->dir);
    }
    id.interpreter = route->exec;
    id.vars = vars_of(p, route); /* last: a path's rules hold for its values */
    id.values = route->values.rules;
    route->identity = cgi_exec_add_identity(p, &id, user);
    return NULL;
}

/* The part of a path behind a beginning, whatever slashes are at the seam. */
static const char *behind(const char *path, const char *beginning)
{
    apr_size_t n;

    path += strspn(path, "/");
    beginning += strspn(beginning, "/");
    n = strlen(beginning);
    return strncmp(path, beginning, n) == 0 ? path + n : "";
}

const char *const *cgiroute_values(apr_pool_t *p,
                                   const cgiroute_choice_t *choice)
{
    const cgiroute_values_t *values = &choice->route->values;
    const char **list;
    int i;

    if (!choice->route->identity) {
        return NULL;
    }
    list = apr_pcalloc(p, (apr_size_t)(values->groups->nelts + 1) *
                              sizeof(*list));
    for (i = 0; i < values->groups->nelts; i++) {
        route_part_t part = {APR_ARRAY_IDX(values->groups, i, int), NULL, 0};

        list[i] =
            part.group == CGIROUTE_VALUE_FOUND
                ? behind(choice->place.script + choice->place.fixed,
                         values->certain)
                : route_template_part(p, &part, &choice->match, choice->host);
    }
    return list;
}
