/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd.h"

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"

#include "base/shebang.h"
#include "cgi/directives.h"
#include "cgi/groups.h"
#include "cgi/launchers.h"
#include "cgi/warm.h"

CGI_EXEC_USE_LOG;

/* Where a name without a slash is looked for. Not httpd's own PATH: that is
 * whoever starts it. */
static const char *const places[] = {"/usr/local/bin/", "/usr/bin/", "/bin/",
                                     NULL};

static int is_executable(const char *path, struct stat *st)
{
    return !stat(path, st) && S_ISREG(st->st_mode) && !access(path, X_OK);
}

/* "/usr/bin/python3.11" has the plug-in of "python". */
static const char *language(apr_pool_t *p, const char *program)
{
    const char *name = apr_filepath_name_get(program);
    size_t len = 0;

    while (apr_isalpha(name[len])) {
        len++;
    }
    return apr_pstrndup(p, name, len);
}

/* Links in one directory may lead to the same program; in another one it may
 * be the interpreter of another environment. */
static int is_in_its_directory(const cgi_warm_t *warm, const char *path)
{
    const char *a = strrchr(warm->program, '/'), *b = strrchr(path, '/');

    return a && b && a - warm->program == b - path &&
           !strncmp(warm->program, path, (size_t)(b - path));
}

/* Whose the launchers are. @return NULL, or an English sentence */
static const char *set_user(cmd_parms *cmd, cgi_warm_t *warm, const char *user)
{
    if (geteuid() != 0) {
        return "user= must have httpd started as root";
    }
    if (!*user) {
        return "user= must have a value";
    }
    if (apr_isdigit(*user) || apr_uid_get(&warm->uid, &warm->gid, user,
                                          cmd->temp_pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool,
                            "user= of CGIWarm must be the name of a user: %s "
                            "is none",
                            user);
    }
    if (warm->uid == 0) {
        return "user= must not be root (user id 0)";
    }
    if (cgi_exec_has_root_group(cmd->temp_pool, user, warm->gid)) {
        return apr_psprintf(cmd->pool,
                            "user= of CGIWarm must not be a member of the "
                            "group root (group id 0): %s is one",
                            user);
    }
    warm->user = user;
    warm->groups = cgi_groups_further(cmd->pool, user, warm->gid);
    warm->name = apr_pstrcat(cmd->pool, warm->name, " user=", user, NULL);
    return NULL;
}

static int are_same(const char *const *a, const char *const *b)
{
    for (; a && b && *a && *b && !strcmp(*a, *b); a++, b++) {
    }
    return !(a && *a) && !(b && *b);
}

int cgi_warm_is_for(const cgi_warm_t *warm, const cgi_identity_t *identity)
{
    if (!identity || !warm->user) {
        return !identity && !warm->user;
    }
    return identity->uid == warm->uid && identity->gid == warm->gid &&
           !identity->root && are_same(identity->groups, warm->groups);
}

/* More lines for one interpreter and user add modules. @return which of them
 * counts */
static cgi_warm_t *add(apr_array_header_t **list, cgi_warm_t *warm,
                       apr_pool_t *p)
{
    int i;

    if (!*list) {
        *list = apr_array_make(p, 2, sizeof(cgi_warm_t *));
    }
    for (i = 0; i < (*list)->nelts; i++) {
        cgi_warm_t *other = APR_ARRAY_IDX(*list, i, cgi_warm_t *);

        if (other->device == warm->device && other->inode == warm->inode &&
            is_in_its_directory(other, warm->program) &&
            !strcmp(other->user ? other->user : "",
                    warm->user ? warm->user : "")) {
            return other;
        }
    }
    warm->modules = apr_array_make(p, 8, sizeof(char *));
    warm->number = (*list)->nelts + 1;
    APR_ARRAY_PUSH(*list, cgi_warm_t *) = warm;
    return warm;
}

const char *cgi_exec_cmd_warm(cmd_parms *cmd, void *mconfig, int argc,
                              char *const argv[])
{
    cgi_exec_server_t *server;
    const char *error = cgi_exec_server_set(cmd, &server);
    cgi_warm_t *warm;
    struct stat st;
    int i;

    (void)mconfig;
    if (error) {
        return error;
    }
    if (argc < 1) {
        return "CGIWarm must name an interpreter, such as python3, and may "
               "name modules that it is to load";
    }
    warm = apr_pcalloc(cmd->pool, sizeof(*warm));
    warm->name = argv[0];
    if (strchr(argv[0], '/')) {
        warm->program = ap_server_root_relative(cmd->pool, argv[0]);
    }
    for (i = 0; !warm->program && places[i]; i++) {
        const char *path = apr_pstrcat(cmd->pool, places[i], argv[0], NULL);

        warm->program = is_executable(path, &st) ? path : NULL;
    }
    if (!warm->program || !is_executable(warm->program, &st) ||
        !*language(cmd->pool, warm->program)) {
        return apr_pstrcat(cmd->pool,
                           "CGIWarm must name an interpreter, by its path or "
                           "by its name in /usr/local/bin, /usr/bin or /bin: "
                           "there is no program '",
                           argv[0], "'", NULL);
    }
    warm->device = st.st_dev;
    warm->inode = st.st_ino;
    for (i = 1; i < argc; i++) {
        if (!strncasecmp(argv[i], "user=", 5) &&
            (error = set_user(cmd, warm, argv[i] + 5))) {
            return error;
        }
    }
    warm = add(&server->warm, warm, cmd->pool);
    for (i = 1; i < argc; i++) {
        if (!strcasecmp(argv[i], "watch=on") ||
            !strcasecmp(argv[i], "watch=off")) {
            warm->watch = !strcasecmp(argv[i], "watch=on");
            continue;
        }
        if (!strncasecmp(argv[i], "user=", 5)) {
            continue;
        }
        if (*argv[i] == '-' || strchr(argv[i], '=')) {
            return apr_pstrcat(cmd->pool,
                               "after the interpreter, CGIWarm must have "
                               "names of modules, watch=on or user=, not '",
                               argv[i], "'", NULL);
        }
        APR_ARRAY_PUSH(warm->modules, const char *) = argv[i];
    }
    return NULL;
}

