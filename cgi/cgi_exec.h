/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The engine that runs CGI programs: its whole interface.
 *
 * The engine knows nothing of the module that uses it. It is compiled once
 * for each module, with -DCGI_EXEC_MODULE=<name> (runscripts, cgiroute), so
 * that messages appear under that module's LogLevel. Loaded twice, both
 * copies share one set of launchers.
 *
 * A module
 *  - starts its per-directory configuration with a cgi_exec_dir_t and its
 *    per-server configuration with a cgi_exec_server_t,
 *  - puts CGI_EXEC_COMMANDS into its table of directives,
 *  - calls cgi_exec_register_hooks() from its register_hooks(),
 *  - decides what runs, and calls cgi_exec_run() from its handler.
 */
#ifndef CGI_EXEC_H
#define CGI_EXEC_H

#include "httpd.h"
#include "http_config.h"

#include "base/identity.h"
#include "base/limit.h"

#define CGI_EXEC_PASTE_(name) name##_module
#define CGI_EXEC_PASTE(name) CGI_EXEC_PASTE_(name)
/** The module structure of the module that this copy is compiled for. */
#define CGI_EXEC_MODULE_SYM CGI_EXEC_PASTE(CGI_EXEC_MODULE)
/** A file of this copy logs under that module's name. */
#define CGI_EXEC_USE_LOG_(name) APLOG_USE_MODULE(name)
#define CGI_EXEC_USE_LOG__(name) CGI_EXEC_USE_LOG_(name)
#define CGI_EXEC_USE_LOG CGI_EXEC_USE_LOG__(CGI_EXEC_MODULE)

/* Seen by httpd, though the engine's symbols are hidden. */
extern __attribute__((visibility("default"))) module CGI_EXEC_MODULE_SYM;

/** CGIRequestBody: how the request body reaches the script's stdin. */
typedef enum {
    CGI_BODY_UNSET = 0,
    CGI_BODY_AUTO,   /* stream when the length is known, else spool */
    CGI_BODY_STREAM, /* as it arrives */
    CGI_BODY_SPOOL   /* the whole of it first, in an unlinked file */
} cgi_body_mode_e;

/** What a script may do: see sandbox.c. */
typedef struct cgi_sandbox_t cgi_sandbox_t;

/** A file or program that takes error output: see stderrfile.c. */
typedef struct cgi_stderr_t cgi_stderr_t;

/** Who gets a page of CGIDebug: see debug.c. */
typedef struct cgi_debug_rule_t cgi_debug_rule_t;

/** A template for fragments of HTML: see skin.c. */
typedef struct cgi_skin_t cgi_skin_t;

/** A directive that has set something, and those before it in its section. */
typedef struct cgi_exec_line_t {
    const ap_directive_t *directive;
    const struct cgi_exec_line_t *before;
} cgi_exec_line_t;

/** Engine directives of one directory; -1 (or NULL, UNSET) means unset.
 * Times are in microseconds, 0 means no limit. */
typedef struct cgi_exec_dir_t {
    int is_set;                   /* 1: at least one of the following is */
    const cgi_exec_line_t *lines; /* that have set them, the last one first; */
    const struct cgi_exec_dir_t *outer, *inner; /* merged: those of both */
    apr_interval_time_t first_timeout; /* until the script's header is whole */
    apr_interval_time_t idle_timeout;  /* between two signs of life */
    apr_interval_time_t total_timeout;
    apr_interval_time_t kill_timeout; /* from SIGTERM to SIGKILL */
    cgi_body_mode_e body_mode;
    int read_ahead;   /* CGIReadAhead; -1: unset */
    int query_args;   /* CGIArgs; -1: as cgi_exec_options_t says */
    int warm_scripts; /* CGIWarmScripts; -1: unset */
    const cgi_stderr_t *stderr_file;   /* CGIStderr; NULL: unset */
    apr_array_header_t *sendfile_dirs; /* CGISendfile, char *; NULL: unset */
    const cgi_limit_t *limit;     /* CGILimit; one with a max of 0 is "none" */
    int status_end;               /* CGIStatusEnd; -1: unset */
    const cgi_sandbox_t *sandbox; /* CGISandbox; NULL: unset */
    apr_interval_time_t park_after; /* CGIPark; CGI_PARK_NEVER: off */
    const cgi_debug_rule_t *debug;  /* CGIDebug; NULL: unset */
    const cgi_skin_t *skin;         /* CGISkin; NULL: unset */
} cgi_exec_dir_t;

