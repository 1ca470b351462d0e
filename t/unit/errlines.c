/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/errlines.c */

/* Lines of a script's stderr for the log (C16). */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/errlines.h"
#include "tap.h"

#define START apr_time_from_sec(1000000)

static struct {
    int n;
    int floods; /* of them */
    char last[CGI_ERRLINE_MAX + 100];
    char all[4096]; /* with "|" behind each line */
} got;

static void emit(void *baton, const char *line)
{
    (void)baton;
    got.n++;
    got.floods += !strcmp(line, "flood");
    apr_cpystrn(got.last, line, sizeof(got.last));
    if (strlen(got.all) + strlen(line) + 2 < sizeof(got.all)) {
        strcat(strcat(got.all, line), "|");
    }
}

static void begin(cgi_errlines_t *lines)
{
    memset(&got, 0, sizeof(got));
    /* Whatever was there before. */
    memset(lines, 0xee, sizeof(*lines));
    cgi_errlines_init(lines, emit, NULL, START);
}

static void add(cgi_errlines_t *lines, const char *text, apr_time_t now)
{
    cgi_errlines_add(lines, text, strlen(text), now);
}

static void test_lines(void)
{
    cgi_errlines_t lines;

    begin(&lines);
    add(&lines, "one\ntwo\r\n\nthr", START);
    tap_is(got.all, "one|two||", "lines, without their ends");
    add(&lines, "ee\nfour", START);
    tap_is(got.all, "one|two||three|", "a line that comes in pieces");
    cgi_errlines_end(&lines, START);
    tap_is(got.all, "one|two||three|four|", "the last one, without an end");
    cgi_errlines_end(&lines, START);
    tap_ok(got.n == 5, "once");

    begin(&lines);
    cgi_errlines_add(&lines, "a\0b\0\n", 5, START);
    tap_is(got.all, "a b |", "NULs are spaces");
    add(&lines, "c\rd\r", START);
    add(&lines, "\n", START);
    tap_is(got.all, "a b |c\rd|", "a CR within a line stays");
    begin(&lines);
    cgi_errlines_end(&lines, START);
    tap_ok(got.n == 0, "nothing is no line");
}

/* A line of that many characters; the next one is "next". */
static void long_line(apr_size_t n, const char *end)
{
    cgi_errlines_t lines;
    apr_size_t i;

    begin(&lines);
    for (i = 0; i < n; i++) {
        add(&lines, i % 2 ? "y" : "x", START);
    }
    add(&lines, end, START);
}

static void test_long(void)
{
    cgi_errlines_t lines;
    char *much;

    long_line(CGI_ERRLINE_MAX, "\n");
    tap_ok(got.n == 1 && strlen(got.last) == CGI_ERRLINE_MAX &&
               got.last[CGI_ERRLINE_MAX - 1] == 'y',
           "the longest line");
    long_line(CGI_ERRLINE_MAX + 1, "\n");
    tap_ok(got.n == 1 && strlen(got.last) == CGI_ERRLINE_MAX &&
               !strcmp(got.last + CGI_ERRLINE_MAX - 4, "x..."),
           "a longer one is cut, and says so");
    long_line(CGI_ERRLINE_MAX + 1, "\nnext\n");
    tap_ok(got.n == 2 && !strcmp(got.last, "next"), "the next is whole");

    much = malloc(1024 * 1024);
    memset(much, 'z', 1024 * 1024);
    begin(&lines);
    cgi_errlines_add(&lines, much, 1024 * 1024, START);
    tap_ok(got.n == 0, "1 MB without an end is no line yet");
    cgi_errlines_end(&lines, START);
    tap_ok(got.n == 1 && strlen(got.last) == CGI_ERRLINE_MAX,
           "and one in the end");
    free(much);
}

static void flood(cgi_errlines_t *lines, int n, apr_time_t now)
{
    while (n-- > 0) {
        add(lines, "flood\n", now);
    }
}

static void test_rate(void)
{
    cgi_errlines_t lines;
    int i;

    begin(&lines);
    flood(&lines, CGI_ERRLINES_BURST, START);
    tap_ok(got.n == CGI_ERRLINES_BURST, "so many may come at once");
    flood(&lines, 50, START);
    tap_ok(got.n == CGI_ERRLINES_BURST, "no more");
    cgi_errlines_end(&lines, START);
    tap_is(got.last, "(50 more lines were dropped: too many at once)",
           "how many is told in the end");

    begin(&lines);
    flood(&lines, CGI_ERRLINES_BURST + 7, START);
    flood(&lines, 1, START + apr_time_from_sec(1));
    tap_ok(got.n == CGI_ERRLINES_BURST + 2 && !strcmp(got.last, "flood") &&
               strstr(got.all, "(7 more") != NULL,
           "or before the next line that is let through");
    got.n = 0;
    flood(&lines, 100, START + apr_time_from_sec(1));
    tap_ok(got.n == CGI_ERRLINES_RATE - 1, "%d a second from then on: %d",
           CGI_ERRLINES_RATE, got.n + 1);
    got.n = 0;
    flood(&lines, 2 * CGI_ERRLINES_BURST, START + apr_time_from_sec(9999));
    tap_ok(got.n == CGI_ERRLINES_BURST + 1, "never more than that at once");

    /* However the time is divided. */
    begin(&lines);
    flood(&lines, CGI_ERRLINES_BURST, START);
    got.floods = 0;
    for (i = 1; i <= 1000; i++) {
        flood(&lines, 2, START + apr_time_from_msec(70) * i);
    }
    tap_ok(got.floods >= 70 * CGI_ERRLINES_RATE - 1 &&
               got.floods <= 70 * CGI_ERRLINES_RATE,
           "that rate over 70 s: %d", got.floods);
    begin(&lines);
    flood(&lines, CGI_ERRLINES_BURST, START);
    flood(&lines, 1, START - apr_time_from_sec(3600));
    got.floods = 0;
    flood(&lines, 1, START - apr_time_from_sec(3599));
    tap_ok(got.floods == 1,
           "a clock that was set back stops no line for long");
}

int main(void)
{
    apr_initialize();
    test_lines();
    test_long();
    test_rate();
    return tap_done();
}
