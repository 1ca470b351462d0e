/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Whatever a route's line and a URL are: the file that is looked for lies
 * below the route's fixed part (C4), and the prefix that the prefilter goes
 * by begins every URL that matches (C12).
 *
 * Input: a byte of flags, then lines: regex, SCRIPT, dir=, chroot=, host; what
 * follows is the URL's path.
 */
/* link: base/path.c base/template.c base/safe.c base/pattern.c */
/* link: base/prefix.c */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/path.h"
#include "target.h"

static void wrong(const char *what, const char *path, const char *root)
{
    fprintf(stderr, "%s: %s, root %s\n", what, path, root);
    abort();
}

/* Resolve a path as the kernel does without links: where does it end? */
static void must_be_below(apr_pool_t *p, const char *path, const char *root)
{
    const char *clean = "";
    char *copy = apr_pstrdup(p, path), *last, *segment;
    apr_size_t n = strlen(root);

    for (segment = apr_strtok(copy, "/", &last); segment;
         segment = apr_strtok(NULL, "/", &last)) {
        if (!strcmp(segment, "..")) {
            const char *slash = strrchr(clean, '/');

            clean = slash
                        ? apr_pstrmemdup(p, clean, (apr_size_t)(slash - clean))
                        : "";
        }
        else if (strcmp(segment, ".") != 0) {
            clean = apr_pstrcat(p, clean, "/", segment, NULL);
        }
    }
    if (*path != '/') {
        wrong("not absolute", path, root);
    }
    while (n > 0 && root[n - 1] == '/') {
        n--;
    }
    if (strncmp(clean, root, n) != 0 || (clean[n] && clean[n] != '/')) {
        wrong("outside", path, root);
    }
    if (strchr(path, '\n') && !strchr(root, '\n')) {
        wrong("end of line", path, root);
    }
}

static const char *line(apr_pool_t *p, const char **rest, const char *end)
{
    const char *from = *rest;
    const char *to = memchr(from, '\n', (size_t)(end - from));

    *rest = to ? to + 1 : end;
    return apr_pstrmemdup(p, from, (apr_size_t)((to ? to : end) - from));
}

static void try(apr_pool_t *p, const char *text, const char *end)
{
    const char *regex, *script, *dir, *chroot, *host, *subject;
    route_pattern_t *pattern;
    route_path_t path = {0};
    route_match_t m;
    route_place_t place;
    const char *why;

    path.names = *text & 1 ? ROUTE_NAMES_ANY : ROUTE_NAMES_STRICT;
    text++;
    regex = line(p, &text, end);
    script = line(p, &text, end);
    dir = line(p, &text, end);
    chroot = line(p, &text, end);
    host = route_safe_host(p, line(p, &text, end));
    subject = apr_pstrmemdup(p, text, (apr_size_t)(end - text));

    if (route_pattern_compile(p, &pattern, regex) ||
        route_template_parse(p, &path.script, script, pattern) ||
        (*dir && route_template_parse(p, &path.dir, dir, pattern)) ||
        (*chroot && route_template_parse(p, &path.chroot, chroot, pattern)) ||
        route_path_check(p, &path) ||
        route_pattern_match(p, pattern, subject, &m) != ROUTE_MATCH_YES) {
        return;
    }
    if (strncmp(subject, route_pattern_prefix(pattern),
                strlen(route_pattern_prefix(pattern))) != 0) {
        wrong("prefix", subject, route_pattern_prefix(pattern));
    }
    if (!host) {
        return;
    }
    why = route_path_expand(p, &path, &m, host, &place);
    if (!why) {
        must_be_below(p, place.script, route_path_root(p, &path));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    apr_pool_t *p;

    if (!pool) {
        pool = start();
        route_pattern_init(pool);
    }
    if (size > 0) {
        apr_pool_create(&p, pool);
        try(p, (const char *)data, (const char *)data + size);
        apr_pool_destroy(p);
    }
    return 0;
}
