/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "base/safe.h"

static int is_dots(const char *segment, apr_size_t length)
{
    return (length == 1 || length == 2) && segment[0] == '.' &&
           segment[length - 1] == '.';
}

/* ASCII only, whatever the locale. */
static int is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

const char *route_safe_text(const char *text, apr_size_t length,
                            route_names_e names)
{
    apr_size_t i, start = 0;

    for (i = 0; i <= length; i++) {
        if (i == length || text[i] == '/') {
            if (is_dots(text + start, i - start)) {
                return "a captured name is \".\" or \"..\"";
            }
            if (names == ROUTE_NAMES_STRICT && i > start &&
                (text[start] == '.' || text[start] == '-')) {
                return "a captured name begins with \".\" or \"-\"";
            }
            start = i + 1;
        }
        else if (text[i] == '\0' || text[i] == '\n' || text[i] == '\r') {
            return "a captured name has a NUL or an end of line in it";
        }
        else if (names == ROUTE_NAMES_STRICT && !is_plain(text[i])) {
            return "a captured name has a character other than letters, "
                   "digits, \".\", \"_\" and \"-\"";
        }
    }
    return NULL;
}

int route_safe_has_dots(const char *path)
{
    while (*path) {
        apr_size_t n = strcspn(path, "/");

        if (is_dots(path, n)) {
            return 1;
        }
        path += n;
        while (*path == '/') {
            path++;
        }
    }
    return 0;
}

int route_safe_is_host(const char *name)
{
    if (!*name || *name == '.') {
        return 0;
    }
    while (is_plain(*name) || (*name && strchr(":[]", *name))) {
        name++;
    }
    return !*name;
}

const char *route_safe_host(apr_pool_t *p, const char *host)
{
    char *name, *s;

    if (!host || !*host) {
        return "0";
    }
    name = apr_pstrdup(p, host);
    if (*name == '[') { /* an IPv6 address: the port is behind the bracket */
        s = strchr(name, ']');
        if (!s) {
            return NULL;
        }
        s[1] = '\0';
    }
    else {
        s = strchr(name, ':');
        /* more than one colon: an address whose brackets httpd took off */
        if (s && !strchr(s + 1, ':')) {
            *s = '\0';
        }
        if (!*name) {
            return "0";
        }
    }
    for (s = name; *s; s++) {
        *s = (char)apr_tolower(*s);
    }
    if (*name == '.') {
        *name = ':';
    }
    return route_safe_is_host(name) ? name : NULL;
}
