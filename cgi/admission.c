/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGILimit: the directive, its place in httpd's life, and the wait of a
 * request for its turn.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "apr_hash.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "httpd.h"
#include "ap_mpm.h"
#include "http_core.h"

#include "base/keys.h"
#include "cgi/admission.h"
#include "cgi/directives.h"
#include "cgi/status_view.h"

CGI_EXEC_USE_LOG;

/* Both modules' copies of the engine find each other's data by this name;
 * the number changes with the layout of the data. */
#define SHARED_KEY "cgi-exec-limits-1"
/* In the pool of a request that holds a place. */
#define HOLDS_KEY "cgi-exec-limit-held"

/* Descriptors that a request has open while its script runs, and those that
 * a process has for itself. */
#define FDS_REQUEST 6
#define FDS_OTHERS 64

/* Of one generation. */
typedef struct registry_t {
    /* Both modules are told of one directive: it is one limit. */
    apr_hash_t *by_directive;
    apr_array_header_t *list; /* cgi_limit_t *, with a max above 0 */
    cgi_limits_t *limits;     /* NULL before post_config, or without any */
} registry_t;

static registry_t *registry; /* set at post_config */

static registry_t *find_registry(apr_pool_t *pconf)
{
    void *data = NULL;
    registry_t *found;

    apr_pool_userdata_get(&data, SHARED_KEY, pconf);
    if (data) {
        return data;
    }
    found = apr_pcalloc(pconf, sizeof(*found));
    found->by_directive = apr_hash_make(pconf);
    found->list = apr_array_make(pconf, 4, sizeof(cgi_limit_t *));
    apr_pool_userdata_setn(found, SHARED_KEY, NULL, pconf);
    return found;
}

/* ---- the directive ---- */

/* A whole number up to max; -1 when it is none. */
static int parse_number(const char *text, int max)
{
    char *end;
    long n;

    if (!apr_isdigit(*text)) {
        return -1;
    }
    n = strtol(text, &end, 10);
    return *end || n > max ? -1 : (int)n;
}

static const char *parse_limit(cmd_parms *cmd, cgi_limit_t *limit, int argc,
                               char *const argv[])
{
    const char *queue = NULL, *wait = NULL, *error;
    const cgi_key_t keys[] = {{"queue", &queue}, {"wait", &wait}};

    limit->max =
        argc > 0 && !ap_cstr_casecmp(argv[0], "none")
            ? 0
            : parse_number(argc > 0 ? argv[0] : "", CGI_LIMIT_PLACES_MAX);
    if (limit->max < 0) {
        return apr_psprintf(cmd->pool,
                            "CGILimit must begin with the number of scripts "
                            "that may run at once, 1 to %d, or with none%s%s",
                            CGI_LIMIT_PLACES_MAX, argc > 0 ? ", not " : "",
                            argc > 0 ? argv[0] : "");
    }
    error = cgi_keys_read(cmd->pool, "CGILimit", keys, 2, argc - 1, argv + 1);
    if (error) {
        return error;
    }
    limit->queue = queue ? parse_number(queue, CGI_LIMIT_QUEUE_MAX) : 0;
    if (limit->queue < 0) {
        return apr_psprintf(cmd->pool,
                            "CGILimit queue= must be the number of requests "
                            "that may wait, 0 to %d, not %s",
                            CGI_LIMIT_QUEUE_MAX, queue);
    }
    if (wait &&
        (ap_timeout_parameter_parse(wait, &limit->wait, "s") != APR_SUCCESS ||
         limit->wait <= 0 || limit->wait > CGI_TIME_MAX)) {
        return apr_psprintf(cmd->pool,
                            "CGILimit wait= must be a time above 0, such as "
                            "30, 30s, 500ms or 2min, 40 days at most, not %s",
                            wait);
    }
    if (!limit->max && argc > 1) {
        return "CGILimit none must stand alone: without a limit nobody waits";
    }
    if (limit->wait > 0 && !limit->queue) {
        return "CGILimit wait=T must come with queue=M: without a queue "
               "nobody waits";
    }
    return NULL;
}

