/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Which route answers a request, and what file that is.
 */

#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"

#include "cgiroute/route.h"

APLOG_USE_MODULE(cgiroute);

/* What trying one route came to. */
typedef enum {
    PASSED_OVER, /* the next route is tried */
    CHOSEN,
    FAILED /* the request has failed: attempt_t.status */
} outcome_e;

typedef struct attempt_t {
    request_rec *r;
    const cgiroute_t *route;
    const char *below; /* the part of r->uri that the pattern sees */
    cgiroute_choice_t *choice;
    int status;               /* for FAILED */
    cgiroute_choice_t *doubt; /* the answer if no route has another */
    int beside;               /* see cgiroute_early_t */
    apr_array_header_t *told; /* what is found out is told here, not logged;
                                 or NULL */
} attempt_t;

/* ---- the ends of an attempt ---- */

/* To a page, a line. */
static void tell(const attempt_t *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(const attempt_t *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(a->told, const char *) =
        apr_pvsprintf(a->r->pool, fmt, args);
    va_end(args);
}

static outcome_e pass_over(const attempt_t *a, const char *why)
{
    if (a->told) {
        tell(a, "route %s (%s:%d) passed over: %s", a->route->regex,
             a->route->file, a->route->line, why);
        return PASSED_OVER;
    }
    ap_log_rerror(APLOG_MARK, APLOG_TRACE1, 0, a->r,
                  "route %s (%s:%d) passed over: %s", a->route->regex,
                  a->route->file, a->route->line, why);
    return PASSED_OVER;
}

static outcome_e fail(attempt_t *a, int status, const char *why)
{
    if (a->told) {
        tell(a, "route %s (%s:%d) fails: %s", a->route->regex, a->route->file,
             a->route->line, why);
        return FAILED;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, a->r, "route %s (%s:%d): %s",
                  a->route->regex, a->route->file, a->route->line, why);
    a->status = status;
    return FAILED;
}

/* The route claims the request, but only to refuse it: later, when it is
 * known that the client may learn so much. */
static outcome_e refuse(attempt_t *a, int status, const char *why)
{
    a->choice->status = status;
    a->choice->reason = why;
    return CHOSEN;
}

/* Nobody can tell whether there is a file that the route would run. If no
 * other route answers, the rest of httpd does not either: it could serve just
 * that file. */
static outcome_e doubt(attempt_t *a, const char *why)
{
    if (!a->doubt) {
        refuse(a, HTTP_NOT_FOUND, why);
        a->doubt = apr_pmemdup(a->r->pool, a->choice, sizeof(*a->choice));
    }
    return pass_over(a, why);
}

/* A name that may not or does not lead to a file. With static=on all names
 * below the route look the same from outside, and nothing shines through. */
static outcome_e no_such_file(attempt_t *a, const char *why)
{
    return a->route->is_static ? refuse(a, HTTP_NOT_FOUND, why)
                               : pass_over(a, why);
}

/* ---- the file ---- */

/* stat into r->finfo, which saves httpd's directory walk doing so. */
static apr_status_t look_at(request_rec *r, const char *path)
{
    apr_status_t rv =
        apr_stat(&r->finfo, path, APR_FINFO_MIN | APR_FINFO_PROT, r->pool);

    if (rv == APR_INCOMPLETE) {
        rv = APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        r->finfo.filetype = APR_NOFILE;
    }
    return rv;
}

static outcome_e look_failed(attempt_t *a, apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_ENOTDIR(rv) ||
        APR_STATUS_IS_ENAMETOOLONG(rv) || a->route->is_static) {
        return no_such_file(a, "there is no such file");
    }
    return refuse(a, HTTP_FORBIDDEN, "the file can't be looked at");
}

static outcome_e find_script(attempt_t *a)
{
    apr_status_t rv = look_at(a->r, a->choice->place.script);

    if (rv != APR_SUCCESS) {
        return look_failed(a, rv);
    }
    if (a->r->finfo.filetype != APR_REG) {
        a->r->finfo.filetype = APR_NOFILE;
        return no_such_file(a, "what is there is not a file");
    }
    return CHOSEN;
}

/* static=on: the shortest beginning that is a file, the rest is PATH_INFO; a
 * directory, asked for with its slash, is its index.html. */
