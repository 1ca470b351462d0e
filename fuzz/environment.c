/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Whatever a URL's query is: the words of the command line are its parts
 * between "+", each decoded once, with what a shell would act on behind a
 * backslash; all of them or none (RFC 3875, 4.4). And whatever the variables
 * are: names of the environment are names, and there once.
 *
 * Input: the query, up to the first end of line; then lines NAME=value.
 */
/* link: base/environment.c base/metavars.c */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/environment.h"
#include "target.h"

#define SHELL "&;`'\"|*?~<>^()[]{}$\\\n"
#define WORDS_MAX 1024

static void wrong(const char *what, const char *value)
{
    fprintf(stderr, "%s: %s\n", what, value);
    abort();
}

/* ---- the words ---- */

static int hex(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) % 16 : -1;
}

/* Decode one part. @return NULL: it can't be */
static char *decode(apr_pool_t *p, const char *from, apr_size_t len)
{
    char *text = apr_palloc(p, len + 1), *to = text;
    const char *end = from + len;

    for (; from < end; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        if (end - from < 3 || hex(from[1]) < 0 || hex(from[2]) < 0 ||
            hex(from[1]) + hex(from[2]) == 0) {
            return NULL;
        }
        *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
        from += 2;
    }
    *to = '\0';
    return text;
}

/* A word is that text, with a backslash wherever a shell would act. */
static void check_word(const char *word, const char *text)
{
    const char *w = word;

    for (; *text; text++) {
        if (strchr(SHELL, *text)) {
            if (*w++ != '\\') {
                wrong("no backslash", word);
            }
        }
        if (*w++ != *text) {
            wrong("not what the query says", word);
        }
    }
    if (*w) {
        wrong("more than the query says", word);
    }
}

static void check_words(const char *query, apr_pool_t *p)
{
    const char *at = query, *end, *const * words;
    char *text[WORDS_MAX];
    int i, n, expected = 0, whole = *query && !strchr(query, '=');

    while (whole) {
        end = at + strcspn(at, "+");
        if (expected == WORDS_MAX ||
            !(text[expected++] = decode(p, at, (apr_size_t)(end - at)))) {
            whole = 0;
        }
        if (!*end) {
            break;
        }
        at = end + 1;
    }
    words = cgi_environment_words(query, &n, p);
    if (n != (whole ? expected : 0)) {
        wrong("another number of words", query);
    }
    for (i = 0; i < n; i++) {
        check_word(words[i], text[i]);
    }
}

/* ---- the environment ---- */

static apr_size_t check_entry(const char *entry)
{
    apr_size_t len = strcspn(entry, "=");

    if (!len || entry[len] != '=' || (*entry >= '0' && *entry <= '9') ||
        strspn(entry, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != len) {
        wrong("no variable", entry);
    }
    return len;
}

static const char *find(const char *const *env, const char *name)
{
    apr_size_t len = strlen(name);

    for (; *env; env++) {
        if (!strncmp(*env, name, len) && (*env)[len] == '=') {
            return *env + len + 1;
        }
    }
    return NULL;
}

static void check_environment(char *lines, apr_pool_t *p)
{
    apr_table_t *vars = apr_table_make(p, 8);
    const char *const *env, *const *other;
    const char *value;
    char *line, *last = NULL;

    for (line = apr_strtok(lines, "\n", &last); line;
         line = apr_strtok(NULL, "\n", &last)) {
        char *eq = strchr(line, '=');

        if (eq) {
            *eq = '\0';
            apr_table_setn(vars, line, eq + 1);
        }
    }
    apr_table_unset(vars, "REQUEST_METHOD"); /* in small letters, too */
    apr_table_setn(vars, "REQUEST_METHOD", "GET");
    env = cgi_environment_make(vars, "UTC", p);
    for (; *env; env++) {
        apr_size_t len = check_entry(*env);

        for (other = env + 1; *other; other++) {
            if (!strncmp(*env, *other, len + 1)) {
                wrong("there twice", *env);
            }
        }
    }
    env = cgi_environment_make(vars, "UTC", p);
    value = find(env, "REQUEST_METHOD");
    if (!value || strcmp(value, "GET") != 0) {
        wrong("another method", value ? value : "none");
    }
    if (!find(env, "TZ")) {
        wrong("no time zone", "TZ");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;
    char *text, *rest;
    char *query;

    apr_pool_create(&p, start());
    text = apr_pstrmemdup(p, (const char *)data, size);
    rest = strchr(text, '\n');
    if (rest) {
        *rest++ = '\0';
    }
    query = malloc(strlen(text) + 1); /* of that size, for ASan */
    strcpy(query, text);
    check_words(query, p);
    free(query);
    if (rest) {
        check_environment(rest, p);
    }
    apr_pool_destroy(p);
    return 0;
}