const char *cgi_exec_cmd_limit(cmd_parms *cmd, void *mconfig, int argc,
                               char *const argv[])
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    registry_t *known = find_registry(cmd->pool);
    cgi_limit_t *limit;
    const char *error;

    limit = apr_hash_get(known->by_directive, &cmd->directive,
                         sizeof(cmd->directive));
    if (!limit) {
        const ap_directive_t **key =
            apr_pmemdup(cmd->pool, &cmd->directive, sizeof(cmd->directive));

        limit = apr_pcalloc(cmd->pool, sizeof(*limit));
        limit->wait = -1;
        if ((error = parse_limit(cmd, limit, argc, argv))) {
            return error;
        }
        limit->where =
            apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename,
                         cmd->directive->line_num);
        apr_hash_set(known->by_directive, key, sizeof(*key), limit);
        if (limit->max) {
            APR_ARRAY_PUSH(known->list, cgi_limit_t *) = limit;
        }
    }
    dir->limit = limit;
    return NULL;
}

/* ---- start-up ---- */

/* A queue that leaves a worker no descriptors for its requests would end
 * httpd as soon as many come. */
static apr_status_t check_descriptors(server_rec *s)
{
    struct rlimit limit;
    int i, threads = 1, queues = 0;
    rlim_t need;

    for (i = 0; i < registry->list->nelts; i++) {
        queues += APR_ARRAY_IDX(registry->list, i, cgi_limit_t *)->queue;
    }
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    need = (rlim_t)queues + FDS_OTHERS +
           FDS_REQUEST * (rlim_t)(threads > 0 ? threads : 1);
    if (!queues || getrlimit(RLIMIT_NOFILE, &limit) ||
        limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need) {
        return APR_SUCCESS;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "CGILimit: the places of all queue= take %d descriptors of "
                 "each process, and its requests about %lu more; it may have "
                 "%lu: raise that (ulimit -n, LimitNOFILE=), or lower queue=",
                 queues, (unsigned long)(need - (rlim_t)queues),
                 (unsigned long)limit.rlim_cur);
    return EMFILE;
}

apr_status_t cgi_admission_init(apr_pool_t *pconf, server_rec *s)
{
    int processes = 1;
    apr_status_t rv;

    registry = find_registry(pconf);
    if (!registry->list->nelts || registry->limits) {
        return APR_SUCCESS;
    }
    if ((rv = check_descriptors(s)) != APR_SUCCESS) {
        return rv;
    }
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &processes);
    /* One that is ending may still be there when the next has started. */
    rv = cgi_limits_create(&registry->limits, registry->list,
                           2 * processes + 1, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "can't make the counters of CGILimit: they need memory, "
                     "and a descriptor for each place in a queue=");
    }
    return rv;
}

void cgi_admission_child_init(server_rec *s)
{
    apr_status_t rv;

    if (registry && registry->limits) {
        rv = cgi_limits_join(registry->limits);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                         "more processes than ServerLimit allows: this one "
                         "can't count for CGILimit and refuses what it "
                         "limits");
        }
    }
}

apr_array_header_t *cgi_admission_limits(apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(cgi_view_limit_t));
    int i;

    for (i = 0; registry && registry->limits && i < registry->list->nelts;
         i++) {
        const cgi_limit_t *limit =
            APR_ARRAY_IDX(registry->list, i, cgi_limit_t *);
        cgi_view_limit_t *to = apr_array_push(list);

        to->where = limit->where;
        to->max = limit->max;
        to->queue = limit->queue;
        cgi_limit_usage(registry->limits, limit, &to->running, &to->waiting);
    }
    return list;
}

/* ---- a request ---- */