static outcome_e find_static(attempt_t *a, const char **rest)
{
    request_rec *r = a->r;
    const char *whole = a->choice->place.script;
    const char *end = whole + a->choice->place.fixed;

    *rest = "";
    for (;;) {
        const char *path;
        apr_status_t rv;

        end += strspn(end, "/");
        if (!*end) {
            break;
        }
        end += strcspn(end, "/");
        path = apr_pstrmemdup(r->pool, whole, (apr_size_t)(end - whole));
        rv = look_at(r, path);
        if (rv != APR_SUCCESS) {
            return look_failed(a, rv);
        }
        if (r->finfo.filetype == APR_REG) {
            a->choice->place.script = path;
            *rest = end;
            return CHOSEN;
        }
        if (r->finfo.filetype != APR_DIR) {
            break;
        }
    }
    r->finfo.filetype = APR_NOFILE;
    if (end[-1] != '/') {
        return no_such_file(a, "it is a directory, asked for without slash");
    }
    a->choice->place.script = apr_pstrcat(r->pool, whole, "index.html", NULL);
    if (a->route->has_listing && r->uri[strlen(r->uri) - 1] == '/' &&
        APR_STATUS_IS_ENOENT(look_at(r, a->choice->place.script)) &&
        look_at(r, whole) == APR_SUCCESS && r->finfo.filetype == APR_DIR) {
        a->choice->place.script = whole;
        a->choice->is_listing = 1;
        return CHOSEN;
    }
    return find_script(a);
}

/* ---- SCRIPT_NAME and PATH_INFO ---- */

/* httpd takes PATH_INFO off the end of the URL's path to have SCRIPT_NAME, and
 * all slashes at the seam go with it. So is the URL that is put together from
 * both (RFC 3875, 3.3) this one again. */
static const char *path_info_at(const char *uri, const char *start)
{
    while (start > uri && *start == '/' && start[-1] == '/') {
        start--;
    }
    return start;
}

/* The end of the URL's path that is text, with or without its first slash. */
static const char *find_end(const char *uri, const char *text)
{
    const apr_size_t length = strlen(uri), n = strlen(text);
    const char *start;

    if (n > length) {
        return NULL;
    }
    start = uri + length - n;
    if (n > 0 && *text != '/') {
        start--;
    }
    return start >= uri && strcmp(uri + length - n, text) == 0 &&
                   (*start == '/' || !*start)
               ? start
               : NULL;
}

/* Set by the rule of the route: what follows the match, or what pathinfo=
 * says, or with static=on what follows the file. */
static outcome_e set_path_info(attempt_t *a, const char *rest)
{
    const route_match_t *m = &a->choice->match;
    const char *uri = a->r->uri;
    const char *text, *start;

    if (a->route->path_info) {
        text = route_template_expand(a->r->pool, a->route->path_info, m,
                                     a->choice->host);
    }
    else if (*rest) {
        text = apr_pstrcat(a->r->pool, rest, a->below + m->end, NULL);
    }
    else {
        text = a->below + m->end;
    }
    start = find_end(uri, text);
    if (!start) {
        return a->route->path_info
                   ? fail(a, HTTP_INTERNAL_SERVER_ERROR,
                          "pathinfo= must be the end of the URL's path")
                   : no_such_file(a, "what follows the file is not the end of "
                                     "the URL's path");
    }
    a->choice->path_info = apr_pstrdup(a->r->pool, path_info_at(uri, start));
    return CHOSEN;
}

/* ---- the directory, and what of the URL stands for it ---- */

/* As Alias has it: what precedes the file's name in SCRIPT_NAME. Where
 * SCRIPT_NAME does not end with that name (or its directory: an index), no URL
 * is that of the directory.
 * @return NULL then */
static const char *context_prefix(apr_pool_t *p, const char *script_name,
                                  const char *file)
{
    const char *name = apr_filepath_name_get(script_name);
    const apr_size_t n = (apr_size_t)(name - script_name);
    const apr_size_t m = (apr_size_t)(apr_filepath_name_get(file) - file);

    if ((!*name || !strcmp(name, apr_filepath_name_get(file))) && n > m &&
        script_name[n - m - 1] == '/' &&
        !strncmp(script_name + n - m, file, m)) {
        return apr_pstrmemdup(p, script_name, n - m - 1);
    }
    return NULL;
}

