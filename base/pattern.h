/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The regular expression of a route: compiled once at start-up, then matched
 * by any thread. PCRE2 8-bit with JIT; paths are bytes, so UTF mode is off
 * unless the pattern itself begins with (*UTF).
 */
#ifndef ROUTE_PATTERN_H
#define ROUTE_PATTERN_H

#include "apr_pools.h"

typedef struct route_pattern_t route_pattern_t;

/** Most groups that a pattern may have, group 0 included. */
#define ROUTE_GROUPS_MAX 100

/** Where one match lies in its subject. */
typedef struct route_match_t {
    const char *subject;
    apr_size_t end;            /* of the whole match, in bytes */
    int groups;                /* group 0 included */
    const apr_size_t *offsets; /* 2 a group; ROUTE_NO_OFFSET: took no part */
} route_match_t;

#define ROUTE_NO_OFFSET (~(apr_size_t)0)

typedef enum {
    ROUTE_MATCH_YES,
    ROUTE_MATCH_NO,
    ROUTE_MATCH_NOT_UTF, /* the pattern demands UTF-8, which this is not */
    ROUTE_MATCH_RUNAWAY, /* gave up at a limit */
    ROUTE_MATCH_ERROR    /* out of memory */
} route_match_e;

/**
 * Create what threads need to match. Once a process, before the first match.
 * @param p its cleanup releases the calling thread's share
 */
apr_status_t route_pattern_init(apr_pool_t *p);

/**
 * Compile a pattern.
 * @param p owns the result
 * @return NULL, or an English sentence that says what is wrong
 */
const char *route_pattern_compile(apr_pool_t *p, route_pattern_t **pattern,
                                  const char *regex);

/**
 * Search a pattern in a subject.
 * @param p owns the copy of the subject and the offsets in *m
 * @param m filled in for ROUTE_MATCH_YES only
 */
route_match_e route_pattern_match(apr_pool_t *p,
                                  const route_pattern_t *pattern,
                                  const char *subject, route_match_t *m);

/** Number of groups, group 0 included. */
int route_pattern_groups(const route_pattern_t *pattern);

/** Number of the group with that name, or -1. */
int route_pattern_group_named(const route_pattern_t *pattern,
                              const char *name);

/** Whether the pattern was translated to machine code. */
int route_pattern_has_jit(const route_pattern_t *pattern);

/**
 * The bytes with which every subject that can match begins: a lower bound,
 * "" when nothing is certain. Lives as long as the pattern.
 */
const char *route_pattern_prefix(const route_pattern_t *pattern);

/**
 * What stands behind that text in the expression. When that is "", every
 * subject that begins with the text matches, up to the text's end; with "$"
 * only the text itself.
 */
const char *route_pattern_rest(const route_pattern_t *pattern);

#endif /* ROUTE_PATTERN_H */
