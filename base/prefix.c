/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "base/prefix.h"

/* ---- the literal start of a pattern ---- */

/* What begins a group behind "(?"; what sets an option. */
#define GROUPS ":|>=!<P'"
#define OPTIONS "aimnsxJU^-"

/* Whether "\" and c are one item, whatever comes behind: not \Q, \E, \c, \x{},
 * \p{} and others that take more along, and none that is not known here. */
static int is_plain_escape(char c)
{
    return c && (!apr_isalnum(c) || strchr("dDsSwWhHvVbBntrfe0123456789", c));
}

/* After the character class that opens at s: behind its "]", or NULL. */
static const char *skip_class(const char *s)
{
    s++;
    if (*s == '^') {
        s++;
    }
    if (*s == ']') { /* first in a class, it is a member */
        s++;
    }
    for (; *s; s++) {
        if (*s == ']') {
            return s + 1;
        }
        if (*s == '\\') {
            if (!is_plain_escape(s[1])) {
                return NULL;
            }
            s++;
        }
        else if (*s == '[' && s[1] && strchr(":.=", s[1])) {
            /* [:name:], or what PCRE2 has rules of its own for */
            const char *name = s + 2;

            s = name + strspn(name, "^abcdefghijklmnopqrstuvwxyz");
            if (name[-1] != ':' || s[0] != ':' || s[1] != ']') {
                return NULL;
            }
            s++;
        }
    }
    return NULL;
}

/* Whether a "|" outside of all groups is possible: then the pattern has more
 * beginnings than the first. Whatever this scan is not sure of counts. */
static int may_alternate(const char *s)
{
    int depth = 0;

    if (!strchr(s, '|')) {
        return 0;
    }
    while (*s) {
        switch (*s) {
        case '\\':
            if (!is_plain_escape(s[1])) {
                return 1;
            }
            s += 2;
            continue;
        case '[':
            s = skip_class(s);
            if (!s) {
                return 1;
            }
            continue;
        case '(':
            depth++;
            /* comments, options such as (?x), callouts, verbs */
            if (s[1] == '*' ||
                (s[1] == '?' && (!s[2] || !strchr(GROUPS, s[2])))) {
                return 1;
            }
            break;
        case ')':
            depth--;
            break;
        case '|':
            if (depth <= 0) {
                return 1;
            }
            break;
        default:
            break;
        }
        s++;
    }
    return 0;
}

/* What stands behind the literal text, at s: does it leave the last character
 * alone (1), allow none of it (0), or is that not known (-1)? */
static int keeps_last(const char *s)
{
    switch (*s) {
    case '*':
    case '?':
    case '{':
        return 0;
    case '(':
        /* a quantifier behind a comment or callout belongs to what is before
         * it */
        return s[1] == '*' || (s[1] == '?' &&
                               (!s[2] || !strchr(GROUPS OPTIONS, s[2])))
                   ? -1
                   : 1;
    case '\\': /* an escaped letter or digit has a meaning of its own */
        return is_plain_escape(s[1]) ? 1 : -1;
    default:
        return 1;
    }
}

const char *route_prefix_of_regex(apr_pool_t *p, const char *regex,
                                  const char **rest)
{
    const char *s = regex;
    char *prefix, *out;
    int keeps;

    *rest = regex;
    if (*s != '^' || may_alternate(s)) {
        return "";
    }
    prefix = out = apr_palloc(p, strlen(regex) + 1);
    for (s++; *s && !strchr("[](){}.*+?|^$", *s); s++) {
        if (*s == '\\') {
            if (!s[1] || apr_isalnum(s[1])) {
                break;
            }
            s++;
        }
        *out++ = *s;
    }
    keeps = keeps_last(s);
    if (keeps < 0) {
        return "";
    }
    if (!keeps && out > prefix) {
        out--;
    }
    *out = '\0';
    *rest = s;
    return prefix;
}

