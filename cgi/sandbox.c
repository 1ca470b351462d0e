/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGISandbox: its words, and whether what they ask for is possible here. The
 * launcher applies it, between fork() and execve() of a script.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"
#include "unixd.h"

#include "base/keys.h"
#include "base/rules.h"
#include "cgi/directives.h"
#include "cgi/sandbox.h"
#include "cgi/suexec.h"

CGI_EXEC_USE_LOG;

struct cgi_sandbox_t {
    const char *const *rules; /* NULL: off */
    unsigned int limits;      /* as in a message */
    rlim_t limit[CGI_LIMIT_MAX];
    const ap_directive_t *directive; /* for messages */
    const server_rec *server;
};

static const cgi_sandbox_t off;

/* Those of the configuration, cgi_sandbox_t *; NULL: none. */
static apr_array_header_t *all;

static apr_status_t forget_all(void *unused)
{
    (void)unused;
    all = NULL;
    return APR_SUCCESS;
}

static void add_rule(apr_array_header_t *rules, char letter, const char *value)
{
    APR_ARRAY_PUSH(rules, const char *) =
        apr_psprintf(rules->pool, "%c%s", letter, value);
}

/* The next of a list with commas, or NULL; "" where there is none between. */
static char *next_item(char **rest)
{
    char *item = *rest, *comma;

    if (item) {
        comma = strchr(item, ',');
        *rest = comma ? comma + 1 : NULL;
        if (comma) {
            *comma = '\0';
        }
    }
    return item;
}

static const char *add_paths(apr_array_header_t *rules, char letter,
                             const char *list)
{
    char *rest = list ? apr_pstrdup(rules->pool, list) : NULL, *path;

    while ((path = next_item(&rest))) {
        if (*path != '/') {
            return apr_psprintf(rules->pool,
                                "read=, write= and exec= must be paths that "
                                "begin with a slash, not '%s'",
                                path);
        }
        add_rule(rules, letter, path);
    }
    return NULL;
}

static const char *add_ports(apr_array_header_t *rules, const char *list)
{
    char *rest = list ? apr_pstrdup(rules->pool, list) : NULL, *port;

    if (list && !strcasecmp(list, "none")) {
        add_rule(rules, CGI_SANDBOX_NO_NET, "");
        return NULL;
    }
    while ((port = next_item(&rest))) {
        char *after = port;
        long number = apr_isdigit(*port) ? strtol(port, &after, 10) : 0;

        if (number < 1 || number > 65535 || *after) {
            return apr_psprintf(rules->pool,
                                "net= must be none, or numbers of TCP ports "
                                "(1 to 65535) with commas between, not '%s'",
                                port);
        }
        add_rule(rules, CGI_SANDBOX_PORT, port);
    }
    return NULL;
}

/* A number, which may end in K, M or G if it is a size. @return 0: it is none
 */
static rlim_t parse_number(const char *text, int is_size)
{
    static const char units[] = "kmg";
    char *after;
    apr_int64_t number =
        apr_isdigit(*text) ? apr_strtoi64(text, &after, 10) : 0;
    const char *unit;

    if (number <= 0 || number > APR_INT32_MAX * APR_INT64_C(1024)) {
        return 0;
    }
    if (*after && is_size && !after[1] &&
        (unit = strchr(units, apr_tolower(*after)))) {
        return (rlim_t)number << (10 * (unit - units + 1));
    }
    return *after ? 0 : (rlim_t)number;
}

/* A limit of the line: least is the lowest that makes sense. */
static const char *add_limit(cgi_sandbox_t *sandbox, cgi_wire_limit_e which,
                             const char *value, rlim_t least, const char *rule)
{
    rlim_t number;

    if (value) {
        number = parse_number(value, which == CGI_LIMIT_MEM);
        if (number < least) {
            return rule;
        }
        sandbox->limits |= 1u << which;
        sandbox->limit[which] = number;
    }
    return NULL;
}

static const char *add_limits(cgi_sandbox_t *sandbox, const char *procs,
                              const char *mem, const char *files)
{
    const char *error;

    if ((error = add_limit(sandbox, CGI_LIMIT_NPROC, procs, 1,
                           "procs= must be a number of processes, 1 at "
                           "least")) ||
        (error = add_limit(sandbox, CGI_LIMIT_MEM, mem, 1024 * 1024,
                           "mem= must be a size such as 200M, 1M at least"))) {
        return error;
    }
    return add_limit(sandbox, CGI_LIMIT_NOFILE, files, 8,
                     "files= must be a number of open files, 8 at least");
}

