/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "identity.h"

/* Variables that a worker may give to a script of another user: those of
 * RFC 3875, and those that httpd's core and its modules are known to set. A
 * name ending in * is a beginning. LD_PRELOAD and its like are not here. */
static const char *const env_known[] = {"AUTH_TYPE",
                                        "CONTENT_LENGTH",
                                        "CONTENT_TYPE",
                                        "CONTEXT_DOCUMENT_ROOT",
                                        "CONTEXT_PREFIX",
                                        "DATE_GMT",
                                        "DATE_LOCAL",
                                        "DOCUMENT_ARGS",
                                        "DOCUMENT_NAME",
                                        "DOCUMENT_PATH_INFO",
                                        "DOCUMENT_ROOT",
                                        "DOCUMENT_URI",
                                        "GATEWAY_INTERFACE",
                                        "HTTPS",
                                        "HTTP_*",
                                        "LAST_MODIFIED",
                                        "PATH",
                                        "PATH_INFO",
                                        "PATH_TRANSLATED",
                                        "QUERY_STRING",
                                        "QUERY_STRING_UNESCAPED",
                                        "REDIRECT_*",
                                        "REMOTE_ADDR",
                                        "REMOTE_HOST",
                                        "REMOTE_IDENT",
                                        "REMOTE_PORT",
                                        "REMOTE_USER",
                                        "REQUEST_METHOD",
                                        "REQUEST_SCHEME",
                                        "REQUEST_URI",
                                        "SCRIPT_FILENAME",
                                        "SCRIPT_NAME",
                                        "SCRIPT_URI",
                                        "SCRIPT_URL",
                                        "SERVER_*",
                                        "SSL_*",
                                        "TZ",
                                        "UNIQUE_ID",
                                        "USER_NAME",
                                        NULL};

/* Strings one after the other, each with its NUL. */
typedef struct writer_t {
    char *data;
    apr_size_t size; /* counted first, with data NULL */
} writer_t;

static void put(writer_t *w, const char *string)
{
    apr_size_t len = strlen(string) + 1;

    if (w->data) {
        memcpy(w->data + w->size, string, len);
    }
    w->size += len;
}

static void put_number(writer_t *w, unsigned long number)
{
    char text[32];

    apr_snprintf(text, sizeof(text), "%lu", number);
    put(w, text);
}

static void put_path(writer_t *w, const cgi_identity_path_t *path)
{
    put(w, path->fixed ? path->fixed : "");
    put_number(w, path->open != 0);
}

static void put_list(writer_t *w, const char *const *list)
{
    unsigned long n = 0;

    while (list && list[n]) {
        n++;
    }
    put_number(w, n);
    while (list && *list) {
        put(w, *list++);
    }
}

static void put_all(writer_t *w, const cgi_identity_t *identities, int n)
{
    put_number(w, (unsigned long)n);
    for (; n; n--, identities++) {
        put_number(w, identities->uid);
        put_number(w, identities->gid);
        put_list(w, identities->groups);
        put_path(w, &identities->root);
        put_path(w, &identities->script);
        put_path(w, &identities->dir);
        put_number(w, identities->any_names != 0);
        put_list(w, identities->interpreter);
        put_list(w, identities->env_names);
    }
}

void cgi_identity_encode(const cgi_identity_t *identities, int n,
                         apr_pool_t *p, void **data, apr_size_t *size)
{
    writer_t w = {NULL, 0};

    put_all(&w, identities, n);
    w.data = *data = apr_palloc(p, w.size);
    *size = w.size;
    w.size = 0;
    put_all(&w, identities, n);
}

typedef struct reader_t {
    const char *at, *end;
    int bad;
} reader_t;

static const char *take(reader_t *r)
{
    const char *string = r->at;
    const char *nul =
        r->bad ? NULL : memchr(r->at, '\0', (size_t)(r->end - r->at));

    if (!nul) {
        r->bad = 1;
        return "";
    }
    r->at = nul + 1;
    return string;
}

static unsigned long take_number(reader_t *r)
{
    const char *text = take(r);
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (!apr_isdigit(*text) || *end) {
        r->bad = 1;
        return 0;
    }
    return number;
}

static void take_path(reader_t *r, cgi_identity_path_t *path)
{
    path->fixed = take(r);
    path->open = take_number(r) != 0;
}

static const char *const *take_list(reader_t *r, apr_pool_t *p)
{
    unsigned long i, n = take_number(r);
    const char **list;

    if (n > (unsigned long)(r->end - r->at)) {
        r->bad = 1;
        n = 0;
    }
    list = apr_palloc(p, (n + 1) * sizeof(*list));
    for (i = 0; i < n; i++) {
        list[i] = take(r);
    }
    list[n] = NULL;
    return n ? list : NULL;
}