/* All as the program sees it: with chroot= from inside. */
static void set_context(const request_rec *r, cgiroute_choice_t *c)
{
    const apr_size_t outside = strlen(c->place.chroot);
    const char *script = c->place.script;
    const char *file = *route_template_literal(c->route->path.script) == '/'
                           ? apr_filepath_name_get(script)
                           : script + c->place.fixed;
    const char *script_name =
        apr_pstrmemdup(r->pool, r->uri, strlen(r->uri) - strlen(c->path_info));

    if (file > script + outside + 1) {
        c->context_root =
            apr_pstrmemdup(r->pool, script + outside,
                           (apr_size_t)(file - script - 1) - outside);
    }
    else {
        c->context_root = "/";
    }
    c->context_prefix = context_prefix(r->pool, script_name, file);
    c->has_context = c->context_prefix != NULL;
    if (!c->has_context) {
        c->context_prefix = script_name;
    }
    if (outside) {
        c->document_root =
            c->place.work_dir ? c->place.work_dir : c->context_root;
    }
}

/* ---- one route ---- */

/* The part of the URL's path below the route's <Location>, or NULL. */
static const char *below_base(const cgiroute_t *route, const char *uri)
{
    apr_size_t n = strlen(route->base);

    return strncmp(uri, route->base, n) == 0 && (uri[n] == '/' || !uri[n])
               ? uri + n
               : NULL;
}

/* A variable is often the name of a directory too: no way up in it. */
static const char *check_environment(const attempt_t *a)
{
    const char *why = NULL;
    int i;

    for (i = 0; !why && i < a->route->env->nelts; i++) {
        why = route_template_check(
            APR_ARRAY_IDX(a->route->env, i, const route_template_t *),
            &a->choice->match, a->choice->host, ROUTE_NAMES_ANY);
    }
    return why;
}

/* A name that the URL may not choose. Should there be a file of that name all
 * the same, it is the route's, and must not be served as a text by whatever
 * comes after: dir= may well be a directory of documents too. */
static outcome_e bad_name(attempt_t *a, const char *why)
{
    route_path_t path = a->route->path;

    path.names = ROUTE_NAMES_ANY;
    if (!a->route->is_static &&
        !route_path_expand(a->r->pool, &path, &a->choice->match,
                           a->choice->host, &a->choice->place)) {
        apr_status_t rv = look_at(a->r, a->choice->place.script);
        int is_file = rv == APR_SUCCESS && a->r->finfo.filetype == APR_REG;

        a->r->finfo.filetype = APR_NOFILE;
        if (is_file) {
            return refuse(a, HTTP_NOT_FOUND, why);
        }
    }
    return no_such_file(a, why);
}

/* static=on: what the file's execute bits say, of whomever. A program that
 * httpd may not run is not a text that it may show. */
static outcome_e judge_static(attempt_t *a)
{
    cgiroute_choice_t *c = a->choice;

    if (c->is_listing) {
        return access(c->place.script, R_OK | X_OK) == 0
                   ? CHOSEN
                   : refuse(a, HTTP_NOT_FOUND, "the directory can't be read");
    }
    if (a->r->finfo.protection &
        (APR_UEXECUTE | APR_GEXECUTE | APR_WEXECUTE)) {
        return CHOSEN;
    }
    if (*c->path_info) {
        return refuse(a, HTTP_NOT_FOUND, "nothing is below a file");
    }
    if (access(c->place.script, R_OK) != 0) {
        return refuse(a, HTTP_NOT_FOUND, "the file can't be read");
    }
    c->is_file = 1;
    return CHOSEN;
}

static outcome_e try_route(attempt_t *a)
{
    const cgiroute_t *route = a->route;
    cgiroute_choice_t *c = a->choice;
    const char *why, *rest = "", *bad_value = NULL;
    outcome_e outcome;

    a->below = below_base(route, a->r->uri);
    if (!a->below) {
        return pass_over(a, "the URL is not below its <Location>");
    }
    switch (
        route_pattern_match(a->r->pool, route->pattern, a->below, &c->match)) {
    case ROUTE_MATCH_YES:
        break;
    case ROUTE_MATCH_NO:
        return pass_over(a, "no match");
    case ROUTE_MATCH_NOT_UTF:
        return doubt(a, "the URL is not UTF-8, which the expression demands");
    case ROUTE_MATCH_RUNAWAY:
        return fail(a, HTTP_INTERNAL_SERVER_ERROR,
                    "the regular expression must not need so many steps to "
                    "find whether a URL matches");
    default:
        return fail(a, HTTP_INTERNAL_SERVER_ERROR, "no memory to match");
    }
    if (!route->path_info && a->below[c->match.end] &&
        a->below[c->match.end] != '/') {
        a->beside = 1;
        return pass_over(a, "the match ends in the middle of a segment");
    }

    c->host = "";
    if (route->needs_host) {
        c->host = route_safe_host(a->r->pool, a->r->hostname);
        if (!c->host) {
            c->host = "";
            bad_value = "the host can't be a directory's name";
            if (route->host_in_path) {
                return route->is_static ? no_such_file(a, bad_value)
                                        : doubt(a, bad_value);
            }
        }
    }
    why = route_path_expand(a->r->pool, &route->path, &c->match, c->host,
                            &c->place);
    if (why) {
        return bad_name(a, why);
    }
    outcome = route->is_static ? find_static(a, &rest) : find_script(a);
    if (outcome != CHOSEN || c->status) {
        return outcome;
    }
    /* The file is there, and must not be served as a text instead. */
    if (!bad_value) {
        bad_value = check_environment(a);
    }
    if (bad_value) {
        return refuse(a, HTTP_NOT_FOUND, bad_value);
    }
    outcome = set_path_info(a, rest);
    return outcome == CHOSEN && !c->status && route->is_static
               ? judge_static(a)
               : outcome;
}

