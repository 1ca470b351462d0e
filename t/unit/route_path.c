/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The path of a script from its templates (C4, C7). */
/* link: base/path.c base/template.c base/safe.c base/pattern.c */
/* link: base/prefix.c */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/path.h"
#include "tap.h"

static apr_pool_t *pool;

typedef struct route_t {
    const char *regex, *script, *dir, *chroot;
    route_names_e names;
} route_t;

static route_pattern_t *build(const route_t *route, route_path_t *path)
{
    route_pattern_t *pattern = NULL;

    memset(path, 0, sizeof(*path));
    path->names = route->names;
    if (route_pattern_compile(pool, &pattern, route->regex) ||
        route_template_parse(pool, &path->script, route->script, pattern) ||
        (route->dir &&
         route_template_parse(pool, &path->dir, route->dir, pattern)) ||
        (route->chroot &&
         route_template_parse(pool, &path->chroot, route->chroot, pattern))) {
        printf("Bail out! %s %s\n", route->regex, route->script);
        exit(2);
    }
    return pattern;
}

/* The script's path for a subject, or NULL where it is refused. */
static const char *place(const route_t *route, const char *subject,
                         const char *host, route_place_t *result)
{
    route_path_t path;
    route_pattern_t *pattern = build(route, &path);
    route_match_t m;
    const char *rule = route_path_check(pool, &path);

    if (rule ||
        route_pattern_match(pool, pattern, subject, &m) != ROUTE_MATCH_YES) {
        return rule ? rule : "no match";
    }
    return route_path_expand(pool, &path, &m, host, result) ? NULL
                                                            : result->script;
}

static void is_script(route_t route, const char *subject, const char *expected)
{
    route_place_t p;

    tap_is(place(&route, subject, "a.host", &p), expected,
           apr_psprintf(pool, "C4: %s in %s for %s", route.script,
                        route.dir ? route.dir : "-", subject));
}

static void rule(route_t route, const char *expected)
{
    route_path_t path;
    const char *got;

    build(&route, &path);
    got = route_path_check(pool, &path);
    tap_ok(expected ? got && strstr(got, expected) : !got,
           "%s, dir=%s, chroot=%s: %s", route.script,
           route.dir ? route.dir : "", route.chroot ? route.chroot : "",
           got ? got : "fine");
}

static void root(route_t route, const char *expected)
{
    route_path_t path;

    build(&route, &path);
    tap_is(route_path_root(pool, &path), expected,
           apr_psprintf(pool, "the root of %s", route.script));
}

