/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* apachectl -t -D DUMP_CGIROUTES */

#include "apr_file_io.h"
#include "apr_strings.h"
#include "http_core.h"

#include "cgiroute/route.h"

static const char *optional(apr_pool_t *p, const char *key,
                            const route_template_t *t)
{
    return t ? apr_pstrcat(p, " ", key, "=", route_template_text(t), NULL)
             : "";
}

static void dump_route(apr_pool_t *p, apr_file_t *out, const cgiroute_t *route,
                       int number)
{
    const char *exec = "";
    int i;

    for (i = 0; route->exec && route->exec[i]; i++) {
        exec =
            apr_pstrcat(p, exec, i ? " " : " exec=\"", route->exec[i], NULL);
    }
    if (*exec) {
        exec = apr_pstrcat(p, exec, "\"", NULL);
    }
    apr_file_printf(
        out, "  %5d  %s%s%s%s%s%s%s%s%s%s%s%s%s%s%s (%s:%d)\n", number,
        *route->base ? route->base : "", *route->base ? " " : "",
        *route->regex ? route->regex : "\"\"",
        apr_pstrcat(p, " ", route_template_text(route->path.script), NULL),
        optional(p, "dir", route->path.dir), exec,
        optional(p, "pathinfo", route->path_info),
        route->path.names == ROUTE_NAMES_ANY ? " names=any" : "",
        route->is_static ? " static=on" : "", route->user ? " user=" : "",
        route->user ? route->user : "", route->group ? " group=" : "",
        route->group ? route->group : "",
        optional(p, "chroot", route->path.chroot),
        route->section ? " <section>" : "", route->file, route->line);
}

static void dump_server(apr_pool_t *p, apr_file_t *out, const server_rec *s)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(s->module_config, &cgiroute_module);
    int number = 0;

    if (s->is_virtual) {
        apr_file_printf(out, "virtual host %s (%s:%u)\n",
                        s->server_hostname ? s->server_hostname : "",
                        s->defn_name, s->defn_line_number);
    }
    else {
        apr_file_printf(out, "main server\n");
    }
    for (; conf; conf = conf->main) {
        int i;

        for (i = 0; i < conf->routes->nelts; i++) {
            dump_route(p, out,
                       APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *),
                       ++number);
        }
    }
    if (number == 0) {
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