/* ---- all routes ---- */

/* What a route does with its file. */
static const char *verb_of(const cgiroute_choice_t *choice)
{
    return choice->is_file ? "serves" : choice->is_listing ? "lists" : "runs";
}

static outcome_e try_list(attempt_t *a, const cgiroute_server_t *conf)
{
    route_prefix_iter_t iter;
    int i, tried = 0;

    route_prefix_begin(conf->table, a->r->uri, &iter);
    while ((i = route_prefix_next(&iter)) >= 0) {
        outcome_e outcome;

        a->route = APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *);
        memset(a->choice, 0, sizeof(*a->choice));
        a->choice->route = a->route;
        tried++;
        outcome = try_route(a);
        if (outcome != PASSED_OVER) {
            return outcome;
        }
    }
    if (conf->routes->nelts > tried && a->told) {
        tell(a, "%d routes passed over: the URL begins otherwise",
             conf->routes->nelts - tried);
    }
    else if (conf->routes->nelts > tried) {
        ap_log_rerror(APLOG_MARK, APLOG_TRACE1, 0, a->r,
                      "%d routes passed over: the URL begins otherwise",
                      conf->routes->nelts - tried);
    }
    return PASSED_OVER;
}

int cgiroute_choose(request_rec *r, cgiroute_early_t *early)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(r->server->module_config, &cgiroute_module);
    cgiroute_choice_t work;
    attempt_t a = {.r = r, .choice = &work};
    outcome_e outcome = PASSED_OVER;

    for (; conf && outcome == PASSED_OVER; conf = conf->main) {
        outcome = try_list(&a, conf);
    }
    if (outcome == FAILED) {
        return a.status;
    }
    early->uri = r->uri;
    early->beside = a.beside;
    if (outcome == PASSED_OVER && !a.doubt) {
        return DECLINED;
    }
    if (outcome == PASSED_OVER) {
        work = *a.doubt;
        a.route = work.route;
    }
    if (!work.status) {
        set_context(r, &work);
    }
    early->choice = apr_pmemdup(r->pool, &work, sizeof(work));
    early->choice->values = apr_table_make(r->pool, 4);
    if (work.status) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "route %s (%s:%d) refuses the request with %d: %s",
                      a.route->regex, a.route->file, a.route->line,
                      work.status, work.reason);
    }
    else {
        /* a sub-request may only want to know the file: PATH_TRANSLATED */
        ap_log_rerror(APLOG_MARK, r->main ? APLOG_TRACE1 : APLOG_DEBUG, 0, r,
                      "route %s (%s:%d) %s %s, PATH_INFO \"%s\"",
                      a.route->regex, a.route->file, a.route->line,
                      verb_of(&work), work.place.script, work.path_info);
    }
    return OK;
}

/* The request as it is now may differ from what it was then: a copy of it is
 * tried. */
void cgiroute_explain(request_rec *r, apr_array_header_t *lines)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(r->server->module_config, &cgiroute_module);
    request_rec probe = *r;
    cgiroute_choice_t work = {0};
    attempt_t a = {.r = &probe, .choice = &work, .told = lines};
    outcome_e outcome = PASSED_OVER;

    for (; conf && outcome == PASSED_OVER; conf = conf->main) {
        outcome = try_list(&a, conf);
    }
    if (outcome == PASSED_OVER && a.doubt) {
        outcome = CHOSEN;
        work = *a.doubt;
    }
    if (outcome == CHOSEN && work.status) {
        tell(&a, "route %s (%s:%d) refuses the request with %d: %s",
             work.route->regex, work.route->file, work.route->line,
             work.status, work.reason);
    }
    else if (outcome == CHOSEN) {
        tell(&a, "route %s (%s:%d) %s %s, PATH_INFO \"%s\"", work.route->regex,
             work.route->file, work.route->line, verb_of(&work),
             work.place.script, work.path_info);
    }
    else if (outcome == PASSED_OVER) {
        tell(&a, "no route answers");
    }
}

