/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * A message to a launcher, as a worker could send it that somebody else has
 * taken over: what the launcher makes of it lies within the message, and what
 * the privileged launcher then runs is one of the configuration's scripts.
 *
 * Input: a number of changes; so many pairs of a place in the message and a
 * byte to put there; then lines, of which the message is made: path, dir,
 * the rest by their first character: "-word" of the command line, "$value" of
 * a reference, "#n" the identity, "!rule" of a sandbox; others are variables.
 * A number of 255: what follows is the message itself.
 */
/* link: base/wire.c base/identity.c base/metavars.c base/safe.c */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/identity.h"
#include "target.h"

#define LINES_MAX 64
#define CHANGE 3 /* bytes: two of the place, one to put there */

static void wrong(const char *what, const char *value)
{
    fprintf(stderr, "%s: %s\n", what, value);
    abort();
}

/* ---- what a message may be ---- */

static void must_be_within(const char *string, const char *from,
                           apr_size_t size)
{
    if (string < from || string >= from + size ||
        !memchr(string, '\0', (size_t)(from + size - string))) {
        wrong("outside of the message", "a string");
    }
}

static void check_list(const char *const *list, const char *from,
                       apr_size_t size)
{
    for (; *list; list++) {
        must_be_within(*list, from, size);
    }
}

static void must_be_same_list(const char *const *a, const char *const *b)
{
    for (; *a && *b; a++, b++) {
        if (strcmp(*a, *b) != 0) {
            wrong("not the same word", *a);
        }
    }
    if (*a || *b) {
        wrong("not the same number", "of words");
    }
}

static void must_be_same(const cgi_wire_request_t *a,
                         const cgi_wire_request_t *b)
{
    int i;

    if (strcmp(a->path, b->path) != 0 || strcmp(a->dir, b->dir) != 0 ||
        a->identity != b->identity || a->kill_ms != b->kill_ms ||
        a->limits != b->limits) {
        wrong("not the same", a->path);
    }
    must_be_same_list(a->argv, b->argv);
    must_be_same_list(a->env, b->env);
    must_be_same_list(a->values, b->values);
    if (!a->sandbox != !b->sandbox) {
        wrong("not the same", "sandbox");
    }
    if (a->sandbox) {
        must_be_same_list(a->sandbox, b->sandbox);
    }
    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        if (a->limit[i].rlim_cur != b->limit[i].rlim_cur ||
            a->limit[i].rlim_max != b->limit[i].rlim_max) {
            wrong("not the same", "limit");
        }
    }
}

/* ---- what the privileged launcher makes of it ---- */

static const char *const word_srv[] = {"=/srv/jail/", "$0", NULL};
static const char *const word_script[] = {"=/bin/", "$1", NULL};
static const char *const word_any[] = {"=/data/.", "$0", "=/x/", "$1", NULL};
static const char *const word_var[] = {"=/var/", "$1", NULL};
static const char *const interpreter[] = {"/usr/bin/perl", "-w", NULL};
static const cgi_identity_var_t vars[] = {
    {"ROUTE_VAR", word_var}, {"PATH", word_var}, {NULL, NULL}};
static const cgi_identity_t identities[] = {
    {.uid = 1000,
     .gid = 1000,
     .values = "hn",
     .root = word_srv,
     .script = word_script},
    {.uid = 1001,
     .gid = 1001,
     .values = "aa",
     .script = word_any,
     .interpreter = interpreter,
     .vars = vars},
};

/* Nothing in it that leads anywhere else. */
static void must_be_below(const char *path, const char *dir)
{
    const char *end, *segment;

    if (strncmp(path, dir, strlen(dir)) != 0 || strpbrk(path, "\r\n")) {
        wrong("not below", path);
    }
    for (segment = path; segment; segment = *end ? end + 1 : NULL) {
        end = segment + strcspn(segment, "/");
        if ((end - segment == 1 || end - segment == 2) &&
            !strncmp(segment, "..", (size_t)(end - segment))) {
            wrong("no name", path);
        }
    }
}

static void check_identity(const cgi_identity_t *identity,
                           const cgi_wire_request_t *request, apr_pool_t *p)
{
    cgi_wire_request_t safe;
    const char *const *env;
    const char *tail;

    if (cgi_identity_check(identity, request, &safe, p)) {
        return;
    }
    if (identity->root) {
        must_be_below(safe.root, "/srv/jail/");
        tail = safe.root + strlen("/srv/jail/");
        if (!*tail || strchr(tail, '/')) {
            wrong("not a directory of a host", safe.root);
        }
        must_be_below(safe.path, "/bin/");
        must_be_below(safe.dir, "/bin/");
    }
    else {
        if (*safe.root || safe.argv[0] != interpreter[0] ||
            safe.argv[1] != interpreter[1] || !safe.argv[2] || safe.argv[3]) {
            wrong("another command line", safe.path);
        }
        must_be_below(safe.argv[2], "/data/");
        must_be_below(safe.dir, "/data/");
    }
    for (env = safe.env; *env; env++) {
        if (!strncmp(*env, "LD_", 3) || !strncmp(*env, "HTTP_PROXY=", 11) ||
            !strncmp(*env, "IFS=", 4) || !strchr(*env, '=') ||
            (!strncmp(*env, "PATH=", 5) && strcmp(*env, "PATH=/bin") != 0 &&
             strncmp(*env, "PATH=/var/", 10) != 0)) {
            wrong("a variable", *env);
        }
    }
}