static const char *add_tmp(apr_array_header_t *rules, const char *value)
{
    if (!value || !strcasecmp(value, "private")) {
        add_rule(rules, CGI_SANDBOX_TMP, "");
        return NULL;
    }
    return strcasecmp(value, "none") ? "tmp= must be private or none" : NULL;
}

/* The words that follow "on". */
static const char *add_words(cgi_sandbox_t *sandbox, apr_array_header_t *rules,
                             int argc, char *const argv[])
{
    enum { READ, WRITE, EXEC, TMP, NET, PROCS, MEM, FILES, KEYS };
    const char *value[KEYS] = {NULL};
    const cgi_key_t keys[KEYS] = {
        {"read", &value[READ]}, {"write", &value[WRITE]},
        {"exec", &value[EXEC]}, {"tmp", &value[TMP]},
        {"net", &value[NET]},   {"procs", &value[PROCS]},
        {"mem", &value[MEM]},   {"files", &value[FILES]}};
    const char *error;

    error =
        cgi_keys_read(rules->pool, "CGISandbox on", keys, KEYS, argc, argv);
    if (error) {
        return error;
    }
    if ((error = add_paths(rules, CGI_SANDBOX_READ, value[READ])) ||
        (error = add_paths(rules, CGI_SANDBOX_WRITE, value[WRITE])) ||
        (error = add_paths(rules, CGI_SANDBOX_EXECUTE, value[EXEC])) ||
        (error = add_tmp(rules, value[TMP])) ||
        (error = add_ports(rules, value[NET])) ||
        (error =
             add_limits(sandbox, value[PROCS], value[MEM], value[FILES]))) {
        return apr_pstrcat(rules->pool, "CGISandbox ", error, NULL);
    }
    return NULL;
}

/* Of the configuration, to be looked at when all of it is read. */
static void remember(cmd_parms *cmd, cgi_sandbox_t *sandbox)
{
    sandbox->directive = cmd->directive;
    sandbox->server = cmd->server;
    if (!all) {
        all = apr_array_make(cmd->pool, 4, sizeof(cgi_sandbox_t *));
        apr_pool_cleanup_register(cmd->pool, NULL, forget_all,
                                  apr_pool_cleanup_null);
    }
    APR_ARRAY_PUSH(all, const cgi_sandbox_t *) = sandbox;
}

const char *cgi_exec_cmd_sandbox(cmd_parms *cmd, void *mconfig, int argc,
                                 char *const argv[])
{
    cgi_exec_dir_t *dir = cgi_exec_dir_set(cmd, mconfig);
    apr_array_header_t *rules = apr_array_make(cmd->pool, 8, sizeof(char *));
    cgi_sandbox_t *sandbox = apr_pcalloc(cmd->pool, sizeof(*sandbox));
    char **words =
        apr_palloc(cmd->pool, (apr_size_t)(argc + 1) * sizeof(char *));
    const char *error;
    int i, n = 0;

    dir->sandbox = &off;
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        return NULL;
    }
    if (argc < 1 || strcasecmp(argv[0], "on") != 0) {
        return "CGISandbox must be off, or on and what scripts may do besides";
    }
    for (i = 1; i < argc; i++) {
        if (!strcasecmp(argv[i], "best-effort")) {
            add_rule(rules, CGI_SANDBOX_BEST_EFFORT, "");
        }
        else {
            words[n++] = argv[i];
        }
    }
    if ((error = add_words(sandbox, rules, n, words))) {
        return error;
    }
    APR_ARRAY_PUSH(rules, const char *) = NULL;
    sandbox->rules = (const char *const *)rules->elts;
    remember(cmd, sandbox);
    dir->sandbox = sandbox;
    return NULL;
}

/* ---- what can't be is said at the start */

