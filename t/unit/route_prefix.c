/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Literal starts of regular expressions, and the table of them (C12). */
/* link: base/prefix.c base/pattern.c */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/pattern.h"
#include "base/prefix.h"
#include "tap.h"

static apr_pool_t *pool;

static void prefix(const char *regex, const char *expected)
{
    route_pattern_t *pattern = NULL;
    const char *err = route_pattern_compile(pool, &pattern, regex);

    if (err) {
        tap_ok(0, "%s compiles: %s", regex, err);
        return;
    }
    tap_is(route_pattern_prefix(pattern), expected,
           apr_psprintf(pool, "C12: %s begins with \"%s\"", regex, expected));
}

/* What stands behind the prefix. */
static void rest(const char *regex, const char *expected)
{
    route_pattern_t *pattern = NULL;

    route_pattern_compile(pool, &pattern, regex);
    tap_is(pattern ? route_pattern_rest(pattern) : "no pattern", expected,
           apr_psprintf(pool, "C10: the rest of %s", regex));
}

/* Candidates for text, as "0 3 7". */
static const char *candidates(const route_prefix_table_t *table,
                              const char *text)
{
    route_prefix_iter_t iter;
    const char *result = "";
    int i;

    route_prefix_begin(table, text, &iter);
    while ((i = route_prefix_next(&iter)) >= 0) {
        result = apr_psprintf(pool, "%s%s%d", result, *result ? " " : "", i);
    }
    return result;
}

static const char *plainly(const char *const *prefixes, int n,
                           const char *text)
{
    const char *result = "";
    int i;

    for (i = 0; i < n; i++) {
        if (!strncmp(text, prefixes[i], strlen(prefixes[i]))) {
            result =
                apr_psprintf(pool, "%s%s%d", result, *result ? " " : "", i);
        }
    }
    return result;
}

static const char *random_text(int longest)
{
    int i, n = rand() % (longest + 1);
    char *s = apr_palloc(pool, (apr_size_t)n + 1);

    for (i = 0; i < n; i++) {
        s[i] = "/ab\xff"[rand() % 4];
    }
    s[n] = '\0';
    return s;
}

static void random_tables(void)
{
    int round, i, wrong = 0;

    for (round = 0; round < 300; round++) {
        const char *prefixes[40];
        int n = rand() % 40;
        route_prefix_table_t *table;

        for (i = 0; i < n; i++) {
            prefixes[i] = random_text(6);
        }
        table = route_prefix_table_make(pool, prefixes, n);
        for (i = 0; i < 50; i++) {
            const char *text = random_text(9);

            wrong += strcmp(candidates(table, text),
                            plainly(prefixes, n, text)) != 0;
        }
    }
    tap_ok(wrong == 0, "C12: 15000 random look-ups are those of a plain scan");
}

/* Whatever a regex matches begins with its prefix. */
static void random_regexes(void)
{
    static const char *const pieces[] = {
        "a",     "b",       "/",
        "\\.",   ".",       "(",
        ")",     "|",       "[ab]",
        "[^|]",  "a?",      "b*",
        "/+",    "(?:",     "(?i)",
        "(?x)",  "#",       "\\Q",
        "\\E",   "^",       "$",
        "{2}",   "(?=",     "(?|",
        "(a|b)", "[]a]",    "[[:alpha:]|(]",
        "\\(",   "\\|",     "\\c(",
        "\\c[",  "\\E",     "(?#x)",
        "\\d",   "\\x{28}", "\\N{U+28}",
        "(?=b)", "[\\E]",
    };
    int round, compiled = 0, matched = 0, wrong = 0;

    for (round = 0; round < 60000; round++) {
        apr_pool_t *p;
        route_pattern_t *pattern;
        const char *regex = "^";
        int i, n = 1 + rand() % 7;

        apr_pool_create(&p, pool);
        for (i = 0; i < n; i++) {
            regex = apr_pstrcat(p, regex,
                                pieces[(apr_size_t)rand() %
                                       (sizeof(pieces) / sizeof(*pieces))],
                                NULL);
        }
        if (!route_pattern_compile(p, &pattern, regex)) {
            const char *start = route_pattern_prefix(pattern);

            compiled++;
            for (i = 0; i < 12; i++) {
                char text[8];
                route_match_t m;
                int j, length = rand() % 7;

                for (j = 0; j < length; j++) {
                    text[j] = "ab/.A|("[rand() % 7];
                }
                text[length] = '\0';
                const char *behind = route_pattern_rest(pattern);
                const int begins = !strncmp(text, start, strlen(start));
                const int is = route_pattern_match(p, pattern, text, &m) ==
                               ROUTE_MATCH_YES;

                if ((!*behind &&
                     (is != begins || (is && m.end != strlen(start)))) ||
                    (!strcmp(behind, "$") && is != !strcmp(text, start))) {
                    wrong++;
                    printf("# %s is no plain text: %s\n", regex, text);
                }
                if (is) {
                    matched++;
                    if (!begins) {
                        wrong++;
                        printf("# %s matches %s, prefix %s\n", regex, text,
                               start);
                    }
                }
            }
        }
        apr_pool_destroy(p);
    }
    tap_ok(compiled > 5000 && matched > 5000,
           "%d random expressions, %d matches", compiled, matched);
    tap_ok(wrong == 0, "C12: none matches what does not begin so");
}

