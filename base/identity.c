/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "base/identity.h"
#include "base/metavars.h"
#include "base/safe.h"

#define ID_MAX 0xfffffffeul /* -1 is none */
#define OWN_MAX 3           /* variables that the launcher adds */
/* More variables are no request's. */
#define VARS_MAX 16384
/* The kernel takes no longer string. */
#define TEXT_MAX (128 * 1024)

/* ---- bytes ---- */

/* Strings one after the other, each with its NUL. */
typedef struct writer_t {
    char *data;
    apr_size_t size; /* counted first, with data NULL */
} writer_t;

static void put(writer_t *w, const char *string)
{
    apr_size_t len = strlen(string) + 1;

    if (w->data) {
        memcpy(w->data + w->size, string, len);
    }
    w->size += len;
}

static void put_number(writer_t *w, unsigned long number)
{
    char text[32];

    apr_snprintf(text, sizeof(text), "%lu", number);
    put(w, text);
}

static void put_list(writer_t *w, const char *const *list)
{
    unsigned long n = 0;

    while (list && list[n]) {
        n++;
    }
    put_number(w, n);
    while (list && *list) {
        put(w, *list++);
    }
}

static void put_vars(writer_t *w, const cgi_identity_var_t *vars)
{
    unsigned long n = 0;

    while (vars && vars[n].name) {
        n++;
    }
    put_number(w, n);
    for (; n; n--, vars++) {
        put(w, vars->name);
        put_list(w, vars->value);
    }
}

static void put_all(writer_t *w, const cgi_identity_t *identities, int n)
{
    put_number(w, (unsigned long)n);
    for (; n; n--, identities++) {
        put_number(w, identities->uid);
        put_number(w, identities->gid);
        put_list(w, identities->groups);
        put(w, identities->values);
        put_list(w, identities->root);
        put_list(w, identities->script);
        put_list(w, identities->dir);
        put_list(w, identities->interpreter);
        put_vars(w, identities->vars);
    }
}

void cgi_identity_encode(const cgi_identity_t *identities, int n,
                         apr_pool_t *p, void **data, apr_size_t *size)
{
    writer_t w = {NULL, 0};

    put_all(&w, identities, n);
    w.data = *data = apr_palloc(p, w.size);
    *size = w.size;
    w.size = 0;
    put_all(&w, identities, n);
}

typedef struct reader_t {
    const char *at, *end;
    int bad;
} reader_t;

static const char *take(reader_t *r)
{
    const char *string = r->at;
    const char *nul =
        r->bad ? NULL : memchr(r->at, '\0', (size_t)(r->end - r->at));

    if (!nul) {
        r->bad = 1;
        return "";
    }
    r->at = nul + 1;
    return string;
}

static unsigned long take_number(reader_t *r, unsigned long max)
{
    const char *text = take(r);
    char *end;
    unsigned long number;

    number = strtoul(text, &end, 10);
    if (!apr_isdigit(*text) || *end || number > max) {
        r->bad = 1;
        return 0;
    }
    return number;
}

/* The length of a list, of which each element takes a byte at least. */
static unsigned long take_length(reader_t *r)
{
    return take_number(r, (unsigned long)(r->end - r->at));
}

static const char *const *take_list(reader_t *r, apr_pool_t *p)
{
    unsigned long i, n = take_length(r);
    const char **list = apr_palloc(p, (n + 1) * sizeof(*list));

    for (i = 0; i < n; i++) {
        list[i] = take(r);
    }
    list[n] = NULL;
    return n ? list : NULL;
}

/* A list of words, and each is one. */
static cgi_identity_text_t take_text(reader_t *r, const char *values,
                                     apr_pool_t *p)
{
    cgi_identity_text_t text = take_list(r, p), word;

    for (word = text; word && *word; word++) {
        const char *number = *word + 1;

        if (**word == '$') {
            if (!*number || strspn(number, "0123456789") != strlen(number) ||
                strtoul(number, NULL, 10) >= strlen(values)) {
                r->bad = 1;
            }
        }
        else if (**word != '=') {
            r->bad = 1;
        }
    }
    return text;
}

