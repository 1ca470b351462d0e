/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A request without a client: httpd's own hooks decide about it, up to the
 * fixups, in a process with the rights of a worker. No handler is called, so
 * nothing runs and nothing is sent.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_file_io.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"

#include "httpd.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_vhost.h"
#include "ap_listen.h"
#include "mpm_common.h"

#include "base/environment.h"
#include "cgi/lookup.h"
#include "cgi/variables.h"

CGI_EXEC_USE_LOG;

#define DEFINE "CGI_LOOKUP="
/* Of the pool of the configuration: what both copies of the engine share. */
#define SHARED "cgi-lookup"
/* More than any list of requests has. */
#define FILE_MAX (16 * 1024 * 1024)
/* More than the event MPM's structure, which is its own. */
#define MPM_STATE_SIZE 4096

enum { LOCAL_IP, LOCAL_PORT, CLIENT_IP, METHOD, HOST, TARGET, WORDS };

static cgi_lookup_describe_t *describe;

/* ---- the answer ---- */

void cgi_lookup_say(apr_pool_t *p, int number, const char *key,
                    const char *value)
{
    apr_file_t *out;

    if (apr_file_open_stdout(&out, p) == APR_SUCCESS) {
        apr_file_printf(out, "CGI-LOOKUP %s %s %s\n",
                        number < 0 ? "-" : apr_itoa(p, number), key,
                        apr_pescape_urlencoded(p, value ? value : ""));
    }
}

static void say_bits(request_rec *r, int number, const char *key, int bits,
                     const char *const *names, const int *values)
{
    const char *text = "";

    for (; *names; names++, values++) {
        if ((bits & *values) == *values) {
            text = apr_pstrcat(r->pool, text, *text ? " " : "", *names, NULL);
        }
    }
    cgi_lookup_say(r->pool, number, key, text);
}

static void say_options(request_rec *r, int number)
{
    static const char *const options[] = {
        "Indexes",        "Includes", "IncludesNOEXEC",
        "FollowSymLinks", "ExecCGI",  "SymLinksIfOwnerMatch",
        "MultiViews",     NULL};
    static const int option_bits[] = {
        OPT_INDEXES,  OPT_INCLUDES | OPT_INC_WITH_EXEC,
        OPT_INCLUDES, OPT_SYM_LINKS,
        OPT_EXECCGI,  OPT_SYM_OWNER,
        OPT_MULTI};
    static const char *const overrides[] = {
        "AuthConfig", "FileInfo", "Indexes", "Limit", "Options", NULL};
    static const int override_bits[] = {OR_AUTHCFG, OR_FILEINFO, OR_INDEXES,
                                        OR_LIMIT, OR_OPTIONS};

    say_bits(r, number, "options", ap_allow_options(r), options, option_bits);
    say_bits(r, number, "allow_override", ap_allow_overrides(r), overrides,
             override_bits);
}

static void say_script(request_rec *r, int number,
                       const cgi_exec_options_t *options)
{
    cgi_request_t q = {.r = r, .c = r->connection, .options = options};
    cgi_input_t in = {.q = &q, .file_fd = -1};
    const char *const *env;
    int i;

    cgi_lookup_say(r->pool, number, "script", options->script);
    cgi_lookup_say(r->pool, number, "root", options->root);
    cgi_lookup_say(r->pool, number, "directory", options->work_dir);
    for (i = 0; options->interpreter && options->interpreter[i]; i++) {
        cgi_lookup_say(r->pool, number, "exec", options->interpreter[i]);
    }
    if (options->nph ||
        !strncmp(apr_filepath_name_get(options->script), "nph-", 4)) {
        cgi_lookup_say(r->pool, number, "nph", "1");
    }
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info &&
        *r->path_info) {
        cgi_lookup_say(r->pool, number, "status", "404");
        cgi_lookup_say(r->pool, number, "why",
                       "AcceptPathInfo is off, and "
                       "the URL has path info");
    }
    cgi_variables_add(&q, &in);
    for (env = cgi_environment_make(r->subprocess_env, NULL, r->pool); *env;
         env++) {
        cgi_lookup_say(r->pool, number, "variable", *env);
    }
}