int main(void)
{
    static const char *const list[] = {"/cgi-bin/", "", "/c", "/cgi-bin/x",
                                       "/d",        "", "/c", "/cgi-bin/"};
    route_prefix_table_t *table;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    route_pattern_init(pool);
    srand(4711);

    prefix("^/cgi-bin/([^/]+)", "/cgi-bin/");
    prefix("^/a$", "/a");
    prefix("^/a\\.b\\-c", "/a.b-c");
    prefix("^/a\\d", "/a");
    prefix("^/ab?", "/a");
    prefix("^/ab*c", "/a");
    prefix("^/ab+c", "/ab");
    prefix("^/ab{0,2}", "/a");
    prefix("^/a{", "/");
    prefix("^/a.b", "/a");
    prefix("^/a|^/b", "");
    prefix("^/a|b", "");
    prefix("^/a(b|c)", "/a");
    prefix("^/a[|]b", "/a");
    prefix("^/a[]|]b", "/a");
    prefix("^/a[^]|]b", "/a");
    prefix("^/a[[:alpha:]|]b", "/a");
    prefix("^/a[[.](|.])|^/b", "");
    prefix("^/a[[:](|:])|^/b", "");
    prefix("^/a[[.a:]|^/b]", "");
    prefix("^/a\\|b", "/a|b");
    prefix("^/a(?x) # ( \n |^/b", "");
    prefix("^/a(?#()|^/b", "");
    prefix("^/a\\Q(\\E|^/b", "");
    /* escapes that take more along than a character */
    prefix("^/a\\c(|^/b\\.sh", "");
    prefix("^/a\\c[|^/b", "");
    prefix("^/a\\c\\(|^/b)", "");
    prefix("^/a[\\c]|^/b]", "");
    prefix("^/a[\\E]|^/b[]]", "");
    prefix("^/a\\x{28}|^/b", "");
    prefix("^/a\\c(", "");
    prefix("^/a\\(|^/b", "");
    prefix("^/a(\\d|b)", "/a");
    /* what a quantifier jumps over */
    prefix("^/ab\\E?c", "");
    prefix("^/ab(?#x)?c", "");
    prefix("^/ab(?i)c", "/ab");
    prefix("^/ab(?:c)", "/ab");
    prefix("(?i)^/a", "");
    prefix("^(?i)/a", "");
    prefix("(?m)^/a", "");
    prefix("/a", "");
    prefix("", "");
    prefix("^", "");
    prefix("^$", "");

    rest("^/a", "");
    rest("^/a\\.b", "");
    rest("^/a\\.b$", "$");
    rest("^/ab*", "*");
    rest("^/a(b)", "(b)");
    rest("", "");
    rest("^", "");
    rest("^$", "$");
    rest("/a", "/a");
    rest("^/a|^/b", "^/a|^/b");
    rest("(?m)^/a", "(?m)^/a");
    rest("^/a\\Qb", "^/a\\Qb");

    table = route_prefix_table_make(pool, list, 8);
    tap_is(candidates(table, "/cgi-bin/xy"), "0 1 2 3 5 6 7", "C12: all");
    tap_is(candidates(table, "/cgi-bin/a"), "0 1 2 5 6 7", "C12: not longer");
    tap_is(candidates(table, "/cgj"), "1 2 5 6", "C12: the short ones");
    tap_is(candidates(table, "/dd"), "1 4 5", "C12: another branch");
    tap_is(candidates(table, "/b"), "1 5", "C12: only what is not anchored");
    tap_is(candidates(table, ""), "1 5", "C12: nothing to look at");
    tap_is(candidates(route_prefix_table_make(pool, list, 0), "/"), "",
           "C12: no routes");
    random_tables();
    random_regexes();
    return tap_done();
}
