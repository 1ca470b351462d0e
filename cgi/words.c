/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a launcher is started with: its program, command line and environment.
 */

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"

#include "ap_mpm.h"
#include "http_log.h"
#include "unixd.h"

#include "cgi/cgi_exec.h"
#include "cgi/groups.h"
#include "cgi/suexec.h"
#include "cgi/words.h"

CGI_EXEC_USE_LOG;

#define SHARE_MIN 256

/* Something that lies in this module. */
static const char here;

/* access() alone would take a directory for a program. */
static int is_program(const char *path)
{
    struct stat st;

    return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

const char *cgi_words_find(apr_pool_t *p, server_rec *s,
                           const char *configured)
{
    const char *beside = NULL, *installed = CGI_LAUNCHER_DIR "/cgi-launcher";
    Dl_info info;

    if (configured) {
        if (is_program(configured)) {
            return configured;
        }
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "CGILauncher must name the program cgi-launcher: "
                     "%s can't be executed",
                     configured);
        return NULL;
    }
    if (dladdr(&here, &info) && info.dli_fname) {
        beside = apr_pstrcat(p, ap_make_dirstr_parent(p, info.dli_fname),
                             "cgi-launcher", NULL);
        if (is_program(beside)) {
            return beside;
        }
    }
    if (is_program(installed)) {
        return installed;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "the program cgi-launcher is missing or not executable: "
                 "looked for %s and %s; install it there, or name it with "
                 "CGILauncher",
                 beside ? beside : "(no path of this module)", installed);
    return NULL;
}

/* Scripts that one worker may have of the privileged launcher at the same
 * time: for each of its threads, those of HTTP/2 and what is still ending. No
 * honest worker has so many. */
static int share(void)
{
    int threads = 1;

    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return 8 * threads > SHARE_MIN ? 8 * threads : SHARE_MIN;
}

/* What a launcher with an interpreter is told beside the others' words. */
static void push_warm(const cgi_words_t *w, apr_array_header_t *argv,
                      apr_pool_t *p, int *cold_at)
{
    int i;

    APR_ARRAY_PUSH(argv, const char *) = "-p";
    APR_ARRAY_PUSH(argv, const char *) = w->warm->plugin;
    APR_ARRAY_PUSH(argv, const char *) = "-x";
    APR_ARRAY_PUSH(argv, const char *) = w->warm->program;
    APR_ARRAY_PUSH(argv, const char *) = "-s";
    APR_ARRAY_PUSH(argv, const char *) = apr_itoa(p, w->ready_fd);
    if (w->warm->watch) {
        APR_ARRAY_PUSH(argv, const char *) = "-o";
    }
    APR_ARRAY_PUSH(argv, const char *) = "-c";
    *cold_at = argv->nelts;
    APR_ARRAY_PUSH(argv, const char *) = "0";
    for (i = 0; i < w->warm->modules->nelts; i++) {
        APR_ARRAY_PUSH(argv, const char *) = "-m";
        APR_ARRAY_PUSH(argv, const char *) =
            APR_ARRAY_IDX(w->warm->modules, i, const char *);
    }
}

/* Whom it is to become. */
static void push_user(apr_pool_t *p, apr_array_header_t *argv, uid_t uid,
                      gid_t gid, const char *const *groups)
{
    APR_ARRAY_PUSH(argv, const char *) = "-u";
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(p, "%lu", (unsigned long)uid);
    APR_ARRAY_PUSH(argv, const char *) = "-g";
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(p, "%lu", (unsigned long)gid);
    for (; groups && *groups; groups++) {
        APR_ARRAY_PUSH(argv, const char *) = "-g";
        APR_ARRAY_PUSH(argv, const char *) = *groups;
    }
}

/* Words of a launcher's command line: those of its generation, whatever the
 * configuration says by then. The place of its number is still empty. All are
 * copies: a restart may load this module elsewhere, with its literals. */
const char **cgi_words_make(const cgi_words_t *w, int *cold_at, apr_pool_t *p)
{
    apr_array_header_t *argv = apr_array_make(p, 16, sizeof(char *));
    gid_t gid = ap_unixd_config.group_id;
    const char **word;
    int i;

    APR_ARRAY_PUSH(argv, const char *) = w->path;
    APR_ARRAY_PUSH(argv, const char *) = "-t";
    APR_ARRAY_PUSH(argv, const char *) = apr_psprintf(p, "%d", w->table);
    APR_ARRAY_PUSH(argv, const char *) = "-n";
    APR_ARRAY_PUSH(argv, const char *) = NULL; /* CGI_WORDS_NUMBER */
    if (w->cgroup) {
        APR_ARRAY_PUSH(argv, const char *) = "-d";
        APR_ARRAY_PUSH(argv, const char *) = w->cgroup;
    }
    if (w->privileged) {
        APR_ARRAY_PUSH(argv, const char *) = "-i";
        APR_ARRAY_PUSH(argv, const char *) = "-w";
        APR_ARRAY_PUSH(argv, const char *) = apr_itoa(p, share());
    }
    else if (!geteuid()) {
        push_user(p, argv, ap_unixd_config.user_id, gid,
                  cgi_groups_further(p, ap_unixd_config.user_name, gid));
        if (cgi_suexec_is_possible()) {
            APR_ARRAY_PUSH(argv, const char *) = "-k";
        }
    }
    if (ap_unixd_config.chroot_dir) {
        APR_ARRAY_PUSH(argv, const char *) = "-r";
        APR_ARRAY_PUSH(argv, const char *) = ap_unixd_config.chroot_dir;
    }
    if (w->warm && w->warm->user) {
        push_user(p, argv, w->warm->uid, w->warm->gid, w->warm->groups);
    }
    if (w->warm) {
        push_warm(w, argv, p, cold_at);
    }
    for (i = 0; i < argv->nelts; i++) {
        word = &APR_ARRAY_IDX(argv, i, const char *);
        *word = apr_pstrdup(p, *word);
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char **)argv->elts;
}

/* Launchers with an interpreter get an environment of their own: a script that
 * runs in it is not to find httpd's in /proc/self/environ. Scripts of a user
 * have the time zone from their launcher. */
const char *const *cgi_words_environment(const cgi_words_t *w, apr_pool_t *p)
{
    const char **env;

    if (!w->warm) {
        return NULL;
    }
    env = apr_pcalloc(p, 3 * sizeof(*env));
    env[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
    if (w->privileged && getenv("TZ")) {
        env[1] = apr_pstrcat(p, "TZ=", getenv("TZ"), NULL);
    }
    return env;
}
