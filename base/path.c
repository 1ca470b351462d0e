/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_strings.h"

#include "base/path.h"

static int is_absolute(const route_template_t *t)
{
    return *route_template_literal(t) == '/';
}

const char *route_path_fixed(apr_pool_t *p, const route_template_t *t)
{
    const char *literal = route_template_literal(t);
    const char *slash;

    if (!route_template_has_references(t)) {
        return literal;
    }
    slash = strrchr(literal, '/');
    return apr_pstrmemdup(p, literal,
                          slash ? (apr_size_t)(slash - literal) : 0);
}

/* The rules that hold for each of the three. */
static const char *check_one(apr_pool_t *p, const char *name,
                             const route_template_t *t, int may_choose_top)
{
    if (route_safe_has_dots(route_template_text(t))) {
        return apr_pstrcat(p, name, " must not have . or .. as a name in it",
                           NULL);
    }
    if (is_absolute(t) && !may_choose_top &&
        route_template_has_references(t) && !*route_path_fixed(p, t)) {
        return apr_pstrcat(p, name,
                           " must begin with a fixed directory other than /, "
                           "below which the URL chooses",
                           NULL);
    }
    return NULL;
}

const char *route_path_check(apr_pool_t *p, const route_path_t *path)
{
    const char *rule = NULL;

    if (path->chroot) {
        rule = is_absolute(path->chroot)
                   ? check_one(p, "chroot=", path->chroot, 0)
                   : "chroot= must be an absolute path that begins with a "
                     "fixed directory";
    }
    if (!rule && path->dir) {
        rule = is_absolute(path->dir)
                   ? check_one(p, "dir=", path->dir, path->chroot != NULL)
                   : "dir= must be an absolute path that begins with a fixed "
                     "directory";
    }
    if (!rule && !*route_template_text(path->script)) {
        rule = "SCRIPT must not be empty";
    }
    if (!rule && !is_absolute(path->script) && !path->dir) {
        rule = "SCRIPT must be an absolute path, or dir= must be given";
    }
    return rule ? rule
                : check_one(p, "SCRIPT", path->script, path->chroot != NULL);
}

/* One slash where there are more: the name is the same as httpd's. */
static const char *single_slashes(char *path)
{
    char *from, *to = path;

    for (from = path; *from; from++) {
        if (*from != '/' || from[1] != '/') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return path;
}

/* Whether a reference without a value leaves a name out: for a root directory
 * that would be another one, higher up. */
static int has_gap(const char *path)
{
    apr_size_t n = strlen(path);

    return strstr(path, "//") || (n > 0 && path[n - 1] == '/');
}

/* A directory, without a slash behind it. */
static const char *expand(apr_pool_t *p, const route_template_t *t,
                          const route_match_t *m, const char *host)
{
    char *dir = apr_pstrdup(p, route_template_expand(p, t, m, host));
    apr_size_t n = strlen(single_slashes(dir));

    if (n > 1 && dir[n - 1] == '/') {
        dir[n - 1] = '\0';
    }
    return dir;
}

const char *route_path_root(apr_pool_t *p, const route_path_t *path)
{
    const char *root = path->chroot ? route_path_fixed(p, path->chroot) : "";

    /* where the URL chooses the root directory, nothing in it is certain */
    if (!path->chroot || !route_template_has_references(path->chroot)) {
        const route_template_t *t =
            is_absolute(path->script) ? path->script : path->dir;

        root = apr_pstrcat(p, root, "/", route_path_fixed(p, t), NULL);
    }
    return single_slashes(apr_pstrdup(p, root));
}

const char *route_path_expand(apr_pool_t *p, const route_path_t *path,
                              const route_match_t *m, const char *host,
                              route_place_t *place)
{
    const route_template_t *templates[] = {path->script, path->dir,
                                           path->chroot};
    const char *dir, *base, *why;
    apr_size_t i;

    for (i = 0; i < sizeof(templates) / sizeof(*templates); i++) {
        why = templates[i]
                  ? route_template_check(templates[i], m, host, path->names)
                  : NULL;
        if (why) {
            return why;
        }
    }
    if (path->chroot &&
        has_gap(route_template_expand(p, path->chroot, m, host))) {
        return "a name in chroot= would be empty";
    }
    place->chroot = path->chroot ? expand(p, path->chroot, m, host) : "";
    dir = path->dir ? expand(p, path->dir, m, host) : NULL;
    place->work_dir = is_absolute(path->script) ? dir : NULL;
    base = apr_pstrcat(p, place->chroot, place->work_dir ? "" : dir, NULL);
    base = single_slashes(apr_pstrcat(p, base, *base ? "/" : "", NULL));
    place->fixed = strlen(base);
    place->script = single_slashes(apr_pstrcat(
        p, base, route_template_expand(p, path->script, m, host), NULL));

    /* Captured text is safe by itself; beside text of the template it could
     * still make up such a name. */
    return route_safe_has_dots(place->script) ||
                   (place->work_dir && route_safe_has_dots(place->work_dir))
               ? "the file's name would have . or .. in it"
               : NULL;
}
