/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Whatever a worker sends (C22): what the privileged launcher would run lies
 * below the fixed part of a route, in its root, with its words, and with
 * nothing in the environment that a program takes orders from.
 *
 * Input: a byte that says which kind the rest is: a message; values and
 * variables of a message, as strings ended by NUL, with a byte for the number
 * of values before them; or identities.
 */
/* link: base/identity.c base/wire.c base/metavars.c base/safe.c */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/identity.h"
#include "target.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What an identity is for, said once more in the words of the test: where
 * everything begins and ends, and of which characters it is. */
typedef struct expected_t {
    const char *root, *root_end;
    const char *script, *script_end;
    const char *dir; /* NULL: the script's */
    int strict;
} expected_t;

static const expected_t expected[] = {
    {"/jails/", "/root", "/cgi/", ".cgi", "/host/", 1},
    {"", "", "/srv/ext/", "", NULL, 1},
    {"", "", "/srv/any/x", "y/app", NULL, 0},
};
#define N ((int)(sizeof(expected) / sizeof(*expected)))

static const cgi_identity_var_t vars[] = {
    {"GIT_PROJECT_ROOT", LIST("=/srv/git/", "$0")},
    {"LD_LIBRARY_PATH", LIST("=/srv/lib")},
    {NULL, NULL}};

static const cgi_identity_t identities[N] = {
    {.uid = 7,
     .gid = 8,
     .groups = LIST("9"),
     .values = "hn",
     .root = LIST("=/jails/", "$0", "=/root"),
     .script = LIST("=/cgi/", "$1", "=.cgi"),
     .dir = LIST("=/host/", "$0"),
     .vars = vars},
    {.uid = 7,
     .values = "n",
     .script = LIST("=/srv/ext/", "$0"),
     .interpreter = LIST("/usr/bin/php-cgi", "-n"),
     .vars = vars},
    {.uid = 7,
     .values = "aa",
     .script = LIST("=/srv/any/x", "$0", "=//", "$1", "=y/app"),
     .vars = vars}};

static void wrong(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    abort();
}

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* As the kernel goes along a path: how deep at the end, and where highest. */
static void must_stay(const char *path, const char *below)
{
    apr_size_t n = strlen(below);
    const char *c;

    if (*path != '/' || !begins(path, below)) {
        wrong("not below", path);
    }
    for (c = path; (c = strstr(c, "..")) != NULL; c++) {
        if (c[-1] == '/' && (c[2] == '/' || !c[2])) {
            wrong("up", path);
        }
    }
    if (strstr(path, "/./") || strchr(path, '\n') || strchr(path, '\r')) {
        wrong("dot or end of line", path);
    }
    if (n > 1 && path[strlen(path) - 1] == '.' &&
        path[strlen(path) - 2] == '/') {
        wrong("dot at the end", path);
    }
}

/* A host is one name, and may begin with "-". */
static int is_host_dir(const char *below)
{
    return begins(below, "/host/") || begins(below, "/jails/");
}

/* Of the characters that a URL may bring in, up to the route's own end. */
static void must_be_plain(const char *path, const char *below,
                          const char *own_end, int strict)
{
    const char *c, *end = path + strlen(path) - strlen(own_end);

    must_stay(path, below);
    for (c = path + strlen(below); strict && c < end; c++) {
        int plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("_/.-:[]", *c);

        if (!plain || (c[-1] == '/' && *c == '.') ||
            (c[-1] == '/' && *c == '-' && !is_host_dir(below)) ||
            (*c == '/' && is_host_dir(below))) {
            wrong("a name", path);
        }
    }
}

static void must_end(const char *path, const char *begin, const char *end)
{
    apr_size_t n = strlen(path), m = strlen(end);

    if (n < strlen(begin) + m || strcmp(path + n - m, end) != 0) {
        wrong("another end", path);
    }
}

static void check_root(const expected_t *e, const char *root)
{
    if (!*e->root) {
        if (*root) {
            wrong("a root", root);
        }
        return;
    }
    must_end(root, e->root, e->root_end);
    must_be_plain(root, e->root, e->root_end, e->strict);
    if (strstr(root, "//") || root[strlen(root) - 1] == '/' ||
        begins(root + strlen(e->root), e->root_end)) {
        wrong("no jail", root);
    }
}

static void check_argv(const cgi_identity_t *id, const char *path,
                       const char *script, const char *const *argv)
{
    const char *const *word = id->interpreter;

    if (!word) {
        if (strcmp(path, script) != 0 || argv[1] ||
            strcmp(argv[0], strrchr(script, '/') + 1) != 0) {
            wrong("the command line", path);
        }
        return;
    }
    if (strcmp(path, *word) != 0) {
        wrong("the interpreter", path);
    }
    for (; *word; word++, argv++) {
        if (strcmp(*word, *argv) != 0) {
            wrong("a word", *argv);
        }
    }
    if (strcmp(*argv, script) != 0 || argv[1]) {
        wrong("the script", *argv);
    }
}

