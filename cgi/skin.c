/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGISkin: the directive, and the filter that puts a template around what a
 * script prints. It keeps the response back until it can tell whether that is
 * a fragment, and streams from then on.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_base64.h"
#include "apr_general.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "base/beneath.h"
#include "base/fragment.h"
#include "cgi/directives.h"
#include "cgi/skin.h"

CGI_EXEC_USE_LOG;

#define NAME__(module) "CGI_SKIN_" #module
#define NAME_(module) NAME__(module)
#define NAME NAME_(CGI_EXEC_MODULE)

/* The variable by which a script learns the nonce. */
#define NONCE "CSP_NONCE"
#define NONCE_BYTES 18
/* A file that is a pipe must not hold up httpd's start. */
#define FILE_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
/* A larger template is an accident. */
#define FILE_MAX (1024 * 1024)
/* Pieces that are smaller are put together. */
#define PACK_MAX 1024
/* Of a response, so much is looked at. */
#define LOOK_MAX 8192

struct cgi_skin_t {
    const char *file;  /* NULL: none */
    const char *below; /* of a .htaccess file: its directory, and file is a
                          name below it that is opened for each request */
    cgi_skin_template_t template; /* else */
};

typedef struct {
    const cgi_skin_template_t *template;
    const char *nonce; /* NULL: the template has none */
    const char *title; /* when it is known */
    const char *script;
    apr_bucket_brigade *held;
    apr_size_t looked;
    int wraps; /* 1: it is a fragment, the template's end must follow */
    char look[LOOK_MAX];
} skin_t;

static ap_filter_rec_t *frec;

/* ---- the directive ---- */

/* The whole of a regular file. @return NULL, or why not */
static const char *read_file(int fd, const char **text, apr_size_t *len,
                             apr_pool_t *p)
{
    struct stat st;
    char *data;
    ssize_t n = 1;

    if (fstat(fd, &st)) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        return "it must be a file of 1 MiB at most";
    }
    data = apr_palloc(p, (apr_size_t)st.st_size + 1);
    *text = data;
    *len = 0;
    while (n > 0 && *len < (apr_size_t)st.st_size) {
        n = read(fd, data + *len, (apr_size_t)st.st_size - *len);
        *len += n > 0 ? (apr_size_t)n : 0;
    }
    return n < 0 ? strerror(errno) : NULL;
}

/* @param fd is closed. @return NULL, or what is wrong */
static const char *load(cgi_skin_template_t *template, int fd, apr_pool_t *p)
{
    const char *text = NULL, *error;
    apr_size_t len = 0;

    if (fd < 0) {
        return strerror(errno);
    }
    error = read_file(fd, &text, &len, p);
    close(fd);
    return error ? error : cgi_skin_parse(template, text, len, p);
}

const char *cgi_exec_cmd_skin(cmd_parms *cmd, void *mconfig, const char *arg)
{
    static const cgi_skin_t none;
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    cgi_skin_t *skin;
    const char *error;

    if (!ap_cstr_casecmp(arg, "none")) {
        dir->skin = &none;
        return NULL;
    }
    skin = apr_pcalloc(cmd->pool, sizeof(*skin));
    dir->skin = skin;
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        /* Who writes it may not have httpd show any file. */
        skin->file = arg;
        skin->below =
            ap_make_dirstr_parent(cmd->pool, cmd->directive->filename);
        return *arg && *arg != '/'
                   ? NULL
                   : "CGISkin in a .htaccess file must be the name of a file "
                     "in the same directory or below";
    }
    skin->file = ap_server_root_relative(cmd->pool, arg);
    if (!skin->file) {
        return "CGISkin must be none or the path of a template";
    }
    error = load(&skin->template, open(skin->file, FILE_FLAGS), cmd->pool);
    return error ? apr_pstrcat(cmd->pool, "CGISkin ", skin->file, ": ", error,
                               NULL)
                 : NULL;
}

/* ---- before the script runs ---- */

/* Another module may have chosen it: a recipe with mod_unique_id. */
static const char *find_nonce(request_rec *r)
{
    const char *given = apr_table_get(r->subprocess_env, NONCE);
    unsigned char bytes[NONCE_BYTES];
    apr_size_t i;
    char *nonce;

    for (i = 0; given && (apr_isalnum(given[i]) ||
                          (given[i] && strchr("+/=_-", given[i])));
         i++) {
        ;
    }
    if (given && i && !given[i]) {
        return given;
    }
    if (apr_generate_random_bytes(bytes, sizeof(bytes)) != APR_SUCCESS) {
        return NULL;
    }
    nonce =
        apr_palloc(r->pool, (apr_size_t)apr_base64_encode_len(sizeof(bytes)));
    apr_base64_encode_binary(nonce, bytes, sizeof(bytes));
    apr_table_setn(r->subprocess_env, NONCE, nonce);
    return nonce;
}

/* @return the template of this request; NULL: none, or with an error, why its
 * own can't be used, logged */
