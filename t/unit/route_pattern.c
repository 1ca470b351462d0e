/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Regular expressions: compiling, matching, limits, threads (C1, C11). */
/* link: base/pattern.c base/prefix.c */

#include <stdlib.h>
#include <time.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"

#include "base/pattern.h"
#include "tap.h"

static apr_pool_t *pool;

static route_match_e match(const char *regex, const char *subject,
                           route_match_t *m)
{
    route_pattern_t *pattern;

    if (route_pattern_compile(pool, &pattern, regex)) {
        return ROUTE_MATCH_ERROR;
    }
    return route_pattern_match(pool, pattern, subject, m);
}

static void yes(const char *regex, const char *subject, int start, int end)
{
    route_match_t m = {0};
    route_match_e result = match(regex, subject, &m);

    tap_ok(result == ROUTE_MATCH_YES && m.offsets[0] == (apr_size_t)start &&
               m.end == (apr_size_t)end,
           "C1: %s on %s: %d to %d", regex, subject, start, end);
}

static void no(const char *regex, const char *subject)
{
    route_match_t m;

    tap_ok(match(regex, subject, &m) == ROUTE_MATCH_NO,
           "C1: %s does not match", regex);
}

/* The classics, and one that needs depth, not steps. The time is the
 * processor's: without a limit it would be minutes. */
static void runaway(const char *regex, const char *subject)
{
    route_match_t m;
    clock_t start = clock();
    route_match_e result = match(regex, subject, &m);
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;

    tap_ok(result == ROUTE_MATCH_RUNAWAY, "C11: %s is stopped", regex);
    tap_ok(took < 1.0, "C11: after %.3f s", took);
}

static void rejects(const char *regex, const char *part)
{
    route_pattern_t *pattern;
    const char *err = route_pattern_compile(pool, &pattern, regex);

    tap_ok(err && strstr(err, part), "%.20s is refused: %.90s", regex,
           err ? err : "(it is not)");
}

#define THREADS 8

typedef struct work_t {
    const route_pattern_t *pattern;
    int wrong;
} work_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    work_t *w = data;
    apr_pool_t *p;
    int i;

    (void)thread;
    apr_pool_create(&p, NULL);
    for (i = 0; i < 2000; i++) {
        const char *subject = apr_psprintf(p, "/a%d/b%d/", i, i * 7);
        const char *want = apr_psprintf(p, "b%d", i * 7);
        route_match_t m;

        if (route_pattern_match(p, w->pattern, subject, &m) !=
                ROUTE_MATCH_YES ||
            strncmp(m.subject + m.offsets[4], want,
                    m.offsets[5] - m.offsets[4]) != 0) {
            w->wrong++;
        }
        if (i % 100 == 0) {
            apr_pool_clear(p);
        }
    }
    apr_pool_destroy(p);
    return NULL;
}

static void threads(void)
{
    apr_thread_t *thread[THREADS];
    work_t w[THREADS] = {{0}};
    route_pattern_t *pattern;
    int i, wrong = 0;

    route_pattern_compile(pool, &pattern, "^/(a\\d+)/(b\\d+)");
    for (i = 0; i < THREADS; i++) {
        w[i].pattern = pattern;
        if (apr_thread_create(&thread[i], NULL, work, &w[i], pool)) {
            printf("Bail out! no thread\n");
            exit(2);
        }
    }
    for (i = 0; i < THREADS; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, thread[i]);
        wrong += w[i].wrong;
    }
    tap_ok(wrong == 0, "%d threads see their own matches", THREADS);
}

int main(void)
{
    route_pattern_t *pattern;
    route_match_t m, inner;
    char *many, *subject;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    route_pattern_init(pool);

    yes("b", "/abc", 2, 3);
    yes("^/a", "/abc", 0, 2);
    yes("", "/abc", 0, 0);
    yes("c$", "/abc", 3, 4);
    yes("(?i)^/ABC$", "/abc", 0, 4);
    yes("^/.$", "/\xe4", 0, 2);
    yes("(*UTF)^/.$", "/\xc3\xa4", 0, 3);
    no("^a", "/abc");
    no("^/abc$", "/abc\n");
    no("^/a.c$", "/a\nc");
    tap_ok(match("(*UTF)^/.", "/\xe4", &m) == ROUTE_MATCH_NOT_UTF,
           "C1: (*UTF) on what is no UTF-8");

    if (match("^/(a)?(b)(?:(c)|d)", "/bd", &m) == ROUTE_MATCH_YES) {
        tap_ok(m.groups == 4, "all groups count");
        tap_ok(m.offsets[2] == ROUTE_NO_OFFSET &&
                   m.offsets[3] == ROUTE_NO_OFFSET,
               "C2: a group that took no part");
        tap_ok(m.offsets[4] == 1 && m.offsets[5] == 2, "one that did");
        tap_ok(m.offsets[6] == ROUTE_NO_OFFSET &&
                   m.offsets[7] == ROUTE_NO_OFFSET,
               "the last took no part");
    }
    else {
        tap_ok(0, "^/(a)?(b)(?:(c)|d) matches");
    }
    route_pattern_compile(pool, &pattern, "^/(.*)$");
    subject = apr_pstrdup(pool, "/one");
    route_pattern_match(pool, pattern, subject, &m);
    strcpy(subject, "/xxx");
    route_pattern_match(pool, pattern, "/another", &inner);
    tap_is(apr_pstrmemdup(pool, m.subject + m.offsets[2],
                          m.offsets[3] - m.offsets[2]),
           "one", "a match outlives its subject and the next match");

    tap_ok(route_pattern_groups(pattern) == 2, "group 0 counts");
    route_pattern_compile(pool, &pattern, "^/(?<id>a)(?<x_y>b)");
    tap_ok(route_pattern_group_named(pattern, "x_y") == 2, "by name");
    tap_ok(route_pattern_group_named(pattern, "X_Y") == -1, "no such name");
    tap_ok(route_pattern_group_named(pattern, "") == -1, "no name");
    tap_ok(route_pattern_has_jit(pattern), "C1: compiled by JIT");

    many = apr_pcalloc(pool, 9001);
    memset(many, 'a', 9000);
    many[0] = '/';
    runaway("^/(a+)+$", apr_pstrcat(pool, many, "b", NULL));
    runaway("^/(?:a|aa)+$", apr_pstrcat(pool, many, "b", NULL));
    runaway("(.*)*(.*)*(.*)*x$", apr_pstrcat(pool, many, "xb", NULL));
    runaway("(*NO_JIT)^/(a+)+$", apr_pstrcat(pool, many, "b", NULL));
    runaway("(*NO_JIT)^/(?:a|aa)+$", apr_pstrcat(pool, many, "b", NULL));
    yes("^/(.*)$", many, 0, 9000);
    yes("^/(?:a+/)*(.*)$", many, 0, 9000);
    yes("^/((?:a)*)$", many, 0, 9000);

    rejects("^/(a", "at character 5");
    rejects("[", "REGEX must be");
    rejects("(?<a>x)(?<a>y)", "two named");
    many = apr_pstrdup(pool, "");
    while (strlen(many) < 2 * 100) {
        many = apr_pstrcat(pool, many, "()", NULL);
    }
    rejects(many, "fewer than 100 groups");

    threads();
    return tap_done();
}
