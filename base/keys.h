/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The arguments key=value of a directive.
 */
#ifndef CGI_KEYS_H
#define CGI_KEYS_H

#include "apr_pools.h"

typedef struct cgi_key_t {
    const char *name;   /* without "=" */
    const char **value; /* NULL before; what was found, a part of the word */
} cgi_key_t;

/**
 * Read words that are all key=value: a key in any case, once, with a value.
 * @param directive its name, for the message
 * @param keys those that it may have, n of them
 * @return NULL, or a rule that a word breaks, as a message (from p)
 */
const char *cgi_keys_read(apr_pool_t *p, const char *directive,
                          const cgi_key_t *keys, int n, int argc,
                          char *const argv[]);

#endif /* CGI_KEYS_H */
