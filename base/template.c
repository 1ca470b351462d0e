/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_tables.h"

#include "base/template.h"

struct route_template_t {
    const char *text;
    const char *literal;
    apr_array_header_t *parts;
    int has_host;
};

static void add_part(route_template_t *t, int group, const char *text,
                     apr_size_t length)
{
    route_part_t *part = apr_array_push(t->parts);

    part->group = group;
    part->text = text;
    part->length = length;
}

/* A group by number, checked. */
static const char *add_number(apr_pool_t *p, route_template_t *t, char digit,
                              const route_pattern_t *pattern)
{
    int number = digit - '0';

    if (number >= route_pattern_groups(pattern)) {
        return apr_psprintf(p,
                            "must not refer to group %d: the regular "
                            "expression has %d",
                            number, route_pattern_groups(pattern) - 1);
    }
    add_part(t, number, NULL, 0);
    return NULL;
}

/* A group by name, from "{name}"; *s is left on the brace that closes. */
static const char *add_name(apr_pool_t *p, route_template_t *t, const char **s,
                            const route_pattern_t *pattern)
{
    const char *close = strchr(*s, '}');
    const char *name;
    int number;

    if (!close) {
        return apr_psprintf(p, "must close \"%s\" with }", *s - 1);
    }
    name = apr_pstrmemdup(p, *s + 1, (apr_size_t)(close - *s - 1));
    number = route_pattern_group_named(pattern, name);
    if (number < 0) {
        return apr_psprintf(p,
                            "must not refer to group \"%s\": the regular "
                            "expression has none of that name",
                            name);
    }
    add_part(t, number, NULL, 0);
    *s = close;
    return NULL;
}

const char *route_template_parse(apr_pool_t *p,
                                 const route_template_t **template,
                                 const char *text,
                                 const route_pattern_t *pattern)
{
    route_template_t *t = apr_pcalloc(p, sizeof(*t));
    const char *s, *err = NULL;
    const route_part_t *first;

    t->text = text;
    t->parts = apr_array_make(p, 4, sizeof(route_part_t));
    for (s = text; *s && !err; s++) {
        if ((*s == '\\' || *s == '$') && apr_isdigit(s[1])) {
            err = add_number(p, t, *++s, pattern);
        }
        else if ((*s == '\\' || *s == '$') && s[1] == '{') {
            s++;
            err = add_name(p, t, &s, pattern);
        }
        else if (*s == '%' && s[1] == '{') {
            if (strncmp(s, "%{host}", 7) != 0) {
                return "must not have %{ before anything but host}";
            }
            add_part(t, ROUTE_PART_HOST, NULL, 0);
            t->has_host = 1;
            s += 6;
        }
        else if (*s == '\\') {
            if (!s[1] || !strchr("\\$%", s[1])) {
                return "must have a digit, {name}, \\, $ or % after \\";
            }
            add_part(t, ROUTE_PART_LITERAL, ++s, 1);
        }
        else {
            apr_size_t n = 1 + strcspn(s + 1, "\\$%");

            add_part(t, ROUTE_PART_LITERAL, s, n);
            s += n - 1;
        }
    }
    if (err) {
        return err;
    }

    t->literal = "";
    for (first = (const route_part_t *)t->parts->elts;
         first < (const route_part_t *)t->parts->elts + t->parts->nelts &&
         first->group == ROUTE_PART_LITERAL;
         first++) {
        t->literal =
            apr_pstrcat(p, t->literal,
                        apr_pstrmemdup(p, first->text, first->length), NULL);
    }
    *template = t;
    return NULL;
}

/* The text that a part stands for. */
static void part_value(const route_part_t *part, const route_match_t *m,
                       const char *host, const char **text, apr_size_t *length)
{
    if (part->group == ROUTE_PART_LITERAL) {
        *text = part->text;
        *length = part->length;
    }
    else if (part->group == ROUTE_PART_HOST) {
        *text = host;
        *length = strlen(host);
    }
    else if (m->offsets[2 * part->group] == ROUTE_NO_OFFSET) {
        *text = "";
        *length = 0;
    }
    else {
        *text = m->subject + m->offsets[2 * part->group];
        *length =
            m->offsets[2 * part->group + 1] - m->offsets[2 * part->group];
    }
}

const char *route_template_expand(apr_pool_t *p, const route_template_t *t,
                                  const route_match_t *m, const char *host)
{
    const route_part_t *parts = (const route_part_t *)t->parts->elts;
    apr_size_t total = 0, length;
    const char *text;
    char *result, *out;
    int i;

    for (i = 0; i < t->parts->nelts; i++) {
        part_value(&parts[i], m, host, &text, &length);
        total += length;
    }
    result = out = apr_palloc(p, total + 1);
    for (i = 0; i < t->parts->nelts; i++) {
        part_value(&parts[i], m, host, &text, &length);
        memcpy(out, text, length);
        out += length;
    }
    *out = '\0';
    return result;
}

const char *route_template_check(const route_template_t *t,
                                 const route_match_t *m, const char *host,
                                 route_names_e names)
{
    const route_part_t *parts = (const route_part_t *)t->parts->elts;
    int i;

    for (i = 0; i < t->parts->nelts; i++) {
        const char *text, *why;
        apr_size_t length;

        if (parts[i].group < 0) {
            continue;
        }
        part_value(&parts[i], m, host, &text, &length);
        why = route_safe_text(text, length, names);
        if (why) {
            return why;
        }
    }
    return NULL;
}

const route_part_t *route_template_parts(const route_template_t *t, int *n)
{
    *n = t->parts->nelts;
    return (const route_part_t *)t->parts->elts;
}

const char *route_template_part(apr_pool_t *p, const route_part_t *part,
                                const route_match_t *m, const char *host)
{
    const char *text;
    apr_size_t length;

    part_value(part, m, host, &text, &length);
    return apr_pstrmemdup(p, text, length);
}

const char *route_template_text(const route_template_t *t)
{
    return t->text;
}

const char *route_template_literal(const route_template_t *t)
{
    return t->literal;
}

int route_template_has_references(const route_template_t *t)
{
    const route_part_t *parts = (const route_part_t *)t->parts->elts;
    int i;

    for (i = 0; i < t->parts->nelts; i++) {
        if (parts[i].group != ROUTE_PART_LITERAL) {
            return 1;
        }
    }
    return 0;
}

int route_template_has_host(const route_template_t *t)
{
    return t->has_host;
}
