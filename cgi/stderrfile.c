/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGIStderr FILE: a script's error output goes straight into a file or a
 * program, without this server in between. They are opened when httpd opens
 * its logs, as the user who starts it; workers inherit them.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"

#include "cgi/directives.h"
#include "cgi/stderrfile.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine see each directive: the files are open
 * once. The number changes with the layout of what is shared. */
#define SHARED_KEY "cgi-exec-stderr-1"

struct cgi_stderr_t {
    const char *name; /* path, or | and a program; NULL: the error log */
    int fd;           /* -1: not open */
};

static const cgi_stderr_t to_log = {NULL, -1};

/* Those of the configuration: name -> cgi_stderr_t. */
static apr_hash_t *all(apr_pool_t *pconf)
{
    void *files = NULL;

    apr_pool_userdata_get(&files, SHARED_KEY, pconf);
    if (!files) {
        files = apr_hash_make(pconf);
        apr_pool_userdata_setn(files, SHARED_KEY, NULL, pconf);
    }
    return files;
}

const char *cgi_exec_cmd_stderr(cmd_parms *cmd, void *mconfig, const char *arg)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    apr_hash_t *files = all(cmd->pool);
    cgi_stderr_t *file;

    if (!ap_cstr_casecmp(arg, "log")) {
        dir->stderr_file = &to_log;
        return NULL;
    }
    if (!*arg || (*arg == '|' && !arg[1])) {
        return "CGIStderr must be log, the path of a file, or | and a "
               "program with its path";
    }
    if (*arg != '|' && !(arg = ap_server_root_relative(cmd->pool, arg))) {
        return "CGIStderr must be the path of a file that can be made";
    }
    file = apr_hash_get(files, arg, APR_HASH_KEY_STRING);
    if (!file) {
        file = apr_palloc(cmd->pool, sizeof(*file));
        file->name = arg;
        file->fd = -1;
        apr_hash_set(files, file->name, APR_HASH_KEY_STRING, file);
    }
    dir->stderr_file = file;
    return NULL;
}

static apr_status_t close_file(void *data)
{
    cgi_stderr_t *file = data;

    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    return APR_SUCCESS;
}

static int open_file(cgi_stderr_t *file, apr_pool_t *pconf, server_rec *s)
{
    file->fd =
        open(file->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
             0666);
    if (file->fd < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s,
                     "CGIStderr must name a file that can be written to: "
                     "can't open %s",
                     file->name);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, file, close_file, apr_pool_cleanup_null);
    return OK;
}

/* httpd restarts the program when it ends. */
static int open_program(cgi_stderr_t *file, apr_pool_t *plog, server_rec *s)
{
    piped_log *program = ap_open_piped_log(plog, file->name + 1);

    if (!program ||
        apr_os_file_get(&file->fd, ap_piped_log_write_fd(program))) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "CGIStderr must name a program that can be started: "
                     "can't start %s",
                     file->name + 1);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    fcntl(file->fd, F_SETFD, FD_CLOEXEC);
    return OK;
}

int cgi_stderr_open_all(apr_pool_t *pconf, apr_pool_t *plog, server_rec *s)
{
    apr_hash_index_t *hi;
    void *val;

    for (hi = apr_hash_first(pconf, all(pconf)); hi; hi = apr_hash_next(hi)) {
        cgi_stderr_t *file;

        apr_hash_this(hi, NULL, NULL, &val);
        file = val;
        if (file->fd < 0 &&
            (*file->name == '|' ? open_program(file, plog, s)
                                : open_file(file, pconf, s)) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

int cgi_stderr_fd(const cgi_exec_dir_t *dir)
{
    return dir->stderr_file ? dir->stderr_file->fd : -1;
}
