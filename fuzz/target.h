/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What every fuzz target has: its entry, and APR with a pool. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "apr_general.h"
#include "apr_pools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The pool of all inputs; APR is started with the first. */
static apr_pool_t *start(void)
{
    static apr_pool_t *pool;

    if (!pool) {
        apr_initialize();
        atexit(apr_terminate);
        apr_pool_create(&pool, NULL);
    }
    return pool;
}

#endif /* FUZZ_TARGET_H */