static const cgi_skin_template_t *find_template(const cgi_request_t *q,
                                                const char **error)
{
    const cgi_skin_t *skin = q->options->dir->skin;
    request_rec *r = q->r;
    cgi_skin_template_t *own;
    const char *why;

    *error = NULL;
    if (!skin || !skin->file || q->nph || r->main) {
        return NULL;
    }
    if (!skin->below) {
        return &skin->template;
    }
    own = apr_palloc(r->pool, sizeof(*own));
    why = load(own, cgi_beneath_open(skin->below, skin->file), r->pool);
    if (why) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "CGISkin %s%s: %s",
                      skin->below, skin->file, why);
        *error = apr_pstrcat(r->pool, "500: CGISkin ", skin->below, skin->file,
                             ": ", why, NULL);
        return NULL;
    }
    return own;
}

const char *cgi_skin_begin(const cgi_request_t *q)
{
    request_rec *r = q->r;
    const char *error, *nonce = NULL;
    const cgi_skin_template_t *template = find_template(q, &error);
    skin_t *ctx;

    if (!template) {
        return error;
    }
    if (template->has_nonce && (nonce = find_nonce(r)) == NULL) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CGISkin: there are no random numbers for a nonce");
        return "500: there are no random numbers for a nonce";
    }
    if (q->debug) { /* that page has its own look */
        return NULL;
    }
    ctx = apr_pcalloc(r->pool, sizeof(*ctx));
    ctx->template = template;
    ctx->nonce = nonce;
    ctx->script = q->options->script;
    ctx->held = apr_brigade_create(r->pool, q->c->bucket_alloc);
    ap_add_output_filter_handle(frec, ctx, r, q->c);
    return NULL;
}

/* ---- the response ---- */

/* Whole HTML, as far as the header says. */
static int is_html(const request_rec *r)
{
    static const char html[] = "text/html";
    const char *rest;

    if (!r->content_type || AP_STATUS_IS_HEADER_ONLY(r->status) ||
        r->status == HTTP_PARTIAL_CONTENT || r->content_encoding ||
        apr_table_get(r->err_headers_out, "Content-Encoding") ||
        ap_cstr_casecmpn(r->content_type, html, sizeof(html) - 1)) {
        return 0;
    }
    rest = r->content_type + sizeof(html) - 1;
    return !*rest || *rest == ';' || apr_isspace(*rest);
}

int cgi_skin_may_wrap(const request_rec *r)
{
    const ap_filter_t *f = r->output_filters;

    while (f && (f->frec != frec || f->r != r)) {
        f = f->next;
    }
    return f && is_html(r);
}

/* What the script says of its fragment does not hold for the page. */
static void forget_fields(request_rec *r)
{
    static const char *const names[] = {
        "Content-Length", "ETag",   "Last-Modified",  "Accept-Ranges",
        "Content-MD5",    "Digest", "Content-Digest", "Repr-Digest"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        apr_table_unset(r->headers_out, names[i]);
        apr_table_unset(r->err_headers_out, names[i]);
    }
    r->mtime = 0;
    r->clength = 0;
    /* a part of it would be one of another page next time */
    (void)ap_remove_output_filter_byhandle(r->output_filters, "BYTERANGE");
}

static void set_policy(request_rec *r, const char *nonce)
{
    static const char name[] = "Content-Security-Policy";

    if (nonce && !apr_table_get(r->err_headers_out, name) &&
        !apr_table_get(r->headers_out, name)) {
        apr_table_setn(r->headers_out, name,
                       apr_psprintf(r->pool,
                                    "script-src 'self' 'nonce-%s'; "
                                    "object-src 'none'; base-uri 'self'",
                                    nonce));
    }
}

/* A value that stood in an attribute has its references already, but may have
 * what ends an element or another attribute. */
static const char *escape(apr_pool_t *p, const char *text, apr_size_t len,
                          int has_references)
{
    apr_array_header_t *out = apr_array_make(p, (int)len + 1, 1);
    apr_size_t i;

    for (i = 0; i < len; i++) {
        const char *as = text[i] == '<'                      ? "&lt;"
                         : text[i] == '>'                    ? "&gt;"
                         : text[i] == '"'                    ? "&quot;"
                         : text[i] == '\''                   ? "&#39;"
                         : text[i] == '&' && !has_references ? "&amp;"
                                                             : NULL;

        while (as && *as) {
            APR_ARRAY_PUSH(out, char) = *as++;
        }
        if (!as) {
            APR_ARRAY_PUSH(out, char) = text[i];
        }
    }
    APR_ARRAY_PUSH(out, char) = '\0';
    return out->elts;
}

/* Without a title, the last part of the script's URL, or else of its path. */
static const char *title_of(const request_rec *r, const skin_t *ctx,
                            const char *title, apr_size_t len)
{
    const char *name;

    if (title) {
        return escape(r->pool, title, len, 1);
    }
    name = apr_table_get(r->subprocess_env, "SCRIPT_NAME");
    name = apr_filepath_name_get(name ? name : "");
    if (!*name) {
        name = apr_filepath_name_get(ctx->script);
    }
    return escape(r->pool, name, strlen(name), 0);
}

/* Put the template's parts before $<content>, or those after it, in front of
 * at. */