int main(void)
{
    route_place_t p;
    route_t jail = {"^/(\\w+)", "/bin/\\1", "/host/%{host}", "/jail", 0};
    route_t jails = {"^/(\\w*)", "bin//x", "/y/", "/jail/\\1", 0};

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    route_pattern_init(pool);

    is_script((route_t){"^/(.*)", "\\1", "/d", NULL, 0}, "/x", "/d/x");
    is_script((route_t){"^/(.*)", "\\1", "/d/", NULL, 0}, "/x/y", "/d/x/y");
    is_script((route_t){"^/(.*)", "\\1/i", "/d", NULL, 0}, "/", "/d/i");
    is_script((route_t){"^/(.*)", "\\1", "/d", NULL, 0}, "//x//y", "/d/x/y");
    is_script((route_t){"^/(.*)", "\\1", "/", NULL, 0}, "/x", "/x");
    is_script((route_t){"^/(.*)", "/s/\\1", NULL, NULL, 0}, "/x", "/s/x");
    is_script((route_t){"^/(.*)/(.*)", "\\2", "/d/\\1", NULL, 0}, "/u/x",
              "/d/u/x");
    is_script((route_t){"^/", "s", "/d/%{host}", NULL, 0}, "/", "/d/a.host/s");

    /* by themselves or beside text of the template, no name goes up */
    is_script((route_t){"^/(.*)", ".\\1.", "/d", NULL, ROUTE_NAMES_ANY}, "/",
              NULL);
    is_script((route_t){"^/(.*)", ".\\1", "/d", NULL, ROUTE_NAMES_ANY}, "/",
              NULL);
    is_script((route_t){"^/(.*)", ".\\1", "/d", NULL, ROUTE_NAMES_ANY}, "/x",
              "/d/.x");
    is_script((route_t){"^/(.*)", "\\1.", "/d", NULL, ROUTE_NAMES_ANY}, "/.",
              NULL);
    is_script((route_t){"^/(.?)(.?)", "\\1\\2/x", "/d", NULL, ROUTE_NAMES_ANY},
              "/..", NULL);
    is_script((route_t){"^/(.*)", "x", "/d/.\\1.", NULL, ROUTE_NAMES_ANY}, "/",
              NULL);
    is_script((route_t){"^/(.*)", "\\1", "/d", NULL, 0}, "/a b", NULL);
    is_script((route_t){"^/(.*)", "\\1", "/d", NULL, ROUTE_NAMES_ANY}, "/a b",
              "/d/a b");
    is_script((route_t){"^/(.*)", "x", "/d/\\1", NULL, 0}, "/.a", NULL);
    is_script((route_t){"^/(.*)/y", "x", "/d", NULL, 0}, "/.a/y", "/d/x");

    /* chroot= */
    tap_is(place(&jail, "/prog", "a.host", &p), "/jail/bin/prog",
           "C7: from outside");
    tap_is(p.chroot, "/jail", "C7: the root directory");
    tap_is(p.work_dir, "/host/a.host", "C7: the working directory, inside");
    tap_is(place(&jails, "/joe", "", &p), "/jail/joe/y/bin/x",
           "C7: the URL chooses the root directory");
    tap_is(p.chroot, "/jail/joe", "C7: which one");
    tap_is(p.work_dir, NULL, "C7: the script's own directory");
    tap_ok(p.fixed == strlen("/jail/joe/y/"), "C7: what dir= ends with");
    tap_is(place(&jails, "/", "", &p), NULL,
           "C7: never the directory that all of them lie in");

    rule((route_t){"^/(.*)", "\\1", NULL, NULL, 0}, "dir= must be given");
    rule((route_t){"^/(.*)", "x", "d", NULL, 0}, "dir= must be an absolute");
    rule((route_t){"^/(.*)", "x", "\\1", NULL, 0}, "dir= must be an absolute");
    rule((route_t){"^/(.*)", "x", "/\\1", NULL, 0}, "fixed directory other");
    rule((route_t){"^/(.*)", "x", "/\\1", "/j", 0}, NULL);
    rule((route_t){"^/(.*)", "x", "/a", "/\\1", 0}, "fixed directory other");
    rule((route_t){"^/(.*)", "x", "/a", "j", 0}, "chroot= must be an abs");
    rule((route_t){"^/(.*)", "/\\1", NULL, NULL, 0}, "fixed directory other");
    rule((route_t){"^/(.*)", "/\\1", NULL, "/j", 0}, NULL);
    rule((route_t){"^/(.*)", "/a/\\1", NULL, NULL, 0}, NULL);
    rule((route_t){"^/(.*)", "a/../b", "/d", NULL, 0}, "SCRIPT must not");
    rule((route_t){"^/(.*)", "b", "/d/.", NULL, 0}, "dir= must not");
    rule((route_t){"^/(.*)", "", "/d", NULL, 0}, "SCRIPT must not be empty");

    root((route_t){"^/(.*)", "\\1", "/d/e", NULL, 0}, "/d/e");
    root((route_t){"^/(.*)", "\\1", "/d/e-\\1/f", NULL, 0}, "/d");
    root((route_t){"^/(.*)", "/s/x\\1", "/d", NULL, 0}, "/s");
    root((route_t){"^/(.*)", "/s/x", NULL, NULL, 0}, "/s/x");
    root((route_t){"^/(.*)", "\\1", "/d", "/j", 0}, "/j/d");
    root((route_t){"^/(.*)", "\\1", "/d", "/j/\\1", 0}, "/j");
    return tap_done();
}