#define CGI_PARK_NEVER APR_INT64_MAX

/** Engine directives of one server. */
typedef struct cgi_exec_server_t {
    const char *launcher_path;   /* CGILauncher, main server only; or NULL */
    const char *cgroup;          /* CGICgroup, main server only; or NULL */
    apr_array_header_t *warm;    /* CGIWarm, main server only, cgi_warm_t *;
                                    NULL: unset */
    const char *script_log;      /* ScriptLog, or NULL */
    apr_off_t script_log_length; /* bytes; -1: unset */
    apr_off_t script_log_buffer; /* bytes of a request body; -1: unset */
} cgi_exec_server_t;

/** What to run, and how. All strings belong to the caller and must live as
 * long as the request. Unlisted members of a zeroed struct mean "default". */
typedef struct cgi_exec_options_t {
    /** Absolute path of the script, in the file system's encoding. */
    const char *script;
    /** The route that led to it, for the status page; or NULL. */
    const char *route;
    /** Program and its words that are put before the script's path, ended by
     * NULL; or NULL: the script itself is executed. */
    const char *const *interpreter;
    /** 1: the script writes the whole HTTP response (RFC 3875, 5), as do all
     * whose names begin with "nph-". */
    int nph;
    /** Default of CGIArgs: 1 = words of an indexed query become arguments
     * of the script for GET and HEAD (RFC 3875, 4.4). Ignored with an
     * interpreter: then no query word ever reaches the command line. */
    int query_args;
    /** Number of another identity to run with, from
     * cgi_exec_add_identity(); 0: that of the workers. */
    unsigned int identity;
    /** With an identity: what its references stand for, ended by NULL. The
     * launcher puts script, root and work_dir together from these; what is
     * said of them here is for variables and for the log. */
    const char *const *values;
    /** With an identity: directory to chroot() to, or NULL. script,
     * interpreter and work_dir are then seen from there. */
    const char *root;
    /** Working directory, or NULL: the script's (RFC 3875, 7.2). One that
     * does not exist is 404. */
    const char *work_dir;
    /** 1: what may not be had looks as if it did not exist, 403 is 404. */
    int hide_forbidden;
    /** The directives in force for this request. */
    const cgi_exec_dir_t *dir;
    /** For CGIDebug: push to lines (const char *), from r->pool, how the
     * script was found; or NULL. */
    void (*explain)(request_rec *r, apr_array_header_t *lines);
} cgi_exec_options_t;

/**
 * Run a script and send its response to the client.
 *
 * r->filename, r->path_info, r->args, r->method and r->subprocess_env must
 * be as the script is to see them; SCRIPT_NAME is derived by httpd from
 * r->uri and r->path_info. CGI variables are added by this function. Path
 * info where AcceptPathInfo is off is 404.
 *
 * @return what a handler returns: OK when a response was sent (even if it
 *         was cut short: then the connection is closed), or the HTTP status
 *         of the error, logged already; SUSPENDED: the request goes on
 *         later, perhaps in another thread. Never DECLINED.
 */
int cgi_exec_run(request_rec *r, const cgi_exec_options_t *options);

/**
 * Where no script runs: answer with a page that says why, if CGIDebug admits
 * the request.
 * @param options script is NULL; route, dir and explain count
 * @param why an English sentence
 * @return what a handler returns; DECLINED: no such page is wanted
 */
int cgi_exec_explain(request_rec *r, const cgi_exec_options_t *options,
                     const char *why);

/**
 * What httpd has made of the script's name says nothing about its output:
 * forget it. For the last fixups. The type that is set is no text, so that
 * IncludesNOEXEC keeps the script out of pages.
 */
void cgi_exec_forget_type(request_rec *r);