apr_status_t cgi_identity_decode(cgi_identity_t **identities, int *n,
                                 void *data, apr_size_t size, apr_pool_t *p)
{
    reader_t r = {data, (const char *)data + size, 0};
    unsigned long i, count = take_number(&r);

    if (r.bad || count > size) {
        return APR_EINVAL;
    }
    *n = (int)count;
    *identities = apr_pcalloc(p, (count + 1) * sizeof(**identities));
    for (i = 0; i < count && !r.bad; i++) {
        cgi_identity_t *id = &(*identities)[i];

        id->uid = (uid_t)take_number(&r);
        id->gid = (gid_t)take_number(&r);
        id->groups = take_list(&r, p);
        take_path(&r, &id->root);
        take_path(&r, &id->script);
        take_path(&r, &id->dir);
        id->any_names = take_number(&r) != 0;
        id->interpreter = take_list(&r, p);
        id->env_names = take_list(&r, p);
    }
    return r.bad || r.at != r.end ? APR_EINVAL : APR_SUCCESS;
}

/* What a request chose, from byte fixed on: names, and none that leads
 * elsewhere. */
static int is_safe_tail(const char *tail, apr_size_t fixed, int any)
{
    const char *segment, *end;

    for (segment = tail;; segment = end + 1) {
        const char *c;

        end = segment + strcspn(segment, "/");
        if (!any && segment >= tail + fixed &&
            (*segment == '.' || *segment == '-')) {
            return 0;
        }
        if ((end - segment == 1 && segment[0] == '.') ||
            (end - segment == 2 && segment[0] == '.' && segment[1] == '.')) {
            return 0;
        }
        for (c = segment; c < end; c++) {
            if (*c == '\n' || *c == '\r') {
                return 0;
            }
            /* ":" stands for a dot at the beginning of a host's name */
            if (!any && !apr_isalnum(*c) && !strchr("._-:", *c)) {
                return 0;
            }
        }
        if (!*end) {
            return 1;
        }
    }
}

static int matches(const cgi_identity_path_t *path, const char *value, int any)
{
    apr_size_t len = strlen(path->fixed), start = len;

    if (!path->open) {
        return !strcmp(path->fixed, value);
    }
    /* The fixed part may end within a segment: hold the whole of that
     * segment against the rule, so that "/srv/." + "." is no way up. */
    if (strncmp(path->fixed, value, len)) {
        return 0;
    }
    while (start && value[start - 1] != '/') {
        start--;
    }
    return is_safe_tail(value + start, len - start, any);
}

static int name_is(const char *known, const char *entry, apr_size_t len)
{
    apr_size_t known_len = strlen(known);

    if (known_len && known[known_len - 1] == '*') {
        return len >= known_len && !strncmp(known, entry, known_len - 1);
    }
    return len == known_len && !strncmp(known, entry, len);
}

static int is_listed(const char *const *list, const char *entry,
                     apr_size_t len)
{
    for (; list && *list; list++) {
        if (name_is(*list, entry, len)) {
            return 1;
        }
    }
    return 0;
}

static const char *const *filter_env(const cgi_identity_t *identity,
                                     const char *const *env, apr_pool_t *p)
{
    const char **safe;
    int i, n = 0;

    for (i = 0; env[i]; i++) {
        ;
    }
    safe = apr_palloc(p, ((apr_size_t)i + 1) * sizeof(*safe));
    for (i = 0; env[i]; i++) {
        apr_size_t len = strcspn(env[i], "=");

        if (env[i][len] && strncmp(env[i], "LD_", 3) &&
            (is_listed(env_known, env[i], len) ||
             is_listed(identity->env_names, env[i], len))) {
            safe[n++] = env[i];
        }
    }
    safe[n] = NULL;
    return safe;
}

static const char *const *make_argv(const cgi_identity_t *identity,
                                    const char *script, apr_pool_t *p)
{
    const char **argv;
    int n = 0;

    if (!identity->interpreter) {
        argv = apr_palloc(p, 2 * sizeof(*argv));
        argv[0] = apr_filepath_name_get(script);
        argv[1] = NULL;
        return argv;
    }
    while (identity->interpreter[n]) {
        n++;
    }
    argv = apr_palloc(p, ((apr_size_t)n + 2) * sizeof(*argv));
    memcpy(argv, identity->interpreter, (size_t)n * sizeof(*argv));
    argv[n] = script;
    argv[n + 1] = NULL;
    return argv;
}

const char *cgi_identity_check(const cgi_identity_t *identity,
                               const cgi_wire_request_t *request,
                               cgi_wire_request_t *safe, apr_pool_t *p)
{
    if (!matches(&identity->root, request->root, identity->any_names)) {
        return "its root directory is not the route's";
    }
    if (!matches(&identity->script, request->script, identity->any_names)) {
        return "its script is not the route's";
    }
    if (!matches(&identity->dir, request->dir, identity->any_names)) {
        return "its working directory is not the route's";
    }
    *safe = *request;
    safe->path =
        identity->interpreter ? identity->interpreter[0] : request->script;
    safe->argv = make_argv(identity, request->script, p);
    safe->env = filter_env(identity, request->env, p);
    return NULL;
}
