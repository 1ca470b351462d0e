/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the header of a script's output means for httpd (RFC 3875, 6.3).
 */

#include <stdlib.h>

#include "apr_date.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "cgi/compat.h"
#include "cgi/output.h"
#include "cgi/skin.h"

CGI_EXEC_USE_LOG;

void cgi_output_early_hints(cgi_output_t *out, const cgi_header_t *header)
{
    request_rec *r = out->q->r;
    apr_table_t *headers_out = r->headers_out;
    const char *line = r->status_line;
    int status = r->status;
    const apr_array_header_t *array = apr_table_elts(header->fields);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    int i;

    r->headers_out = apr_table_make(r->pool, 2);
    for (i = 0; i < array->nelts; i++) {
        if (!ap_cstr_casecmp(elts[i].key, "Link")) {
            apr_table_addn(r->headers_out, elts[i].key, elts[i].val);
        }
    }
    if (!apr_is_empty_table(r->headers_out)) {
        cgi_compat_send_interim(r, HTTP_EARLY_HINTS, 1);
    }
    r->headers_out = headers_out;
    r->status = status;
    r->status_line = line;
}

/* A date in the future, or none, is not passed on (RFC 9110, 8.8.2.1). */
static void set_last_modified(request_rec *r, const char *value)
{
    apr_time_t t = apr_date_parse_http(value);

    if (t != APR_DATE_BAD) {
        ap_update_mtime(r, t);
        ap_set_last_modified(r);
    }
}

/* Fields of one connection: they are the server's to set (RFC 9110, 7.6.1), as
 * is Transfer-Encoding, which the parser refuses. 426 must have Upgrade. */
static int is_hop_by_hop(const char *name, int status)
{
    static const char *const names[] = {"Connection", "Keep-Alive", "TE",
                                        "Trailer"};
    size_t i;

    if (!ap_cstr_casecmp(name, "Upgrade")) {
        return status != HTTP_UPGRADE_REQUIRED;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!ap_cstr_casecmp(name, names[i])) {
            return 1;
        }
    }
    return !ap_cstr_casecmpn(name, "Proxy-", 6);
}

static int merge_field(void *table, const char *name, const char *value)
{
    apr_table_mergen(table, name, value);
    return 1;
}

/* Fields go where httpd's own handlers put theirs: err_headers_out survives
 * an error page, headers_out does not. Those of one name are joined at once:
 * one by one, each would be a copy of all before it. */
static void apply_fields(cgi_output_t *out, const cgi_header_t *header)
{
    request_rec *r = out->q->r;
    const apr_array_header_t *array = apr_table_elts(header->fields);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    apr_table_t *others = apr_table_make(r->pool, array->nelts);
    int i;

    for (i = 0; i < array->nelts; i++) {
        const char *name = elts[i].key, *value = elts[i].val;

        if (is_hop_by_hop(name, header->status)) {
            continue;
        }
        if (!ap_cstr_casecmp(name, "Set-Cookie")) {
            apr_table_addn(r->err_headers_out, name, value);
        }
        else if (!ap_cstr_casecmp(name, "Last-Modified")) {
            set_last_modified(r, value);
        }
        else if (!ap_cstr_casecmp(name, "ETag") ||
                 !ap_cstr_casecmp(name, "Content-Range")) {
            apr_table_setn(r->headers_out, name, value);
        }
        else {
            apr_table_addn(others, name, value);
        }
    }
    apr_table_compress(others, APR_OVERLAP_TABLES_MERGE);
    apr_table_do(merge_field, r->err_headers_out, others, NULL);
    if (header->status == HTTP_UPGRADE_REQUIRED &&
        apr_table_get(header->fields, "Upgrade")) { /* RFC 9110, 7.8 */
        apr_table_setn(r->headers_out, "Connection", "Upgrade");
    }
    if (header->content_type) {
        char *type = apr_pstrdup(r->pool, header->content_type);

        ap_content_type_tolower(type);
        ap_set_content_type(r, type);
    }
    if (header->location) {
        apr_table_setn(r->headers_out, "Location", header->location);
    }
    if (header->content_length >= 0) {
        ap_set_content_length(r, header->content_length);
        out->length_left = header->content_length;
    }
}

/* X-Sendfile goes no further than here. @return the file to send, or NULL */
static const char *take_sendfile(cgi_output_t *out, const cgi_header_t *header)
{
    const char *file = apr_table_get(header->fields, "X-Sendfile");
    const apr_array_header_t *dirs = out->q->options->dir->sendfile_dirs;

    if (!file) {
        return NULL;
    }
    apr_table_unset(header->fields, "X-Sendfile");
    if (!dirs || !dirs->nelts) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, out->q->r,
                      "%s: X-Sendfile is ignored: there is no CGISendfile "
                      "here",
                      out->q->options->script);
        return NULL;
    }
    /* Without a body there is nothing to take the place of. */
    return (header->location && !header->status) ||
                   AP_STATUS_IS_HEADER_ONLY(header->status)
               ? NULL
               : file;
}

/* Only a script that leaves the status open leaves it to httpd to answer 304
 * or 412; a file is httpd's own affair. */
static int may_be_unmodified(const cgi_output_t *out,
                             const cgi_header_t *header)
{
    return out->q->r->method_number == M_GET &&
           !cgi_skin_may_wrap(out->q->r) &&
           (header->status ? header->status == HTTP_OK && out->sendfile
                           : !header->location);
}

cgi_outcome_e cgi_output_apply(cgi_output_t *out, const cgi_header_t *header)
{
    request_rec *r = out->q->r;
    const char *file;
    cgi_outcome_e outcome;
    int rc;

    if (header->location && !header->status && header->location[0] == '/') {
        out->redirect = header->location;
        out->drop_body = 1;
        return CGI_WENT_ON;
    }
    if ((file = take_sendfile(out, header)) != NULL &&
        (outcome = cgi_sendfile_open(out, file)) != CGI_WENT_ON) {
        return outcome;
    }
    apply_fields(out, header);
    if (out->sendfile) {
        cgi_sendfile_header(out);
    }
    if (header->status) {
        r->status = header->status;
        r->status_line = header->status_line;
        if (!r->status_line &&
            atoi(ap_get_status_line(r->status)) != r->status) {
            /* httpd has no words for it, and would make it a 500 */
            r->status_line = apr_itoa(r->pool, r->status);
        }
    }
    else if (header->location) {
        /* httpd writes the page of this redirect (RFC 3875, 6.2.3) */
        out->status = HTTP_MOVED_TEMPORARILY;
        out->drop_body = 1;
    }
    if (may_be_unmodified(out, header) && (rc = ap_meets_conditions(r))) {
        if (rc != HTTP_NOT_MODIFIED) {
            return cgi_answer(out->q, rc);
        }
        r->status = rc;
    }
    if (AP_STATUS_IS_HEADER_ONLY(r->status)) {
        out->drop_body = 1;
        out->length_left = -1;
        out->sendfile = NULL;
    }
    return CGI_WENT_ON;
}