static void say_request(request_rec *r, int number, int status,
                        const apr_array_header_t *describers)
{
    apr_table_t *facts = apr_table_make(r->pool, 8);
    int i;

    cgi_lookup_say(r->pool, number, "server", r->server->server_hostname);
    cgi_lookup_say(r->pool, number, "server_at",
                   cgi_lookup_server(r->pool, r->server));
    cgi_lookup_say(r->pool, number, "status", apr_itoa(r->pool, status));
    cgi_lookup_say(r->pool, number, "handler", r->handler);
    cgi_lookup_say(r->pool, number, "filename", r->filename);
    cgi_lookup_say(r->pool, number, "location",
                   apr_table_get(r->headers_out, "Location"));
    say_options(r, number);
    for (i = 0; i < describers->nelts; i++) {
        cgi_lookup_describe_t *one =
            APR_ARRAY_IDX(describers, i, cgi_lookup_describe_t *);
        cgi_exec_options_t options = {0};

        if (one(r, &options, facts)) {
            say_script(r, number, &options);
        }
    }
    for (i = 0; i < apr_table_elts(facts)->nelts; i++) {
        const apr_table_entry_t *fact =
            &APR_ARRAY_IDX(apr_table_elts(facts), i, apr_table_entry_t);

        cgi_lookup_say(r->pool, number, fact->key, fact->val);
    }
}

/* ---- the request ---- */

/* The event MPM notes the request's server where it has a connection's state.
 * Of that nobody reads anything here. */
static void add_mpm_state(conn_rec *c)
{
    const module *event = ap_find_linked_module("event.c");

    if (event) {
        ap_set_module_config(c->conn_config, event,
                             apr_pcalloc(c->pool, MPM_STATE_SIZE));
    }
}

static conn_rec *connect_to(apr_pool_t *p, server_rec *s, char *const *words)
{
    conn_rec *c = apr_pcalloc(p, sizeof(*c));
    apr_port_t port = (apr_port_t)atoi(words[LOCAL_PORT]);
    apr_socket_t *socket = NULL;

    if (apr_sockaddr_info_get(&c->local_addr, words[LOCAL_IP], APR_UNSPEC,
                              port, 0, p) ||
        apr_sockaddr_info_get(&c->client_addr, words[CLIENT_IP], APR_UNSPEC, 0,
                              0, p) ||
        apr_socket_create(&socket, c->client_addr->family, SOCK_STREAM, 0,
                          p)) {
        return NULL;
    }
    c->pool = p;
    c->base_server = s;
    c->id = 1;
    c->local_ip = words[LOCAL_IP];
    c->client_ip = words[CLIENT_IP];
    c->conn_config = ap_create_conn_config(p);
    ap_set_module_config(c->conn_config, &core_module, socket);
    c->notes = apr_table_make(p, 5);
    c->bucket_alloc = apr_bucket_alloc_create(p);
    c->cs = apr_pcalloc(p, sizeof(*c->cs));
    add_mpm_state(c);
    ap_update_vhost_given_ip(c);
    return c;
}

/* Its line and header are as a client would send them. Not by httpd's reader
 * of requests: the MPM would look for the connection that it has made. */