/**
 * Let scripts run as another user or in another root directory. At start-up,
 * in the parent, while httpd reads its configuration; httpd must run as root.
 * @param identity is copied, its strings are not: from pconf
 * @param user name whose further groups it has too, or NULL
 * @return its number, from 1, until the next restart
 */
unsigned int cgi_exec_add_identity(apr_pool_t *pconf,
                                   const cgi_identity_t *identity,
                                   const char *user);

/** Who that is. @return NULL for 0 */
const cgi_identity_t *cgi_exec_identity(unsigned int number);

/** Is a user in the group root, with his groups and this one? If nobody knows,
 * he is. */
int cgi_exec_has_root_group(apr_pool_t *p, const char *user, gid_t gid);

/**
 * Can scripts of this server be run by an interpreter? With suexec they
 * can't. In the parent, at check_config or later.
 * @return NULL, or an English sentence: why not
 */
const char *cgi_exec_check_interpreter(apr_pool_t *p, server_rec *s);

/** Set all members of a directory's engine directives to "unset". */
void cgi_exec_dir_init(cgi_exec_dir_t *dir);

/** Merge: what add has set wins over base. out may be neither. */
void cgi_exec_dir_merge(cgi_exec_dir_t *out, const cgi_exec_dir_t *base,
                        const cgi_exec_dir_t *add);

/** The same for the directives of a server. */
void cgi_exec_server_init(cgi_exec_server_t *server);
void cgi_exec_server_merge(cgi_exec_server_t *out,
                           const cgi_exec_server_t *base,
                           const cgi_exec_server_t *add);

/** Write the module's version into the log, at each start. In post_config. */
void cgi_exec_say_version(server_rec *s, const char *module);

/** Start the launchers in post_config, share them with the workers. */
void cgi_exec_register_hooks(apr_pool_t *p);

/* Setters, named here for CGI_EXEC_COMMANDS only. */
const char *cgi_exec_cmd_timeout(cmd_parms *cmd, void *dir, int argc,
                                 char *const argv[]);
const char *cgi_exec_cmd_script_timeout(cmd_parms *cmd, void *dir,
                                        const char *arg);
const char *cgi_exec_cmd_request_body(cmd_parms *cmd, void *dir,
                                      const char *arg);
const char *cgi_exec_cmd_read_ahead(cmd_parms *cmd, void *dir, int on);
const char *cgi_exec_cmd_args(cmd_parms *cmd, void *dir, int on);
const char *cgi_exec_cmd_warm(cmd_parms *cmd, void *dir, int argc,
                              char *const argv[]);
const char *cgi_exec_cmd_warm_scripts(cmd_parms *cmd, void *dir, int on);
const char *cgi_exec_cmd_limit(cmd_parms *cmd, void *dir, int argc,
                               char *const argv[]);
