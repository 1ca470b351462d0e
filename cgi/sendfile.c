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
#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "cgi/compat.h"
#include "cgi/directives.h"
#include "cgi/output.h"

CGI_EXEC_USE_LOG;

const char *cgi_exec_cmd_sendfile(cmd_parms *cmd, void *mconfig, int argc,
                                  char *const argv[])
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(mconfig);
    apr_finfo_t info;
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

        if (!path || apr_stat(&info, path, APR_FINFO_TYPE, cmd->pool) ||
            info.filetype != APR_DIR) {
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

/* Look at the file that name is, going down from dir without following a
 * link: whoever may write there can't exchange a part of the path between
 * the check and the use. @return 0, or -1 and errno */
static int look(const char *dir, const char *name, struct stat *st,
                apr_pool_t *p)
{
    int next, fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash;

    for (; fd >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        next = openat(fd, apr_pstrmemdup(p, name, (apr_size_t)(slash - name)),
                      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    if (fd < 0) {
        return -1;
    }
    next = fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW);
    close(fd);
    return next;
}

/* Is path, which has no links, below one of the directories, and what is
 * there? @return 1 and *st, or 0 */
static int allowed(const cgi_output_t *out, const char *path, struct stat *st)
{
    const apr_array_header_t *dirs = out->q->options->dir->sendfile_dirs;
    apr_pool_t *p = out->q->r->pool;
    int i;

    for (i = 0; i < dirs->nelts; i++) {
        const char *dir = resolve(APR_ARRAY_IDX(dirs, i, const char *), p);
        const char *name = dir ? below(path, dir) : NULL;

        if (name && !look(dir, name, st, p)) {
            return 1;
        }
    }
    return 0;
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
    struct stat st;
    char *path;

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
    if (!allowed(out, real, &st)) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, 0,
                        "X-Sendfile: %s is not below a directory of "
                        "CGISendfile",
                        real);
    }
    if (!S_ISREG(st.st_mode)) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, 0,
                        "X-Sendfile: %s is not a regular file", real);
    }
    if (AP_SENDFILE_ENABLED(core->enable_sendfile)) {
        flags |= APR_FOPEN_SENDFILE_ENABLED;
    }
    if ((rv = apr_file_open(&file, real, flags, 0, r->pool)) ||
        (rv = apr_file_info_get(
             &r->finfo, APR_FINFO_NORM | APR_FINFO_DEV | APR_FINFO_INODE,
             file))) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, rv,
                        "X-Sendfile: can't open %s", real);
    }
    if (r->finfo.device != st.st_dev || r->finfo.inode != st.st_ino) {
        return cgi_fail(out->q, HTTP_FORBIDDEN, 0,
                        "X-Sendfile: %s was exchanged while it was opened",
                        real);
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
