/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * mod_speling reads a directory by itself and proposes the names it finds.
 * It asks nobody whether a name may be shown, so its fixups function is
 * called through ours, which takes hidden names out of the answer.
 */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "httpd.h"
#include "http_log.h"
#include "http_request.h"

#include "runscripts/runscripts.h"

APLOG_USE_MODULE(runscripts);

#define ITEM "<li><a href=\""

static ap_HOOK_fixups_t *speling_fixups;

/* Length of the part of r->uri that precedes the name in question. */
static size_t prefix_length(const request_rec *r)
{
    size_t rest = strlen(apr_filepath_name_get(r->filename)) +
                  (r->path_info ? strlen(r->path_info) : 0);
    size_t len = strlen(r->uri);

    return len > rest ? len - rest : 0;
}

/* Does this URL, which mod_speling made of that prefix, a name, the path
 * info and the query, lead to a hidden name? In doubt, yes: mod_speling
 * escapes the question mark too, so the end of the name is a guess. */
static int leads_to_hidden(request_rec *r, const runscripts_dir_t *dir,
                           const char *url, size_t len)
{
    char *path = apr_pstrmemdup(r->pool, url, len);
    char *host = strstr(path, "://"), *name, *end;
    size_t prefix = prefix_length(r);

    if (*path != '/') {
        path = host ? strchr(host + 3, '/') : NULL;
    }
    if (!path || ap_unescape_url(path) != OK || strlen(path) < prefix) {
        return 1;
    }
    name = path + prefix;
    if ((end = strchr(name, '/')) != NULL) {
        *end = '\0';
    }
    while (!runscripts_name_hidden(dir, name)) {
        if ((end = strrchr(name, '?')) == NULL) {
            return 0;
        }
        *end = '\0';
    }
    return 1;
}

/* Take hidden names out of the page of a 300 response.
 * @return how many names are left. */
static int clean_variants(request_rec *r, const runscripts_dir_t *dir)
{
    const char *page = apr_table_get(r->notes, "variant-list");
    const char *item, *cleaned = "";
    int left = 0;

    if (!page) {
        return 0;
    }
    while ((item = strstr(page, ITEM)) != NULL) {
        const char *url = item + sizeof(ITEM) - 1;
        const char *end = strchr(item, '\n');

        end = end ? end + 1 : item + strlen(item);
        cleaned = apr_pstrcat(
            r->pool, cleaned,
            apr_pstrmemdup(r->pool, page, (size_t)(item - page)), NULL);
        if (!leads_to_hidden(r, dir, url, strcspn(url, "\""))) {
            cleaned = apr_pstrcat(
                r->pool, cleaned,
                apr_pstrmemdup(r->pool, item, (size_t)(end - item)), NULL);
            left++;
        }
        page = end;
    }
    apr_table_setn(r->notes, "variant-list",
                   apr_pstrcat(r->pool, cleaned, page, NULL));
    apr_table_unset(r->subprocess_env, "VARIANTS");
    return left;
}

static int guarded_speling(request_rec *r)
{
    const runscripts_dir_t *dir =
        ap_get_module_config(r->per_dir_config, &runscripts_module);
    int status = speling_fixups(r);
    const char *url;

    if (!dir->option.hide) {
        return status;
    }
    if (status == HTTP_MOVED_PERMANENTLY) {
        url = apr_table_get(r->headers_out, "Location");
        if (!url || !leads_to_hidden(r, dir, url, strlen(url))) {
            return status;
        }
        apr_table_unset(r->headers_out, "Location");
    }
    else if (status != HTTP_MULTIPLE_CHOICES || clean_variants(r, dir) > 0) {
        return status;
    }
    apr_table_unset(r->notes, "variant-list");
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                  "no spelling proposed for %s: only hidden names match",
                  r->uri);
    return DECLINED;
}

void runscripts_speling_guard(void)
{
    apr_array_header_t *hooks = ap_hook_get_fixups();
    int i;

    for (i = 0; hooks && i < hooks->nelts; i++) {
        ap_LINK_fixups_t *hook = &APR_ARRAY_IDX(hooks, i, ap_LINK_fixups_t);

        if (!strcmp(hook->szName, "mod_speling.c") &&
            hook->pFunc != guarded_speling) {
            speling_fixups = hook->pFunc;
            hook->pFunc = guarded_speling;
        }
    }
}
