/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Templates: references, what they expand to, what is refused (C2). */
/* link: base/template.c base/safe.c base/pattern.c base/prefix.c */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/template.h"
#include "tap.h"

static apr_pool_t *pool;

static route_pattern_t *compile(const char *regex)
{
    route_pattern_t *pattern = NULL;
    const char *err = route_pattern_compile(pool, &pattern, regex);

    if (err) {
        printf("Bail out! %s\n", err);
        exit(2);
    }
    return pattern;
}

/* The template's text for a subject that matches. */
static void expands(const char *regex, const char *subject, const char *text,
                    const char *expected)
{
    route_pattern_t *pattern = compile(regex);
    const char *name = apr_psprintf(pool, "C2: %s on %s by %s is %s", text,
                                    subject, regex, expected);
    const route_template_t *t;
    route_match_t m;
    const char *rule = route_template_parse(pool, &t, text, pattern);

    if (rule ||
        route_pattern_match(pool, pattern, subject, &m) != ROUTE_MATCH_YES) {
        tap_ok(0, "%s: %s", name, rule ? rule : "no match");
        return;
    }
    tap_is(route_template_expand(pool, t, &m, "the.host"), expected, name);
}

static void refused(const char *regex, const char *text, const char *part)
{
    const route_template_t *t;
    const char *rule = route_template_parse(pool, &t, text, compile(regex));

    tap_ok(rule && !strncmp(rule, "must ", 5) && strstr(rule, part),
           "C2: %s with %s is refused: %s", text, regex,
           rule ? rule : "(it is not)");
}

static void literal(const char *text, const char *expected, int references,
                    int with_host)
{
    const route_template_t *t = NULL;

    route_template_parse(pool, &t, text, compile("^/(a)(b)"));
    tap_is(route_template_literal(t), expected,
           apr_psprintf(pool, "the literal start of %s", text));
    tap_ok(route_template_has_references(t) == references &&
               route_template_has_host(t) == with_host,
           "references of %s", text);
    tap_is(route_template_text(t), text, "as written");
}

static void checked(const char *regex, const char *subject, const char *text,
                    int strict, int any)
{
    route_pattern_t *pattern = compile(regex);
    const route_template_t *t = NULL;
    route_match_t m;

    route_template_parse(pool, &t, text, pattern);
    if (route_pattern_match(pool, pattern, subject, &m) != ROUTE_MATCH_YES) {
        tap_ok(0, "%s does not match %s", regex, subject);
        return;
    }
    tap_ok((route_template_check(t, &m, "h", ROUTE_NAMES_STRICT) == NULL) ==
               strict,
           "C4: %s of %s by %s is %s", text, subject, regex,
           strict ? "safe" : "refused");
    tap_ok((route_template_check(t, &m, "h", ROUTE_NAMES_ANY) == NULL) == any,
           "C4: %s of %s by %s is %s by names=any", text, subject, regex,
           any ? "taken" : "refused");
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    route_pattern_init(pool);

    expands("^/(a+)/(b+)", "/aa/bbb", "\\1-\\2", "aa-bbb");
    expands("^/(a+)/(b+)", "/aa/bbb", "$1-$2", "aa-bbb");
    expands("^/(a+)/(b+)", "/aa/bbb/c", "\\0", "/aa/bbb");
    expands("^/(a+)", "/aa", "$0", "/aa");
    expands("^/(a+)", "/aa", "x", "x");
    expands("^/(a+)", "/aa", "", "");
    expands("^/(a+)", "/aa", "\\1\\1\\1", "aaaaaa");
    expands("^/(a+)", "/aa", "\\10", "aa0");
    expands("^/(?<one>a+)(?P<two>b)", "/aab", "${one}.\\{two}.$1", "aa.b.aa");
    expands("^/(a)(b)(c)(d)(e)(f)(g)(h)(i)(?<x>j)", "/abcdefghij", "\\9${x}",
            "ij");
    expands("^/(a)?(b)", "/b", "[\\1]\\2", "[]b");
    expands("^/(?:(a)|(b))", "/a", "[\\1\\2]", "[a]");
    expands("^/(a)", "/a", "%{host}/\\1", "the.host/a");
    expands("^/(a)", "/a", "\\\\1 \\$1 \\%{host}", "\\1 $1 %{host}");
    expands("^/(a)", "/a", "100% $ $x %", "100% $ $x %");
    expands("^/(.*)$", "/\\1$1%{host}${x}", "<\\1>", "<\\1$1%{host}${x}>");
    expands("", "/x", "[\\0]", "[]");

    refused("^/(a)", "\\2", "group 2");
    refused("^/(a)", "$9", "group 9");
    refused("^/a", "\\1", "has 0");
    refused("^/(a)", "${b}", "\"b\"");
    refused("^/(?<b>a)", "\\{c}", "\"c\"");
    refused("^/(?<b>a)", "${b", "}");
    refused("^/(a)", "%{HTTP_HOST}", "host");
    refused("^/(a)", "%{host", "host");
    refused("^/(a)", "a\\", "after \\");
    refused("^/(a)", "\\n", "after \\");

    literal("/srv/\\1/x", "/srv/", 1, 0);
    literal("/srv/x", "/srv/x", 0, 0);
    literal("\\1", "", 1, 0);
    literal("/a\\\\\\$b/%{host}", "/a\\$b/", 1, 1);
    literal("50%/$2", "50%/", 1, 0);

    checked("^/(.*)$", "/a/b", "\\1", 1, 1);
    checked("^/(.*)$", "/a/.b", "\\1", 0, 1);
    checked("^/x(.*)$", "/x../b", "\\1", 0, 0);
    checked("^/(.*)/(.*)$", "/~/b", "\\2", 1, 1);
    checked("^/(.*)/(.*)$", "/~/b", "\\2\\1", 0, 1);
    checked("^/(~)?(a)", "/a", "\\1", 1, 1);
    return tap_done();
}
