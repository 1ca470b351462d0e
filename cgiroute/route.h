/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the files of mod_cgiroute share: a route as configured, the lists of
 * a server and of a section, and the choice made for one request.
 */
#ifndef CGIROUTE_ROUTE_H
#define CGIROUTE_ROUTE_H

#include "apr_hash.h"

#include "httpd.h"
#include "http_config.h"

#include "base/path.h"
#include "base/pattern.h"
#include "base/prefix.h"
#include "base/template.h"
#include "cgi/cgi_exec.h"

extern module AP_MODULE_DECLARE_DATA cgiroute_module;

/** r->handler of a request that a route answers by running a program. */
#define CGIROUTE_HANDLER "cgiroute-script"

/** Stands for a group: the path that static=on has found. */
#define CGIROUTE_VALUE_FOUND (-3)

/** What a route's templates refer to, for the privileged launcher: each
 * reference once. */
typedef struct cgiroute_values_t {
    apr_array_header_t *groups; /* int: as in route_part_t, or FOUND */
    const char *rules;          /* cgi_identity_value_e of each */
    const char *certain;        /* what comes before FOUND in SCRIPT */
} cgiroute_values_t;

/** One CGIRoute line. Written at start-up, read by all threads. */
typedef struct cgiroute_t {
    const char *regex;
    const char *base; /* of the <Location> around it, no slash behind */
    const char *file; /* where it is configured */
    int line;
    route_pattern_t *pattern;
    route_path_t path;
    const route_template_t *path_info; /* pathinfo=, or NULL */
    const char *const *exec;   /* exec=, words ended by NULL; or NULL */
    const char *root;          /* certain whatever the URL says: all scripts
                                  lie below it, or it is the script */
    int is_static;             /* static=on */
    int has_listing;           /* listing=on */
    int needs_host;            /* a template has %{host} */
    int host_in_path;          /* one of the file's, so that without a host
                                  nobody knows which it is */
    apr_array_header_t *env;   /* const route_template_t *: SetEnv's values */
    ap_conf_vector_t *section; /* what <CGIRoute> encloses; or NULL */

    /* user=, group= */
    const char *user, *group; /* as written; NULL: not given */
    uid_t uid;
    gid_t gid;
    apr_array_header_t *env_names; /* const char *: of SetEnv */
    unsigned int identity;         /* for the engine; 0: the workers' */
    cgiroute_values_t values;      /* with an identity */
} cgiroute_t;

/** A file that a route runs whatever the URL says. */
typedef struct cgiroute_fixed_t {
    struct cgiroute_fixed_t *next; /* of the same name */
    const char *script;            /* its path */
    const cgiroute_t *route;
} cgiroute_fixed_t;

/** The routes of one server. */
typedef struct cgiroute_server_t {
    cgi_exec_server_t exec;      /* first: the engine finds it here */
    apr_array_header_t *routes;  /* cgiroute_t *, in file order */
    route_prefix_table_t *table; /* after post_config */
    apr_hash_t *scripts;         /* cgiroute_fixed_t *, by the file's name
                                    without directories, and by that of what
                                    it leads to */
    const struct cgiroute_server_t
        *main; /* whose routes come after; or NULL */
} cgiroute_server_t;

struct cgiroute_choice_t;

/** Of a directory, a section, and of the request that a route answers. */
typedef struct cgiroute_dir_t {
    cgi_exec_dir_t exec;     /* first: the engine finds it here */
    apr_array_header_t *env; /* cgiroute_env_t, from SetEnv in <CGIRoute> */
    const struct cgiroute_choice_t *choice; /* of this request, or NULL */
} cgiroute_dir_t;

/** A SetEnv in a <CGIRoute>. */
typedef struct cgiroute_env_t {
    const char *name;
    const char *raw; /* as mod_env knows it */
    const route_template_t *value;
} cgiroute_env_t;