static int refuse(const cgi_sandbox_t *sandbox, const server_rec *s, int err,
                  const char *what, const char *why)
{
    ap_log_error(
        APLOG_MARK, APLOG_ERR, err, s, "CGISandbox on line %d of %s: %s%s",
        sandbox->directive->line_num, sandbox->directive->filename, what, why);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check_paths(const cgi_sandbox_t *sandbox, const server_rec *s)
{
    const char *const *rule;
    struct stat st;

    for (rule = sandbox->rules; *rule; rule++) {
        if ((*rule)[1] == '/' && stat(*rule + 1, &st)) {
            return refuse(sandbox, s, errno, *rule + 1,
                          " must be a directory or a file that exists");
        }
    }
    return OK;
}

static int check_kernel(apr_pool_t *p, const cgi_sandbox_t *sandbox,
                        const server_rec *s)
{
    const int abi = cgi_sandbox_abi();
    /* a filter of system calls is another reason than an old kernel */
    const int err = abi ? 0 : errno;
    unsigned int lacks =
        cgi_sandbox_lacks(sandbox->rules, abi, cgi_sandbox_has_filter());
    const char *text = cgi_sandbox_lacks_text(lacks, p);

    if (!lacks) {
        return OK;
    }
    if (!cgi_sandbox_has(sandbox->rules, CGI_SANDBOX_BEST_EFFORT)) {
        return refuse(sandbox, s, err,
                      "the kernel of this machine can't keep scripts from ",
                      apr_pstrcat(p, text,
                                  "; with the word best-effort, httpd does "
                                  "without",
                                  NULL));
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                 "CGISandbox on line %d of %s: scripts are not kept from %s",
                 sandbox->directive->line_num, sandbox->directive->filename,
                 text);
    return OK;
}

/* Of a server, or of one of its sections. */
static int check_suexec(apr_pool_t *p, const cgi_sandbox_t *sandbox,
                        server_rec *s)
{
    for (; s; s = s->next) {
        const cgi_exec_dir_t *dir =
            ap_get_module_config(s->lookup_defaults, &CGI_EXEC_MODULE_SYM);

        if ((sandbox->server == s || dir->sandbox == sandbox) &&
            cgi_exec_check_interpreter(p, s)) {
            return refuse(sandbox, s, 0, "", CGI_SANDBOX_NO_SUEXEC);
        }
    }
    return OK;
}

int cgi_sandbox_check(apr_pool_t *pconf, server_rec *s, int identities,
                      int in_roots)
{
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        const cgi_sandbox_t *sandbox =
            APR_ARRAY_IDX(all, i, const cgi_sandbox_t *);

        if ((!in_roots && !ap_unixd_config.chroot_dir &&
             check_paths(sandbox, s) != OK) ||
            (!identities && check_suexec(pconf, sandbox, s) != OK) ||
            check_kernel(pconf, sandbox, s) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* ---- one request */

int cgi_sandbox_is_on(const cgi_exec_dir_t *dir)
{
    return dir->sandbox && dir->sandbox->rules;
}

void cgi_sandbox_add(const cgi_request_t *q, cgi_wire_request_t *message)
{
    const cgi_sandbox_t *sandbox = q->options->dir->sandbox;
    static const unsigned int resource[CGI_LIMIT_MAX] = {
        RLIMIT_CPU, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_NOFILE};
    const cgi_exec_options_t *o = q->options;
    apr_array_header_t *rules;
    const char *const *rule;
    struct rlimit *limit;
    int i;

    if (!cgi_sandbox_is_on(q->options->dir)) {
        return;
    }
    rules = apr_array_make(q->r->pool, 8, sizeof(char *));
    for (rule = sandbox->rules; *rule; rule++) {
        APR_ARRAY_PUSH(rules, const char *) = *rule;
    }
    /* Of what is missing, execve() complains. */
    add_rule(rules, CGI_SANDBOX_MAY_READ,
             ap_make_dirstr_parent(q->r->pool, o->script));
    if (o->work_dir) {
        add_rule(rules, CGI_SANDBOX_MAY_READ, o->work_dir);
    }
    add_rule(rules, CGI_SANDBOX_MAY_EXECUTE, o->script);
    add_rule(rules, CGI_SANDBOX_MAY_EXECUTE, message->path);
    APR_ARRAY_PUSH(rules, const char *) = NULL;
    message->sandbox = (const char *const *)rules->elts;

    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        limit = &message->limit[i];
        if (!(sandbox->limits & (1u << i))) {
            continue;
        }
        /* A limit can be lowered only. */
        if (!(message->limits & (1u << i)) && !getrlimit(resource[i], limit)) {
            message->limits |= 1u << i;
        }
        if (limit->rlim_max > sandbox->limit[i]) {
            limit->rlim_max = sandbox->limit[i];
        }
        if (limit->rlim_cur > limit->rlim_max) {
            limit->rlim_cur = limit->rlim_max;
        }
    }
}
