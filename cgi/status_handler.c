/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * SetHandler cgi-status: which form is asked for, and the end of a script. And
 * a section of mod_status's page.
 */

#include <stdlib.h>
#include <string.h>

#include "httpd.h"

#include "apr_lib.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_status.h"

#include "cgi/status_view.h"

CGI_EXEC_USE_LOG;

/* What is put behind the page's URL to end a script: a <Location> of its own
 * can say who may. */
#define END "/end"
#define END_LENGTH (sizeof(END) - 1)
/* Of a POST: "id=SLOT-SERIAL". */
#define FORM_MAX 100
/* In a request's notes: the other module's copy has had its turn. */
#define SHOWN_NOTE "cgi-status-shown"

static int may_end(const request_rec *r)
{
    const cgi_exec_dir_t *dir =
        ap_get_module_config(r->per_dir_config, &CGI_EXEC_MODULE_SYM);

    return dir->status_end == 1;
}

/* The URL at which scripts can be ended; or NULL. Whether this client may is
 * asked when it does so, not at each look: that would be a line in the log for
 * each who may not, and work for those who know users. */
static const char *find_end(request_rec *r)
{
    request_rec probe = *r;
    apr_size_t len = strlen(r->uri);

    while (len && r->uri[len - 1] == '/') {
        len--;
    }
    probe.uri =
        apr_pstrcat(r->pool, apr_pstrndup(r->pool, r->uri, len), END, NULL);
    probe.per_dir_config = r->server->lookup_defaults;
    return cgi_status_interval() && ap_location_walk(&probe) == OK &&
                   may_end(&probe)
               ? ap_escape_uri(r->pool, probe.uri)
               : NULL;
}

/* ---- the end of a script ---- */

/* A page of another site must not have the browser do this. All that can send
 * a form say where it comes from. */
static int is_same_origin(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *rest;

    if (site) {
        return !strcmp(site, "same-origin");
    }
    rest = origin ? strstr(origin, "://") : NULL;
    return rest && host && !ap_cstr_casecmp(rest + 3, host);
}

static int refuse(request_rec *r, int status, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "status page: %s", why);
    return status;
}

/* The form's body, ended by NUL. @return OK or a status */
static int read_form(request_rec *r, char *form, apr_size_t size)
{
    apr_size_t len = 0;
    long n;
    int status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

    if (status != OK) {
        return status;
    }
    if (ap_should_client_block(r)) {
        while (len < size &&
               (n = ap_get_client_block(r, form + len, size - len)) != 0) {
            if (n < 0) {
                return HTTP_BAD_REQUEST;
            }
            len += (apr_size_t)n;
        }
    }
    if (len == size) {
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    form[len] = '\0';
    return OK;
}

/* "id=SLOT-SERIAL". @return 0: it is none */
static int parse_id(const char *form, int *slot, uint64_t *serial)
{
    char *end;
    long n;

    if (strncmp(form, "id=", 3) || !apr_isdigit(form[3])) {
        return 0;
    }
    n = strtol(form + 3, &end, 10);
    if (*end != '-' || !apr_isdigit(end[1]) || n > 1000000) {
        return 0;
    }
    *slot = (int)n;
    *serial = strtoull(end + 1, &end, 10);
    return !*end;
}

static int end_script(request_rec *r, cgi_board_t *board)
{
    const apr_size_t len = strlen(r->uri);
    char form[FORM_MAX];
    uint64_t serial;
    int slot, status, found;

    if (len <= END_LENGTH || strcmp(r->uri + len - END_LENGTH, END) ||
        !may_end(r)) {
        r->allowed = (AP_METHOD_BIT << M_GET);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (!is_same_origin(r)) {
        return refuse(r, HTTP_FORBIDDEN,
                      "a request to end a script must come from the page: "
                      "its Origin is another, or is missing");
    }
    if ((status = read_form(r, form, sizeof(form))) != OK) {
        return status;
    }
    if (!parse_id(form, &slot, &serial)) {
        return refuse(r, HTTP_BAD_REQUEST,
                      "what is to end must be said as id=NUMBER-NUMBER");
    }
    found = cgi_board_unwant(board, slot, serial);
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "status page: request %d-%" APR_UINT64_T_FMT " %s, by %s",
                  slot, serial, found ? "is ended" : "had ended already",
                  r->user ? r->user : "a client without a user's name");
    apr_table_setn(r->headers_out, "Location",
                   ap_construct_url(
                       r->pool,
                       ap_escape_uri(r->pool, apr_pstrndup(r->pool, r->uri,
                                                           len - END_LENGTH)),
                       r));
    return HTTP_SEE_OTHER;
}

/* ---- the page ---- */

static int is_asked(const request_rec *r, const char *form)
{
    const apr_size_t n = strlen(form);

    return r->args && !strncmp(r->args, form, n) &&
           (!r->args[n] || r->args[n] == '&');
}

static void show(request_rec *r, cgi_board_t *board)
{
    const cgi_view_t *view = cgi_view_make(board, r->pool);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (is_asked(r, "json")) {
        cgi_status_json(r, view);
    }
    else if (is_asked(r, "metrics")) {
        cgi_status_metrics(r, view);
    }
    else if (is_asked(r, "auto")) {
        ap_set_content_type(r, "text/plain; charset=utf-8");
        cgi_status_auto(r, view);
    }
    else {
        cgi_status_html(r, view, find_end(r));
    }
}

static int handler(request_rec *r)
{
    cgi_board_t *board = cgi_status_board();

    if (!r->handler || strcmp(r->handler, CGI_STATUS_HANDLER)) {
        return DECLINED;
    }
    if (!board) {
        return refuse(r, HTTP_SERVICE_UNAVAILABLE,
                      "there was no memory for it at the start of httpd");
    }
    if (r->method_number == M_POST) {
        return end_script(r, board);
    }
    if (r->method_number != M_GET) {
        r->allowed = (AP_METHOD_BIT << M_GET);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    show(r, board);
    return OK;
}

static int status_hook(request_rec *r, int flags)
{
    cgi_board_t *board = cgi_status_board();
    const cgi_view_t *view;

    if (!board || apr_table_get(r->notes, SHOWN_NOTE)) {
        return DECLINED;
    }
    apr_table_setn(r->notes, SHOWN_NOTE, "1");
    view = cgi_view_make(board, r->pool);
    if (flags & AP_STATUS_SHORT) {
        cgi_status_auto(r, view);
    }
    else {
        cgi_status_section(r, view);
    }
    return OK;
}

void cgi_status_register(void)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, status_hook, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
