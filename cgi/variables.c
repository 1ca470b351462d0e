/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The CGI variables of a request (RFC 3875, 4.1): httpd's own, and what it
 * leaves out or gets wrong.
 */

#include <string.h>

#include "apr_strings.h"

#include "httpd.h"
#include "util_script.h"

#include "base/metavars.h"
#include "cgi/script.h"
#include "cgi/variables.h"

/* To take PATH_INFO off the URL's path, httpd counts slashes in a row as one
 * in the path only: with MergeSlashes off it takes off too little. */
static void correct_script_name(request_rec *r)
{
    const char *info = r->path_info;
    apr_size_t n = strlen(r->uri), m = info ? strlen(info) : 0;

    if (info && strstr(info, "//") && m <= n &&
        strcmp(r->protocol, "INCLUDED") && strcmp(r->uri + n - m, info) == 0) {
        apr_table_setn(r->subprocess_env, "SCRIPT_NAME",
                       apr_pstrmemdup(r->pool, r->uri, n - m));
    }
}

/* A table of httpd takes request_method for REQUEST_METHOD and keeps the
 * spelling that was there first: a SetEnv of it would leave a script without
 * the real one. */
static void drop_misspelled(apr_table_t *env)
{
    const apr_array_header_t *array = apr_table_elts(env);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    int i;

    for (i = array->nelts - 1; i >= 0; i--) {
        const char *key = elts[i].key;
        const char *name = cgi_metavar_of_server(key);

        if (name && strcmp(name, key) != 0) {
            apr_table_unset(env, key);
        }
    }
}

/* php-cgi runs nothing without REDIRECT_STATUS, which guards it against being
 * asked for by URL as a program, with a file of the client's choice behind it
 * (/cgi-bin/php-cgi/file). That it is the interpreter of a script, by exec= or
 * behind "#!", is as good a proof: the file is one that the server has chosen.
 * php-cgi itself does not begin with "#!". */
static int has_interpreter(const cgi_request_t *q)
{
    const char *line;

    if (q->options->interpreter) {
        return 1;
    }
    line = cgi_script_hashbang(q);
    return line && strstr(line, "php");
}

void cgi_variables_add(const cgi_request_t *q, const cgi_input_t *in)
{
    request_rec *r = q->r;
    apr_table_t *env = r->subprocess_env;
    const char *path = apr_table_get(env, "PATH"); /* of a SetEnv */
    const int interpreted = has_interpreter(q);

    drop_misspelled(env);
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    correct_script_name(r);
    apr_table_setn(env, "SCRIPT_FILENAME", q->options->script);
    if (q->options->identity) {
        apr_table_setn(env, "PATH", path ? path : "/bin");
    }
    /* After a redirect inside of httpd, php-cgi would run that file, which the
     * URL chooses; the launcher takes it from nobody. */
    if (q->options->identity ||
        (interpreted && apr_table_get(env, "REDIRECT_URL"))) {
        apr_table_unset(env, "PATH_TRANSLATED");
    }
    if (in->state == CGI_INPUT_DONE && in->file_fd >= 0) {
        apr_table_setn(env, "CONTENT_LENGTH", apr_off_t_toa(r->pool, in->to));
    }
    else if (in->length_unknown || in->withheld) {
        /* RFC 3875, 4.1.2: what the script can read, or nothing at all */
        apr_table_unset(env, "CONTENT_LENGTH");
    }
    if (in->withheld) {
        apr_table_unset(env, "CONTENT_TYPE");
    }
    if (interpreted && !apr_table_get(env, "REDIRECT_STATUS")) {
        apr_table_setn(env, "REDIRECT_STATUS", "200");
    }
}
