/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "base/environment.h"
#include "base/metavars.h"

/* Enough for any form of search; an attack finds its end here. */
#define WORDS_MAX 1024

/* Length of the name when it can be used as it is, else 0. */
static apr_size_t clean_length(const char *name)
{
    apr_size_t n = apr_isdigit(*name) ? 0 : cgi_metavar_length(name);

    return name[n] ? 0 : n;
}

const char *cgi_environment_name(const char *name, apr_pool_t *p)
{
    char *result = apr_pstrdup(p, name), *c;

    if (apr_isdigit(*result)) {
        *result = '_';
    }
    for (c = result; *c; c++) {
        *c = cgi_metavar_fold(*c);
    }
    return result;
}

static const char *join(const char *name, apr_size_t name_len,
                        const char *value, apr_pool_t *p)
{
    apr_size_t value_len = strlen(value) + 1;
    char *entry = apr_palloc(p, name_len + 1 + value_len);

    memcpy(entry, name, name_len);
    entry[name_len] = '=';
    memcpy(entry + name_len + 1, value, value_len);
    return entry;
}

static int is_set(const char *const *env, int n, const char *name,
                  apr_size_t len)
{
    int i;

    for (i = 0; i < n; i++) {
        if (!strncmp(env[i], name, len) && env[i][len] == '=') {
            return 1;
        }
    }
    return 0;
}

const char *const *cgi_environment_make(const apr_table_t *vars,
                                        const char *tz, apr_pool_t *p)
{
    const apr_array_header_t *array = apr_table_elts(vars);
    const apr_table_entry_t *elts = (const apr_table_entry_t *)array->elts;
    const char **env =
        apr_palloc(p, ((apr_size_t)array->nelts + 2) * sizeof(*env));
    apr_size_t len;
    int i, n = 0, unclean = 0;

    for (i = 0; i < array->nelts; i++) {
        if (!elts[i].key || !elts[i].val || !*elts[i].key) {
            continue;
        }
        if ((len = clean_length(elts[i].key)) != 0) {
            env[n++] = join(elts[i].key, len, elts[i].val, p);
        }
        else {
            unclean = 1;
        }
    }
    for (i = 0; unclean && i < array->nelts; i++) {
        const char *name;

        if (!elts[i].key || !elts[i].val || !*elts[i].key ||
            clean_length(elts[i].key)) {
            continue;
        }
        name = cgi_environment_name(elts[i].key, p);
        len = strlen(name);
        if (!is_set(env, n, name, len)) {
            env[n++] = join(name, len, elts[i].val, p);
        }
    }
    if (tz && !is_set(env, n, "TZ", 2)) {
        env[n++] = join("TZ", 2, tz, p);
    }
    env[n] = NULL;
    return env;
}

const char *const *cgi_environment_words(const char *query, int *n,
                                         apr_pool_t *p)
{
    const char **words;
    const char *c, *end;
    apr_status_t rv;
    int i, count = 1;

    *n = 0;
    if (!query || !*query || strchr(query, '=')) {
        return NULL;
    }
    for (c = query; *c; c++) {
        count += *c == '+';
    }
    if (count > WORDS_MAX) {
        return NULL;
    }
    words = apr_palloc(p, (apr_size_t)count * sizeof(*words));
    for (i = 0, c = query; i < count; i++, c = end + 1) {
        char *word;

        end = c + strcspn(c, "+");
        word = apr_pstrmemdup(p, c, (apr_size_t)(end - c));
        /* Refuses %00 and what is no escape. */
        rv = apr_unescape_url(word, word, APR_ESCAPE_STRING, NULL, NULL, 0,
                              NULL);
        if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
            return NULL;
        }
        words[i] = apr_pescape_shell(p, word);
    }
    *n = count;
    return words;
}
