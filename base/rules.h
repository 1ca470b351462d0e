/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a script in a sandbox may do: a list of rules, which travels with the
 * message to the launcher; and whether this kernel can hold a script to them.
 */
#ifndef CGI_RULES_H
#define CGI_RULES_H

#include "apr_pools.h"

/** A rule is a string: one of these letters, and a value. A path is absolute,
 * as the script sees it, and stands for all that is below it. */
typedef enum {
    CGI_SANDBOX_READ = 'r',    /* path */
    CGI_SANDBOX_WRITE = 'w',   /* path; to read, too */
    CGI_SANDBOX_EXECUTE = 'x', /* path; to read, too */
    /* The same, and no error where there is no such path. */
    CGI_SANDBOX_MAY_READ = 'R',
    CGI_SANDBOX_MAY_EXECUTE = 'X',
    CGI_SANDBOX_PORT = 'p',   /* number of a TCP port to connect to; all other
                                 ports are closed */
    CGI_SANDBOX_NO_NET = 'n', /* no value: no sockets */
    CGI_SANDBOX_TMP = 't',    /* no value: a temporary directory */
    CGI_SANDBOX_BEST_EFFORT = 'b' /* no value: what the kernel lacks is left
                                     out */
} cgi_sandbox_rule_e;

/** Parts of a sandbox that a kernel can lack. */
enum {
    CGI_SANDBOX_LACKS_FILES = 1 << 0,
    CGI_SANDBOX_LACKS_TRUNCATE = 1 << 1,
    CGI_SANDBOX_LACKS_PORTS = 1 << 2,
    CGI_SANDBOX_LACKS_SCOPE = 1 << 3,
    CGI_SANDBOX_LACKS_FILTER = 1 << 4
};

/** The version of Landlock's interface that this kernel has; 0: none. */
int cgi_sandbox_abi(void);

/** Can system calls be refused: does this kernel have seccomp filters, and do
 * we know the numbers of this architecture? */
int cgi_sandbox_has_filter(void);

/** Is there a rule of this letter? */
int cgi_sandbox_has(const char *const *rules, cgi_sandbox_rule_e rule);

/**
 * What of these rules can't be held?
 * @param abi, filter as of the functions above
 * @return a sum of CGI_SANDBOX_LACKS_x
 */
unsigned int cgi_sandbox_lacks(const char *const *rules, int abi, int filter);

/** Such a sum in English, as it follows "can't keep scripts from". */
const char *cgi_sandbox_lacks_text(unsigned int lacks, apr_pool_t *p);

#endif /* CGI_RULES_H */