static request_rec *receive(conn_rec *c, char *const *words)
{
    apr_pool_t *p = c->pool;
    request_rec *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->connection = c;
    r->server = c->base_server;
    r->allowed_methods = ap_make_method_list(p, 2);
    r->headers_in = apr_table_make(p, 4);
    r->trailers_in = apr_table_make(p, 1);
    r->headers_out = apr_table_make(p, 4);
    r->err_headers_out = apr_table_make(p, 4);
    r->trailers_out = apr_table_make(p, 1);
    r->subprocess_env = apr_table_make(p, 30);
    r->notes = apr_table_make(p, 4);
    r->request_config = ap_create_request_config(p);
    r->status = HTTP_OK;
    r->used_path_info = AP_REQ_DEFAULT_PATH_INFO;
    r->useragent_addr = c->client_addr;
    r->useragent_ip = c->client_ip;
    r->request_time = apr_time_now();
    ap_run_create_request(r);

    r->the_request =
        apr_pstrcat(p, words[METHOD], " ", words[TARGET], " HTTP/1.1", NULL);
    r->method = words[METHOD];
    r->method_number = ap_method_number_of(r->method);
    r->header_only = !strcmp(r->method, "HEAD");
    r->protocol = "HTTP/1.1";
    r->proto_num = HTTP_VERSION(1, 1);
    ap_parse_uri(r, words[TARGET]);
    apr_table_setn(r->headers_in, "Host", words[HOST]);
    apr_table_setn(r->headers_in, "User-Agent", "cgi-check");
    ap_update_vhost_from_headers(r);
    r->per_dir_config = r->server->lookup_defaults;
    return r;
}

/* @return the status that httpd decides before a handler */
static int decide(request_rec *r)
{
    int status =
        r->status == HTTP_OK ? ap_run_post_read_request(r) : r->status;

    return status == OK || status == DECLINED ? ap_process_request_internal(r)
                                              : status;
}

static void look_up(apr_pool_t *p, server_rec *s, int number, char *line,
                    const apr_array_header_t *describers)
{
    char *words[WORDS];
    request_rec *r;
    conn_rec *c;
    char *rest;
    int n;

    words[0] = line;
    for (n = 1; n < WORDS && (rest = strchr(words[n - 1], '\t')); n++) {
        *rest++ = '\0';
        words[n] = rest;
    }
    cgi_lookup_say(p, number, "begin", "");
    c = n == WORDS ? connect_to(p, s, words) : NULL;
    if (c) {
        r = receive(c, words);
        say_request(r, number, decide(r), describers);
    }
    else {
        cgi_lookup_say(p, number, "status", "400");
    }
    cgi_lookup_say(p, number, "end", "");
}

/* ---- at the end of httpd -t ---- */

const char *cgi_lookup_server(apr_pool_t *p, const server_rec *s)
{
    return s->defn_name
               ? apr_psprintf(p, "%s:%u", s->defn_name, s->defn_line_number)
               : "main";
}

/* With an address at which it can be reached. */
static void say_servers(apr_pool_t *p, const server_rec *s)
{
    for (; s; s = s->next) {
        const server_addr_rec *address = s->addrs;
        apr_port_t port = s->port;
        char *ip = NULL;

        if (s->is_virtual && address) {
            port = address->host_port;
            if (strcmp(address->virthost, "*") != 0) {
                (void)apr_sockaddr_ip_get(&ip, address->host_addr);
            }
        }
        if (!port && ap_listeners && ap_listeners->bind_addr) {
            port = ap_listeners->bind_addr->port;
        }
        cgi_lookup_say(p, -1, "server_at", cgi_lookup_server(p, s));
        cgi_lookup_say(p, -1, "server_name", s->server_hostname);
        cgi_lookup_say(p, -1, "server_ip", ip ? ip : "127.0.0.1");
        cgi_lookup_say(p, -1, "server_port", apr_itoa(p, port ? port : 80));
    }
}

static const char *wanted_file(void)
{
    const apr_array_header_t *defines = ap_server_config_defines;
    int i;

    for (i = 0; i < defines->nelts; i++) {
        const char *define = APR_ARRAY_IDX(defines, i, const char *);

        if (!strncmp(define, DEFINE, strlen(DEFINE))) {
            return define + strlen(DEFINE);
        }
    }
    return NULL;
}

int cgi_lookup_is_wanted(void)
{
    return wanted_file() != NULL;
}

static char *read_requests(apr_pool_t *p)
{
    apr_finfo_t info;
    apr_file_t *file;
    apr_size_t size;
    char *text;

    if (apr_file_open(&file, wanted_file(), APR_FOPEN_READ, 0, p) ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) ||
        info.size > FILE_MAX) {
        return NULL;
    }
    size = (apr_size_t)info.size;
    text = apr_pcalloc(p, size + 1);
    return !size || apr_file_read_full(file, text, size, NULL) == APR_SUCCESS
               ? text
               : NULL;
}

