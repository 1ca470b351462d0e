/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What captured text may be (C4), and a host as a directory (C8). */
/* link: base/safe.c */

#include <stdlib.h>

#include "apr_general.h"

#include "base/safe.h"
#include "tap.h"

static void text(const char *s, int strict, int any)
{
    const apr_size_t n = strlen(s);

    tap_ok((route_safe_text(s, n, ROUTE_NAMES_STRICT) == NULL) == strict,
           "C4: \"%s\" is %s", s, strict ? "safe" : "refused");
    tap_ok((route_safe_text(s, n, ROUTE_NAMES_ANY) == NULL) == any,
           "C4: \"%s\" is %s by names=any", s, any ? "taken" : "refused");
}

/* The rule itself, put otherwise: split first, then look at each segment. */
static int is_safe(const char *s, apr_size_t length, int any)
{
    char copy[16];
    char *segment, *next;
    apr_size_t i;

    memcpy(copy, s, length);
    copy[length] = '\0';
    for (i = 0; i < length; i++) {
        if (any ? memchr("\0\n\r", s[i], 3) != NULL
                : !s[i] ||
                      !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                              "UVWXYZ0123456789._-/",
                              s[i])) {
            return 0;
        }
    }
    for (segment = copy; segment; segment = next) {
        next = strchr(segment, '/');
        if (next) {
            *next++ = '\0';
        }
        if (!strcmp(segment, ".") || !strcmp(segment, "..") ||
            (!any && (*segment == '.' || *segment == '-'))) {
            return 0;
        }
    }
    return 1;
}

/* All strings of up to five of the characters that matter. */
static void all_texts(void)
{
    static const char set[] = "a./-\n \0";
    const apr_size_t n = sizeof(set) - 1;
    apr_size_t length;
    int strict = 1, any = 1;

    for (length = 0; length <= 5; length++) {
        apr_size_t i, j, combinations = 1;
        char s[5];

        for (i = 0; i < length; i++) {
            combinations *= n;
        }
        for (i = 0; i < combinations; i++) {
            apr_size_t rest = i;

            for (j = 0; j < length; j++) {
                s[j] = set[rest % n];
                rest /= n;
            }
            strict &= (route_safe_text(s, length, ROUTE_NAMES_STRICT) ==
                       NULL) == is_safe(s, length, 0);
            any &= (route_safe_text(s, length, ROUTE_NAMES_ANY) == NULL) ==
                   is_safe(s, length, 1);
        }
    }
    tap_ok(strict, "C4: every short text is judged as the rule says");
    tap_ok(any, "C4: the same by names=any");
}

static void host(apr_pool_t *p, const char *from, const char *to)
{
    char name[128];

    snprintf(name, sizeof(name), "C8: host %s is %s", from ? from : "none",
             to ? to : "refused");
    tap_is(route_safe_host(p, from), to, name);
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);

    text("", 1, 1);
    text("a", 1, 1);
    text("a/b_c-d.e", 1, 1);
    text("A9/z//x/", 1, 1);
    text("/a", 1, 1);
    text("a..b", 1, 1);
    text("a..", 1, 1);
    text(".", 0, 0);
    text(".a", 0, 1);
    text("-a", 0, 1);
    text("a/.b", 0, 1);
    text("a/-b", 0, 1);
    text("...", 0, 1);
    text("..", 0, 0);
    text("../a", 0, 0);
    text("a/..", 0, 0);
    text("a/.", 0, 0);
    text("./a", 0, 0);
    text("a/../b", 0, 0);
    text("/..", 0, 0);
    text("a b", 0, 1);
    text("$(id)", 0, 1);
    text("a;b", 0, 1);
    text("'\"", 0, 1);
    text("\\1", 0, 1);
    text("%{host}", 0, 1);
    text("a~", 0, 1);
    text("\xc3\xa4", 0, 1);
    text("a\n", 0, 0);
    text("a\r", 0, 0);
    tap_ok(route_safe_text("a\0b", 3, ROUTE_NAMES_ANY) != NULL,
           "C4: NUL is refused by names=any");
    tap_ok(route_safe_text("a\0b", 3, ROUTE_NAMES_STRICT) != NULL,
           "C4: NUL is refused");
    all_texts();

    tap_ok(route_safe_has_dots(".."), "..");
    tap_ok(route_safe_has_dots("/a/../b"), "/a/../b");
    tap_ok(route_safe_has_dots("/a//.."), "/a//..");
    tap_ok(route_safe_has_dots("../a"), "../a");
    tap_ok(route_safe_has_dots("/a/./b"), "/a/./b");
    tap_ok(route_safe_has_dots("a/."), "a/.");
    tap_ok(!route_safe_has_dots("/a/..b/c../.../d"), "only dots near by");
    tap_ok(!route_safe_has_dots(""), "empty");

    host(p, NULL, "0");
    host(p, "", "0");
    host(p, "www.Example.ORG", "www.example.org");
    host(p, "Example.org:8080", "example.org");
    host(p, "example.org:", "example.org");
    host(p, ":80", "0");
    host(p, ".", ":");
    host(p, "..", ":.");
    host(p, ".x", ":x");
    host(p, "...", ":..");
    host(p, "a..b", "a..b");
    host(p, "127.0.0.1:80", "127.0.0.1");
    host(p, "[::1]", "[::1]");
    host(p, "[::1]:8080", "[::1]");
    host(p, "::1", "::1");
    host(p, "[::1", NULL);
    host(p, "a/b", NULL);
    host(p, "/", NULL);
    host(p, "../x", NULL);
    host(p, "a b", NULL);
    host(p, "a\nb", NULL);
    host(p, "$(id)", NULL);
    host(p, "x%2f", NULL);
    return tap_done();
}
