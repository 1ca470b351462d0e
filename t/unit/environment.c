/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/environment.c base/metavars.c */

/* Words of the command line (RFC 3875, 4.4: A12, C1) and the environment
 * (A9, C2). */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/environment.h"
#include "tap.h"

static apr_pool_t *pool;

/* The words with "|" behind each; "" for none. */
static const char *words(const char *query)
{
    const char *result = "";
    const char *const *list;
    int i, n = -1;

    list = cgi_environment_words(query, &n, pool);
    for (i = 0; i < n; i++) {
        result = apr_pstrcat(pool, result, list[i], "|", NULL);
    }
    return n < 0 ? "(not set)" : result;
}

static void test_words(void)
{
    static const struct {
        const char *query, *words;
    } row[] = {
        {NULL, ""},
        {"", ""},
        {"one", "one|"},
        {"one+two", "one|two|"},
        {"+", "||"},
        {"a++b+", "a||b||"},
        {"a=b", ""},
        {"a+b=c", ""},
        {"=", ""},
        {"a%3Db", "a=b|"},
        {"a%3d", "a=|"},
        {"a%2Bb+c", "a+b|c|"},
        {"a%20b", "a b|"},
        {"%2541", "%41|"}, /* decoded once */
        {"%41%42+%43", "AB|C|"},
        {"-s", "-s|"},
        {"%2ds", "-s|"},
        {"--version", "--version|"},
        {"a+-e+b", "a|-e|b|"},
        {"../%2e%2e/x", "../../x|"},
        {"%", ""},
        {"%4", ""},
        {"%4g", ""},
        {"%zz+a", ""},
        {"a+b%", ""},
        {"a%00", ""},
        {"a+%00b", ""},
        {"%0A", "\\\n|"},
        {"a;b", "a\\;b|"},
        {"$(id)", "\\$\\(id\\)|"},
        {"%60id%60", "\\`id\\`|"},
        {"a%26b+%7Cc", "a\\&b|\\|c|"},
        {"%27+%22+%5c", "\\'|\\\"|\\\\|"},
        {"*?[a]~", "\\*\\?\\[a\\]\\~|"},
        {"%3c%3e+%7b%7d", "\\<\\>|\\{\\}|"},
        {"%e4%c3%a4", "\xe4\xc3\xa4|"},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
        tap_is(words(row[i].query), row[i].words,
               row[i].query ? row[i].query : "no query");
    }
}

static void test_many_words(void)
{
    char query[2048];
    int n;

    memset(query, '+', sizeof(query));
    query[1023] = '\0';
    (void)cgi_environment_words(query, &n, pool);
    tap_ok(n == 1024, "1024 words: %d", n);
    query[1023] = '+';
    query[1024] = '\0';
    (void)cgi_environment_words(query, &n, pool);
    tap_ok(n == 0, "one more, and there is none: %d", n);
}

/* The environment of "NAME=value" entries, with "|" behind each. */
static const char *environment(const char *const *entries, const char *tz)
{
    apr_table_t *vars = apr_table_make(pool, 4);
    const char *const *env;
    const char *result = "";

    for (; *entries; entries++) {
        const char *eq = strchr(*entries, '=');

        apr_table_addn(
            vars, apr_pstrmemdup(pool, *entries, (apr_size_t)(eq - *entries)),
            eq + 1);
    }
    env = cgi_environment_make(vars, tz, pool);
    for (; *env; env++) {
        result = apr_pstrcat(pool, result, *env, "|", NULL);
    }
    return result;
}

#define ENV(tz, expected, ...)                                                \
    tap_is(environment((const char *const[]){__VA_ARGS__, NULL}, tz),         \
           expected, expected)

static void test_environment(void)
{
    ENV(NULL, "A=1|B=|C=a=b|", "A=1", "B=", "C=a=b");
    ENV(NULL, "lower_1=x|", "lower_1=x");
    /* Other characters become _, digits at the beginning too. */
    ENV(NULL, "A=1|A_B=2|", "A-B=2", "A=1");
    ENV(NULL, "A_B_C__=1|", "A.B-C \xe4=1");
    ENV(NULL, "_A=1|", "1A=1");
    ENV(NULL, "HTTP_X__Y=1|", "HTTP_X::Y=1");
    ENV(NULL, "", "=no name");
    /* Who was spelled so wins, wherever it stands. */
    ENV(NULL, "REQUEST_METHOD=GET|", "REQUEST-METHOD=forged",
        "REQUEST_METHOD=GET");
    ENV(NULL, "SCRIPT_NAME=/x|", "SCRIPT_NAME=/x", "SCRIPT.NAME=forged");
    ENV(NULL, "A_B=1|", "A-B=1", "A.B=2");
    ENV(NULL, "_A=2|", "_A=2", "1A=1");
    /* A beginning of a name is another one. */
    ENV(NULL, "AB=1|A_B=3|A_=2|", "AB=1", "A-=2", "A_B=3");
    ENV(NULL, "A_B=1|A_BC=2|", "A-B=1", "A-BC=2");
    /* The time zone */
    ENV("CET", "A=1|TZ=CET|", "A=1");
    ENV("CET", "TZ=UTC|", "TZ=UTC");
    ENV("CET", "tz=x|TZ=CET|", "tz=x");
    ENV("CET", "TZX=x|TZ=CET|", "TZX=x");
    ENV("", "A=1|TZ=|", "A=1");
    tap_is(environment((const char *const[]){NULL}, NULL), "", "no variable");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_words();
    test_many_words();
    test_environment();
    apr_pool_destroy(pool);
    return tap_done();
}