/* No variable but these may arrive. */
static int is_harmless(const char *name)
{
    static const char *const start[] = {
        "AUTH",    "CONTE",   "DATE_",   "DOCUM",    "ERROR_N",
        "GATEW",   "H2",      "HTTP",    "LAST_",    "PATH_I",
        "QUERY_",  "REDIREC", "REMOTE",  "REQUEST_", "SCRIPT",
        "SERVER_", "SSL_",    "UNIQUE_", "USER_N",   NULL};
    int i;

    for (i = 0; start[i]; i++) {
        if (begins(name, start[i])) {
            return !begins(name, "SSL_CERT") && !begins(name, "HTTP_PROXY=");
        }
    }
    return 0;
}

static void check_env(const char *script, const char *git,
                      const char *const *env)
{
    int paths = 0, scripts = 0;

    for (; *env; env++) {
        const char *name = *env;
        apr_size_t len = strcspn(name, "=");

        if (!name[len] ||
            strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789_") != len) {
            wrong("a name of a variable", name);
        }
        if (!strcmp(name, "PATH=/bin")) {
            paths++;
        }
        else if (begins(name, "SCRIPT_FILENAME=")) {
            scripts += !strcmp(name + 16, script);
            paths += strcmp(name + 16, script) ? 99 : 0;
        }
        else if (begins(name, "GIT_PROJECT_ROOT=")) {
            if (!begins(name + 17, "/srv/git/") ||
                strcmp(name + 17 + 9, git) != 0) {
                wrong("a value", name);
            }
        }
        else if (!is_harmless(name)) {
            wrong("a variable", name);
        }
    }
    if (paths != 1 || scripts != 1) {
        wrong("PATH or SCRIPT_FILENAME", script);
    }
}

static void check(const cgi_wire_request_t *request, apr_pool_t *p)
{
    cgi_wire_request_t safe;
    int i;

    for (i = 0; i < N; i++) {
        const expected_t *e = &expected[i];
        const cgi_identity_t *id = &identities[i];
        const char *script;

        memset(&safe, 0x55, sizeof(safe));
        if (cgi_identity_check(id, request, &safe, p)) {
            continue;
        }
        script = id->interpreter ? safe.argv[2] : safe.path;
        check_root(e, safe.root);
        must_end(script, e->script, e->script_end);
        must_be_plain(script, e->script, e->script_end, e->strict);
        if (e->dir) {
            must_be_plain(safe.dir, e->dir, "", e->strict);
        }
        else if (!begins(script, safe.dir) ||
                 strchr(script + strlen(safe.dir), '/') ||
                 safe.dir[strlen(safe.dir) - 1] != '/') {
            wrong("the working directory", safe.dir);
        }
        check_argv(id, safe.path, script, safe.argv);
        check_env(script, request->values[0], safe.env);
    }
}

static void try_message(const void *data, size_t size, apr_pool_t *p)
{
    cgi_wire_request_t request;

    if (cgi_wire_decode(&request, apr_pmemdup(p, data, size), size, p) ==
        APR_SUCCESS) {
        check(&request, p);
    }
}

static void try_strings(const char *data, size_t size, apr_pool_t *p)
{
    cgi_wire_request_t request = {.path = "", .dir = "", .identity = 1};
    const char **strings = apr_pcalloc(p, (size + 2) * sizeof(*strings));
    const char **values = apr_pcalloc(p, 4 * sizeof(*values));
    char *at, *end;
    apr_size_t encoded_size;
    void *encoded;
    int i, n;

    n = *data & 3;
    at = apr_pstrmemdup(p, data + 1, size - 1);
    memcpy(at, data + 1, size - 1);
    end = at + size - 1;
    for (i = 0; i < n && at < end; i++, at += strlen(at) + 1) {
        values[i] = at;
    }
    for (n = 0; at < end; n++, at += strlen(at) + 1) {
        strings[n] = at;
    }
    request.argv = LIST("");
    request.env = strings;
    request.values = values;
    if (cgi_wire_encode(&request, p, &encoded, &encoded_size) == APR_SUCCESS) {
        try_message(encoded, encoded_size, p);
    }
}

/* What can be read can be written, and is what it was. */
static void try_identities(const void *data, size_t size, apr_pool_t *p)
{
    cgi_identity_t *read, *again;
    apr_size_t once_size, twice_size;
    void *once, *twice;
    int n;

    if (cgi_identity_decode(&read, &n, apr_pmemdup(p, data, size), size, p)) {
        return;
    }
    cgi_identity_encode(read, n, p, &once, &once_size);
    if (cgi_identity_decode(&again, &n, apr_pmemdup(p, once, once_size),
                            once_size, p)) {
        wrong("identities", "not read again");
    }
    cgi_identity_encode(again, n, p, &twice, &twice_size);
    if (once_size != twice_size || memcmp(once, twice, once_size) != 0) {
        wrong("identities", "not the same again");
    }
    for (; n; n--) {
        if (again[n - 1].uid == 0) {
            wrong("identities", "root");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    if (size < 2) {
        return 0;
    }
    apr_pool_create(&p, start());
    switch (*data % 3) {
    case 0:
        try_message(data + 1, size - 1, p);
        break;
    case 1:
        try_strings((const char *)data + 1, size - 1, p);
        break;
    default:
        try_identities(data + 1, size - 1, p);
    }
    apr_pool_destroy(p);
    return 0;
}