static const cgi_limit_t *limit_of(const cgi_request_t *q)
{
    const cgi_limit_t *limit = q->options->dir->limit;
    const request_rec *main;
    void *held = NULL;

    if (!limit || !limit->max || !registry || !registry->limits) {
        return NULL;
    }
    /* A script that is included in the output of another counts as a part
     * of that, which can't end before. */
    for (main = q->r->main; main; main = main->main) {
        apr_pool_userdata_get(&held, HOLDS_KEY, main->pool);
        if (held == limit) {
            return NULL;
        }
    }
    return limit;
}

static cgi_outcome_e refuse(cgi_request_t *q, const cgi_limit_t *limit,
                            const char *why)
{
    cgi_limits_t *limits = registry->limits;
    unsigned int n = cgi_limit_count_refused(limits, limit);
    int seconds = cgi_limit_retry_after(limits, limit);

    if (n) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, q->r,
                      "CGILimit of %s: all %d places are taken, %u "
                      "request%s refused since the last such line",
                      limit->where, limit->max, n, n == 1 ? "" : "s");
    }
    apr_table_setn(q->r->err_headers_out, "Retry-After",
                   apr_itoa(q->r->pool, seconds));
    return cgi_reject(q, HTTP_SERVICE_UNAVAILABLE, 0, "CGILimit of %s: %s",
                      limit->where, why);
}

cgi_outcome_e cgi_admission_early(cgi_request_t *q)
{
    const cgi_limit_t *limit = limit_of(q);

    return limit && cgi_limit_is_full(registry->limits, limit)
               ? refuse(q, limit, "all places are taken")
               : CGI_WENT_ON;
}

/* It is this request's turn. */
static cgi_outcome_e admit(const cgi_admission_t *a, cgi_request_t *q)
{
    apr_pool_userdata_setn((void *)a->turn.limit, HOLDS_KEY, NULL, q->r->pool);
    return CGI_ENDED;
}

static cgi_outcome_e wait_on(cgi_admission_t *a, apr_time_t now)
{
    a->again = now + a->turn.again;
    if (a->again > a->until) {
        a->again = a->until;
    }
    return CGI_WENT_ON;
}

cgi_outcome_e cgi_admission_enter(cgi_admission_t *a, cgi_request_t *q,
                                  apr_time_t now)
{
    const cgi_limit_t *limit = limit_of(q);

    if (!limit) {
        return CGI_ENDED;
    }
    switch (cgi_limit_enter(&a->turn, registry->limits, limit)) {
    case CGI_TURN_RUN:
        return admit(a, q);
    case CGI_TURN_REFUSED:
        return refuse(q, limit, "all places are taken");
    case CGI_TURN_WAIT:
        break;
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, q->r,
                  "%s: CGILimit of %s: waits for a place", q->options->script,
                  limit->where);
    a->until = now + (limit->wait < 0 ? q->r->server->timeout : limit->wait);
    return wait_on(a, now);
}

cgi_outcome_e cgi_admission_step(cgi_admission_t *a, cgi_request_t *q,
                                 int woken, apr_time_t now)
{
    if (!woken && now < a->again) {
        return CGI_WENT_ON;
    }
    if (cgi_limit_advance(&a->turn) == CGI_TURN_RUN) {
        return admit(a, q);
    }
    return now >= a->until
               ? refuse(q, a->turn.limit, "no place within its wait=")
               : wait_on(a, now);
}

int cgi_admission_holds(const cgi_admission_t *a)
{
    return a->turn.limit != NULL;
}

void cgi_admission_asked(cgi_admission_t *a, unsigned int kill_ms)
{
    cgi_limit_asked(&a->turn, kill_ms);
}

void cgi_admission_started(cgi_admission_t *a, pid_t pid)
{
    cgi_limit_started(&a->turn, pid);
}

void cgi_admission_leave(cgi_admission_t *a, cgi_request_t *q, int ended)
{
    if (a->turn.limit) {
        cgi_limit_leave(&a->turn, ended);
        apr_pool_userdata_setn(NULL, HOLDS_KEY, NULL, q->r->pool);
    }
}
