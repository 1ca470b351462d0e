/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Text with references: \0-\9 and $0-$9 are groups by number, ${name} and
 * \{name} groups by name, %{host} the request's host as a directory name.
 * \\ \$ and \% are the characters themselves. Parsed at start-up; what a
 * reference stands for is never parsed again.
 */
#ifndef ROUTE_TEMPLATE_H
#define ROUTE_TEMPLATE_H

#include "base/pattern.h"
#include "base/safe.h"

typedef struct route_template_t route_template_t;

#define ROUTE_PART_LITERAL (-1)
#define ROUTE_PART_HOST (-2)

/** A template's parts in a row: text, or a reference. */
typedef struct route_part_t {
    int group;        /* number of a group, or one of the above */
    const char *text; /* not ended by NUL; with ROUTE_PART_LITERAL */
    apr_size_t length;
} route_part_t;

/**
 * Parse a template.
 * @param p       owns the result; text must live as long
 * @param pattern the regular expression whose groups are meant
 * @return NULL, or the end of a sentence that begins with the template's
 *         name: "must ..."
 */
const char *route_template_parse(apr_pool_t *p, const route_template_t **t,
                                 const char *text,
                                 const route_pattern_t *pattern);

/** Put the values in. @return allocated from p */
const char *route_template_expand(apr_pool_t *p, const route_template_t *t,
                                  const route_match_t *m, const char *host);

/**
 * Check every value that expansion would put in.
 * @return NULL, or why the text is refused (a static string)
 */
const char *route_template_check(const route_template_t *t,
                                 const route_match_t *m, const char *host,
                                 route_names_e names);

/** The template as it was written. */
const char *route_template_text(const route_template_t *t);

/** The literal text before the first reference. */
const char *route_template_literal(const route_template_t *t);

/** All parts; *n is their number. */
const route_part_t *route_template_parts(const route_template_t *t, int *n);

/** The text that a part stands for. @return allocated from p */
const char *route_template_part(apr_pool_t *p, const route_part_t *part,
                                const route_match_t *m, const char *host);

/** Whether there is any reference; whether one is %{host}. */
int route_template_has_references(const route_template_t *t);
int route_template_has_host(const route_template_t *t);

#endif /* ROUTE_TEMPLATE_H */