/* ---- the table ---- */

typedef struct route_prefix_node_t {
    const char *prefix;
    apr_size_t length;
    int parent;       /* node of the longest proper prefix, or -1 */
    int first, count; /* its part of the indexes, ascending */
    const struct route_prefix_table_t *table;
} route_prefix_node_t;

struct route_prefix_table_t {
    route_prefix_node_t *nodes; /* by prefix */
    int count;
    int *indexes;
};

typedef struct entry_t {
    const char *prefix;
    int index;
} entry_t;

static int compare_entries(const void *a, const void *b)
{
    const entry_t *ea = a, *eb = b;
    int d = strcmp(ea->prefix, eb->prefix);

    return d ? d : ea->index - eb->index;
}

static int begins_with(const char *text, const route_prefix_node_t *node)
{
    return strncmp(text, node->prefix, node->length) == 0;
}

route_prefix_table_t *
route_prefix_table_make(apr_pool_t *p, const char *const *prefixes, int count)
{
    route_prefix_table_t *table = apr_pcalloc(p, sizeof(*table));
    const apr_size_t size = count > 0 ? (apr_size_t)count : 1;
    entry_t *entries = apr_palloc(p, size * sizeof(*entries));
    int i;

    table->nodes = apr_pcalloc(p, size * sizeof(*table->nodes));
    table->indexes = apr_palloc(p, size * sizeof(*table->indexes));
    for (i = 0; i < count; i++) {
        entries[i].prefix = prefixes[i];
        entries[i].index = i;
    }
    qsort(entries, (apr_size_t)count, sizeof(*entries), compare_entries);

    for (i = 0; i < count; i++) {
        int parent = table->count - 1;
        route_prefix_node_t *node = parent < 0 ? NULL : &table->nodes[parent];

        if (!node || strcmp(node->prefix, entries[i].prefix) != 0) {

            /* whatever begins this prefix is the node before it, or one of
             * that node's parents: the order is lexical */
            while (parent >= 0 &&
                   !begins_with(entries[i].prefix, &table->nodes[parent])) {
                parent = table->nodes[parent].parent;
            }
            node = &table->nodes[table->count++];
            node->prefix = entries[i].prefix;
            node->length = strlen(node->prefix);
            node->parent = parent;
            node->first = i;
            node->table = table;
        }
        node->count++;
        table->indexes[i] = entries[i].index;
    }
    return table;
}

static const route_prefix_node_t *parent_of(const route_prefix_node_t *node)
{
    return node->parent < 0 ? NULL : &node->table->nodes[node->parent];
}

void route_prefix_begin(const route_prefix_table_t *table, const char *text,
                        route_prefix_iter_t *iter)
{
    const route_prefix_node_t *node;
    int low = 0, high = table->count;

    /* the last node that is not behind text; see table_make for why all
     * others that begin text are among its parents */
    while (low < high) {
        int middle = low + (high - low) / 2;

        if (strcmp(table->nodes[middle].prefix, text) <= 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    node = low > 0 ? &table->nodes[low - 1] : NULL;
    while (node && !begins_with(text, node)) {
        node = parent_of(node);
    }
    iter->node = node;
    iter->last = -1;
}

/* The first of a node's indexes above last, or -1. */
static int first_above(const route_prefix_node_t *node, int last)
{
    const int *indexes = node->table->indexes + node->first;
    int low = 0, high = node->count;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (indexes[middle] <= last) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < node->count ? indexes[low] : -1;
}

int route_prefix_next(route_prefix_iter_t *iter)
{
    const route_prefix_node_t *node;
    int best = -1;

    for (node = iter->node; node; node = parent_of(node)) {
        int index = first_above(node, iter->last);

        if (index >= 0 && (best < 0 || index < best)) {
            best = index;
        }
    }
    if (best < 0) {
        iter->node = NULL;
    }
    else {
        iter->last = best;
    }
    return best;
}