/** The route that answers one request, and what it was expanded to. */
typedef struct cgiroute_choice_t {
    const cgiroute_t *route;
    route_match_t match;
    const char *host; /* for %{host}; "" where no template has it */
    route_place_t place;
    const char *path_info;
    const char *context_prefix; /* CONTEXT_PREFIX: SCRIPT_NAME itself, where no
                                   URL is that of the directory */
    int has_context;            /* but it is */
    const char *context_root;   /* CONTEXT_DOCUMENT_ROOT */
    const char *document_root;  /* with chroot=; or NULL: the server's */
    int status;         /* not 0: refuse the request so, after authorization */
    const char *reason; /* why, for the log */
    int is_file;        /* serve it as a static file */
    int is_listing;     /* it is a directory: list it */
    int handed_over;    /* a SetHandler of the section has it */
    ap_conf_vector_t *files_config; /* after <Directory> and <Files> */
    apr_table_t *values; /* of the section's SetEnv lines, when expanded */
} cgiroute_choice_t;

/** What translate_name has found out about a request. */
typedef struct cgiroute_early_t {
    cgiroute_choice_t *choice; /* NULL: no route answers */
    const char *uri;           /* that was looked at */
    int beside;                /* an expression matched a part of a name */
} cgiroute_early_t;

/* ---- config.c ---- */

extern const command_rec cgiroute_commands[];

void *cgiroute_create_dir(apr_pool_t *p, char *dir);
void *cgiroute_merge_dir(apr_pool_t *p, void *base, void *add);
void *cgiroute_create_server(apr_pool_t *p, server_rec *s);
void *cgiroute_merge_server(apr_pool_t *p, void *base, void *add);

/** Build the tables of all servers. */
void cgiroute_build_tables(apr_pool_t *p, server_rec *main_server);

/** Print all routes to stdout, in the order in which they are tried. */
void cgiroute_dump(apr_pool_t *p, server_rec *main_server);

/** The same for cgi-check, by cgi_lookup_say(). */
void cgiroute_list(apr_pool_t *p, server_rec *main_server);

/** What cgi-check wants to know of a route. */
void cgiroute_facts(const cgiroute_t *route, apr_table_t *facts);

/* ---- user.c ---- */

/** Register user=, group= and chroot= of a route with the engine, once all
 * of the configuration is known.
 * @return NULL, or a rule that the configuration breaks: "must ..." */
const char *cgiroute_add_identity(apr_pool_t *p, cgiroute_t *route);

/** What the references of a route's identity stand for.
 * @return ended by NULL, from p; NULL when the route has no identity */
const char *const *cgiroute_values(apr_pool_t *p,
                                   const cgiroute_choice_t *choice);

/* ---- choose.c ---- */

/**
 * Find the route that answers a request.
 * @param early->choice set for OK: from r->pool
 * @return OK, DECLINED (no route does), or the HTTP status of a failure that
 *         is logged already
 */
int cgiroute_choose(request_rec *r, cgiroute_early_t *early);

/** Say which routes are tried for a request, and why each is passed over: to
 * lines (const char *, from r->pool). */
void cgiroute_explain(request_rec *r, apr_array_header_t *lines);

/**
 * Whether the file that httpd is about to serve is one that a route runs,
 * under another URL or name.
 * @param early what translate_name has found out, or NULL
 * @return such a route, or NULL
 */
const cgiroute_t *cgiroute_runs_file(request_rec *r,
                                     const cgiroute_early_t *early);

/* ---- listing.c ---- */

/** Answer with the names of a directory that the client may ask for.
 * @return what a handler returns */
int cgiroute_show_directory(request_rec *r, const cgiroute_choice_t *choice);

/* ---- setenv.c ---- */

/** Expand the section's SetEnv lines, where mod_env put their values in as
 * they were written, and put them into r->subprocess_env. */
void cgiroute_set_environment(request_rec *r);

/** Put them there again, after a redirect inside of httpd; and drop the
 * request headers that would become variables of the same names. */
void cgiroute_keep_environment(request_rec *r);

/** Whether a variable of that name is the server's own to set. */
int cgiroute_is_server_variable(const char *name);

/* ---- handover.c ---- */

/** Have backends of mod_proxy see what a program here would see. In
 * pre_config: then all modules are loaded. */
void cgiroute_register_handover(void);

#endif /* CGIROUTE_ROUTE_H */