/* Nobody has opened logs. What is logged about a request is its reason. */
static void log_to_stderr(apr_pool_t *p, server_rec *s)
{
    apr_file_t *file = NULL;

    (void)apr_file_open_stderr(&file, p);
    for (; s; s = s->next) {
        core_server_config *core = ap_get_core_module_config(s->module_config);

        core->error_log_format = NULL;
        s->error_log = file;
    }
}

/* Some modules make tables there that they read for each request. httpd does
 * the same at each start, in the state in which it is now, and throws all
 * away: then nothing is started. mod_ssl could ask for a password. */
static void prepare_modules(apr_pool_t *p, server_rec *s)
{
    const apr_array_header_t *hooks = ap_hook_get_post_config();
    int i;

    for (i = 0; hooks && i < hooks->nelts; i++) {
        const ap_LINK_post_config_t *hook =
            &APR_ARRAY_IDX(hooks, i, ap_LINK_post_config_t);

        if (strcmp(hook->szName, "mod_ssl.c") != 0) {
            (void)hook->pFunc(p, p, p, s);
        }
    }
}

static void look_up_all(apr_pool_t *p, server_rec *s, char *text,
                        const apr_array_header_t *describers)
{
    apr_pool_t *pool;
    char *line, *rest;
    int number = 0;

    for (line = apr_strtok(text, "\n", &rest); line;
         line = apr_strtok(NULL, "\n", &rest)) {
        apr_pool_create(&pool, p);
        apr_pool_tag(pool, "cgi_lookup");
        look_up(pool, s, number++, line, describers);
        apr_pool_destroy(pool);
    }
    cgi_lookup_say(p, -1, "complete", "");
}

/* Each copy of the engine brings its module's part, before any looks. */
static void join(apr_pool_t *p, server_rec *s)
{
    apr_array_header_t *describers = NULL;
    void *data = NULL;

    if (!cgi_lookup_is_wanted()) {
        return;
    }
    (void)apr_pool_userdata_get(&data, SHARED, p);
    describers = data;
    if (!describers) {
        describers = apr_array_make(p, 2, sizeof(cgi_lookup_describe_t *));
        (void)apr_pool_userdata_set(describers, SHARED, NULL, p);
    }
    APR_ARRAY_PUSH(describers, cgi_lookup_describe_t *) = describe;
    for (; s; s = s->next) {
        ap_set_module_loglevel(p, &s->log, APLOG_MODULE_INDEX, APLOG_TRACE1);
    }
}

/* In a process of its own: it becomes what a worker is. */
static void answer(apr_pool_t *p, server_rec *s)
{
    apr_exit_why_e why;
    apr_proc_t child;
    void *describers = NULL;
    char *text;
    int code;

    (void)apr_pool_userdata_get(&describers, SHARED, p);
    if (!describers) {
        return; /* not wanted, or the other copy has done it */
    }
    (void)apr_pool_userdata_set(NULL, SHARED, NULL, p);
    say_servers(p, s);
    text = read_requests(p);
    if (!text) {
        cgi_lookup_say(p, -1, "failed", "the list of requests can't be read");
        return;
    }
    if (apr_proc_fork(&child, p) == APR_INCHILD) {
        log_to_stderr(p, s);
        prepare_modules(p, s);
        if (ap_run_drop_privileges(p, s) == OK) {
            look_up_all(p, s, text, describers);
        }
        _exit(0);
    }
    (void)apr_proc_wait(&child, &code, &why, APR_WAIT);
    if (!APR_PROC_CHECK_EXIT(why)) {
        cgi_lookup_say(p, -1, "failed",
                       apr_psprintf(p, "signal %d ended it", code));
    }
}

void cgi_lookup_register_hooks(cgi_lookup_describe_t *describe_)
{
    describe = describe_;
    ap_hook_test_config(join, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_test_config(answer, NULL, NULL, APR_HOOK_REALLY_LAST);
}