static const cgi_identity_var_t *take_vars(reader_t *r, const char *values,
                                           apr_pool_t *p)
{
    unsigned long i, n = take_length(r);
    cgi_identity_var_t *vars = apr_pcalloc(p, (n + 1) * sizeof(*vars));

    for (i = 0; i < n; i++) {
        vars[i].name = take(r);
        vars[i].value = take_text(r, values, p);
    }
    return n ? vars : NULL;
}

apr_status_t cgi_identity_decode(cgi_identity_t **identities, int *n,
                                 void *data, apr_size_t size, apr_pool_t *p)
{
    reader_t r = {data, (const char *)data + size, 0};
    unsigned long i, count = take_length(&r);

    *n = (int)count;
    *identities = apr_pcalloc(p, (count + 1) * sizeof(**identities));
    for (i = 0; i < count && !r.bad; i++) {
        cgi_identity_t *id = &(*identities)[i];

        id->uid = (uid_t)take_number(&r, ID_MAX);
        id->gid = (gid_t)take_number(&r, ID_MAX);
        id->groups = take_list(&r, p);
        id->values = take(&r);
        id->root = take_text(&r, id->values, p);
        id->script = take_text(&r, id->values, p);
        id->dir = take_text(&r, id->values, p);
        id->interpreter = take_list(&r, p);
        id->vars = take_vars(&r, id->values, p);
        if (id->uid == 0 || !id->script ||
            strspn(id->values, "nah") != strlen(id->values)) {
            r.bad = 1;
        }
    }
    return r.bad || r.at != r.end ? APR_EINVAL : APR_SUCCESS;
}

/* ---- what a worker says ---- */

static int is_safe(const char *text, route_names_e names)
{
    return !route_safe_text(text, strlen(text), names);
}

static int is_value(const char *text, char rule)
{
    switch (rule) {
    case CGI_VALUE_ANY:
        return is_safe(text, ROUTE_NAMES_ANY);
    case CGI_VALUE_HOST:
        return route_safe_is_host(text);
    case CGI_VALUE_NAMES:
        return is_safe(text, ROUTE_NAMES_STRICT);
    default:
        return 0;
    }
}

static int are_values(const char *rules, const char *const *values)
{
    for (; *rules && *values; rules++, values++) {
        if (!is_value(*values, *rules)) {
            return 0;
        }
    }
    return !*rules && !*values;
}

/* ---- what the launcher makes of it ---- */

static const char *word_text(const char *word, const char *const *values)
{
    return *word == '=' ? word + 1 : values[strtoul(word + 1, NULL, 10)];
}

/* A text with the values in it. @return NULL: it is too long */
static char *expand(cgi_identity_text_t text, const char *const *values,
                    apr_pool_t *p)
{
    cgi_identity_text_t word;
    apr_size_t len = 1;
    char *result, *to;

    for (word = text; word && *word; word++) {
        len += strlen(word_text(*word, values));
        if (len > TEXT_MAX) {
            return NULL;
        }
    }
    result = to = apr_palloc(p, len);
    for (word = text; word && *word; word++) {
        len = strlen(word_text(*word, values));
        memcpy(to, word_text(*word, values), len);
        to += len;
    }
    *to = '\0';
    return result;
}

/* The root directory, as it is: without a value it would be another one,
 * higher up. @return NULL: it is none */
static const char *expand_root(cgi_identity_text_t text,
                               const char *const *values, apr_pool_t *p)
{
    const char *root;

    if (!text) {
        return "";
    }
    root = expand(text, values, p);
    return root && *root == '/' && root[strlen(root) - 1] != '/' &&
                   !strstr(root, "//") && is_safe(root, ROUTE_NAMES_ANY)
               ? root
               : NULL;
}

/* A path, with one slash where there are more: an empty value leaves two.
 * @return NULL: it is none */
static const char *expand_path(cgi_identity_text_t text,
                               const char *const *values, apr_pool_t *p)
{
    char *path = expand(text, values, p);
    char *from, *to = path;

    if (!path) {
        return NULL;
    }
    for (from = path; *from; from++) {
        if (*from != '/' || from[1] != '/') {
            *to++ = *from;
        }
    }
    *to = '\0';
    /* Values are safe by themselves; beside text of the configuration they
     * could still make up such a name. */
    return *path == '/' && is_safe(path, ROUTE_NAMES_ANY) ? path : NULL;
}

static int name_is(const char *name, const char *entry, apr_size_t len)
{
    return len == strlen(name) && !strncmp(name, entry, len);
}

