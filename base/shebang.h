/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The first line of a script: which program execve() makes of it.
 */
#ifndef CGI_SHEBANG_H
#define CGI_SHEBANG_H

#include "apr_pools.h"

/** Bytes of a script that the kernel looks at: BINPRM_BUF_SIZE. */
#define CGI_SHEBANG_MAX 256

typedef struct cgi_shebang_t {
    const char *program; /* absolute path of the interpreter */
    const char *argv0;   /* its name, as it is told */
    const char *arg;     /* the one word that follows it, or NULL */
} cgi_shebang_t;

/**
 * Read a script's first line as the kernel does, and through /usr/bin/env as
 * that program does. Options of env are left to env.
 * @param path of the script
 * @param env environment that the script gets, ended by NULL: its PATH counts
 * @param result gets strings from p
 * @return NULL; or an English phrase: why that is not known
 */
const char *cgi_shebang_read(cgi_shebang_t *result, const char *path,
                             const char *const *env, apr_pool_t *p);

#endif /* CGI_SHEBANG_H */