static void put_parts(ap_filter_t *f, apr_bucket *at, int after)
{
    const skin_t *ctx = f->ctx;
    const apr_array_header_t *parts = ctx->template->parts;
    int i = 0, behind = 0;

    for (; i < parts->nelts; i++) {
        const cgi_skin_part_t *part =
            &APR_ARRAY_IDX(parts, i, cgi_skin_part_t);
        const char *text = part->word == CGI_SKIN_TEXT    ? part->text
                           : part->word == CGI_SKIN_TITLE ? ctx->title
                                                          : ctx->nonce;
        const apr_size_t len = part->word == CGI_SKIN_TEXT ? part->len
                               : text                      ? strlen(text)
                                                           : 0;

        if (part->word == CGI_SKIN_CONTENT) {
            behind = 1;
        }
        else if (behind == after && len) {
            APR_BUCKET_INSERT_BEFORE(
                at, apr_bucket_pool_create(text, len, f->r->pool,
                                           f->c->bucket_alloc));
        }
    }
}

static apr_status_t pass_all(ap_filter_t *f, apr_bucket_brigade *bb)
{
    skin_t *ctx = f->ctx;

    APR_BRIGADE_PREPEND(bb, ctx->held);
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* Take from bb what the decision needs, up to the end of the response, or to
 * an error, which stay in bb.
 * @param all gets 1: nothing more follows */
static apr_status_t collect(ap_filter_t *f, apr_bucket_brigade *bb, int *all)
{
    skin_t *ctx = f->ctx;
    apr_status_t rv;

    while (!APR_BRIGADE_EMPTY(bb) && ctx->looked < LOOK_MAX) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);
        const char *data;
        apr_size_t whole, len;

        if (APR_BUCKET_IS_EOS(b) || AP_BUCKET_IS_ERROR(b)) {
            *all = 1;
            return APR_SUCCESS;
        }
        if (APR_BUCKET_IS_FLUSH(b)) { /* there is nothing to send yet */
            apr_bucket_delete(b);
            continue;
        }
        if (!APR_BUCKET_IS_METADATA(b)) {
            rv = apr_bucket_read(b, &data, &whole, APR_BLOCK_READ);
            if (rv != APR_SUCCESS) {
                return rv;
            }
            len = whole < LOOK_MAX - ctx->looked ? whole
                                                 : LOOK_MAX - ctx->looked;
            memcpy(ctx->look + ctx->looked, data, len);
            ctx->looked += len;
            if (whole < PACK_MAX) { /* its buffer may be much larger */
                rv = apr_brigade_write(ctx->held, NULL, NULL, data, whole);
                if (rv != APR_SUCCESS) {
                    return rv;
                }
                apr_bucket_delete(b);
                continue;
            }
        }
        if ((rv = apr_bucket_setaside(b, f->r->pool)) != APR_SUCCESS &&
            rv != APR_ENOTIMPL) {
            return rv;
        }
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(ctx->held, b);
    }
    *all = ctx->looked == LOOK_MAX;
    return APR_SUCCESS;
}

/* Of a fragment: its end is followed by that of the template, unless it was
 * cut off. */
static apr_status_t wrap(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (AP_BUCKET_IS_ERROR(b)) {
            ap_remove_output_filter(f);
            break;
        }
        if (APR_BUCKET_IS_EOS(b)) {
            put_parts(f, b, 1);
            ap_remove_output_filter(f);
            break;
        }
    }
    return ap_pass_brigade(f->next, bb);
}

/* httpd would take its length for that of the page. */
static void drop_data(apr_bucket_brigade *bb)
{
    apr_bucket *b, *next;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (!APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
        }
    }
}

static apr_status_t skin_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    skin_t *ctx = f->ctx;
    request_rec *r = f->r;
    const char *title;
    apr_size_t len;
    cgi_page_e page;
    apr_status_t rv;
    int all = 0;

    if (ctx->wraps) {
        return wrap(f, bb);
    }
    if (!is_html(r)) {
        return pass_all(f, bb);
    }
    if (r->header_only) { /* whatever the script prints now */
        forget_fields(r);
        drop_data(bb);
        return ap_pass_brigade(f->next, bb);
    }
    if ((rv = collect(f, bb, &all)) != APR_SUCCESS) {
        return rv;
    }
    page = cgi_skin_judge(ctx->look, ctx->looked, all, &title, &len);
    if (page == CGI_PAGE_UNKNOWN) {
        return APR_SUCCESS;
    }
    if (page == CGI_PAGE_WHOLE) {
        return pass_all(f, bb);
    }
    ctx->wraps = 1;
    ctx->title = title_of(r, ctx, title, len);
    forget_fields(r);
    set_policy(r, ctx->nonce);
    APR_BRIGADE_PREPEND(bb, ctx->held);
    put_parts(f, APR_BRIGADE_FIRST(bb), 0);
    return wrap(f, bb);
}

void cgi_skin_register(void)
{
    frec =
        ap_register_output_filter(NAME, skin_filter, NULL, AP_FTYPE_RESOURCE);
}