static void check_message(const char *bytes, apr_size_t size, apr_pool_t *p)
{
    char *copy = malloc(size ? size : 1); /* of that size, for ASan */
    cgi_wire_request_t request, again;
    void *data;
    apr_size_t length, i;

    memcpy(copy, bytes, size);
    if (cgi_wire_decode(&request, copy, size, p) == APR_SUCCESS) {
        must_be_within(request.path, copy, size);
        must_be_within(request.dir, copy, size);
        check_list(request.argv, copy, size);
        check_list(request.env, copy, size);
        check_list(request.values, copy, size);
        if (request.sandbox) {
            check_list(request.sandbox, copy, size);
        }
        if (!request.argv[0]) {
            wrong("no argv[0]", request.path);
        }
        if (cgi_wire_encode(&request, p, &data, &length) != APR_SUCCESS ||
            length != size ||
            cgi_wire_decode(&again, data, length, p) != APR_SUCCESS) {
            wrong("can't be written again", request.path);
        }
        must_be_same(&request, &again);
        for (i = 0; i < sizeof(identities) / sizeof(*identities); i++) {
            check_identity(&identities[i], &request, p);
        }
    }
    free(copy);
}

/* ---- the input ---- */

/* Lines of the input as a message. */
static void make_message(const char *text, apr_size_t len, apr_pool_t *p,
                         void **data, apr_size_t *size)
{
    const char *argv[LINES_MAX + 1], *env[LINES_MAX + 1],
        *values[LINES_MAX + 1], *rules[LINES_MAX + 1];
    cgi_wire_request_t request = {.path = "", .dir = "", .kill_ms = 3000};
    cgi_wire_request_t decoded;
    int i, argc = 0, envc = 0, valuec = 0, rulec = 0;
    char *last = NULL, *line = apr_pstrmemdup(p, text, len);

    argv[argc++] = "script";
    for (i = 0; i < LINES_MAX - 1; i++) {
        line = apr_strtok(i ? NULL : line, "\n", &last);
        if (!line) {
            break;
        }
        if (i == 0) {
            request.path = line;
        }
        else if (i == 1) {
            request.dir = line;
        }
        else if (*line == '-') {
            argv[argc++] = line + 1;
        }
        else if (*line == '$') {
            values[valuec++] = line + 1;
        }
        else if (*line == '!') {
            rules[rulec++] = line + 1;
        }
        else if (*line == '#') {
            request.identity = (unsigned int)strtoul(line + 1, NULL, 10);
            request.limits = 1u << (request.identity % CGI_LIMIT_MAX);
            request.limit[request.identity % CGI_LIMIT_MAX].rlim_cur =
                (rlim_t)i;
        }
        else {
            env[envc++] = line;
        }
    }
    argv[argc] = env[envc] = values[valuec] = rules[rulec] = NULL;
    request.argv = argv;
    request.env = env;
    request.values = values;
    request.sandbox = rulec ? rules : NULL;
    if (cgi_wire_encode(&request, p, data, size) != APR_SUCCESS ||
        cgi_wire_decode(&decoded, apr_pmemdup(p, *data, *size), *size, p) !=
            APR_SUCCESS) {
        wrong("can't be written", request.path);
    }
    must_be_same(&request, &decoded);
}

static void try(const uint8_t *input, size_t size, apr_pool_t *p)
{
    size_t i, changes = input[0];
    apr_size_t length;
    void *data;

    input++;
    size--;
    if (changes == 255) {
        check_message((const char *)input, size, p);
        return;
    }
    if (changes * CHANGE > size) {
        return;
    }
    make_message((const char *)input + changes * CHANGE,
                 size - changes * CHANGE, p, &data, &length);
    for (i = 0; i < changes; i++) {
        const uint8_t *change = input + i * CHANGE;

        apr_size_t at = change[0] + 256u * change[1];

        ((uint8_t *)data)[at % length] = change[2];
    }
    check_message(data, length, p);
    check_message(data, length - 1, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    if (size > 0) {
        apr_pool_create(&p, start());
        try(data, size, p);
        apr_pool_destroy(p);
    }
    return 0;
}
