/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The Test Anything Protocol for the programs of this directory. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

/** One check; the name says what holds, in one line: a dot stands for what is
 * no printable ASCII. @return ok */
__attribute__((format(printf, 2, 3), unused)) static int
tap_ok(int ok, const char *fmt, ...)
{
    char name[1000], *at;
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    for (at = name; *at; at++) {
        *at = *at < ' ' || *at > '~' ? '.' : *at;
    }
    printf("%sok %d - %s\n", ok ? "" : "not ", ++tap_count, name);
    if (!ok) {
        tap_failed = 1;
    }
    return ok;
}

/** Two strings are the same; NULL is a value. */
__attribute__((unused)) static int
tap_is(const char *got, const char *expected, const char *name)
{
    int ok = got && expected ? !strcmp(got, expected) : got == expected;

    tap_ok(ok, "%s", name);
    if (!ok) {
        printf("#      got: %s\n# expected: %s\n", got ? got : "(null)",
               expected ? expected : "(null)");
    }
    return ok;
}

/** The plan, at the end. @return what main() returns */
__attribute__((unused)) static int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed;
}

#endif /* TAP_H */