const char *cgi_exec_cmd_warm_scripts(cmd_parms *cmd, void *mconfig, int on)
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);

    dir->warm_scripts = on;
    return NULL;
}

int cgi_warm_find(apr_pool_t *p, server_rec *s, const char *launcher,
                  const apr_array_header_t *warm)
{
    const char *dir = ap_make_dirstr_parent(p, launcher);
    const char *program = cgi_warm_program(p, launcher);
    struct stat st;
    int i;

    for (i = 0; warm && i < warm->nelts; i++) {
        cgi_warm_t *w = APR_ARRAY_IDX(warm, i, cgi_warm_t *);

        w->plugin = apr_pstrcat(p, dir, "cgi-warm-", language(p, w->program),
                                ".so", NULL);
        if (!is_executable(program, &st)) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         "CGIWarm needs the program %s: install it", program);
            return 0;
        }
        if (stat(w->plugin, &st)) {
            ap_log_error(APLOG_MARK, APLOG_ERR, errno, s,
                         "CGIWarm %s needs the plug-in %s: install it, or "
                         "take the line away",
                         w->name, w->plugin);
            return 0;
        }
    }
    return 1;
}

/* The CGIWarm of a program and an identity. @return its number, or 0 */
static int number_of(const apr_array_header_t *warm, const char *program,
                     const cgi_identity_t *identity)
{
    struct stat st;
    int i;

    if (stat(program, &st)) {
        return 0;
    }
    for (i = 0; i < warm->nelts; i++) {
        const cgi_warm_t *w = APR_ARRAY_IDX(warm, i, const cgi_warm_t *);

        if (w->device == st.st_dev && w->inode == st.st_ino &&
            is_in_its_directory(w, program) && cgi_warm_is_for(w, identity)) {
            return w->number;
        }
    }
    return 0;
}

/* @return NULL and the number, or why not */
static const char *choose(const cgi_script_t *script, const cgi_request_t *q,
                          const cgi_wire_request_t *request, int *number)
{
    const cgi_exec_server_t *server = ap_get_module_config(
        ap_server_conf->module_config, &CGI_EXEC_MODULE_SYM);
    const cgi_identity_t *identity = cgi_exec_identity(q->options->identity);
    cgi_shebang_t line;
    const char *reason;

    if (!server->warm) {
        return "no CGIWarm is configured";
    }
    if (identity && identity->root) {
        return "its route has chroot=";
    }
    if (script->suexec) {
        return "suexec starts it";
    }
    if (request->sandbox) {
        return "it runs in a sandbox of CGISandbox";
    }
    if (script->attempts > 1) {
        return "its launcher has died";
    }
    if (q->options->interpreter) {
        line.program = request->path;
    }
    else if ((reason = cgi_shebang_read(&line, request->path, request->env,
                                        q->r->pool))) {
        return reason;
    }
    if (!(*number = number_of(server->warm, line.program, identity))) {
        return apr_pstrcat(q->r->pool, "no CGIWarm is for its interpreter ",
                           line.program,
                           identity ? " and its route's user" : "", NULL);
    }
    return cgi_launch_is_warm(q->options->identity, *number)
               ? NULL
               : "no launcher has loaded its interpreter yet, or none can";
}

int cgi_warm_choose(const cgi_script_t *script, const cgi_request_t *q,
                    const cgi_wire_request_t *request)
{
    const char *reason;
    int number = 0;

    if (q->options->dir->warm_scripts != 1) {
        return 0;
    }
    reason = choose(script, q, request, &number);
    if (reason) {
        ap_log_rerror(APLOG_MARK, APLOG_TRACE1, 0, q->r,
                      "%s: not run warm: %s", q->options->script, reason);
        return 0;
    }
    return number;
}

const char *cgi_warm_program(apr_pool_t *p, const char *launcher)
{
    return apr_pstrcat(p, ap_make_dirstr_parent(p, launcher), "cgi-warm",
                       NULL);
}
