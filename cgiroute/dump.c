/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * apachectl -t -D DUMP_CGIROUTES, and the same for cgi-check
 */

#include "apr_file_io.h"
#include "apr_strings.h"

#include "http_core.h"

#include "cgi/lookup.h"
#include "cgiroute/route.h"

static const char *optional(apr_pool_t *p, const char *key,
                            const route_template_t *t)
{
    return t ? apr_pstrcat(p, " ", key, "=", route_template_text(t), NULL)
             : "";
}

/* ---- routes that never answer ---- */

/* A route, and what all URLs that it answers have in common. */
typedef struct entry_t {
    const cgiroute_t *route;
    const char *prefix; /* they begin with it, */
    int ends;           /* and there with a name of the path */
    int is_prefix;      /* the expression demands no more than that */
    int is_final;       /* it never passes over what its expression has */
} entry_t;

static int has_references(const route_path_t *path)
{
    return route_template_has_references(path->script) ||
           (path->dir && route_template_has_references(path->dir)) ||
           (path->chroot && route_template_has_references(path->chroot));
}

/* A file that every URL of the route leads to, and that is there. */
static int has_file(apr_pool_t *p, const cgiroute_t *route)
{
    const route_match_t none = {0};
    route_place_t place;
    apr_finfo_t info;

    return !has_references(&route->path) &&
           !route_path_expand(p, &route->path, &none, "", &place) &&
           apr_stat(&info, place.script, APR_FINFO_TYPE, p) == APR_SUCCESS &&
           info.filetype == APR_REG;
}

static entry_t entry_of(apr_pool_t *p, const cgiroute_t *route)
{
    const char *text = route_pattern_prefix(route->pattern);
    const char *rest = route_pattern_rest(route->pattern);
    entry_t entry = {.route = route};

    entry.prefix = apr_pstrcat(p, route->base, text, NULL);
    /* Without a text of its own the <Location> or the path's first slash is
     * the end of a name. */
    entry.ends = !*text || !strcmp(rest, "$") || (!*rest && !route->path_info);
    entry.is_prefix = !*rest && (!*text || *text == '/');
    entry.is_final = route->is_static || has_file(p, route);
    return entry;
}

static int same_text(const route_template_t *a, const route_template_t *b)
{
    return a && b ? !strcmp(route_template_text(a), route_template_text(b))
                  : a == b;
}

/* Whether the earlier route has every URL of the later one, for sure. What an
 * expression matches can be told only of literal text, and of the same
 * expression. */
static int hides(const entry_t *earlier, const entry_t *later)
{
    const cgiroute_t *a = earlier->route, *b = later->route;
    const apr_size_t n = strlen(earlier->prefix);
    const int same = !strcmp(a->regex, b->regex) && !strcmp(a->base, b->base);
    const char behind = strncmp(earlier->prefix, later->prefix, n) == 0
                            ? later->prefix[n]
                            : 'x';

    if (!(same && (a->path_info || !b->path_info)) &&
        !(earlier->is_prefix && (behind == '/' || (!behind && later->ends)))) {
        return 0;
    }
    /* or both pass over, since both lead to the same file */
    return earlier->is_final ||
           (!b->is_static && same_text(a->path.script, b->path.script) &&
            same_text(a->path.dir, b->path.dir) &&
            same_text(a->path.chroot, b->path.chroot) &&
            (same || !has_references(&a->path)));
}

/* ---- output ---- */

static void dump_route(apr_pool_t *p, apr_file_t *out, const cgiroute_t *route,
                       int number, int hidden_by)
{
    const char *exec = "";
    const char *note =
        hidden_by ? apr_psprintf(p, ": never answers, since %d comes first",
                                 hidden_by)
                  : "";
    int i;

    for (i = 0; route->exec && route->exec[i]; i++) {
        exec =
            apr_pstrcat(p, exec, i ? " " : " exec=\"", route->exec[i], NULL);
    }
    if (*exec) {
        exec = apr_pstrcat(p, exec, "\"", NULL);
    }
    apr_file_printf(
        out, "  %5d  %s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s (%s:%d)%s\n", number,
        *route->base ? route->base : "", *route->base ? " " : "",
        *route->regex ? route->regex : "\"\"",
        apr_pstrcat(p, " ", route_template_text(route->path.script), NULL),
        optional(p, "dir", route->path.dir), exec,
        optional(p, "pathinfo", route->path_info),
        route->path.names == ROUTE_NAMES_ANY ? " names=any" : "",
        route->is_static ? " static=on" : "",
        route->has_listing ? " listing=on" : "", route->user ? " user=" : "",
        route->user ? route->user : "", route->group ? " group=" : "",
        route->group ? route->group : "",
        optional(p, "chroot", route->path.chroot),
        route->section ? " <section>" : "", route->file, route->line, note);
}

