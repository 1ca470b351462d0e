/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The literal text with which a regular expression begins, and a table that
 * finds all patterns whose literal text begins a given string. With it a
 * route that can't match costs nothing, or at most a comparison.
 */
#ifndef ROUTE_PREFIX_H
#define ROUTE_PREFIX_H

#include "apr_pools.h"

/**
 * The literal bytes after a leading "^". The caller knows that PCRE2 calls
 * the pattern anchored.
 * @param rest set to what stands behind them: "" when that is nothing
 * @return allocated from p; "", and all of regex as rest, when in doubt
 */
const char *route_prefix_of_regex(apr_pool_t *p, const char *regex,
                                  const char **rest);

typedef struct route_prefix_table_t route_prefix_table_t;

/**
 * Build a table.
 * @param p        owns the result
 * @param prefixes count strings, which must live as long as the table
 */
route_prefix_table_t *
route_prefix_table_make(apr_pool_t *p, const char *const *prefixes, int count);

/** A walk over the candidates for one string; on the caller's stack. */
typedef struct route_prefix_iter_t {
    const struct route_prefix_node_t *node;
    int last;
} route_prefix_iter_t;

/** Start a walk. Allocates nothing. */
void route_prefix_begin(const route_prefix_table_t *table, const char *text,
                        route_prefix_iter_t *iter);

/**
 * The next index, in ascending order, whose prefix text begins with.
 * @return -1 at the end
 */
int route_prefix_next(route_prefix_iter_t *iter);

#endif /* ROUTE_PREFIX_H */