/* The configuration sets it: is this one of the values that it can have?
 * @param texts the variables' values, made once they are asked for
 * @return -1: the configuration does not set it */
static int is_configured(const cgi_identity_t *identity, const char *entry,
                         apr_size_t len, const char *const *values,
                         const char **texts, apr_pool_t *p)
{
    const cgi_identity_var_t *var;
    int i, result = -1;

    for (i = 0, var = identity->vars; var && var->name; i++, var++) {
        if (name_is(var->name, entry, len)) {
            if (!texts[i]) {
                texts[i] = expand(var->value, values, p);
            }
            if (!texts[i]) {
                texts[i] = ""; /* too long for any variable */
            }
            result = !strcmp(texts[i], entry + len + 1);
            if (result) {
                break;
            }
        }
    }
    return result;
}

static const char *const *make_env(const cgi_identity_t *identity,
                                   const cgi_wire_request_t *request,
                                   const char *script, apr_pool_t *p)
{
    const char **safe, **to, **texts;
    int i, n = 0, has_path = 0, has_tz = 0;

    while (identity->vars && identity->vars[n].name) {
        n++;
    }
    texts = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*texts));
    n = 0;
    while (request->env[n]) {
        n++;
    }
    safe = to = apr_palloc(p, ((apr_size_t)n + OWN_MAX + 1) * sizeof(*safe));
    for (i = 0; i < n; i++) {
        const char *entry = request->env[i];
        apr_size_t len = cgi_metavar_length(entry);
        int configured;

        if (!len || entry[len] != '=' || !strncmp(entry, "LD_", 3)) {
            continue;
        }
        configured =
            is_configured(identity, entry, len, request->values, texts, p);
        if (configured > 0) {
            has_path |= name_is("PATH", entry, len);
            has_tz |= name_is("TZ", entry, len);
        }
        else if (configured == 0 || !cgi_metavar_is_harmless(entry, len)) {
            continue;
        }
        *to++ = entry;
    }
    /* What php-cgi and a shell act upon comes from here. */
    *to++ = apr_pstrcat(p, "SCRIPT_FILENAME=", script, NULL);
    if (!has_path) {
        *to++ = "PATH=/bin";
    }
    if (!has_tz && getenv("TZ")) {
        *to++ = apr_pstrcat(p, "TZ=", getenv("TZ"), NULL);
    }
    *to = NULL;
    return safe;
}

static const char *const *make_argv(const cgi_identity_t *identity,
                                    const char *script, apr_pool_t *p)
{
    const char **argv;
    int n = 0;

    if (!identity->interpreter) {
        argv = apr_palloc(p, 2 * sizeof(*argv));
        argv[0] = apr_filepath_name_get(script);
        argv[1] = NULL;
        return argv;
    }
    while (identity->interpreter[n]) {
        n++;
    }
    argv = apr_palloc(p, ((apr_size_t)n + 2) * sizeof(*argv));
    memcpy(argv, identity->interpreter, (apr_size_t)n * sizeof(*argv));
    argv[n] = script;
    argv[n + 1] = NULL;
    return argv;
}

/* The directory of a file, with a slash behind it. */
static const char *directory_of(const char *path, apr_pool_t *p)
{
    return apr_pstrmemdup(p, path,
                          (apr_size_t)(apr_filepath_name_get(path) - path));
}

const char *cgi_identity_check(const cgi_identity_t *identity,
                               const cgi_wire_request_t *request,
                               cgi_wire_request_t *safe, apr_pool_t *p)
{
    const char *const *values = request->values;
    const char *script;
    int i;

    if (!are_values(identity->values, values)) {
        return "its values are not what the route's references may be";
    }
    for (i = 0; request->env[i]; i++) {
        if (i == VARS_MAX) {
            return "its variables are too many";
        }
    }
    *safe = *request;
    script = expand_path(identity->script, values, p);
    safe->root = expand_root(identity->root, values, p);
    safe->dir = identity->dir ? expand_path(identity->dir, values, p)
                : script      ? directory_of(script, p)
                              : NULL;
    if (!script || !safe->root || !safe->dir) {
        return "its values make no path";
    }
    safe->path = identity->interpreter ? identity->interpreter[0] : script;
    safe->argv = make_argv(identity, script, p);
    safe->env = make_env(identity, request, script, p);
    return NULL;
}