static void dump_server(apr_pool_t *p, apr_file_t *out, const server_rec *s)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(s->module_config, &cgiroute_module);
    apr_array_header_t *entries = apr_array_make(p, 16, sizeof(entry_t));
    int i, k;

    if (s->is_virtual) {
        apr_file_printf(out, "virtual host %s (%s:%u)\n",
                        s->server_hostname ? s->server_hostname : "",
                        s->defn_name, s->defn_line_number);
    }
    else {
        apr_file_printf(out, "main server\n");
    }
    for (; conf; conf = conf->main) {
        for (i = 0; i < conf->routes->nelts; i++) {
            APR_ARRAY_PUSH(entries, entry_t) = entry_of(
                p, APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *));
        }
    }
    for (i = 0; i < entries->nelts; i++) {
        const entry_t *entry = &APR_ARRAY_IDX(entries, i, entry_t);

        for (k = 0;
             k < i && !hides(&APR_ARRAY_IDX(entries, k, entry_t), entry);
             k++) {
        }
        dump_route(p, out, entry->route, i + 1, k < i ? k + 1 : 0);
    }
    if (!entries->nelts) {
        apr_file_printf(out, "         none\n");
    }
}

void cgiroute_dump(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *hosts = apr_array_make(p, 8, sizeof(server_rec *));
    const server_rec *s;
    const server_rec **host;
    apr_file_t *out = NULL;

    apr_file_open_stdout(&out, p);
    apr_file_printf(out,
                    "CGI routes, in the order in which they are tried:\n");
    dump_server(p, out, main_server);
    for (s = main_server->next; s; s = s->next) {
        APR_ARRAY_PUSH(hosts, const server_rec *) = s;
    }
    /* httpd has the last one first */
    while ((host = apr_array_pop(hosts))) {
        dump_server(p, out, *host);
    }
}

/* ---- for cgi-check ---- */

static void set_number(apr_table_t *facts, const char *key, apr_uint64_t n)
{
    apr_pool_t *p = apr_table_elts(facts)->pool;

    apr_table_setn(facts, key, apr_psprintf(p, "%" APR_UINT64_T_FMT, n));
}

void cgiroute_facts(const cgiroute_t *route, apr_table_t *facts)
{
    apr_pool_t *p = apr_table_elts(facts)->pool;

    apr_table_setn(facts, "route",
                   *route->base
                       ? apr_pstrcat(p, route->base, " ", route->regex, NULL)
                       : route->regex);
    apr_table_setn(facts, "route_at",
                   apr_psprintf(p, "%s:%d", route->file, route->line));
    apr_table_setn(facts, "static", route->is_static ? "1" : "");
    if (route->user) {
        apr_table_setn(facts, "user", route->user);
        set_number(facts, "uid", route->uid);
        set_number(facts, "gid", route->gid);
        apr_table_setn(facts, "own_group", route->group ? "1" : "");
    }
}

/* One route: what is certain of its file and of its URLs. */
static void list_route(apr_pool_t *p, const server_rec *s,
                       const cgiroute_t *route)
{
    const entry_t entry = entry_of(p, route);
    const route_match_t none = {0};
    const route_part_t *part;
    route_place_t place;
    int n;

    cgi_lookup_say(p, -1, "route",
                   apr_pstrcat(p, route->base, " ", route->regex, NULL));
    cgi_lookup_say(p, -1, "route_at",
                   apr_psprintf(p, "%s:%d", route->file, route->line));
    cgi_lookup_say(p, -1, "route_server", cgi_lookup_server(p, s));
    cgi_lookup_say(p, -1, "route_prefix", entry.prefix);
    if (!has_references(&route->path) &&
        !route_path_expand(p, &route->path, &none, "", &place)) {
        cgi_lookup_say(p, -1, "route_script", place.script);
    }
    else if (!route->path.chroot && route->path.dir &&
             !route_template_has_references(route->path.dir)) {
        cgi_lookup_say(p, -1, "route_dir",
                       route_template_text(route->path.dir));
        for (part = route_template_parts(route->path.script, &n); n;
             n--, part++) {
            cgi_lookup_say(
                p, -1, "route_part",
                part->group == ROUTE_PART_LITERAL
                    ? apr_pstrcat(p, "=",
                                  apr_pstrmemdup(p, part->text, part->length),
                                  NULL)
                    : "*");
        }
    }
}

void cgiroute_list(apr_pool_t *p, server_rec *main_server)
{
    const server_rec *s;
    int i;

    for (s = main_server; s; s = s->next) {
        const cgiroute_server_t *conf =
            ap_get_module_config(s->module_config, &cgiroute_module);

        for (i = 0; i < conf->routes->nelts; i++) {
            list_route(p, s,
                       APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *));
        }
    }
}