const char *cgi_exec_cmd_status_end(cmd_parms *cmd, void *dir, int on);
const char *cgi_exec_cmd_park(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_debug(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_skin(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_launcher(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_cgroup(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_sendfile(cmd_parms *cmd, void *dir, int argc,
                                  char *const argv[]);
const char *cgi_exec_cmd_stderr(cmd_parms *cmd, void *dir, const char *arg);
const char *cgi_exec_cmd_sandbox(cmd_parms *cmd, void *dir, int argc,
                                 char *const argv[]);
const char *cgi_exec_cmd_script_log(cmd_parms *cmd, void *dir,
                                    const char *arg);
const char *cgi_exec_cmd_script_log_length(cmd_parms *cmd, void *dir,
                                           const char *arg);
const char *cgi_exec_cmd_script_log_buffer(cmd_parms *cmd, void *dir,
                                           const char *arg);

/** The engine's lines in a module's table of directives. */
/* clang-format off */
#define CGI_EXEC_COMMANDS                                                     \
    AP_INIT_TAKE_ARGV("CGITimeout", cgi_exec_cmd_timeout, NULL,               \
                      RSRC_CONF | ACCESS_CONF,                                \
                      "first=T, idle=T, total=T, kill=T; 0 is no limit"),     \
    AP_INIT_TAKE1("CGIScriptTimeout", cgi_exec_cmd_script_timeout, NULL,      \
                  RSRC_CONF | ACCESS_CONF | OR_OPTIONS,                       \
                  "the longest time between two outputs of a script"),        \
    AP_INIT_TAKE1("CGIRequestBody", cgi_exec_cmd_request_body, NULL,          \
                  RSRC_CONF | ACCESS_CONF, "stream, spool or auto"),          \
    AP_INIT_FLAG("CGIReadAhead", cgi_exec_cmd_read_ahead, NULL,               \
                 RSRC_CONF | ACCESS_CONF,                                     \
                 "Off: large bodies come through httpd's filter, slowly"),    \
    AP_INIT_FLAG("CGIArgs", cgi_exec_cmd_args, NULL,                          \
                 RSRC_CONF | ACCESS_CONF | OR_OPTIONS,                        \
                 "On: words of an indexed query become arguments"),           \
    AP_INIT_TAKE_ARGV("CGIWarm", cgi_exec_cmd_warm, NULL, RSRC_CONF,          \
                      "an interpreter, modules to be loaded, user="),         \
    AP_INIT_FLAG("CGIWarmScripts", cgi_exec_cmd_warm_scripts, NULL,           \
                 RSRC_CONF | ACCESS_CONF,                                     \
                 "On: scripts run in interpreters of CGIWarm"),               \
    AP_INIT_TAKE1("CGIStderr", cgi_exec_cmd_stderr, NULL,                     \
                  RSRC_CONF | ACCESS_CONF,                                    \
                  "log, or a file or |program for stderr of scripts"),        \
    AP_INIT_TAKE_ARGV("CGILimit", cgi_exec_cmd_limit, NULL,                   \
                      RSRC_CONF | ACCESS_CONF,                                \
                      "N [queue=M] [wait=T]: N scripts at once, or none"),    \
    AP_INIT_FLAG("CGIStatusEnd", cgi_exec_cmd_status_end, NULL,               \
                 RSRC_CONF | ACCESS_CONF,                                     \
                 "On: running scripts can be ended from the status page"),    \
    AP_INIT_TAKE_ARGV("CGISandbox", cgi_exec_cmd_sandbox, NULL,               \
                      RSRC_CONF | ACCESS_CONF,                                \
                      "off, or on and what scripts may do besides"),          \
    AP_INIT_TAKE1("CGIPark", cgi_exec_cmd_park, NULL,                         \
                  RSRC_CONF | ACCESS_CONF,                                    \
                  "time after which a request that waits holds no thread, "   \
                  "or off"),                                                  \
    AP_INIT_TAKE1("CGIDebug", cgi_exec_cmd_debug, NULL,                       \
                  RSRC_CONF | ACCESS_CONF,                                    \
                  "off, or an expression: which requests get a page that "    \
                  "explains them"),                                           \
    AP_INIT_TAKE1("CGISkin", cgi_exec_cmd_skin, NULL,                         \
                  RSRC_CONF | ACCESS_CONF | OR_FILEINFO,                      \
                  "none, or a template around fragments of HTML"),            \
    AP_INIT_TAKE_ARGV("CGISendfile", cgi_exec_cmd_sendfile, NULL,             \
                      RSRC_CONF | ACCESS_CONF,                                \
                      "directories of files that X-Sendfile may name"),       \
    AP_INIT_TAKE1("ScriptLog", cgi_exec_cmd_script_log, NULL, RSRC_CONF,      \
                  "file for what goes wrong with scripts"),                   \
    AP_INIT_TAKE1("ScriptLogLength", cgi_exec_cmd_script_log_length, NULL,    \
                  RSRC_CONF, "bytes after which ScriptLog grows no more"),    \
    AP_INIT_TAKE1("ScriptLogBuffer", cgi_exec_cmd_script_log_buffer, NULL,    \
                  RSRC_CONF, "bytes of a request body kept for ScriptLog"),   \
    AP_INIT_TAKE1("CGILauncher", cgi_exec_cmd_launcher, NULL, RSRC_CONF,      \
                  "path of the program cgi-launcher"),                        \
    AP_INIT_TAKE1("CGICgroup", cgi_exec_cmd_cgroup, NULL, RSRC_CONF,          \
                  "directory of cgroups in which scripts run")
/* clang-format on */

#endif /* CGI_EXEC_H */
