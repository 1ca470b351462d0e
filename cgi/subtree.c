/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "apr_fnmatch.h"
#include "apr_strings.h"
#include "apr_tables.h"

#include "httpd.h"
#include "http_log.h"

#include "cgi/cgi_exec.h"
#include "cgi/subtree.h"

CGI_EXEC_USE_LOG;

#define RETAINED_KEY "cgi-exec-cgroups-1"
#define PREFIX "cgi-"
/* <linux/magic.h>'s CGROUP2_SUPER_MAGIC. */
#define CGROUP2 0x63677270
/* How often a cgroup is tried to be removed whose processes are dying. */
#define TRIES 20

/* A directory that this httpd has. Kept over restarts, and never given back:
 * an earlier generation may still use it. */
typedef struct dir_t {
    struct dir_t *next;
    const char *path;
    unsigned int made; /* cgroups, so that none has another's name */
} dir_t;

typedef struct retained_t {
    dir_t *dirs;
} retained_t;

int cgi_subtree_is_fit(const char *dir)
{
    struct statfs fs;

    return !statfs(dir, &fs) && fs.f_type == CGROUP2;
}

static int remove_dir(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_DP) {
        (void)rmdir(path);
    }
    return 0;
}

void cgi_subtree_remove(const char *path)
{
    char file[PATH_MAX];
    int fd, i;

    if (!path) {
        return;
    }
    apr_snprintf(file, sizeof(file), "%s/cgroup.kill", path);
    for (i = 0; i < TRIES && !access(path, F_OK); i++) {
        fd = open(file, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)!write(fd, "1", 1);
            close(fd);
        }
        if (i) {
            apr_sleep(apr_time_from_msec(5));
        }
        (void)nftw(path, remove_dir, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static void remove_all(const char *dir)
{
    apr_array_header_t *names;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    if (apr_match_glob(apr_pstrcat(p, dir, "/" PREFIX "*", NULL), &names, p) ==
        APR_SUCCESS) {
        for (i = 0; i < names->nelts; i++) {
            cgi_subtree_remove(apr_pstrcat(
                p, dir, "/", APR_ARRAY_IDX(names, i, const char *), NULL));
        }
    }
    apr_pool_destroy(p);
}

void cgi_subtree_end(void)
{
    retained_t *retained = ap_retained_data_get(RETAINED_KEY);
    dir_t *dir;

    for (dir = retained ? retained->dirs : NULL; dir; dir = dir->next) {
        remove_all(dir->path);
    }
}

static dir_t *find(const char *path)
{
    retained_t *retained = ap_retained_data_get(RETAINED_KEY);
    dir_t *dir = retained ? retained->dirs : NULL;

    while (dir && strcmp(dir->path, path)) {
        dir = dir->next;
    }
    return dir;
}

apr_status_t cgi_subtree_open(const char *path, server_rec *s)
{
    retained_t *retained = ap_retained_data_get(RETAINED_KEY);
    apr_pool_t *p = s->process->pool;
    apr_status_t rv;
    dir_t *dir;
    int fd;

    if (find(path)) {
        return APR_SUCCESS;
    }
    /* Workers have the lock with us, launchers and scripts do not: when it is
     * free, nobody is left who needs what is there. */
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        rv = errno;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     rv == EWOULDBLOCK
                         ? "CGICgroup %s is another httpd's, which runs"
                         : "CGICgroup %s can't be opened",
                     path);
        if (fd >= 0) {
            close(fd);
        }
        return rv;
    }
    remove_all(path);
    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
    }
    dir = apr_pcalloc(p, sizeof(*dir));
    dir->path = apr_pstrdup(p, path);
    dir->next = retained->dirs;
    retained->dirs = dir;
    return APR_SUCCESS;
}

const char *cgi_subtree_make(apr_pool_t *p, const char *path, uid_t uid,
                             server_rec *s)
{
    dir_t *dir = find(path);
    const char *made = apr_psprintf(p, "%s/" PREFIX "%u", path, ++dir->made);
    const char *procs = apr_pstrcat(p, made, "/cgroup.procs", NULL);

    if (mkdir(made, 0755) ||
        (uid != (uid_t)-1 &&
         (chown(made, uid, (gid_t)-1) || chown(procs, uid, (gid_t)-1)))) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s,
                     "CGICgroup: can't make the cgroup %s", made);
        cgi_subtree_remove(made);
        return NULL;
    }
    if (access(apr_pstrcat(p, made, "/cgroup.kill", NULL), F_OK)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s,
                     "CGICgroup needs a kernel that can end a cgroup, Linux "
                     "5.14");
        cgi_subtree_remove(made);
        return NULL;
    }
    return made;
}
