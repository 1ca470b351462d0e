/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * X-Sendfile: a script names a file, and the server sends it instead of the
 * script's body, as it sends its static files: with sendfile(), ranges,
 * Last-Modified and ETag. CGISendfile says below which directories.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "base/beneath.h"
#include "cgi/compat.h"
#include "cgi/directives.h"
#include "cgi/output.h"

CGI_EXEC_USE_LOG;

const char *cgi_exec_cmd_sendfile(cmd_parms *cmd, void *mconfig, int argc,
                                  char *const argv[])
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    int i;

    if (argc < 1) {
        return "CGISendfile must have at least one directory, or none";
    }
    if (!dir->sendfile_dirs) {
        dir->sendfile_dirs = apr_array_make(cmd->pool, argc, sizeof(char *));
    }
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "none")) {
        apr_array_clear(dir->sendfile_dirs);
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        const char *path = ap_server_root_relative(cmd->pool, argv[i]);

        if (!path || !ap_is_directory(cmd->temp_pool, path)) {
            return apr_pstrcat(cmd->pool,
                               "CGISendfile must name directories that "
                               "exist, which '",
                               argv[i], "' does not", NULL);
        }
        APR_ARRAY_PUSH(dir->sendfile_dirs, const char *) = path;
    }
    return NULL;
}

/* The part of path that is below dir, or NULL. */
static const char *below(const char *path, const char *dir)
{
    apr_size_t len = strlen(dir);

    while (len && dir[len - 1] == '/') {
        len--;
    }
    return !strncmp(path, dir, len) && path[len] == '/' ? path + len + 1
                                                        : NULL;
}

/* A path without symbolic links. @return NULL: see errno */
static const char *resolve(const char *path, apr_pool_t *p)
{
    char *found = realpath(path, NULL);
    const char *real = found ? apr_pstrdup(p, found) : NULL;

    free(found);
    return real;
}

/* Open path, which has no links, if it is below one of the directories.
 * @return -1: see errno; EXDEV: it is not */
static int open_allowed(const cgi_output_t *out, const char *path)
{
    const apr_array_header_t *dirs = out->q->options->dir->sendfile_dirs;
    int i;

    for (i = 0; i < dirs->nelts; i++) {
        const char *dir =
            resolve(APR_ARRAY_IDX(dirs, i, const char *), out->q->r->pool);
        const char *name = dir ? below(path, dir) : NULL;

        if (name) {
            return cgi_beneath_open(dir, name);
        }
    }
    errno = EXDEV;
    return -1;
}

/* An apr_file_t that owns fd as one from apr_file_open() does, so that it may
 * be set aside and sent by sendfile(). apr_os_file_put() makes none: another
 * file is opened, and fd takes its place. */
static apr_status_t own(apr_file_t **file, int fd, apr_int32_t flags,
                        apr_pool_t *p)
{
    apr_status_t rv = apr_file_open(file, "/dev/null", flags, 0, p);
    apr_os_file_t place;

    if (rv == APR_SUCCESS) {
        (void)apr_os_file_get(&place, *file);
        rv = dup3(fd, place, O_CLOEXEC) < 0 ? errno : APR_SUCCESS;
    }
    close(fd);
    return rv;
}

/* May a script know that there is no such file? */
static int is_below_any(const cgi_output_t *out, const char *path)
{
    const apr_array_header_t *dirs = out->q->options->dir->sendfile_dirs;
    int i;

    for (i = 0; i < dirs->nelts; i++) {
        if (below(path, APR_ARRAY_IDX(dirs, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

cgi_outcome_e cgi_sendfile_open(cgi_output_t *out, const char *value)
{
    request_rec *r = out->q->r;
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY | APR_FOPEN_NONBLOCK;
    const char *real;
    apr_file_t *file;
    apr_status_t rv;
    char *path;
    int fd;

    rv = apr_filepath_merge(
        &path, ap_make_dirstr_parent(r->pool, out->q->options->script), value,
        0, r->pool);
    if (rv != APR_SUCCESS) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, rv,
                        "bad path in X-Sendfile: %s", value);
    }
    if (!(real = resolve(path, r->pool))) {
        rv = errno;
        return cgi_fail(out->q,
                        (rv == ENOENT || rv == ENOTDIR) &&
                                is_below_any(out, path)
                            ? HTTP_NOT_FOUND
                            : HTTP_FORBIDDEN,
                        rv, "X-Sendfile: can't find %s", path);
    }
    if ((fd = open_allowed(out, real)) < 0) {
        rv = errno;
        return cgi_fail(out->q, HTTP_FORBIDDEN, rv == EXDEV ? 0 : rv,
                        rv == EXDEV ? "X-Sendfile: %s is not below a "
                                      "directory of CGISendfile"
                                    : "X-Sendfile: can't open %s",
                        real);
    }
    if (AP_SENDFILE_ENABLED(core->enable_sendfile)) {
        flags |= APR_FOPEN_SENDFILE_ENABLED;
    }
    if ((rv = own(&file, fd, flags, r->pool)) ||
        (rv = apr_file_info_get(&r->finfo, APR_FINFO_NORM, file))) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, rv,
                        "X-Sendfile: can't open %s", real);
    }
    r->finfo.fname = real;
    if (r->finfo.filetype != APR_REG) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, 0,
                        "X-Sendfile: %s is not a regular file", real);
    }
    out->sendfile = file;
    out->sendfile_name = real;
    out->drop_body = 1;
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "%s: X-Sendfile: %s",
                  out->q->options->script, real);
    return CGI_WENT_ON;
}

/* The type that httpd gives such a file, for a script that names none. */
static void guess_type(cgi_output_t *out)
{
    request_rec *r = out->q->r;
    char *filename = r->filename;
    const char *handler = r->handler;

    r->filename = apr_pstrdup(r->pool, out->sendfile_name);
    (void)ap_run_type_checker(r);
    r->filename = filename;
    r->handler = handler;
}

void cgi_sendfile_header(cgi_output_t *out)
{
    request_rec *r = out->q->r;

    if (!r->content_type) {
        guess_type(out);
    }
    if (!apr_table_get(r->headers_out, "Last-Modified")) {
        ap_update_mtime(r, r->finfo.mtime);
        ap_set_last_modified(r);
    }
    if (!apr_table_get(r->headers_out, "ETag")) {
        cgi_compat_set_etag(r, out->sendfile);
    }
    ap_set_accept_ranges(r);
    ap_set_content_length(r, r->finfo.size);
    out->length_left = -1;
}

void cgi_sendfile_body(cgi_output_t *out)
{
    request_rec *r = out->q->r;
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_bucket *b = apr_brigade_insert_file(out->bb, out->sendfile, 0,
                                            r->finfo.size, r->pool);

    if (core->enable_mmap == ENABLE_MMAP_OFF) {
        (void)apr_bucket_file_enable_mmap(b, 0);
    }
    cgi_compat_set_buf_size(b, core);
}
