/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * listing=on: the programs, files and directories of a directory of static=on,
 * for those who may ask for them. Whether they may, a look-up of each URL
 * says: with all that httpd does for a request but the handler.
 */

#include <stdlib.h>
#include <string.h>

#include "apr_file_info.h"
#include "apr_strings.h"

#include "httpd.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_script.h"

#include "base/safe.h"
#include "cgiroute/route.h"

APLOG_USE_MODULE(cgiroute);

/* A directory of more names is no page for people. */
#define NAMES_MAX 1000

/* The page's style, and its hash for the policy, by which no other counts. */
#define STYLE                                                                 \
    ":root { color-scheme: light dark }"                                      \
    "body { font: 1rem/1.5 sans-serif; max-width: 60rem; margin: 1rem auto; " \
    "padding: 0 1rem }"                                                       \
    "td, th { padding: .1rem 1.5rem .1rem 0; text-align: left }"              \
    "td:last-child { text-align: right }"
#define STYLE_HASH "sha256-ESvAVf+TNlcnlAg23b7F71ugK7XgbZab6vDirKTuN7Y="

typedef struct entry_t {
    const char *name; /* with a slash behind that of a directory */
    const char *kind;
    apr_off_t size; /* -1: not of interest */
} entry_t;

/* Names that are nobody's business, whatever names= says: hidden files and
 * copies of editors. */
static int is_listed(const char *name, route_names_e names)
{
    const char last = name[0] ? name[strlen(name) - 1] : '\0';

    return name[0] && name[0] != '.' && name[0] != '-' && last != '~' &&
           last != '#' && !route_safe_text(name, strlen(name), names);
}

/* What a request for that name below this URL would get from the same route.
 * @return 0: nothing that the client may know of */
static int look_up(request_rec *r, const cgiroute_t *route, const char *uri,
                   entry_t *entry)
{
    request_rec *sub =
        ap_sub_req_lookup_uri(ap_os_escape_path(r->pool, uri, 1), r, NULL);
    const cgiroute_dir_t *conf =
        ap_get_module_config(sub->per_dir_config, &cgiroute_module);
    const cgiroute_choice_t *choice = conf->choice;
    const int found = sub->status == HTTP_OK && choice && !choice->status &&
                      choice->route == route;

    if (found) {
        const int is_dir = uri[strlen(uri) - 1] == '/';

        entry->kind = is_dir            ? "directory"
                      : choice->is_file ? "file"
                                        : "program";
        entry->size = choice->is_file && !is_dir ? sub->finfo.size : -1;
    }
    ap_destroy_sub_req(sub);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry_t *)a)->name, ((const entry_t *)b)->name);
}

/* @return the names that may be listed, sorted; NULL: not a directory that can
 * be read */
static apr_array_header_t *read_names(request_rec *r, route_names_e names,
                                      int *more)
{
    apr_array_header_t *found = apr_array_make(r->pool, 32, sizeof(entry_t));
    const char *name;
    apr_finfo_t info;
    apr_status_t rv;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, r->filename, r->pool) != APR_SUCCESS) {
        return NULL;
    }
    for (;;) {
        rv = apr_dir_read(&info, APR_FINFO_NAME | APR_FINFO_TYPE, dir);
        if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
            break;
        }
        if (!is_listed(info.name, names)) {
            continue;
        }
        name = apr_pstrdup(r->pool, info.name);
        if (found->nelts == NAMES_MAX) {
            *more = 1;
            break;
        }
        /* where a link leads, or a file system does not say, stat() does */
        if (info.filetype != APR_REG && info.filetype != APR_DIR) {
            rv = apr_stat(&info, apr_pstrcat(r->pool, r->filename, name, NULL),
                          APR_FINFO_TYPE, r->pool);
            if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
                continue;
            }
        }
        ((entry_t *)apr_array_push(found))->name = apr_pstrcat(
            r->pool, name, info.filetype == APR_DIR ? "/" : "", NULL);
    }
    apr_dir_close(dir);
    qsort(found->elts, (size_t)found->nelts, sizeof(entry_t), by_name);
    return found;
}

static void put_entry(request_rec *r, const entry_t *entry, const char *text)
{
    char size[5];

    ap_rvputs(
        r, "<tr><td><a href=\"",
        ap_escape_html(r->pool, ap_os_escape_path(r->pool, entry->name, 0)),
        "\">", ap_escape_html(r->pool, text), "</a></td><td>", entry->kind,
        "</td><td>", entry->size < 0 ? "" : apr_strfsize(entry->size, size),
        "</td></tr>\n", NULL);
}

static void put_page(request_rec *r, const cgiroute_t *route,
                     const apr_array_header_t *names, int more)
{
    const char *title = ap_escape_html(r->pool, r->uri);
    apr_size_t up = strlen(r->uri) - 1;
    entry_t entry;
    int i;

    ap_rvputs(
        r,
        "<!doctype html>\n<html lang=\"en\"><head>"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>",
        title, "</title>\n<style>" STYLE "</style></head>\n<body><h1>", title,
        "</h1>\n<table>\n<tr><th>Name</th><th>Kind</th><th>Size</th></tr>\n",
        NULL);
    while (up && r->uri[up - 1] != '/') {
        up--;
    }
    entry.name = "../";
    if (up && look_up(r, route, apr_pstrmemdup(r->pool, r->uri, up), &entry)) {
        put_entry(r, &entry, "../");
    }
    for (i = 0; i < names->nelts; i++) {
        entry = APR_ARRAY_IDX(names, i, entry_t);
        if (look_up(r, route, apr_pstrcat(r->pool, r->uri, entry.name, NULL),
                    &entry)) {
            put_entry(r, &entry, entry.name);
        }
    }
    ap_rvputs(r, "</table>\n", more ? "<p>There are more.</p>\n" : "",
              "</body></html>\n", NULL);
}

int cgiroute_show_directory(request_rec *r, const cgiroute_choice_t *choice)
{
    apr_array_header_t *names;
    int more = 0;

    if (r->method_number != M_GET) {
        r->allowed = AP_METHOD_BIT << M_GET;
        return HTTP_METHOD_NOT_ALLOWED;
    }
    names = read_names(r, choice->route->path.names, &more);
    if (!names) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "%s: the directory can't be read", r->filename);
        return HTTP_NOT_FOUND;
    }
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; style-src '" STYLE_HASH "'");
    put_page(r, choice->route, names, more);
    return OK;
}
