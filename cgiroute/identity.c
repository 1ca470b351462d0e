/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * user=, group= and chroot=: what the privileged launcher is told of a route
 * at start-up, so that a worker can ask for nothing else later.
 */

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_core.h>
#include <unixd.h>

#include "route.h"

/* What is certain of a path made of two templates; the second may be NULL. */
static cgi_identity_path_t path_of(apr_pool_t *p, const route_template_t *a,
                                   const route_template_t *b)
{
    cgi_identity_path_t path = {"", 0};
    char *fixed;

    if (a && route_template_has_references(a)) {
        path.fixed = route_template_literal(a);
        path.open = 1;
    }
    else {
        path.open = b && route_template_has_references(b);
        path.fixed =
            apr_pstrcat(p, a ? route_template_text(a) : "", a && b ? "/" : "",
                        !b          ? ""
                        : path.open ? route_template_literal(b)
                                    : route_template_text(b),
                        NULL);
    }
    fixed = apr_pstrdup(p, path.fixed);
    ap_no2slash(fixed);
    path.fixed = fixed;
    return path;
}

static const char *const *env_names(apr_pool_t *p, const cgiroute_t *route)
{
    apr_array_header_t *names = apr_array_copy(p, route->env_names);

    APR_ARRAY_PUSH(names, const char *) = NULL;
    return (const char *const *)names->elts;
}

void cgiroute_add_identity(apr_pool_t *p, cgiroute_t *route)
{
    cgi_identity_t id = {0};
    int absolute = *route_template_literal(route->path.script) == '/';
    const char *user = route->user;

    id.uid = user ? route->uid : ap_unixd_config.user_id;
    id.gid = route->gid ? route->gid : ap_unixd_config.group_id;
    if (!user) {
        user = ap_unixd_config.user_name;
    }
    else if (apr_isdigit(*user) || route->group) {
        user = NULL; /* then it has that group, and no other */
    }
    id.root = path_of(p, route->path.chroot, NULL);
    id.script =
        path_of(p, absolute ? NULL : route->path.dir, route->path.script);
    /* static=on looks for a file along the path, and for an index */
    id.script.open |= route->is_static;
    if (absolute && route->path.dir) {
        id.dir = path_of(p, route->path.dir, NULL);
    }
    else { /* the script's own */
        id.dir.fixed = ap_make_dirstr_parent(p, id.script.fixed);
        id.dir.open = id.script.open;
    }
    id.any_names = route->path.names == ROUTE_NAMES_ANY;
    id.interpreter = route->exec;
    id.env_names = env_names(p, route);
    route->identity = cgi_exec_add_identity(p, &id, user);
}