/* ---- what others are about to serve ---- */

/* A file without an execute bit is not run, but served, by static=on. */
static int runs(const cgiroute_t *route, const request_rec *r)
{
    return !route->is_static || (r->finfo.protection &
                                 (APR_UEXECUTE | APR_GEXECUTE | APR_WEXECUTE));
}

/* Links may lead to it under other names. */
static int is_its_file(const request_rec *r, const char *path)
{
    struct stat st;

    return strcmp(path, r->filename) == 0 ||
           ((r->finfo.valid & APR_FINFO_IDENT) == APR_FINFO_IDENT &&
            !stat(path, &st) && st.st_dev == r->finfo.device &&
            st.st_ino == r->finfo.inode);
}

/* The route that runs the request's file whatever the URL says. */
static const cgiroute_t *runs_always(const request_rec *r,
                                     const cgiroute_server_t *conf)
{
    const cgiroute_fixed_t *fixed =
        apr_hash_get(conf->scripts, apr_filepath_name_get(r->filename),
                     APR_HASH_KEY_STRING);

    while (fixed &&
           !(is_its_file(r, fixed->script) && runs(fixed->route, r))) {
        fixed = fixed->next;
    }
    return fixed ? fixed->route : NULL;
}

/* The route that runs the request's file when asked for this path, also if it
 * would pass the request over. */
static const cgiroute_t *
runs_at(const request_rec *r, const cgiroute_server_t *conf, const char *path)
{
    route_prefix_iter_t iter;
    int i;

    route_prefix_begin(conf->table, path, &iter);
    while ((i = route_prefix_next(&iter)) >= 0) {
        const cgiroute_t *route =
            APR_ARRAY_IDX(conf->routes, i, const cgiroute_t *);
        const char *below = below_base(route, path);
        const char *host = "";
        route_path_t names = route->path;
        route_match_t match;
        route_place_t place;

        names.names = ROUTE_NAMES_ANY;
        if (route->host_in_path) {
            host = route_safe_host(r->pool, r->hostname);
        }
        if (below && host &&
            route_pattern_match(r->pool, route->pattern, below, &match) ==
                ROUTE_MATCH_YES &&
            !route_path_expand(r->pool, &names, &match, host, &place) &&
            is_its_file(r, place.script) && runs(route, r)) {
            return route;
        }
    }
    return NULL;
}

/* The path of a file below a directory, with its slash; or NULL. */
static const char *behind(const char *file, const char *dir)
{
    apr_size_t n = dir ? strlen(dir) : 0;

    while (n > 0 && dir[n - 1] == '/') {
        n--;
    }
    return n > 0 && strncmp(file, dir, n) == 0 && file[n] == '/' ? file + n
                                                                 : NULL;
}

const cgiroute_t *cgiroute_runs_file(request_rec *r,
                                     const cgiroute_early_t *early)
{
    const cgiroute_server_t *conf =
        ap_get_module_config(r->server->module_config, &cgiroute_module);
    const char *paths[3]; /* under which a route may have the file */
    apr_size_t uri = strlen(r->uri);
    apr_size_t rest = r->path_info ? strlen(r->path_info) : 0;
    const cgiroute_t *route = NULL;
    int i, k;

    if (rest && rest < uri && strcmp(r->uri + uri - rest, r->path_info) == 0) {
        uri -= rest;
    }
    paths[0] = apr_pstrmemdup(r->pool, r->uri, uri);
    paths[1] = behind(r->filename, ap_document_root(r));
    paths[2] = behind(r->filename, ap_context_document_root(r));

    for (; conf && !route; conf = conf->main) {
        if (!conf->routes->nelts) {
            continue;
        }
        route = runs_always(r, conf);
        for (i = 0; i < 3 && !route; i++) {
            int known = !paths[i] || (early && !early->beside &&
                                      strcmp(paths[i], early->uri) == 0);

            for (k = 0; k < i && !known; k++) {
                known = paths[k] && strcmp(paths[k], paths[i]) == 0;
            }
            if (!known) {
                route = runs_at(r, conf, paths[i]);
            }
        }
    }
    return route;
}
