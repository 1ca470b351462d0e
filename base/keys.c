/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>

#include "apr_strings.h"

#include "base/keys.h"

static const char *unknown(apr_pool_t *p, const char *directive,
                           const cgi_key_t *keys, int n, const char *word)
{
    const char *list = "";
    int i;

    for (i = 0; i < n; i++) {
        list = apr_pstrcat(p, list,
                           !i          ? ""
                           : i < n - 1 ? ", "
                                       : " and ",
                           keys[i].name, "=", NULL);
    }
    return apr_psprintf(p, "%s must not have '%s': its keys are %s", directive,
                        word, list);
}

const char *cgi_keys_read(apr_pool_t *p, const char *directive,
                          const cgi_key_t *keys, int n, int argc,
                          char *const argv[])
{
    int i, k;

    for (i = 0; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t length = equals ? (size_t)(equals - argv[i]) : 0;

        for (k = 0; k < n; k++) {
            if (length == strlen(keys[k].name) &&
                !strncasecmp(argv[i], keys[k].name, length)) {
                break;
            }
        }
        if (!equals || k == n) {
            return unknown(p, directive, keys, n, argv[i]);
        }
        if (*keys[k].value) {
            return apr_psprintf(p, "%s must not have %s= twice", directive,
                                keys[k].name);
        }
        if (!equals[1]) {
            return apr_psprintf(p, "%s %s= must have a value", directive,
                                keys[k].name);
        }
        *keys[k].value = equals + 1;
    }
    return NULL;
}
